"""The tree that a build works in: the project's files, Flash's own part, and what is generated."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import flash
from flash.bundle.files import write_text
from flash.bundle.handlers import handler_name, handler_text
from flash.bundle.requirements import REQUIREMENTS_NAME
from flash.errors import BuildError
from flash.model.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.bundle.installed import Distribution
    from flash.bundle.trees import DistributionSet
    from flash.model.app import App

__all__ = ["ARTIFACT_NAME", "complete", "copy_project", "copy_runtime", "flash_folder", "generate", "staged", "write"]

ARTIFACT_NAME: Final = "artifact.tar.gz"

_SHIPPED: Final = ("__init__.py", "errors.py", "alias.py", "model", "runtime")
"""What of our own package goes into an artifact."""


@contextmanager
def staged(folder: Path, staging: Path, *, keep: bool) -> Iterator[None]:
    """An empty *staging* for the block; afterwards, however it ends, nothing of it but what *keep* says."""
    try:
        try:
            # a build that was killed left them
            halves = (f".{ARTIFACT_NAME}.*", f".{MANIFEST_NAME}.*", f"{staging.name}-*")
            for stale in (staging, *(path for half in halves for path in folder.glob(half))):
                _remove(stale)
            staging.mkdir()
            yield
        finally:
            if not keep:
                _remove(staging)
    except OSError as error:
        where = Path(os.fsdecode(error.filename or folder))
        raise BuildError(
            f"cannot build there: {error.strerror or error}",
            # removing a tree names what is relative to a folder that it does not name
            path=_shown(where if where.is_absolute() else folder, folder.parent),
            hint="the project's .flash folder has to be writable, and its disk not full",
        ) from error


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def complete(staging: Path, found: DistributionSet) -> None:
    """The tree as a worker has it, for whoever wants to look at it."""
    for member in found.members(tuple(found.files)):
        place = staging / member.name
        if not place.exists() and isinstance(member.content, Path):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(member.content, place)


def flash_folder(root: Path) -> Path:
    """The project's folder of ours, which git ignores.

    Raises:
        BuildError: It cannot be made.
    """
    folder = root / ".flash"
    try:
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            write_text(ignore, "*\n")
    except OSError as error:
        raise BuildError(
            f"cannot write there: {error.strerror}", path=".flash", hint="the project's folder has to be writable"
        ) from error
    return folder


def copy_project(root: Path, files: Iterable[str], staging: Path) -> None:
    """Copy the project's *files*, with modes as they ship: from here on they do not change any more.

    Raises:
        BuildError: One cannot be read.
    """
    for path in files:
        source, target = root / path, staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, target)
            target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
        except OSError as error:
            raise BuildError(
                f"cannot copy it: {error.strerror}", path=path, hint="make it readable, or list it in .flashignore"
            ) from error


def copy_runtime(staging: Path) -> None:
    """What of our own package goes into an artifact."""
    package = Path(flash.__file__).parent
    for name in _SHIPPED:
        found = package / name
        for file in [found] if found.is_file() else sorted(found.rglob("*.py")):
            place = staging / "flash" / file.relative_to(package)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def generate(staging: Path, app: App, distributions: Sequence[Distribution], *, source_folder: str) -> None:
    """Write what loads each endpoint, and the pins of what the artifact holds."""
    for endpoint in app:
        if not endpoint.spec.is_client:
            write(staging / handler_name(endpoint.name), handler_text(endpoint, source_folder=source_folder))
    pins = sorted(f"{distribution.name}=={distribution.version}\n" for distribution in distributions)
    write(staging / REQUIREMENTS_NAME, "# What this artifact holds.\n" + "".join(pins))


def write(path: Path, text: str) -> None:
    """Write a file as it ships."""
    path.write_text(text, encoding="utf-8", newline="\n")
    path.chmod(0o644)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
