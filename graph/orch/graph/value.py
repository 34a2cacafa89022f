"""Immutable values with named, typed fields, without the 13 ms that importing `typing` costs.

Knows nothing of what the values hold. Type checkers see `typing.NamedTuple`; at run time the same class
statement makes a class with its methods, in a quarter of the time that `collections.namedtuple` takes: a
command has some sixty of them before it does anything. A module that declares values starts with
`from __future__ import annotations`, so that its annotations stay text.

>>> class Point(NamedTuple):
...     x: int
...     y: int = 0
>>> Point(1), Point(1)._replace(y=2)
(Point(x=1, y=0), Point(x=1, y=2))
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from _collections import _tuplegetter  # what the fields of a namedtuple are, too

    _new = tuple.__new__
    _function = type(lambda: None)
    _makers = {}  # number of fields -> code of a `__new__`, compiled once, whose arguments are then renamed

    def _maker(fields, defaults, where, name):
        count = len(fields)
        if count not in _makers:
            names = "".join(f"_{index}, " for index in range(count))
            _makers[count] = eval(f"lambda _cls, {names}: _new(_cls, ({names}))").__code__
        code = _makers[count].replace(
            co_varnames=("_cls", *fields), co_name="__new__", co_qualname=f"{name}.__new__"
        )
        return _function(code, {"_new": _new, "__name__": where}, "__new__", defaults)

    def _make(cls, items):
        made = _new(cls, items)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes):
        made = _new(type(self), map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return made

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def _getnewargs(self):
        return tuple(self)

    def _repr(self):
        named = ", ".join(f"{field}={item!r}" for field, item in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({named})"

    class _ValueType(type):
        def __new__(meta, name, bases, body):
            if not bases:
                return super().__new__(meta, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            defaults = tuple(body[field] for field in fields if field in body)
            made = {
                "_fields": fields,
                "_make": classmethod(_make),
                "_replace": _replace,
                "_asdict": _asdict,
                "__repr__": _repr,
                "__getnewargs__": _getnewargs,
                "__match_args__": fields,
                **body,
                "__slots__": (),
            }
            made |= {field: _tuplegetter(index, "") for index, field in enumerate(fields)}
            made["__new__"] = _maker(fields, defaults, body["__module__"], body["__qualname__"])
            return type(name, (tuple,), made)

    class NamedTuple(metaclass=_ValueType):
        """Base of a class statement that makes an immutable value."""
