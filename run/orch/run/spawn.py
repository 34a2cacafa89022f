"""The only place that starts processes. Knows nothing of what becomes of them."""

from __future__ import annotations

import errno
import os

from orch.run.child import Exit, Job
from orch.run.confine import Confinement, enter
from orch.run.search import find_program
from orch.run.stray import NODE_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
else:
    import _signal as signal  # see orch.run.wakeup

# A task starts with every signal as a shell would give it: Python ignores SIGPIPE and SIGXFSZ, and a
# script that started us with `&` made us ignore SIGINT, which must still be able to stop a task.
_DEFAULT_SIGNALS = (
    *(signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ),
    *(signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2),
)
_MOST_SAID = 4096  # bytes of why a child could not confine itself
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_REASONS = {
    errno.E2BIG: "its arguments and environment are longer than the system allows;"
    " `{{ inputs | file }}` passes a list in a file",
    errno.ENOEXEC: "it is neither a program for this machine nor a script with a `#!` line",
}


class Spawner:
    """Holds what starting a process takes; relative folders count from where we were when it was made."""

    def __init__(self) -> None:
        self._null = _open_null()
        self._here = os.open(".", os.O_RDONLY)
        _close_on_exec()

    def spawn(self, job: Job, sink: int) -> int | Exit:
        """Start the process of a job: its pid, or an Exit that says why it cannot be started.

        It writes to the descriptor `sink` in a session of its own, or has the terminal if the job is
        interactive. The program is looked for on the job's own PATH, from its own folder.
        """
        # posix_spawn cannot change the folder, and a fork that can is slower. While we are elsewhere nobody
        # can notice, as this program has one thread.
        is_elsewhere = job.cwd != "."
        if is_elsewhere:
            try:
                os.chdir(job.cwd)
            except (OSError, ValueError) as error:
                return _refusal(job, f"cannot enter the folder {job.cwd}", error)
        try:
            found = find_program(job.argv[0], job.env.get("PATH"), "") if job.argv else None
            if not found and "/" not in "".join(job.argv[:1]):
                raise FileNotFoundError(errno.ENOENT, "it is in no folder of PATH")
            # If nothing was found at a path with a `/`, the kernel knows best why.
            path = found.path if found else job.argv[0]
            confinement = job.confine
            if confinement is None:
                if job.onlooker:
                    followed = job._replace(argv=(*job.onlooker, *job.argv))
                    return self._spawn(job.onlooker[0], followed, sink)
                return self._spawn(path, job, sink)
            if confinement.prefix:
                carried = job._replace(argv=(*confinement.prefix, *job.argv))
                return self._spawn(confinement.prefix[0], carried, sink)
            return self._fork(path, job, confinement, sink)
        except (OSError, ValueError) as error:
            return _refusal(job, f"cannot start {job.argv[0] if job.argv else 'an empty command'}", error)
        finally:
            if is_elsewhere:
                os.fchdir(self._here)

    def close(self) -> None:
        """Let go of the descriptors."""
        os.close(self._here)
        os.close(self._null)

    def _fork(self, path: str, job: Job, confinement: Confinement, sink: int) -> int:
        """Start a process that confines itself first, which posix_spawn knows nothing of."""
        environment = {**job.env, NODE_VARIABLE: job.node}
        answer, told = os.pipe()
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, _DEFAULT_SIGNALS
        )  # or the child would pass them to us
        try:
            child = os.fork()
            if child == 0:
                self._become(path, job, environment, confinement, (sink, told))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(told)
        try:
            said = os.read(answer, _MOST_SAID)  # ends when the child executes its program
        finally:
            os.close(answer)
        if said:
            os.waitpid(child, 0)
            code, step, text = said.split(b" ", 2)
            raise OSError(int(code), text.decode(errors="replace"), path if step == b"exec" else None)
        return child

    def _become(
        self,
        path: str,
        job: Job,
        environment: dict[str, str],
        confinement: Confinement,
        pipes: tuple[int, int],
    ) -> None:
        """In the child: all that posix_spawn does elsewhere, and the confinement; never returns."""
        sink, told = pipes
        step = b"exec"
        try:
            signal.set_wakeup_fd(-1)
            for number in _DEFAULT_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            error = os.open(job.error_path, _APPEND, 0o600) if job.error_path else sink
            for target, descriptor in enumerate((self._null, sink, error)):
                os.dup2(descriptor, target)
            step = b"confine"
            enter(confinement)
            step = b"exec"
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execve(path, job.argv, environment)
        except Exception as failure:
            code = getattr(failure, "errno", None) or errno.EINVAL
            text = getattr(failure, "strerror", None) or str(failure)
            os.write(told, b"%d %b %b" % (code, step, text.encode(errors="replace")))
        finally:
            os._exit(127)

    def _spawn(self, path: str, job: Job, sink: int) -> int:
        environment = {**job.env, NODE_VARIABLE: job.node}
        if job.interactive:
            return os.posix_spawn(
                path, job.argv, environment, setpgroup=0, setsigmask=(), setsigdef=_DEFAULT_SIGNALS
            )
        files = (
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, sink, 1),
            (os.POSIX_SPAWN_OPEN, 2, job.error_path, _APPEND, 0o600)
            if job.error_path
            else (os.POSIX_SPAWN_DUP2, sink, 2),
        )
        return os.posix_spawn(
            path,
            job.argv,
            environment,
            file_actions=files,
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )


