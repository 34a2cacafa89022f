"""What a started process may not do, and how it gives that up between fork and exec.

Knows nothing of what a task declares. Whoever enters a confinement does so in a child that has one thread and
is about to execute a program; every failure is an OSError, so that nothing ever runs unconfined by mistake.
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # see orch.run.wakeup

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP


class Confinement(NamedTuple):
    """How a job is kept from what it may not do."""

    prefix: tuple[str, ...] = ()  # an argv that confines and then runs the job; its first word is a path
    ruleset: int = -1  # a descriptor of `landlock`; -1 = none
    is_offline: bool = False  # it gets a network of its own, in which there is nobody


def enter(confinement: Confinement) -> None:
    """Give up what the confinement takes; its prefix is the caller's business. Raises OSError."""
    if confinement.is_offline:
        go_offline()
    if confinement.ruleset >= 0:
        from orch.run import landlock

        landlock.enter(confinement.ruleset)


def go_offline() -> None:
    """Leave the network for an empty one. Raises OSError where this user may not."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        try:
            _unshare(_NEW_NET)
            _bring_up_loopback()
            return
        except PermissionError:
            pass  # root of a container, say, which may yet make a user namespace
    _unshare(_NEW_USER | _NEW_NET)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _bring_up_loopback()


def _bring_up_loopback() -> None:
    """Let a task reach itself by 127.0.0.1, as it does everywhere else; without it, it runs all the same."""
    import socket
    import struct
    from fcntl import ioctl

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", b"lo", _UP))
    except OSError:
        return


def can_go_offline() -> bool:
    """Whether a child of ours may leave the network: it is tried."""
    child = os.fork()
    if child == 0:
        try:
            signal.set_wakeup_fd(-1)
            go_offline()
            os._exit(0)
        except BaseException:
            os._exit(1)
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:  # whoever started us ignores the end of children: nobody can tell
        return False


def _unshare(flags: int) -> None:
    import ctypes

    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except AttributeError:
        raise PermissionError(1, "this system knows no namespaces") from None
    if unshare(flags):
        code = ctypes.get_errno()
        raise OSError(code, f"no network of its own: {os.strerror(code)}")
