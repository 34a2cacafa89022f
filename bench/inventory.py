"""What of the roadmap is there, counted for its gates. Knows nothing of whether it is any good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from orch.cli.args import COMMANDS, LATER
from orch.orchfile.declaration import LATER_MODE, MODES


def inventory() -> dict[str, dict[str, int]]:
    """For every command and mode that the design names whether there is one: 1 or 0.

    >>> inventory()["commands"]["build"]
    1
    """
    return {
        "commands": {**dict.fromkeys(LATER, 0), **dict.fromkeys(COMMANDS, 1)},
        "modes": {LATER_MODE: 0, **dict.fromkeys(MODES, 1)},
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(inventory(), indent=1) + "\n")
