"""Asks a program that is not a task: git for a name, ssh-keygen for a signature. Knows nothing of answers.

git is asked with fsmonitor, hooks and pager off, as it may be a hostile repository (design 3).
"""

from __future__ import annotations

import os

from orch.graph.value import NamedTuple
from orch.run.search import find_program
from orch.run.spawn import spawn_with_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_GIT = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_SEEN = ("PATH", "HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "TMPDIR", "TERM")
_GIT_SEEN = ("GIT_DIR", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "EMAIL")


class Answer(NamedTuple):
    """What a program said on standard output, and how it ended."""

    said: bytes = b""
    code: int = 127  # as in a shell

    @property
    def is_good(self) -> bool:
        """Whether it ended well."""
        return self.code == 0

    @property
    def is_absent(self) -> bool:
        """Whether there is no such program."""
        return self.code == 127

    @property
    def first_line(self) -> str:
        """The first line of what it said."""
        return self.said.decode("utf-8", "replace").partition("\n")[0].strip()


def ask(argv: tuple[str, ...], environ: Mapping[str, str], given: bytes = b"") -> Answer:
    """Run a program to its end, with `given` on its standard input; what it says on standard error too."""
    found = find_program(argv[0], environ.get("PATH"), "")
    if found is None:
        return Answer()
    seen = {name: environ[name] for name in (*_SEEN, *_GIT_SEEN) if name in environ}
    words = (argv[0], *_GIT, *argv[1:]) if argv[0] == "git" else argv
    pid, pipe = spawn_with_input(found.path, words, {**seen, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}, given)
    said = b""
    while chunk := os.read(pipe, 65536):
        said += chunk
    os.close(pipe)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # whoever started us ignores the end of children
        code = 0 if said else 1
    return Answer(said, code if code >= 0 else 128 - code)
