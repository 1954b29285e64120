"""Parts of an archive that are compressed once and kept.

A layer is some members of a tar stream, compressed, in a file named by what is in it. An archive is layers in a row, so
that what has not changed since another build, of any project, is copied. A store appears under its final names only
what is whole; what was damaged since is found when it is copied, as its checksum is in it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from flash.bundle.deflate import COMPRESSOR, PIECE_BYTES, Piece, combined, compressed
from flash.bundle.files import replacing
from flash.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

__all__ = ["Compressing", "Damaged", "Layer", "Layers", "Member", "tar_stream"]

_FORMAT: Final = 1
_MAGIC: Final = b"flash-layer"
# magic, format, CRC-32 of the packed bytes, CRC-32 and size of the content, size of the packed bytes
_FIELDS: Final = struct.Struct("<11sBIIQQ")
_HEADER_BYTES: Final = _FIELDS.size + 4  # and the CRC-32 of these
_CHUNK: Final = 2**20
# 1980-01-01: the first moment that a zip file can hold, for workers that zip up their own files
_MTIME: Final = 315_532_800
_BLOCK: Final = 512
_LONGEST_PLAIN_NAME: Final = 100
_LARGEST_PLAIN: Final = 8**11 - 1


class Damaged(BuildError):
    """Something in the cache is not what was put there.

    Attributes:
        place: What.
    """

    def __init__(self, place: Path, why: str) -> None:
        super().__init__(f"a part of the cache is damaged: {why}", path=str(place), hint="build again: it is made anew")
        self.place = place


@dataclass(frozen=True, slots=True)
class Member:
    """A file that goes into an archive.

    Attributes:
        name: There, as a POSIX path.
        content: Its content, or the file that has it.
        size: Of the content.
    """

    name: str
    content: bytes | Path
    size: int
    is_executable: bool = False

    @classmethod
    def of_text(cls, name: str, text: str) -> Member:
        """A generated file."""
        content = text.encode("utf-8")
        return cls(name, content, len(content))


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of an archive, in a file or in memory.

    Attributes:
        crc: The content's CRC-32.
        size: The content's bytes.
        packed_size: The compressed ones.
        packed: They themselves, or the file that has them.
    """

    crc: int
    size: int
    packed_size: int
    packed: tuple[bytes, ...] | Path

    def chunks(self) -> Iterator[bytes]:
        """The compressed bytes.

        Raises:
            Damaged: The file has changed since it was written.
        """
        if isinstance(self.packed, tuple):
            yield from self.packed
            return
        try:
            with self.packed.open("rb") as stream:
                expected = _unpacked(stream.read(_HEADER_BYTES))[0]
                found, left = 0, self.packed_size
                while left:
                    chunk = stream.read(min(_CHUNK, left))
                    if not chunk:
                        break
                    found, left = zlib.crc32(chunk, found), left - len(chunk)
                    yield chunk
        except (OSError, ValueError) as error:
            raise Damaged(self.packed, str(error)) from error
        if left or found != expected:
            raise Damaged(self.packed, "its checksum differs")


@final
class Compressing:
    """Compresses on all cores, a bounded part of the content at a time. A context manager."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="compress")

    def __enter__(self) -> Compressing:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def pieces(self, contents: Iterable[bytes]) -> Iterator[Piece]:
        """*contents* compressed, in their order."""
        waiting: deque[Future[Piece]] = deque()
        try:
            for content in contents:
                waiting.append(self._pool.submit(compressed, content))
                if len(waiting) > 2 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def layer(self, members: Iterable[Member]) -> Layer:
        """A layer in memory."""
        pieces = list(self.pieces(tar_stream(members)))
        crc, size = combined((piece.crc, piece.size) for piece in pieces)
        packed = tuple(piece.packed for piece in pieces)
        return Layer(crc, size, sum(map(len, packed)), packed)


class Layers:
    """A store of layers, shared by everything that the same user builds.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def key(members: Iterable[tuple[str, str]]) -> str:
        """The name of a layer: of its members' names, each with something that tells its content and its mode."""
        digest = hashlib.sha256(f"{_FORMAT} {COMPRESSOR}\n".encode())
        for name, identity in members:
            digest.update(f"{len(name)} {name} {identity}\n".encode())
        return digest.hexdigest()

    def get(self, key: str) -> Layer | None:
        """A layer that is there; it is younger than others from now on."""
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                _, crc, size, packed_size = _unpacked(stream.read(_HEADER_BYTES))
                length = os.fstat(stream.fileno()).st_size
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Damaged(path, str(error)) from error
        if length != _HEADER_BYTES + packed_size:
            raise Damaged(path, "it is not whole")
        return Layer(crc, size, packed_size, path)

    def make(self, key: str, members: Iterable[Member], compressing: Compressing) -> Layer:
        """Compress *members* and keep them."""
        path = self._path(key)
        parts: list[tuple[int, int]] = []
        packed_crc = packed_size = 0
        with replacing(path) as stream:
            stream.write(bytes(_HEADER_BYTES))
            for piece in compressing.pieces(tar_stream(members)):
                stream.write(piece.packed)
                packed_crc = zlib.crc32(piece.packed, packed_crc)
                packed_size += len(piece.packed)
                parts.append((piece.crc, piece.size))
            crc, size = combined(parts)
            stream.seek(0)
            fields = _FIELDS.pack(_MAGIC, _FORMAT, packed_crc, crc, size, packed_size)
            stream.write(fields + struct.pack("<I", zlib.crc32(fields)))
        return Layer(crc, size, packed_size, path)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _unpacked(header: bytes) -> tuple[int, int, int, int]:
    """CRC-32 of the packed bytes, CRC-32 and size of the content, size of the packed bytes."""
    fields, checksum = header[: _FIELDS.size], header[_FIELDS.size :]
    if checksum != struct.pack("<I", zlib.crc32(fields)):
        raise ValueError("its header is none")
    magic, version, *values = _FIELDS.unpack(fields)
    if (magic, version) != (_MAGIC, _FORMAT):
        raise ValueError("it is of another kind")
    packed_crc, crc, size, packed_size = values
    return packed_crc, crc, size, packed_size


