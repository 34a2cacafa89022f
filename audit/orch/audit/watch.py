"""Lets tasks run under strace, and keeps what was seen of each. Knows nothing of what it means.

strace follows a task from aside (`-D`): the task itself stays what the build started, with its exit code,
its signals and its descendants. Only calls that name files are stopped at (`--seccomp-bpf`).
"""

from __future__ import annotations

import os
import sys

from orch.audit.disk import interpreter_of
from orch.audit.trace import in_order
from orch.engine.sweep import remove_scratch
from orch.graph.errors import StateError
from orch.graph.value import NamedTuple
from orch.run.search import find_program
from orch.run.spawn import spawn_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.audit.trace import Call
    from orch.engine.judge import Assessment
    from orch.graph.task import Node
    from orch.run.child import Job

# Not `readlink`: it is most of what a compiler asks for (930 calls for one small file), to no avail.
_CALLS = (
    *("open", "openat", "openat2", "creat", "open_by_handle_at", "execve", "execveat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink"),
    *("unlinkat", "truncate", "mknod", "mknodat", "chdir", "fchdir", "fork", "vfork", "clone", "clone3"),
)
FLAGS = (
    *("-D", "-qqq", "-y", "-z", "-ttt", "-s", "0", "--seccomp-bpf", "-e", "signal=none"),
    *("-e", "trace=" + ",".join("?" + name for name in _CALLS)),  # "?": not every machine has all
)
_INSTALL = "install strace, as with `apt install strace`"


class Sight(NamedTuple):
    """One attempt that was watched."""

    assessment: Assessment
    cwd: str  # absolute
    env: Mapping[str, str]
    folder: str  # with a trace for each process

    def calls(self) -> list[Call]:
        """What its processes called; [] if strace could not follow them."""
        traces: list[tuple[int, bytes]] = []
        for name in os.listdir(self.folder):
            pid = name.rpartition(".")[2]
            if pid.isdecimal():
                with open(f"{self.folder}/{name}", "rb") as file:
                    traces.append((int(pid), file.read()))
        return in_order(traces)


class Watch:
    """Watches the attempts of the named nodes of one build, with all tries of each."""

    def __init__(self, root: str, nodes: frozenset[str], strace: str) -> None:
        self._root = root
        self.nodes = nodes
        self._strace = strace
        self._scratch: list[str] = []
        self.sights: dict[str, list[Sight]] = {}
        self.before: frozenset[str] = frozenset()  # the files below the root when the first one began

    def wrap(self, node: Node, assessment: Assessment, job: Job) -> Job:
        """The job as it is started: under strace, if the node is one of ours and there is such a program."""
        cwd = os.path.normpath(os.path.join(self._root, job.cwd))
        if node.id not in self.nodes or not job.argv:
            return job
        program = find_program(job.argv[0], job.env.get("PATH"), cwd)
        if program is None or not _can_start(os.path.join(cwd, program.path), cwd):
            return job  # whoever starts it says why
        if not self.sights:
            self.before = frozenset(_files_below(self._root))
        folder = f"{self._root}/.orch/tmp/{os.urandom(8).hex()}"
        os.mkdir(folder, 0o700)
        self._scratch.append(folder)
        self.sights.setdefault(node.id, []).append(Sight(assessment, cwd, job.env, folder))
        into = ("-ff", "-A", "-o", f"{folder}/trace")  # appended to: a pid may come twice
        return job._replace(onlooker=(self._strace, *FLAGS, *into, "--"))

    def close(self) -> None:
        """Remove the traces."""
        for folder in self._scratch:
            remove_scratch(folder)


def _can_start(path: str, cwd: str) -> bool:
    """Whether the kernel knows what to do with a program: one of its own, or a script of one."""
    interpreter = interpreter_of(path)
    if interpreter:
        return os.access(os.path.join(cwd, interpreter), os.X_OK)
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except PermissionError:
        return True  # executable is enough
    except OSError:
        return False


def find_strace(environ: Mapping[str, str]) -> str:
    """A strace that can follow a process of ours; raises StateError with what to do about it."""
    if not sys.platform.startswith("linux"):
        raise StateError("orch audit follows tasks with strace, which there is on Linux only")
    found = find_program("strace", environ.get("PATH"), os.getcwd())
    if found is None:
        raise StateError("orch audit needs strace, which is in no folder of PATH", hint=_INSTALL)
    path = os.path.realpath(found.path)
    said = _try_out(path, environ)
    if said:
        hint = "ptrace must be permitted: in a container add --cap-add=SYS_PTRACE, or audit outside of it"
        if "ermitted" not in said and "ermission" not in said:
            hint = "strace 5.3 or newer is needed"
        raise StateError("strace cannot follow a process here", [("strace says", said)], hint)
    return path


def _try_out(strace: str, environ: Mapping[str, str]) -> str:
    """What strace has to say against following a process that does nothing, "" if it can."""
    script = 'exec "$0" "$@" 2>&1'
    argv = ("sh", "-c", script, strace, *FLAGS, "-f", "-o", "/dev/null", "--", "true")
    try:
        pid, pipe = spawn_aside("/bin/sh", argv, environ)
    except OSError as error:
        return error.strerror or str(error)
    said = b""
    while part := os.read(pipe, 4096):
        said += part
    os.close(pipe)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = [line.removeprefix("strace: ") for line in said.decode(errors="replace").splitlines()]
    return lines[-1] if lines else f"exit code {code}" if code else ""


def _files_below(root: str) -> list[str]:
    """All files and links below the root, but for those of git and of orch."""
    found: list[str] = []
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in (".git", ".orch"):
                    todo.append(entry.path)
            else:
                found.append(entry.path)
    return found
