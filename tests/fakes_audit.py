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

from flash.bundle.audit import audit_imports
from flash.bundle.discover import app_of
from flash.bundle.modules import read_modules
from flash.bundle.sources import project_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.audit import Finding

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


def shared_object(
    *needed: str,
    runpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    symbols: Sequence[str] = (),
    machine: int = _EM_X86_64,
) -> bytes:
    """A shared object of 64 bits with nothing but the tables that a linker reads before it looks for libraries.

    Args:
        needed: The libraries that it is linked with.
        runpath: Where it looks for them.
        versions: Versions of symbols that it needs, by library.
        symbols: Names that it defines.
        machine: As the header has it.
    """
    strings = _Strings()
    dynamic = [(_DT_NEEDED, strings.add(name)) for name in needed]
    if runpath:
        dynamic.append((_DT_RUNPATH, strings.add(runpath)))
    wanted = _version_needs(versions or {}, strings)
    for symbol in symbols:
        strings.add(symbol)
    base = 64 + 2 * 56
    address = base + (len(dynamic) + 3) * 16
    dynamic += [(_DT_STRTAB, address), (_DT_STRSZ, len(strings.content)), (0, 0)]
    table = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
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
    identity = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    header = identity + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, offset, 0, 64, 56, 2, 64, len(sections), 4)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, offset, offset, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 4, base, base, base, len(table), len(table), 8)
    headers = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 2, at, at, size, link, info, 8, 16 if kind == 6 else 0)
        for name, kind, at, size, link, info in sections
    )
    return header + load + segment + b"".join(chunks) + headers


def _version_needs(versions: Mapping[str, Sequence[str]], strings: _Strings) -> bytes:
    made = b""
    for number, (library, names) in enumerate(versions.items(), 1):
        size = 16 + 16 * len(names)
        following = size if number < len(versions) else 0
        made += struct.pack("<HHIII", 1, len(names), strings.add(library), 16, following)
        for count, name in enumerate(names, 1):
            made += struct.pack("<IHHII", 0, 0, count + 1, strings.add(name), 16 if count < len(names) else 0)
    return made


class _Strings:
    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        place = len(self.content)
        self.content += text.encode() + b"\0"
        return place
