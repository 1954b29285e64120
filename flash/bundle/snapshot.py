"""The project's files as they are read once: what is hashed is what is packed.

A build that takes a while is of one moment: `Snapshot.check` says at its end if a file has changed since.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["ProjectFile", "Snapshot"]

_CHUNK: Final = 2**20
_SMALL: Final = 2**16
_MOST_KEPT: Final = 2**25
"""Bytes in all: packing does not read small files again, and memory does not grow with a project."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file as it was read.

    Attributes:
        path: Relative to the project.
        sha256: Of its content, in hexadecimal.
        content: What was read, where it is small.
        stamp: What changes with its content, unless somebody sees to it that it does not.
    """

    path: str
    sha256: str
    size: int
    is_executable: bool
    content: bytes | None
    stamp: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The project's files, by their paths."""

    root: Path
    files: Mapping[str, ProjectFile]

    @classmethod
    def of(cls, root: Path, paths: Iterable[str]) -> Snapshot:
        """Read them.

        Raises:
            BuildError: One cannot be read.
        """
        kept = 0
        files = {}
        for path in paths:
            try:
                file = _read(os.path.join(root, path), path, keep=kept < _MOST_KEPT)  # noqa: PTH118  20,000 of them
            except OSError as error:
                raise BuildError(
                    f"cannot read it: {error.strerror or error}",
                    path=path,
                    hint="make it readable, or list it in .flashignore",
                ) from error
            kept += len(file.content or b"")
            files[path] = file
        return cls(root, files)

    def check(self) -> None:
        """Raise if a file is not what it was.

        Raises:
            BuildError: Says which.
        """
        for file in self.files.values():
            try:
                status = os.stat(os.path.join(self.root, file.path))  # noqa: PTH116, PTH118
                is_same = _stamp(status) == file.stamp
            except OSError:
                is_same = False
            if not is_same:
                raise BuildError(
                    "it changed while the project was built",
                    path=file.path,
                    hint="build again when nothing writes to it, or list it in .flashignore",
                )


def _read(place: str, path: str, *, keep: bool) -> ProjectFile:
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        content = os.read(descriptor, _CHUNK)
        digest, size, first = hashlib.sha256(content), len(content), content
        while content:
            content = os.read(descriptor, _CHUNK)
            digest.update(content)
            size += len(content)
    finally:
        os.close(descriptor)
    small = first if keep and size <= _SMALL else None
    is_executable = bool(status.st_mode & stat.S_IXUSR)
    return ProjectFile(path, digest.hexdigest(), size, is_executable, small, _stamp(status))


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    # not the time of the last change of its node: that of a link to it is one
    return status.st_size, status.st_mtime_ns, status.st_ino
