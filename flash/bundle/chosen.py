"""Which of a project's files say what its workers need.

The first that there is, from the most explicit one:

1. the dependency group that ``dependency-group`` of ``[tool.flash]`` names;
2. ``requirements.txt``;
3. ``[project].dependencies`` of ``pyproject.toml``;
4. ``pylock.toml`` by itself.

``uv.lock`` binds what comes from ``pyproject.toml``, ``pylock.toml`` whatever it is made of. What is there and not
used is told, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.bundle.listed import REQUIREMENTS_NAME, Listed, read_requirements
from flash.bundle.locks import PYLOCK_NAME, UV_LOCK_NAME, Lock, find_uv_lock, read_pylock, read_uv_lock
from flash.bundle.pyproject import PYPROJECT_NAME, Pyproject, read_pyproject
from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["SOURCE_NAMES", "Chosen", "choose"]

SOURCE_NAMES: Final = (REQUIREMENTS_NAME, PYPROJECT_NAME, UV_LOCK_NAME, PYLOCK_NAME)
"""Files of a project's root that may say what its workers need."""

_OF_PROJECT = f"[project].dependencies of {PYPROJECT_NAME}"


@dataclass(slots=True)
class Chosen:
    """What a project's files ask for.

    Attributes:
        root: The project.
        group: The dependency group that is asked for.
        listed: What they ask for; of ``pylock.toml`` by itself, nothing yet.
        source: Which of them is used; None: none.
        unused: Others that are there, with the reason.
        pyproject: The project's ``pyproject.toml``.
        uv_lock: The project's ``uv.lock``, or its workspace's.
    """

    root: Path
    group: str | None
    listed: Listed = field(default_factory=Listed)
    source: str | None = None
    unused: list[str] = field(default_factory=list)
    pyproject: Pyproject | None = None
    uv_lock: Path | None = None

    @property
    def is_lock_alone(self) -> bool:
        """Whether all that a lock holds is asked for, as nothing says what it was made of."""
        return self.source == PYLOCK_NAME

    def lock(self, *, excluded: Collection[str], environment: Mapping[str, str]) -> Lock | None:
        """The lock that binds what is asked for, if there is one; read once it is known what is left out.

        Raises:
            DependencyError: It cannot be read, or is out of date.
        """
        name = self._lock_name()
        if name is None:
            return None
        file = (self.uv_lock if name == UV_LOCK_NAME else None) or self.root / name
        if file not in self.listed.files:
            self.listed.files.append(file)
        if name == PYLOCK_NAME:
            return read_pylock(self.root, excluded=excluded, environment=environment)
        if self.pyproject is None:
            return None
        return read_uv_lock(file, self.pyproject, group=self.group, excluded=excluded, environment=environment)

    def notes(self, lock: Lock | None) -> list[str]:
        """Which files count, where that is not plain."""
        lines = list(self.listed.notes)
        if lock is not None:
            hashes = "" if lock.hashed else ", some of them without a hash"
            lines.append(f"{lock.path} binds {_count(len(lock.pins), 'distribution')} for the workers{hashes}")
        if self.unused or self.source not in (None, REQUIREMENTS_NAME):
            unused = f"; not used: {', '.join(self.unused)}" if self.unused else ""
            lines.append(f"dependencies of all endpoints come from {self.source or 'no file'}{unused}")
        return lines

    def _lock_name(self) -> str | None:
        from_pyproject = self.source is not None and self.source.endswith(PYPROJECT_NAME)
        if from_pyproject and self.uv_lock is not None:
            return UV_LOCK_NAME
        return PYLOCK_NAME if (self.root / PYLOCK_NAME).is_file() else None


def choose(root: Path, *, group: str | None = None) -> Chosen:
    """Choose among the files of the project in *root*, and read what they ask for.

    Raises:
        DependencyError: What is chosen cannot be read, with its place.
    """
    root = root.resolve()
    chosen = Chosen(root, group, pyproject=read_pyproject(root))
    project = chosen.pyproject
    if group is not None:
        if project is None:
            raise DependencyError(
                f"there is no {PYPROJECT_NAME} with a dependency group {group!r}", path=PYPROJECT_NAME
            )
        chosen.source = f"dependency group {group!r} of {PYPROJECT_NAME}"
        chosen.listed.asked = project.group(group)
    elif (root / REQUIREMENTS_NAME).is_file():
        chosen.source = REQUIREMENTS_NAME
        chosen.listed = read_requirements(root / REQUIREMENTS_NAME, root)
    elif project is not None and project.has_dependencies:
        chosen.source = _OF_PROJECT
        chosen.listed.asked = project.dependencies()
    elif (root / PYLOCK_NAME).is_file():
        chosen.source = PYLOCK_NAME
    if project is not None:
        chosen.listed.files.append(root / PYPROJECT_NAME)
        chosen.uv_lock = find_uv_lock(root)
    _tell_unused(chosen)
    return chosen


def _tell_unused(chosen: Chosen) -> None:
    root, project = chosen.root, chosen.pyproject
    why = "dependency-group names another source" if chosen.group is not None else f"{chosen.source} is there"
    if chosen.group is not None and (root / REQUIREMENTS_NAME).is_file():
        chosen.unused.append(f"{REQUIREMENTS_NAME} ({why})")
    if project is not None and project.has_dependencies and chosen.source != _OF_PROJECT:
        chosen.unused.append(f"{_OF_PROJECT} ({why})")
    used = chosen._lock_name()
    if used != UV_LOCK_NAME and (root / UV_LOCK_NAME).is_file():
        chosen.unused.append(f"{UV_LOCK_NAME} (it locks {PYPROJECT_NAME}, which nothing is taken from)")
    if used == UV_LOCK_NAME and (root / PYLOCK_NAME).is_file():
        chosen.unused.append(f"{PYLOCK_NAME} ({UV_LOCK_NAME} is there)")
    if project is not None and "poetry" in project.tools and chosen.source is None:
        chosen.unused.append(f"[tool.poetry.dependencies] of {PYPROJECT_NAME} (only [project].dependencies is read)")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
