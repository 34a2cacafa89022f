"""What `modifies` means on disk, who therefore goes first, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orch.graph.build_graph import Input

if TYPE_CHECKING:
    from tests.rules.conftest import Wired

MAKERS = """
[tasks.file]
outputs = ["src/made.py"]
cmd = "true"
[tasks.tree]
outputs = ["src/gen/"]
cmd = "true"
[tasks.glob]
outputs = ["src/page/*.py"]
cmd = "true"
"""


def fmt(modifies: str, more: str = "", name: str = "fmt") -> str:
    return f'[tasks.{name}]\nmodifies = [{modifies}]\ncmd = "true"\n{more}\n'


def reader(inputs: str, more: str = "", name: str = "read") -> str:
    return f'[tasks.{name}]\ninputs = [{inputs}]\noutputs = []\ncmd = "true"\n{more}\n'


@pytest.fixture
def sources(wired: Wired) -> Wired:
    for path in ("a.py", "src/a.py", "src/b.py", "src/deep/c.py", "src/a.txt"):
        wired.write(path)
    return wired


@pytest.mark.parametrize(
    ("modifies", "paths"),
    [
        ('"src/*.py"', ["src/a.py", "src/b.py"]),
        ('"src/"', ["src/a.py", "src/a.txt", "src/b.py", "src/deep/c.py"]),
        ('"./", "!src/"', ["Orchfile.toml", "a.py"]),
        ('"**/*.py", "!src/deep/**"', ["a.py", "src/a.py", "src/b.py"]),
        ('"src/a.py", "src/a.py", "src/a.*"', ["src/a.py", "src/a.txt"]),
    ],
)
def test_its_files(sources: Wired, modifies: str, paths: list[str]) -> None:
    graph = sources.graph(fmt(modifies))
    assert [item.path for item in graph.modified["fmt"]] == paths
    assert graph.modifiers == dict.fromkeys(paths, ("fmt",))
    assert not graph.nodes["fmt"].always
    assert not graph.nodes["fmt"].cache


def test_an_optional_file_need_not_exist(sources: Wired) -> None:
    graph = sources.graph(fmt('"?lock", "?x/*.py"') + reader('"?lock"'))
    assert graph.modified["fmt"] == (Input("file", "lock", "", True),)
    assert graph.after["read"] == ("fmt",)
    assert sources.graph(fmt('"x/*.py"', "allow_empty = true")).modified == {"fmt": ()}


@pytest.mark.parametrize(
    ("inputs", "is_ordered"),
    [
        ('"src/a.py"', True),
        ('"src/*"', True),
        ('"src/"', True),
        ('"**/*.py", "!src/*.py"', False),
        ('"src/a.txt"', False),
    ],
)
def test_who_reads_its_files_goes_after_it(sources: Wired, inputs: str, is_ordered: bool) -> None:
    graph = sources.graph(reader(inputs) + fmt('"src/*.py"'))
    assert graph.after["read"] == (("fmt",) if is_ordered else ())
    assert graph.before["read"] == ()
    assert graph.closure(["read"]) == {"read"}


def test_an_order_that_is_there_is_not_doubled(sources: Wired) -> None:
    text = reader('"src/a.py"', 'needs = ["fmt"]') + reader('"src/a.py"', 'after = ["fmt"]', "other")
    graph = sources.graph(text + fmt('"src/*.py"'))
    assert (graph.before["read"], graph.after["read"], graph.after["other"]) == (("fmt",), (), ("fmt",))


def test_its_own_inputs_order_nothing(sources: Wired) -> None:
    both = 'inputs = ["src/*.py"]'
    graph = sources.graph(fmt('"src/*.py"', both) + fmt('"src/*.py"', both + '\nafter = ["fmt"]', "fix"))
    assert (graph.after["fmt"], graph.after["fix"]) == ((), ("fmt",))


def test_without_modifies_nothing_is_kept(sources: Wired) -> None:
    graph = sources.graph(reader('"src/*.py"'))
    assert (graph.modified, graph.modifiers) == ({}, {})


FOR_EVER = "which would be stale for ever if another task changed it"


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        (fmt('"none.py"'), "none.py does not exist", 'write "?none.py"'),
        (fmt('"src"'), "src is a folder", 'write "src/"'),
        (fmt('"x/*.py"'), "x/*.py matches no file", "allow_empty"),
        (fmt('"../x.py"'), "../x.py lies outside the root", ""),
        (fmt('"../*.py"'), "../*.py lies outside the root", ""),
        (fmt('".git/config"'), ".git/config lies in .git/", ""),
        (fmt('"Orchfile.lock.toml"'), "Orchfile.lock.toml is read by orch itself", ""),
        (fmt('"src/made.py"'), f"src/made.py is made by file, {FOR_EVER}", "let file itself do it"),
        (fmt('"src/gen/x.py"'), f"src/gen/x.py is made by tree, {FOR_EVER}", "let tree itself do it"),
        (fmt('"src/page/x.py"'), f"src/page/x.py is made by glob, {FOR_EVER}", "let glob itself do it"),
        (
            fmt('"src/*.py"'),
            f"src/made.py is made by file, {FOR_EVER}",
            'add "!src/made.py" to modifies of fmt',
        ),
        (fmt('"src/gen/**"', "allow_empty = true"), f"src/gen/ is made by tree, {FOR_EVER}", '"!src/gen/**"'),
        (
            fmt('"src/**", "!src/made.py", "!src/gen/"'),
            f"src/page/*.py is made by glob, {FOR_EVER}",
            'add "!src/page/*.py" to modifies of fmt',
        ),
        (
            fmt('"a.py"', 'outputs = ["*.py"]'),
            "a.py is an output of fmt itself",
            "cannot be both",
        ),
    ],
)
def test_what_is_refused(sources: Wired, text: str, sentence: str, hint: str) -> None:
    (problem,) = sources.problems(MAKERS + text)
    assert sentence in problem.sentence
    assert hint in problem.hint
    assert problem.text


@pytest.mark.parametrize("page", ["src/page/", "src/page/**", "src/page/*.py", "src/"])
@pytest.mark.parametrize("gen", ["src/gen/", "src/gen/**"])
def test_what_tasks_make_may_be_left_out(sources: Wired, page: str, gen: str) -> None:
    graph = sources.graph(MAKERS + fmt(f'"**/*.py", "!src/made.py", "!{gen}", "!{page}"'))
    assert "a.py" in graph.modifiers


def test_what_is_ignored_is_not_modified(sources: Wired) -> None:
    sources.write(".gitignore", "/src/made.py\n/src/gen/\n/src/page/\n")
    assert "src/made.py" not in sources.graph(MAKERS + fmt('"**/*.py"')).modifiers


def test_two_modifiers_need_an_order(sources: Wired) -> None:
    two = fmt('"src/*.py"') + fmt('"src/b.py", "a.py"', name="fix")
    (problem,) = sources.problems(two)
    assert problem.sentence == "fmt and fix both modify src/b.py, in no order"
    assert problem.hint == 'add after = ["fmt"] to fix, or let them modify different files'
    assert problem.line


@pytest.mark.parametrize(
    "order",
    [
        'after = ["fmt"]',
        'needs = ["fmt"]',
        'needs = ["between"]\n[tasks.between]\ncmd = "true"\nafter = ["fmt"]',
        'needs = ["m"]\n[milestones.m]\nneeds = ["fmt"]',
    ],
)
def test_an_order_by_any_way_will_do(sources: Wired, order: str) -> None:
    graph = sources.graph(fmt('"src/*.py"') + fmt('"**/*.py"', order, "fix"))
    assert graph.modifiers["src/a.py"] == ("fmt", "fix")
    assert graph.modifiers["a.py"] == ("fix",)


def test_each_of_three_modifiers_needs_its_place(sources: Wired) -> None:
    three = "".join(
        fmt('"a.py"', 'after = ["one"]' if name != "one" else "", name) for name in ("one", "two", "three")
    )
    (sentence,) = sources.sentences(three)
    assert sentence == "two and three both modify a.py, in no order"


def test_instances_that_modify_one_file(sources: Wired) -> None:
    (problem,) = sources.problems(fmt('"a.py"', 'matrix = {v = ["1", "2"]}'))
    assert problem.sentence == "fmt[v=1] and fmt[v=2] both modify a.py, in no order"
    assert problem.hint == "give each instance of fmt files of its own"


def test_a_cycle_by_what_is_modified_is_explained(sources: Wired) -> None:
    (problem,) = sources.problems(reader('"src/*.py"') + fmt('"src/*.py"', 'needs = ["read"]'))
    assert problem.sentence in ("a cycle: read -> fmt -> read", "a cycle: fmt -> read -> fmt")
    assert problem.hint == "fmt modifies src/a.py, which read reads, and so goes first"


def test_each_of_many_readers_waits_for_one_of_many_modifiers(wired: Wired) -> None:
    count = 100
    for number in range(count):
        wired.write(f"src/{number}")
    each = 'foreach = {f = "src/*"}'
    text = f'[tasks.fmt]\n{each}\nmodifies = ["{{{{ f }}}}"]\ncmd = "true"\n'
    graph = wired.graph(text + f'[tasks.cc]\n{each}\ninputs = ["{{{{ f }}}}"]\noutputs = []\ncmd = "true"\n')
    assert sum(map(len, graph.after.values())) == count
    assert graph.after["cc[src/7]"] == ("fmt[src/7]",)
