"""What flags take: each function turns the word that was given into a value, or refuses it.

Knows nothing of which flags there are.
"""

from __future__ import annotations

from orch.graph.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def one_of(flag: str, known: Sequence[str]) -> Callable[[str], str]:
    """One of a few words."""

    def chosen(text: str) -> str:
        if text not in known:
            near = nearest(text, known)
            what = f"{', '.join(known[:-1])} or {known[-1]}"
            raise UsageError(f"{flag} takes {what}, not {text}", hint=f"did you mean {near}?" if near else "")
        return text

    return chosen


def job_count(text: str) -> int:
    """How many commands run at once."""
    if not text.isdecimal() or not int(text):
        raise UsageError(
            f"-j takes a number of 1 or more, not {text}", hint="`orch build --help` shows the flags"
        )
    return int(text)


def byte_count(text: str) -> int:
    """Bytes, for `--max-size`."""
    from orch.orchfile.size import in_bytes

    try:
        return in_bytes(text)
    except ValueError:
        raise UsageError(f"--max-size takes a size such as 10GiB or 500MB, not {text}") from None


def age_s(text: str) -> float:
    """Seconds, for `--max-age`."""
    from orch.orchfile.duration import seconds

    try:
        return seconds(text)
    except ValueError:
        raise UsageError(f"--max-age takes a duration such as 12h or 30d, not {text}") from None


def count(flag: str, least: int) -> Callable[[str], int]:
    """A number of at least `least`."""

    def counted(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text[:9]) < least:
            raise UsageError(f"{flag} takes a number of {least} or more, not {text}")
        return int(text[:9])

    return counted


def path(flag: str) -> Callable[[str], str]:
    """A path or a name; not nothing."""

    def given(text: str) -> str:
        if not text:
            raise UsageError(f"{flag} needs a value")
        return text

    return given


def captured_bytes(text: str) -> int:
    """Bytes, for `--capture`."""
    from orch.orchfile.size import in_capture

    try:
        return in_capture(text)
    except ValueError:
        raise UsageError(f"--capture takes none, bounded or bounded=SIZE, not {text}") from None


def wait_s(text: str) -> float:
    """Seconds, for `--wait`; 0 is not at all."""
    from orch.orchfile.duration import seconds

    try:
        return 0.0 if text == "no" else seconds(text)
    except ValueError:
        raise UsageError(f"--wait takes a duration such as 30s or 5m, or no, not {text}") from None


def allowed(text: str) -> tuple[str, str]:
    """A permission and what of it, for `--allow`; of `network` there is only all."""
    from orch.orchfile.declaration import PERMISSIONS

    name, is_given, value = text.partition("=")
    if name not in PERMISSIONS:
        near = nearest(name, PERMISSIONS)
        what = "--allow takes network, read=PATH, edit=PATH or run=NAME"
        raise UsageError(f"{what}, not {text}", hint=f"did you mean {near}?" if near else "")
    if name == "network" and is_given:
        raise UsageError("--allow network takes no value")
    if name != "network" and not value:
        what = "name of a program" if name == "run" else "path"
        raise UsageError(f"--allow {name} needs the {what}: {name}=...")
    if name in ("read", "edit"):
        _check_pattern(text, value)
    return name, value


def _check_pattern(text: str, value: str) -> None:
    from orch.rules.patterns import parse

    try:
        if value[0] in "!?":
            raise ValueError("a permission excludes nothing")
        parse(value, ".", {})
    except ValueError as error:
        raise UsageError(f"--allow {text}: {error}") from None
