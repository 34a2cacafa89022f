"""`python -m orch`. Knows nothing of commands."""

from orch.cli.main import main

main()
