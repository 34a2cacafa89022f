"""`orch audit` on small projects: what it finds, says and proposes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import CHECKOUT
from tests.integration.conftest import Scene, manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("strace")

JOIN = """
version = 1
# The only task.
[tasks.join] # it joins
inputs = [
    "a.txt", # the first
]
outputs = ["out/joined"]
cmd = "cat a.txt b.txt > out/joined"

# about nothing
[vars]
x = "1"
"""


@pytest.fixture
def joining(project: Project) -> Project:
    """A task that reads a file that it does not declare."""
    project.orchfile(JOIN)
    project.write("a.txt", "a\n")
    project.write("b.txt", "b\n")
    return project


def found(document: dict[str, Any], what: str) -> dict[str, list[str]]:
    """The undeclared reads or writes of a document, by node."""
    return {
        one["node"]: [each["path"] for each in one[f"undeclared_{what}s"]]
        for one in document["nodes"]
        if one[f"undeclared_{what}s"]
    }


# -- what is found -------------------------------------------------------------------------------------


def test_a_header_left_out_of_the_depfile(project: Project, need: Callable[[str], str]) -> None:
    need("cc")
    project.copy(CHECKOUT / "examples/c-program")
    assert found(project.json("audit"), "read") == {}
    hides = "sed -i 's,include/shape.h,,' {{ depfile }}"
    project.edit(
        "Orchfile.toml",
        "-c {{ inputs }} -o {{ outputs }}",
        f"-c {{{{ inputs }}}} -o {{{{ outputs }}}}; {hides}",
    )
    document = project.json("audit", "object", expect=1)
    nodes = [f"object[src/{name}.c]" for name in ("circle", "main", "square")]
    assert found(document, "read") == {node: ["include/shape.h"] for node in nodes}
    assert found(document, "write") == {}
    project.edit("include/shape.h", "#endif", "#endif // edited")
    assert project.build_writes("object") == set()  # that is why
    project.run("audit", "object", "--fix", expect=1)
    assert 'inputs = ["{{ src }}", "include/shape.h"]' in project.read("Orchfile.toml")
    assert "-c {{ src }} -o" in project.read("Orchfile.toml")  # `{{ inputs }}` would hold the header as well
    assert found(project.json("audit", "object"), "read") == {}
    project.edit("include/shape.h", "// edited", "// edited again")
    assert len(project.build_writes("object")) >= 3


def test_nothing_to_find_is_said_in_a_line(joining: Project) -> None:
    joining.edit("Orchfile.toml", '"a.txt", # the first', '"a.txt", "b.txt"')
    done = joining.run("audit", "join", expect=0)
    assert (done.out, done.err) == (
        "",
        "orch: 1 node audited: what they read and write is what they declare\n",
    )


def test_the_report_names_files_and_the_lines_to_add(joining: Project) -> None:
    done = joining.run("audit", "join", expect=1)
    lines = done.out.splitlines()
    assert lines[0].startswith("join (")
    assert lines[1:] == [
        "  reads, not declared:",
        "    b.txt",
        "add to Orchfile.toml:",
        "  [tasks.join]",
        '  inputs = ["a.txt", "b.txt"]',
    ]
    assert done.err.splitlines() == [
        "orch: 1 node audited: 1 undeclared read",
        "hint: `orch audit join --fix` adds these lines, --patch prints them as a patch",
    ]


def test_the_build_counts_and_its_traces_are_gone(joining: Project) -> None:
    joining.run("audit", "join", expect=1)
    assert joining.read("out/joined") == "a\nb\n"
    assert joining.build_writes("join") == set()
    assert os.listdir(joining.root / ".orch/tmp") == ["clock"]
    (manifest, *_) = manifests(joining)
    assert manifest["nodes"]["join"]["status"] == "ok"
    assert [one["kind"] for one in manifest["nodes"]["join"]["reasons"]][-1] == "forced"


def test_what_comes_first_is_built_and_not_audited(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.first]
        outputs = ["one"]
        cmd = "cat hidden > one"
        [tasks.second]
        needs = ["first"]
        inputs = []
        outputs = ["two"]
        cmd = "cat one > two"
        [milestones.both]
        needs = ["second"]
        """)
    project.write("hidden", "")
    assert [one["node"] for one in project.json("audit", "second")["nodes"]] == ["second"]
    document = project.json("audit", "both", expect=1)
    assert found(document, "read") == {"first": ["hidden"]}
    assert [sorted(one["nodes"]) for one in manifests(project)] == [["first", "second"]] * 2


