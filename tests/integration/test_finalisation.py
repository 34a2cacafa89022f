"""Whatever is thrown wherever: the manifest ends terminal, says what happened, and agrees with the exit code.

Each case is a real build in a forked process into which one exception is planted; nothing else is replaced.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from orch.cli.main import main
from orch.graph.errors import BusyError, StateError
from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [defaults]
    cache = false
    [tasks.long]
    outputs = ["long"]
    cmd = "exec sleep 300"
    [tasks.a]
    inputs = ["in"]
    outputs = ["a"]
    cmd = "echo hello; cp in a"
    [tasks.b]
    inputs = ["a"]
    outputs = ["b"]
    cmd = "echo hello; cp a b"
"""

ERRORS: dict[str, tuple[Callable[[], BaseException], int]] = {
    "full disk": (lambda: OSError(errno.ENOSPC, "No space left on device", "x"), 5),
    "interrupt": (KeyboardInterrupt, 130),
    "exit": (lambda: SystemExit(3), 3),
    "exit without a code": (lambda: SystemExit(None), 0),
    "memory": (MemoryError, 5),
    "broken pipe": (lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
    "recursion": (RecursionError, 3),
    "bug": (lambda: ValueError("a bug"), 70),
    "generator": (GeneratorExit, 70),
    "state": (lambda: StateError("the state is gone"), 5),
    "busy": (lambda: BusyError("somebody holds it"), 75),
}


class Point(NamedTuple):
    """Where the exception is thrown: at the `nth` call of a function, and at every later one if `always`."""

    module: str
    name: str
    nth: int = 1
    always: bool = False
    is_of_a_node: bool = False  # an OSError there is a failure of the node


POINTS = [
    Point("engine.judge", "Judge.assess", 2, is_of_a_node=True),
    Point("engine.foreman", "Foreman._start_some"),
    Point("engine.foreman", "Foreman._start", 2),
    Point("engine.foreman", "Foreman._ended"),
    Point("engine.foreman", "Foreman._wait", 2),
    Point("engine.prepare", "Preparer.prepare", 2, is_of_a_node=True),
    Point("engine.evaluate", "Evaluator.evaluate"),
    Point("engine.claims", "Claims.finished"),
    Point("cache.store", "Store.commit", 2),
    Point("run.process", "Processes.start", 2),
    Point("run.process", "Processes.wait", 2),
    Point("run.output", "Output.pump", 2),
    Point("run.output", "Output.close"),
    Point("cli.text_report", "TextReporter.started", 2),
    Point("cli.text_report", "TextReporter.ended"),
    Point("evidence.book", "Book.begin"),
    Point("evidence.book", "Book.started", 2),
    Point("evidence.book", "Book.ended"),
    Point("evidence.journal", "Journal.add", 3),
    Point("evidence.persister", "Persister.write_due", 2),
]
FINAL = [
    Point("cli.text_report", "TextReporter.finished"),
    Point("evidence.book", "Book.finish"),
    Point("evidence.journal", "Journal.facts"),
    Point("evidence.persister", "Persister.write"),
    Point("evidence.manifest", "Draft.text", 2),
    Point("evidence.book", "link"),
    Point("engine.drive", "empty_trash"),
]


def planted(project: Project, point: Point, error: Callable[[], BaseException | None], *args: str) -> int:
    """The exit code of `orch build ARGS` in which the exception was thrown; what it says goes to `said`.

    If `error` gives None nothing is thrown.
    """
    pid = os.fork()
    if not pid:
        try:
            os.chdir(project.root)
            said = os.open(project.root.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            environment = project.environment()
            os.environ.clear()
            os.environ.update(environment)
            _plant(point, error)
            sys.argv = ["orch", "build", "-j2", *args]
            main()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _plant(point: Point, error: Callable[[], BaseException | None]) -> None:
    owner: Any = import_module(f"orch.{point.module}")
    *path, name = point.name.split(".")
    for each in path:
        owner = getattr(owner, each)
    real, calls = getattr(owner, name), [0]

    def thrown(*args: object, **kwargs: object) -> object:
        calls[0] += 1
        if calls[0] == point.nth or (point.always and calls[0] > point.nth):
            found = error()
            if found:
                raise found
        return real(*args, **kwargs)

    setattr(owner, name, thrown)


def said(project: Project) -> str:
    """What the last planted build said."""
    return (project.root.parent / "said").read_text()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.name}")
def test_thrown_while_tasks_run(scene: Scene, point: Point) -> None:
    project = scene.project
    project.orchfile(ORCHFILE)
    errors = [one for one in ERRORS.items() if not (point.is_of_a_node and isinstance(one[1][0](), OSError))]
    for count, (kind, (error, expected)) in enumerate(errors, start=1):
        project.write("in", f"{count}")
        code = planted(project, point, error)
        assert code == expected, f"{kind}: {code}\n{said(project)}"
        assert not scene.living(), f"{kind}: {scene.living()}"
        found = manifests(project)
        assert len(found) == count, kind
        last = found[-1]
        assert last["exit_code"] == code, kind
        assert last["status"] == ("interrupted" if code in (0, 130, 141) else "failed"), kind
        assert last["error"], kind
        assert not [name for name, node in last["nodes"].items() if node["status"] == "running"], kind
    project.edit("Orchfile.toml", "exec sleep 300", "touch long")
    project.build()
    assert (project.read("b"), manifests(project)[-1]["status"]) == (f"{len(errors)}", "succeeded")


@pytest.mark.parametrize("point", FINAL, ids=lambda point: f"{point.name}")
def test_thrown_at_the_very_end(scene: Scene, point: Point) -> None:
    """All tasks have ended well; the manifest must not say so if the command does not."""
    project = scene.project
    project.orchfile(ORCHFILE)
    project.write("long", "")
    for count, (kind, (error, expected)) in enumerate(ERRORS.items(), start=1):
        project.write("in", f"{count}")
        code = planted(project, point, error, "b")
        assert code in (expected, 0), f"{kind}: {code}\n{said(project)}"
        last = manifests(project)[-1]
        assert last["exit_code"] == code, kind
        if code or kind == "exit without a code":
            assert last["status"] != "succeeded", kind
            assert last["error"], kind
        assert {name: node["status"] for name, node in last["nodes"].items()} in (
            {"a": "ok", "b": "ok"},
            {},  # there was no room for more
        )
    project.build("b")
    assert project.read("b") == f"{len(ERRORS)}"


def test_an_end_that_can_never_be_written_is_settled_by_the_next_build(scene: Scene) -> None:
    project = scene.project
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    point = Point("evidence.book", "Book.finish", always=True)
    assert planted(project, point, ERRORS["full disk"][0], "b") == 5
    assert [one["status"] for one in manifests(project)] == ["running"]
    project.write("in", "2")
    assert "is recorded as interrupted" in project.build("b").err
    assert [one["status"] for one in manifests(project)] == ["interrupted", "succeeded"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize(
    "point",
    [
        Point("engine.build", "distrust_young"),
        Point("engine.drive", "empty_trash"),
        Point("engine.build", "seal"),
        Point("evidence.book", "Book.finish"),
        Point("evidence.book", "link"),
    ],
    ids=lambda point: f"{point.name}",
)
def test_a_signal_while_nothing_runs(project: Project, point: Point, number: int) -> None:
    """Before and after the tasks run: the records come to an end that agrees with the exit code."""
    project.orchfile(ORCHFILE)
    project.write("in", "1")

    def send() -> None:
        os.kill(os.getpid(), number)

    code = planted(project, point, send, "b")
    (found,) = manifests(project)
    is_late = point.module == "evidence.book" or point.name == "seal"  # all is done, and said
    assert code == found["exit_code"] == (0 if is_late else 128 + number), said(project)
    assert found["status"] == ("succeeded" if is_late else "interrupted")
    assert ("a" in found["nodes"]) == (point.name != "distrust_young")
    project.build("b")


def test_a_failed_task_is_no_error(project: Project) -> None:
    project.orchfile('version = 1\n[tasks.a]\noutputs = ["a"]\ncmd = "exit 7"')
    project.run("build", expect=1)
    (last,) = manifests(project)
    assert (last["status"], last["exit_code"], last["error"]) == ("failed", 1, None)
    assert (last["nodes"]["a"]["exit_code"], last["nodes"]["a"]["failure"]) == (7, "exit code 7")