# ---------------------------------------------------------------------------------------------------------------------
# Tar


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """The members as a tar stream without its end, in parts of `PIECE_BYTES`, the last one smaller.

    Owners, times and modes are fixed: the bytes depend on names, contents and the executable bit alone.

    Raises:
        BuildError: A file cannot be read, or changes while it is.
    """
    buffer = bytearray()
    for member in members:
        buffer += _header(member)
        for chunk in _content(member):
            buffer += chunk
            while len(buffer) >= PIECE_BYTES:
                yield bytes(buffer[:PIECE_BYTES])
                del buffer[:PIECE_BYTES]
        buffer += bytes(-member.size % _BLOCK)
    while buffer:
        yield bytes(buffer[:PIECE_BYTES])
        del buffer[:PIECE_BYTES]


def _content(member: Member) -> Iterator[bytes]:
    if isinstance(member.content, bytes):
        yield member.content
        return
    left = member.size
    try:
        with member.content.open("rb", buffering=0) as stream:
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror or error}", path=member.name) from error
    if left:
        raise BuildError(
            "it changed while it was read",
            path=member.name,
            hint="build again when nothing writes to it, or list it in .flashignore",
        )


def _header(member: Member) -> bytes:
    name = member.name.encode("utf-8", "surrogateescape")
    mode = b"0000755\x00" if member.is_executable else b"0000644\x00"
    size, records = member.size, b""
    if len(name) > _LONGEST_PLAIN_NAME or not member.name.isascii():
        records += _record(b"path", name)
        name = b"long-name"
    if size > _LARGEST_PLAIN:
        records += _record(b"size", b"%d" % size)
        size = 0
    if not records:
        return _ustar(name, mode, size, b"0")
    extended = _ustar(b"PaxHeaders", b"0000644\x00", len(records), b"x")
    return extended + records + bytes(-len(records) % _BLOCK) + _ustar(name, mode, size, b"0")


def _record(key: bytes, value: bytes) -> bytes:
    """Of a pax header: it begins with its own length, the digits of that included."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest)
    while length != len(rest) + len(b"%d" % length):
        length = len(rest) + len(b"%d" % length)
    return b"%d%b" % (length, rest)


def _ustar(name: bytes, mode: bytes, size: int, kind: bytes) -> bytes:
    """A header as every reader knows it. Source: POSIX.1-2017, pax, "ustar Interchange Format".

    ``tarfile`` takes ten times as long, and does not write the same in every version of Python.
    """
    before = b"%b%b0000000\x000000000\x00%011o\x00%011o\x00" % (
        name.ljust(_LONGEST_PLAIN_NAME, b"\x00"),
        mode,
        size,
        _MTIME,
    )
    after = kind + _AFTER_KIND
    # the checksum counts its own field as spaces
    return b"%b%06o\x00 %b" % (before, sum(before) + 8 * 0x20 + sum(after), after)


# no link, "ustar" and its version, no names of owners, no device, no prefix
_AFTER_KIND: Final = (bytes(100) + b"ustar\x0000").ljust(_BLOCK - 157, b"\x00")
