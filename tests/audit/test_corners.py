"""Corners of `orch audit`: what was missed once, or proposed and should not have been."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("strace")


def seen(document: dict[str, Any], what: str = "read") -> set[tuple[str, str]]:
    """The undeclared reads or writes of a document."""
    return {(one["node"], each["path"]) for one in document["nodes"] for each in one[f"undeclared_{what}s"]}


def lines(document: dict[str, Any]) -> list[str]:
    """What is proposed and not left to the author."""
    return [one["line"] for one in document["proposals"] if not one["by_hand"]]


# -- what is seen --------------------------------------------------------------------------------------


def test_a_compiled_module_stands_for_its_source(project: Project, need: Callable[[str], str]) -> None:
    need("python3")
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["main.py", "told.py", "idle.py"]
        outputs = ["out"]
        cmd = "python3 main.py > out"
        """)
    project.write("main.py", "import told, hidden, pkg\n")
    for path in ("told.py", "hidden.py", "idle.py", "pkg/__init__.py"):
        project.write(path, "")
    wanted = {("t", "hidden.py"), ("t", "pkg/__init__.py")}
    for _ in range(2):  # the second time there is a `__pycache__`
        document = project.json("audit", "t", expect=1)
        assert seen(document) == wanted
        assert [one["entry"] for one in document["never_used"]] == ["idle.py"]
    assert project.exists("__pycache__")


def test_a_script_names_its_interpreter(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["run"]
        outputs = ["out"]
        tools = ["./through", "sh"]
        cmd = ["./run"]
        """)
    project.write("run", f"#!{project.root}/through\necho > out\n")
    project.write("inner", "")
    shutil.copy("/bin/sh", project.root / "inner")
    project.write("through", f"#!{project.root}/inner\necho > out\n")
    for name in ("run", "through", "inner"):
        (project.root / name).chmod(0o755)
    document = project.json("audit", "t", expect=1)
    assert seen(document) == {("t", "inner")}
    assert [one["entry"] for one in document["never_used"]] == ["sh"]


def test_a_folder_that_was_there_is_renamed(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = []
        cmd = "mv stage out"
        """)
    project.write("stage/a", "")
    project.write("stage/deep/b", "")
    (node,) = project.json("audit", "t", expect=1)["nodes"]
    assert {(one["path"], one["how"]) for one in node["undeclared_writes"]} == {
        *(("out/a", "made"), ("out/deep/b", "made")),
        *(("stage/a", "removed"), ("stage/deep/b", "removed")),
    }


def test_two_folders_are_exchanged(project: Project, need: Callable[[str], str]) -> None:
    need("python3")
    script = (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.renameat2(-100, b'one', -100, b'two', 2) == 0, os.strerror(ctypes.get_errno())\n"
    )
    project.orchfile('version = 1\n[tasks.t]\ninputs = ["x.py"]\noutputs = []\ncmd = "python3 x.py"\n')
    for path in ("one/a", "one/both", "two/both", "two/b"):
        project.write(path, path)
    project.write("x.py", script)
    (node,) = project.json("audit", "t", expect=1)["nodes"]
    assert {(one["path"], one["how"]) for one in node["undeclared_writes"]} == {
        *(("one/b", "changed"), ("one/both", "changed"), ("two/a", "changed"), ("two/both", "changed")),
        *(("one/a", "removed"), ("two/b", "removed")),
    }


def test_a_hard_link_made_in_the_task_is_written_through(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["source"]
        outputs = ["out"]
        cmd = "ln source link && mv link out && echo more >> out"
        """)
    project.write("source", "1\n")
    assert seen(project.json("audit", "t", expect=1), "write") == {("t", "source")}


def test_a_script_beside_the_root_is_no_toolchain(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "bin").mkdir(parents=True)
    (shared / "data").write_text("")
    (shared / "gen.sh").write_text(f"#!/bin/sh\ncat {shared}/data\n")
    (shared / "gen.sh").chmod(0o755)
    project.orchfile(f"""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = "{shared}/gen.sh > out"
        """)
    wanted = {("t", str(shared / "data")), ("t", str(shared / "gen.sh"))}
    assert seen(project.json("audit", "t", expect=1)) == wanted
    project.run("audit", "t", expect=0, PATH=f"{shared}:{os.environ['PATH']}")


def test_what_outputs_leave_out_may_be_read(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["gen/*.c", "!gen/table.c", "!gen/state.c"]
        cmd = "cat gen/table.c gen/state.c > gen/a.c; echo >> gen/state.c"
        """)
    project.write("gen/table.c", "")
    project.write("gen/state.c", "")
    document = project.json("audit", "t", expect=1)
    assert (seen(document), seen(document, "write")) == ({("t", "gen/table.c")}, set())


