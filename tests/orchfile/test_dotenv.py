"""The format of an `env_file`."""

from __future__ import annotations

import pytest

from orch.graph.errors import OrchfileError
from orch.orchfile.dotenv import dotenv


def test_dotenv_reads_quotes_comments_and_export() -> None:
    text = (
        '# head\r\nexport A=1\r\nB = \'a # b\' # tail\r\n\r\nC="x\\ty\\"z" \r\nD=a#b # c\r\nE=\r\n'
        "F=a=b\r\nG='$HOME'\r\n"
    )
    assert dotenv(text, ".env") == {
        "A": "1",
        "B": "a # b",
        "C": 'x\ty"z',
        "D": "a#b",
        "E": "",
        "F": "a=b",
        "G": "$HOME",
    }


def test_dotenv_names_every_wrong_line() -> None:
    with pytest.raises(OrchfileError) as caught:
        dotenv("A=1\nnonsense\nB='open\n1X=2\nC='a' b\nD=\0\n", "ci.env")
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [
        ("ci.env", line) for line in (2, 3, 4, 5, 6)
    ]
