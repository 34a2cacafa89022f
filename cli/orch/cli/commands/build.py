"""`orch build`: makes what was asked for fresh. Knows nothing of how."""

from __future__ import annotations

import os

from orch.cache.place import place_of
from orch.cli.cpus import usable_cpus
from orch.cli.waiting import busy
from orch.cli.written_file import WrittenFile
from orch.engine.build import BuildRequest, build
from orch.engine.permit import Allowed
from orch.graph.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.reporter import Reporter


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Build the targets; the exit code is that of design 3."""
    if options.dry_run:
        from orch.cli.commands import status

        return status.run(options, console, environ)
    request = BuildRequest(
        argv=("orch", *options.argv),
        targets=options.targets,
        args=options.args,
        file=options.file,
        profile=options.profile,
        jobs=options.jobs,
        cpus=usable_cpus(),
        keep_going=options.keep_going,
        only=options.only,
        force=options.force,
        force_all=options.force_all,
        capture_bytes=options.capture_bytes,
        wait_s=options.wait_s,
        mode=options.mode,
        allowed=tuple(Allowed(name, value, options.reason) for name, value in options.allow),
    )
    file = WrittenFile(options.trace) if options.trace else None  # before anything runs
    runs: list[str] = []

    def make_reporter(run_id: str, total: int) -> Reporter:
        runs.append(run_id)
        return _reporter(options, console, run_id, total)

    try:
        summary = build(request, environ, console, make_reporter)
        if summary.gave_up:
            console.error(busy(summary.gave_up))
        return summary.exit_code
    finally:
        if file:
            try:
                file.write(_trace(runs, environ))
            except (OSError, StateError) as error:  # what the build did stays as it is
                console.warning(f"the trace cannot be written: {error}")


def _trace(runs: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """The trace of the run that just ended, in whose root the process stands; of none one without nodes."""
    from orch.history.account import account_of
    from orch.history.chrome import chrome_trace

    account = account_of(place_of(os.getcwd(), environ), runs[-1]) if runs else None
    return chrome_trace(account.fields if account else {"run": runs[-1]} if runs else {})


def _reporter(options: Options, console: Console, run_id: str, total: int) -> Reporter:
    if options.json:
        from orch.cli.json_report import JsonReporter

        return JsonReporter(console, run_id, options.targets, total)
    from orch.cli.text_report import TextReporter

    return TextReporter(console, total, quiet=options.quiet, verbose=options.verbose)