def spawn_aside(path: str, argv: tuple[str, ...], environ: Mapping[str, str]) -> tuple[int, int]:
    """Start a program of our own process group: its pid, and a pipe with what it prints. Raises OSError."""
    pipe, sink = os.pipe()
    null = _open_null()
    try:
        files = (
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, sink, 1),
            (os.POSIX_SPAWN_DUP2, null, 2),
        )
        return os.posix_spawn(path, argv, environ, file_actions=files, setsigdef=_DEFAULT_SIGNALS), pipe
    except OSError:
        os.close(pipe)
        raise
    finally:
        os.close(sink)
        os.close(null)


def spawn_with_input(
    path: str, argv: tuple[str, ...], environ: Mapping[str, str], given: bytes
) -> tuple[int, int]:
    """Start a program that reads `given`: its pid, and a pipe with all it prints. Raises OSError.

    It may ask its user something, as for a passphrase: it keeps our terminal and our process group.
    """
    source = _unnamed_file()
    os.write(source, given)
    os.lseek(source, 0, os.SEEK_SET)
    pipe, sink = os.pipe()
    try:
        files = tuple((os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate((source, sink, sink)))
        return os.posix_spawn(path, argv, environ, file_actions=files, setsigdef=_DEFAULT_SIGNALS), pipe
    except OSError:
        os.close(pipe)
        raise
    finally:
        os.close(source)
        os.close(sink)


def _unnamed_file() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _open_null() -> int:
    """Open /dev/null above the standard descriptors, one of which our caller may have closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    return descriptor


def _close_on_exec() -> None:
    """Keep the descriptors that we got from our caller (a jobserver's pipe, a lock) from the tasks."""
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2:
                os.set_inheritable(int(name), False)
        except OSError:
            continue  # the descriptor of the listing itself


def _refusal(job: Job, sentence: str, error: OSError | ValueError) -> Exit:
    """The exit codes are those of a shell: 127 if there is no such program, else 126."""
    if not isinstance(error, OSError):
        return Exit(job.node, 126, failure=f"{sentence}: {error}")
    if error.errno != errno.ENOENT:
        return Exit(job.node, 126, failure=f"{sentence}: {_REASONS.get(error.errno or 0, error.strerror)}")
    if error.filename == job.cwd:
        return Exit(job.node, 126, failure=f"{sentence}: it does not exist")
    has_file = error.filename is not None and os.path.exists(os.path.join(job.cwd, error.filename))
    reason = "the interpreter that its first line names does not exist" if has_file else error.strerror
    return Exit(job.node, 127, failure=f"{sentence}: {reason}")
