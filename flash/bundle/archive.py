"""One ``.tar.gz`` of layers, the same bytes for the same content.

Order, owners, times, modes and the gzip header are fixed, so the digest depends on names, content and the executable
bit alone. Only regular files go in: a tree with anything else was staged wrongly.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from flash.bundle.deflate import GZIP_HEADER, combined, compressed, gzip_trailer
from flash.bundle.files import replacing
from flash.errors import ArtifactTooLarge, BuildError, ManifestError
from flash.model.manifest import MANIFEST_NAME, Artifact, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flash.bundle.deflate import Piece
    from flash.bundle.layers import Layer

__all__ = ["MEBIBYTE", "mebibytes", "read", "write"]

MEBIBYTE: Final = 2**20

_END_BYTES: Final = 1024
"""Two blocks of zeros end a tar archive."""
_CHUNK: Final = 2**20


def write(
    out: Path,
    layers: Iterable[Layer],
    *,
    limit_bytes: int | None = None,
    largest: Sequence[str] = (),
    table: Callable[[], str] = str,
) -> tuple[str, int]:
    """Join *layers* into *out*, which appears complete or not at all.

    Args:
        out: The archive. One that is there already stays if this fails.
        layers: What goes in, in that order.
        limit_bytes: What the archive may come to.
        largest: What to name in the hint when it is more, largest first.
        table: Of all that is large, for who looks closer.

    Returns:
        The sha256 in hexadecimal and the size in bytes.

    Raises:
        ArtifactTooLarge: The archive is over *limit_bytes*.
        Damaged: A layer is not what it was.
        BuildError: It cannot be written.
    """
    end = compressed(bytes(_END_BYTES))
    digest, size = hashlib.sha256(), 0
    try:
        with replacing(out, durable=True) as stream:
            for chunk in _joined(layers, end):
                digest.update(chunk)
                stream.write(chunk)
                size += len(chunk)
            if limit_bytes is not None and size > limit_bytes:
                raise _too_large(size, limit_bytes, largest, table())
    except OSError as error:
        raise BuildError(
            f"cannot write the artifact: {error.strerror or error}",
            path=str(out),
            hint="the folder has to be writable, and its disk not full",
        ) from error
    return digest.hexdigest(), size


def _joined(layers: Iterable[Layer], end: Piece) -> Iterator[bytes]:
    parts: list[tuple[int, int]] = []
    yield GZIP_HEADER
    for layer in layers:
        parts.append((layer.crc, layer.size))
        yield from layer.chunks()
    yield end.packed
    yield gzip_trailer(*combined([*parts, (end.crc, end.size)]))


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


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _too_large(size: int, limit: int, largest: Sequence[str], table: str) -> ArtifactTooLarge:
    hint = "leave packages out with --exclude, or raise size-limit-mib"
    if largest:
        hint += f"; largest: {', '.join(largest)}"
    return ArtifactTooLarge(
        f"the artifact is {mebibytes(size)}, the limit is {mebibytes(limit)}",
        size_bytes=size,
        limit_bytes=limit,
        hint=hint,
        detail=f"largest, unpacked:\n{table}" if table else "",
    )


def mebibytes(size: int) -> str:
    """``34.1 MiB``, as the size limit is counted; one digit more below 0.1.

    >>> mebibytes(35_756_442)
    '34.1 MiB'
    """
    value = size / MEBIBYTE
    return f"{value:.1f} MiB" if value >= 0.1 else f"{value:.2f} MiB"
