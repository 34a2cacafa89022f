"""`orch runs show`: one run and what each node did in it. Knows nothing of other runs."""

from __future__ import annotations

from orch.cli.commands.runs.form import COLOURS, account_meant, counted, lasted, moment, print_json, run_of
from orch.cli.console import shown
from orch.history.account import account_of, entries_of
from orch.history.listing import line_of
from orch.history.reference import LAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.history.account import Account, Fields
    from orch.history.listing import Row


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Print the run that is named, the latest by default."""
    del start
    name = run_of(place, names[0] if names else LAST)
    row = line_of(place, name) if account_of(place, name, brief=True) is None else None
    if row:
        _show_line(row, options, console)
        return 0
    account = account_meant(place, name)
    if options.json:
        remark = {"remark": account.remark} if account.remark else {}
        print_json(console, {**account.fields, **remark})
        return 0
    _show_header(account, console)
    for node, entry in sorted(entries_of(account.fields).items(), key=lambda one: _start(one[1])):
        _show_node(node, entry, console)
    return 0


def _show_line(row: Row, options: Options, console: Console) -> None:
    if options.json:
        print_json(console, {**row._asdict(), "argv": None})
        return
    since = f", as run {shown(row.since)} left it" if row.since else ""
    console.out(f"run {row.run} {row.status}: {counted(row.counts)}{since}")
    console.out(f"  began     {moment(row.started)}, took {lasted(row.duration_s)}")
    console.out(f"  records   {row.remark or 'none: it had nothing to do'}")


def _show_header(account: Account, console: Console) -> None:
    fields = account.fields
    code = fields.get("exit_code")
    status = console.paint(account.status, COLOURS.get(account.status, "dim"), out=True)
    console.out(f"run {account.run} {status}" + (f", exit code {code}" if code is not None else ""))
    for label, value in (
        ("remark", account.remark),
        ("error", fields.get("error")),
        ("began", f"{moment(fields.get('started'))}, took {lasted(fields.get('duration_s'))}"),
        ("asked", " ".join(map(str, fields.get("argv") or []))),
        ("profile", fields.get("profile")),
        ("commit", _commit(fields)),
        ("orchfile", _orchfile(fields)),
        (
            "by",
            f"orch {fields.get('orch', '?')}, process {fields.get('pid', '?')} on {fields.get('host', '?')}",
        ),
        ("nodes", counted(fields.get("counts") or {})),
    ):
        if value:
            console.out(f"  {label:9} {shown(str(value))}")


def _show_node(node: str, entry: Fields, console: Console) -> None:
    status = str(entry.get("status"))
    colour = {"ok": "green", "restored": "green", "failed": "red", "running": "blue"}.get(status, "yellow")
    took = f"  {lasted(entry['duration_s'])}" if "duration_s" in entry else ""
    console.out(f"{console.paint(f'{status:9}', colour, out=True)} {shown(node)}{took}")
    found = entry.get("reasons")
    reasons = [one.get("text") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    tries = entry.get("attempts", 0)
    for label, value in (
        *(("reason", text) for text in reasons),
        ("failure", entry.get("failure")),
        ("hint", entry.get("hint")),
        ("because", f"{entry['because']} did not succeed" if entry.get("because") else ""),
        ("from", f"run {entry['from_run']}" if entry.get("from_run") else ""),
        ("tries", tries if isinstance(tries, int) and tries > 1 else ""),
        ("log", entry.get("log")),
    ):
        if value:
            console.out(f"  {label:9} {shown(str(value))}")


def _commit(fields: Fields) -> str:
    commit = fields.get("commit")
    if not commit:
        return ""
    return f"{commit}{', with changes beside it' if fields.get('dirty') else ''}"


def _orchfile(fields: Fields) -> str:
    found = fields.get("orchfile")
    return f"{found.get('path', '')} {str(found.get('digest', ''))[:14]}" if isinstance(found, dict) else ""


def _start(entry: Fields) -> float:
    start_s = entry.get("start_s")
    return float(start_s) if isinstance(start_s, int | float) else float("inf")
