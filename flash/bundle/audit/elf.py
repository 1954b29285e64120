"""What a shared object says about itself, read from its headers.

The tables of ELF are pyelftools' business; what is kept is what decides whether a worker's dynamic linker takes it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Binary", "inspect"]

_MACHINES: Final = {
    "EM_386": "i686",
    "EM_AARCH64": "aarch64",
    "EM_ARM": "armv7l",
    "EM_PPC64": "ppc64le",
    "EM_RISCV": "riscv64",
    "EM_S390": "s390x",
    "EM_X86_64": "x86_64",
}
_OTHERS: Final = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"MZ": "Windows",
}
# A table that is longer than this is no table.
_LONGEST: Final = 20_000
_WEAK: Final = 2
_VERSION: Final = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)*)")
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
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError

    with (folder / path).open("rb") as file:
        magic = file.read(4)
        if magic != b"\x7fELF":
            other = next((system for start, system in _OTHERS.items() if magic.startswith(start)), "")
            return Binary(path, system=other)
        file.seek(0)
        try:
            return _read(file, path, stem)
        except (
            ELFError,
            OSError,
            ConstructError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            OverflowError,
            MemoryError,
        ):
            # pyelftools trusts the offsets in a file; what comes of wrong ones is any of these
            return Binary(path, system="Linux", is_broken=True)


def _read(file: Any, path: str, stem: str) -> Binary:
    from elftools.elf.elffile import ELFFile

    elf: Any = ELFFile(file)
    # the segment has it too, and looks through all sections for it; files without sections are rare
    dynamic = next(elf.iter_sections("SHT_DYNAMIC"), None)
    strings = None if dynamic is None else elf.get_section(dynamic["sh_link"])
    needed: list[str] = []
    search: list[str] = []
    for table in [dynamic] if dynamic is not None else elf.iter_segments("PT_DYNAMIC"):
        for tag in islice(table.iter_tags(), _LONGEST):
            kind = tag.entry.d_tag
            if kind == "DT_NEEDED":
                needed.append(tag.needed)
            elif kind == "DT_RPATH":
                search += _folders(tag.rpath, path)
            elif kind == "DT_RUNPATH":
                search += _folders(tag.runpath, path)
    initialisation = f"PyInit_{stem}".encode()
    return Binary(
        path,
        system="Linux",
        machine=_machine(elf),
        needed=tuple(needed),
        search=tuple(dict.fromkeys(search)),
        versions=tuple(sorted(_versions(elf))),
        is_extension=bool(stem and strings is not None and b"\0%b\0" % initialisation in strings.data()),
    )


def _machine(elf: Any) -> str:
    name = str(elf["e_machine"])
    machine = _MACHINES.get(name, name.removeprefix("EM_").lower())
    # x32: instructions of 64 bits, addresses of 32, and libraries of its own
    return "x32" if machine == "x86_64" and elf.elfclass == 32 else machine


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


def _versions(elf: Any) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    section = next(elf.iter_sections("SHT_GNU_verneed"), None)
    if section is None:
        return
    newest: dict[tuple[str, str], tuple[int, ...]] = {}
    for library, wanted in islice(section.iter_versions(), _LONGEST):
        for version in islice(wanted, _LONGEST):
            known = _family(version.name)
            if known is not None and not version["vna_flags"] & _WEAK:
                key = (library.name, known[0])
                newest[key] = max(newest.get(key, ()), known[1])
    yield from ((library, family, number) for (library, family), number in newest.items())


def _family(name: str) -> tuple[str, tuple[int, ...]] | None:
    if name in _UNNUMBERED:
        return _UNNUMBERED[name]
    match = _VERSION.fullmatch(name)
    return None if match is None else (match[1], tuple(int(part) for part in match[2].split(".")))
