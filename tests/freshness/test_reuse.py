"""What an earlier run made is restored, not made again: exact counts of commands (design R1 to R3, F2).

`rebuild` says which nodes were not fresh; `project.ran()`, which of them had to run.
"""

from __future__ import annotations

import os
import stat
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.freshness.conftest import Rebuild

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Project

CHAIN = """
    version = 1
    [tasks.mid]
    inputs = ["a"]
    outputs = ["mid"]
    cmd = "@count mid@; echo making mid; grep -v '^#' a > mid"
    [tasks.out]
    inputs = ["mid"]
    outputs = ["out"]
    cmd = "@count out@; cp mid out"
    [tasks.check]
    inputs = ["out"]
    outputs = []
    cmd = "@count check@; test -s out; echo all is well"
    """

ONE = """
    version = 1
    [tasks.make]
    inputs = ["a"]
    outputs = ["out"]
    cmd = "@count make@; cp a out"
    """


def inside(text: str, line: str) -> str:
    """An Orchfile of one task, with a line more in it."""
    return textwrap.dedent(text).rstrip() + "\n" + line + "\n"


def test_there_and_back_runs_nothing(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """A -> B -> A: the third build restores what the first one made, a check too."""
    made(CHAIN, {"a": "1\n"})
    project.write("a", "2\n")
    assert rebuild() == {"mid", "out", "check"}
    assert rebuild.restored == set()
    rebuild.arm()
    for text in ("1\n", "2\n", "1\n"):
        project.write("a", text)
        assert rebuild() == rebuild.restored == {"mid", "out", "check"}
        assert project.read("out") == text


def test_the_first_step_cuts_off(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """What is restored with the same bytes leaves all behind it fresh."""
    made(CHAIN, {"a": "1\n"})
    project.write("a", "#\n1\n")
    assert rebuild() == {"mid"}
    project.write("a", "1\n")
    assert rebuild() == rebuild.restored == {"mid"}


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.remove("out"),
        lambda project: project.write("out", "edited"),
        lambda project: (project.root / "out").chmod(0o755),
        lambda project: (project.remove("out"), (project.root / "out").mkdir()),
        lambda project: (project.remove("out"), (project.root / "out").symlink_to("a")),
        lambda project: [project.remove("out"), os.mkfifo(project.root / "out")],  # type: ignore[func-returns-value]
    ],
    ids=["deleted", "edited", "chmod", "folder", "link", "fifo"],
)
def test_a_changed_output_is_restored(
    project: Project, rebuild: Rebuild, made: Callable[..., None], change: Callable[[Project], object]
) -> None:
    made(ONE, {"a": "1"})
    change(project)
    assert rebuild() == rebuild.restored == {"make"}
    assert project.read("out") == "1"
    assert not (project.root / "out").is_symlink()
    assert not os.access(project.root / "out", os.X_OK)


def test_what_was_edited_is_moved_and_named(project: Project, made: Callable[..., None]) -> None:
    """A stranger at an output's path is the user's, as before a run (X1)."""
    made(CHAIN, {"a": "1\n"})
    project.write("out", "precious")
    said = project.build().err
    moved = next(word for word in said.split() if word.startswith(".orch/trash/"))
    assert project.read(moved) == "precious"
    assert "1 restored, 2 fresh" in said


