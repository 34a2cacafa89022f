"""`orch milestone mirror`: brings the files up to date that show milestones, or checks that they are.

Knows nothing of what they show.
"""

from __future__ import annotations

import json

from orch.cache.place import place_of
from orch.cli.console import shown as harmless
from orch.engine.outlook import bare_outlook
from orch.goals.mirror import shown, write_mirrors
from orch.graph.errors import ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options


def run(names: Sequence[str], options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Write the mirrors of the milestones, all by default; under --check raises ClosedError instead."""
    seen = bare_outlook(environ, options.file, options.profile)
    goals = [seen.project.graph.milestones[name] for name in seen.milestones_named(names)]
    checklist = seen.goals.checklist
    if options.check:
        changed = [one for one in shown(goals, checklist) if not one.is_same]
        if options.json:
            console.out(json.dumps({"changed": [one.file for one in changed]}, indent=2))
        else:
            for one in changed:
                console.out(one.diff)
        if changed:
            facts = [("mirror", one.file) for one in changed]
            raise ClosedError("mirrors do not show the facts", facts, "`orch milestone mirror` writes them")
        return 0
    place = place_of(seen.project.root, environ)
    place.open_for_writing()
    written = write_mirrors(place, goals, checklist)
    if options.json:
        console.out(json.dumps({"changed": written}, indent=2))
    elif not options.quiet:
        console.err(
            f"orch: wrote {', '.join(map(harmless, written))}"
            if written
            else "orch: the mirrors are up to date"
        )
    return 0
