"""`orch schema`: the JSON Schema of Orchfile.toml, or of a record of runs. Knows nothing of any project."""

from __future__ import annotations

import json

from orch.evidence.schema import SCHEMAS
from orch.orchfile.schema import json_schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Print the schema that is named, the Orchfile's by default."""
    del environ
    found = SCHEMAS[options.targets[0]]() if options.targets else json_schema()
    console.out(json.dumps(found, indent=2))
    return 0
