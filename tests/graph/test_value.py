"""Values: fields, defaults and methods as with `typing.NamedTuple`, and nothing that can be changed."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from orch.graph import value
from orch.graph.value import NamedTuple


class Point(NamedTuple):
    """A place."""

    x: int
    y: int = 0

    @property
    def sum(self) -> int:
        """Both together."""
        return self.x + self.y

    def moved(self, by: int) -> Point:
        """Further right."""
        return self._replace(x=self.x + by)


def test_fields_and_defaults() -> None:
    assert Point._fields == ("x", "y")
    assert Point(1) == (1, 0)
    assert Point(y=2, x=1) == (1, 2)
    with pytest.raises(TypeError, match="'x'"):
        Point()  # type: ignore[call-arg]


def test_a_value_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        point.z = 2  # type: ignore[attr-defined]


def test_properties_methods_and_docstring_stay() -> None:
    assert Point(1, 2).sum == 3
    assert Point(1, 2).moved(4) == Point(5, 2)
    assert isinstance(Point(1).moved(1), Point)
    assert Point.__doc__ == "A place."


def test_a_value_survives_pickle() -> None:
    copy = pickle.loads(pickle.dumps(Point(1, 2)))
    assert (copy, type(copy)) == (Point(1, 2), Point)


def test_typing_is_not_imported() -> None:
    folder = value.__file__.removesuffix("/orch/graph/value.py")
    script = (
        f"import sys; sys.path.insert(0, {folder!r}); import orch.graph.value; print('typing' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
