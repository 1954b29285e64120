"""Folders that are a process's as long as it lives.

Beside each lies a lock file. Its owner holds the lock, and the operating system gives it up when the owner is gone,
however it went; so what is left behind is known for what it is, and what is in use is not touched.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["claimed_folder", "held", "remove_abandoned"]

_LOCK: Final = ".lock"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the block, and wait for it as long as somebody else does.

    Every build holds one, and most hold no other: ``filelock``, which does the same, takes longer to load.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover  a system without
        from filelock import FileLock

        with FileLock(path):
            yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def claimed_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new, empty folder in *parent* for the block; whatever is in it at the end goes."""
    import secrets

    from filelock import FileLock

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
    from filelock import FileLock, Timeout

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
