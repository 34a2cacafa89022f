"""Metric gates: numbers in a JSON or TOML file, compared. Knows nothing of who made the file."""

from __future__ import annotations

import os

from orch.cache.regular import open_regular
from orch.orchfile.condition import compared, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from orch.graph.goal import Gate
    from orch.orchfile.condition import Comparison

_MOST_BYTES = 64 << 20


def comparisons(gate: Gate) -> list[Comparison] | str:
    """Every condition of a metric gate with what came of it, or why the file gives no numbers."""
    try:
        document = _document(gate.metric)
    except FileNotFoundError:
        return f"{gate.metric} does not exist"
    except OSError as error:
        return f"{gate.metric} cannot be read: {error.strerror}"
    except RecursionError:
        return f"{gate.metric} is nested too deeply"
    except ValueError as error:
        return f"{gate.metric} is no {'TOML' if gate.metric.endswith('.toml') else 'JSON'}: {error}"
    return [compared(parsed(text), document) for text in gate.require]


def _document(path: str) -> object:
    fd = open_regular(os.path.realpath(path))
    with open(fd, "rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is larger than 64 MiB")
    text = data.decode("utf-8-sig")
    if path.endswith(".toml"):
        import tomllib

        return tomllib.loads(text)
    import json

    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
