"""Which commit a run was made at, asked of git beside the build: nobody waits for the answer (design 6).

Knows nothing of what becomes of it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.run.aside import Aside

_ARGV = (
    *("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=dirty"),
)
_SEEN = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")
_OID = b"# branch.oid "


class Commit:
    """The question about the tree at `root`, in which the process stands; `environ` is the caller's."""

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self._aside: Aside | None = None
        if _has_repository(root):
            seen = {name: environ[name] for name in _SEEN if name in environ}
            from orch.run.aside import Aside

            self._aside = Aside(_ARGV, {**seen, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"})

    def answer(self) -> tuple[str, bool | None]:
        """(commit, dirty), once: "" = there is no repository, "unknown" and None = not known yet."""
        if self._aside is None:
            return "", None
        said, is_whole = self._aside.end()
        return parsed(said, is_whole=is_whole)


def parsed(said: bytes, *, is_whole: bool) -> tuple[str, bool | None]:
    """What git's answer means; `is_whole`: it came to its end.

    >>> parsed(b"# branch.oid 12ab\\n# branch.head main\\n1 .M N... a\\n", is_whole=False)
    ('12ab', True)
    >>> parsed(b"# branch.oid (initial)\\n", is_whole=True), parsed(b"", is_whole=False)
    (('', False), ('unknown', None))
    """
    lines = said.split(b"\n")[:-1]
    commit = next((line.removeprefix(_OID).decode() for line in lines if line.startswith(_OID)), "unknown")
    is_dirty = True if any(line[:1] != b"#" for line in lines) else False if is_whole else None
    return "" if commit == "(initial)" else commit, is_dirty


def _has_repository(root: str) -> bool:
    at = root
    while not os.path.lexists(f"{at}/.git"):
        if at in ("", "/"):
            return False
        at = os.path.dirname(at)
    return True
