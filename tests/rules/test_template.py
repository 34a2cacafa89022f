"""Templates are filled exactly: what a process sees is the value, whatever it holds."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch.graph.task import Command, Slot
from orch.rules.fill import TemplateError, fill, text
from orch.rules.path import PathValue, relative
from orch.rules.template import bind, bind_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.rules.template import Value

VALUES: dict[str, Value] = {
    "vars.x": "it's {{ a }}",
    "vars.list": ["a b", "c"],
    "vars.one": ["a b"],
    "py": "3.12",
    "src": PathValue("src/lib/main.tar.gz"),
}
SHELL = ("sh", "-eu", "-c")


def plain(source: str, cwd: str = ".") -> tuple[str | Slot, ...]:
    return bind(source, VALUES, cwd=cwd, quote=False)


def script(source: str) -> tuple[str | Slot, ...]:
    return bind(source, VALUES, cwd=".", quote=True)


def no_file(slot: str, items: Sequence[str]) -> str:
    raise AssertionError((slot, items))


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("", ()),
        ("no name }}", ("no name }}",)),
        ("{{ vars.x }}", ("it's {{ a }}",)),
        ("a{{py}}b{{  py|raw  }}", ("a3.12b3.12",)),
        ('{{ "{{" }} x }}', ("{{ x }}",)),
        ("{{ src.name }} {{ src.stem }} {{ src.ext }}", ("main.tar.gz main.tar .gz",)),
        ("x{{ inputs }}", ("x", Slot("inputs"))),
        ("{{ inputs | file }}{{ args|raw }}", (Slot("inputs", "file"), Slot("args", "raw"))),
        ("{{ vars.one }}", ("a b",)),
    ],
)
def test_bind_plain(source: str, result: tuple[str | Slot, ...]) -> None:
    assert plain(source) == result


def test_paths_are_named_as_the_process_sees_them() -> None:
    assert plain("{{ src }} {{ src.dir }}", "src/gen") == ("../lib/main.tar.gz ../lib",)
    assert plain("{{ src }} {{ src.dir }}", "src/lib") == ("main.tar.gz .",)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a.c", ("a.c", "a", ".c", ".")),
        ("x/.bashrc", (".bashrc", ".bashrc", "", "x")),
        ("x/..a.b", ("..a.b", "..a", ".b", "x")),
        ("x/..a", ("..a", "..a", "", "x")),
        ("x/make", ("make", "make", "", "x")),
        ("/a", ("a", "a", "", "/")),
        ("../a.", ("a.", "a", ".", "..")),
    ],
)
def test_the_parts_of_a_path(path: str, parts: tuple[str, str, str, str]) -> None:
    value = PathValue(path)
    assert (value.name, value.stem, value.ext, value.dir.path) == parts
    assert (value.stem, value.ext) == os.path.splitext(value.name)


folder_names = (
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map("/".join).map(lambda path: path or ".")
)


@settings(deadline=None)
@given(folder_names, folder_names)
def test_relative_is_that_of_the_standard_library(path: str, cwd: str) -> None:
    assert relative(path, cwd) == os.path.relpath(f"/r/{path}", f"/r/{cwd}")
    assert relative(f"../{path}", cwd) == os.path.relpath(f"/r/../{path}", f"/r/{cwd}") or path == "."


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("echo {{ vars.x }}", ("echo 'it'\"'\"'s {{ a }}'",)),
        ("echo {{ vars.list }} {{ vars.list | raw }}", ("echo 'a b' c a b c",)),
        ("echo '{{ py | raw }}' {{ py }}", ("echo '3.12' 3.12",)),
        ("cat {{ inputs }} > {{ outputs }}", ("cat ", Slot("inputs"), " > ", Slot("outputs"))),
        ("echo '{{ args | raw }}'", ("echo '", Slot("args", "raw"), "'")),
    ],
)
def test_bind_script(source: str, result: tuple[str | Slot, ...]) -> None:
    assert script(source) == result


@pytest.mark.parametrize(
    ("source", "offset", "message"),
    [
        ("a {{ srx.stem }}", 2, "unknown name 'srx.stem'; did you mean 'src.stem'?"),
        ("{{ src.size }}", 0, "unknown name 'src.size'"),
        ("{{ zzzz }}", 0, "unknown name 'zzzz'"),
        ("{{ input }}", 0, "did you mean 'inputs'?"),
        ("{{ py | upper }}", 0, "unknown filter 'upper'; there are raw and file"),
        ("{{ py | file }}", 0, "the filter 'file' is for inputs, outputs"),
        ("x {{ py", 2, "a '{{' is not closed by '}}'"),
        ("{{ a b }}", 0, "a literal '{{' is written {{ \"{{\" }}"),
        ("{{.Names}}x", 0, "unknown name '.Names'"),
        ("{{}}", 0, "needs a name"),
        ("{{{ py }}", 0, "needs a name"),
        ("-I{{ vars.list }}", 2, "{{ vars.list }} holds 2 items where one is needed"),
    ],
)
def test_wrong_templates(source: str, offset: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        plain(source)
    assert message in str(caught.value)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    "source", ["echo '{{ py }}'", 'echo "{{ inputs }}"', "{{ vars.list | raw }} '{{ py }}'"]
)
def test_a_template_in_quotes_is_refused(source: str) -> None:
    with pytest.raises(TemplateError, match="is already quoted by orch; remove the quotes"):
        script(source)
    plain(source.replace("vars.list", "py"))


def test_a_raw_value_counts_as_script() -> None:
    values: dict[str, Value] = {"open": "echo '", "x": "a"}
    with pytest.raises(TemplateError, match="already quoted"):
        bind("{{ open | raw }} {{ x }}'", values, cwd=".", quote=True)


def test_nul_is_refused() -> None:
    for quote in (True, False):
        with pytest.raises(TemplateError, match="the value of x holds a NUL byte"):
            bind("{{ x }}", {"x": "a\0b"}, cwd=".", quote=quote)
    with pytest.raises(TemplateError, match="the command holds a NUL byte"):
        fill(Command((), ((Slot("args"),),)), {"args": ["\0"]}, no_file)


def test_an_item_that_is_a_list_becomes_many() -> None:
    assert bind_item("{{ vars.list }}", VALUES, cwd=".") == [("a b",), ("c",)]
    assert bind_item("{{ inputs }}", VALUES, cwd=".") == [(Slot("inputs"),)]
    assert bind_item("-x{{ py }}", VALUES, cwd=".") == [("-x3.12",)]
    assert bind_item("{{ x }}", {"x": []}, cwd=".") == []


def test_fill_an_argv() -> None:
    command = Command(
        (), (("cc",), (Slot("inputs"),), ("-o", Slot("outputs")), ("@", Slot("inputs", "file")))
    )
    written: list[tuple[str, list[str]]] = []

    def write(slot: str, items: Sequence[str]) -> str:
        written.append((slot, list(items)))
        return "the file"

    slots = {"inputs": ["a b", "-rf"], "outputs": ["x"]}
    assert fill(command, slots, write) == ["cc", "a b", "-rf", "-ox", "@the file"]
    assert written == [("inputs", ["a b", "-rf"])]
    assert fill(command, {"inputs": [], "outputs": ["x"]}, write)[:2] == ["cc", "-ox"]
    with pytest.raises(TemplateError, match=r"outputs \}\} holds 2 items where one is needed"):
        fill(command, {"inputs": [], "outputs": ["x", "y"]}, write)


def test_fill_a_script() -> None:
    word = ("cat ", Slot("inputs"), "; ", Slot("args", "raw"), " @", Slot("inputs", "file"))
    slots = {"inputs": ["a b", "c"], "args": ["$x", "y"]}
    filled = fill(Command(SHELL, (word,)), slots, lambda slot, items: "the file")
    assert filled == [*SHELL, "cat 'a b' c; $x y @'the file'"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["{", "}", "a", " ", Slot("inputs"), Slot("args", "raw")]), max_size=8))
def test_the_text_of_a_template_is_its_own(parts: list[str | Slot]) -> None:
    template: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and template and isinstance(template[-1], str):
            template[-1] += part
        else:
            template.append(part)
    shown = text(tuple(template))
    if "{{{" not in shown:
        assert bind(shown, {}, cwd=".", quote=False) == tuple(template)


hostile = st.binary(max_size=12).map(lambda name: os.fsdecode(name.replace(b"\0", b"")))
PRINT = "printf '%s\\0' "


@settings(deadline=None, max_examples=40)
@given(st.lists(hostile, min_size=1, max_size=6))
@example(
    ["\n", "'", '"', "-rf", "$(x)", "`x`", "*", "~", "\udcff", "", " ", "\\", "a=b", "#", "${HOME}", "!"]
)
def test_the_shell_sees_exactly_the_values(values: list[str]) -> None:
    bound = bind(PRINT + "{{ x }} {{ inputs }}", {"x": values}, cwd=".", quote=True)
    argv = fill(Command(SHELL, (bound,)), {"inputs": values}, no_file)
    done = subprocess.run(argv, capture_output=True, check=True)
    assert [os.fsdecode(item) for item in done.stdout.split(b"\0")[:-1]] == values * 2


ALLOWED_PLACES = [
    PRINT + "a{{ x }}b",
    "(" + PRINT + "{{ x }})",
    "true \"a'b\" 'c\"d' \\' # it's\n" + PRINT + "{{ x }}",
    "cat <<E >/dev/null\nit's\nE\n" + PRINT + "{{ x }}",
    'printf "%s" "$(' + "true '\"'" + ')"; ' + PRINT + "{{ x }}",
    "case a in a) " + PRINT + "{{ x }};; esac",
]


@pytest.mark.parametrize("source", ALLOWED_PLACES)
@pytest.mark.parametrize("value", ["$(echo bad)", "a'; echo bad; '", "\n", '"`echo bad`"', "\\"])
def test_wherever_a_template_may_stand(source: str, value: str) -> None:
    bound = bind(source, {"x": value}, cwd=".", quote=True)
    done = subprocess.run(fill(Command(SHELL, (bound,)), {}, no_file), capture_output=True, check=True)
    assert done.stdout.decode().removesuffix("\0") == (f"a{value}b" if "a{{" in source else value)
