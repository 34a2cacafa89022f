"""The format of an `env_file`. Knows nothing of who sees its variables."""

from __future__ import annotations

from orch.graph.errors import OrchfileError, Problem


def dotenv(text: str, file: str) -> dict[str, str]:
    """The variables of an `env_file`: `NAME=value` lines, `export ` before them allowed.

    Nothing is expanded. 'single quotes' keep all as it is; "double quotes" know \\n \\t \\r \\" \\\\ and
    \\$; without quotes a value ends at ` #` and loses its outer blanks. `file` names it in an error.
    Raises OrchfileError with every line that cannot be read.

    >>> dotenv("# words\\nexport A=1 # one\\nB='x y'\\nC=", ".env")
    {'A': '1', 'B': 'x y', 'C': ''}
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        entry = line.strip().removeprefix("export ").lstrip()
        if not entry or entry.startswith("#"):
            continue
        name, equals, written = entry.partition("=")
        name, value = name.rstrip(), _unquoted(written.strip())
        if not equals or not _is_name(name):
            problems.append(Problem(file, number, 0, "this line is not NAME=value"))
        elif value is None:
            problems.append(Problem(file, number, 0, f"the quotes of {name} are not closed, or not the end"))
        elif "\0" in value:
            problems.append(Problem(file, number, 0, f"the value of {name} holds a NUL character"))
        else:
            values[name] = value
    if problems:
        raise OrchfileError(problems)
    return values


def _is_name(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def _unquoted(written: str) -> str | None:
    """The value of one entry, or None if its quotes are wrong.

    >>> _unquoted(r'"a\\tb" # tail'), _unquoted("a b # c"), _unquoted("# c"), _unquoted("'a")
    ('a\\tb', 'a b', '', None)
    """
    quote = written[:1]
    if quote not in ("'", '"'):
        return "" if written.startswith("#") else written.split(" #")[0].rstrip()
    value: list[str] = []
    letters = iter(written[1:])
    for letter in letters:
        if letter == quote:
            rest = "".join(letters).strip()
            return "".join(value) if not rest or rest.startswith("#") else None
        if letter == "\\" and quote == '"':
            escaped = next(letters, "")
            letter = {"n": "\n", "t": "\t", "r": "\r"}.get(
                escaped, escaped if escaped in '"\\$' else "\\" + escaped
            )
        value.append(letter)
    return None
