"""What a node reads stays as it is while it runs, however it came to read it (design C1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Scene

READER = """
    version = 1
    [tasks.gen]
    inputs = ["src"]
    outputs = ["{makes}"]
    cmd = "mkdir -p gen; cp src gen/a.h"
    [tasks.mid]
    needs = ["gen"]
    outputs = []
    cmd = "true"
    [tasks.cc]
    inputs = ["main"]
    outputs = ["out"]
    {how}
    cmd = '''
    if test -e wait; then touch begun; {gate}; fi
    cat main gen/a.h > out
    echo out: gen/a.h > {report}
    '''
"""


@pytest.mark.parametrize("makes", ["gen/", "gen/*.h", "gen/a.h"])
@pytest.mark.parametrize(
    ("how", "report", "is_first"),
    [
        ('needs = ["gen"]', "/dev/null", False),
        ('needs = ["mid"]', "$ORCH_DEPFILE", False),
        ('needs = ["mid"]\ndepfile = "cc.d"', "cc.d", False),
        ('needs = ["gen"]\ndepfile = "cc.d"', "cc.d", True),
    ],
    ids=["needed", "discovered", "from-depfile", "depfile-first"],
)
def test_nobody_writes_what_a_running_node_reads(
    scene: Scene, makes: str, how: str, report: str, is_first: bool
) -> None:
    project = scene.project
    project.orchfile(READER.format(makes=makes, how=how, report=report, gate=scene.gate("go")))
    project.write("src", "1\n")
    project.write("main", "first\n")
    if not is_first:
        project.build()
        project.write("main", "then\n")
    project.write("wait", "")
    reader = project.start("build")
    scene.await_file("begun")
    project.write("src", "2\n")
    writer = project.start("build", "gen")
    scene.await_error(writer, "gen waits for cc")
    scene.open("go")
    assert scene.end(reader)[0] == 0
    assert scene.end(writer)[0] == 0
    assert project.read("out").split()[1] == "1"
    assert project.read("gen/a.h") == "2\n"
