"""Projects and distributions to audit: sources as text, wheels as files, shared objects as bytes."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zipfile
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fakes_bundle import project

from flash.bundle.audit.imports import audit_imports
from flash.bundle.discover import app_of
from flash.bundle.modules import read_modules
from flash.bundle.sources import project_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.audit.findings import Finding

PLATFORM = "x86_64-manylinux_2_28"
CPU = 'from flash import Endpoint\n\n@Endpoint(name="worker", cpu="cpu3c-1-2")\n'
GPU = 'from flash import Endpoint\n\n@Endpoint(name="trainer", gpu="any")\n'


@dataclass(frozen=True)
class Shipped:
    """A distribution, as the audit sees it."""

    name: str
    files: tuple[str, ...] = ()
    version: str = "1.0"
    requires: tuple[str, ...] = ()


def audited(
    root: Path,
    files: Mapping[str, str],
    *shipped: Shipped,
    python: str = "3.12",
    provided: Mapping[str, Sequence[str]] | None = None,
    excluded: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What the audit finds in the imports of a project of *files*."""
    project(root, files)
    sources = project_files(root)
    modules = read_modules(root, sources.files)
    return list(
        audit_imports(
            app_of(modules, root, app_name="demo", ignored=sources.ignored),
            modules,
            distributions=shipped,
            provided=provided or {},
            excluded=excluded or {},
            ignored=sources.ignored,
            files=sources.files,
            python_version=python,
        )
    )


# -------------------------------------------------------------------------------------------------------------- Wheels


