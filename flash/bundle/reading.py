"""An artifact's archive, read once from front to end: nothing is unpacked to disk, and what is kept is bounded.

Whoever made the file is not trusted. A name that leads out of its folder, a link, a declared size that no worker has
room for, a header that breaks off, and bytes after the end are errors: what is shown is what a worker unpacks.
"""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, NoReturn

from flash.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Entry", "Read", "printable", "read_archive"]

_CHUNK: Final = 2**14
"""Read and inflated at a time: the smaller, the better is known how much of the archive is whose."""
_BLOCK: Final = tarfile.BLOCKSIZE
_GZIP: Final = 31
"""zlib's: one gzip member, with header and checksum."""

# Bounds, all assumed: each is far above what an artifact of 1.5 GB holds, the most that the platform takes.
_MOST_UNPACKED: Final = 64 * 2**30
_MOST_FILES: Final = 10**6
_LONGEST_NAME: Final = 4096
_MOST_NAMES: Final = 128 * 2**20
_LONGEST_HEADER: Final = 2**16
_LONGEST_KEPT: Final = 64 * 2**20
_MOST_KEPT: Final = 256 * 2**20

_HINT: Final = "flash build makes an artifact; a download may have broken off"
_UNPACKED: Final = "nothing of it was unpacked; flash build makes an artifact"
# What tarfile may say of a header that somebody has made up.
_BROKEN: Final = (tarfile.TarError, EOFError, zlib.error, ValueError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive.

    Attributes:
        size_bytes: Unpacked.
        packed_bytes: How much further the archive is after it; exact to some kilobytes, and not in their sum.
        sha256: Of its content.
    """

    size_bytes: int
    packed_bytes: int
    sha256: str
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What an archive holds.

    Attributes:
        sha256: Of the archive itself.
        size_bytes: Of the archive itself.
        files: By POSIX path, in the archive's order.
        kept: Contents of those that were asked for.
    """

    sha256: str
    size_bytes: int
    files: dict[str, Entry]
    kept: dict[str, bytes]


def read_archive(path: Path, *, keep: Callable[[str], bool]) -> Read:
    """Read an archive to its end.

    Args:
        path: A ``.tar.gz`` of regular files.
        keep: Whose contents are wanted: small files.

    Raises:
        BuildError: It cannot be read, is no such archive, or holds something that no artifact may.
    """
    try:
        with path.open("rb") as stream:
            unpacked = _Unpacked(stream)
            files, kept = _members(unpacked, keep)
            unpacked.finish()
    except OSError as error:
        raise BuildError(f"cannot read the artifact: {error.strerror or error}", path=str(path), hint=_HINT) from error
    except BuildError as error:
        raise BuildError(error.message, path=str(path), hint=error.hint) from error
    except _BROKEN as error:
        raise BuildError(f"cannot read the artifact: {error}", path=str(path), hint=_HINT) from error
    return Read(unpacked.sha256, unpacked.size_bytes, files, kept)


def printable(name: str) -> str:
    r"""A name as a line can show it: whoever made the artifact does not get at the terminal.

    >>> printable("data/größe.txt"), printable("a\x1b[2Jb")
    ('data/größe.txt', 'a\\x1b[2Jb')
    """
    if name.isprintable():
        return name
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii") for one in name
    )


def _members(unpacked: _Unpacked, keep: Callable[[str], bool]) -> tuple[dict[str, Entry], dict[str, bytes]]:
    files: dict[str, Entry] = {}
    kept: dict[str, bytes] = {}
    names = held = 0
    with tarfile.open(fileobj=unpacked, mode="r:") as tar:  # type: ignore[call-overload]  # what tarfile uses of a file
        at, last = 0, ""
        while (member := tar.next()) is not None:
            tar.members.clear()  # it remembers every one
            if tar.pax_headers:
                _refuse("it has a header about all files, which not every reader minds")
            if member.isdir():
                continue
            _check_member(member)
            name = member.name
            names += len(name)
            if name in files:
                _refuse(f"two files are called {printable(name)!r}: readers differ in which one they see")
            if len(files) >= _MOST_FILES or names > _MOST_NAMES:
                _refuse(f"more than {len(files)} files are in it")
            wanted = keep(name)
            held += member.size if wanted else 0
            if wanted and (member.size > _LONGEST_KEPT or held > _MOST_KEPT):
                _refuse(f"{printable(name)!r} has {member.size} bytes, more than any of its kind")
            digest, parts = hashlib.sha256(), []
            for chunk in unpacked.chunks(member.offset_data, member.size):
                digest.update(chunk)
                if wanted:
                    parts.append(chunk)
            if wanted:
                kept[name] = b"".join(parts)
            after = unpacked.packed_at()
            files[name] = Entry(member.size, after - at, digest.hexdigest(), bool(member.mode & stat.S_IXUSR))
            at, last = after, name
    unpacked.expect_end(last)
    return files, kept


