"""Which files on disk a pattern means, and what was looked at to know it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orch.rules.listing import Listing


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def match(root: Path, pattern: str) -> list[str]:
    return Listing(str(root)).match(pattern)


def test_members_in_byte_order(tmp_path: Path) -> None:
    write(tmp_path, "b.c", "a/x.c", "a.c", "a-b/y.c", "é.c", "Z.c", "a/no.h")
    (tmp_path / os.fsdecode(b"\x80.c")).touch()
    members = match(tmp_path, "**/*.c")
    assert members == ["Z.c", "a-b/y.c", "a.c", "a/x.c", "b.c", "\udc80.c", "é.c"]
    assert members == sorted(members, key=os.fsencode)


def test_braces_are_several_patterns(tmp_path: Path) -> None:
    write(tmp_path, "src/a.c", "lib/x/b.h", "lib/x/c.o", "other/d.c")
    listing = Listing(str(tmp_path))
    assert listing.match("{src,lib/*}/*.{c,h}") == ["lib/x/b.h", "src/a.c"]
    assert set(listing.folders) == {"src", "lib", "lib/x"}


def test_only_files_and_links_are_members(tmp_path: Path) -> None:
    write(tmp_path, "src/file", "src/folder/inner", "elsewhere/x")
    (tmp_path / "src/to-file").symlink_to("file")
    (tmp_path / "src/to-folder").symlink_to("../elsewhere")
    (tmp_path / "src/dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "src/fifo")
    assert match(tmp_path, "src/*") == ["src/dangling", "src/file", "src/to-file", "src/to-folder"]
    assert match(tmp_path, "src/**/x") == []
    assert match(tmp_path, "src/to-folder/*") == ["src/to-folder/x"]  # spelled out, so it is followed


def test_own_and_git_files_are_never_members(tmp_path: Path) -> None:
    write(tmp_path, ".git/x", "sub/.git", ".orch/x", "Orchfile.lock.toml", "Orchfile.toml", ".env")
    assert match(tmp_path, "**") == [".env", "Orchfile.toml"]
    assert match(tmp_path, ".git/*") == []
    assert match(tmp_path, "sub/*") == []
    assert not Listing(str(tmp_path)).visible("**", ".orch/y")


def test_hidden_paths_and_all_below(tmp_path: Path) -> None:
    write(tmp_path, "a", "out/x", "out/deep/y", "b")
    listing = Listing(str(tmp_path), frozenset({"out", "b"}))
    assert listing.match("**") == ["a"]
    assert listing.match("out/deep/*") == []
    assert listing.visible("**", "b")


def test_ignored_files(tmp_path: Path) -> None:
    write(tmp_path, "a.o", "a.c", "build/x.c", "src/gen/y.c", "src/z.c", "build/keep/.hidden")
    (tmp_path / ".gitignore").write_text("*.o\nbuild/\n")
    (tmp_path / "src/.gitignore").write_text("gen\n")
    listing = Listing(str(tmp_path))
    assert listing.match("**/*.[co]") == []
    assert listing.match("**/*.{c,o}") == ["a.c", "src/z.c"]
    assert listing.match("build/**") == ["build/keep/.hidden", "build/x.c"]
    assert listing.match("src/gen/*") == ["src/gen/y.c"]
    assert listing.match("*.o") == []
    assert listing.match("*.o", obey_ignore=False) == ["a.o"]
    assert listing.match("{build,src/*}/*.c") == ["build/x.c"]


def test_visible_means_would_be_a_member(tmp_path: Path) -> None:
    write(tmp_path, "src/a.c")
    (tmp_path / ".gitignore").write_text("*.o\nbuild/\n")
    listing = Listing(str(tmp_path))
    cases = {
        ("**/*.c", "gen/new.c"): True,
        ("**/*.c", "build/new.c"): False,
        ("build/*.c", "build/new.c"): True,
        ("build/*.o", "build/new.o"): True,
        ("**/*.o", "gen/new.o"): False,
        ("src/**", "src/x/y"): True,
        ("src/**", "srcs/x"): False,
        ("{build,src}/*.c", "src/new.c"): True,
        ("{build,*}/*.c", "build/new.c"): True,
        ("../x/*.o", "../x/new.o"): True,
    }
    assert {case: listing.visible(*case) for case in cases} == cases
    for (pattern, path), expected in cases.items():
        if not path.startswith(".."):
            write(tmp_path, path)
            assert (path in match(tmp_path, pattern)) == expected, (pattern, path)


def test_a_skipped_folder_has_nothing_visible(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("dist/\n")
    listing = Listing(str(tmp_path))
    assert listing.skips("**/*.js", "dist")
    assert not listing.skips("**/*.js", "src")
    assert not listing.skips("dist/*.js", "dist")
    assert listing.skips("**", ".git")
    assert not listing.skips("**", ".")


def test_outside_the_root(tmp_path: Path) -> None:
    write(tmp_path, "x/a.c", "x/b.o", "root/c.c")
    (tmp_path / "root/.gitignore").write_text("*\n")
    (tmp_path / "x/.gitignore").write_text("*\n")
    listing = Listing(str(tmp_path / "root"))
    assert listing.match("../x/*.{c,o}") == ["../x/a.c", "../x/b.o"]
    assert listing.match(f"{tmp_path}/x/*.c") == [f"{tmp_path}/x/a.c"]
    assert listing.rules == {}


def test_each_folder_is_listed_once_and_none_in_vain(tmp_path: Path) -> None:
    write(tmp_path, "src/a.c", "src/deep/b.c", "other/x")
    script = (
        "import sys; from orch.rules.listing import Listing; listed = []\n"
        "sys.addaudithook(lambda name, args: name == 'os.scandir' and listed.append(args[0]))\n"
        f"listing = Listing({str(tmp_path)!r})\n"
        "listing.match('src/*.c'); print(len(listed))\n"
        "listing.match('src/**'); listing.match('src/**/*.c'); print(len(listed))\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2"]


def test_what_was_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "a/src/x.c", "file")
    (tmp_path / "a/.gitignore").write_text("*.o\n")
    listing = Listing(str(tmp_path))
    listing.match("a/src/**")
    listing.match("gone/deep/*.c")
    listing.match("file/*.c")
    assert {path: stat is not None for path, stat in listing.folders.items()} == {
        "a/src": True,
        "gone/deep": False,
        "file": True,
    }
    # An absent file counts only where the folder's own stat does not tell.
    present = {path: stat is not None for path, stat in listing.rules.items()}
    assert present == {
        ".gitignore": False,
        "a/.gitignore": True,
        "gone/.gitignore": False,
    }
    found = listing.folders["a/src"]
    assert found
    assert found.st_mtime_ns == os.stat(tmp_path / "a/src").st_mtime_ns


def test_a_link_that_leads_to_itself_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert match(tmp_path, "loop/*") == []


def test_an_unreadable_folder_is_not_skipped() -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "src").mkdir(mode=0)
        try:
            os.seteuid(user or 65534)  # nothing is unreadable to root
            assert match(root, "*") == []
            with pytest.raises(PermissionError):
                match(root, "src/*")
        finally:
            os.seteuid(user)


def test_a_tree(tmp_path: Path) -> None:
    write(tmp_path, "dist/b/x.o", "dist/.git/y", "dist/a")
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "dist/link").symlink_to("b")
    (tmp_path / "link").symlink_to("dist")
    (tmp_path / "dist/empty").mkdir()
    listing = Listing(str(tmp_path))
    assert listing.tree("dist") == [
        ("dist/.git", True),
        ("dist/.git/y", False),
        ("dist/a", False),
        ("dist/b", True),
        ("dist/b/x.o", False),
        ("dist/empty", True),
        ("dist/link", False),
    ]
    assert listing.tree("link") == []
    assert listing.tree("gone") == []
    write(tmp_path, "dist/new")
    assert ("dist/new", False) in listing.tree("dist")


def test_like_git_ls_files(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(
        tmp_path, *(f"{folder}{name}" for folder in ("", "a/", "a/b/", "c/") for name in ("x.c", "y.o", ".z"))
    )
    (tmp_path / ".gitignore").write_text("*.o\n!a/y.o\n/c/*\n!/c/.z\n")
    (tmp_path / "a/.gitignore").write_text("b/*\n!b/x.c\n")
    command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-oc", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert match(tmp_path, "**") == sorted(path for path in done.stdout.decode().split("\0") if path)


def test_pathspec_is_loaded_only_for_rules(tmp_path: Path) -> None:
    write(tmp_path, "a.c")
    script = (
        "import sys; from orch.rules.listing import Listing\n"
        f"Listing({str(tmp_path)!r}).match('**'); print('pathspec' in sys.modules)\n"
        f"open({str(tmp_path / '.gitignore')!r}, 'w').write('x')\n"
        f"Listing({str(tmp_path)!r}).match('**'); print('pathspec' in sys.modules)\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
