"""What the Orchfiles declare, before expansion. Knows nothing of how they are read and checked."""

from __future__ import annotations

from orch.graph.value import NamedTuple

DEFAULT_SHELL = ("sh", "-eu", "-c")
PERMISSIONS = ("read", "edit", "run", "network")
MODES = ("local", "sandbox")
LATER_MODE = "remote"


class Source(NamedTuple):
    """One Orchfile that was read."""

    path: str  # relative to the root
    folder: str  # where it lies, relative to the root; "." is the root
    scope: str  # "" for the root's, else "web" or "web:api"
    text: str
    table: dict[str, object]  # valid keys only, in the shapes of `orch.orchfile.schema`
    shell: tuple[str, ...] = DEFAULT_SHELL

    def qualified(self, name: str) -> str:
        """The full name of a task or milestone of this file: `web:cc` for `cc` in scope `web`."""
        return f"{self.scope}:{name}" if self.scope else name


class TaskDecl(NamedTuple):
    """One `[tasks.NAME]` with the file's `[defaults]` merged in.

    `table` holds valid keys only, in the shapes of `orch.orchfile.schema`: durations are seconds (float),
    `env_file` is a list, `matrix` values are strings. A key with a problem is missing, even `cmd`.
    """

    name: str  # qualified: `web:cc`
    source: Source
    key: str  # as it stands in the file: `cc`
    table: dict[str, object]


class MilestoneDecl(NamedTuple):
    """One `[milestones.NAME]`; `needs` and `gates` as written."""

    name: str  # qualified
    source: Source
    key: str
    desc: str
    needs: tuple[str, ...]
    gates: tuple[str, ...] = ()
    mirrors: tuple[dict[str, object], ...] = ()  # tables as checked


class GateDecl(NamedTuple):
    """One `[gates.NAME]`; its table as checked: `require` a number or a list, `lapses` a text or seconds."""

    name: str  # qualified
    source: Source
    key: str
    table: dict[str, object]


class Profile(NamedTuple):
    """One `[profiles.NAME]` of the root; None = not said there."""

    name: str
    jobs: int | None
    keep_going: bool | None
    env: dict[str, str]
    cache: bool | str | None = None  # as written: true, false or "local"
    forbids_changes: bool = False  # `modifies = "fail"`
    mode: str = ""
    permissions: dict[str, object] | None = None  # the table as checked; None = all is granted


class Declarations(NamedTuple):
    """All that the root Orchfile and those it includes declare; keys are qualified names."""

    sources: tuple[Source, ...]  # the root's first
    tasks: dict[str, TaskDecl]
    milestones: dict[str, MilestoneDecl]
    default: tuple[str, ...] | None
    env: dict[str, str]
    env_files: tuple[str, ...]  # relative to the root
    pools: dict[str, int]
    profiles: dict[str, Profile]
    cache: dict[str, object]  # the table as checked: sizes in bytes, `max_age` in seconds
    runs: dict[str, object]  # the table as checked: `max_age` in seconds
    gates: dict[str, GateDecl]
