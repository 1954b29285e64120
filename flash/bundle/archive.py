"""A staged tree becomes one ``.tar.gz``, the same bytes for the same content.

Order, owners, times, modes and the gzip header are fixed, so the digest depends on names, content and the executable
bit alone. Only regular files go in: a tree with anything else was staged wrongly.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from flash.errors import ArtifactTooLarge, BuildError, ManifestError
from flash.model.manifest import MANIFEST_NAME, Artifact, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MEBIBYTE", "digest_of", "mebibytes", "members", "read", "write", "write_text"]

MEBIBYTE: Final = 2**20

# 1980-01-01: the first moment that a zip file can hold, for workers that zip up their own files.
_MTIME: Final = 315_532_800
_LEVEL: Final = 6
_CHUNK: Final = 2**20


def write(
    staging: Path, out: Path, *, limit_bytes: int | None = None, largest: Sequence[str] = ()
) -> tuple[str, int, tuple[str, ...]]:
    """Pack *staging* into *out*, which appears complete or not at all.

    Args:
        staging: The tree, whose content becomes the root of the archive.
        out: The archive. One that is there already stays if this fails.
        limit_bytes: What the archive may come to.
        largest: What to name in the hint when it is more, largest first.

    Returns:
        The sha256 in hexadecimal, the size in bytes, and the files as sorted POSIX paths.

    Raises:
        ArtifactTooLarge: The archive is over *limit_bytes*.
        BuildError: The tree holds something that is neither a file nor a folder, or cannot be read or written.
    """
    files = members(staging)
    try:
        with _replacing(out) as stream:
            _pack(staging, files, stream)
            size = stream.tell()
            if limit_bytes is not None and size > limit_bytes:
                raise _too_large(size, limit_bytes, largest)
            stream.flush()
            stream.seek(0)
            digest = _sha256(stream)
    except OSError as error:
        raise BuildError(f"cannot write the artifact: {error.strerror or error}", path=str(out)) from error
    return digest, size, files


def read(path: Path) -> Artifact:
    """The artifact that *path* holds.

    Raises:
        BuildError: It cannot be read, or is no archive.
        ManifestError: The manifest in it is missing, or is none.
    """
    try:
        with path.open("rb") as stream:
            digest = _sha256(stream)
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r:gz") as tar:
                files = tuple(sorted(member.name for member in tar.getmembers() if member.isfile()))
                packed = tar.extractfile(MANIFEST_NAME) if MANIFEST_NAME in files else None
                text = b"null" if packed is None else packed.read()
        manifest = Manifest.parse(json.loads(text), where=f"{path}: {MANIFEST_NAME}")
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        if isinstance(error, ManifestError):
            raise
        raise BuildError(f"cannot read the artifact: {error}", hint="build it again", path=str(path)) from error
    return Artifact(path, digest, path.stat().st_size, manifest, files)


def digest_of(path: Path) -> str:
    """The sha256 of a file's bytes in hexadecimal: of an artifact, its identity.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return _sha256(stream)


def write_text(path: Path, text: str) -> None:
    """Write a small file that appears complete or not at all."""
    with _replacing(path) as stream:
        stream.write(text.encode("utf-8"))


def members(folder: Path) -> tuple[str, ...]:
    """The files below *folder* as sorted POSIX paths.

    Raises:
        BuildError: There is a link, a device or another thing that an archive of files cannot hold.
    """
    return tuple(sorted(_members(folder, "")))


def _members(folder: Path, base: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{base}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _members(Path(entry.path), f"{path}/")
            elif not entry.is_file(follow_symlinks=False):
                raise BuildError("neither a file nor a folder: it cannot be packed", path=path)
            elif not entry.name.endswith((".pyc", ".pyo")):
                yield path


def _pack(staging: Path, files: Sequence[str], stream: IO[bytes]) -> None:
    with (
        # an empty name and time zero keep both out of the header
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in files:
            source = staging / name
            status = source.stat()
            member = tarfile.TarInfo(name)
            member.size = status.st_size
            member.mtime = _MTIME
            member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            with source.open("rb") as content:
                tar.addfile(member, content)


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class _replacing:  # noqa: N801  used like a function
    """A temporary file beside *path* that takes its place when the block ends well, and vanishes when it does not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._temporary = Path(name)
        self._stream = os.fdopen(descriptor, "w+b")
        return self._stream

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
                # mkstemp makes it private; an artifact is as readable as the project it is made of
                self._temporary.chmod(0o644)
                self._temporary.replace(self._path)
        finally:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)


def _too_large(size: int, limit: int, largest: Sequence[str]) -> ArtifactTooLarge:
    hint = "leave packages out with --exclude, or raise size-limit-mib"
    if largest:
        hint += f"; largest: {', '.join(largest)}"
    return ArtifactTooLarge(
        f"the artifact is {mebibytes(size)}, the limit is {mebibytes(limit)}",
        size_bytes=size,
        limit_bytes=limit,
        hint=hint,
    )


def mebibytes(size: int) -> str:
    """``34.1 MiB``, as the size limit is counted; one digit more below 0.1.

    >>> mebibytes(35_756_442)
    '34.1 MiB'
    """
    value = size / MEBIBYTE
    return f"{value:.1f} MiB" if value >= 0.1 else f"{value:.2f} MiB"
