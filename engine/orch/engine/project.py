"""Everything the Orchfiles of one root say, read and wired: what each command starts from.

Knows nothing of state, keys and processes.
"""

from __future__ import annotations

import os

from orch.evidence.settings import Settings as RunSettings
from orch.graph.errors import UsageError, nearest
from orch.graph.value import NamedTuple
from orch.orchfile.load import find_root, load
from orch.reuse.settings import Settings
from orch.rules.connect import connect
from orch.rules.expand import expand
from orch.rules.grant import Grant, chosen_profile, grant_of
from orch.rules.listing import Listing
from orch.rules.mode import Asked
from orch.rules.reference import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.graph.build_graph import BuildGraph
    from orch.orchfile.declaration import Declarations, Profile


_NOT_ASKED = Asked()
_CACHE_KEYS = {"dir": "folder", "max_entry": "max_entry", "max_size": "max_size", "max_age": "max_age_s"}
_RUN_KEYS = {"capture": "capture_bytes", "keep": "keep", "max_age": "max_age_s"}


class Project(NamedTuple):
    """One root, seen from `here`, the folder in which the command was given."""

    root: str  # absolute
    here: str  # relative to the root, "." is the root
    declarations: Declarations
    profile: Profile | None
    graph: BuildGraph
    names: Names
    listing: Listing
    consulted: tuple[tuple[str, str], ...]  # every file that was read to make the graph, and its text
    grant: Grant = Grant()

    @property
    def orchfile(self) -> str:
        """The root Orchfile, relative to the root."""
        return self.declarations.sources[0].path

    @property
    def cache_settings(self) -> Settings:
        """What `[cache]` of the root Orchfile says."""
        table = self.declarations.cache
        said = {name: table[key] for key, name in _CACHE_KEYS.items() if key in table}
        named = {**Settings()._asdict(), **said}
        return Settings._make(named[field] for field in Settings._fields)

    @property
    def run_settings(self) -> RunSettings:
        """What `[runs]` of the root Orchfile says."""
        return run_settings_of(self.declarations)

    @property
    def scope(self) -> str:
        """The scope of the nearest Orchfile at or above `here`: bare names are looked up there first."""
        best = ""
        length = -1
        for source in self.declarations.sources:
            inside = source.folder == "." or f"{self.here}/".startswith(source.folder + "/")
            if inside and len(source.folder) > length and source.folder != ".":
                best, length = source.scope, len(source.folder)
        return best


def run_settings_of(declarations: Declarations) -> RunSettings:
    """What `[runs]` of the root Orchfile says."""
    table = declarations.runs
    said = {name: table[key] for key, name in _RUN_KEYS.items() if key in table}
    named = {**RunSettings()._asdict(), **said}
    return RunSettings._make(named[field] for field in RunSettings._fields)


def locate(start: str, file: str | None) -> tuple[str, str]:
    """The absolute root and the Orchfile's name below it; raises UsageError if there is none."""
    if file is None:
        return find_root(start)
    path = os.path.join(start, file)
    if not os.path.lexists(path):
        raise UsageError(f"there is no {file}", [("looked in", start)])
    return os.path.realpath(os.path.dirname(path)), os.path.basename(path)


def open_project(
    start: str,
    file: str | None = None,
    profile: str = "",
    hidden: frozenset[str] = frozenset(),
    drafts: Mapping[str, str] = {},
    asked: Asked = _NOT_ASKED,
) -> Project:
    """Read and wire the Orchfiles; the process then stands in the root.

    `hidden` are files that no wildcard may match: outputs left by nodes that are gone. `drafts` are texts by
    path that stand for what Orchfiles hold; `asked` is the mode that is asked for. Raises UsageError and
    OrchfileError.
    """
    root, name = locate(start, file)
    os.chdir(root)
    declarations, problems = load(root, name, drafts)
    chosen = None
    if profile:
        chosen = chosen_profile(profile, declarations.profiles.get(profile))
        if chosen is None and not problems:
            near = nearest(profile, declarations.profiles)
            raise UsageError(f"no profile is named {profile}", hint=f"did you mean {near}?" if near else "")
    listing = Listing(root, hidden)
    grant = grant_of(chosen, declarations.sources[0], problems)
    expansion = expand(declarations, listing, problems, chosen, asked)
    graph = connect(expansion, declarations, listing, problems)
    names = Names(graph.tasks, graph.milestones)
    for index, text in enumerate(declarations.default or ()):
        if not names.find(text, "") and not names.is_empty(text, ""):
            near = names.nearest(text, "")
            hint = f"did you mean {near}?" if near else ""
            sentence = f"no task or milestone is named {text}"
            problems.add(declarations.sources[0], ("default", index), sentence, hint=hint)
    problems.raise_if_any()
    consulted = (*((source.path, source.text) for source in declarations.sources), *expansion.consulted)
    here = os.path.relpath(os.path.realpath(start), root)
    return Project(root, here, declarations, chosen, graph, names, listing, consulted, grant)
