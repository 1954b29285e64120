"""Distributions as they lie unpacked, and what tells the content of their files."""

from __future__ import annotations

import csv
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from flash.bundle.files import digest_of
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
        folder: Where they lie in an artifact: at its top, or in a folder, with a slash at its end.
    """

    tree: Path | None
    distributions: tuple[Distribution, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    is_reused: bool = False
    key: str = ""
    fresh_until: float | None = None
    folder: str = ""

    @property
    def contents(self) -> Mapping[str, str]:
        """What tells a file's content and mode, by its path in an artifact."""
        if not self.folder:
            return self.files
        return {f"{self.folder}{path}": identity for path, identity in self.files.items()}

    def members(self, names: Sequence[str]) -> Iterator[Member]:
        """Files of the tree, for an archive, where they lie there.

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
            yield Member(f"{self.folder}{name}", path, size, self.files[name].endswith("x"))

    def parts(self, hidden: Collection[str]) -> Iterator[tuple[str, ...]]:
        """The files of one distribution after another, each file once; those that several have come last.

        *hidden* are paths of an archive that something else in it has, or nobody needs.
        """
        owners = Counter(file for distribution in self.distributions for file in set(distribution.files))
        owned = {file for file, count in owners.items() if count == 1}
        for distribution in self.distributions:
            # bytecode that a wheel brings does not ship
            shipped = (file for file in distribution.files if file in owned and file in self.files)
            yield tuple(file for file in shipped if f"{self.folder}{file}" not in hidden)
        rest = (file for file in self.files if file not in owned and f"{self.folder}{file}" not in hidden)
        yield tuple(sorted(rest))


def identities(tree: Path, distributions: Sequence[Distribution]) -> dict[str, str]:
    """By path, the hash that a file's distribution has recorded, or else its own, and whether it is executable."""
    recorded: dict[str, str] = {}
    owners = Counter(file for distribution in distributions for file in set(distribution.files))
    for record in sorted(tree.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as lines:
            recorded |= {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1 and row[1]}
    found = {}
    for path, entry in sorted(_files(tree, ""), key=itemgetter(0)):
        if path.endswith((".pyc", ".pyo")):
            continue
        known = recorded.get(path) if owners[path] == 1 else None
        content = known or f"sha256={digest_of(Path(entry.path))}"
        found[path] = f"{content} {'x' if entry.stat(follow_symlinks=False).st_mode & stat.S_IXUSR else '-'}"
    return found


def _files(folder: Path | str, base: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _files(entry.path, f"{base}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield f"{base}{entry.name}", entry


def is_whole(tree: Path, files: Mapping[str, str]) -> bool:
    """Whether a tree is there with all that it had."""
    return tree.is_dir() and {path for path, _ in _files(tree, "")} >= files.keys()


def moved(tree: Path, place: Path) -> None:
    """Put a tree in its place, unless it is taken."""
    try:
        tree.rename(place)
    except OSError:
        # another build was faster, and its tree has the same name because it has the same files
        if not place.is_dir():
            raise
