"""`orch build` when a snapshot holds but for some paths: looks at these, and builds what lies behind them.

Knows nothing of how that is done. Without a doubt only: otherwise the full path looks at everything.
"""

from __future__ import annotations

import os

from orch.cache.compiled import Nodes, Paths
from orch.cache.proof import Doubt
from orch.cache.touched import look_again, note_touched
from orch.cli.noop import leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.touched import Look
    from orch.cli.noop import Changed


def build_changed(changed: Changed, arguments: Sequence[str]) -> int | None:
    """The exit code of the build; None, with nothing done, if everything has to be looked at."""
    snapshot = changed.snapshot
    code = None
    try:
        paths = Paths(snapshot)
        look = look_again(paths, snapshot, ".orch/tmp")
        if look and not look.differing and not snapshot.stale:
            note_touched(os.fsdecode(changed.path), snapshot, look)
            leave(snapshot, quiet="-q" in arguments)
        elif look:
            code = _build(changed, paths, look, arguments)
    except (Doubt, OSError):
        pass
    if code is None:
        snapshot.close()
        os.chdir(changed.start)
    return code


def _build(changed: Changed, paths: Paths, look: Look, arguments: Sequence[str]) -> int | None:
    from orch.cli.console import Console
    from orch.cli.cpus import usable_cpus
    from orch.cli.dispatch import guarded
    from orch.cli.text_report import TextReporter
    from orch.engine.partial import Start, Wish, build_part

    environ = dict(os.environ)
    console = Console("auto", environ)
    name = os.path.basename(os.fsdecode(changed.path))
    start = Start(os.fsdecode(changed.root), name, changed.snapshot, Nodes(changed.snapshot), paths, look)
    jobs = [int(word[2:]) for word in arguments if word[:2] == "-j"]
    wish = Wish(
        argv=("orch", *arguments),
        targets=tuple(map(os.fsdecode, changed.targets)),
        jobs=(jobs or [usable_cpus()])[-1],
        keep_going="-k" in arguments,
    )
    is_undone: list[bool] = []

    def make_reporter(run_id: str, total: int, done: int) -> TextReporter:
        return TextReporter(console, total, done, quiet="-q" in arguments)

    def work() -> int:
        summary = build_part(start, wish, environ, console, make_reporter)
        if summary is None:
            is_undone.append(True)
            return 0
        if summary.gave_up:
            from orch.cli.waiting import busy

            console.error(busy(summary.gave_up))
        return summary.exit_code

    code = guarded(console, work)
    return None if is_undone else code
