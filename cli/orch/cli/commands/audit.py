"""`orch audit`: runs what was asked for and tells what it reads and writes without saying so.

Knows nothing of how that is seen.
"""

from __future__ import annotations

import os
from functools import partial

from orch.audit.draft import drafted
from orch.audit.edit import load_editor, patch_of, replace_text
from orch.audit.proposal import propose
from orch.audit.survey import Build, look_back
from orch.audit.tracked import Index
from orch.audit.watch import Watch, find_strace
from orch.cache.place import place_of
from orch.cache.store import Store
from orch.cli.audit_report import SilentReporter, as_json, tell, tell_sum
from orch.cli.cpus import usable_cpus
from orch.cli.text_report import TextReporter
from orch.cli.waiting import busy
from orch.engine.build import BuildRequest, build
from orch.engine.permit import Allowed
from orch.engine.project import open_project
from orch.engine.survey import take_survey
from orch.engine.targets import select
from orch.graph.errors import StateError, UsageError
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch.audit.proposal import Proposal
    from orch.audit.survey import Audit
    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.engine.project import Project
    from orch.engine.reporter import Reporter, Summary


_MODE = "local"  # strace would be kept in a sandbox as well
_TOLD = (0, 1, 4)  # exit codes of a build that came to its end, if only before a closed gate


class Answer(NamedTuple):
    """What is to be told of one audit."""

    project: Project
    audit: Audit
    run: str


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Build with the targets under strace, then tell: 1 if something is undeclared or a task failed."""
    if options.mode not in ("", _MODE):
        raise UsageError(
            f"orch audit runs tasks in mode {_MODE}", hint="a sandbox shows by itself what is not declared"
        )
    start = os.getcwd()
    project = take_survey(options.targets, environ, options.file, options.profile, _MODE).project
    names = _audited(project, options.targets)
    if options.fix or options.patch:
        load_editor()
    watch = Watch(project.root, frozenset(names), find_strace(environ))
    os.chdir(start)
    try:
        summary = _build(options, console, environ, watch)
        if summary.gave_up:
            console.error(busy(summary.gave_up))
        if summary.exit_code not in _TOLD:
            return summary.exit_code
        os.chdir(project.root)
        records = Store.open_read_only(place_of(project.root, environ)).load().records
        audit = look_back(watch, Build(project, records, summary.run), names)
    finally:
        watch.close()
    _answer(options, console, Answer(project, audit, summary.run), start)
    return 1 if audit.has_undeclared else summary.exit_code


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
        mode=_MODE,
        allowed=tuple(Allowed(name, value, options.reason) for name, value in options.allow),
    )

    def make_reporter(run_id: str, total: int) -> Reporter:
        del run_id
        if options.json or options.patch:
            return SilentReporter(console)
        return TextReporter(console, total, quiet=not options.verbose, verbose=options.verbose)

    return build(request, environ, console, make_reporter)


def _answer(options: Options, console: Console, found: Answer, start: str) -> None:
    """Make the edit that was asked for and print the answer, which no trouble with the edit keeps back."""
    project, audit, run_id = found
    proposals = propose(project, audit.findings, Index(project.root).holds)
    old = {source.path: source.text for source in project.declarations.sources}
    new: dict[str, str] = {}
    edits: list[str] = []
    trouble: Exception | None = None
    if options.fix or options.patch:
        try:
            _check_unchanged(old)
            new, proposals = drafted(old, proposals, partial(_load, options, start))
            for path, text in new.items() if options.fix else ():
                replace_text(path, old[path], text)
                edits.append(path)
        except (StateError, OSError) as error:
            trouble = error
    if options.patch and not trouble:
        console.out_bytes(patch_of(old, new).encode())
        if new and os.path.realpath(start) != project.root:
            console.hint(f"the patch is for `git apply` in {project.root}")
    elif options.json:
        import json

        tasks = {name: node.task for name, node in project.graph.nodes.items()}
        console.out(json.dumps(as_json(audit, tasks, proposals, run_id, edits), indent=2))
    else:
        tell(console, audit, proposals, verbose=options.verbose)
        _tell_end(options, console, audit, proposals, edits)
    if trouble:
        raise trouble


def _check_unchanged(texts: Mapping[str, str]) -> None:
    """What was seen is of Orchfiles that may not be these any more."""
    for path, text in texts.items():
        with open(path, "rb") as file:
            if file.read() != text.encode():
                raise StateError(f"{path} changed meanwhile, so nothing was written", hint="audit again")


def _load(options: Options, start: str, drafts: Mapping[str, str]) -> None:
    os.chdir(start)
    open_project(start, options.file, options.profile, drafts=drafts)


def _tell_end(
    options: Options, console: Console, audit: Audit, proposals: Sequence[Proposal], edits: Sequence[str]
) -> None:
    if not options.quiet:
        tell_sum(console, audit)
    for path in edits:
        console.err(f"orch: {path} was edited")
    if not (options.fix or options.patch) and any(not one.by_hand for one in proposals):
        targets = "".join(f" {target}" for target in options.targets)
        console.hint(f"`orch audit{targets} --fix` adds these lines, --patch prints them as a patch")