def test_a_record_that_is_lost(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """The outputs are there as they should be: they are left alone, and nothing runs."""
    made(CHAIN, {"a": "1\n"})
    before = os.lstat(project.root / "out")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (project.root / ".orch" / name).unlink(missing_ok=True)
    assert rebuild() == rebuild.restored == {"mid", "out", "check"}
    after = os.lstat(project.root / "out")
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_only_what_differs_is_written(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    """Equal members keep inode and time, the others are as young as the restore."""
    made(
        """
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["dist/"]
        cmd = "@count make@; mkdir dist; cp a dist/a; echo same > dist/same"
        """,
        {"a": "1"},
    )
    project.write("a", "2")
    project.build()
    assert project.ran() == {"make": 1}
    os.utime(project.root / "dist/same", ns=(1, 1))
    before = os.lstat(project.root / "dist/same")
    written = os.lstat(project.root / "dist/a").st_mtime_ns
    project.write("a", "1")
    assert rebuild() == rebuild.restored == {"make"}
    after = os.lstat(project.root / "dist/same")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 1)
    assert os.lstat(project.root / "dist/a").st_mtime_ns > written


def test_a_member_that_was_not_made_then_goes(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A tree is as it was: without files, folders and links that were made since."""
    made(
        """
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["dist/", "?extra"]
        cmd = '''
        @count make@
        mkdir dist
        for name in $(cat a); do mkdir -p dist/$name/e; echo $name > dist/$name/f; ln -s f dist/$name/l; done
        if grep -q two a; then : > extra; fi
        '''
        """,
        {"a": "one"},
    )
    before = project.files()
    project.write("a", "two three")
    assert rebuild() == {"make"}
    project.write("dist/three/stranger", "mine")
    project.write("a", "one")
    assert rebuild() == rebuild.restored == {"make"}
    assert project.files() == before
    assert not project.exists("dist/two")
    trash = [folder for folder, _, names in os.walk(project.root / ".orch/trash") if "stranger" in names]
    assert len(trash) == 1


def test_a_header_that_is_switched_back(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """Two levels: the set of discovered paths changes with the input, and each set leads to its result."""
    made(
        """
        version = 1
        [tasks.cc]
        inputs = ["main"]
        outputs = ["main.o"]
        cmd = '''
        @count cc@
        cat main $(cat main) > main.o
        echo main.o: $(cat main) > $ORCH_DEPFILE
        '''
        """,
        {"main": "a.h", "a.h": "1", "b.h": "2"},
    )
    project.write("a.h", "3")
    assert (rebuild(), rebuild.restored) == ({"cc"}, set())
    project.write("a.h", "1")
    assert rebuild() == rebuild.restored == {"cc"}
    project.write("main", "b.h")
    assert (rebuild(), rebuild.restored) == ({"cc"}, set())
    project.write("main", "a.h")
    assert rebuild() == rebuild.restored == {"cc"}
    assert project.read("main.o") == "a.h1"
    project.write("b.h", "4")  # is no input now
    assert rebuild() == set()
    project.write("a.h", "3")
    project.write("main", "b.h")
    assert (rebuild(), rebuild.restored) == ({"cc"}, set())
    project.write("b.h", "2")
    assert rebuild() == rebuild.restored == {"cc"}
    assert project.read("main.o") == "b.h2"


def test_the_same_declared_key_with_other_discoveries(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """What a header includes is another header's business: the sets differ though no declared input does."""
    made(
        """
        version = 1
        [tasks.cc]
        inputs = ["main"]
        outputs = ["main.o"]
        cmd = '''
        @count cc@
        cat a.h $(cat a.h) > main.o
        echo main.o: a.h $(cat a.h) > $ORCH_DEPFILE
        '''
        """,
        {"main": "", "a.h": "b.h", "b.h": "2", "c.h": "3"},
    )
    project.write("a.h", "c.h")
    assert (rebuild(), rebuild.restored) == ({"cc"}, set())
    project.write("a.h", "b.h")
    assert rebuild() == rebuild.restored == {"cc"}
    assert project.read("main.o") == "b.h2"
    project.write("b.h", "5")
    assert (rebuild(), rebuild.restored) == ({"cc"}, set())
    project.write("a.h", "c.h")
    assert rebuild() == rebuild.restored == {"cc"}


def test_a_renamed_task_keeps_its_result(
    project: Project, rebuild: Rebuild, made: Callable[..., None]
) -> None:
    """A name is in no key."""
    made(ONE, {"a": "1"})
    project.edit("Orchfile.toml", "[tasks.make]", "[tasks.other]")
    states = rebuild.foretell()
    assert states == {"other": "stale"}
    assert rebuild() == rebuild.restored == {"other"}


def test_an_incremental_task(project: Project, rebuild: Rebuild, made: Callable[..., None]) -> None:
    made(inside(ONE, "incremental = true"), {"a": "1"})
    project.write("a", "2")
    assert (rebuild(), rebuild.restored) == ({"make"}, set())
    project.write("a", "1")
    assert rebuild() == rebuild.restored == {"make"}
    assert project.read("out") == "1"


# -- what is not kept -------------------------------------------------------------------------------

MARKED = """
    version = 1
    [tasks.make]
    inputs = ["a"]
    outputs = ["out"]
    cmd = "@count make@; cp a out; test ! -e bad"
    """


def there_and_back(project: Project, *args: str, **env: str) -> dict[str, int]:
    """What runs when `a` is changed back to what it was in the last build."""
    text = project.read("a")
    project.write("a", f"{text}, changed")
    project.build(*args, **env)
    project.ran()
    project.write("a", text)
    project.build(*args, **env)
    return project.ran()


@pytest.mark.parametrize(
    ("line", "args", "runs"),
    [
        ("", (), {}),
        ("cache = true", (), {}),
        ('cache = "local"', (), {}),
        ("cache = false", (), {"make": 1}),
        ("always = true", (), {"make": 1}),
        ("interactive = true", (), {"make": 1}),
        ("", ("--profile", "on"), {}),
        ("", ("--profile", "local"), {}),
        ("", ("--profile", "off"), {"make": 1}),
        ("cache = true", ("--profile", "off"), {"make": 1}),
        ("cache = false", ("--profile", "on"), {}),
        ("cache = false", ("--profile", "none"), {"make": 1}),
    ],
)
def test_what_the_orchfile_says(project: Project, line: str, args: tuple[str, ...], runs: object) -> None:
    """`cache` of the task, and of the profile before it; what has no key of its own is never kept."""
    profiles = "\n".join(
        f"[profiles.{name}]\n{text}"
        for name, text in (
            ("on", "cache = true"),
            ("off", "cache = false"),
            ("local", 'cache = "local"'),
            ("none", "jobs = 2"),
        )
    )
    project.orchfile(inside(ONE, line) + profiles)
    project.write("a", "1")
    project.build("make", *args)
    assert there_and_back(project, "make", *args) == runs


@pytest.mark.parametrize(
    ("line", "args", "is_shared", "runs"),
    [
        ("", (), False, {"make": 1}),
        ("", (), True, {"make": 1}),
        ("cache = true", (), False, {}),
        ('cache = "local"', (), True, {"make": 1}),
        ("cache = true", (), True, {}),
        ("", ("--profile", "on"), True, {"make": 1}),
        ("cache = true", ("--profile", "on"), True, {}),
    ],
)
def test_a_task_with_secrets(
    project: Project, line: str, args: tuple[str, ...], is_shared: bool, runs: object
) -> None:
    """It might print or write what nobody may see: it is kept only where the task says so."""
    project.orchfile(inside(ONE, f'secrets = ["TOKEN"]\n{line}') + "[profiles.on]\ncache = true\n")
    env = {"TOKEN": "hush-hush", **({"ORCH_CACHE_DIR": str(project.home / "shared")} if is_shared else {})}
    project.write("a", "1")
    project.build(*args, **env)
    assert there_and_back(project, *args, **env) == runs


def test_a_failure_is_not_kept(project: Project) -> None:
    """Nor does what it made count when the same key is asked for again."""
    project.orchfile(MARKED)
    project.write("a", "1")
    project.write("bad", "")
    project.run("build", expect=1)
    project.remove("bad")
    project.build()
    assert project.ran() == {"make": 2}


def test_a_late_success_is_kept(project: Project) -> None:
    """A flaky task did succeed, and the restored record still says how."""
    project.orchfile(
        """
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["out"]
        retries = 1
        cmd = "@count make@; cp a out; test -e tried || { : > tried; exit 1; }"
        """
    )
    project.write("a", "1")
    project.build()
    assert project.ran() == {"make": 2}
    assert there_and_back(project) == {}


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("kill -9 $$", ""),
        ("sleep 60", 'timeout = "200ms"\ngrace = "100ms"'),
        ("rm out", ""),
        ("rm out; mkdir out", ""),
        ("rm out; mkfifo out", ""),
        ("echo more >> a", ""),
    ],
    ids=["killed", "timeout", "no-output", "folder", "fifo", "changed-input"],
)
def test_an_attempt_that_does_not_count_is_not_kept(project: Project, command: str, line: str) -> None:
    project.orchfile(
        f"""
        version = 1
        [tasks.make]
        inputs = ["a"]
        outputs = ["out"]
        cmd = "@count make@; cp a out; if test -e bad; then {command}; fi"
        {line}
        """
    )
    project.write("a", "1")
    project.write("bad", "")
    project.run("build", expect=1)
    project.remove("bad")
    project.write("a", "1")
    project.build()
    assert project.ran() == {"make": 2}
    assert project.read("out") == "1"


