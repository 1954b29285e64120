"""Distributions as they lie unpacked, and what tells the content of their files."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flash.bundle.layers import Damaged, Member

if TYPE_CHECKING:
    from flash.bundle.installed import Distribution

__all__ = ["DistributionSet", "identities", "is_whole", "moved"]


@dataclass(frozen=True, slots=True)
class DistributionSet:
    """Distributions that were installed together.

    Attributes:
        tree: Where they are, unpacked; nobody changes anything there. None where there are none.
        distributions: What they are, by name.
        files: By path, what tells a file's content and mode.
        is_reused: Whether they are those of an earlier build.
        key: What decided which they are.
        fresh_until: When they are asked for again, in seconds since the epoch; None: never.
    """

    tree: Path | None
    distributions: tuple[Distribution, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    is_reused: bool = False
    key: str = ""
    fresh_until: float | None = None

    def members(self, names: Sequence[str]) -> Iterator[Member]:
        """Files of the tree, for an archive.

        Raises:
            Damaged: One is gone.
        """
        if self.tree is None:
            return
        for name in names:
            path = self.tree / name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise Damaged(path, error.strerror or str(error)) from error
            yield Member(name, path, size, self.files[name].endswith("x"))

    def parts(self, hidden: Collection[str]) -> Iterator[tuple[str, ...]]:
        """The files of one distribution after another, each file once; those that several have come last.

        *hidden* are paths that something else in the archive has.
        """
        owners = Counter(file for distribution in self.distributions for file in set(distribution.files))
        owned = {file for file, count in owners.items() if count == 1}
        for distribution in self.distributions:
            # bytecode that a wheel brings does not ship
            shipped = (file for file in distribution.files if file in owned and file in self.files)
            yield tuple(file for file in shipped if file not in hidden)
        yield tuple(sorted(file for file in self.files if file not in owned and file not in hidden))


def identities(tree: Path, distributions: Sequence[Distribution]) -> dict[str, str]:
    """By path, the hash that a file's distribution has recorded, or else its own, and whether it is executable."""
    recorded: dict[str, str] = {}
    owners = Counter(file for distribution in distributions for file in set(distribution.files))
    for record in sorted(tree.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as lines:
            recorded |= {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1 and row[1]}
    found = {}
    for path in sorted(file for file in _files(tree, "") if not file.endswith((".pyc", ".pyo"))):
        mode = (tree / path).lstat().st_mode
        known = recorded.get(path) if owners[path] == 1 else None
        content = known or f"sha256={hashlib.sha256((tree / path).read_bytes()).hexdigest()}"
        found[path] = f"{content} {'x' if mode & stat.S_IXUSR else '-'}"
    return found


def _files(folder: Path, base: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _files(Path(entry.path), f"{base}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield f"{base}{entry.name}"


def is_whole(tree: Path, files: Mapping[str, str]) -> bool:
    """Whether a tree is there with all that it had."""
    return tree.is_dir() and set(_files(tree, "")) >= files.keys()


def moved(tree: Path, place: Path) -> None:
    """Put a tree in its place, unless it is taken."""
    try:
        tree.rename(place)
    except OSError:
        # another build was faster, and its tree has the same name because it has the same files
        if not place.is_dir():
            raise
