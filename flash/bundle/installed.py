"""What an installer put into a folder, read from the metadata that it left there."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Distribution", "settle"]

# What an installer leaves behind that differs from machine to machine, or that nobody reads in an artifact.
_INSTALLER_FILES: Final = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
_SCRIPT_FOLDERS: Final = ("bin", "Scripts")
# Entry points of these groups become scripts, and nobody looks for them at run time.
_OF_SCRIPTS: Final = frozenset({"console_scripts", "gui_scripts"})


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution that was installed.

    Attributes:
        name: Normalised: lower case, hyphens.
        size_bytes: Of its files, unpacked.
        requires: Its ``Requires-Dist`` lines, as its metadata has them.
        top_level: The first parts of its files' paths, sorted: ``("six.py",)``.
        files: What ships of it, from its ``RECORD``: relative POSIX paths, sorted.
        tags: What its wheel is for: ``("cp312-cp312-manylinux_2_28_x86_64",)``.
        is_plugin: Whether others may find it without naming it, by its entry points.
    """

    name: str
    version: str
    size_bytes: int
    requires: tuple[str, ...] = ()
    top_level: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_plugin: bool = False


def settle(target: Path) -> tuple[Distribution, ...]:
    """Remove what differs between machines, and read what was installed.

    Files may be links into the installer's cache: none is written to, what has to change is replaced.
    """
    for name in _SCRIPT_FOLDERS:
        shutil.rmtree(target / name, ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    found = []
    for info in sorted(target.glob("*.dist-info")):
        for name in _INSTALLER_FILES:
            (info / name).unlink(missing_ok=True)
        files = _recorded(target, info)
        metadata = HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8", errors="replace"))
        found.append(
            Distribution(
                name=canonicalize_name(str(metadata["Name"])),
                version=str(metadata["Version"]),
                size_bytes=sum((target / file).stat().st_size for file in files),
                requires=tuple(str(line) for line in metadata.get_all("Requires-Dist", [])),
                top_level=tuple(sorted({file.split("/", 1)[0] for file in files})),
                files=files,
                tags=_tags(info / "WHEEL"),
                is_plugin=_is_plugin(info / "entry_points.txt"),
            )
        )
    return tuple(found)


def _tags(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    lines = HeaderParser().parsestr(file.read_text(encoding="utf-8", errors="replace"))
    return tuple(sorted(str(tag).strip() for tag in lines.get_all("Tag", [])))


def _is_plugin(file: Path) -> bool:
    if not file.is_file():
        return False
    lines = (line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    return any(line[1:-1].strip() not in _OF_SCRIPTS for line in lines if line.startswith("[") and line.endswith("]"))


def _recorded(target: Path, info: Path) -> tuple[str, ...]:
    """Replace RECORD by one that is sorted and without what is gone, and return the files that it names."""
    record = info / "RECORD"
    kept = sorted(_existing_lines(target, record))
    record.unlink(missing_ok=True)
    record.write_text("".join(f"{line}\n" for _, line in kept), encoding="utf-8", newline="\n")
    return tuple(file for file, _ in kept)


def _existing_lines(target: Path, record: Path) -> Iterator[tuple[str, str]]:
    if not record.exists():
        return
    for line in record.read_text(encoding="utf-8").splitlines():
        file = next(csv.reader([line]), [""])[0]
        if file and not file.startswith("../") and (target / file).is_file():
            yield file, line