def test_every_try_counts_and_the_last_one_for_what_is_never_used(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["early", "late"]
        outputs = ["out"]
        retries = 1
        cmd = "if [ -e again ]; then cat late > out; rm again; else cat early first; echo > again; false; fi"
        """)
    for path in ("early", "late", "first"):
        project.write(path, "")
    document = project.json("audit", "t", expect=1)
    assert seen(document) == {("t", "first")}
    assert [one["entry"] for one in document["never_used"]] == ["early"]


def test_a_root_below_a_folder_of_git_is_audited(project: Project) -> None:
    project.orchfile(
        "version = 1\n[tasks.t]\ninputs = []\noutputs = ['o']\ncmd = 'cat a ../b > o'\n", "Orchfile.toml"
    )
    for below in (".orch", ".git", "__pycache__"):
        inner = project.root / below / "inner"
        inner.mkdir(parents=True)
        shutil.copy(project.root / "Orchfile.toml", inner)
        (inner / "a").touch()
        (inner.parent / "b").touch()
        done = project.run("audit", "t", "--json", expect=1, cwd=f"{below}/inner")
        assert seen(json.loads(done.out)) == {("t", "a"), ("t", str(inner.parent / "b"))}


# -- how it runs ---------------------------------------------------------------------------------------


def test_an_audit_is_in_mode_local(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        mode = "sandbox"
        inputs = ["a"]
        outputs = ["out"]
        cmd = "cat a b > out"
        [profiles.boxed]
        mode = "sandbox"
        """)
    project.write("a", "")
    project.write("b", "")
    wanted = {("t", "b")}
    assert seen(project.json("audit", "t", expect=1)) == wanted
    assert seen(json.loads(project.run("audit", "t", "--json", expect=1, ORCH_MODE="sandbox").out)) == wanted
    assert seen(project.json("audit", "t", "--profile", "boxed", expect=1)) == wanted
    project.run("audit", "t", "--mode", "local", expect=1)
    assert "orch audit runs tasks in mode local" in project.run("audit", "--mode", "sandbox", expect=2).err


def test_a_node_that_vanishes_meanwhile_loses_nothing(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.each]
        foreach = { src = "in/*.txt" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.stem }}"]
        cmd = "cat {{ src }} hidden > {{ outputs }}; rm -f in/b.txt; sed -i s/each/every/ Orchfile.toml"
        """)
    for path in ("in/a.txt", "in/b.txt", "hidden"):
        project.write(path, "")
    done = project.run("audit", "each", "-j1", "-k", expect=1)
    assert "    hidden\n" in done.out
    assert "in/b.txt" in done.out + done.err


def test_an_edit_that_is_refused_comes_after_the_findings(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = "cat a > out; echo '# more' >> Orchfile.toml"
        """)
    project.write("a", "")
    done = project.run("audit", "t", "--fix", expect=5)
    assert "    a\n" in done.out
    assert "Orchfile.toml changed meanwhile" in done.err


def test_a_closed_gate_keeps_no_finding_back(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = "cat a > out"
        [gates.review]
        kind = "approval"
        approvers = ["Ada <ada@example.org>"]
        evidence = ["@t"]
        [milestones.done]
        needs = ["t"]
        gates = ["review"]
        """)
    project.write("a", "")
    assert seen(project.json("audit", "done", expect=1)) == {("t", "a")}
    project.run("audit", "done", "--fix", expect=1)
    done = project.run("audit", "done", expect=4)
    assert "1 node audited: what they read and write is what they declare" in done.err


def test_records_show_the_plain_command(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = []
        outputs = ["out"]
        cmd = ["touch", "out"]
        [tasks.broken]
        cmd = ["./broken"]
        """)
    project.write("broken", "#!/no/such/interpreter\n")
    (project.root / "broken").chmod(0o755)
    done = project.run("audit", "t", "-v", expect=0)
    assert "strace" not in done.out + done.err
    assert "touch out" in done.out + done.err
    (manifest,) = manifests(project)
    assert "strace" not in json.dumps(manifest)
    said = "cannot start ./broken: the interpreter that its first line names does not exist"
    assert said in project.run("build", "broken", expect=1).err
    assert said in project.run("audit", "broken", expect=1).err


# -- what is proposed ----------------------------------------------------------------------------------


