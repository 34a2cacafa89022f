"""`orch build`: makes what was asked for fresh. Knows nothing of how."""

from __future__ import annotations

from orch.cli.cpus import usable_cpus
from orch.cli.waiting import busy
from orch.engine.build import BuildRequest, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.args import Options
    from orch.cli.console import Console
    from orch.engine.reporter import Reporter


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Build the targets; the exit code is that of design 3."""
    if options.dry_run:
        from orch.cli.commands import status

        return status.run(options, console, environ)
    reporters: list[Reporter] = []

    def make_reporter(run_id: str, total: int) -> Reporter:
        reporters.append(_reporter(options, console, run_id, total))
        return reporters[0]

    request = BuildRequest(
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
        wait_s=options.wait_s,
    )
    summary = build(request, environ, console, make_reporter)
    reporters[0].finished(summary)
    if summary.gave_up:
        console.error(busy(summary.gave_up))
    return summary.exit_code


def _reporter(options: Options, console: Console, run_id: str, total: int) -> Reporter:
    if options.json:
        from orch.cli.json_report import JsonReporter

        return JsonReporter(console, run_id, options.targets, total)
    from orch.cli.text_report import TextReporter

    return TextReporter(console, total, quiet=options.quiet, verbose=options.verbose)