def test_undeclared_writes(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["in"]
        outputs = ["out/a"]
        cmd = "cp in out/a; echo > out/log; cat out/log; echo x >> tracked; rm gone; echo > in.tmp; rm in.tmp"
        [tasks.other]
        outputs = ["out/other"]
        cmd = "echo > out/other"
        [tasks.clash]
        after = ["other"]
        outputs = ["out/clash"]
        cmd = "echo > out/clash; echo > out/other"
        """)
    for name in ("in", "tracked", "gone"):
        project.write(name, "1\n")
    document = project.json("audit", "t", "other", "clash", expect=1)
    (node,) = [one for one in document["nodes"] if one["node"] == "t"]
    assert found(document, "read") == {}  # what it reads of these it made itself
    assert node["undeclared_writes"] == [
        {"path": "out/log", "how": "made", "output_of": None},
        {"path": "tracked", "how": "changed", "output_of": None},
        {"path": "gone", "how": "removed", "output_of": None},
    ]
    (clash,) = [one for one in document["nodes"] if one["node"] == "clash"]
    assert [(one["path"], one["output_of"]) for one in clash["undeclared_writes"]] == [("out/other", "other")]
    assert [(one["key"], one["add"]) for one in document["proposals"]] == [
        ("outputs", ["out/log"]),
        ("modifies", ["tracked"]),
    ]


def test_an_overwritten_source_is_modified_not_made(project: Project, need: Callable[[str], str]) -> None:
    git = need("git")
    project.orchfile(
        "version = 1\n[tasks.t]\ninputs = []\noutputs = []\ncmd = 'echo new > a; echo new > b'\n"
    )
    project.write("a", "1")
    project.write("b", "1")
    for line in ("init -q", "add a Orchfile.toml"):
        subprocess.run([git, *line.split()], cwd=project.root, check=True)
    proposals = project.json("audit", "t", expect=1)["proposals"]
    assert [(one["key"], one["add"]) for one in proposals] == [("outputs", ["b"]), ("modifies", ["a"])]


def test_what_is_declared_and_never_used(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["used", "unused", "some/*", "none/*", "?absent", "@other", "only-stat"]
        outputs = ["out"]
        tools = ["cat", "tar"]
        cmd = "cat used some/a > out; test -f only-stat; ls none"
        [tasks.other]
        outputs = ["other"]
        cmd = "echo > other"
        """)
    for path in ("used", "unused", "only-stat", "some/a", "some/b", "none/a"):
        project.write(path, path)
    document = project.json("audit", "t")
    assert [(one["key"], one["entry"], one["files"], one["unused"]) for one in document["never_used"]] == [
        ("inputs", "unused", 1, ["unused"]),
        ("inputs", "some/*", 2, ["some/b"]),
        ("inputs", "none/*", 1, ["none/a"]),
        ("inputs", "only-stat", 1, ["only-stat"]),
        ("tools", "tar", 1, ["tar"]),
    ]
    said = project.run("audit", "t", expect=0)
    assert said.out.splitlines() == [
        "t: unused in inputs is never read",
        "t: none/* in inputs is never read",
        "t: only-stat in inputs is never read",
        "t: tar in tools is never executed",
    ]
    assert "t: some/* in inputs: 1 of 2 files are never read" in project.run("audit", "t", "-v").out
    assert said.err == "orch: 1 node audited: 4 declared and never used\n"


def test_an_output_of_another_task_is_proposed_as_a_need(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.gen]
        outputs = ["gen/a", "gen/b"]
        cmd = "echo a > gen/a; echo b > gen/b"
        [tasks.use]
        after = ["gen"]
        inputs = ["in"]
        outputs = ["out"]
        cmd = "cat in gen/a > out"
        [tasks.always]
        after = ["gen"]
        cmd = "cat gen/b in"
        """)
    project.write("in", "")
    document = project.json("audit", "gen", "use", "always", expect=1)
    assert [one["undeclared_reads"] for one in document["nodes"]] == [
        [],
        [{"path": "gen/a", "made_by": "gen"}],
        [{"path": "gen/b", "made_by": "gen"}],  # what else it reads, it reads whenever it runs
    ]
    assert [(one["table"], one["line"]) for one in document["proposals"]] == [
        ("[tasks.use]", 'needs = ["gen"]'),
        ("[tasks.always]", 'needs = ["gen"]'),
    ]


def test_instances_get_a_template_where_each_has_a_file_of_its_own(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.each]
        foreach = { src = "in/*.txt" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.name }}"]
        cmd = "cat {{ src }} conf/{{ src.stem }}.cfg all.cfg > {{ outputs }}; echo > out/{{ src.stem }}.log"
        """)
    for name in ("a", "b"):
        project.write(f"in/{name}.txt", "")
        project.write(f"conf/{name}.cfg", "")
    project.write("all.cfg", "")
    proposals = project.json("audit", "each", expect=1)["proposals"]
    assert [(one["key"], one["add"]) for one in proposals] == [
        ("inputs", ["conf/{{ src.stem }}.cfg", "all.cfg"]),
        ("cmd", ["out/{{ src.name }}"]),  # `{{ outputs }}` would hold the log as well
        ("outputs", ["out/{{ src.stem }}.log"]),
    ]
    project.run("audit", "each", "--fix", expect=1)
    project.run("audit", "each", expect=0)


