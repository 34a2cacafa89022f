"""The compiled graph in a snapshot: who reads and who makes each of its paths, and the nodes themselves.

Read only by a build that found some paths changed, so that it looks at the nodes behind these and at no
other. Paths and nodes go by number: a path's is its place in the shards, a node's its place in the order in
which they are built. Knows nothing of stamps, and of why a node is stale.
"""

from __future__ import annotations

import marshal

from orch.cache.proof import shard
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal

    from orch.cache.proof import Snapshot

    Role = Literal["file", "folder", "fixed"]
    News = tuple[dict[int, str], dict[int, tuple[int, ...]], list[tuple[str, tuple[int, ...]]]]

NOBODY = -1
_ROLES: tuple[Role, ...] = ("file", "folder", "fixed")
_DIGEST = 33  # bytes: the letter, and the sha256
_SEARCHED = 50  # look-ups, before a table is made


class PathFacts(NamedTuple):
    """What is known of one path.

    role "file": its content is `digest`. "folder": its listing has `digest`.
    "fixed": if anything about it changes, the graph may be another one.
    """

    role: Role
    digest: str = ""
    owner: int = NOBODY  # the node that makes it
    readers: tuple[int, ...] = ()


class NodeFacts(NamedTuple):
    """One node, as plain values (orch.graph.plain), and its neighbours by number."""

    name: str
    data: Any
    before: tuple[int, ...]
    after: tuple[int, ...]


def packed_paths(items: Sequence[PathFacts]) -> bytes:
    """The section of the paths."""
    return marshal.dumps(
        (
            bytes(_ROLES.index(one.role) for one in items),
            b"".join(map(_packed_digest, (one.digest for one in items))),
            _numbers(one.owner for one in items),
            *_lists([one.readers for one in items]),
        )
    )


def packed_nodes(items: Sequence[NodeFacts], facts: Mapping[str, object]) -> bytes:
    """The section of the nodes; `facts` is whatever else the next build has to know of the graph."""
    behind: list[list[int]] = [[] for _ in items]
    for number, one in enumerate(items):
        for other in dict.fromkeys((*one.before, *one.after)):
            behind[other].append(number)
    blobs = [marshal.dumps(one.data) for one in items]
    ends = [0]
    for blob in blobs:
        ends.append(ends[-1] + len(blob))
    return marshal.dumps(
        (
            "\0".join(one.name for one in items).encode("utf-8", "surrogateescape"),
            _numbers(ends),
            b"".join(blobs),
            *_lists([one.before for one in items]),
            *_lists([one.after for one in items]),
            *_lists(behind),
            dict(facts),
        )
    )


def packed_news(
    digests: Mapping[int, str],
    readers: Mapping[int, tuple[int, ...]],
    added: Iterable[tuple[str, tuple[int, ...]]],
) -> bytes:
    """What a build found out: digests of paths, more readers of paths, and new paths (digest, readers)."""
    return marshal.dumps((dict(digests), dict(readers), list(added)))


