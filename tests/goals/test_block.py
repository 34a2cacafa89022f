"""The block between two markers: everything outside stays, every doubt is an error with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.goals.block import BlockError, replaced

OUTSIDE = st.binary(max_size=60).filter(lambda data: b"orch:" not in data)
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20), max_size=5)


@given(before=OUTSIDE, after=OUTSIDE, lines=LINES, newline=st.sampled_from([b"\n", b"\r\n"]))
def test_outside_of_the_block_no_byte_changes(
    before: bytes, after: bytes, lines: list[str], newline: bytes
) -> None:
    head = before + b"\n<!-- orch:begin M -->" + newline
    tail = b"<!-- orch:end M -->" + (newline + after if after else b"")
    made = replaced(head + b"old" + newline + tail, "M", lines, "f")
    assert made.startswith(head)
    assert made.endswith(tail)
    body = b"".join(line.encode() + newline for line in lines)
    assert made == head + body + tail
    if not any("orch:" in line for line in lines):
        assert replaced(made, "M", lines, "f") == made


def test_a_byte_order_mark_and_an_indent_are_kept() -> None:
    text = b"\xef\xbb\xbf  <!-- orch:begin M -->\n  <!-- orch:end M -->"
    assert replaced(text, "M", ["- a", ""], "f") == (
        b"\xef\xbb\xbf  <!-- orch:begin M -->\n  - a\n\n  <!-- orch:end M -->"
    )


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 0, "it has no line <!-- orch:begin M -->"),
        ("<!-- orch:begin M -->\n", 0, "it has no line <!-- orch:end M -->"),
        ("<!-- orch:begin N -->\n<!-- orch:end N -->\n", 0, "it has no line <!-- orch:begin M -->"),
        ("text <!-- orch:begin M -->\n<!-- orch:end M -->\n", 0, "it has no line <!-- orch:begin M -->"),
        (
            "<!-- orch:begin M -->\n<!-- orch:end M -->\n\n<!-- orch:begin M -->\n",
            4,
            "<!-- orch:begin M --> stands in lines 1 and 4: only one can be the block",
        ),
        ("<!-- orch:end M -->\n<!-- orch:begin M -->\n", 1, "the end of block M stands before its begin"),
        (
            "<!-- orch:begin M -->\n<!-- orch:begin N -->\n<!-- orch:end M -->\n<!-- orch:end N -->\n",
            2,
            "a marker of block N stands inside of block M",
        ),
    ],
)
def test_a_doubt_is_an_error_with_its_line(text: str, line: int, sentence: str) -> None:
    with pytest.raises(BlockError) as found:
        replaced(text.encode(), "M", ["new"], "docs/T.md")
    assert found.value.problem[:2] == ("docs/T.md", line)
    assert found.value.problem.sentence == sentence
