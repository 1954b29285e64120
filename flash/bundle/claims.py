"""Folders that are a process's as long as it lives.

Beside each lies a lock file. Its owner holds the lock, and the operating system gives it up when the owner is gone,
however it went; so what is left behind is known for what it is, and what is in use is not touched.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["claimed_folder", "remove_abandoned"]

_LOCK: Final = ".lock"


@contextmanager
def claimed_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new, empty folder in *parent* for the block; whatever is in it at the end goes."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{prefix}{secrets.token_hex(6)}"
    # first the lock: a folder whose lock is missing or free is nobody's
    with FileLock(_lock_of(folder)):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)


def remove_abandoned(parent: Path, prefix: str) -> tuple[Path, ...]:
    """Remove the folders in *parent* whose owners are gone; returns them."""
    folders = {path.with_name(path.name.removesuffix(_LOCK)) for path in parent.glob(f"{prefix}*")}
    return tuple(folder for folder in sorted(folders) if _is_removed(folder))


def _is_removed(folder: Path) -> bool:
    lock = FileLock(_lock_of(folder))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    try:
        was_there = folder.is_dir()
        shutil.rmtree(folder, ignore_errors=True)
        _lock_of(folder).unlink(missing_ok=True)
        return was_there
    finally:
        lock.release()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")
