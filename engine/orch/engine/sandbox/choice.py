"""Which of the ways to confine a task this machine has, found out by trying.

Knows nothing of tasks. Nothing is ever skipped in silence: what cannot be done is an error with a hint.
"""

from __future__ import annotations

import os

from orch.engine.sandbox.bubble import start_of
from orch.graph.errors import StateError, UsageError, nearest
from orch.graph.value import NamedTuple
from orch.run import landlock
from orch.run.confine import can_go_offline
from orch.run.search import find_program
from orch.run.spawn import spawn_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES = ("bwrap", "landlock", "staged")
VARIABLE = "ORCH_SANDBOX"
# No process that it sees may lead it out, to what the whole machine has: not who started it, nor we.
_PROBE = "for pid in $PPID 1 $1; do if test -d /proc/$pid/root/.; then exit 1; fi; done"
_NO_NETWORK = "this machine lets nobody take the network from a task"


class Engine(NamedTuple):
    """One way to confine a task."""

    name: str
    start: tuple[str, ...] = ()  # the words with which a command of bubblewrap begins
    is_offline: bool = False  # a task can be given an empty network
    denies_tcp: bool = False  # or at least be kept from connections over TCP

    @property
    def denies_reads(self) -> bool:
        """Whether what a task does not declare cannot be read either."""
        return self.name != "staged"


def choose_engine(environ: Mapping[str, str], *, wants_offline: bool) -> Engine:
    """The best way there is, or the one that ORCH_SANDBOX names.

    `wants_offline`: some task is to have no network. Raises UsageError and StateError.
    """
    asked = environ.get(VARIABLE, "")
    if asked and asked not in ENGINES:
        near = nearest(asked, ENGINES)
        hint = f"did you mean {near}?" if near else ""
        raise UsageError(f"{VARIABLE} takes bwrap, landlock or staged, not {asked}", hint=hint)
    why = ""
    for name in (asked,) if asked else ENGINES:
        engine, lack = _TRIED[name](environ)
        if engine and wants_offline and not (engine.is_offline or engine.denies_tcp):
            engine, lack = None, f"{_NO_NETWORK} ({name})"
        if engine:
            return engine
        why = lack
    hint = "install bubblewrap, declare `permissions = {network = true}`, or run with --mode local"
    raise StateError("tasks cannot be kept in a sandbox here", [("reason", why)], hint)


def _bubblewrap(environ: Mapping[str, str]) -> tuple[Engine | None, str]:
    found = find_program("bwrap", environ.get("PATH"), os.getcwd())
    if found is None:
        return None, "there is no bwrap on PATH"
    for start in start_of(found.path, is_root=os.geteuid() == 0):
        words = (
            *start,
            "--unshare-net",
            "--ro-bind",
            "/",
            "/",
            "--dev",
            "/dev",
            "--ro-bind",
            "/proc",
            "/proc",
        )
        if _runs((*words, "sh", "-c", _PROBE, "sh", str(os.getpid())), environ):
            return Engine("bwrap", start, is_offline=True), ""
    return None, "bwrap is there, but may not make namespaces, or they hide nothing"


def _landlock(_: Mapping[str, str]) -> tuple[Engine | None, str]:
    if not landlock.version():
        return None, "the kernel has no Landlock"
    return Engine("landlock", (), can_go_offline(), landlock.denies_tcp()), ""


def _staged(_: Mapping[str, str]) -> tuple[Engine | None, str]:
    return Engine("staged", (), can_go_offline()), ""


_TRIED = {"bwrap": _bubblewrap, "landlock": _landlock, "staged": _staged}


def _runs(argv: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    try:
        pid, pipe = spawn_aside(argv[0], argv, {"PATH": environ.get("PATH", os.defpath)})
    except OSError:
        return False
    try:
        while os.read(pipe, 4096):
            pass
    finally:
        os.close(pipe)
    try:
        return os.waitpid(pid, 0)[1] == 0
    except ChildProcessError:  # whoever started us ignores the end of children
        return False
