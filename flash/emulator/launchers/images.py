"""What workers' images are made of: a base for each Python, and on it one layer with an artifact.

Pure: names, Dockerfiles and build contexts. The Dockerfiles only copy: nothing runs and nothing is downloaded while an
image is built.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["APP_FOLDER", "BASE_REPOSITORY", "LIBRARY_FOLDER", "archived", "base_tag", "context", "worker_version"]

APP_FOLDER: Final = "/app"
"""Where worker images unpack an artifact. Source: platform-contract §5.1."""

LIBRARY_FOLDER: Final = "/opt/flash/library"
BASE_REPOSITORY: Final = "flash-base"
_KEY_LENGTH: Final = 12


def base_tag(python_version: str, image_id: str, library: Path) -> str:
    """The tag of a base; another Python image or another library is another base.

    Args:
        python_version: ``"3.11"``.
        image_id: Of the Python image that it is made from.
        library: The folder with its distributions, which is named for what is in it.
    """
    return f"{BASE_REPOSITORY}:py{python_version}-{_key(image_id, library.name)}"


def worker_version(digest: str, base: str) -> str:
    """What stands behind the colon in the tag of a worker image: there is one for each digest and base.

    Args:
        digest: sha256 of the artifact.
        base: Its base's tag.
    """
    return f"{digest[:_KEY_LENGTH]}-{_key(base)}"


def context(base: str, folder: Path, target: str) -> IO[bytes]:
    """The build context of an image that is *base* with *folder* at *target*: a tar archive, positioned at its start.

    Owners and the order of files are fixed, so that the engine finds an equal layer in its cache.
    """
    dockerfile = f"FROM {base}\nCOPY content {target}\n".encode()
    file = tempfile.TemporaryFile(prefix="flash-context-")  # noqa: SIM115  the caller closes it
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        archive.addfile(member, io.BytesIO(dockerfile))
        _add(archive, folder, "content")
    file.seek(0)
    return file


def archived(target: str, *folders: Path) -> IO[bytes]:
    """A tar archive, positioned at its start, that puts *folders* at *target* when it is unpacked at ``/``.

    Of what several have, the last one's is there then.
    """
    file = tempfile.TemporaryFile(prefix="flash-archive-")  # noqa: SIM115  the caller closes it
    with tarfile.open(fileobj=file, mode="w") as archive:
        for folder in folders:
            _add(archive, folder, target.lstrip("/"))
    file.seek(0)
    return file


def _add(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    archive.add(folder, name, recursive=False, filter=_as_root)
    for path in sorted(folder.rglob("*")):
        archive.add(path, f"{name}/{path.relative_to(folder).as_posix()}", recursive=False, filter=_as_root)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    return member


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_KEY_LENGTH]