def _check_member(member: tarfile.TarInfo) -> None:
    name = member.name
    if member.issym() or member.islnk():
        _refuse(f"{printable(name)!r} is a link to {printable(member.linkname)!r}: an artifact holds files only")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        _refuse(f"{printable(name)!r} is no regular file: an artifact holds nothing else")
    if len(name) > _LONGEST_NAME:
        _refuse(f"{printable(name[:40])!r}… is a name of {len(name)} characters")
    if not name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
        _refuse(f"{printable(name)!r} would be unpacked outside of its folder")
    if not 0 <= member.size <= _MOST_UNPACKED:
        _refuse(f"{printable(name)!r} declares {member.size} bytes: no worker has room for it")


def _refuse(message: str) -> NoReturn:
    raise BuildError(
        f"it is not to be trusted: {message}", hint="nothing of it was unpacked; flash build makes an artifact"
    )


class _Unpacked:
    """What an archive unpacks to, forwards only: of a file, what ``tarfile`` needs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(_GZIP)
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self._waiting = b""  # read, not yet inflated
        self._buffer = b""
        self._next = 0  # in the buffer
        self._base = 0  # where the buffer begins in what is unpacked
        self._packed = (0, 0)  # what of the archive was used before and after the buffer
        self._last = b""  # of what tarfile read

    @property
    def sha256(self) -> str:
        """Of what was read of the archive."""
        return self._digest.hexdigest()

    def tell(self) -> int:
        """Where the next byte is."""
        return self._base + self._next

    def seek(self, position: int, whence: int = 0) -> int:
        """Go on at *position*, which must not lie behind; at the end, where there is less."""
        if whence or position < self.tell():
            raise tarfile.ReadError("its headers lead backwards")
        for _ in self._taken(position - self.tell()):
            pass
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """What ``tarfile`` reads: headers."""
        if size < 0 or size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._last = b"".join(self._taken(size))
        return self._last

    def chunks(self, position: int, size: int) -> Iterator[bytes]:
        """A file's content, piece by piece.

        Raises:
            EOFError: There is less of it.
        """
        self.seek(position)
        left = size
        for chunk in self._taken(size):
            left -= len(chunk)
            yield chunk
        if left:
            raise EOFError("it breaks off")

    def packed_at(self) -> int:
        """How much of the archive has made what was read so far, about."""
        before, after = self._packed
        return before + (after - before) * self._next // max(len(self._buffer), 1)

    def expect_end(self, last: str) -> None:
        """Raise unless nothing but zeros comes now; *last* is the last file's name."""
        where = f"after {printable(last)!r}" if last else "at its beginning"
        if len(self._last) < _BLOCK:
            raise EOFError(f"it breaks off {where}")
        if any(self._last):
            raise tarfile.ReadError(f"there is no header {where}")
        for chunk in self._taken(_MOST_UNPACKED):
            if any(chunk):
                _refuse("something lies behind its end, which some readers see")

    def finish(self) -> None:
        """Raise where the archive goes on behind its gzip member."""
        if self._inflate.unused_data or self._more():
            _refuse("something lies behind its gzip member, which some readers see")

    def _taken(self, size: int) -> Iterator[bytes]:
        left = size
        while left > 0:
            if self._next == len(self._buffer) and not self._fill():
                return
            chunk = self._buffer[self._next : self._next + left]
            self._next += len(chunk)
            left -= len(chunk)
            yield chunk

    def _fill(self) -> bool:
        self._base += len(self._buffer)
        if self._base > _MOST_UNPACKED:
            _refuse(f"it unpacks to more than {_MOST_UNPACKED // 2**30} GiB: no worker has room for it")
        self._buffer, self._next = b"", 0
        while not self._buffer:
            if self._inflate.eof:
                return False
            self._waiting = self._waiting or self._more()
            is_over = not self._waiting
            # also without input: what was inflated and not handed out comes then
            self._buffer = self._inflate.decompress(self._waiting, _CHUNK)
            self._waiting = self._inflate.unconsumed_tail
            if is_over and not self._buffer and not self._inflate.eof:
                raise EOFError("it breaks off")
        used = self.size_bytes - len(self._waiting) - len(self._inflate.unused_data)
        self._packed = (self._packed[1], used)
        return True

    def _more(self) -> bytes:
        read = self._stream.read(_CHUNK)
        self._digest.update(read)
        self.size_bytes += len(read)
        return read
