"""Finding, reading and checking real Orchfiles, hostile ones too."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.graph.errors import OrchfileError, UsageError
from orch.orchfile.guard import MAX_BYTES
from orch.orchfile.load import find_root, load

if TYPE_CHECKING:
    from pathlib import Path

    from orch.graph.errors import Problem
    from orch.orchfile.load import Declarations

TASK = "[tasks.{}]\ncmd = 'true'\n"


class Tree:
    """Orchfiles in a folder; `version = 1` stands in the first line."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def write(self, path: str, text: str = "", version: str = "version = 1\n") -> None:
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(version + text)

    def load(self) -> Declarations:
        declarations, problems = load(self.root)
        problems.raise_if_any()
        return declarations

    def wrong(self) -> list[Problem]:
        with pytest.raises(OrchfileError) as caught:
            self.load()
        return list(caught.value.problems)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(os.path.realpath(tmp_path))


# -- declarations ------------------------------------------------------------------------------------


def test_declarations_of_a_root_and_an_included_file(tree: Tree) -> None:
    tree.write(
        "Orchfile.toml",
        'default = ["cc"]\nenv_file = ["cfg/../.env"]\nenv = {A = "1"}\npools = {link = 2}\n'
        '[includes]\nweb = "web/Orchfile.toml"\n[profiles.ci]\njobs = 3\nenv = {CI = "1"}\n'
        + TASK.format("cc")
        + '[milestones.all]\ndesc = "d"\nneeds = ["cc", "web:build"]\n',
    )
    tree.write(
        "web/Orchfile.toml",
        'shell = ["bash", "-c"]\n[includes]\napi = "api/build.toml"\n' + TASK.format("build"),
    )
    tree.write("web/api/build.toml", TASK.format("gen"))
    found = tree.load()
    assert [(source.path, source.folder, source.scope) for source in found.sources] == [
        ("Orchfile.toml", ".", ""),
        ("web/Orchfile.toml", "web", "web"),
        ("web/api/build.toml", "web/api", "web:api"),
    ]
    assert list(found.tasks) == ["cc", "web:build", "web:api:gen"]
    assert found.tasks["web:build"].key == "build"
    assert found.tasks["web:build"].source.shell == ("bash", "-c")
    assert found.tasks["cc"].source.shell == ("sh", "-eu", "-c")
    assert found.milestones["all"].needs == ("cc", "web:build")
    assert (found.default, found.env, found.env_files) == (("cc",), {"A": "1"}, (".env",))
    assert found.pools == {"link": 2}
    profile = found.profiles["ci"]
    assert (profile.jobs, profile.keep_going, profile.env) == (3, None, {"CI": "1"})


def test_without_default_there_is_none_and_an_empty_one_is_empty(tree: Tree) -> None:
    tree.write("Orchfile.toml")
    assert tree.load().default is None
    tree.write("Orchfile.toml", "default = []")
    assert tree.load().default == ()


def test_defaults_are_merged_and_belong_to_their_file(tree: Tree) -> None:
    tree.write(
        "Orchfile.toml",
        '[includes]\nw = "w.toml"\n[defaults]\ntimeout = "1m"\nslots = 2\nenv = {A = "1", B = "1"}\n'
        "[tasks.t]\ncmd = 'x'\ntimeout = '2m'\nenv = {B = '2'}\n",
    )
    tree.write("w.toml", TASK.format("t"))
    tasks = tree.load().tasks
    assert tasks["t"].table == {"cmd": "x", "timeout": 120.0, "slots": 2, "env": {"A": "1", "B": "2"}}
    assert tasks["w:t"].table == {"cmd": "true"}


def test_a_wrong_default_is_said_once(tree: Tree) -> None:
    tree.write("Orchfile.toml", "[defaults]\ntimeout = 3\n" + TASK.format("a") + TASK.format("b"))
    assert [problem.line for problem in tree.wrong()] == [3]


