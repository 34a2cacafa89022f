"""The declared unit of work, after expansion: plain immutable values. Knows nothing of files on disk.

Every path is relative to the root, with `/`, normalised, without a trailing `/`; only inputs may lie
outside the root (`../x` or absolute). Undecodable bytes are surrogate-escaped as `os.fsdecode` does.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    PatternKind = Literal["file", "tree", "glob", "task"]
    Demand = tuple[int, str, bool, bool]
    Use = Literal["", "true", "false", "local"]  # of the cache, as written; "" = not said


class Pattern(NamedTuple):
    """One entry of `inputs`, `outputs` or `modifies`.

    kind "file": a literal path; "tree": a folder, written `dir/`; "glob": has a wildcard;
    "task": all outputs of the node whose id stands in `path`, written `@task`.
    """

    kind: PatternKind
    path: str
    negated: bool = False  # written `!pattern`
    optional: bool = False  # written `?path`
    entry: int = 0  # which entry of the list it stands in, to locate a problem

    @property
    def written(self) -> str:
        """The path as an Orchfile of the root would write it, without `!` and `?`."""
        return self.path + "/" if self.kind == "tree" else self.path


class Slot(NamedTuple):
    """A place in a command that is filled when the node is about to run."""

    name: str  # inputs | outputs | depfile | args
    filter: str = ""  # "" | raw | file


class Command(NamedTuple):
    """What a node runs: `words` are templates whose other names are already filled in.

    With a shell there is exactly one word, a script, whose slots are shell-quoted when filled.
    """

    shell: tuple[str, ...]  # () = one argv without a shell
    words: tuple[tuple[str | Slot, ...], ...]


class Environment(NamedTuple):
    """What the process sees beside the base list of variables."""

    constants: tuple[tuple[str, str], ...] = ()  # name and value, sorted by name; in the key
    inputs: tuple[str, ...] = ()  # from the caller, in the key; may hold `*`
    visible: tuple[str, ...] = ()  # from the caller, not in the key (`pass_env`); may hold `*`
    secrets: tuple[str, ...] = ()  # from the caller, redacted, never stored
    loose: bool = False  # the caller's whole environment is visible


class Limits(NamedTuple):
    """How and when a node may run."""

    pool: str = ""
    slots: int = 1
    exclusive: bool = False
    interactive: bool = False
    timeout_s: float = 0.0  # 0 = none
    grace_s: float = 5.0
    retries: int = 0
    retry_delay_s: float = 0.0

    @property
    def demand(self) -> Demand:
        """What a node needs to start: of those that need the same each fits or none."""
        return self.slots, self.pool, self.exclusive, self.interactive


class Permissions(NamedTuple):
    """What a node's process may do beyond its inputs and outputs, as `permissions` declares it."""

    read: tuple[Pattern, ...] = ()
    edit: tuple[Pattern, ...] = ()
    run: tuple[str, ...] = ()  # names of programs
    network: bool = False


PLAIN = Limits().demand  # no more than a free slot


class Node(NamedTuple):
    """One vertex of the graph: a task, or one instance of a matrix or foreach."""

    id: str
    task: str  # qualified name of the declaring task: `cc`, `web:build`
    file: str  # the declaring Orchfile
    command: Command
    cwd: str = "."
    desc: str = ""
    internal: bool = False
    needs: tuple[str, ...] = ()  # node ids; order, success, and their outputs are inputs
    goals: tuple[str, ...] = ()  # milestones it needs: order and success only
    after: tuple[str, ...] = ()  # node ids; order only, if both were selected
    inputs: tuple[Pattern, ...] | None = None  # None = not declared
    outputs: tuple[Pattern, ...] | None = None
    modifies: tuple[Pattern, ...] = ()  # read and changed in place
    depfile: str = ""
    environment: Environment = Environment()
    tools: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()  # shell commands of `cmd_inputs`
    limits: Limits = Limits()
    always: bool = False
    incremental: bool = False
    cache: Use = ""
    relocatable: bool | None = None  # None = found out
    allow_empty: bool = False
    allow_failure: bool = False
    takes_args: bool = False  # the command has an `args` slot
    permissions: Permissions | None = None  # None = not declared
    mode: str = "local"  # in which it runs: "local" or "sandbox"
