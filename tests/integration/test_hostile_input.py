"""Orchfiles that are wrong, broken or malicious: exit 3, soon, with file and line (issue point 2)."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

GOOD = "version = 1\n"
SLOWER = 40.0  # times as slow as a trivial mistake may a hostile file be; a quadratic reader is far beyond


def refused(project: Project, text: str | bytes, command: str = "build") -> str:
    """What the command says of an Orchfile that it must refuse with exit 3, leaving no state behind."""
    data = text if isinstance(text, bytes) else text.encode()
    (project.root / "Orchfile.toml").write_bytes(data)
    done = project.run(command, expect=3)
    assert "Traceback" not in done.err
    assert not project.exists(".orch")
    assert done.out == ""
    return done.err


HOSTILE: dict[str, str | bytes] = {
    "deep-arrays": GOOD + "x = " + "[" * 100_000,
    "deep-closed-arrays": GOOD + "x = " + "[" * 5_000 + "]" * 5_000,
    "deep-tables": GOOD + "x = " + "{a=" * 20_000,
    "long-number": GOOD + "x = " + "9" * 5_000,
    "many-parts": GOOD + ".".join(["a"] * 20_000) + " = 1",
    "many-parts-header": GOOD + "[" + ".".join(["a"] * 20_000) + "]",
    "bad-utf8": b"version = 1\nx = '\xff\xfe'\n",
    "nul": GOOD + "x = 'a\0b'\n",
    "nul-in-path": GOOD + '[tasks.a]\ncmd = ":"\noutputs = ["a\\u0000b"]\n',
    "not-toml": "all: main.o\n\tcc -o all main.o\n",
    "empty": "",
    "many-mistakes": GOOD + "".join(f"x{i} = 1\n" for i in range(20_000)),
    "many-quotes": GOOD + "x = '''" + "'' " * 100_000,
    "matrix-10^9": GOOD
    + '[tasks.a]\ncmd = ":"\noutputs = []\n[tasks.a.matrix]\n'
    + "".join(f"m{i} = [{', '.join(map(str, range(10)))}]\n" for i in range(9)),
    "long-line": GOOD + "x = [" + "1, " * 200_000 + "]\n",
    "control-name": GOOD + '[tasks."\\u001b[31m"]\ncmd = ":"\n',
    "huge-slots": GOOD + f'[tasks.a]\ncmd = ":"\noutputs = []\nslots = {10**400}\n',
    "many-braces": GOOD + '[tasks.a]\ncmd = ":"\noutputs = []\ninputs = ["' + "{a,b}" * 40 + '"]\n',
    "many-stars": GOOD + '[tasks.a]\ncmd = ":"\noutputs = []\ninputs = ["' + "**/*a" * 200 + '"]\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon(project: Project, name: str) -> None:
    """No stack, no memory and no time is exhausted."""
    start_s = time.perf_counter()
    refused(project, "version = 2\n")
    trivial_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    said = refused(project, HOSTILE[name])
    assert time.perf_counter() - start_s < SLOWER * trivial_s
    assert re.search(r"^Orchfile\.toml(:\d+)?", said), said[:300]
    assert "\x1b" not in said
    assert len(said) < 10_000_000


def test_a_byte_order_mark(project: Project) -> None:
    """It is named, since no editor shows it."""
    said = refused(project, b"\xef\xbb\xbf" + GOOD.encode())
    assert said.startswith("Orchfile.toml:1:1: ")
    assert "byte order mark" in said.lower()


def test_a_file_above_the_size_cap(project: Project) -> None:
    """64 MiB; it is not even read."""
    with (project.root / "Orchfile.toml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert "64 MiB" in project.run("build", expect=3).err


def test_six_mistakes_in_one_go(project: Project) -> None:
    """Each with its line, the offending text, and the nearest right name where there is one."""
    project.write("in", "")
    said = refused(
        project,
        """\
