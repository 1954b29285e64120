"""Folders that belong to a process as long as it lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flash.bundle.claims import claimed_folder, remove_abandoned

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path


def test_a_claimed_folder_is_there_for_the_block_only(tmp_path: Path) -> None:
    """And nothing beside it afterwards."""
    with claimed_folder(tmp_path / "new", "run-") as folder:
        (folder / "file").write_text("x", encoding="utf-8")
        assert folder.name.startswith("run-")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_claimed_folder_goes_with_an_error_too(tmp_path: Path) -> None:
    """However the block ends."""
    with pytest.raises(KeyboardInterrupt), claimed_folder(tmp_path, "run-"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_is_claimed_is_not_abandoned(tmp_path: Path) -> None:
    """Not even to the process that claims it."""
    with claimed_folder(tmp_path, "run-") as folder:
        assert remove_abandoned(tmp_path, "run-") == ()
        assert folder.is_dir()


def _claim(parent: Path, ready: Connection) -> None:
    with claimed_folder(parent, "run-") as folder:
        ready.send(folder.name)
        signal.pause()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """While it lives, it is not."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_claim, args=(tmp_path, sender))
    process.start()
    folder = tmp_path / receiver.recv()
    assert remove_abandoned(tmp_path, "run-") == ()

    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()

    assert remove_abandoned(tmp_path, "run-") == (folder,)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_lock_is_nobodys_and_others_are_not_looked_at(tmp_path: Path) -> None:
    """The prefix says what is ours; a lock that was left alone is no finding."""
    for name in ("run-1", "run-2.lock", "other"):
        (tmp_path / name).mkdir() if name != "run-2.lock" else (tmp_path / name).touch()
    assert remove_abandoned(tmp_path, "run-") == (tmp_path / "run-1",)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert remove_abandoned(tmp_path / "nowhere", "run-") == ()
