"""`orch milestone status | attest | verify | mirror`: how far goals are, and what shows it.

`status` and `verify` change nothing. Knows nothing of how a build goes.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options

_ROOMS = {"status": "stated", "attest": "attested", "verify": "verified", "mirror": "mirrored"}


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Do the action that is the first of `options.targets`."""
    action, *names = options.targets
    module = import_module(f"orch.cli.commands.milestone.{_ROOMS[action]}")
    return int(module.run(names, options, console, environ))
