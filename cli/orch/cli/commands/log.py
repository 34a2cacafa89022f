"""`orch log NODE`: what the last attempt of a node printed, in full. Knows nothing of verdicts."""

from __future__ import annotations

from orch.cache.regular import open_regular
from orch.cli.console import shown
from orch.engine.survey import take_survey
from orch.evidence.reading import is_log
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options

_CHUNK = 1 << 20


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print the log of each node that the argument means."""
    if options.run:
        return _print_then(options, console, environ)
    survey = take_survey(options.targets, environ, options.file, options.profile)
    several = len(survey.selection.nodes) > 1
    documents: list[dict[str, object]] = []
    for name in survey.selection.nodes:
        record = survey.memory.records.get(name)
        if options.json:
            documents.append(
                {
                    "node": name,
                    "run": record.run if record else None,
                    "log": (record.log or None) if record else None,
                    "restored_from": (record.from_run or None) if record else None,
                }
            )
            continue
        if several:
            console.err(f"== {shown(name)}")
        if record is None:
            console.err(f"orch: {shown(name)} was never built")
        elif not record.log:
            console.err(f"orch: {shown(name)} printed nothing in run {record.run}")
        else:
            if record.from_run:
                console.err(f"orch: {shown(name)} was restored; this is from run {shown(record.from_run)}")
            _copy(record.log, console)
    if options.json:
        import json

        console.out(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
    return 0


def _print_then(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """The log of an earlier run, as its manifest names it."""
    from orch.cli.past import nodes_then, untouched

    found = nodes_then(options, environ)
    if options.json:
        import json

        documents = [
            {
                "node": one.node,
                "run": one.run,
                "log": (one.entry or {}).get("log"),
                "since": one.since or None,
            }
            for one in found
        ]
        console.out(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
        return 0
    for one in found:
        log = (one.entry or {}).get("log")
        if len(found) > 1:
            console.err(f"== {shown(one.node)}")
        if one.entry is None:
            console.err(f"orch: {untouched(one)}")
        elif not log:
            console.err(f"orch: {shown(one.node)} printed nothing in run {one.run}")
        elif not is_log(str(log)):
            raise StateError("what the record names as the log is none", [("log", str(log))])
        else:
            _copy(str(log), console)
    return 0


def _copy(path: str, console: Console) -> None:
    try:
        with open(open_regular(path), "rb") as file:
            while data := file.read(_CHUNK):
                console.out_bytes(data)
    except OSError as error:
        raise StateError(
            "the log cannot be read", [("path", path), ("reason", error.strerror or "")]
        ) from error
