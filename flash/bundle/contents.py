"""What lies in an artifact, and which distribution brought it."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from flash.bundle import archive
from flash.errors import BuildError
from flash.model.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.model.manifest import Artifact

__all__ = ["Contents", "Locked", "Part", "locked", "read"]

_GENERATED: Final = frozenset({MANIFEST_NAME, "requirements.txt"})


@dataclass(frozen=True, slots=True)
class Part:
    """Files that belong together.

    Attributes:
        version: A distribution's, else the empty string.
        size_bytes: Unpacked.
    """

    name: str
    files: int
    size_bytes: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Locked:
    """A distribution in an artifact.

    Attributes:
        record_sha256: Of its ``RECORD``, which lists the sha256 of each of its files.
    """

    name: str
    version: str
    record_sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What an artifact is made of; each file is part of one thing.

    Attributes:
        sizes: Unpacked sizes by path.
        project: The project's own files, by the top of their paths: ``gpu_worker.py``, ``data/``.
        generated: Handlers, manifest, requirements.
        runtime: Flash's own part.
        distributions: What was installed, largest first.
    """

    artifact: Artifact
    sizes: Mapping[str, int]
    project: tuple[Part, ...]
    generated: Part
    runtime: Part
    distributions: tuple[Part, ...]

    @property
    def unpacked_bytes(self) -> int:
        """What it comes to in a worker."""
        return sum(self.sizes.values())


def read(path: Path) -> Contents:
    """Look into an artifact.

    Raises:
        BuildError: It cannot be read, or is no archive.
        ManifestError: The manifest in it is missing, or is none.
    """
    artifact = archive.read(path)
    sizes, records = _read(path)
    texts = {name: content.decode("utf-8", errors="replace") for name, content in records.items()}
    return _contents(artifact, sizes, texts)


def locked(path: Path) -> tuple[Locked, ...]:
    """The distributions in an artifact, by name and version.

    Raises:
        BuildError: It cannot be read, or is no archive.
    """
    _, records = _read(path)
    found = {
        Locked(*_name_and_version(PurePosixPath(name).parent), hashlib.sha256(content).hexdigest())
        for name, content in records.items()
    }
    return tuple(sorted(found, key=lambda one: (one.name, one.version, one.record_sha256)))


def _read(path: Path) -> tuple[dict[str, int], dict[str, bytes]]:
    """Unpacked sizes by path, and the content of every ``RECORD``."""
    sizes: dict[str, int] = {}
    records: dict[str, bytes] = {}
    try:
        with tarfile.open(path, mode="r:gz") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                sizes[member.name] = member.size
                if PurePosixPath(member.name).match("*.dist-info/RECORD"):
                    packed = tar.extractfile(member)
                    records[member.name] = b"" if packed is None else packed.read()
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise BuildError(f"cannot read the artifact: {error}", hint="build it again", path=str(path)) from error
    return sizes, records


def _contents(artifact: Artifact, sizes: Mapping[str, int], records: Mapping[str, str]) -> Contents:
    left = dict(sizes)
    distributions = [_distribution(record, text, left) for record, text in sorted(records.items())]
    runtime = _taken("flash", [name for name in left if name.startswith("flash/")], left)
    handlers = {resource.handler_file or f"handler_{name}.py" for name, resource in artifact.manifest.resources.items()}
    generated = _taken("generated", [name for name in left if name in handlers | _GENERATED], left)
    tops: dict[str, list[str]] = defaultdict(list)
    for name in left:
        top, slash, _ = name.partition("/")
        tops[f"{top}{slash}"].append(name)
    project = [_taken(top, names, left) for top, names in sorted(tops.items())]
    by_size = sorted(distributions, key=lambda part: (-part.size_bytes, part.name))
    return Contents(artifact, sizes, tuple(project), generated, runtime, tuple(by_size))


def _distribution(record: str, text: str, left: dict[str, int]) -> Part:
    folder = PurePosixPath(record).parent
    name, version = _name_and_version(folder)
    # a record's paths are relative to where the distribution was installed
    listed = [str(folder.parent / row[0]) for row in csv.reader(io.StringIO(text)) if row]
    own = [path for path in left if PurePosixPath(path).is_relative_to(folder)]
    return _taken(name, dict.fromkeys([*listed, *own]), left, version)


def _name_and_version(folder: PurePosixPath) -> tuple[str, str]:
    name, _, version = folder.name.removesuffix(".dist-info").partition("-")
    return name.replace("_", "-").lower(), version


def _taken(name: str, paths: Iterable[str], left: dict[str, int], version: str = "") -> Part:
    """Take what is there of *paths* out of what is *left*: a file that two list is the first one's."""
    sizes = [left.pop(path) for path in list(paths) if path in left]
    return Part(name, len(sizes), sum(sizes), version)
