"""What builds keep for the next one, of any project: resolved sets of distributions, compressed layers, descriptions.

Everything is named by what decides it, appears complete or not at all, and may be deleted at any time. Two builds may
work on the same entry: they make the same, and the second finds its place taken.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.claims import claimed_folder, remove_abandoned
from flash.bundle.files import digest_of, write_text
from flash.bundle.installed import Distribution
from flash.bundle.layers import Compressing, Damaged, Layer, Layers, Member
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from flash.bundle.install import Installer, Report, Wanted

__all__ = ["Cache", "DistributionSet"]

_FORMAT: Final = 1
_MAKING: Final = ".making-"
_FRESH_S: Final = 24 * 3600.0
"""How long versions that nobody has pinned stay what they were: an index is not asked at every build."""

Schemas = Mapping[str, Mapping[str, CallSchema]]
"""Of one endpoint: function, then method or ``""``."""


@dataclass(frozen=True, slots=True)
class DistributionSet:
    """Distributions that were installed together.

    Attributes:
        tree: Where they are, unpacked; nobody changes anything there. None where there are none.
        distributions: What they are, by name.
        files: By path, what tells a file's content and mode.
        is_reused: Whether they are those of an earlier build.
        key: What decided which they are.
        fresh_until: When they are asked for again, in seconds since the epoch; None: never.
    """

    tree: Path | None
    distributions: tuple[Distribution, ...] = ()
    files: Mapping[str, str] = ()  # type: ignore[assignment]
    is_reused: bool = False
    key: str = ""
    fresh_until: float | None = None

    def members(self, names: Sequence[str]) -> Iterator[Member]:
        """Files of the tree, for an archive.

        Raises:
            Damaged: One is gone.
        """
        if self.tree is None:
            return
        for name in names:
            path = self.tree / name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise Damaged(path, error.strerror or str(error)) from error
            yield Member(name, path, size, self.files[name].endswith("x"))

    def parts(self, hidden: Collection[str]) -> Iterator[tuple[str, ...]]:
        """The files of one distribution after another, each file once; those that several have come last.

        *hidden* are paths that something else in the archive has.
        """
        owners = Counter(file for distribution in self.distributions for file in set(distribution.files))
        owned = {file for file, count in owners.items() if count == 1}
        for distribution in self.distributions:
            yield tuple(file for file in distribution.files if file in owned and file not in hidden)
        yield tuple(sorted(file for file in self.files if file not in owned and file not in hidden))


class Cache:
    """What builds of one user share.

    Args:
        folder: Where it is; made when something is kept.
        now: Seconds since the epoch.
    """

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._layers = Layers(folder / "layers")

    # -----------------------------------------------------------------------------------------------------------------
    # Distributions

    def distributions(
        self, wanted: Wanted, installer: Installer, report: Report, *, renew: bool = False
    ) -> DistributionSet:
        """What *wanted* is; installed only if it has not been lately.

        Args:
            wanted: What to install. Where each version is fixed by a hash, it is never asked for again.
            installer: Where it comes from.
            report: Takes lines for the user.
            renew: Ask the index again.

        Raises:
            DependencyError: It cannot be installed.
        """
        key = installer.key(wanted)
        if not wanted.requirements:
            return DistributionSet(None, files={}, key=key)
        record = self._folder / "resolved" / f"{key}.json"
        known = None if renew else self._known(record, report, key, is_fixed=wanted.hashes_required)
        if known is not None:
            return known
        now = self._now()
        with claimed_folder(self._folder / "trees", _MAKING) as making:
            tree = making / "tree"
            tree.mkdir()
            found = installer.install(wanted, target=tree, report=report)
            files = _identities(tree, found)
            digest = _digest(sorted(files.items()))
            place = self._folder / "trees" / digest
            # links and times are as they were when it was made: a damaged one is replaced
            if not _is_whole(place, files):
                shutil.rmtree(place, ignore_errors=True)
                _moved(tree, place)
        _write(
            record,
            {
                "format": _FORMAT,
                "made_at": now,
                "tree": digest,
                "distributions": [asdict(distribution) for distribution in found],
                "files": files,
            },
        )
        fresh_until = None if wanted.hashes_required else now + _FRESH_S
        return DistributionSet(place, found, files, key=key, fresh_until=fresh_until)

    def _known(self, record: Path, report: Report, key: str, *, is_fixed: bool) -> DistributionSet | None:
        try:
            data = _read(record)
            fresh_until = None if is_fixed else data["made_at"] + _FRESH_S
            if data["format"] != _FORMAT or (fresh_until is not None and self._now() > fresh_until):
                return None
            tree = self._folder / "trees" / data["tree"]
            distributions = tuple(_distribution(each) for each in data["distributions"])
            files = dict(data["files"])
            is_there = tree.is_dir()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            report(f"! a part of the cache is damaged and made again: {record.name}: {error}")
            return None
        if not is_there:
            return None
        os.utime(tree)
        os.utime(record)
        return DistributionSet(tree, distributions, files, is_reused=True, key=key, fresh_until=fresh_until)

    def layers(
        self, found: DistributionSet, hidden: Collection[str], compressing: Compressing, report: Report
    ) -> list[Layer]:
        """The compressed layers of a set, made where they are not kept.

        Raises:
            Damaged: The set's tree has lost something.
            BuildError: The cache cannot be written.
        """
        layers = []
        for names in found.parts(hidden):
            if not names:
                continue
            key = Layers.key((name, found.files[name]) for name in names)
            try:
                layer = self._layers.get(key)
            except Damaged as error:
                report(f"! {error.message}, and made again")
                layer = None
            layers.append(layer or self._layers.make(key, found.members(names), compressing))
        return layers

    def layer_of(self, member: Member, compressing: Compressing) -> Layer:
        """The layer of one file, by its content."""
        content = member.content
        if isinstance(content, bytes):
            return compressing.layer([member])
        key = Layers.key([(member.name, f"sha256={digest_of(content)} {'x' if member.is_executable else '-'}")])
        try:
            layer = self._layers.get(key)
        except Damaged:
            layer = None
        return layer or self._layers.make(key, [member], compressing)

    def forget(self, path: Path) -> None:
        """Drop what a damaged file belongs to: a layer, or the tree of a set. It is made again when it is asked for."""
        trees = self._folder / "trees"
        if path.is_relative_to(trees):
            shutil.rmtree(trees / path.relative_to(trees).parts[0], ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    # -----------------------------------------------------------------------------------------------------------------
    # Descriptions

    def described(self, key: str, report: Report) -> Schemas | None:
        """What an endpoint was described as, if it was."""
        path = self._folder / "described" / f"{key}.json"
        try:
            data = _read(path)
            schemas = {
                function: {method: CallSchema.model_validate(schema) for method, schema in methods.items()}
                for function, methods in data.items()
            }
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError) as error:
            report(f"! a part of the cache is damaged and made again: {path.name}: {error}")
            return None
        return schemas

    def keep_description(self, key: str, schemas: Schemas) -> None:
        """Keep what an endpoint was described as."""
        data = {
            function: {method: schema.model_dump(mode="json", by_alias=True) for method, schema in methods.items()}
            for function, methods in schemas.items()
        }
        _write(self._folder / "described" / f"{key}.json", data)

    # -----------------------------------------------------------------------------------------------------------------
    # Trimming

    def trim(self, *, unused_s: float) -> int:
        """Remove what no build has used for so long, and what killed builds have left. Returns the bytes freed."""
        oldest, freed = self._now() - unused_s, 0
        if not self._folder.is_dir():
            return 0
        remove_abandoned(self._folder / "trees", _MAKING)
        for place in sorted(self._folder.glob("trees/*")):
            if place.is_dir() and not place.name.startswith(_MAKING) and place.stat().st_mtime < oldest:
                freed += _size(place)
                shutil.rmtree(place, ignore_errors=True)
        for pattern in ("resolved/*", "described/*", "layers/*/*"):
            for file in sorted(self._folder.glob(pattern)):
                status = file.stat()
                if status.st_mtime < oldest:
                    freed += status.st_size
                    file.unlink(missing_ok=True)
        return freed


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Keep *data*, with a checksum in the first line."""
    text = json.dumps(data, sort_keys=True)
    write_text(path, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def _read(path: Path) -> Any:
    """What was kept there.

    Raises:
        OSError, ValueError: It cannot be read, or is not what was.
    """
    checksum, _, text = path.read_text(encoding="utf-8").partition("\n")
    if hashlib.sha256(text.encode()).hexdigest() != checksum:
        raise ValueError("its checksum differs")
    return json.loads(text)


def _distribution(data: Mapping[str, Any]) -> Distribution:
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    return Distribution(**{**data, **lists})


def _identities(tree: Path, distributions: Sequence[Distribution]) -> dict[str, str]:
    """By path, the hash that a file's distribution has recorded, or else its own, and whether it is executable."""
    recorded: dict[str, str] = {}
    owners = Counter(file for distribution in distributions for file in set(distribution.files))
    for record in sorted(tree.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as lines:
            recorded |= {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1 and row[1]}
    found = {}
    for path in sorted(file for file in _files(tree, "") if not file.endswith((".pyc", ".pyo"))):
        mode = (tree / path).lstat().st_mode
        known = recorded.get(path) if owners[path] == 1 else None
        content = known or f"sha256={hashlib.sha256((tree / path).read_bytes()).hexdigest()}"
        found[path] = f"{content} {'x' if mode & stat.S_IXUSR else '-'}"
    return found


def _files(folder: Path, base: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _files(Path(entry.path), f"{base}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield f"{base}{entry.name}"


def _is_whole(tree: Path, files: Mapping[str, str]) -> bool:
    return tree.is_dir() and set(_files(tree, "")) >= files.keys()


def _moved(tree: Path, place: Path) -> None:
    try:
        tree.rename(place)
    except OSError:
        # another build was faster, and its tree has the same name because it has the same files
        if not place.is_dir():
            raise


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))