def test_many_files_of_a_folder_become_a_wildcard_unless_it_would_not_see_them(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = "cat seen/*.txt hidden/*.log > out"
        """)
    for one in range(6):
        project.write(f"seen/{one}.txt", "")
        project.write(f"hidden/{one}.log", "")
    project.write(".gitignore", "*.log\n")
    ((proposal),) = project.json("audit", "t", expect=1)["proposals"]
    assert proposal["add"] == ["seen/*.txt", *(f"hidden/{one}.log" for one in range(6))]


def test_an_included_orchfile_is_the_one_to_edit(project: Project) -> None:
    project.orchfile('version = 1\n[includes]\nweb = "web/Orchfile.toml"\n')
    project.orchfile(
        "version = 1\n[tasks.t]\ncwd = 'sub'\ninputs = []\noutputs = ['out']\n"
        "cmd = 'cat ../page ../../shared > ../out'\n",
        "web/Orchfile.toml",
    )
    for path in ("web/page", "web/sub/keep", "shared"):
        project.write(path, "")
    done = project.run("audit", "--fix", expect=1, cwd="web")
    assert "orch: web/Orchfile.toml was edited" in done.err
    assert 'inputs = ["page", "../shared"]' in project.read("web/Orchfile.toml")
    project.run("audit", "web:t", expect=0)


def test_a_command_that_takes_all_inputs_is_left_to_its_author(joining: Project) -> None:
    joining.edit("Orchfile.toml", '"a.txt", # the first', '"a*.txt"')
    joining.edit("Orchfile.toml", "cat a.txt b.txt", "cat {{ inputs }} b.txt")
    before = joining.read("Orchfile.toml")
    (proposal,) = joining.json("audit", "join", "--fix", expect=1)["proposals"]
    assert "write there what is meant" in proposal["by_hand"]
    assert joining.read("Orchfile.toml") == before


def test_what_the_toolchain_reads_is_no_finding(project: Project, tmp_path: Path) -> None:
    """Programs outside the root bring their own files; what lies beside the root is no toolchain."""
    tool = tmp_path / "kit/bin/tool"
    tool.parent.mkdir(parents=True)
    (tmp_path / "kit/share").mkdir()
    (tmp_path / "kit/share/data").write_text("data\n")
    tool.write_text(f"#!/bin/sh\ncat {tmp_path}/kit/share/data {tmp_path}/beside.txt ~/.settings\n")
    tool.chmod(0o755)
    (tmp_path / "beside.txt").write_text("beside\n")
    (project.home / ".settings").write_text("x\n")
    project.orchfile(f"version = 1\n[tasks.t]\ninputs = []\noutputs = ['out']\ncmd = '{tool} > out'\n")
    assert found(project.json("audit", "t", expect=1), "read") == {"t": [str(tmp_path / "beside.txt")]}


def test_a_declared_link_covers_what_it_leads_to(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["link", "folder/b"]
        outputs = ["out"]
        cmd = "cat file real/b other > out"
        """)
    for path in ("file", "real/b", "deep"):
        project.write(path, "")
    for link, to in (("link", "file"), ("folder", "real"), ("other", "deep")):
        (project.root / link).symlink_to(to)
    assert found(project.json("audit", "t", expect=1), "read") == {"t": ["other"]}
    project.run("audit", "t", "--fix", expect=1)
    project.run("audit", "t", expect=0)


