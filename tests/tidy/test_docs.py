"""The documents: links lead somewhere, Orchfiles in them load. Knows nothing of what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    path
    for path in sorted(str(found.relative_to(CHECKOUT)) for found in CHECKOUT.rglob("*.md"))
    if not re.search(r"(^|/)(\.|build/|dist/)", path)
]


def prose(text: str) -> str:
    """The text without its fenced blocks and code spans, which may hold what looks like a link."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def broken_links(document: Path) -> list[str]:
    """Relative links to nothing; a `#part` must be a heading of the document it points into."""
    broken: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, part = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (part and part not in anchors(target)):
            broken.append(link)
    return broken


def anchors(document: Path) -> set[str]:
    """The names under which a Markdown file's headings can be linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def orchfiles(document: Path) -> list[str]:
    """The fenced TOML blocks that are a whole Orchfile: they have a `version`."""
    blocks = re.findall(r"^```toml\n(.*?)^```", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "version" in tomllib.loads(block)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    assert broken_links(CHECKOUT / document) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_orchfiles_load(document: str, tmp_path: Path) -> None:

    for text in orchfiles(CHECKOUT / document):
        (tmp_path / "Orchfile.toml").write_text(text)
        _, problems = load.load(str(tmp_path))
        problems.raise_if_any()


def test_the_readme_names_the_test_command_that_ci_runs() -> None:
    (command,) = re.findall(r"^(python -m pytest.*?)(?: #.*)?$", readme_code(), flags=re.MULTILINE)
    assert command in (CHECKOUT / ".ci/run").read_text()


def readme_code() -> str:
    """All fenced blocks of the README."""
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", (CHECKOUT / "README.md").read_text(), re.M | re.S))


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One, two: `three`\n")
    document = tmp_path / "a.md"
    document.write_text(
        "[a](gone.md) [b](other.md) [c](other.md#one-two-three) [d](other.md#four) [e](https://example.org)\n"
        "`[f](gone)`\n```\n[g](gone)\n```\n"
    )
    assert broken_links(document) == ["gone.md", "other.md#four"]


def test_an_orchfile_is_told_from_other_toml(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("```toml\n[project]\nname = 1\n```\n\n```toml\nversion = 1\n[tasks]\n```\n")
    assert orchfiles(document) == ["version = 1\n[tasks]\n"]
