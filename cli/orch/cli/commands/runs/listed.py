"""`orch runs list`: the newest runs first, those without records too. Knows nothing of what is in them."""

from __future__ import annotations

from orch.cli.commands.runs.form import COLOURS, counted, lasted, moment, print_json
from orch.cli.console import shown
from orch.history.listing import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.history.listing import Row

_LIMIT = 20


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Print the list."""
    del start, names
    found = listing(place, _LIMIT if options.limit is None else options.limit)
    if options.json:
        rows = [
            {**row._asdict(), "argv": list(row.argv) if row.argv is not None else None} for row in found.rows
        ]
        document = {"runs": rows, "older": found.older, "unreadable": list(found.unreadable)}
        print_json(console, document)
        return 0
    for row in found.rows:
        console.out(_line(row, console))
    for sentence in found.unreadable:
        console.warning(sentence)
    if not found.rows and not options.quiet:
        console.err("orch: there is no run yet")
    if found.older and not options.quiet:
        console.err(f"orch: {found.older:,} older ones; `--limit 0` shows all")
    return 0


def _line(row: Row, console: Console) -> str:
    status = console.paint(f"{row.status:11}", COLOURS.get(row.status, "dim"), out=True)
    asked = " ".join(row.argv) if row.argv is not None else ""
    remark = row.remark
    if not row.recorded and not remark:
        remark = "nothing to do" + (f" since run {row.since}" if row.since else "")
    words = [row.run, status, moment(row.started), f"{lasted(row.duration_s):>9}", counted(row.counts)]
    return "  ".join([*words, *(shown(one) for one in (asked, f"({remark})" if remark else "") if one)])
