"""What the build loop is given: its orders, and all that it works with. Knows nothing of how it works."""

from __future__ import annotations

from orch.cache.verdict import Reason
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orch.cache.store import Store
    from orch.engine.attempt import Failure
    from orch.engine.claims import Claims
    from orch.engine.evaluate import Evaluator
    from orch.engine.judge import Assessment, Judge
    from orch.engine.keep import Keeper
    from orch.engine.memory import Memory
    from orch.engine.prepare import Preparer
    from orch.engine.recorder import Recorder
    from orch.engine.restore import Restorer
    from orch.graph.build_graph import BuildGraph
    from orch.graph.schedule import Ending
    from orch.graph.task import Node
    from orch.run.process import Processes


class Orders(NamedTuple):
    """What the command line asks of the loop."""

    forced: Collection[str] = ()
    keep_going: bool = False
    args: Sequence[str] = ()
    args_for: str = ""  # the node that gets them
    lenient: Collection[str] = ()  # nodes whose failure fails nothing, as under `allow_failure`

    def added_to(self, assessment: Assessment, name: str) -> Assessment:
        """The assessment of a node, with what makes it stale whatever its key is."""
        asked = (("forced", name in self.forced), ("args", name == self.args_for))
        extra = [Reason(kind) for kind, is_so in asked if is_so]
        return assessment._replace(reasons=(*assessment.reasons, *extra)) if extra else assessment

    def ending_of_failure(self, node: Node) -> Ending:
        """How a node ends that failed."""
        return "advisory" if node.allow_failure or node.id in self.lenient else "failed"


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
    closed_for: Callable[[Node], Failure | None]  # why gates keep a node from starting, None = they do not
    began_ns: int  # when this build did, by the file system's clock
