"""`orch schema`: the JSON Schema of Orchfile.toml. Knows nothing of any project."""

from __future__ import annotations

import json

from orch.orchfile.schema import json_schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.args import Options
    from orch.cli.console import Console


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print the schema."""
    del options, environ
    console.out(json.dumps(json_schema(), indent=2))
    return 0
