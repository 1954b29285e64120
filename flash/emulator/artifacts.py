"""Artifacts on the platform's disk: received in a stream, unpacked once per digest, shared by all workers of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from flash.errors import NotFound, PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

__all__ = ["ArtifactStore"]

_APP_FOLDER: Final = "/app"
"""Source: platform-contract §5.3: where worker images unpack an artifact."""
_GZIP: Final = b"\x1f\x8b"
_BLOCK_BYTES: Final = 2**20


class ArtifactStore:
    """Uploads and unpacked artifacts under one folder."""

    def __init__(self, home: Path) -> None:
        self._uploads = home / "uploads"
        self._unpacked = home / "artifacts"
        # Python names files by the working directory's real path
        folders = {str(self._unpacked), os.path.realpath(self._unpacked)}
        self._paths = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(folders)))})/[0-9a-f]{{64}}/")
        for folder in (self._uploads, self._unpacked):
            folder.mkdir(parents=True, exist_ok=True)
        self.sweep()

    def upload_path(self, object_key: str) -> Path:
        """Where the upload with that key lies."""
        return self._uploads / PurePosixPath(object_key).name

    def folder(self, digest: str) -> Path:
        """Where the artifact of that digest is unpacked."""
        return self._unpacked / digest

    async def receive(self, object_key: str, body: AsyncIterable[bytes], *, size_bytes: int) -> str:
        """Write an upload to disk as it arrives; returns its sha256.

        Raises:
            PlatformError: It is no gzip file, or has another size than announced. Nothing is kept then.
        """
        digest, received = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(prefix=".part-", dir=self._uploads)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in body:
                    if not received and chunk and chunk[:1] != _GZIP[: len(chunk[:1])]:
                        raise PlatformError("the artifact is no gzip file", operation="upload", status=400)
                    received += len(chunk)
                    if received > size_bytes:
                        break
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if received != size_bytes:
                more = "more than" if received > size_bytes else f"{received} instead of"
                raise PlatformError(
                    f"the upload has {more} the {size_bytes} bytes announced", operation="upload", status=400
                )
            part.replace(self.upload_path(object_key))
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()

    def as_in_images(self, text: str) -> str:
        """*text* with the paths of unpacked artifacts as they are in a container, whatever this worker's is."""
        return self._paths.sub(f"{_APP_FOLDER}/", text)

    def check(self, object_key: str, digest: str) -> None:
        """Read an upload again: what lies on the disk must still be what arrived.

        Raises:
            NotFound: It is not there, or something else is by now: whoever has the bytes can send them again.
            PlatformError: It cannot be read.
        """
        try:
            with self.upload_path(object_key).open("rb") as file:
                found = hashlib.sha256()
                while block := file.read(_BLOCK_BYTES):
                    found.update(block)
        except FileNotFoundError as error:
            raise NotFound(f"Artifact not found: {object_key}", operation="upload") from error
        except OSError as error:
            raise PlatformError(f"the artifact cannot be read: {error.strerror}", operation="upload") from error
        if found.hexdigest() != digest:
            raise NotFound(
                f"Artifact not found: what is there was changed after its upload, its sha256 is {found.hexdigest()}, "
                f"not {digest}",
                operation="upload",
            )

    def admit(self, object_key: str, digest: str) -> None:
        """Check an upload, and unpack it where its digest is not unpacked already.

        Raises:
            PlatformError: It is not there or was changed, it is no archive, or a member would leave the folder.
        """
        self.check(object_key, digest)
        if not self.folder(digest).is_dir():
            self._unpack(object_key, digest)

    def unpack(self, object_key: str, digest: str) -> Path:
        """Where the artifact of that digest is unpacked; the first time, that is done.

        Raises:
            PlatformError: It is not there or was changed, it is no archive, or a member would leave the folder.
        """
        final = self.folder(digest)
        if not final.is_dir():
            self.admit(object_key, digest)
        return final

    def _unpack(self, object_key: str, digest: str) -> None:
        final = self.folder(digest)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=self._unpacked))
        try:
            with tarfile.open(self.upload_path(object_key), "r:gz") as archive:
                _extract(archive, part)
            part.chmod(0o755)
            try:
                part.rename(final)
            except OSError:
                # another thread was faster: same digest, same files
                if not final.is_dir():
                    raise
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise PlatformError(f"the artifact cannot be unpacked: {error}", operation="unpack") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def keep_only(self, object_keys: Iterable[str], digests: Iterable[str]) -> None:
        """Remove uploads and unpacked artifacts that nothing refers to any more."""
        kept = {self.upload_path(key) for key in object_keys}
        for path in set(self._uploads.iterdir()) - kept:
            path.unlink(missing_ok=True)
        folders = {self.folder(digest) for digest in digests}
        for path in set(self._unpacked.iterdir()) - folders:
            shutil.rmtree(path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed platform left half-done."""
        for leftover in self._uploads.glob(".part-*"):
            leftover.unlink(missing_ok=True)
        for leftover in self._unpacked.glob(".part-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        archive.extractall(target, filter="data")
        return
    # interpreters before the security releases of June 2023
    for member in archive:
        check_member(member)
        archive.extract(member, target)


def check_member(member: tarfile.TarInfo) -> None:
    """Refuse a member that would land, or point, outside the folder it is unpacked to.

    Raises:
        PlatformError: It would, or it is neither file, folder nor link.
    """
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise PlatformError(f"the artifact has a special file, {member.name!r}", operation="unpack")
    paths = [member.name]
    if member.issym():
        paths.append(str(PurePosixPath(member.name).parent / member.linkname))
    elif member.islnk():
        paths.append(member.linkname)
    if member.linkname.startswith("/") or any(_leaves(path) for path in paths):
        raise PlatformError(f"the artifact's member {member.name!r} lies or points outside it", operation="unpack")


def _leaves(path: str) -> bool:
    depth = 0
    for part in PurePosixPath(path).parts:
        if part == "/":
            return True
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
