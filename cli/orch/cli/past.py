"""Which nodes of which run `--run` means, and what is said of one that the run did not touch.

Knows nothing of how a node is explained.
"""

from __future__ import annotations

import os

from orch.cache.place import place_of
from orch.cli.commands.runs.form import account_meant
from orch.cli.console import shown
from orch.engine.project import locate, open_project
from orch.engine.targets import select
from orch.graph.errors import OrchfileError, UsageError
from orch.history.node import in_run, meant_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.options import Options
    from orch.history.node import InRun


def nodes_then(options: Options, environ: Mapping[str, str]) -> list[InRun]:
    """What the run of `options.run` did with the nodes of the target; the process then stands in the root.

    The target is looked up in that run's manifest and in the Orchfile. Raises UsageError and StateError.
    """
    start = os.getcwd()
    root, _ = locate(start, options.file)
    place = place_of(root, environ)
    account = account_meant(place, options.run)
    (target,) = options.targets
    names = meant_in(target, account.fields)
    try:
        names += select(open_project(start, options.file, options.profile), options.targets).nodes
    except (UsageError, OrchfileError):
        if not names:
            raise
    os.chdir(root)
    return in_run(place, account, names)


def untouched(one: InRun) -> str:
    """What is said of a node that the run did nothing with."""
    if not one.was_any_fresh:
        return f"{shown(one.node)} was not part of run {one.run}"
    made = f"; run {one.since} made it" if one.since else ""
    return f"{shown(one.node)} was fresh in run {one.run}, or not asked for{made}"