def test_a_task_that_ran_always_gets_its_reads_with_its_outputs(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        cmd = "cat a b > out"
        [tasks.only_reads]
        cmd = "cat a"
        [tasks.only_writes]
        cmd = "echo > made"
        """)
    for path in ("a", "b"):
        project.write(path, "")
    document = project.json("audit", "t", "only_reads", "only_writes", expect=1)
    assert lines(document) == ['inputs = ["a", "b"]', 'outputs = ["out"]']
    assert [one["table"] for one in document["proposals"] if one["by_hand"]] == ["[tasks.only_writes]"]
    project.run("audit", "t", "--fix", expect=1)
    project.run("build", "t", expect=0)
    assert project.build_writes("t") == set()
    project.write("a", "new\n")
    assert "out" in project.build_writes("t")


def test_what_would_not_load_is_left_to_the_author_task_by_task(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.a]
        inputs = []
        outputs = ["gen/own.json"]
        cmd = "cat gen/*.txt > gen/own.json; cat gen/?.json > all; echo > both"
        [tasks.b]
        inputs = []
        outputs = ["b"]
        cmd = "cat hidden > b; echo > both"
        [tasks.c]
        inputs = []
        outputs = ["c"]
        cmd = "cat a-of-c d > c || echo > c"
        [tasks.d]
        inputs = []
        outputs = ["d"]
        cmd = "cat c > d"
        """)
    for one in range(6):
        project.write(f"gen/{one}.json", "")
    for path in ("gen/a.txt", "hidden", "a-of-c"):
        project.write(path, "")
    project.run("build", "c", "d", "-j1", expect=0)
    done = project.run("audit", "a", "b", "c", "d", "-j1", "--fix", expect=1)
    assert "left to you, as it would not do: " in done.out
    assert "both (made)" in done.out
    text = project.read("Orchfile.toml")
    assert '"gen/0.json"' in text
    assert '"hidden"' in text
    assert '"both"' not in text
    assert '"a-of-c"' in text
    project.run("build", "a", "b", "c", "d", expect=0)


def test_a_file_that_all_instances_read_is_named_plainly(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.each]
        foreach = { src = "src/*/*.c" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.stem }}"]
        cmd = "cat {{ src }} {{ src.dir }}/{{ src.stem }}.h src/common.h > {{ outputs }}"
        [tasks.flat]
        foreach = { src = "flat/*.c" }
        inputs = ["{{ src }}"]
        outputs = ["flat-{{ src.stem }}"]
        cmd = "cat {{ src }} flat/common.h > {{ outputs }}"
        """)
    for path in ("src/x/a", "src/y/b", "flat/a", "flat/b"):
        project.write(f"{path}.c", "")
        project.write(f"{path}.h", "")
    for path in ("src/common.h", "flat/common.h"):
        project.write(path, "")
    assert lines(project.json("audit", "each", "flat", expect=1)) == [
        'inputs = ["{{ src }}", "{{ src.dir }}/{{ src.stem }}.h", "src/common.h"]',
        'inputs = ["{{ src }}", "flat/common.h"]',
    ]


@pytest.mark.parametrize("inputs", ['["a.txt", "./a.txt"]', '["./a.txt"]', '["a.txt", "a.txt"]'])
def test_inputs_that_are_not_what_they_stand_for_are_left_alone(project: Project, inputs: str) -> None:
    project.orchfile(f"""
        version = 1
        [tasks.t]
        inputs = {inputs}
        outputs = ["out"]
        cmd = "cat {{{{ inputs }}}} b > out"
        """)
    project.write("a.txt", "")
    project.write("b", "")
    assert lines(project.json("audit", "t", expect=1)) == []


def test_a_list_that_takes_all_inputs_twice_is_edited(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.t]
        inputs = ["a", "b"]
        outputs = ["out"]
        cmd = ["sh", "-c", "cat c > out", "{{ inputs }}", "--", "{{ inputs }}"]
        """)
    for path in ("a", "b", "c"):
        project.write(path, "")
    project.run("audit", "t", "--fix", expect=1)
    text = project.read("Orchfile.toml")
    assert '"cat c > out", "a", "b", "--", "a", "b"]' in text
    assert 'inputs = ["a", "b", "c"]' in text


def test_an_entry_of_a_list_of_lines_ends_as_the_others_do(project: Project) -> None:
    text = (
        "version = 1\n[tasks.t]\ninputs = [\n    'a',\n]\noutputs = ['out']\ncmd = 'cat a b > out'\n"
    ).replace("\n", "\r\n")
    (project.root / "Orchfile.toml").write_bytes(text.encode())
    project.write("a", "")
    project.write("b", "")
    project.run("audit", "t", "--fix", expect=1)
    wanted = text.replace("    'a',\r\n", "    'a',\r\n    \"b\",\r\n")
    assert (project.root / "Orchfile.toml").read_bytes() == wanted.encode()


def test_a_patch_from_a_subfolder_says_where_it_applies(project: Project, need: Callable[[str], str]) -> None:
    git = need("git")
    project.orchfile("version = 1\n[tasks.t]\ninputs = []\noutputs = ['o']\ncmd = 'cat a > o'\n")
    project.write("a", "")
    project.write("sub/keep", "")
    done = project.run("audit", "t", "--patch", expect=1, cwd="sub")
    assert f"hint: the patch is for `git apply` in {project.root}" in done.err
    subprocess.run([git, "apply"], input=done.out, text=True, cwd=project.root, check=True)
    assert 'inputs = ["a"]' in project.read("Orchfile.toml")
