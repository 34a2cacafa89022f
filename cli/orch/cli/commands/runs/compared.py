"""`orch runs diff`: what two runs did differently. Knows nothing of how that is found."""

from __future__ import annotations

from orch.cache.verdict import Reason
from orch.cli.commands.runs.form import account_meant, print_json
from orch.cli.console import shown
from orch.history.diff import difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.history.diff import Difference


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Compare the two runs that are named."""
    del start
    first, second = (account_meant(place, name) for name in names)
    found = difference(first.fields, second.fields)
    if options.json:
        print_json(console, _document(first.run, second.run, found))
        return 0
    console.out(f"from {first.run} to {second.run}")
    for account in (first, second):
        if account.remark:
            console.warning(f"run {account.run}: {account.remark}")
    _say(found, console)
    return 0


def _say(found: Difference, console: Console) -> None:
    for name, (before, after) in found.headers.items():
        console.out(f"  {name}: {shown(_word(before))} -> {shown(_word(after))}")
    for title, nodes in (("only in the first", found.only_first), ("only in the second", found.only_second)):
        for node in nodes:
            console.out(f"{title}: {shown(node)}")
    for one in found.differing:
        status = f": {one.status[0]} -> {one.status[1]}" if one.status else ""
        console.out(f"{shown(one.node)}{status}")
        for change in one.parts:
            console.out(f"  {shown(str(Reason('part', *change)))}")
        for change in one.outputs:
            console.out(f"  {shown(str(Reason('output', *change)))}")
    if found.equal:
        verb = "node of both is" if found.equal == 1 else "nodes of both are"
        console.out(f"{found.equal:,} {verb} equal")


def _document(first: str, second: str, found: Difference) -> dict[str, object]:
    return {
        "first": first,
        "second": second,
        "headers": {name: {"first": old, "second": new} for name, (old, new) in found.headers.items()},
        "only_first": list(found.only_first),
        "only_second": list(found.only_second),
        "differing": [
            {
                "node": one.node,
                "status": {"first": one.status[0], "second": one.status[1]} if one.status else None,
                "parts": [change._asdict() for change in one.parts],
                "outputs": [change._asdict() for change in one.outputs],
            }
            for one in found.differing
        ],
        "equal": found.equal,
    }


def _word(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "none" if value is None or value == "" else str(value)
