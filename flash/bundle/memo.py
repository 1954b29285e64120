"""The last build of a project, so that one of nothing new is not done again.

A build is decided by the project's files, by what was read beside them, by the request, and by the tools. Where all of
that is as it was, and the artifact is there as it was written, the artifact is the answer.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flash
from flash.bundle.files import digest_of, write_text
from flash.bundle.snapshot import Snapshot
from flash.bundle.sources import project_files
from flash.bundle.wanted import Wanted
from flash.errors import BuildError, ManifestError
from flash.model.manifest import MANIFEST_NAME, Artifact, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from flash.bundle.request import BuildRequest
    from flash.bundle.sources import Sources

__all__ = ["MEMO_NAME", "Memo", "key", "recall", "remember"]

MEMO_NAME: Final = "build.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Memo:
    """A build that was done.

    Attributes:
        artifact: What came of it.
        notes: What the user was told then, and is told again.
    """

    artifact: Artifact
    notes: tuple[str, ...]


def recall(
    request: BuildRequest,
    out: Path,
    *,
    describer: str,
    key_of: Callable[[Wanted], str],
    now: float,
) -> Memo | None:
    """The last build, if this one would be the same.

    Args:
        request: What to build.
        out: The artifact.
        describer: The identity of who describes.
        key_of: What decides which distributions would be installed, as the installer has it.
        now: Seconds since the epoch.
    """
    try:
        data = json.loads(out.with_name(MEMO_NAME).read_text(encoding="utf-8"))
        if data["format"] != _FORMAT or data["artifact"] != _stamp(out):
            return None
        if request.upgrade or request.keep_build_dir or (data["fresh_until"] or now) < now:
            return None
        wanted = _wanted(data["wanted"], request.root)
        if key_of(wanted) != data["installs"] or _beside(data["beside"]) != data["beside"]:
            return None
        sources = project_files(request.root)
        if key(request, sources, Snapshot.of(request.root, sources.files), describer=describer) != data["key"]:
            return None
        text = out.with_name(MANIFEST_NAME).read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != data["manifest"]:
            return None
        manifest = Manifest.parse(json.loads(text), where=MANIFEST_NAME)
        artifact = Artifact(out, data["sha256"], data["artifact"][0], manifest, tuple(data["files"]))
        return Memo(artifact, tuple(data["notes"]))
    except (OSError, ValueError, KeyError, TypeError, ManifestError, BuildError):
        # what cannot be read is as good as not there: the build says what is wrong
        return None


def remember(
    artifact: Artifact,
    *,
    key: str,
    wanted: Wanted,
    installs: str,
    beside: Collection[Path],
    fresh_until: float | None,
    notes: Collection[str],
) -> None:
    """Write down a build that was done.

    Args:
        artifact: What came of it.
        key: What it was made of; see :func:`key`.
        wanted: What was installed.
        installs: What decided which distributions that was.
        beside: Files that were read and do not ship.
        fresh_until: When versions that nobody has pinned are asked for again; None: never.
        notes: What the user was told.
    """
    out = artifact.path
    data = {
        "format": _FORMAT,
        "key": key,
        "artifact": _stamp(out),
        "sha256": artifact.sha256,
        "manifest": digest_of(out.with_name(MANIFEST_NAME)),
        "files": list(artifact.files),
        "wanted": {name: value for name, value in asdict(wanted).items() if name != "folder"},
        "installs": installs,
        "beside": _beside(map(str, beside)),
        "fresh_until": fresh_until,
        "notes": list(notes),
    }
    write_text(out.with_name(MEMO_NAME), json.dumps(data))


def _wanted(data: dict[str, Any], root: Path) -> Wanted:
    names = {field.name for field in fields(Wanted)} - {"folder"}
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    if given.keys() != names:
        raise ValueError("of another version")
    return Wanted(**given, folder=root)


def _stamp(path: Path) -> list[int]:
    """What changes with a file's content, unless somebody sees to it that it does not."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _beside(paths: Any) -> dict[str, str]:
    return {str(path): digest_of(Path(path)) if Path(path).is_file() else "" for path in paths}


def key(request: BuildRequest, sources: Sources, snapshot: Snapshot, *, describer: str) -> str:
    """Everything of a build that is not installed: the project's files, what was asked, and Flash itself.

    Args:
        request: What is asked for.
        sources: The project's files.
        snapshot: Their contents.
        describer: The identity of who describes.
    """
    digest = hashlib.sha256()
    asked = {name: str(value) for name, value in asdict(request).items()}
    digest.update(json.dumps([flash.__version__, describer, asked, _own_code()]).encode())
    digest.update(json.dumps(sorted(sources.ignored.items())).encode())
    for path, file in snapshot.files.items():
        digest.update(f"{len(path)} {path} {file.is_executable} {file.sha256}\n".encode())
    return digest.hexdigest()


def _own_code() -> list[tuple[str, int, int]]:
    """Of our own package, what changes while it is worked on."""
    package = Path(flash.__file__).parent
    return sorted(_stamps(package, package))


def _stamps(folder: Path, package: Path) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.path.removeprefix(str(package)), status.st_size, status.st_mtime_ns
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _stamps(Path(entry.path), package)