class Paths:
    """The paths of a snapshot; raises Doubt and OSError where it is damaged."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._roles: bytes
        self._digests: bytes
        self._roles, self._digests, owners, ends, readers = marshal.loads(snapshot.section(0))
        self._owners = memoryview(owners).cast("i")
        self._readers = _Lists(ends, readers)
        self._text = b"\0"
        for which in range(len(snapshot.shards)):
            raw, size = shard(snapshot, which)
            self._text += raw[32 * size :] + b"\0"
        self._paths: list[bytes] = []
        self._numbers = _Numbers(self._text)
        self._news: News = {}, {}, []
        self._extra = {path: number for number, path in enumerate(snapshot.added, len(self._roles))}
        for told in snapshot.news:
            digests, more, added = marshal.loads(told)
            self._news[0].update(digests)
            for number, nodes in more.items():
                self._news[1][number] = (*self._news[1].get(number, ()), *nodes)
            self._news[2].extend(added)

    def path(self, number: int) -> bytes:
        """The path of a number."""
        if not self._paths:
            self._paths = [*self._text[1:-1].split(b"\0"), *self._extra]
        return self._paths[number]

    def number(self, path: bytes) -> int | None:
        """The number of a path, None if the snapshot does not have it."""
        found = self._numbers.get(path)
        return self._extra.get(path) if found is None else found

    def facts(self, number: int) -> PathFacts:
        """What is known of the path of a number."""
        more = self._news[1].get(number, ())
        if number >= len(self._roles):
            digest, readers = self._news[2][number - len(self._roles)]
            return PathFacts("file", self._news[0].get(number, digest), NOBODY, (*readers, *more))
        digest = self._news[0].get(number) or _digest(
            self._digests[_DIGEST * number : _DIGEST * (number + 1)]
        )
        readers = (*self._readers[number], *more)
        return PathFacts(_ROLES[self._roles[number]], digest, self._owners[number], readers)


class Nodes:
    """The nodes of a snapshot; raises Doubt and OSError where it is damaged."""

    def __init__(self, snapshot: Snapshot) -> None:
        (names, ends, self._data, *lists, facts) = marshal.loads(snapshot.section(1))
        self._text = b"\0" + names + b"\0"
        self._names: list[bytes] = []
        self._numbers = _Numbers(self._text)
        self._ends = memoryview(ends).cast("i")
        self._before, self._after, self._behind = (_Lists(*lists[i : i + 2]) for i in (0, 2, 4))
        self.facts: dict[str, Any] = facts

    def name(self, number: int) -> str:
        """The id of a node."""
        if not self._names:
            self._names = self._text[1:-1].split(b"\0")
        return self._names[number].decode("utf-8", "surrogateescape")

    def number(self, name: str) -> int | None:
        """The number of the node with this id, None if there is none."""
        return self._numbers.get(name.encode("utf-8", "surrogateescape"))

    def data(self, number: int) -> object:
        """The node itself, as it was given to `packed_nodes`."""
        return marshal.loads(self._data[self._ends[number] : self._ends[number + 1]])

    def before(self, number: int) -> tuple[int, ...]:
        """The nodes that must have ended well."""
        return self._before[number]

    def after(self, number: int) -> tuple[int, ...]:
        """The nodes that must have ended."""
        return self._after[number]

    def behind_one(self, number: int) -> tuple[int, ...]:
        """The nodes that wait for this one directly."""
        return self._behind[number]

    def behind(self, numbers: Iterable[int]) -> list[int]:
        """The given nodes and all that wait for them, directly or not, in the order of building."""
        found = set(numbers)
        todo = list(found)
        while todo:
            for number in self._behind[todo.pop()]:
                if number not in found:
                    found.add(number)
                    todo.append(number)
        return sorted(found)


class _Numbers:
    """The numbers of texts that are joined by NUL, with one before and one after all of them.

    The first few are searched for, which is quicker than taking the whole apart.

    >>> numbers = _Numbers(b"\\0a\\0bc\\0")
    >>> numbers.get(b"bc"), numbers.get(b"c")
    (1, None)
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._asked = 0
        self._found: dict[bytes, int] = {}

    def get(self, wanted: bytes) -> int | None:
        """The number of a text, None if it is not there."""
        self._asked += 1
        if self._asked > _SEARCHED:
            self._found = self._found or {
                one: number for number, one in enumerate(self._text[1:-1].split(b"\0"))
            }
            return self._found.get(wanted)
        at = self._text.find(b"\0" + wanted + b"\0")
        return self._text.count(b"\0", 0, at) if at >= 0 else None


class _Lists:
    """Many short lists of numbers in two arrays: where each ends, and all of them joined."""

    def __init__(self, ends: bytes, items: bytes) -> None:
        self._ends = memoryview(ends).cast("i")
        self._items = memoryview(items).cast("i")

    def __getitem__(self, index: int) -> tuple[int, ...]:
        return tuple(self._items[self._ends[index] : self._ends[index + 1]])


def _lists(lists: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
    ends = [0]
    for each in lists:
        ends.append(ends[-1] + len(each))
    return _numbers(ends), _numbers(number for each in lists for number in each)


def _numbers(numbers: Iterable[int]) -> bytes:
    from array import array

    return array("i", numbers).tobytes()


def _packed_digest(digest: str) -> bytes:
    """A digest of a fixed length.

    >>> _digest(_packed_digest("x:" + "ab" * 32)) == "x:" + "ab" * 32, _digest(_packed_digest(""))
    (True, '')
    """
    return digest[:1].encode() + bytes.fromhex(digest[2:66]) if digest else bytes(_DIGEST)


def _digest(data: bytes) -> str:
    return f"{chr(data[0])}:{data[1:].hex()}" if data[0] else ""
