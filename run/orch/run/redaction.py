"""Replaces secrets in a stream of bytes, also those that are cut in two by the borders of its chunks.

Knows nothing of where the bytes come from or go.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = b"***"


class Redaction:
    """One stream. What may be the beginning of a secret is held back until its end is known.

    >>> stream = Redaction([b"swordfish"])
    >>> stream.feed(b"pass=sword"), stream.feed(b"fish, "), stream.feed(b"sword"), stream.end()
    (b'pass=', b'***, ', b'', b'sword')
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._held = b""
        self._masked = 0  # how many of the held bytes belong to a secret whose mask is already out

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; give those that can be shown."""
        text = self._held + chunk
        return self._show(text, len(text) - self._open_end(text))

    def end(self) -> bytes:
        """Give what was held back, when nothing more will come."""
        return self._show(self._held, len(self._held))

    def _show(self, text: bytes, cut: int) -> bytes:
        shown: list[bytes] = []
        position = masked = 0
        for start, stop in self._spans(text):
            is_shown = start == 0 and self._masked > 0
            if start >= cut and not is_shown:
                break  # lies in what is held back, and will be found again
            if not is_shown:
                shown += (text[position:start], MASK)
            position, masked = stop, max(0, stop - cut)
        if position < cut:
            shown.append(text[position:cut])
        self._held, self._masked = text[cut:], masked
        return b"".join(shown)

    def _spans(self, text: bytes) -> list[tuple[int, int]]:
        """Where secrets stand in `text`, overlapping ones as one span."""
        found = [(0, self._masked)] if self._masked else []
        for secret in self._secrets:
            at = text.find(secret)
            while at >= 0:
                found.append((at, at + len(secret)))
                at = text.find(secret, at + 1)
        spans: list[tuple[int, int]] = []
        for start, stop in sorted(found):
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
            else:
                spans.append((start, stop))
        return spans

    def _open_end(self, text: bytes) -> int:
        """How many bytes at the end of `text` may be the beginning of a secret."""
        return max((_overlap(text, secret) for secret in self._secrets), default=0)


def _overlap(text: bytes, secret: bytes) -> int:
    """
    >>> _overlap(b"a swor", b"swordfish")
    4
    """
    for length in range(min(len(text), len(secret) - 1), 0, -1):
        if text.endswith(secret[:length]):
            return length
    return 0
