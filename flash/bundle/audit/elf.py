"""What a shared object says about itself: what decides whether a worker's dynamic linker takes it.

It is read as that linker reads it: by its segments and its dynamic table, not by its sections, which may be stripped.
Nothing in a file is trusted: whatever it points at is in it or the file is broken, and no table is longer than any real
one. It is read, not mapped: a file that is cut short meanwhile would end the process.
"""

from __future__ import annotations

import posixpath
import re
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Binary", "inspect"]

# Source: the System V ABI's list of e_machine values, read 2026-11.
_MACHINES: Final = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch",
}
_X86_64: Final = 62
_OTHERS: Final = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"MZ": "Windows",
}
_MAGIC: Final = b"\x7fELF"
# Of a dynamic table, and of the versions that a file needs: the longest ones known have hundreds.
_MOST_ENTRIES: Final = 4096
_MOST_SEGMENTS: Final = 256
_LONGEST_NAME: Final = 4096
_NAME_STEP: Final = 1024
_CHUNK: Final = 2**20

# Source: the System V ABI, "Program Header" and "Dynamic Section"; glibc's elf.h for the versions.
_LOAD: Final = 1
_DYNAMIC: Final = 2
_NEEDED: Final = 1
_STRINGS: Final = 5
_STRINGS_SIZE: Final = 10
_RPATH: Final = 15
_RUNPATH: Final = 29
_VERSIONS: Final = 0x6FFFFFFE
_VERSIONS_FORM: Final = 1
_WEAK: Final = 2
_VERSION: Final = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d{1,6}(?:\.\d{1,6}){0,4})")
# The one version of glibc's that has no number says that the linker has to know a format of relocations.
_UNNUMBERED: Final = {"GLIBC_ABI_DT_RELR": ("GLIBC", (2, 36))}


@dataclass(frozen=True, slots=True)
class Binary:
    """A file that a worker's dynamic linker would be asked to load.

    Attributes:
        path: In the tree, with forward slashes.
        system: Whose it is: ``"Linux"``, ``"macOS"`` or ``"Windows"``; empty where it is no program at all.
        machine: ``"x86_64"``.
        needed: The libraries that it is linked with.
        search: Folders of the tree that it looks for them in.
        versions: ``("libc.so.6", "GLIBC", (2, 17))``: the newest that it needs of each library and family.
        is_extension: Whether it is a module of Python's: it has that module's initialisation.
        is_broken: Whether it cannot be read: cut off, or not what its first bytes say.
    """

    path: str
    system: str = ""
    machine: str = ""
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    versions: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    is_extension: bool = False
    is_broken: bool = False


def inspect(folder: Path, path: str, *, stem: str = "") -> Binary:
    """Read the file *path* of *folder*.

    Args:
        folder: The tree.
        path: The file in it, with forward slashes.
        stem: The name of the module that it would be.

    Raises:
        OSError: It cannot be opened.
    """
    with (folder / path).open("rb", buffering=0) as file:
        magic = file.read(len(_MAGIC))
        if magic != _MAGIC:
            other = next((system for start, system in _OTHERS.items() if magic.startswith(start)), "")
            return Binary(path, system=other)
        try:
            elf = _Elf(file)
            return Binary(
                path,
                system="Linux",
                machine=elf.machine,
                needed=tuple(elf.name(place) for place in elf.needed),
                search=tuple(dict.fromkeys(folder for each in elf.search for folder in _folders(elf.name(each), path))),
                versions=tuple(sorted(_newest(elf))),
                is_extension=bool(stem) and elf.has_name(f"PyInit_{stem}"),
            )
        except (OSError, ValueError):
            return Binary(path, system="Linux", is_broken=True)