@dataclass(frozen=True)
class Wheel:
    """A wheel to be written.

    Attributes:
        tag: ``"cp312-cp312-manylinux_2_28_x86_64"``.
        files: What is in it.
    """

    name: str = "thing"
    tag: str = "py3-none-any"
    files: Mapping[str, bytes] = field(default_factory=dict)
    requires: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """Write it as a file that installers take."""
        folder.mkdir(parents=True, exist_ok=True)
        info = f"{self.name}-1.0.dist-info"
        requires = "".join(f"Requires-Dist: {line}\n" for line in self.requires)
        entries = {
            **self.files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1.0\n{requires}".encode(),
            f"{info}/WHEEL": self._wheel().encode(),
        }
        record = [f"{path},sha256={_hash(content)},{len(content)}\n" for path, content in entries.items()]
        entries[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
        file = folder / f"{self.name}-1.0-{self.tag}.whl"
        with zipfile.ZipFile(file, "w") as archive:
            for path, content in entries.items():
                archive.writestr(path, content)
        return file

    def _wheel(self) -> str:
        interpreters, abis, platforms = (part.split(".") for part in self.tag.split("-"))
        tags = [f"Tag: {one}-{two}-{three}\n" for one in interpreters for two in abis for three in platforms]
        return f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n{''.join(tags)}"


def _hash(content: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()


def installed(folder: Path, *wheels: Wheel) -> tuple[Shipped, ...]:
    """Unpack real wheels into *folder*, whatever they are for; what an installer would refuse too."""
    found = []
    for wheel in wheels:
        file = wheel.write(folder.with_name(f"{folder.name}-wheels"))
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
            names = tuple(sorted(archive.namelist()))
        found.append(Shipped(wheel.name, names, requires=wheel.requires))
    return tuple(found)


# ------------------------------------------------------------------------------------------------------ Shared objects


@cache
def compiled(source: str, *arguments: str) -> bytes:
    """A shared object by the compiler, or, where there is none, nothing."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        code, made = Path(folder, "code.c"), Path(folder, "made.so")
        code.write_text(source, encoding="utf-8")
        command = ["gcc", "-shared", "-fPIC", "-nostartfiles", "-o", str(made), str(code), *arguments]
        subprocess.run(command, check=True, capture_output=True)
        return made.read_bytes()


def has_compiler() -> bool:
    """Whether there is one."""
    return shutil.which("gcc") is not None


_EM_X86_64 = 62
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RUNPATH = 1, 5, 10, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF


def shared_object(
    *needed: str,
    runpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    symbols: Sequence[str] = (),
    machine: int = _EM_X86_64,
    is_64: bool = True,
    order: str = "<",
    dynamic: Mapping[int, int] | None = None,
) -> bytes:
    """A shared object with nothing but the tables that a linker reads before it looks for libraries.

    Args:
        needed: The libraries that it is linked with.
        runpath: Where it looks for them.
        versions: Versions of symbols that it needs, by library.
        symbols: Names that it defines.
        machine: As the header has it.
        is_64: Whether it is of 64 bits; else of 32.
        order: Of its bytes, as `struct` has it.
        dynamic: Entries of the dynamic table, in place of the right ones.
    """
    strings = _Strings()
    entries = [(_DT_NEEDED, strings.add(name)) for name in needed]
    if runpath:
        entries.append((_DT_RUNPATH, strings.add(runpath)))
    wanted = _version_needs(versions or {}, strings, order)
    for symbol in symbols:
        strings.add(symbol)
    head, segment, section, entry = (64, 56, 64, 16) if is_64 else (52, 32, 40, 8)
    base = head + 2 * segment
    address = base + (len(entries) + (5 if wanted else 3)) * entry
    entries += [(_DT_STRTAB, address), (_DT_STRSZ, len(strings.content))]
    if wanted:
        entries += [(_DT_VERNEED, address + len(strings.content)), (_DT_VERNEEDNUM, len(versions or {}))]
    entries.append((0, 0))
    entries = [(tag, (dynamic or {}).get(tag, value)) for tag, value in entries]
    table = b"".join(struct.pack(f"{order}{'qQ' if is_64 else 'iI'}", *each) for each in entries)
    names = _Strings()
    sections = [(0, 0, 0, 0, 0, 0)]
    offset = base
    chunks = []
    for name, kind, content, link, info in (
        (".dynamic", 6, table, 2, 0),
        (".dynstr", 3, strings.content, 0, 0),
        (".gnu.version_r", 0x6FFFFFFE, wanted, 2, len(versions or {})),
    ):
        sections.append((names.add(name), kind, offset, len(content), link, info))
        chunks.append(content)
        offset += len(content)
    sections.append((names.add(".shstrtab"), 3, offset, len(names.content), 0, 0))
    chunks.append(names.content)
    offset += len(names.content)
    identity = b"\x7fELF" + bytes([2 if is_64 else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    word = "Q" if is_64 else "I"
    header = identity + struct.pack(
        f"{order}HHI{word * 3}IHHHHHH",
        *(3, machine, 1, 0, head, offset, 0, head, segment, 2, section, len(sections), 4),
    )
    segments = b"".join(
        struct.pack(f"{order}IIQQQQQQ", kind, 4, at, at, at, size, size, align)
        if is_64
        else struct.pack(f"{order}IIIIIIII", kind, at, at, at, size, size, 4, align)
        for kind, at, size, align in ((1, 0, offset, 4096), (2, base, len(table), 8))
    )
    headers = b"".join(
        struct.pack(
            f"{order}II{word * 4}II{word * 2}", name, kind, 2, at, at, size, link, info, 8, entry if kind == 6 else 0
        )
        for name, kind, at, size, link, info in sections
    )
    return header + segments + b"".join(chunks) + headers


def _version_needs(versions: Mapping[str, Sequence[str]], strings: _Strings, order: str) -> bytes:
    made = b""
    for number, (library, names) in enumerate(versions.items(), 1):
        size = 16 + 16 * len(names)
        following = size if number < len(versions) else 0
        made += struct.pack(f"{order}HHIII", 1, len(names), strings.add(library), 16, following)
        for count, name in enumerate(names, 1):
            step = 16 if count < len(names) else 0
            made += struct.pack(f"{order}IHHII", 0, 0, count + 1, strings.add(name), step)
    return made


class _Strings:
    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        place = len(self.content)
        self.content += text.encode() + b"\0"
        return place
