"""What lies in an artifact, and what brought it."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.bundle.reading import printable, read_archive
from flash.bundle.shipped import Shipped, is_metadata, shipped_in, tree_digest
from flash.errors import ManifestError
from flash.model.manifest import MANIFEST_NAME, Artifact, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flash.bundle.reading import Entry, Read

__all__ = ["Contents", "Locked", "Part", "locked", "read"]

_GENERATED: Final = frozenset({MANIFEST_NAME, "requirements.txt"})
_OURS: Final = "flash/__init__.py"
_FOREIGN: Final = "runpod-flash built it; `flash build` makes an artifact of the same project that can be looked into"
_VERSION: Final = re.compile(rb"^__version__(?:\s*:[^=\n]+)?\s*=\s*(\"[^\"\n]{1,60}\"|'[^'\n]{1,60}')", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """Files that belong together.

    Attributes:
        version: A distribution's, else the empty string.
        size_bytes: Unpacked.
        packed_bytes: Of the archive, about; 0 where that is not known.
    """

    name: str
    files: int
    size_bytes: int
    version: str = ""
    packed_bytes: int = field(default=0, compare=False)


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
        entries: The files, by path.
        shipped: The distributions again, by name, with their metadata and the paths of their files.
        flash_version: Of Flash's own part, and so of the Flash that built it; empty where it does not tell.
    """

    artifact: Artifact
    sizes: Mapping[str, int]
    project: tuple[Part, ...]
    generated: Part
    runtime: Part
    distributions: tuple[Part, ...]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    shipped: tuple[Shipped, ...] = ()
    flash_version: str = ""

    @property
    def unpacked_bytes(self) -> int:
        """What it comes to in a worker."""
        return sum(self.sizes.values())

    def digest_of(self, paths: Iterable[str]) -> str:
        """One over those files: see :func:`flash.bundle.shipped.tree_digest`."""
        return tree_digest({path: self.entries[path].sha256 for path in paths})

    def runtime_files(self) -> tuple[str, ...]:
        """Flash's own part, sorted."""
        return tuple(sorted(path for path in self.entries if path.startswith("flash/")))

    def is_generated(self, path: str) -> bool:
        """Whether the build has written that file: a file of the user's may look like a handler."""
        return path in _GENERATED or path in _handlers(self.artifact.manifest)

    def own_files(self) -> tuple[str, ...]:
        """The project's, sorted."""
        brought = {path for one in self.shipped for path in one.files}
        return tuple(
            sorted(
                path
                for path in self.entries
                if path not in brought and not path.startswith("flash/") and not self.is_generated(path)
            )
        )


def read(path: Path) -> Contents:
    """Look into an artifact.

    Raises:
        BuildError: It cannot be read, is no archive, or holds what no artifact may.
        ManifestError: The manifest in it is missing, is none, or is not Flash's.
    """
    found = read_archive(path, keep=lambda name: name in {MANIFEST_NAME, _OURS} or is_metadata(name))
    manifest = _manifest(path, found)
    artifact = Artifact(path, found.sha256, found.size_bytes, manifest, tuple(sorted(found.files)))
    return _contents(artifact, found)


def locked(path: Path) -> tuple[Locked, ...]:
    """The distributions in an artifact, by name and version.

    Raises:
        BuildError: It cannot be read, or is no archive.
    """
    found = read_archive(path, keep=is_metadata)
    return tuple(
        sorted(
            {
                Locked(one.name, one.version, one.record_sha256)
                for one in shipped_in(found.files, found.kept)
                if one.record_sha256 is not None
            },
            key=lambda one: (one.name, one.version, one.record_sha256),
        )
    )


def _manifest(path: Path, found: Read) -> Manifest:
    packed = found.kept.get(MANIFEST_NAME)
    if packed is None:
        is_foreign = f"./{MANIFEST_NAME}" in found.files
        raise ManifestError(
            f"there is no {MANIFEST_NAME} at its top",
            path=str(path),
            hint=_FOREIGN if is_foreign else "it is no artifact; flash build makes one",
        )
    try:
        data = json.loads(packed)
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{MANIFEST_NAME} is no JSON: {error}", path=str(path), hint="flash build makes an artifact"
        ) from error
    if isinstance(data, dict) and data.get("generated_at") and _OURS not in found.files:
        raise ManifestError(f"its {MANIFEST_NAME} is not one of Flash's", path=str(path), hint=_FOREIGN)
    return Manifest.parse(data, where=f"{path}: {MANIFEST_NAME}")


def _contents(artifact: Artifact, found: Read) -> Contents:
    shipped = shipped_in(found.files, found.kept)
    distributions = [_part(one.name, one.files, found.files, one.version) for one in shipped]
    brought = {path for one in shipped for path in one.files}
    left = [path for path in found.files if path not in brought]
    made = _GENERATED | _handlers(artifact.manifest)
    tops: dict[str, list[str]] = defaultdict(list)
    for path in left:
        if path not in made and not path.startswith("flash/"):
            top, slash, _ = path.partition("/")
            tops[f"{top}{slash}"].append(path)
    return Contents(
        artifact=artifact,
        sizes={path: entry.size_bytes for path, entry in found.files.items()},
        project=tuple(_part(printable(top), paths, found.files) for top, paths in sorted(tops.items())),
        generated=_part("generated", [path for path in left if path in made], found.files),
        runtime=_part("flash", [path for path in left if path.startswith("flash/")], found.files),
        distributions=tuple(sorted(distributions, key=lambda part: (-part.size_bytes, part.name))),
        entries=found.files,
        shipped=shipped,
        flash_version=_flash_version(found.kept.get(_OURS, b"")),
    )


def _handlers(manifest: Manifest) -> frozenset[str]:
    return frozenset(resource.handler_file or f"handler_{name}.py" for name, resource in manifest.resources.items())


def _part(name: str, paths: Iterable[str], files: Mapping[str, Entry], version: str = "") -> Part:
    entries = [files[path] for path in paths]
    return Part(
        name,
        len(entries),
        sum(entry.size_bytes for entry in entries),
        version,
        sum(entry.packed_bytes for entry in entries),
    )


def _flash_version(source: bytes) -> str:
    found = _VERSION.search(source)
    return "" if found is None else str(ast.literal_eval(found.group(1).decode("utf-8", "replace")))
