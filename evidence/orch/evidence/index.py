"""`runs/chain.ndjson`, the index of the order in which runs ended, as lines and as values.

A line says that a run is about to be linked (`{"linking": RUN}`), that it was (`{"run": RUN, "sha256": ..}`),
or what was removed before the first link (`{"pruned": RUN, "sha256": .., "count": N, "check": ..}`). It may
say its version, `"v"`; of one that is newer nothing is understood. Knows nothing of files.
"""

from __future__ import annotations

from orch.cache.digest import of_bytes
from orch.evidence.text import encoded
from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1


class Link(NamedTuple):
    """One run in the chain."""

    run: str
    sha256: str  # of its manifest

    @property
    def fields(self) -> dict[str, str]:
        """As `previous` of the next manifest has it."""
        return {"run": self.run, "sha256": self.sha256}


class Chain(NamedTuple):
    """The whole index: what was pruned before it, and the links in order."""

    links: tuple[Link, ...] = ()
    pruned: Link | None = None
    pruned_count: int = 0
    unreadable: int = 0  # lines that are none of ours
    is_newer: bool = False  # a newer orch wrote some of it


def parsed(lines: Sequence[bytes]) -> Chain:
    """The chain that these lines tell of; a run that was linked twice counts where it was last.

    >>> run = b'"20261122T142209.250000Z-0a1b2c3d"'
    >>> lines = [b'{"linking":%b}' % run, b'{"run":%b,"sha256":"1"}' % run, b'{"run":"../a","sha256":"1"}']
    >>> chain = parsed(lines)
    >>> len(chain.links), chain.links[0].sha256, chain.unreadable
    (1, '1', 1)
    """
    links: dict[str, Link] = {}
    chain = Chain()
    for line in lines:
        fields = _fields(line)
        run, sha256, pruned = _run_in(fields, "run"), fields.get("sha256"), _run_in(fields, "pruned")
        count = fields.get("count")
        version = fields.get("v", VERSION)
        if not isinstance(version, int) or version > VERSION:
            chain = chain._replace(is_newer=True)
        elif (
            pruned
            and isinstance(sha256, str)
            and isinstance(count, int)
            and fields.get("check") == _check(Link(pruned, sha256), count)
        ):
            chain = chain._replace(pruned=Link(pruned, sha256), pruned_count=count)
        elif run and isinstance(sha256, str):
            links.pop(run, None)
            links[run] = Link(run, sha256)
        elif not _run_in(fields, "linking"):
            chain = chain._replace(unreadable=chain.unreadable + 1)
    return chain._replace(links=tuple(links.values()))


def being_linked(lines: Sequence[bytes]) -> str:
    """The run that the last line says is being linked, "" if that was completed."""
    return _run_in(_fields(lines[-1]), "linking") if lines else ""


def run_of_line(line: bytes) -> frozenset[str]:
    """The run that a line of the index is about; of an anchor none, so that it goes with any.

    >>> run_of_line(b'{"linking":"20261122T142209.250000Z-0a1b2c3d"}'), run_of_line(b'{"run":"a"}')
    (frozenset({'20261122T142209.250000Z-0a1b2c3d'}), frozenset())
    """
    fields = _fields(line)
    return frozenset({_run_in(fields, "linking"), _run_in(fields, "run")} - {""})


def chain_text(chain: Chain) -> bytes:
    """The lines of an index."""
    lines: list[bytes] = []
    if chain.pruned:
        lines.append(pruned_line(chain.pruned, chain.pruned_count))
    return b"".join([*lines, *(link_line(one) for one in chain.links)])


def pruned_line(newest: Link, count: int) -> bytes:
    """The line that stands for `count` runs which were removed; `newest` was the last of them.

    >>> parsed([pruned_line(Link("20261122T142209.250000Z-0a1b2c3d", "1"), 7)[:-1]]).pruned_count
    7
    """
    fields = {"pruned": newest.run, "sha256": newest.sha256, "count": count}
    return encoded({**fields, "check": _check(newest, count)}) + b"\n"


def _check(newest: Link, count: int) -> str:
    """What shows that a count was not changed by accident: no manifest vouches for it."""
    return of_bytes(encoded([newest.run, newest.sha256, count]))[:16]


def link_line(one: Link) -> bytes:
    """The line that says that a run was linked."""
    return encoded(one.fields) + b"\n"


def began(run: str) -> str:
    """When a run began, as its name tells; "" if that is no name of a run.

    >>> began("20261122T142209.250000Z-0a1b2c3d"), began("chain.ndjson")
    ('2026-11-22T14:22:09.250000Z', '')
    """
    day, time_of_day, rest, suffix = run[:8], run[9:15], run[16:22], run[24:]
    numbers = day + time_of_day + rest
    is_name = (
        len(run) == 32
        and run[8] + run[15] + run[22:24] == "T.Z-"
        and numbers.isascii()
        and numbers.isdecimal()
        and not suffix.strip("0123456789abcdef")
    )
    if not is_name:
        return ""
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return f"{date}T{time_of_day[:2]}:{time_of_day[2:4]}:{time_of_day[4:]}.{rest}Z"


def _run_in(fields: dict[str, object], name: str) -> str:
    """A run that a line names, "" if that is no name of a run: what is made of it must stay below `runs/`."""
    run = fields.get(name)
    return run if isinstance(run, str) and began(run) else ""


def _fields(line: bytes) -> dict[str, object]:
    """The fields of a line, none if it is no object."""
    words = [] if b"\\" in line else line.decode("utf-8", "replace").split('"')
    if len(words) == 9 and words[0] + words[2] + words[4] + words[6] + words[8] == "{:,:}":
        return {words[1]: words[3], words[5]: words[7]}  # a link: without the import of `json`
    if len(words) == 5 and words[0] + words[2] + words[4] == "{:}":
        return {words[1]: words[3]}
    import json

    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
