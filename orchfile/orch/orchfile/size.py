"""Sizes as people write them. Knows nothing of disks."""

from __future__ import annotations

PATTERN = r"[0-9]{1,9}(\.[0-9]{1,9})? ?([kKMGT]i?)?B?"

_POWERS = " kMGT"
_CAPTURE = 1 << 20  # bytes
_LEAST_CAPTURE = 1024


def in_bytes(text: str) -> int:
    """The bytes that "10GiB" (1024-based), "500MB" (1000-based), "1.5G" (as GiB) or "4096" means.

    Raises ValueError for any other text.

    >>> in_bytes("10GiB"), in_bytes("500MB"), in_bytes("1.5k"), in_bytes("4096")
    (10737418240, 500000000, 1536, 4096)
    """
    import re  # here: whoever only shows sizes is spared 5 ms

    if re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"{text!r} is not a size")
    number = text.rstrip("kKMGTiB ")
    unit = text.removeprefix(number).strip().replace("K", "k")
    power = _POWERS.index(unit[0]) if unit not in ("", "B") else 0
    base = 1000 if unit.endswith("B") and not unit.endswith("iB") else 1024
    return round(float(number) * float(base) ** power)


def in_capture(text: str) -> int:
    """The bytes that "none", "bounded" or "bounded=SIZE" allows; raises ValueError for any other text.

    >>> in_capture("none"), in_capture("bounded"), in_capture("bounded=64KiB")
    (0, 1048576, 65536)
    """
    how, _, size = text.partition("=")
    if text == "none":
        return 0
    if how != "bounded" or (size and in_bytes(size) < _LEAST_CAPTURE) or text.endswith("="):
        raise ValueError(f"{text!r} is no way to capture")
    return in_bytes(size) if size else _CAPTURE


def shown_bytes(count: int) -> str:
    """Bytes for people.

    >>> shown_bytes(0), shown_bytes(1536), shown_bytes(10 << 30)
    ('0 B', '1.5 KiB', '10.0 GiB')
    """
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
