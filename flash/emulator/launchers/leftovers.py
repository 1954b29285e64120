"""Whose the containers, networks and images are, and what becomes of a dead platform's.

Everything that a platform makes carries labels. A live platform holds a lock on its folder, which the operating system
gives up when it dies, however it dies; that is how the next one of the same user knows what is left over.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from flash.errors import PreviewError

if TYPE_CHECKING:
    from flash.emulator.launchers.containers import Containers, Kind, Thing

__all__ = ["Labels", "lock_of", "remove", "sweep"]

_LOG: Final = logging.getLogger(__name__)
_HOME: Final = "flash.home"
_FOLDER: Final = "flash.folder"
_PLATFORM: Final = "flash.platform"
# containers before the networks that they are on
_KINDS: Final[tuple[Kind, ...]] = ("container", "network")


@dataclass(frozen=True)
class Labels:
    """Whose the things of a platform are.

    Attributes:
        home: ``FLASH_HOME``: whose platforms may sweep them.
        folder: The platform's own, where it holds a lock as long as it lives.
        platform: An id of this run of it.
    """

    home: str
    folder: str
    platform: str

    @classmethod
    def of(cls, home: Path, folder: Path) -> Labels:
        """For a platform that starts in *folder*."""
        return cls(str(home.resolve()), str(folder.resolve()), secrets.token_hex(6))

    @property
    def run(self) -> dict[str, str]:
        """Of what this run makes."""
        return {_HOME: self.home, _FOLDER: self.folder, _PLATFORM: self.platform}

    @property
    def shared(self) -> dict[str, str]:
        """Of what all platforms of this user use."""
        return {_HOME: self.home}

    @property
    def folder_key(self) -> str:
        """The folder, short enough for a name."""
        return _key(self.folder)

    @property
    def home_key(self) -> str:
        """``FLASH_HOME``, short enough for a name."""
        return _key(self.home)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def lock_of(folder: Path) -> FileLock:
    """What a platform in that folder holds as long as it lives."""
    return FileLock(folder / "containers.lock")


def sweep(containers: Containers, labels: Labels) -> tuple[str, ...]:
    """Remove what killed platforms of this user left, and tell what; live platforms' things are not touched.

    Images are not left over: the next platform takes them up.

    Args:
        containers: The engine.
        labels: Of a platform whose own leftovers go too: it must hold its folder's lock.
    """
    removed = []
    dead: dict[str, bool] = {labels.folder: True}
    for kind in _KINDS:
        for thing in containers.things(kind, {_HOME: labels.home}):
            folder = thing.labels.get(_FOLDER, "")
            if thing.labels.get(_PLATFORM) == labels.platform or not folder:
                continue
            if folder not in dead:
                dead[folder] = _is_dead(Path(folder))
            if dead[folder] and remove(containers, thing):
                removed.append(f"{kind} {thing.name}")
    return tuple(removed)


def _is_dead(folder: Path) -> bool:
    """Whether nobody holds the lock of a platform's folder."""
    if not folder.is_dir():
        # taking its lock would make it again
        return True
    lock = lock_of(folder)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError:
        return not folder.is_dir()
    lock.release()
    return True


def remove(containers: Containers, thing: Thing) -> bool:
    """Remove it; whether that was possible. What was not is left for the next sweep."""
    try:
        containers.remove(thing)
    except PreviewError as error:
        _LOG.warning("%s", error.message)
        return False
    return True
