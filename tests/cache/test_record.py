from __future__ import annotations

from orch.cache.record import packed, packed_parts, unpacked, unpacked_parts


def test_any_text_survives_packing() -> None:
    texts = ("", "a b", "line\nbreak", "\udcff\udc80", "größe", "")
    assert unpacked(packed(texts)) == texts
    assert unpacked(packed(())) == ()
    parts = (("env:A", ""), ("input:\udcff", "f:1"))
    assert unpacked_parts(packed_parts(parts)) == parts


def test_damaged_bytes_hold_nothing() -> None:
    data = bytearray(packed(["a" * 1000, "b"]))
    for index in range(len(data)):
        flipped = bytes([*data[:index], data[index] ^ 1, *data[index + 1 :]])
        assert unpacked(flipped) in ((), ("a" * 1000, "b"))
    assert unpacked(b"\xff") == unpacked(7) == unpacked(None) == ()