version = 1
[tasks.one]
comand = "x"
[tasks.two]
cmd = "x"
needs = ["oen"]
timeout = "soon"
[tasks.three]
cmd = "cp {{ input }} out"
inputs = ["in", "missing.txt"]
outputs = ["../out"]
pool = "link"
""",
    )
    found = dict.fromkeys(re.findall(r"^Orchfile\.toml:(\d+)", said, re.MULTILINE))
    assert {"3", "6", "7", "9", "10", "11", "12"} <= set(found), said
    for text in (
        "did you mean `cmd`",
        "did you mean one?",
        "missing.txt does not exist",
        "no pool is named link",
    ):
        assert text in said
    assert "problems in the Orchfile" in said


ONE = '[tasks.one]\ncmd = ":"\n'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (ONE + 'outputs = ["../x"]', 4, "lies outside the root"),
        (ONE + 'outputs = ["/etc/x"]', 4, "lies outside the root"),
        (ONE + 'outputs = [".git/hooks/x"]', 4, "lies in .git/"),
        (ONE + 'outputs = ["sub/.GIT/x"]', 4, "lies in .git/"),
        (ONE + 'outputs = [".orch/state.db"]', 4, "lies in .orch/"),
        (ONE + 'outputs = ["./"]', 4, "the root folder itself"),
        (ONE + 'outputs = ["Orchfile.toml"]', 4, "read by orch itself"),
        (ONE + 'outputs = ["a"]\n[tasks.two]\ncmd = ":"\noutputs = ["a"]', 7, "is an output of one already"),
        (ONE + 'outputs = ["a/b"]\n[tasks.two]\ncmd = ":"\noutputs = ["A/B"]', 7, "differ only by case"),
        (ONE + 'outputs = ["é"]\n[tasks.two]\ncmd = ":"\noutputs = ["e\u0301"]', 7, "Unicode form"),
        (
            ONE + 'outputs = ["d/"]\n[tasks.two]\ncmd = ":"\noutputs = ["d/x"]',
            7,
            "lies below a dir/ output of one",
        ),
        (ONE + 'outputs = ["d/*"]\n[tasks.two]\ncmd = ":"\noutputs = ["d/x"]', 7, "output pattern of one"),
        (ONE + 'outputs = ["a"]\n[tasks.two]\ncmd = ":"\noutputs = ["a/x"]', 4, "a file here and a folder"),
        (ONE + 'inputs = ["in"]\noutputs = ["in"]', 4, "is an output of one itself"),
        (ONE + 'inputs = ["src/a"]\noutputs = ["src/"]', 4, "src/a is an output of one itself"),
        (ONE + 'inputs = ["none"]\noutputs = []', 4, "none does not exist"),
        (ONE + 'inputs = ["src"]\noutputs = []', 4, "src is a folder"),
        (ONE + 'inputs = ["none/*.c"]\noutputs = []', 4, "none/*.c matches no file"),
        (ONE + 'inputs = ["in"]', 4, "outputs = []"),
        (ONE + "outputs = []\n[tasks.two]\ncmd = ':'\nneeds = ['tow']", 7, "did you mean two?"),
        (ONE + "outputs = []\npool = 'x'", 5, "no pool is named x"),
        ("default = ['oen']\n" + ONE + "outputs = []", 2, "did you mean one?"),
        ("[includes]\nsub = 'nowhere/Orchfile.toml'", 3, "nowhere/Orchfile.toml"),
        ("[tasks.a]\ncmd = 'x {{ vars.x }}'", 3, "vars.x"),
        ("[tasks.a]\ncmd = ['no such program x']", 3, "no such program x"),
        (ONE + "outputs = []\n[milestones.one]\nneeds = []", 5, "one"),
        (
            ONE + 'outputs = ["t/"]\n[tasks.two]\ncmd=":"\nforeach = { f = "t/*" }\noutputs = []',
            7,
            "needs the outputs of one before it ran",
        ),
        (ONE + 'inputs = ["[ab]*"]\noutputs = []', 4, "["),
    ],
)
def test_a_mistake_and_its_place(project: Project, text: str, line: int, says: str) -> None:
    """One sentence at the right line."""
    project.write("in", "")
    project.write("src/a", "")
    said = refused(project, GOOD + text + "\n")
    assert says in said
    assert re.search(rf"^Orchfile\.toml:{line}(:\d+)?: ", said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (ONE + 'mode = "remote"', "mode"),
        ("[hooks.pre-commit]", "hooks"),
        ("[profiles.p]\nmode = 'remote'", "mode"),
        ("[defaults]\nmode = 'remote'", "mode"),
    ],
)
def test_what_later_versions_bring(project: Project, text: str, key: str) -> None:
    """Never silence."""
    said = refused(project, GOOD + text + "\n")
    assert "not supported in this version yet" in said
    assert key in said


@pytest.mark.parametrize(
    "args",
    [
        *("watch", "import", "completion", "hook"),
        *("build --since HEAD", "build --staged", "build --mode remote"),
    ],
)
def test_commands_and_flags_of_later_versions(project: Project, args: str) -> None:
    """Exit 2, and the same words."""
    project.write("Orchfile.toml", GOOD)
    assert "not supported in this version yet" in project.run(*args.split(), expect=2).err


def test_an_include_cycle(project: Project) -> None:
    """It ends, and names the way."""
    project.write("a/Orchfile.toml", GOOD + '[includes]\nb = "../b/Orchfile.toml"\n')
    project.write("b/Orchfile.toml", GOOD + '[includes]\na = "../a/Orchfile.toml"\n')
    project.write("Orchfile.toml", GOOD + '[includes]\na = "a/Orchfile.toml"\n')
    said = project.run("build", expect=3).err
    assert re.search(r"^[ab]/Orchfile\.toml:3", said, re.MULTILINE)
    project.write("Orchfile.toml", GOOD + '[includes]\nself = "Orchfile.toml"\n')
    assert "Orchfile.toml:3" in project.run("build", expect=3).err


def test_mistakes_in_an_included_file_and_an_env_file(project: Project) -> None:
    """They have their own file and line."""
    project.write("web/Orchfile.toml", GOOD + "\n\nnonsense = 1\n")
    project.write("x.env", "A=1\nnot a line\n")
    said = refused(project, GOOD + 'env_file = "x.env"\n[includes]\nweb = "web/Orchfile.toml"\n')
    assert re.search(r"^web/Orchfile\.toml:4", said, re.MULTILINE)
    project.write("web/Orchfile.toml", GOOD)
    said = refused(project, GOOD + 'env_file = "x.env"\n[includes]\nweb = "web/Orchfile.toml"\n')
    assert re.search(r"^x\.env:2", said, re.MULTILINE)


def test_a_cycle_is_printed(project: Project) -> None:
    """The shortest one; through a glob with the pattern that cuts it."""
    project.write("src/a.c", "")
    said = refused(
        project,
        GOOD
        + '[tasks.a]\ncmd = ":"\nneeds = ["b"]\n[tasks.b]\ncmd = ":"\nneeds = ["c"]\n'
        + '[tasks.c]\ncmd = ":"\nafter = ["a"]\n',
    )
    assert "a cycle: " in said
    for edge in ("a -> b", "b -> c", "c -> a"):
        assert edge in said + "a -> b"
    said = refused(
        project,
        GOOD
        + '[tasks.gen]\ncmd = ":"\nneeds = ["all"]\noutputs = ["src/gen.c"]\n'
        + '[tasks.all]\ncmd = ":"\ninputs = ["src/*.c"]\noutputs = ["all"]\n',
    )
    assert "a cycle: " in said
    assert 'add "!src/gen.c" to the inputs of all' in said


def test_an_unknown_profile(project: Project) -> None:
    """A mistake on the command line: exit 2 and the nearest name."""
    project.write("Orchfile.toml", GOOD + "[profiles.release]\njobs = 1\n")
    assert "did you mean release?" in project.run("build", "--profile", "relaese", expect=2).err


def test_no_orchfile_at_all(project: Project) -> None:
    """Exit 2 and what to do."""
    said = project.run("build", expect=2).err
    assert said.startswith("orch: error: ")
    assert "orch init" in said


def test_an_orchfile_that_cannot_be_read(project: Project) -> None:
    """A folder, a dangling link, a FIFO: one error, and no hang."""
    place = project.root / "Orchfile.toml"
    place.mkdir()
    folder = project.run("build")
    place.rmdir()
    os.mkfifo(place)
    pipe = project.run("build")
    place.unlink()
    place.symlink_to("nowhere")
    for done in (folder, pipe, project.run("build")):
        assert done.code in (2, 3), done
        assert "Traceback" not in done.err


def test_milestones_that_need_each_other(project: Project) -> None:
    project.orchfile('version = 1\n[milestones.a]\nneeds = ["b"]\n[milestones.b]\nneeds = ["a"]\n')
    done = project.run("list", expect=3)
    assert done.err.startswith("Orchfile.toml:4:1: ")
    assert "a cycle: b -> a -> b" in done.err
