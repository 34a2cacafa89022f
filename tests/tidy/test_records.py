"""docs/records.md says of the formats what the code does. Knows nothing of how they are read."""

from __future__ import annotations

import re
from pathlib import Path

from orch.evidence.formats import FORMATS, formats_table
from orch.evidence.schema import SCHEMAS, events_schema
from orch.goals import checklist, ledger
from orch.orchfile.schema import VERSION
from orch.reuse.index import SCHEMA

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/records.md"


def undescribed(text: str) -> list[str]:
    """Fields and types of events that a text does not hold as code."""
    names = {name for make in SCHEMAS.values() for name in make()["properties"]}  # type: ignore[attr-defined]
    kinds = {rule["if"]["properties"]["type"]["const"] for rule in events_schema()["allOf"]}  # type: ignore[attr-defined]
    return [one for one in sorted(names | kinds) if not re.search(rf"`[^`\n]*\b{one}\b[^`\n]*`", text)]


def test_the_table_of_formats_is_the_codes() -> None:
    assert formats_table() in DOCUMENT.read_text()


def test_the_versions_of_layers_that_evidence_cannot_see() -> None:
    versions = {one.name: one.version for one in FORMATS}
    assert versions["Orchfile"] == str(VERSION)
    assert versions["index of results"] == str(SCHEMA.version)
    assert versions["lock file"] == str(ledger.VERSION)
    assert versions["mirror"] == str(checklist.SCHEMA_VERSION)


def test_every_field_and_event_is_described() -> None:
    text = DOCUMENT.read_text()
    assert undescribed(text) == []
    assert undescribed(text.replace("`dirty`", "").replace("node_retried", "")) == ["dirty", "node_retried"]
