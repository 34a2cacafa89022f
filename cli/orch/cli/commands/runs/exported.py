"""`orch runs export`: a run in a form that other programs read. Knows nothing of these forms."""

from __future__ import annotations

import json
import os

from orch.cache.digest import digest_file
from orch.cli.commands.runs.form import account_meant
from orch.cli.written_file import WrittenFile
from orch.evidence.reading import is_inside, is_log, read_end
from orch.graph.errors import StateError
from orch.history.account import account_of
from orch.history.listing import recorded_runs
from orch.history.reference import LAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.history.account import Fields
    from orch.history.provenance import Made

_TAIL = 64 << 10  # bytes of a log


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Print the export, or write it to a file."""
    data = _exported(place, names[0] if names else "", options, console)
    if options.output:
        WrittenFile(os.path.join(start, options.output)).write(data)
    else:
        console.out_bytes(data)
    return 0


def _exported(place: Place, name: str, options: Options, console: Console) -> bytes:
    if options.format == "slsa":
        return _provenance(place, name, options.target, console)
    account = account_meant(place, name or LAST)
    if account.remark:
        console.warning(f"run {account.run}: {account.remark}")
    if options.format == "chrome":
        from orch.history.chrome import chrome_trace

        return chrome_trace(account.fields)
    from orch.history.junit import junit_xml

    return junit_xml(account.fields, _tail)


def _provenance(place: Place, name: str, target: str, console: Console) -> bytes:
    from orch.history.provenance import left_out, made, only_node, statement

    if name or not target:
        fields = account_meant(place, name or LAST).fields
        found = made(target or only_node(fields), [fields])
    else:
        found = made(target, _newest_first(place))
    document = statement(found)
    _refuse_changed(found)
    restored = found.entry.get("from_run")
    if restored:
        console.note(f"{found.node} was restored; run {restored} made it")
    for path in left_out(found):
        console.note(f"{path} is left out: a folder, a link or what is gone has no digest that others know")
    return json.dumps(document, indent=2).encode() + b"\n"


def _newest_first(place: Place) -> Iterator[Fields]:
    for run_id in reversed(recorded_runs(place)):
        account = account_of(place, run_id)
        if account:
            yield account.fields


def _refuse_changed(found: Made) -> None:
    """Raise StateError if the tree holds something else than the run recorded."""
    wrong = [path for path, digest in found.outputs.items() if _digest(path) != digest]
    if wrong:
        facts = [("run", str(found.fields.get("run"))), *(("output", path) for path in wrong)]
        hint = f"`orch build {found.node}` makes it anew"
        raise StateError(f"what {found.node} made is not what the run recorded", facts, hint)


def _digest(path: str) -> str:
    try:
        return digest_file(path) if is_inside(path) else "outside the project"
    except OSError:
        return "unreadable"


def _tail(log: str) -> bytes:
    try:
        return read_end(log, _TAIL) if is_log(log) else b""
    except OSError:
        return b""
