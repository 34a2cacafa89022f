"""Puts together all that the build loop works with, drives one schedule to its end, and tidies up.

Knows nothing of where the graph comes from, and of how many of its nodes are in the schedule.
"""

from __future__ import annotations

import gc
import time

from orch.cache.store import Batch
from orch.cache.trash import empty_trash
from orch.engine.claims import Claims
from orch.engine.evaluate import Evaluator, Terms, nothing_to_collect
from orch.engine.foreman import Foreman
from orch.engine.keep import Keeper
from orch.engine.observe import Observer
from orch.engine.prepare import Preparer, as_it_is
from orch.engine.request import Requests
from orch.engine.restore import Restorer
from orch.engine.session import outer_of
from orch.engine.site import Site
from orch.engine.waits import Waits
from orch.graph.value import NamedTuple
from orch.reuse.cache import Cache
from orch.run.process import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orch.cache.stamp import Clock
    from orch.cache.store import Store
    from orch.cache.witness import Digests
    from orch.engine.attempt import Failure
    from orch.engine.evaluate import Collect
    from orch.engine.judge import Judge
    from orch.engine.memory import Memory
    from orch.engine.prepare import Wrap
    from orch.engine.recorder import Recorder
    from orch.engine.site import Orders
    from orch.graph.build_graph import BuildGraph
    from orch.graph.schedule import Capacity, Schedule
    from orch.graph.task import Node
    from orch.reuse.settings import Settings


class Stand(NamedTuple):
    """What a build stands on, whichever nodes it looks at."""

    store: Store
    run_id: str
    environ: Mapping[str, str]  # the caller's
    orchfile: str
    settings: Settings  # of the cache
    clock: Clock
    digests: Digests
    began_ns: int  # when this build did, by `clock`
    forbids_changes: bool = False  # no file may be changed in place
    wrap: Wrap = as_it_is  # what becomes of a job before it is started
    collect: Collect = nothing_to_collect  # and of what it made when it has ended
    close: Callable[[], None] = lambda: None  # when none runs any more


def open_for_all(node: Node) -> Failure | None:
    """No gate keeps a node from starting: how it is where there are none."""
    del node
    return None


class Task(NamedTuple):
    """What is to be done: the nodes of `schedule`, as `orders` say."""

    graph: BuildGraph
    memory: Memory
    schedule: Schedule
    capacity: Capacity
    orders: Orders
    reporter: Recorder
    make_judge: Callable[[Observer], Judge]
    snapshot: str = ""  # the name of the one that the build started from
    check: Callable[[], None] = lambda: None  # raises what was asked of this program before
    closed_for: Callable[[Node], Failure | None] = open_for_all  # see Site
    wait_s: float | None = None  # how long a node may wait for another build; None = as long as it takes


class Driven(NamedTuple):
    """What is left when it is done."""

    foreman: Foreman
    observer: Observer
    claims: Claims


def drive(stand: Stand, task: Task, begun: Callable[[Claims], object] = lambda _: None) -> Driven:
    """Drive the schedule; `begun` is told of the claims before anything happens.

    Raises StateError and OSError; then no process is left running either.
    """
    store, digests, graph, memory = stand.store, stand.digests, task.graph, task.memory
    place, reporter = store.place, task.reporter
    cache = Cache.open(place, stand.settings, stand.environ)
    keeper = Keeper(cache, place.root, stand.settings.max_entry, digests, reporter)
    waits = Waits(store, reporter, task.wait_s, outer_of(stand.environ))
    requests = Requests(graph, task.capacity.pools)
    claims = Claims(requests, store, memory, digests, waits, task.snapshot)
    begun(claims)
    with Processes(place.path("tmp")) as processes:
        task.check()  # from now on it is us who hear of signals
        observer = Observer(graph, digests, memory.made, stand.environ, processes)
        terms = Terms(stand.forbids_changes, stand.collect)
        preparer = Preparer(place, stand.run_id, observer, stand.clock, memory.made, stand.wrap)
        site = Site(
            graph=graph,
            store=store,
            memory=memory,
            claims=claims,
            processes=processes,
            judge=task.make_judge(observer),
            preparer=preparer,
            evaluator=Evaluator(graph, stand.orchfile, stand.run_id, observer, keeper, terms),
            restorer=Restorer(cache, graph, digests, preparer, stand.orchfile, stand.run_id),
            keeper=keeper,
            reporter=reporter,
            closed_for=task.closed_for,
            began_ns=stand.began_ns,
        )
        foreman = Foreman(site, task.schedule, task.capacity, task.orders)
        gc.freeze()
        gc.enable()
        try:
            foreman.run()
            keeper.flush()
            if foreman.ran:
                cache.collect_if_due(time.time())
                keeper.tell()
        finally:
            cache.close(at_exit=True)
            stand.close()
    preparer.close()
    digests.settle()
    store.commit(Batch(stamps=digests.take_changed()))
    if foreman.ran or foreman.restored:
        empty_trash(place, time.time())
    return Driven(foreman, observer, claims)
