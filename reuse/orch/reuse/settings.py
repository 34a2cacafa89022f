"""What the user may set about the cache, and the folder it lies in. Knows nothing of what is kept there."""

from __future__ import annotations

import os

from orch.cache.atomic import read_small
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "ORCH_CACHE_DIR"

_DAY_S = 24 * 3600.0
_GITDIR = b"gitdir: "


class Settings(NamedTuple):
    """`[cache]` of the root Orchfile."""

    folder: str = ""  # `dir` as written, "" = the default place
    max_entry: int = 1 << 30  # bytes of one result
    max_size: int = 10 << 30  # bytes of all
    max_age_s: float = 30 * _DAY_S  # unused for so long, a result goes; 0 = no limit


def folder_for(root: str, settings: Settings, environ: Mapping[str, str]) -> tuple[str, bool]:
    """The cache folder of a root, and whether other working trees share it.

    `ORCH_CACHE_DIR` before `[cache] dir` before `orch/` in the folder that all worktrees of a git
    repository have in common, before `.orch/blobs`. Relative ones start at the root.
    """
    chosen = environ.get(VARIABLE) or settings.folder
    if chosen:
        return os.path.realpath(os.path.join(root, chosen)), True
    common = _common_git_folder(root)
    if common:
        return f"{common}/orch", True
    return f"{root}/.orch/blobs", False


def _common_git_folder(root: str) -> str:
    """git's folder of the repository that holds `root`, found by reading: git itself may run hooks."""
    folder = root
    while not os.path.lexists(f"{folder}/.git"):
        if folder == "/":
            return ""
        folder = os.path.dirname(folder)
    found = f"{folder}/.git"
    try:
        if os.path.isfile(found):
            found = _read_path(found, folder, _GITDIR)
        common = f"{found}/commondir"
        if os.path.isfile(common):
            found = _read_path(common, found, b"")
        # Not every folder of that name is a repository, and none is to be littered.
        return os.path.realpath(found) if os.path.isfile(f"{found}/HEAD") else ""
    except OSError:
        return ""


def _read_path(file: str, base: str, prefix: bytes) -> str:
    """The path that a file of git's holds, relative to `base` or absolute; "" if there is none."""
    text = read_small(file)
    if not text.startswith(prefix):
        return ""
    return os.path.join(base, os.fsdecode(text.removeprefix(prefix).rstrip(b"\r\n")))