class _Elf:
    """The tables of a file.

    Attributes:
        machine: As `Binary` has it.
        needed: Where among the names those of the needed libraries are.
        search: Where those are that say where to look for them.

    Raises:
        OSError, ValueError: It is broken.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        word, order = self._read(4, 2)
        if word not in (1, 2) or order not in (1, 2):
            raise ValueError("neither of 32 nor of 64 bits")
        self._is_64 = word == 2
        self._order = "<" if order == 1 else ">"
        # type, machine, version, entry, segments, sections, flags, own size, size and number of each
        header = self._unpacked("HHIQQQIHHHHH" if self._is_64 else "HHIIIIIHHHHH", 16)
        number = header[1]
        machine = _MACHINES.get(number, f"machine {number}")
        # x32: instructions of 64 bits, addresses of 32, and libraries of its own
        self.machine = "x32" if number == _X86_64 and not self._is_64 else machine
        segments, sections = header[4], header[5]
        segment_size, segment_count, section_size, section_count = header[8:12]
        # nobody needs the sections to load it, but they lie at the end: a file that is cut off lacks them
        if sections and sections + max(section_count, 1) * section_size > self._size:
            raise ValueError("its sections are beyond its end")
        self._loads: list[tuple[int, int, int]] = []
        dynamic = None
        for kind, offset, address, size in self._segments(segments, segment_size, segment_count):
            if kind == _LOAD:
                if offset + size > self._size:
                    raise ValueError("a segment is beyond its end")
                self._loads.append((address, offset, size))
            elif kind == _DYNAMIC:
                dynamic = address, size
        self.needed: list[int] = []
        self._dynamic: dict[int, int] = {}
        # what holds debugging information only has the entry and not the table
        if dynamic is not None and dynamic[1]:
            for tag, value in self._table(*dynamic):
                if tag == _NEEDED:
                    self.needed.append(value)
                else:
                    # of several the last one counts
                    self._dynamic[tag] = value
        self.search = [self._dynamic[tag] for tag in (_RPATH, _RUNPATH) if tag in self._dynamic]

    def name(self, place: int) -> str:
        """The name at *place* among the names."""
        start, size = self._names()
        found = b""
        while b"\0" not in found:
            at = place + len(found)
            if at >= size or len(found) >= _LONGEST_NAME:
                raise ValueError("a name has no end")
            found += self._read(start + at, min(_NAME_STEP, size - at))
        return found.partition(b"\0")[0].decode("utf-8", errors="replace")

    def has_name(self, name: str) -> bool:
        """Whether *name* is among the names, as those of its symbols are."""
        wanted = f"\0{name}\0".encode()
        start, size = self._names()
        rest = b""
        for done in range(0, size, _CHUNK):
            chunk = rest + self._read(start + done, min(_CHUNK, size - done))
            if wanted in chunk:
                return True
            rest = chunk[-len(wanted) :]
        return False

    def versions(self) -> Iterator[tuple[str, str]]:
        """The versions of symbols that it cannot do without, each with the library that is to have it."""
        at, entries = self._dynamic.get(_VERSIONS, 0), 0
        while at:
            form, count, file, to_first, to_next = self._unpacked("HHIII", self._place(at, 16))
            if form != _VERSIONS_FORM:
                raise ValueError("its versions are none")
            library, version_at = self.name(file), at + to_first
            entries += 1 + count
            if entries > _MOST_ENTRIES:
                raise ValueError("it needs more versions than there are")
            for _ in range(count):
                _, flags, _, name, step = self._unpacked("IHHII", self._place(version_at, 16))
                if not flags & _WEAK:
                    yield library, self.name(name)
                version_at += step
            at = at + to_next if to_next else 0

    def _segments(self, start: int, size: int, count: int) -> Iterator[tuple[int, int, int, int]]:
        """Of each its kind, and where it begins in the file and in memory; the size that it has in the file."""
        form = struct.Struct(f"{self._order}{'IIQQQQQQ' if self._is_64 else 'IIIIIIII'}")
        if not count:
            return
        if size != form.size or count > _MOST_SEGMENTS:
            raise ValueError("its segments are none")
        for fields in form.iter_unpack(self._read(start, size * count)):
            if self._is_64:
                kind, _, offset, address, _, in_file, _, _ = fields
            else:
                kind, offset, address, _, in_file, _, _, _ = fields
            yield kind, offset, address, in_file

    def _table(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        form = struct.Struct(f"{self._order}{'qQ' if self._is_64 else 'iI'}")
        count = min(size // form.size, _MOST_ENTRIES)
        for tag, value in form.iter_unpack(self._read(self._place(address, count * form.size), count * form.size)):
            if not tag:
                return
            yield tag, value
        raise ValueError("its dynamic table has no end")

    def _names(self) -> tuple[int, int]:
        """Where the names begin in the file, and their size."""
        size = self._dynamic.get(_STRINGS_SIZE, 0)
        return (self._place(self._dynamic.get(_STRINGS, 0), size), size) if size else (0, 0)

    def _place(self, address: int, size: int) -> int:
        """Where in the file that is which has an address once it is loaded."""
        for start, offset, length in self._loads:
            if start <= address and address + size <= start + length:
                return offset + address - start
        raise ValueError("an address is in no segment")

    def _unpacked(self, form: str, offset: int) -> tuple[int, ...]:
        fields = struct.Struct(self._order + form)
        return fields.unpack(self._read(offset, fields.size))

    def _read(self, offset: int, size: int) -> bytes:
        if offset + size > self._size:
            raise ValueError("it is cut off")
        self._file.seek(offset)
        found = self._file.read(size)
        if len(found) != size:
            raise ValueError("it is cut off")
        return found


def _folders(text: str, path: str) -> Iterator[str]:
    """The folders of the tree among the entries of a search path; what is outside is no worker's."""
    origin = posixpath.dirname(path)
    for entry in text.split(":"):
        for variable in ("$ORIGIN", "${ORIGIN}"):
            rest = entry.removeprefix(variable)
            if rest != entry and (not rest or rest.startswith("/")):
                folder = posixpath.normpath(f"./{origin}{rest}")
                if not folder.startswith(".."):
                    yield folder


def _newest(elf: _Elf) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    newest: dict[tuple[str, str], tuple[int, ...]] = {}
    for library, version in elf.versions():
        known = _family(version)
        if known is not None:
            key = (library, known[0])
            newest[key] = max(newest.get(key, ()), known[1])
    yield from ((library, family, number) for (library, family), number in newest.items())


def _family(name: str) -> tuple[str, tuple[int, ...]] | None:
    if name in _UNNUMBERED:
        return _UNNUMBERED[name]
    match = _VERSION.fullmatch(name)
    return None if match is None else (match[1], tuple(int(part) for part in match[2].split(".")))