def test_a_run_with_arguments(project: Project) -> None:
    """It is neither kept nor restored."""
    project.orchfile(ONE.replace("cp a out", "cp a out; echo {{ args }} >> out"))
    project.write("a", "1\n")
    project.build("make")
    for _ in range(2):
        project.build("make", "--", "x")
        assert project.read("out") == "1\nx\n"
    assert project.ran() == {"make": 3}
    project.build("make")
    assert project.ran() == {}
    assert project.read("out") == "1\n\n"


def test_a_result_that_is_too_large(project: Project) -> None:
    """It is said once in a run, and names the first such node."""
    project.orchfile(
        """
        version = 1
        [cache]
        max_entry = "100KiB"
        [tasks.make]
        foreach = { file = "in/*" }
        inputs = ["{{ file }}"]
        outputs = ["out/{{ file.name }}"]
        cmd = "@count {{ file.name }}@; cp {{ inputs }} {{ outputs }}"
        """
    )
    for name, size in (("big", 100_000), ("fits", 90_000), ("small", 1)):
        project.write(f"in/{name}", "x" * size)
    project.write("in/big", "x" * 102_401)
    project.write("in/bigger", "x" * 200_000)
    said = project.build("-j1").err
    assert said.count("is not kept") == 1
    assert "make[in/big] made is not kept for another time: it has 100.0 KiB" in said
    project.ran()
    project.remove("out")
    project.build()
    assert project.ran() == {"big": 1, "bigger": 1}


