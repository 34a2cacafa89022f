"""Landlock: what Linux lets a process deny itself, file by file, without any privilege.

Knows nothing of why something may be read or written. A ruleset is made here, in our own process; a child
enters it before it executes its program, and it holds for all that the child starts.
"""

from __future__ import annotations

import os
import struct
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls; the numbers are the same on all machines but alpha
_VERSION_FLAG = 1
_RULE_PATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_REFER, _TRUNCATE, _DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1  # all file rights of version 1
_READ_RIGHTS = _EXECUTE | _READ | _LIST
_FILE_RIGHTS = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE  # those that mean something for a file
_TCP = 3  # bind and connect
_SOCKETS, _SIGNALS = 1, 2  # what leads out of the sandbox otherwise
_TCP_SINCE, _SCOPE_SINCE = 4, 6


def version() -> int:
    """The version of Landlock that the kernel has; 0 = none."""
    if not hasattr(os, "O_PATH"):
        return 0
    return max(0, _call(_CREATE, None, 0, _VERSION_FLAG))


def denies_tcp() -> bool:
    """Whether connections over TCP can be denied."""
    return version() >= _TCP_SINCE


def make_ruleset(readable: Iterable[str], writable: Iterable[str], *, tcp: bool) -> int:
    """A descriptor of rules: only these paths may be read, and only these written, with all below them.

    What does not exist is left out. `tcp`: connections are let alone, and so are abstract sockets, which
    are otherwise out of reach where the kernel can do it, as signals to others always are. Raises OSError.
    """
    known = version()
    rights = _FIRST
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE)):
        rights |= right if known >= since else 0
    scopes = _SIGNALS if tcp else _SIGNALS | _SOCKETS
    attributes = struct.pack("=QQQ", rights, 0 if tcp else _TCP, scopes)
    size = 24 if known >= _SCOPE_SINCE else 16 if known >= _TCP_SINCE else 8
    ruleset = _checked(_call(_CREATE, attributes, size, 0), "create a ruleset")
    try:
        os.set_inheritable(ruleset, False)
        for paths, granted in ((readable, _READ_RIGHTS), (writable, rights)):
            for path in dict.fromkeys(paths):
                _allow(ruleset, path, granted & rights)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def enter(ruleset: int) -> None:
    """Obey a ruleset from now on, with all that is started later. Raises OSError."""
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS), "give up new privileges")
    _checked(_call(_RESTRICT, ruleset, 0), "enter the ruleset")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # nothing there, or nothing that this user may see: there is nothing to allow
    try:
        is_folder = os.path.isdir(f"/proc/self/fd/{handle}") if os.path.islink(path) else os.path.isdir(path)
        granted = rights if is_folder else rights & _FILE_RIGHTS
        rule = struct.pack("=Qi", granted, handle)
        _checked(_call(_ADD, ruleset, _RULE_PATH, rule, 0), f"allow {path}")
    finally:
        os.close(handle)


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        import ctypes

        code = ctypes.get_errno()
        raise OSError(code, f"Landlock cannot {what}: {os.strerror(code)}")
    return answer


@cache
def _libc() -> ctypes.CDLL:
    import ctypes  # costs 4 ms: only who needs a sandbox pays them

    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    import ctypes

    converted = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(_libc().syscall(ctypes.c_long(number), *converted))


def _prctl(option: int) -> int:
    import ctypes

    zero = ctypes.c_ulong(0)
    return int(_libc().prctl(option, ctypes.c_ulong(1), zero, zero, zero))
