"""Strays: processes that a task left behind, found among those that we inherited (design X2).

On Linux we are the subreaper: whatever outlives its parent becomes our child, so one look at our own
children is enough. Elsewhere only the process group of the task can be asked for.
Knows nothing of output, time or when to end what.
"""

from __future__ import annotations

import os

from orch.run import descent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Set for every task, so that a process that left its task's session still says whose it is.
NODE_VARIABLE = "ORCH_NODE"


class Strays:
    """Tells the children that tasks left to us from the tasks' own processes and from anybody else's."""

    def __init__(self) -> None:
        self.are_inherited = descent.become_subreaper()
        self._we = descent.look(os.getpid())
        self._children = descent.OwnChildren()
        self._before = frozenset(self._children.pids())

    def find(self, running: Mapping[str, int], ended: Iterable[str]) -> dict[str, list[int]]:
        """Living strays by node, "" where it cannot be told; the dead among them are laid to rest.

        `running` maps each node to the pid of its first process, `ended` names those whose first
        process is gone. A negative number is a process group.
        """
        if not self.are_inherited:
            return {node: [-running[node]] for node in ended if descent.group_lives(running[node])}
        nodes = {pid: node for node, pid in running.items()}
        found: dict[str, list[int]] = {}
        for pid in self._children.pids():
            if pid in nodes or pid in self._before:
                continue
            process = descent.look(pid)
            if process and not self._is_foreign(process) and not _lay_to_rest(process):
                node = nodes.get(process.session) or nodes.get(process.group) or _marked(pid, running)
                found.setdefault(node, []).append(pid)
        return found

    def close(self) -> None:
        """Let go of the descriptor."""
        self._children.close()

    def _is_foreign(self, process: descent.Process) -> bool:
        """Somebody else's child in this program: tasks never stay in our own process group."""
        return self._we is not None and process.group == self._we.group


def _lay_to_rest(process: descent.Process) -> bool:
    return process.state == "Z" and os.waitpid(process.pid, os.WNOHANG)[0] == process.pid


def _marked(pid: int, running: Mapping[str, int]) -> str:
    return next((node for node in running if descent.has_variable(pid, NODE_VARIABLE, node)), "")
