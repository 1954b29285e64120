"""What git says, from checkouts made here."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from flash.preview.checkout import Checkout, read_checkout

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = ("-c", "user.email=dev@example.org", "-c", "user.name=dev", "-c", "commit.gpgsign=false")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout of ``main`` with one commit of two files."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "app.py").write_text("app")
    (tmp_path / "old name.py").write_text("a long enough text to be found again")
    git(tmp_path, "add", ".")
    git(tmp_path, *IDENTITY, "commit", "-q", "-m", "first")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def seen(folder: Path, **variables: str) -> Checkout:
    found = read_checkout(folder, environment={**os.environ, **variables})
    assert found is not None
    return found


def test_a_clean_checkout(folder: Path):
    """Commit and branch, from below its root too; what git ignores is no change."""
    (folder / ".gitignore").write_text("*\n")
    inside = folder / "inside"
    inside.mkdir()
    (inside / "x").touch()
    assert seen(inside) == Checkout(git(folder, "rev-parse", "HEAD"), "main")


def test_whatever_differs_from_the_commit_is_told(folder: Path):
    """Changed, staged, renamed, deleted and unknown files, whatever their names."""
    (folder / "app.py").write_text("other")
    git(folder, "mv", "old name.py", "new näme.py")
    (folder / "unknown").touch()
    found = seen(folder)
    assert found.is_dirty
    assert sorted(found.changed) == ["app.py", "new näme.py", "unknown"]


def test_bytecode_that_python_writes_is_no_change(folder: Path):
    """It appears with the first import: without it, a project could be deployed cleanly only once."""
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.cpython-311.pyc").touch()
    assert not seen(folder).is_dirty


def test_settings_and_variables_of_the_user_hide_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """The question is what is in the project's folder."""
    git(folder, "config", "status.showUntrackedFiles", "no")
    (folder / "unknown").touch()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    git(elsewhere, "init", "-q")
    found = seen(folder, GIT_DIR=str(elsewhere / ".git"), GIT_WORK_TREE=str(elsewhere))
    assert found.changed == ("unknown",)


def test_a_detached_head_has_no_branch(folder: Path):
    """Unless the CI system says for which branch it built this very commit."""
    git(folder, "checkout", "-q", "--detach")
    commit = git(folder, "rev-parse", "HEAD")
    assert seen(folder).branch is None
    assert seen(folder, GITHUB_SHA=commit, GITHUB_REF="refs/heads/release/1").branch == "release/1"
    assert seen(folder, CI_COMMIT_SHA=commit, CI_COMMIT_BRANCH="main").branch_told_by == "CI_COMMIT_BRANCH"
    assert seen(folder, GITHUB_SHA="0" * 40, GITHUB_REF="refs/heads/main").branch is None
    assert seen(folder, GITHUB_SHA=commit, GITHUB_REF="refs/tags/v1").branch is None


def test_no_variable_renames_a_branch_that_is_checked_out(folder: Path):
    """What git says is what counts."""
    git(folder, "checkout", "-q", "-b", "topic")
    commit = git(folder, "rev-parse", "HEAD")
    assert seen(folder, GITHUB_SHA=commit, GITHUB_REF="refs/heads/main").branch == "topic"


def test_where_there_is_no_commit_there_is_no_checkout(tmp_path: Path, folder: Path):
    """No repository, no commit yet, no git."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    git(fresh, "init", "-q")
    assert read_checkout(fresh, environment=os.environ) is None
    assert read_checkout(folder, environment={**os.environ, "PATH": str(fresh)}) is None
    assert read_checkout(folder.parents[2], environment=os.environ) is None
