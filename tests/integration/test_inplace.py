"""Files changed in place, with several builds at once and with builds that die (design F8, C1, X1)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Scene

# Writes half a file, waits at the gate, writes the rest; fails if anybody is busy with it too.
ORCHFILE = """
    version = 1
    [tasks.fmt]
    modifies = ["src/*"]
    outputs = ["report"]
    cmd = "@count fmt@; mkdir busy; echo half >src/a; touch report begun; {gate}; echo A >src/a; rmdir busy"
    [tasks.read]
    inputs = ["src/*"]
    outputs = ["out"]
    cmd = "@count read@; mkdir busy; touch reading; {reads}; cat src/a > out; rmdir busy"
    [tasks.other]
    modifies = ["src/*"]
    after = ["fmt"]
    cmd = "@count other@; mkdir busy; rmdir busy"
"""


def prepared(scene: Scene, *, gate: str = "true", reads: str = "true") -> None:
    scene.project.orchfile(ORCHFILE.format(gate=gate, reads=reads))
    scene.project.write("src/a", "a\n")


@pytest.mark.parametrize("second", ["read", "other"])
def test_nobody_reads_or_modifies_what_another_build_modifies(scene: Scene, second: str) -> None:
    prepared(scene, gate=scene.gate("go"))
    first = scene.project.start("build", "fmt")
    scene.await_file("begun")
    waiting = scene.project.start("build", second)
    assert f"pid {first.pid}" in scene.await_error(waiting, "waits for fmt")
    scene.open("go")
    assert (scene.end(first)[0], scene.end(waiting)[0]) == (0, 0)
    assert scene.project.ran() == {"fmt": 1, second: 1}
    if second == "read":
        assert scene.project.read("out") == "A\n"
        scene.project.build("fmt", "read")
        assert scene.project.ran() == {}


def test_nobody_modifies_what_another_build_reads(scene: Scene) -> None:
    prepared(scene, reads=scene.gate("go"))
    first = scene.project.start("build", "read")
    scene.await_file("reading")
    waiting = scene.project.start("build", "fmt")
    scene.await_error(waiting, "waits for read")
    scene.open("go")
    assert (scene.end(first)[0], scene.end(waiting)[0]) == (0, 0)
    assert scene.project.read("out") == "a\n"
    assert scene.project.read("src/a") == "A\n"
    third = scene.project.start("build", "fmt", "read")  # what was read is not what there is now
    scene.open("go")
    assert scene.end(third)[0] == 0
    assert scene.project.ran() == {"fmt": 1, "read": 2}
    assert scene.project.read("out") == "A\n"


def test_who_waits_for_the_same_modifier_takes_its_result(scene: Scene) -> None:
    prepared(scene, gate=scene.gate("go"))
    first = scene.project.start("build", "fmt")
    scene.await_file("begun")
    second = scene.project.start("build", "fmt")
    scene.await_error(second, "waits for fmt")
    scene.open("go")
    assert (scene.end(first)[0], scene.end(second)[0]) == (0, 0)
    assert scene.project.ran() == {"fmt": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_dies_half_way_leaves_the_sources(scene: Scene, number: int) -> None:
    """Its outputs go, as those of any attempt that was interrupted; what it modified stays as it is."""
    prepared(scene, gate=scene.gate("go"))
    build = scene.project.start("build", "fmt")
    scene.await_file("begun")
    scene.end(build, number)
    assert scene.project.read("src/a") == "half\n"
    assert scene.project.exists("report") == (number == signal.SIGKILL)
    scene.project.remove("busy")
    prepared(scene)
    scene.project.write("src/a", "half\n")
    scene.project.ran()
    assert "interrupted" in scene.project.run("why", "fmt").out
    scene.project.build("fmt")
    assert scene.project.ran() == {"fmt": 1}
    assert scene.project.read("src/a") == "A\n"
    assert not scene.project.exists(".orch/trash") or not list(scene.project.root.glob(".orch/trash/*/src"))


def test_a_state_that_was_lost_costs_a_run_and_no_file(scene: Scene) -> None:
    prepared(scene)
    scene.project.build("fmt")
    scene.project.run("clean", "--state", expect=0)
    scene.project.ran()
    scene.project.build("fmt")
    assert scene.project.ran() == {"fmt": 1}
    assert scene.project.read("src/a") == "A\n"
    assert not list(scene.project.root.glob(".orch/trash/*/src"))
