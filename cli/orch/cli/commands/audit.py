"""`orch audit`: runs what was asked for and tells what it reads and writes without saying so.

Knows nothing of how that is seen.
"""

from __future__ import annotations

import os

from orch.audit.edit import edited, load_editor, patch_of, replace_text
from orch.audit.proposal import propose
from orch.audit.survey import look_back
from orch.audit.tracked import Index
from orch.audit.watch import Watch, find_strace
from orch.cli.audit_report import SilentReporter, as_json, tell, tell_sum
from orch.cli.cpus import usable_cpus
from orch.cli.text_report import TextReporter
from orch.cli.waiting import busy
from orch.engine.build import BuildRequest, build
from orch.engine.project import open_project
from orch.engine.survey import take_survey
from orch.engine.targets import select
from orch.graph.errors import StateError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.audit.proposal import Proposal
    from orch.audit.survey import Audit
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.project import Project
    from orch.engine.reporter import Reporter, Summary


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Build with the targets under strace, then tell: 1 if something is undeclared or a task failed."""
    start = os.getcwd()
    project = open_project(start, options.file, options.profile)
    names = _audited(project, options.targets)
    if options.fix or options.patch:
        load_editor()
    watch = Watch(project.root, frozenset(names), find_strace(environ))
    os.chdir(start)
    try:
        summary = _build(options, console, environ, watch)
        if summary.gave_up:
            console.error(busy(summary.gave_up))
        if summary.exit_code not in (0, 1):
            return summary.exit_code
        os.chdir(start)
        survey = take_survey(options.targets, environ, options.file, options.profile)
        audit = look_back(watch, survey, names, summary.run)
    finally:
        watch.close()
    proposals = propose(survey.project, audit.findings, Index(project.root).holds)
    if options.fix or options.patch:
        _check_unchanged(project, survey.project)
    _answer(options, console, (survey.project, audit, proposals, summary.run), start)
    return 1 if audit.has_undeclared else summary.exit_code


def _check_unchanged(before: Project, now: Project) -> None:
    """What was seen is of Orchfiles that may not be these any more."""
    texts = {source.path: source.text for source in before.declarations.sources}
    for source in now.declarations.sources:
        if texts.get(source.path) != source.text:
            raise StateError(f"{source.path} changed meanwhile, so nothing was written", hint="audit again")


def _audited(project: Project, targets: Sequence[str]) -> tuple[str, ...]:
    """The nodes of the targets, and with a milestone all that it needs, in the order of the graph."""
    selection, graph = select(project, targets), project.graph
    chosen = set(selection.nodes)
    for milestone in selection.milestones:
        chosen |= graph.closure(graph.goal(milestone))
    for name in graph.order:
        if name in chosen and graph.nodes[name].limits.interactive:
            raise UsageError(f"{name} is interactive: it cannot be audited, as it has the terminal")
    return tuple(name for name in graph.order if name in chosen)


def _build(options: Options, console: Console, environ: Mapping[str, str], watch: Watch) -> Summary:
    request = BuildRequest(
        argv=("orch", *options.argv),
        targets=options.targets,
        file=options.file,
        profile=options.profile,
        jobs=options.jobs,
        cpus=usable_cpus(),
        keep_going=options.keep_going,
        wait_s=options.wait_s,
        forced=watch.nodes,
        wrap=watch.wrap,
    )

    def make_reporter(run_id: str, total: int) -> Reporter:
        del run_id
        if options.json or options.patch:
            return SilentReporter(console)
        return TextReporter(console, total, quiet=not options.verbose, verbose=options.verbose)

    return build(request, environ, console, make_reporter)


def _answer(
    options: Options, console: Console, found: tuple[Project, Audit, list[Proposal], str], start: str
) -> None:
    """Print what was asked for, after the edit if there is one: it may be refused."""
    project, audit, proposals, run_id = found
    old = {source.path: source.text for source in project.declarations.sources}
    new = _edited(old, proposals) if options.fix or options.patch else {}
    if new:
        os.chdir(start)
        open_project(start, options.file, options.profile, drafts=new)
    if options.patch:
        console.out_bytes(patch_of(old, new).encode())
    if options.fix:
        for path, text in new.items():
            replace_text(path, old[path], text)
    if options.json:
        import json

        tasks = {name: node.task for name, node in project.graph.nodes.items()}
        edits = list(new) if options.fix else []
        console.out(json.dumps(as_json(audit, tasks, proposals, run_id, edits), indent=2))
    elif not options.patch:
        tell(console, audit, proposals, verbose=options.verbose)
        _tell_end(options, console, audit, proposals, new)


def _tell_end(
    options: Options, console: Console, audit: Audit, proposals: Sequence[Proposal], new: Mapping[str, str]
) -> None:
    if not options.quiet:
        tell_sum(console, audit)
    for path in new:
        console.err(f"orch: {path} was edited")
    if not options.fix and any(not one.by_hand for one in proposals):
        targets = "".join(f" {target}" for target in options.targets)
        console.hint(f"`orch audit{targets} --fix` adds these lines, --patch prints them as a patch")


def _edited(old: Mapping[str, str], proposals: Sequence[Proposal]) -> dict[str, str]:
    """The new texts of the Orchfiles that there is something to add to."""
    found: dict[str, str] = {}
    for path, text in old.items():
        own = [one for one in proposals if one.file == path and not one.by_hand]
        if own:
            found[path] = edited(text, path, own)
    return found
