"""The cache as a build sees it: find a result, give its outputs back, keep a new one.

Knows nothing of when a result may be used.
"""

from __future__ import annotations

from orch.reuse.settings import Settings, folder_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orch.cache.place import Place
    from orch.reuse.entry import Entry, Member

SMALL = 64 << 10  # bytes; content up to that goes into packs


class Cache:
    """The results of earlier attempts. Never fails a build: any trouble switches it off.

    Used by one thread, and by no forked child.
    """

    def __init__(self, place: Place, settings: Settings, environ: Mapping[str, str]) -> None:
        """Touches nothing on disk before its first use."""
        self.folder, self.is_shared = folder_for(place.root, settings, environ)

    @classmethod
    def open(cls, place: Place, settings: Settings, environ: Mapping[str, str]) -> Cache:
        """The cache of a root; never raises."""
        return cls(place, settings, environ)

    def sets(self, declared_key: str) -> tuple[tuple[str, ...], ...]:
        """The sets of discovered paths seen with this declared key, the newest first, at most 8."""
        return ()

    def find(self, key: str) -> Entry | None:
        """The result of that key which holds in this root; None = a miss."""
        return None

    def has(self, digest: str) -> bool:
        """Whether the content of a digest is kept already; True for a folder, which has none."""
        return False

    def keep(self, digest: str, data: bytes) -> None:
        """Keep content that is in memory: of a file, of a log, or the text of a link."""

    def keep_file(self, digest: str, path: str) -> None:
        """Keep the content of a file, read once more; not if it changed since it was digested."""

    def add(self, declared_key: str, entry: Entry) -> None:
        """Keep a result; found from the next `flush` on. It replaces the one of its key."""

    def hide(self, keys: Iterable[str]) -> None:
        """Let `find` no longer give these results, until `add` brings them anew (design F2)."""

    def give(self, member: Member, target: str) -> bool:
        """Create `target`, where nothing may be, with a file's or link's verified content and mode.

        False if the content is damaged or gone, or the target cannot be written: then nothing is there.
        """
        return False

    def read(self, digest: str) -> bytes | None:
        """The verified content of a digest; None if it is damaged or gone."""
        return None

    def flush(self) -> None:
        """Make what was kept and added durable, then visible to all."""

    def collect_if_due(self, now_s: float) -> None:
        """Remove what is beyond the limits, if they are passed or it was last done a day ago."""

    def take_notices(self) -> tuple[str, ...]:
        """What the user should hear; each sentence once."""
        return ()

    def close(self) -> None:
        """Flush, and let go of files and locks."""
