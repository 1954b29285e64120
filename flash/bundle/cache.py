"""What builds keep for the next one, of any project: resolved sets of distributions, compressed layers, descriptions.

Everything is named by what decides it, appears complete or not at all, and may be deleted at any time. Two builds may
work on the same entry: they make the same, and the second finds its place taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash import __version__
from flash.bundle.claims import claimed_folder, remove_abandoned
from flash.bundle.files import digest_of, write_text
from flash.bundle.installed import Distribution
from flash.bundle.layers import Compressing, Damaged, Layer, Layers, Member
from flash.bundle.trees import DistributionSet, identities, is_whole, moved
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from flash.bundle.install import Installer, Report, Wanted

__all__ = ["Cache"]

_FORMAT: Final = 1
_MAKING: Final = ".making-"
_FRESH_S: Final = 24 * 3600.0
"""How long versions that nobody has pinned stay what they were: an index is not asked at every build."""

Schemas = Mapping[str, Mapping[str, CallSchema]]
"""Of one endpoint: function, then method or ``""``."""


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
        known = None if renew else self._known(record, report, key, is_fixed=wanted.is_fixed)
        if known is not None:
            return known
        now = self._now()
        with claimed_folder(self._folder / "trees", _MAKING) as making:
            tree = making / "tree"
            tree.mkdir()
            found = installer.install(wanted, target=tree, report=report)
            files = identities(tree, found)
            digest = _digest(sorted(files.items()))
            place = self._folder / "trees" / digest
            # links and times are as they were when it was made: a damaged one is replaced
            if not is_whole(place, files):
                shutil.rmtree(place, ignore_errors=True)
                moved(tree, place)
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
        fresh_until = None if wanted.is_fixed else now + _FRESH_S
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
    # Audits

    def findings(self, asked: Sequence[str], report: Report) -> list[dict[str, Any]] | None:
        """What an audit has found for what was *asked*, if there was one."""
        path = self._audited(asked)
        try:
            found = _read(path)["findings"]
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            report(f"! a part of the cache is damaged and made again: {path.name}: {error}")
            return None
        return list(found)

    def keep_findings(self, asked: Sequence[str], findings: Sequence[Mapping[str, Any]]) -> None:
        """Keep what an audit has found."""
        _write(self._audited(asked), {"findings": list(findings)})

    def _audited(self, asked: Sequence[str]) -> Path:
        return self._folder / "audited" / f"{_digest([__version__, *asked])}.json"

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
        for pattern in ("resolved/*", "described/*", "audited/*", "layers/*/*"):
            for file in sorted(self._folder.glob(pattern)):
                status = file.stat()
                if status.st_mtime < oldest:
                    freed += status.st_size
                    file.unlink(missing_ok=True)
        return freed


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Keep *data*, with a checksum in the first line; in its own order, which is that of a function's parameters."""
    text = json.dumps(data)
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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))
