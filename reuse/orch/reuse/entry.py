"""One result that can be given back: its outputs by digest, its log, and how it came about.

Knows nothing of where content is kept. An entry is a claim: what it says of paths is checked here, what it
says of content when that is read.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple

_HEX = frozenset("0123456789abcdef")
_FOLDER = "d:"
_PERMISSIONS = 0o777
_FIELDS = 8  # before the members
_MEMBER_FIELDS = 4
_LOCAL = "local"


class Member(NamedTuple):
    """One output of a result."""

    path: str  # relative to the root
    digest: str  # as in orch.cache.digest: "f:<sha256>", "x:<sha256>", "l:<sha256>", "d:"
    mode: int = 0  # permission bits of a file or folder; 0 for a link
    size: int = 0  # bytes


class Entry(NamedTuple):
    """One result."""

    key: str  # full key of the node
    members: tuple[Member, ...] = ()  # () = a check
    bound: str = ""  # the absolute root that it holds in alone, "" = anywhere
    log: str = ""  # "f:<sha256>" of what it printed, "" = nothing
    discovered: tuple[str, ...] = ()  # paths, as in Record.discovered
    run: str = ""  # the run id of the attempt
    node: str = ""
    duration_s: float = 0.0
    tries: int = 1
    stored_ns: int = 0  # wall clock; 0 = when it is added
    mode: str = _LOCAL  # in which it was made

    def blobs(self) -> set[str]:
        """The sha256 of each content that it needs."""
        digests = (self.log, *(member.digest for member in self.members))
        return {sha for digest in digests if (sha := sha256_in(digest))}


def sha256_in(digest: str) -> str:
    """The sha256 of the content that a digest stands for, "" for a folder: an x: shares it with its f:.

    >>> sha256_in("x:00ff"), sha256_in("d:")
    ('00ff', '')
    """
    return digest[2:]


def packed_entry(entry: Entry) -> bytes:
    """An entry as bytes, without its discovered paths, which many entries share.

    >>> entry = Entry("k", (Member("a", "d:", 0o755),), discovered=("a.h",), run="r", duration_s=0.1)
    >>> unpacked_entry(packed_entry(entry), ("a.h",)) == entry
    True
    >>> unpacked_entry(packed_entry(entry._replace(mode="sandbox")), ()).mode
    'sandbox'
    """
    texts = [entry.key, entry.bound, entry.log, entry.run, entry.node]
    texts += (repr(entry.duration_s), str(entry.tries), str(entry.stored_ns))
    for path, digest, mode, size in entry.members:
        texts += (path, digest, str(mode), str(size))
    if entry.mode != _LOCAL:  # an orch that knows no modes refuses such an entry, and reads all others
        texts.append(entry.mode)
    return "\0".join(texts).encode("utf-8", "surrogateescape")


def unpacked_entry(data: bytes, discovered: tuple[str, ...]) -> Entry | None:
    """The entry of `packed_entry` with its discovered paths; None where the bytes are none."""
    texts = data.decode("utf-8", "surrogateescape").split("\0")
    left_over = (len(texts) - _FIELDS) % _MEMBER_FIELDS
    if len(texts) < _FIELDS or left_over > 1:
        return None
    mode = texts.pop() if left_over else _LOCAL
    key, bound, log, run, node = texts[:5]
    rest = iter(texts[_FIELDS:])
    try:
        members = tuple(
            Member(path, digest, int(mode), int(size))
            for path, digest, mode, size in zip(rest, rest, rest, rest, strict=True)
        )
        duration_s, tries, stored_ns = float(texts[5]), int(texts[6]), int(texts[7])
    except ValueError:
        return None
    return Entry(key, members, bound, log, discovered, run, node, duration_s, tries, stored_ns, mode)


def refusal(entry: Entry) -> str:
    """What is wrong with an entry's claims, "" if nothing is: it may name only paths below the root.

    >>> refusal(Entry("k", (Member("a/b", "d:", 0o755),)))
    ''
    >>> refusal(Entry("k", (Member("../a", "d:", 0o755),)))
    '../a lies outside the root'
    """
    if entry.log and not _is_digest(entry.log, "f"):
        return "its log has no digest"
    kinds: dict[str, str] = {}
    for member in entry.members:
        wrong = _wrong_path(member.path) or _wrong_content(member)
        if wrong:
            return wrong
        if member.path in kinds:
            return f"{member.path} is named twice"
        kinds[member.path] = member.digest[0]
    for path in kinds:
        parent = path.rpartition("/")[0]
        while parent:
            if kinds.get(parent, "d") != "d":
                return f"{path} lies below a file or link"
            parent = parent.rpartition("/")[0]
    return ""


def _wrong_path(path: str) -> str:
    folded = f"/{path.casefold()}/"
    if "//" not in folded and "/." not in folded:
        return ""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        return f"{path} lies outside the root"
    if "" in parts or "." in parts:
        return f"{path!r} is no plain path"
    for name in (".git", ".orch"):
        if f"/{name}/" in folded:
            return f"{path} lies in {name}/"
    return ""


def _wrong_content(member: Member) -> str:
    is_known = member.digest == _FOLDER or any(_is_digest(member.digest, kind) for kind in "fxl")
    if not is_known or member.size < 0 or member.mode & ~_PERMISSIONS:
        return f"{member.path} has no digest, mode or size that could be"
    if member.digest[0] in "fx" and (member.digest[0] == "x") != bool(member.mode & 0o100):
        return f"{member.path} has a mode that its digest denies"
    return ""


def _is_digest(text: str, kind: str) -> bool:
    return len(text) == 66 and text.startswith(f"{kind}:") and _HEX.issuperset(text[2:])