def test_problems_of_one_file_leave_the_rest_usable(tree: Tree) -> None:
    tree.write("Orchfile.toml", TASK.format("good") + "nope = 1\n")
    declarations, problems = load(tree.root)
    assert len(problems) == 1
    assert declarations.tasks["good"].table == {"cmd": "true"}


def test_tasks_and_milestones_share_one_namespace(tree: Tree) -> None:
    tree.write("Orchfile.toml", TASK.format("all") + "[milestones.all]\nneeds = []\n")
    (problem,) = tree.wrong()
    assert (problem.line, problem.sentence) == (4, "`all` is already the name of a task")


@pytest.mark.parametrize("key", ["default = []", "env = {}", "env_file = 'x'", "pools = {}", "profiles = {}"])
def test_an_included_file_has_no_keys_of_the_root(tree: Tree, key: str) -> None:
    tree.write("Orchfile.toml", '[includes]\nweb = "web.toml"')
    tree.write("web.toml", key)
    (problem,) = tree.wrong()
    assert (problem.file, problem.line) == ("web.toml", 2)
    assert "root" in problem.sentence


def test_a_list_command_that_looks_like_several(tree: Tree) -> None:
    tree.write("Orchfile.toml", "[tasks.t]\ncmd = ['ruff check', 'mypy src']\n")
    (problem,) = tree.wrong()
    assert (problem.line, problem.text) == (3, "'ruff check'")
    assert "one string" in problem.hint


@pytest.mark.parametrize("cmd", ["['my tool']", "['{{ vars.cc }}', 'a b']", "['cc', 'a b']"])
def test_a_list_command_that_is_one(tree: Tree, cmd: str) -> None:
    tree.write("Orchfile.toml", f"[tasks.t]\ncmd = {cmd}\n")
    tree.write("my tool", version="")
    assert tree.load().tasks["t"]


# -- includes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../x.toml", "x.toml lies outside the root"),
        ("/etc/hosts", "/etc/hosts lies outside the root"),
        ("link/x.toml", "link/x.toml lies outside the root"),
        ("missing.toml", "missing.toml cannot be read: No such file or directory"),
        ("folder", "folder is a folder, not a file"),
        ("Orchfile.toml", "includes form a cycle: Orchfile.toml -> Orchfile.toml"),
    ],
)
def test_an_include_that_cannot_be(
    tree: Tree, tmp_path_factory: pytest.TempPathFactory, path: str, words: str
) -> None:
    os.symlink(tmp_path_factory.mktemp("elsewhere"), tree.path("link"))
    os.mkdir(tree.path("folder"))
    tree.write("Orchfile.toml", f'[includes]\nweb = "{path}"')
    (problem,) = tree.wrong()
    assert problem.sentence.endswith(words)
    assert (problem.file, problem.line, problem.column) == ("Orchfile.toml", 3, 7)


def test_a_cycle_of_includes_names_its_files(tree: Tree) -> None:
    tree.write("Orchfile.toml", '[includes]\na = "a/x.toml"')
    tree.write("a/x.toml", '[includes]\nb = "../b.toml"')
    tree.write("b.toml", '[includes]\na = "a/x.toml"')
    (problem,) = tree.wrong()
    assert problem.sentence == "includes form a cycle: a/x.toml -> b.toml -> a/x.toml"
    assert (problem.file, problem.line) == ("b.toml", 3)


def test_one_file_under_two_names(tree: Tree) -> None:
    os.symlink("a.toml", tree.path("b.toml"))
    tree.write("Orchfile.toml", '[includes]\na = "a.toml"\nb = "b.toml"')
    tree.write("a.toml")
    (problem,) = tree.wrong()
    assert problem.sentence == "b.toml is already included as `a`"


def test_includes_nested_too_deep(tree: Tree) -> None:
    tree.write("Orchfile.toml", '[includes]\nx = "0.toml"')
    for number in range(30):
        tree.write(f"{number}.toml", f'[includes]\nx = "{number + 1}.toml"')
    (problem,) = tree.wrong()
    assert "nested more than 16 deep" in problem.sentence


