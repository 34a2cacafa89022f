"""The environment of a task's process: what it sees, and what of that is in its key.

Knows nothing of processes. The caller's environment is a parameter everywhere: `os.environ` is
neither read nor changed (design X6). Sources: design 2 (environment), red team R40.
"""

from __future__ import annotations

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from orch.graph.task import Environment

# Every task sees these of the caller's variables. Of them only BASE_KEYED is in the key.
BASE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_*", "TZ", "TERM"),
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM"),
    *("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "XDG_*"),
)
BASE_KEYED = ("LANG", "LC_*", "TZ")
_CONFIDENTIAL = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "KEY")

UNSET = "\0"  # the value in a key of a variable that is not set: no real value can hold a NUL
SHORTEST_SECRET = 6  # in bytes; what is shorter cannot be masked without masking half the log


class Secrets(NamedTuple):
    """The values to mask, longest first, and the names of secrets that are too short for it."""

    values: tuple[bytes, ...]
    refused: tuple[str, ...]


def child_environment(
    environment: Environment, caller: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """What the process of a task sees; later parts win: the caller's, the task's constants, `extra`.

    >>> from orch.graph.task import Environment
    >>> child_environment(Environment(constants=(("A", "1"),)), {"HOME": "/h", "CC": "gcc"}, {"B": "2"})
    {'HOME': '/h', 'A': '1', 'B': '2'}
    """
    if environment.loose:
        seen = dict(caller)
    else:
        names = (
            *_select((*BASE, *environment.visible, *environment.secrets), caller),
            *_select_inputs(environment, caller),
        )
        seen = {name: caller[name] for name in names}
    return {**seen, **dict(environment.constants), **extra}


def key_parts(environment: Environment, caller: Mapping[str, str]) -> list[tuple[str, str]]:
    """What of the environment is in the key: (`env:NAME`, value) in order of name.

    >>> from orch.graph.task import Environment
    >>> key_parts(Environment(constants=(("A", "1"),), inputs=("CC",)), {"LANG": "C", "HOME": "/h"})
    [('env:A', '1'), ('env:CC', '\\x00'), ('env:LANG', 'C')]
    """
    asked = dict.fromkeys((name for name in environment.inputs if "*" not in name), UNSET)
    found = {
        name: caller[name] for name in (*_select(BASE_KEYED, caller), *_select_inputs(environment, caller))
    }
    parts = {**asked, **found, **dict(environment.constants)}
    secrets = [name for name in environment.secrets if name not in dict(environment.constants)]
    return [(f"env:{name}", value) for name, value in sorted(parts.items()) if name not in secrets]


def secret_values(environment: Environment, caller: Mapping[str, str]) -> Secrets:
    """The values that must not appear in a log; a value of several lines counts line by line.

    >>> from orch.graph.task import Environment
    >>> secret_values(Environment(secrets=("A", "B")), {"A": "swordfish\\n}", "B": "abc"})
    Secrets(values=(b'swordfish',), refused=('B',))
    """
    if not environment.secrets:
        return Secrets((), ())
    import os

    values: set[bytes] = set()
    refused: list[str] = []
    for name in _select(environment.secrets, caller):
        value = os.fsencode(caller[name])
        lines = {line.strip() for line in value.splitlines()}
        long = {line for line in lines if len(line) >= SHORTEST_SECRET}
        values |= long
        if value.strip() and not long:
            refused.append(name)
    return Secrets(tuple(sorted(values, key=lambda value: (-len(value), value))), tuple(refused))


def undeclared(script: str, visible: Container[str], caller: Mapping[str, str]) -> list[str]:
    """The variables that a shell script uses and the caller has set, but its process does not see.

    `visible` is the environment of that process. A hint for a failure, not a parse of the shell.

    >>> undeclared("echo $CC ${OPT:-x} $HOME; D=1; echo $D", {"HOME": "/"}, {"CC": "gcc", "D": "2"})
    ['CC']
    """
    import re

    used = re.findall(r"(?<!\\)\$\{?([A-Za-z_][A-Za-z0-9_]*)", script)
    own = set(re.findall(r"(?:^|[\s;(])(?:for\s+|read\s+)?([A-Za-z_][A-Za-z0-9_]*)(?==|\s+in\b)", script))
    hidden = [name for name in dict.fromkeys(used) if name in caller and name not in visible]
    return [name for name in hidden if name not in own]


def _select_inputs(environment: Environment, caller: Mapping[str, str]) -> list[str]:
    """The names that `env_inputs` takes from the caller; a pattern takes none that sounds confidential."""
    return [
        name
        for pattern in environment.inputs
        for name in _select((pattern,), caller)
        if "*" not in pattern or not any(word in name.upper() for word in _CONFIDENTIAL)
    ]


def _select(patterns: Iterable[str], caller: Mapping[str, str]) -> list[str]:
    """The caller's names that match, in the order of the patterns, then by name."""
    names: list[str] = []
    for pattern in patterns:
        if "*" in pattern:
            names += sorted(name for name in caller if _matches(pattern, name))
        elif pattern in caller:
            names.append(pattern)
    return names


def _matches(pattern: str, name: str) -> bool:
    """
    >>> [_matches("LC_*", name) for name in ("LC_ALL", "LC_", "XLC_A")], _matches("A*B*C", "ABBC")
    ([True, True, False], True)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - len(rest[-1]) >= at and name.endswith(rest[-1])
