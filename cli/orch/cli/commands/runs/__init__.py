"""`orch runs list | show | diff | verify | gc | export`: what earlier runs did.

All but `gc` and `export -o` change nothing and wait for nobody. Knows nothing of how a build goes.
"""

from __future__ import annotations

import os
from importlib import import_module

from orch.cache.place import place_of
from orch.engine.project import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options

_ROOMS = {
    "list": "listed",
    "show": "told",
    "diff": "compared",
    "verify": "verified",
    "gc": "tidied",
    "export": "exported",
}


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Do the action that is the first of `options.targets`."""
    start = os.getcwd()
    root, _ = locate(start, options.file)
    action, *names = options.targets
    module = import_module(f"orch.cli.commands.runs.{_ROOMS[action]}")
    os.chdir(root)
    return int(module.run(place_of(root, environ), start, names, options, console))
