from __future__ import annotations

from typing import TYPE_CHECKING

from orch.reuse.settings import Settings, folder_for

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path) -> Path:
    """A git folder."""
    path.mkdir(parents=True)
    (path / "HEAD").touch()
    return path


def test_without_git_it_lies_below_the_root(tmp_path: Path) -> None:
    assert folder_for(str(tmp_path), Settings(), {}) == (f"{tmp_path}/.orch/blobs", False)


def test_in_a_repository_it_lies_in_gits_folder(tmp_path: Path) -> None:
    made(tmp_path / ".git")
    (tmp_path / "sub/project").mkdir(parents=True)
    for root in (tmp_path, tmp_path / "sub/project"):
        assert folder_for(str(root), Settings(), {}) == (f"{tmp_path}/.git/orch", True)


def test_all_worktrees_share_it(tmp_path: Path) -> None:
    made(tmp_path / "main/.git")
    tree = made(tmp_path / "main/.git/worktrees/tree")
    (tree / "commondir").write_text("../..\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/.git").write_text(f"gitdir: {tree}\n")
    assert folder_for(str(tmp_path / "tree"), Settings(), {}) == (f"{tmp_path}/main/.git/orch", True)
    (tmp_path / "tree/.git").write_text("gitdir: ../main/.git/worktrees/tree\n")
    assert folder_for(str(tmp_path / "tree"), Settings(), {}) == (f"{tmp_path}/main/.git/orch", True)


def test_a_submodule_has_its_own(tmp_path: Path) -> None:
    module = made(tmp_path / ".git/modules/sub")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/.git").write_text("gitdir: ../.git/modules/sub\n")
    assert folder_for(str(tmp_path / "sub"), Settings(), {}) == (f"{module}/orch", True)


def test_what_looks_like_git_and_is_not(tmp_path: Path) -> None:
    below = (f"{tmp_path}/.orch/blobs", False)
    (tmp_path / ".git").write_text("no git here")
    assert folder_for(str(tmp_path), Settings(), {}) == below
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert folder_for(str(tmp_path), Settings(), {}) == below
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    assert folder_for(str(tmp_path), Settings(), {}) == below


def test_what_the_user_chose_goes_first(tmp_path: Path) -> None:
    made(tmp_path / ".git")
    chosen = Settings(folder="../mine")
    assert folder_for(str(tmp_path), chosen, {}) == (f"{tmp_path.parent}/mine", True)
    assert folder_for(str(tmp_path), chosen, {"ORCH_CACHE_DIR": "/else"}) == ("/else", True)
    assert folder_for(str(tmp_path), chosen, {"ORCH_CACHE_DIR": ""})[0] == f"{tmp_path.parent}/mine"
