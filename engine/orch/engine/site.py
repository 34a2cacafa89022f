"""What the build loop is given: its orders, and all that it works with. Knows nothing of how it works."""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orch.cache.store import Store
    from orch.engine.claims import Claims
    from orch.engine.evaluate import Evaluator
    from orch.engine.judge import Judge
    from orch.engine.keep import Keeper
    from orch.engine.memory import Memory
    from orch.engine.prepare import Preparer
    from orch.engine.recorder import Recorder
    from orch.engine.restore import Restorer
    from orch.graph.build_graph import BuildGraph
    from orch.run.process import Processes


class Orders(NamedTuple):
    """What the command line asks of the loop."""

    forced: Collection[str] = ()
    keep_going: bool = False
    args: Sequence[str] = ()
    args_for: str = ""  # the node that gets them


class Site(NamedTuple):
    """All that the loop works with."""

    graph: BuildGraph
    store: Store
    memory: Memory
    claims: Claims
    processes: Processes
    judge: Judge
    preparer: Preparer
    evaluator: Evaluator
    restorer: Restorer
    keeper: Keeper
    reporter: Recorder
    began_ns: int  # when this build did, by the file system's clock
