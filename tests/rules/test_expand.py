"""Which nodes declarations make, and under which ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.rules.conftest import Wired

CC = """
[tasks.cc]
foreach = { src = ["src/*.c", "!src/no.c"] }
outputs = ["obj/{{ src.stem }}.o"]
cmd = "cc -o {{ outputs }} {{ src }}"
"""


def test_a_task_for_each_file_in_byte_order(wired: Wired) -> None:
    for name in ("b.c", "a.c", "Z.c", "no.c", "x.h"):
        wired.write(f"src/{name}")
    expansion = wired.expand(CC)
    assert expansion.tasks == {"cc": ("cc[src/Z.c]", "cc[src/a.c]", "cc[src/b.c]")}
    assert list(expansion.nodes) == list(expansion.tasks["cc"])
    assert [pattern.path for pattern in expansion.foreach["cc"]] == ["src/*.c", "src/no.c"]


def test_a_foreach_sees_what_other_tasks_will_make_and_not_what_it_makes_itself(wired: Wired) -> None:
    wired.write("a.in")
    text = """
    [tasks.second]
    foreach = { src = "*.mid" }
    outputs = ["{{ src.stem }}.last.mid"]
    cmd = "true"
    [tasks.first]
    foreach = { src = "*.in" }
    outputs = ["{{ src.stem }}.mid"]
    cmd = "true"
    """
    assert wired.expand(text).tasks == {"second": ("second[a.mid]",), "first": ("first[a.in]",)}


def test_a_foreach_over_nothing_has_no_instances(wired: Wired) -> None:
    assert wired.expand(CC).tasks == {"cc": ()}


def test_a_matrix_and_files_together(wired: Wired) -> None:
    wired.write("a.c")
    text = """
    [tasks.cc]
    matrix = { opt = ["0", "2"] }
    foreach = { src = "*.c" }
    outputs = ["{{ opt }}/{{ src.stem }}.o"]
    cmd = "true"
    """
    nodes = wired.expand(text).nodes
    assert list(nodes) == ["cc[opt=0,a.c]", "cc[opt=2,a.c]"]
    assert [pattern.path for pattern in nodes["cc[opt=2,a.c]"].outputs or ()] == ["2/a.o"]


def test_files_of_an_included_orchfile_are_named_from_its_folder(wired: Wired) -> None:
    wired.write("web/src/a.c")
    wired.write("web/Orchfile.toml", "version = 1\n" + CC)
    expansion = wired.expand('[includes]\nweb = "web/Orchfile.toml"\n')
    (node,) = expansion.nodes.values()
    assert (node.id, node.task, node.file) == ("web:cc[src/a.c]", "web:cc", "web/Orchfile.toml")
    assert [pattern.path for pattern in node.outputs or ()] == ["web/obj/a.o"]


def test_a_milestone_needs_each_node_once(wired: Wired) -> None:
    wired.write("src/a.c")
    wired.write("src/b.c")
    expansion = wired.expand(CC + '[milestones.all]\ndesc = "d"\nneeds = ["cc[src/b.c]", "cc"]\n')
    assert expansion.milestones["all"].needs == ("cc[src/b.c]", "cc[src/a.c]")
    assert expansion.milestones["all"].desc == "d"


def test_an_unknown_name_in_a_milestone(wired: Wired) -> None:
    (problem,) = wired.problems(CC + '[milestones.all]\nneeds = ["ccc"]\n')
    assert (problem.sentence, problem.hint) == ("no task or milestone is named ccc", "did you mean cc?")


def test_too_many_combinations_are_a_problem(wired: Wired) -> None:
    axis = ", ".join(f'"{number}"' for number in range(130))
    text = f"[tasks.a]\ncmd = 'true'\n[tasks.a.matrix]\nx = [{axis}]\ny = [{axis}]\nz = [{axis}]\n"
    assert wired.sentences(text) == ["the matrix has more than 2,000,000 combinations"]
