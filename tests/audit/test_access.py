"""What lines of strace mean for files: the rooms that need no process. It knows nothing of declarations."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orch.audit.access import follow
from orch.audit.disk import Disk
from orch.audit.draft import drafted
from orch.audit.edit import edited, replace_text
from orch.audit.ground import ground_of
from orch.audit.proposal import Proposal
from orch.audit.trace import in_order, parse_line
from orch.graph.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from orch.audit.access import Access

ROOT = "/w"  # nothing is there: names stay as they are


def followed(*traces: str, before: tuple[str, ...] = ()) -> Access:
    """What the traces of processes 1, 2, ... tell; process 1 began in the root."""
    calls = in_order((pid, os.fsencode(trace)) for pid, trace in enumerate(traces, 1))
    return follow(calls, ROOT, Disk(before, lambda _: False))


def opened(path: str, flags: str, at_s: float) -> str:
    """The line of an open."""
    return f'{at_s} openat(AT_FDCWD</w>, "{path}", {flags}) = 3</w/{path}>'


@pytest.mark.parametrize(
    "line",
    [
        "",
        "+++ exited with 0 +++",
        '1.5 openat(AT_FDCWD</w>, "a", O_RDONLY) = -1 ENOENT (No such file or directory)',
        '1.5 openat(AT_FDCWD</w>, "a", O_RDONLY <unfinished ...>',
        '1.5 openat(AT_FDCWD</w>, "a", O_RDONLY) = ?',
        "strace: something else",
    ],
)
def test_what_tells_of_no_call_is_passed_over(line: str) -> None:
    assert parse_line(1, line.encode()) is None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"a\nb", "a\nb"),
        (r"a\"b\\c", 'a"b\\c'),
        (r"a\3772", "a\udcff2"),
        (r"a\12b\0303", "a\nb\x183"),
        (r"\303\251", "é"),
        (r"x) = 3</w/y>", "x) = 3</w/y>"),
        (r"O_WRONLY, AT_FDCWD</v>", "O_WRONLY, AT_FDCWD</v>"),
    ],
)
def test_names_are_unescaped(written: str, name: str) -> None:
    call = parse_line(1, f'1.5 rename("{written}", "b") = 0'.encode())
    assert call is not None
    assert call.paths == (("", name), ("", "b"))
    access = followed(f'1 openat(AT_FDCWD</w>, "{written}", O_RDONLY) = 3</w/x>')
    assert access.reads == ("/w/x",)


def test_what_was_made_first_is_its_own() -> None:
    made = followed(opened("a", "O_WRONLY|O_CREAT|O_TRUNC, 0666", 2), opened("a", "O_RDONLY", 3))
    assert (made.reads, made.writes, made.altered) == ((), ("/w/a",), frozenset())
    read = followed(opened("a", "O_WRONLY|O_CREAT|O_TRUNC, 0666", 2), opened("a", "O_RDONLY", 1))
    assert (read.reads, read.writes, read.altered) == (("/w/a",), ("/w/a",), frozenset({"/w/a"}))


@pytest.mark.parametrize(
    ("flags", "existed", "reads", "writes", "altered"),
    [
        ("O_RDONLY|O_CLOEXEC", True, True, False, False),
        ("O_RDONLY|O_DIRECTORY", True, False, False, False),
        ("O_PATH", True, False, False, False),
        ("O_RDWR", True, True, True, True),
        ("O_RDWR|O_CREAT, 0666", False, False, True, False),
        ("O_WRONLY|O_APPEND", True, False, True, True),
        ("O_WRONLY|O_CREAT|O_APPEND, 0666", False, False, True, False),
        ("O_WRONLY|O_CREAT|O_TRUNC, 0666", True, False, True, False),
        ("O_RDONLY|O_CREAT, 0666", False, False, True, False),
        ("O_RDONLY|O_CREAT, 0666", True, True, False, False),
    ],
)
def test_flags(flags: str, existed: bool, reads: bool, writes: bool, altered: bool) -> None:
    access = followed(opened("a", flags, 1), before=("/w/a",) * existed)
    assert (bool(access.reads), bool(access.writes), bool(access.altered)) == (reads, writes, altered)


def test_a_child_begins_where_its_parent_stands() -> None:
    access = followed(
        '1 chdir("sub") = 0\n2 clone(child_stack=NULL, flags=SIGCHLD) = 2\n5 chdir("/elsewhere") = 0',
        '3 open("a", O_RDONLY) = 3</w/sub/a>\n4 rename("x", "y") = 0\n6 rename("u", "v") = 0',
    )
    assert access.writes == ("/w/sub/y", "/w/sub/v")


def test_a_thread_stands_where_the_others_stand() -> None:
    access = followed(
        "1 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_THREAD) = 2\n2 fchdir(3</w/sub>) = 0",
        '3 rename("x", "y") = 0',
    )
    assert access.writes == ("/w/sub/y",)


def test_a_folder_that_was_shown_is_where_the_process_stands() -> None:
    access = followed('1 openat(AT_FDCWD</w/sub>, "a", O_RDONLY) = 3</w/sub/a>\n2 symlink("a", "b") = 0')
    assert access.writes == ("/w/sub/b",)


def test_renames_move_what_was_made() -> None:
    made = opened("t/a", "O_WRONLY|O_CREAT|O_TRUNC, 0666", 1)
    assert followed(made + '\n2 rename("t", "out") = 0').writes == ("/w/out/a",)
    assert followed(made + '\n2 renameat2(AT_FDCWD</w>, "t/a", 4</w/x>, "b", 0) = 0').writes == ("/w/x/b",)
    moved = followed('1 rename("a", "b") = 0', before=("/w/a",))
    assert (moved.reads, moved.writes, moved.removed) == (("/w/a",), ("/w/b",), ("/w/a",))
    edited_in_place = followed(
        opened("a", "O_RDONLY", 1)
        + "\n"
        + opened("t", "O_RDWR|O_CREAT|O_EXCL, 0600", 2)
        + '\n3 rename("t", "a") = 0'
    )
    assert (edited_in_place.writes, edited_in_place.altered) == (("/w/a",), frozenset({"/w/a"}))
    swapped = followed('1 renameat2(AT_FDCWD</w>, "a", AT_FDCWD</w>, "b", RENAME_EXCHANGE) = 0')
    assert swapped.altered == {"/w/a", "/w/b"}


def test_removals_count_if_it_was_there_before() -> None:
    line = '2 unlink("a") = 0'
    assert followed(line, before=("/w/a",)).removed == ("/w/a",)
    made = opened("a", "O_WRONLY|O_CREAT|O_TRUNC, 0666", 1) + "\n" + line
    assert followed(made) == followed("")
    again = followed(line + "\n" + opened("a", "O_WRONLY|O_CREAT, 0666", 3), before=("/w/a",))
    assert (again.removed, again.writes) == ((), ("/w/a",))
    folder = '1 unlinkat(AT_FDCWD</w>, "d", AT_REMOVEDIR) = 0'
    assert followed(folder, before=("/w/d",)).removed == ()


def test_a_file_without_a_name_gets_one() -> None:
    access = followed(
        '1 openat(AT_FDCWD</w>, ".", O_RDWR|O_TMPFILE, 0600) = 3</w/#12>(deleted)\n'
        '2 linkat(AT_FDCWD</w>, "/proc/self/fd/3", AT_FDCWD</w>, "a", AT_SYMLINK_FOLLOW) = 0\n'
        '3 linkat(3</w/#12>(deleted), "", AT_FDCWD</w>, "b", AT_EMPTY_PATH) = 0'
    )
    assert access.writes == ("/w/a", "/w/b")


def test_programs_are_read() -> None:
    access = followed('1 execve("./tool.sh", [...], 0x1 /* 3 vars */) = 0')
    assert (access.reads, access.programs) == (("/w/tool.sh",), frozenset({"/w/tool.sh"}))


def test_a_virtual_environment_in_the_root_is_toolchain_with_its_base(tmp_path: Path) -> None:
    root, base = tmp_path / "root", tmp_path / "python/bin"
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/pyvenv.cfg").write_text(f"home = {base}\n")
    ground = ground_of(str(root), {"PATH": f"{root}/.venv/bin:{root}/bin"}, ())
    assert ground.is_toolchain(f"{root}/.venv/lib/x.py")
    assert ground.is_toolchain(f"{tmp_path}/python/lib/x.py")
    assert not ground.is_toolchain(f"{root}/bin/tool")
    assert not ground.is_toolchain(f"{tmp_path}/x.py")
    assert ground.is_noise(f"{root}/a/__pycache__/x")
    assert ground.is_noise(f"{root}/.git/index")
    assert not ground.is_noise(f"{root}/.github/x")


def test_scratch_below_the_root_is_scratch(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    ground = ground_of(str(tmp_path), {"TMPDIR": str(tmp_path / "tmp")}, ())
    assert ground.is_noise(f"{tmp_path}/tmp/x")
    assert not ground.is_noise(f"{tmp_path}/x")
    assert ground.is_noise("/tmp/gcc.s") is not str(tmp_path).startswith("/tmp/gcc.s")


def test_a_file_that_changed_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("now")
    file.chmod(0o640)
    with pytest.raises(StateError, match="changed meanwhile"):
        replace_text(str(file), "then", "new")
    assert file.read_text() == "now"
    (tmp_path / "link").symlink_to(file)
    replace_text(str(tmp_path / "link"), "now", "new")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o640)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('tasks.t.cmd = "x"\n', 'tasks.t.cmd = "x"\ntasks.t.inputs = ["a"]\n'),
        ('[tasks]\nt.cmd = "x"\nu.cmd = "y"\n', '[tasks]\nt.cmd = "x"\nt.inputs = ["a"]\nu.cmd = "y"\n'),
        (
            '[tasks.t]\ncmd = "x" # why\n\n# of env\n[tasks.t.env]\nA = "1"\n',
            '[tasks.t]\ncmd = "x" # why\ninputs = ["a"]\n\n# of env\n[tasks.t.env]\nA = "1"\n',
        ),
        ('[tasks.t]\ncmd = "x"', '[tasks.t]\ncmd = "x"\ninputs = ["a"]'),
        ('[tasks.t]\ninputs = [] # none\ncmd = "x"\n', '[tasks.t]\ninputs = ["a"] # none\ncmd = "x"\n'),
        ("[tasks.t]\r\ncmd = 'x'\r\n", "[tasks.t]\r\ncmd = 'x'\r\ninputs = [\"a\"]\r\n"),
        ("[tasks.t]\r\ninputs = [\r\n]\r\n", '[tasks.t]\r\ninputs = [\r\n    "a"\r\n]\r\n'),
        (
            "[tasks.t.env]\r\nA = 'x'\r\n[tasks.t]\r\ncmd = 'x'\r\n",
            "[tasks.t.env]\r\nA = 'x'\r\n[tasks.t]\r\ncmd = 'x'\r\ninputs = [\"a\"]\r\n",
        ),
    ],
)
def test_each_way_to_write_a_task_is_edited(text: str, wanted: str) -> None:
    assert edited(text, "Orchfile.toml", [Proposal("Orchfile.toml", "t", "inputs", ("a",))]) == wanted


def test_what_cannot_be_edited_is_refused_whole() -> None:
    with pytest.raises(StateError, match=r"Orchfile.toml cannot be edited here") as refused:
        edited("[tasks.t]\n", "Orchfile.toml", [Proposal("Orchfile.toml", "u", "inputs", ("a",))])
    assert refused.value.hint == "add the lines by hand"


def test_an_edit_that_fails_is_left_to_the_author() -> None:
    one, other = (Proposal("Orchfile.toml", task, "inputs", ("a",)) for task in ("t", "u"))
    texts, proposals = drafted({"Orchfile.toml": '[tasks.t]\ncmd = "x"\n'}, [one, other], lambda _: None)
    assert texts == {"Orchfile.toml": '[tasks.t]\ncmd = "x"\ninputs = ["a"]\n'}
    assert proposals[0] == one
    assert proposals[1].by_hand.startswith("left to you, as it would not do: ")
