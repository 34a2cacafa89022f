"""`orch init`: writes a commented Orchfile for what is found in this folder.

Knows nothing of what the kinds of projects need: orch.cli.starters does.
"""

from __future__ import annotations

import os

from orch.cli.console import shown
from orch.cli.starters import c, make, node, python
from orch.cli.starters.part import written
from orch.cli.starters.sample import sample
from orch.graph.errors import UsageError
from orch.rules.listing import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.cli.starters.part import Part


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Write the file; one that is there is never overwritten (UsageError)."""
    del environ
    name = options.file or "Orchfile.toml"
    root = os.path.realpath(os.path.dirname(name) or ".")
    if os.path.lexists(name):
        raise UsageError(f"{name} is already there", hint="`orch check` looks for mistakes in it")
    parts = parts_for(root, Listing(root).match("**/*"))
    try:
        with open(name, "x", encoding="utf-8") as file:
            file.write(written(parts))
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}") from error
    tasks = [task.name for part in parts for task in part.tasks]
    if options.json:
        import json

        kinds = [part.kind for part in parts]
        console.out(json.dumps({"file": name, "found": kinds, "tasks": tasks}, indent=2))
    elif not options.quiet:
        about = " and ".join(part.kind for part in parts)
        console.err(f"orch: wrote {shown(name)} ({about}): {', '.join(tasks)}")
        console.hint("`orch build` builds")
    return 0


def parts_for(root: str, files: Sequence[str]) -> list[Part]:
    """What to write for a folder with these files (relative to `root`)."""
    found = [(look, part) for look in (make.look, node.look) if (part := look(root, files, ""))]
    if not found or any(name in files for name in python.CONFIGURATION):
        found += [(python.look, part) for part in [python.look(root, files, "")] if part]
    if not found:  # C files beside another build are that build's business
        return [c.look(root, files, "") or sample()]
    if len(found) == 1:
        return [found[0][1]]
    return [part for look, one in found if (part := look(root, files, f"{one.kind.lower()}-"))]
