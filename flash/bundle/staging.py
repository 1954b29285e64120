"""What an artifact holds besides distributions, and the tree in which it is described."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import flash
from flash.bundle.files import write_text
from flash.bundle.handlers import handler_name, handler_text
from flash.bundle.layers import Member
from flash.bundle.requirements import REQUIREMENTS_NAME
from flash.errors import BuildError
from flash.model.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.bundle.installed import Distribution
    from flash.bundle.snapshot import Snapshot
    from flash.model.app import App

__all__ = ["ARTIFACT_NAME", "Members", "flash_folder", "own_members", "stage", "staged"]

ARTIFACT_NAME: Final = "artifact.tar.gz"

_SHIPPED: Final = ("__init__.py", "errors.py", "alias.py", "model", "runtime")
"""What of our own package goes into an artifact."""

Members = dict[str, Member]


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


def own_members(app: App, snapshot: Snapshot, distributions: Sequence[Distribution], *, source_folder: str) -> Members:
    """What an artifact holds besides distributions and its manifest, by path."""
    members = {
        file.path: Member(file.path, file.content or snapshot.root / file.path, file.size, file.is_executable)
        for file in snapshot.files.values()
    }
    members |= {member.name: member for member in _runtime()}
    for endpoint in app:
        if not endpoint.spec.is_client:
            name = handler_name(endpoint.name)
            members[name] = Member.of_text(name, handler_text(endpoint, source_folder=source_folder))
    pins = sorted(f"{distribution.name}=={distribution.version}\n" for distribution in distributions)
    members[REQUIREMENTS_NAME] = Member.of_text(REQUIREMENTS_NAME, "# What this artifact holds.\n" + "".join(pins))
    return members


def _runtime() -> Iterator[Member]:
    """What of our own package goes into an artifact."""
    package = Path(flash.__file__).parent
    for name in _SHIPPED:
        found = package / name
        for file in [found] if found.is_file() else sorted(found.rglob("*.py")):
            content = file.read_bytes()
            yield Member(f"flash/{file.relative_to(package).as_posix()}", content, len(content))


def stage(staging: Path, members: Iterable[Member], snapshot: Snapshot) -> None:
    """Put *members* into the tree.

    Files of the project are links to them where they can be: making a file takes a hundred times as long. Who describes
    writes to none that has another name.
    """
    made: set[str] = set()
    for member in members:
        folder = member.name.rpartition("/")[0]
        if folder not in made:
            (staging / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        place = os.path.join(staging, member.name)  # noqa: PTH118  20,000 of them
        if isinstance(member.content, Path) or member.content is _content_of(snapshot, member.name):
            _link(os.path.join(snapshot.root, member.name), place)  # noqa: PTH118
            continue
        mode = 0o755 if member.is_executable else 0o644
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(member.content)


def _content_of(snapshot: Snapshot, path: str) -> bytes | None:
    file = snapshot.files.get(path)
    # what is generated may have the name of a file of the project
    return None if file is None else file.content


def _link(source: str, place: str) -> None:
    try:
        # a link to a link would be another than the file that it leads to
        os.link(os.path.realpath(source) if os.path.islink(source) else source, place)  # noqa: PTH114
    except OSError:
        # another file system, or a file of somebody else's
        shutil.copyfile(source, place)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
