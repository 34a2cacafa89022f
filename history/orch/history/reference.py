"""Which run is meant: a whole id, the beginning or the end of one, `last` or `last~2`.

Knows nothing of what is known of a run.
"""

from __future__ import annotations

from orch.graph.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LAST = "last"
_MOST_NAMED = 4


def run_meant(text: str, runs: Sequence[str], recorded: Sequence[str]) -> str:
    """The run of `runs` that `text` means; `last` counts in `recorded`. Both are sorted, oldest first.

    Raises UsageError where it means none, or several.

    >>> names = ["20260101T000000.000000Z-0000aaaa", "20260102T000000.000000Z-0000bbbb"]
    >>> run_meant("bbbb", names, names)[:8], run_meant("last~1", names, names)[:8]
    ('20260102', '20260101')
    """
    if text == LAST or text.startswith(LAST + "~"):
        return _counted_back(text, recorded)
    if text in runs:
        return text
    found = [run for run in runs if text and (run.startswith(text) or run.endswith(text))]
    if len(found) == 1:
        return found[0]
    if found:
        facts = [("run", run) for run in found[-_MOST_NAMED:]]
        raise UsageError(f"{len(found)} runs are meant by {text}", facts, "give more of the one's name")
    if not runs:
        raise UsageError("there is no run yet", hint="`orch build` makes one")
    ends = {run.rpartition("-")[2]: run for run in runs}
    near = nearest(text, [*runs, *ends])
    hint = f"did you mean {ends.get(near, near)}?" if near else "`orch runs list` shows them"
    raise UsageError(f"no run is named {text}", hint=hint)


def _counted_back(text: str, recorded: Sequence[str]) -> str:
    back = text.removeprefix(LAST).removeprefix("~") or "0" if text != LAST + "~" else "1"
    if not (back.isascii() and back.isdecimal()):
        raise UsageError(f"{text} is no run", hint="write last, last~1, last~2 and so on")
    if not recorded:
        raise UsageError("there is no recorded run yet", hint="`orch build` makes one")
    number = int(back[:9])
    if number >= len(recorded):
        hint = f"the oldest is last~{len(recorded) - 1}" if len(recorded) > 1 else "the only one is last"
        raise UsageError(f"there is no {text}: {len(recorded)} runs are recorded", hint=hint)
    return recorded[-1 - number]
