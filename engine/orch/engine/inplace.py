"""What an attempt left of the files that it changes in place (design F8).

The recorded state is the one *after* the run: a node is fresh while its files are as its last good attempt
left them, so going back to an older content is never a hit. Knows nothing of processes and of who asks.
"""

from __future__ import annotations

from orch.cache.digest import MISSING
from orch.cache.key import named
from orch.engine.attempt import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orch.cache.witness import Digests
    from orch.graph.build_graph import Input

    Parts = Sequence[tuple[str, str]]

PREFIX = "modified"  # of the parts of a key


def state_now(files: Iterable[Input], digests: Digests) -> list[tuple[str, str]]:
    """The parts of the key that the files make up; raises OSError for one that cannot be read."""
    return named(PREFIX, ((item.path, digests.of(item.path, as_input=True)) for item in files))


def state_left(files: Iterable[Input], digests: Digests) -> tuple[list[tuple[str, str]], Failure | None]:
    """The same after an attempt, which looks at them anew, and why it does not count.

    A file that the attempt deleted is no part any more, unless it is optional.
    """
    left: list[tuple[str, str]] = []
    failure = None
    for item in files:
        digests.renew(item.path)
        try:
            digest = digests.of(item.path, as_input=True)
        except OSError as error:
            sentence = f"it modified {item.path}, which now cannot be read: {error.strerror}"
            failure = failure or Failure(sentence)
            continue
        if digest != MISSING or item.optional:
            left.append((item.path, digest))
    return named(PREFIX, left), failure


def forbid_changes(before: Parts, after: Parts, task: str) -> Failure | None:
    """Why an attempt does not count under `modifies = "fail"`; what it changed stays, to be seen."""
    left = dict(after)
    changed = [
        name.partition(":")[2]
        for name, digest in before
        if name.startswith(PREFIX + ":") and left.get(name) != digest
    ]
    if not changed:
        return None
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return Failure(
        f"it changed {changed[0]}{more}, which this profile forbids",
        f"run `orch build {task}` without the profile and commit what it changes",
    )