def test_a_cache_that_a_tool_marked_counts_nothing(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["in"]
        outputs = []
        cmd = '''
        mkdir -p .cache-of-it/sub
        echo "Signature: 8a477f597d28d172789f06886806bc55" > .cache-of-it/CACHEDIR.TAG
        cat .cache-of-it/sub/x || echo x > .cache-of-it/sub/x
        '''
        """)
    project.write("in", "")
    project.run("audit", "t", expect=0)
    (node,) = project.json("audit", "t")["nodes"]
    assert node["caches"] == [".cache-of-it"]


# -- the edit ------------------------------------------------------------------------------------------


def test_a_fix_keeps_comments_and_leaves_nothing_to_find(joining: Project) -> None:
    done = joining.run("audit", "join", "--fix", expect=1)
    assert done.err.endswith("orch: Orchfile.toml was edited\n")
    assert joining.read("Orchfile.toml") == JOIN.replace(
        '    "a.txt", # the first\n', '    "a.txt", # the first\n    "b.txt",\n'
    )
    joining.run("audit", "join", expect=0)


def test_a_new_list_goes_to_the_end_of_its_table_with_the_same_line_ends(joining: Project) -> None:
    text = JOIN.replace('inputs = [\n    "a.txt", # the first\n]\n', "").replace("\n", "\r\n")
    (joining.root / "Orchfile.toml").write_bytes(text.encode())
    joining.run("audit", "join", "--fix", expect=1)
    line = 'cmd = "cat a.txt b.txt > out/joined"\r\n'
    wanted = text.replace(line, line + 'inputs = ["a.txt", "b.txt"]\r\n')
    assert (joining.root / "Orchfile.toml").read_bytes() == wanted.encode()


def test_a_patch_applies(joining: Project, need: Callable[[str], str]) -> None:
    git = need("git")
    done = joining.run("audit", "join", "--patch", expect=1)
    assert joining.read("Orchfile.toml") == JOIN
    subprocess.run([git, "apply"], input=done.out, text=True, cwd=joining.root, check=True)
    assert '    "b.txt",\n' in joining.read("Orchfile.toml")
    assert joining.run("audit", "join", "--patch", expect=0).out == ""


def test_an_orchfile_that_changed_meanwhile_is_left_alone(joining: Project) -> None:
    joining.edit("Orchfile.toml", "> out/joined", "> out/joined; echo '# edited' >> Orchfile.toml")
    refused = joining.run("audit", "join", "--fix", expect=5)
    assert "Orchfile.toml changed meanwhile, so nothing was written" in refused.err
    assert joining.read("Orchfile.toml").endswith('x = "1"\n# edited\n')


def test_a_file_that_two_tasks_write_is_left_to_their_author(project: Project) -> None:
    """No line can say that."""
    project.orchfile("""
        version = 1
        [tasks.a]
        inputs = []
        outputs = ["a"]
        cmd = "echo > a; echo > both"
        [tasks.b]
        after = ["a"]
        inputs = []
        outputs = ["b"]
        cmd = "echo > b; echo > both"
        """)
    before = project.read("Orchfile.toml")
    done = project.run("audit", "a", "b", "--fix", expect=1)
    assert "    both (made)\n" in done.out
    assert project.read("Orchfile.toml") == before


def test_without_tomlkit_there_is_a_report_but_no_edit(joining: Project) -> None:
    broken = joining.root.parent / "broken"
    broken.mkdir()
    (broken / "tomlkit.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(broken), joining.environment()["PYTHONPATH"]])
    joining.run("audit", "join", expect=1, PYTHONPATH=path)
    for flag in ("--fix", "--patch"):
        refused = joining.run("audit", "join", flag, expect=5, PYTHONPATH=path)
        assert "tomlkit" in refused.err
        assert "hint: pip install 'orchfile[audit]'" in refused.err
    assert joining.read("Orchfile.toml") == JOIN


# -- how it ends ---------------------------------------------------------------------------------------


def test_a_failed_task_shows_what_it_did_until_then(joining: Project) -> None:
    joining.edit("Orchfile.toml", "> out/joined", "> out/joined; echo sorry; exit 7")
    done = joining.run("audit", "join", expect=1)
    assert "FAILED join: exit code 7" in done.err
    assert "sorry\n" in done.out
    assert "it failed, so this may not be all" in done.out
    assert "    b.txt\n" in done.out
    assert "1 undeclared read, 1 failed" in done.err


def test_signals_and_codes_pass_through(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.killed]
        cmd = "kill -TERM $$"
        [tasks.late]
        timeout = "0.5s"
        grace = "0.1s"
        cmd = "sleep 60"
        [tasks.nothing]
        cmd = ["no-such-program"]
        [tasks.left]
        cmd = "sleep 60 & echo on"
        """)
    done = project.run("audit", "killed", "late", "nothing", "left", "-k", expect=1)
    assert "FAILED killed: it was ended by signal 15" in done.err
    assert "FAILED late: it ran longer than its timeout" in done.err
    assert "FAILED nothing: cannot start no-such-program" in done.err
    assert "nothing did not start, so nothing was seen of it" in done.err
    (manifest,) = manifests(project)
    (left,) = manifest["nodes"]["left"]["leftovers"]
    assert left.endswith("(sleep 60)")


