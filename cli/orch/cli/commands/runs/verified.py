"""`orch runs verify`: whether the records are whole, and what that proves. Knows nothing of how."""

from __future__ import annotations

from orch.cli.commands.runs.form import print_json, run_of
from orch.cli.console import shown
from orch.graph.errors import StateError
from orch.history.verify import LIMIT, verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.history.verify import Finding, Verified


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Verify the runs that are named, all by default; raises StateError if anything is not as recorded."""
    del start
    found = verify(place, frozenset(run_of(place, name) for name in names))
    if options.json:
        told = {
            **found._asdict(),
            "damage": [one._asdict() for one in found.damage],
            "notes": [one._asdict() for one in found.notes],
        }
        print_json(console, {**told, "cannot_show": _limit(found)})
    else:
        for one in found.notes:
            console.note(_sentence(one))
        for one in found.damage:
            console.warning(_sentence(one))
        read = f"{found.runs:,} runs, {found.files:,} files of theirs and {found.outputs:,} outputs"
        console.out(f"{read} compared, {len(found.damage):,} not as recorded")
        console.out(shown(_limit(found)))
    if not found.damage:
        return 0
    facts = [("wrong", f"{one.path} {one.what}") for one in found.damage]
    hint = "what was recorded is told by `orch runs show`; a build makes outputs anew"
    raise StateError("the records of runs do not agree with what is there", facts, hint)


def _limit(found: Verified) -> str:
    """What a whole chain leaves open."""
    if not found.pruned:
        return LIMIT
    return f"{LIMIT}; {found.pruned:,} older runs were removed and cannot be verified"


def _sentence(one: Finding) -> str:
    return f"{one.path} {one.what}"
