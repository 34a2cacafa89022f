"""The entry point: leaves at once if nothing changed, else hands over to the full command line.

Knows nothing of what a command does. Invariant: importing and passing through here loads nothing but
built-in modules (tests/freshness/test_noop.py).
"""

import sys


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    from orch.cli.noop import leave_if_fresh

    leave_if_fresh(sys.argv[1:])
    from orch.cli.dispatch import run

    sys.exit(run(sys.argv[1:]))
