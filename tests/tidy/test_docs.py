"""The documents: links lead somewhere, Orchfiles in them load. Knows nothing of what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = sorted(str(portion.parent) for portion in CHECKOUT.glob("*/orch"))
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
    from orch.orchfile.load import load

    for text in orchfiles(CHECKOUT / document):
        (tmp_path / "Orchfile.toml").write_text(text)
        _, problems = load(str(tmp_path))
        problems.raise_if_any()


def test_the_readme_names_the_test_command_that_ci_runs() -> None:
    (command,) = re.findall(r"python -m pytest.*$", readme_code(), flags=re.MULTILINE)
    assert command in (CHECKOUT / ".ci/run").read_text()


def readme_code() -> str:
    """All fenced blocks of the README."""
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", (CHECKOUT / "README.md").read_text(), re.M | re.S))


def undescribed_keys(document: str) -> list[str]:
    """The keys of the schema that a document does not hold as code."""
    from orch.orchfile.schema import json_schema

    return [key for key in sorted(_keys(json_schema())) if not _is_code(key, document)]


def _keys(schema: object) -> set[str]:
    """The names of all properties in a JSON Schema."""
    if isinstance(schema, list):
        return {key for item in schema for key in _keys(item)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties")
    names = set(own) if isinstance(own, dict) else set()
    return names.union(*(_keys(item) for item in schema.values()))


def undescribed_flags(document: str) -> list[str]:
    """Commands and flags of the help texts that a document does not hold as code."""
    from orch.cli.args import COMMANDS

    command = [sys.executable, "-m", "orch"]
    env = {"PYTHONPATH": os.pathsep.join(SOURCE_ROOTS), "COLUMNS": "200"}
    said = [
        subprocess.run([*command, name, "--help"], env=env, check=True, capture_output=True, text=True).stdout
        for name in COMMANDS
    ]
    flags = set(
        re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", "\n".join(re.findall(r"^ +-.*", "\n".join(said), re.M)))
    )
    return [name for name in sorted({*COMMANDS, *flags}) if not _is_code(name, document)]


def _is_code(word: str, document: str) -> bool:
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(word)}(?![\w-])[^`\n]*`", document) is not None


def test_every_key_is_described() -> None:
    text = (CHECKOUT / "docs/orchfile.md").read_text()
    assert undescribed_keys(text) == []
    assert undescribed_keys(text.replace("`retries`", "")) == ["retries"]


def test_every_command_and_flag_is_described() -> None:
    text = (CHECKOUT / "docs/commands.md").read_text()
    assert undescribed_flags(text) == []
    assert undescribed_flags(text.replace("--force-all", "").replace("`why`", "")) == ["--force-all", "why"]


def test_every_variable_of_the_base_environment_is_described() -> None:
    from orch.run.environment import BASE

    text = (CHECKOUT / "docs/how-it-decides.md").read_text()
    assert [name for name in BASE if f"`{name}`" not in text] == []


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