# -- force and failure ------------------------------------------------------------------------------


def test_force_runs_and_replaces(project: Project) -> None:
    """A result that came out wrong is gone for good."""
    project.orchfile(ONE.replace("cp a out", "cat a undeclared > out"))
    project.write("a", "1")
    project.write("undeclared", "wrong")
    project.build()
    project.write("undeclared", "right")
    project.build("--force")
    assert project.ran() == {"make": 2}
    project.remove("out")
    project.build()
    assert project.ran() == {}
    assert project.read("out") == "1right"


@pytest.mark.parametrize("is_discovering", [False, True])
def test_a_forced_failure_hides_the_result(project: Project, is_discovering: bool) -> None:
    """Until it succeeds again: what fails now is not to be taken from the past (F2)."""
    discover = "echo out: h > $ORCH_DEPFILE; " if is_discovering else ""
    project.orchfile(MARKED.replace("cp a out", f"{discover}cp a out"))
    project.write("a", "1")
    project.write("h", "1")
    project.build()
    project.write("bad", "")
    project.run("build", "--force", expect=1)
    project.run("build", expect=1)
    assert project.ran() == {"make": 3}
    project.remove("bad")
    project.build()
    assert project.ran() == {"make": 1}
    project.remove("out")
    project.build()
    assert project.ran() == {}


def test_a_hidden_result_stays_hidden_when_the_input_went_and_came(project: Project) -> None:
    project.orchfile(MARKED)
    project.write("a", "1")
    project.build()
    project.write("bad", "")
    project.run("build", "--force", expect=1)
    project.remove("bad")
    assert there_and_back(project) == {"make": 1}


# -- what is said -----------------------------------------------------------------------------------


def test_the_log_is_replayed(project: Project, made: Callable[..., None]) -> None:
    """What the task printed is shown, kept as this run's log, and marked; `why` and `log` say from where."""
    made(CHAIN, {"a": "1\n"})
    origin = project.json("why", "mid")["last_run"]
    project.write("a", "2\n")
    project.build()
    project.write("a", "1\n")
    done = project.build("-j1")
    assert done.out == "making mid\nall is well\n"
    lines = done.err.splitlines()
    assert lines[:3] == ["[1/3] mid: restored", "[2/3] out: restored", "[3/3] check: restored"]
    assert lines[3].startswith("orch: 3 restored in ")
    assert project.run("log", "mid", expect=0).out == "making mid\n"
    why = project.json("why", "mid")
    assert why["restored_from"] == project.json("log", "mid")["restored_from"] == origin
    assert why["last_run"] == why["last_good_run"] != origin
    assert f"restored from the cache by run {why['last_run']}; made by run {origin}" in (
        project.run("why", "mid").out
    )
    project.write("a", "2\n")
    assert f"mid: restored (made by run {origin}" not in project.build("-v").err
    project.write("a", "1\n")
    assert f"mid: restored (made by run {origin})" in project.build("-v").err


