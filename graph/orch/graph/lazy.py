"""A mapping whose entries are looked up when first asked for. Knows nothing of where they come from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Key = TypeVar("Key")
    Value = TypeVar("Value")


class Lazy(dict):  # type: ignore[type-arg]
    """Entries by key, found by a function that returns None where there is none; may be written to.

    Iterating over it shows what was asked for so far.

    >>> squares = Lazy(lambda n: n * n if n > 0 else None)
    >>> squares[3], squares.get(-1), 2 in squares, -2 in squares
    (9, None, True, False)
    """

    def __init__(self, find: Callable[[Any], Any]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: Any) -> Any:
        value = self._find(key)
        if value is None:
            raise KeyError(key)
        self[key] = value
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of `key`, looked up if need be."""
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: Any, default: Any = None) -> Any:
        """Forget `key`: it is looked up no more, but reads as absent."""
        value = self.get(key, default)
        self[key] = None
        return value

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None
