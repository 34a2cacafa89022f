"""No secret gets through, wherever the stream is cut. Knows nothing of files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.run.redaction import MASK, Redaction


def redact(secrets: list[bytes], *chunks: bytes) -> bytes:
    stream = Redaction(secrets)
    return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.end()])


@pytest.mark.parametrize("cut", range(22))
def test_every_cut_gives_the_same(cut: int) -> None:
    text = b"a swordfish, swordfis."
    assert redact([b"swordfish"], text[:cut], text[cut:]) == b"a ***, swordfis."


def test_overlapping_secrets_leak_no_rest() -> None:
    assert redact([b"abcdef", b"defghi"], b"<abcd", b"ef", b"ghi>") == b"<***>"
    assert redact([b"abcdefgh", b"abc"], b"<abcdef>") == b"<***def>"


def test_memory_stays_small_in_a_flood_of_one_secret() -> None:
    stream = Redaction([b"aaaaaa"])
    shown = b"".join(stream.feed(b"a" * 1000) for _ in range(50)) + stream.feed(b"!") + stream.end()
    assert shown == b"***!"


@given(st.data())
def test_chunks_never_matter_and_nothing_else_is_lost(data: st.DataObject) -> None:
    letters = st.binary(min_size=2, max_size=5).map(lambda text: bytes(97 + byte % 2 for byte in text))
    secrets = data.draw(st.lists(letters, max_size=3))
    text = bytes(97 + byte % 3 for byte in data.draw(st.binary(max_size=40)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = redact(secrets, text)
    assert redact(secrets, *chunks) == whole == masked(secrets, text)


def masked(secrets: list[bytes], text: bytes) -> bytes:
    """The obvious way: mark each byte that a secret covers, then mask the runs of overlapping ones."""
    spans = sorted((at, at + len(s)) for s in secrets for at in range(len(text)) if text.startswith(s, at))
    result, position = b"", 0
    for start, stop in spans:
        if start >= position:
            result += text[position:start] + MASK
        position = max(position, stop)
    return result + text[position:]
