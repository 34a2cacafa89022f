"""JSON as records hold it: compact, ASCII, one value a line. Knows nothing of what the values mean.

A path need not be UTF-8: an undecodable byte is a lone surrogate in memory and `\\udcXX` in JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Encode = Callable[[object], bytes]
    Quote = Callable[[str], str]

MASK = "***"
_DIGEST = 64  # letters; a kind may stand before it
_WORDS = frozenset(
    ("running", "succeeded", "failed", "interrupted", "restored", "advisory", "stopped", "skipped", "status")
)


def encoder(secrets: Sequence[str] = ()) -> Encode:
    """What encodes dicts with text keys, lists, tuples, texts, numbers, booleans and None, on one line.

    A secret in a text or a name is masked.

    >>> encoder()({"a": [1, 2.5, None, True], "b": "\\udcff"})
    b'{"a":[1,2.5,null,true],"b":"\\\\udcff"}'
    >>> encoder(["123456"])(["pass=123456", 123456])
    b'["pass=***",123456]'
    """
    quote, masked = _quote(), masker(secrets)
    return _encoder(lambda text: quote(masked(text))) if secrets else _encoder(quote)


def masker(secrets: Sequence[str]) -> Callable[[str], str]:
    """What masks secrets in a text; words and digests of our own stay, whatever the secrets are.

    >>> masked = masker(["123456", "running"])
    >>> masked("a123456"), masked("running"), masked("f:" + "123456" * 11)[:8]
    ('a***', 'running', 'f:123456')
    """
    longest_first = sorted(secrets, key=len, reverse=True)

    def masked(text: str) -> str:
        for secret in longest_first:
            if secret in text and not _is_ours(text):
                text = text.replace(secret, MASK)
        return text

    return masked


def decoded(text: bytes) -> Any:
    """The value of a JSON text; raises ValueError, also for numbers that JSON has not and for deep nesting.

    >>> decoded(b'{"a":1.5}')
    {'a': 1.5}
    """
    import json

    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def document(fields: Mapping[str, bytes]) -> bytes:
    """An object of encoded values with each field on a line of its own.

    >>> document({"a": b"1", "b": b"{}"})
    b'{\\n"a":1,\\n"b":{}\\n}\\n'
    """
    lines = [encoded(name) + b":" + value for name, value in fields.items()]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def members(items: Mapping[bytes, bytes]) -> bytes:
    """An object of encoded names and values, as the value of a field of `document`, a member a line.

    >>> members({b'"a"': b"1", b'"b"': b"2"}), members({})
    (b'{\\n"a":1,\\n"b":2\\n}', b'{}')
    """
    return b"{\n" + b",\n".join([b"%b:%b" % item for item in items.items()]) + b"\n}" if items else b"{}"


def listed(items: Sequence[bytes]) -> bytes:
    """A list of encoded items as the value of a field, an item a line.

    >>> listed([b"1", b"2"]), listed([])
    (b'[\\n1,\\n2\\n]', b'[]')
    """
    return b"[\n" + b",\n".join(items) + b"\n]" if items else b"[]"


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if value - value == 0.0 else _no_number(text)


def _is_ours(text: str) -> bool:
    return text in _WORDS or (len(text) >= _DIGEST and not text[2:].strip("0123456789abcdef"))


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _quote() -> Quote:
    try:
        # The C half of `json.encoder`: importing `json` costs more than a small build has to encode.
        from _json import encode_basestring_ascii  # pyright: ignore[reportMissingImports]
    except ImportError:  # another interpreter
        from json.encoder import encode_basestring_ascii
    quote: Quote = encode_basestring_ascii
    return quote


def _encoder(quote: Quote) -> Encode:
    try:
        from _json import make_encoder  # pyright: ignore[reportMissingImports]
    except ImportError:
        from json.encoder import _make_iterencode  # type: ignore[attr-defined]

        chunks = _make_iterencode(None, _refuse, quote, None, repr, ":", ",", False, False, False)
    else:
        chunks = make_encoder(None, _refuse, quote, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0)).encode("ascii")


encoded = encoder()
