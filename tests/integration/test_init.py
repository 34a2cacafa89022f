"""`orch init`: what it writes builds, and a second build runs nothing, whatever is in the folder."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

MAIN = '#include "add.h"\nint main(void) { return add(1, -1); }\n'
C = {
    "include/add.h": "int add(int a, int b);\n",
    "src/add.c": '#include "add.h"\nint add(int a, int b) { return a + b; }\n',
}
MAKEFILE = """\
CFLAGS = -O1
.PHONY: all check clean
all: app app.txt
app: main.c \\
     other.c
	cc $(CFLAGS) -o $@ main.c other.c
app.txt: app; ./app > $@
check: all
	test "$$(cat app.txt)" = 1
%.o: %.c
	false
clean:
	false
"""
PACKAGE = json.dumps(
    {
        "name": "x",
        "version": "1.0.0",
        "scripts": {
            "build": "mkdir -p dist && cp index.js dist/x.js",
            "test:unit": "node index.js",
            "start": "false",
            "prebuild": "true",
            "test": 'echo "Error: no test specified" && exit 1',
        },
    }
)
FOLDERS: dict[str, tuple[str, dict[str, str], set[str], list[str]]] = {
    # what it is: (program it takes, files, tasks, what is made)
    "nothing": ("sh", {}, {"greeting", "shout"}, ["build/shout.txt"]),
    "unknown files": ("sh", {"notes.txt": "x"}, {"greeting", "shout"}, ["build/shout.txt"]),
    "C": ("cc", C | {"src/main.c": MAIN}, {"object", "project"}, ["build/bin/project"]),
    "C in one folder": (
        "cc",
        {"add.h": C["include/add.h"], "add.c": C["src/add.c"], "prog.c": MAIN},
        {"object", "prog"},
        ["build/bin/prog"],
    ),
    "C library": ("cc", C, {"object", "library"}, ["build/libproject.a"]),
    "C, two programs": (
        "cc",
        C | {"src/one.c": MAIN, "tests/two.c": MAIN},
        {"object", "one", "two"},
        ["build/bin/one", "build/bin/two"],
    ),
    "Python": (
        "python3",
        {
            "pyproject.toml": '[project]\nname = "x"\n',
            "src/x/__init__.py": "one = 1\n",
            "tests/test_x.py": "import unittest\nimport x\n"
            "class T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(x.one, 1)\n",
        },
        {"compile", "test"},
        [],
    ),
    "Python scripts": ("python3", {"a.py": "print(1)\n"}, {"compile"}, []),
    "Node": ("npm", {"package.json": PACKAGE, "index.js": "1\n"}, {"build", "test-unit"}, ["dist/x.js"]),
    "Make": (
        "make",
        {
            "Makefile": MAKEFILE,
            "main.c": 'int puts(const char *);\nint main(void) { puts("1"); return 0; }\n',
            "other.c": "int other(void) { return 0; }\n",
        },
        {"all", "check"},
        ["app", "app.txt"],
    ),
    "Make and Python": (
        "make",
        {"Makefile": "out.txt: in.txt\n\tcp in.txt out.txt\n", "in.txt": "1", "setup.py": "1\n"},
        {"make-out.txt", "python-compile"},
        ["out.txt"],
    ),
}


@pytest.fixture(params=FOLDERS)
def started(
    request: pytest.FixtureRequest, project: Project, need: Callable[[str], str]
) -> tuple[Project, str]:
    """A folder of each kind, not yet initialised."""
    program, files, _, _ = FOLDERS[request.param]
    need(program)
    for path, text in files.items():
        project.write(path, text)
    return project, request.param


def test_what_it_writes_builds_and_then_has_nothing_to_do(started: tuple[Project, str]) -> None:
    project, kind = started
    _, files, tasks, made = FOLDERS[kind]
    project.run("init", expect=0)
    assert set(tomllib.loads(project.read("Orchfile.toml"))["tasks"]) == tasks
    project.build()
    assert all(project.exists(path) for path in made)
    assert "fresh" in project.build().err
    assert project.json("status", "--exit-code")["counts"]["stale"] == 0
    assert project.json("check") == [] or tasks == {"greeting", "shout"}  # a file made from nothing
    for path in files:  # nothing moved, nothing rewritten
        assert project.read(path) == files[path]


def test_what_it_made_is_made_again(started: tuple[Project, str]) -> None:
    project, kind = started
    *_, made = FOLDERS[kind]
    project.run("init", expect=0)
    project.build("-j2")
    for path in made if kind != "Node" else []:  # what a script makes is for the user to declare
        project.remove(path)
        project.build()
        assert project.exists(path), path


def test_an_edited_file_is_seen(project: Project, need: Callable[[str], str]) -> None:
    need("cc")
    for path, text in (C | {"src/main.c": MAIN}).items():
        project.write(path, text)
    project.run("init", expect=0)
    project.build()
    project.edit("include/add.h", "int b", "int c")
    assert len(project.json("build")) > 2
    project.write("src/new.c", "int new;\n")
    project.build()
    assert project.exists("build/obj/src/new.o")


def test_json_says_what_was_found(project: Project) -> None:
    project.write("a.py", "1\n")
    assert project.json("init") == {"file": "Orchfile.toml", "found": ["Python"], "tasks": ["compile"]}
    assert project.json("init", "-f", "other.toml")["file"] == "other.toml"
    project.run("build", "-f", "other.toml", expect=0)


def test_an_orchfile_is_never_overwritten(project: Project) -> None:
    project.write("Orchfile.toml", "mine")
    refused = project.run("init", expect=2)
    assert refused.err.startswith("orch: error: Orchfile.toml is already there\n")
    assert project.read("Orchfile.toml") == "mine"


def test_ignored_files_and_strange_names_do_no_harm(project: Project) -> None:
    for path in ("ignored/a.c", "{{ x }}.py", "a*b/c.py", '"q".py', "!d.py"):
        project.write(path, "1\n")
    project.write(".gitignore", "ignored/\n")
    project.run("init", expect=0)
    assert "ignored" not in project.read("Orchfile.toml")
    project.build()