def test_an_interrupt_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    scene = Scene(project, tmp_path)
    project.orchfile(f"""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = "echo > begun; {scene.gate("never")}"
        """)
    running = project.start("audit", "t")
    scene.await_file("begun")
    assert scene.end(running, signal.SIGINT)[0] == 130
    scene.await_nothing_left()
    assert os.listdir(project.root / ".orch/tmp") == ["clock"]


def test_a_root_with_a_strange_name(joining: Project) -> None:
    strange = joining.root / "a <b>\n(deleted)"
    strange.mkdir()
    for name in ("Orchfile.toml", "a.txt", "b.txt"):
        os.rename(joining.root / name, strange / name)
    done = joining.run("audit", "join", "--json", expect=1, cwd=strange.name)
    assert found(json.loads(done.out), "read") == {"join": ["b.txt"]}


def test_the_document_says_all_of_it(joining: Project) -> None:
    document = joining.json("audit", "join", expect=1)
    assert list(document) == ["run", "nodes", "not_started", "never_used", "proposals", "edited"]
    assert document["run"] == manifests(joining)[0]["run"]
    (node,) = document["nodes"]
    files = node.pop("files")
    assert files >= 3
    assert node == {
        "node": "join",
        "task": "join",
        "ended_well": True,
        "undeclared_reads": [{"path": "b.txt", "made_by": None}],
        "undeclared_writes": [],
        "caches": [],
    }
    assert document["proposals"] == [
        {
            "file": "Orchfile.toml",
            "table": "[tasks.join]",
            "key": "inputs",
            "add": ["b.txt"],
            "line": 'inputs = ["a.txt", "b.txt"]',
            "by_hand": None,
        }
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("audit jion", "no task, milestone or output is named jion"),
        ("audit join --fix --patch", "not allowed with argument --fix"),
        ("audit ask", "ask is interactive: it cannot be audited, as it has the terminal"),
        ("audit join -- x", "orch audit takes nothing after --"),
    ],
)
def test_a_wrong_line_runs_nothing(joining: Project, line: str, sentence: str) -> None:
    joining.edit("Orchfile.toml", "[vars]", "[tasks.ask]\ncmd = 'read x'\ninteractive = true\n[vars]")
    assert sentence in joining.run(*line.split(), expect=2).err
    assert not joining.exists(".orch")


def test_where_no_process_may_be_followed_that_is_said(joining: Project, strace: str) -> None:
    """Who is traced already cannot be traced again: a kernel that forbids ptrace answers the same."""
    argv = [strace, "-f", "-qq", "-o", "/dev/null", sys.executable, "-m", "orch", "audit", "join"]
    done = subprocess.run(
        argv, cwd=joining.root, env=joining.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "orch: error: strace cannot follow a process here" in done.stderr
    assert "hint: ptrace must be permitted" in done.stderr
    assert not joining.exists("out")


def test_without_strace_that_is_said(joining: Project, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few/sh").symlink_to("/bin/sh")
    refused = joining.run("audit", "join", expect=5, PATH=str(tmp_path / "few"))
    assert "orch audit needs strace" in refused.err
    assert "hint: install strace, as with `apt install strace`" in refused.err


def test_a_profile_another_file_and_another_folder(joining: Project) -> None:
    joining.write("sub/Other.toml", JOIN + "[profiles.slow]\njobs = 1\n")
    joining.write("sub/a.txt", "")
    joining.write("sub/b.txt", "")
    done = joining.run(
        "-C", "sub", "audit", "-f", "Other.toml", "--profile", "slow", "-j1", "--json", expect=1
    )
    (proposal,) = json.loads(done.out)["proposals"]
    assert proposal["file"] == "Other.toml"