def test_the_events_of_a_restore(project: Project, made: Callable[..., None]) -> None:
    made(CHAIN, {"a": "1\n"})
    origin = project.json("why", "mid")["last_run"]
    project.remove("mid")
    events = project.json("build")
    restored = next(one for one in events if one["type"] == "node_restored")
    assert (restored["node"], restored["from_run"], restored["log_bytes"]) == ("mid", origin, 11)
    with open(restored["log"]) as log:
        assert log.read() == "making mid\n"
    counts = events[-1]["counts"]
    assert (counts["ran"], counts["restored"], counts["fresh"]) == (0, 1, 2)


def test_the_summary_names_what_there_was(project: Project, made: Callable[..., None]) -> None:
    made(
        """
        version = 1
        [tasks.make]
        foreach = { file = "in/*" }
        inputs = ["{{ file }}"]
        outputs = ["out/{{ file.name }}"]
        cmd = "@count {{ file.name }}@; cp {{ inputs }} {{ outputs }}"
        """,
        {"in/a": "1", "in/b": "1", "in/c": "1"},
    )
    project.remove("out/a")
    project.write("in/b", "2")
    assert "orch: 1 ran, 1 restored, 1 fresh in " in project.build().err


# -- strange outputs --------------------------------------------------------------------------------

STRANGE = r"""
import os, sys
open(sys.argv[1], "a").write("make\n")
os.makedirs(b"dist/empty/deeper")
def write(name, data=b"", mode=0o644):
    with open(b"dist/" + name, "wb") as file:
        file.write(data)
    os.chmod(b"dist/" + name, mode)
write(b"nothing")
write(b"program", b"#!/bin/sh\n", 0o755)
write(b"private", b"mine", 0o600)
write(b"readable", b"all", 0o444)
write(b"group", b"ours", 0o664)
write(b"new\nline", b"1")
write(b"not utf-8 \xff\xfe", b"2")
write(b"- *?[a]{b} ' \"", b"3")
write(b"large", os.urandom(300_000))
with open("dist/sparse", "wb") as file:
    file.truncate(3 << 20)
os.symlink("nowhere", "dist/dangling")
os.symlink(b"../\xff\n", b"dist/dangling too")
os.symlink("program", "dist/link")
os.symlink("empty", "dist/to a folder")
os.mkdir("dist/locked")
open("dist/locked/file", "w").close()
os.chmod("dist/locked", 0o711)
os.chmod("dist/empty", 0o700)
"""


def portrait(folder: str) -> dict[bytes, tuple[int, bytes]]:
    """Mode and content of all that lies below a folder, and of itself."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for place, folders, names in os.walk(os.fsencode(folder)):
        found[place] = (os.lstat(place).st_mode, b"")
        for name in (*folders, *names):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                found[path] = (mode, os.readlink(path))
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    found[path] = (mode, file.read())
    return found


def test_strange_outputs_come_back_as_they_were(project: Project) -> None:
    project.write("make.py", STRANGE)
    project.orchfile(
        f"""
        version = 1
        [tasks.make]
        inputs = ["make.py"]
        outputs = ["dist/"]
        cmd = ["python3", "make.py", "{project.home}/count"]
        """
    )
    project.build()
    before = portrait(str(project.root / "dist"))
    assert len(before) > 15
    project.remove("dist")
    project.build()
    assert portrait(str(project.root / "dist")) == before
    (project.root / "dist/private").chmod(0o644)
    project.remove("dist/nothing")
    project.build()
    assert portrait(str(project.root / "dist")) == before
    assert (project.home / "count").read_text() == "make\n"


def test_a_tree_of_many_files(project: Project) -> None:
    project.orchfile(
        """
        version = 1
        [tasks.make]
        outputs = ["dist/"]
        cmd = '''
        @count make@
        python3 - <<'end'
        import os
        for i in range(10_000):
            if i % 100 == 0:
                os.makedirs(f"dist/{i // 100}")
            with open(f"dist/{i // 100}/{i}", "w") as file:
                file.write(str(i % 7))
        end
        '''
        """
    )
    project.build()
    before = portrait(str(project.root / "dist"))
    project.remove("dist")
    said = project.build().err
    assert "1 restored" in said
    assert project.ran() == {"make": 1}
    assert portrait(str(project.root / "dist")) == before
    assert "fresh" in project.build().err