def test_all_unreadable_files_are_said_at_once_with_other_problems(tree: Tree) -> None:
    tree.write("Orchfile.toml", 'oops = 1\n[includes]\na = "a.toml"\nb = "b.toml"\nc = "c.toml"')
    tree.write("a.toml", "x = [")
    tree.write("b.toml", "x = = 1")
    found = tree.wrong()
    assert [(problem.file, problem.line) for problem in found] == [
        ("Orchfile.toml", 2),
        ("Orchfile.toml", 6),
        ("a.toml", 2),
        ("b.toml", 2),
    ]


def test_a_newer_version_is_the_only_complaint(tree: Tree) -> None:
    tree.write("Orchfile.toml", "new_key = 1", version="version = 2\n")
    (problem,) = tree.wrong()
    assert "newer version" in problem.sentence
    assert problem.line == 1


# -- hostile files -----------------------------------------------------------------------------------

DAMAGED = """\
version = 1
default = ["cc"]
env = {A = "1"}
[vars]
x = ["a", 2]
[defaults]
timeout = "1m"
env = {B = "2"}
[profiles.ci]
jobs = 2
[tasks.cc]
cmd = ["cc", "-c", "{{ inputs }}"]
inputs = ["a.c"]
outputs = ["a.o"]
matrix = {py = ["1", 2], exclude = [{py = 2}]}
env = {B = "3"}
[milestones.all]
needs = ["cc"]
"""
LONG_KEY = ".".join(["a"] * 20_000)
HOSTILE = {
    "deep nesting": (b"version = 1\nx = " + b"[" * 5_000, 2, "nested too deep"),
    "deep inline tables": (b"version = 1\nx = " + b"{a=" * 5_000, 2, "nested too deep"),
    "closed deep nesting": (b"version = 1\nx = " + b"[" * 5_000 + b"]" * 5_000, 2, "nested too deep"),
    "long integer": (b"version = 1\ny = 'a'\nx = " + b"9" * 5_000, 3, "too many digits"),
    "bad UTF-8": (b"version = 1\n\xc3\xa9\xff", 2, "byte 0xff at offset 14"),
    "byte order mark": (b"\xef\xbb\xbfversion = 1", 1, "byte order mark"),
    "NUL": (b"version = 1\nx = '\0'", 2, "not valid TOML"),
    "NUL in a path": (b"version = 1\n[includes]\nx = 'a'\ny = \"a\\u0000b\"", 4, "U+0000"),
    "dotted key": (f"version = 1\n{LONG_KEY} = 1".encode(), 2, "dotted parts"),
    "dotted header": (f"version = 1\n[{LONG_KEY}]".encode(), 2, "dotted parts"),
    "dotted quoted key": (b"version = 1\n" + b".".join([b'"a.b"'] * 20_000) + b" = 1", 2, "dotted parts"),
    "dotted inline key": (f"version = 1\nx = {{{LONG_KEY} = 1}}".encode(), 2, "dotted parts"),
    "unclosed strings": (b'version = 1\nx = """' + b'\\""".' * 100_000, 2, "not valid TOML"),
    "syntax": (b"version = 1\nx = 1 2", 2, "not valid TOML"),
    "end of text": (b"version = 1\n\nx = [", 3, "not valid TOML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_where_it_stands(tree: Tree, name: str) -> None:
    data, line, words = HOSTILE[name]
    with open(tree.path("Orchfile.toml"), "wb") as file:
        file.write(data)
    problem = next(each for each in tree.wrong() if words in each.sentence)
    assert problem.line == line
    assert problem.column > 0
    assert problem.text.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = DAMAGED.encode()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        other = data.draw(
            st.sampled_from(
                [b"", b"[", b"]]", b"{}", b"3", b"0.5", b"true", b'"', b"\n", b".", b"\xff", b"a="]
            )
        )
        text = text[:start] + other + text[end:]
    folder = str(tmp_path_factory.getbasetemp())
    with open(os.path.join(folder, "damaged.toml"), "wb") as file:
        file.write(text)
    found: tuple[Problem, ...] = ()
    try:
        load(folder, "damaged.toml")[1].raise_if_any()
    except OrchfileError as error:
        found = error.problems
    assert all(problem.line and problem.sentence.isprintable() for problem in found)


def test_dots_in_strings_and_comments_are_no_long_key(tree: Tree) -> None:
    tree.write(
        "Orchfile.toml",
        f"# {LONG_KEY}\n[vars]\na = '{LONG_KEY}'\nb = '''\n{LONG_KEY}'''\n" + 'c = "{LONG_KEY}"',
    )
    assert tree.load()


@pytest.mark.parametrize("kind", ["folder", "FIFO", "socket"])
def test_what_is_no_file_is_not_waited_for(tree: Tree, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.root)
    if kind == "folder":
        os.mkdir("Orchfile.toml")
    elif kind == "FIFO":
        os.mkfifo("Orchfile.toml")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("Orchfile.toml")
    (problem,) = tree.wrong()
    assert problem.line == 0
    assert kind in problem.sentence or "cannot be read" in problem.sentence


def test_a_huge_file_is_not_read(tree: Tree) -> None:
    path = tree.path("Orchfile.toml")
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "larger than 64 MiB" in tree.wrong()[0].sentence


def test_no_descriptor_is_left_open(tree: Tree) -> None:
    os.mkdir(tree.path("Orchfile.toml"))
    before = os.open("/dev/null", os.O_RDONLY)
    os.close(before)
    tree.wrong()
    after = os.open("/dev/null", os.O_RDONLY)
    os.close(after)
    assert before == after


# -- the root ----------------------------------------------------------------------------------------


def test_the_nearest_file_above(tree: Tree) -> None:
    tree.write("Orchfile.toml")
    os.makedirs(tree.path("a/b"))
    assert find_root(tree.path("a/b")) == (tree.root, "Orchfile.toml")


def test_the_outermost_file_that_includes_the_nearest(tree: Tree) -> None:
    tree.write("Orchfile.toml", '[includes]\nweb = "web/all.toml"')
    tree.write("web/all.toml", '[includes]\napi = "api/Orchfile.toml"')
    tree.write("web/api/Orchfile.toml")
    tree.write("web/Orchfile.toml")
    assert find_root(tree.path("web/api"))[0] == tree.root
    assert find_root(tree.path("web"))[0] == tree.path("web")


def test_a_file_above_with_problems_of_another_kind_is_still_the_root(tree: Tree) -> None:
    tree.write("Orchfile.toml", 'oops = 1\n[includes]\nweb = "web/Orchfile.toml"')
    tree.write("web/Orchfile.toml")
    assert find_root(tree.path("web"))[0] == tree.root


def test_an_unreadable_file_above_leaves_the_root_in_doubt(tree: Tree) -> None:
    tree.write("Orchfile.toml", "x = [")
    tree.write("web/Orchfile.toml")
    with pytest.raises(OrchfileError) as caught:
        find_root(tree.path("web"))
    assert caught.value.problems[0].line == 2


def test_the_search_ends_at_the_git_top(tree: Tree) -> None:
    tree.write("Orchfile.toml", '[includes]\nsub = "sub/Orchfile.toml"')
    tree.write("sub/Orchfile.toml")
    tree.write("sub/.git", "gitdir: x", version="")
    assert find_root(tree.path("sub"))[0] == tree.path("sub")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another owner")
def test_the_search_ends_at_a_folder_of_another_owner(tree: Tree) -> None:
    tree.write("Orchfile.toml")
    os.mkdir(tree.path("mine"))
    os.chown(tree.root, 12345, -1)
    with pytest.raises(UsageError):
        find_root(tree.path("mine"))


def test_no_file_at_all(tree: Tree) -> None:
    os.mkdir(tree.path(".git"))
    with pytest.raises(UsageError) as caught:
        find_root(tree.root)
    assert "orch init" in caught.value.hint


def test_a_folder_that_does_not_exist(tree: Tree) -> None:
    with pytest.raises(UsageError):
        find_root(tree.path("nowhere"))
