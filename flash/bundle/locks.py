"""``uv.lock`` and ``pylock.toml``: which version of what, with the hashes that its files have to have.

A lock says what may be installed, not what is needed: what it holds for the workers binds whatever asks for it. That
way what is left out takes along what only it needs. Both files are read as data, so that neither the Python that runs
this nor a network has a say. Sources: PEP 751; the lock format of uv, version 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from flash.bundle.asked import Asked, refuse_unbuilt
from flash.bundle.pyproject import read_toml
from flash.errors import DependencyError

if TYPE_CHECKING:
    from pathlib import Path

    from flash.bundle.pyproject import Pyproject

__all__ = ["PYLOCK_NAME", "UV_LOCK_NAME", "Lock", "find_uv_lock", "read_pylock", "read_uv_lock"]

UV_LOCK_NAME: Final = "uv.lock"
PYLOCK_NAME: Final = "pylock.toml"

_UV_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock holds for the workers.

    Attributes:
        path: The file, relative to the project.
        pins: One version each, with hashes.
        left_out: What it holds besides, and is excluded.
    """

    path: str
    pins: tuple[Asked, ...]
    left_out: tuple[Asked, ...] = ()

    @property
    def hashed(self) -> bool:
        """Whether every one of them has hashes."""
        return all(pin.hashes for pin in self.pins)

    def version_of(self, name: str) -> str | None:
        """The version of the distribution *name*, normalised; None: it has none of it, or by its URL."""
        return next((pin.pin for pin in self.pins if pin.name == name), None)


def find_uv_lock(root: Path) -> Path | None:
    """The ``uv.lock`` that the project in *root* has, or the workspace above that it is a member of."""
    for folder in (root, *root.parents):
        file = folder / UV_LOCK_NAME
        if file.is_file():
            # what somebody else has locked above is none of ours
            return file if folder == root or any(_is_at(each, root, folder) for each in _packages(file)) else None
    return None


def read_uv_lock(
    file: Path,
    project: Pyproject,
    *,
    group: str | None,
    excluded: Iterable[str],
    environment: Mapping[str, str],
) -> Lock:
    """What ``uv.lock`` has for the project's dependencies, or for those of *group*, on the workers.

    Args:
        file: The lock.
        project: The project's ``pyproject.toml``.
        group: The dependency group that is asked for; None: ``[project].dependencies``.
        excluded: Normalised names that are left out; what only they need is not looked at.
        environment: What markers are judged by.

    Raises:
        DependencyError: It cannot be read, is of another project, or does not fit ``pyproject.toml`` any more.
    """
    document, _ = read_toml(file)
    if document.get("version") != _UV_VERSION:
        raise _error(
            UV_LOCK_NAME,
            f"its format is version {document.get('version')!r}, and only {_UV_VERSION} is read",
            "uv export --format pylock.toml -o pylock.toml writes what is read too",
        )
    packages = _tables(document.get("package"))
    own = [
        each
        for each in packages
        if _is_at(each, project.root, file.parent) and canonicalize_name(str(each.get("name"))) == project.name
    ]
    if len(own) != 1:
        raise _error(UV_LOCK_NAME, f"it does not have the project {project.name or ''!r}", "run uv lock here")
    _refuse_stale(own[0], project, group)
    found = _Walk(packages, frozenset(excluded), environment).from_root(own[0], group)
    return Lock(UV_LOCK_NAME, tuple(_pinned(UV_LOCK_NAME, package, file.parent) for package in found))


def read_pylock(root: Path, *, excluded: Iterable[str], environment: Mapping[str, str]) -> Lock:
    """What ``pylock.toml`` has for the workers; see `read_uv_lock` for the arguments.

    Raises:
        DependencyError: It cannot be read, or is not for the workers' Python.
    """
    document, _ = read_toml(root / PYLOCK_NAME)
    if str(document.get("lock-version", "")).split(".")[0] != "1":
        raise _error(PYLOCK_NAME, f"its format is {document.get('lock-version')!r}, and only 1.0 is read", "")
    _refuse_other_python(document, "it", environment)
    names, left_out = frozenset(excluded), []
    pins: dict[str, Asked] = {}
    for package in _tables(document.get("packages")):
        name = str(canonicalize_name(str(package.get("name"))))
        if not _holds(package.get("marker"), environment, PYLOCK_NAME):
            continue
        if name in names:
            left_out.append(Asked(Requirement(name), PYLOCK_NAME, None))
            continue
        _refuse_other_python(package, name, environment)
        if name in pins:
            raise _error(PYLOCK_NAME, f"it has two versions of {name} for the workers", "lock again")
        pins[name] = _pinned(PYLOCK_NAME, package, root)
    return Lock(PYLOCK_NAME, tuple(pins.values()), tuple(left_out))


def _refuse_stale(package: Mapping[str, Any], project: Pyproject, group: str | None) -> None:
    """What the lock was made of has to be what ``pyproject.toml`` says now."""
    metadata = package.get("metadata", {})
    if group is None:
        now, lines = project.dependencies(), _tables(metadata.get("requires-dist"))
        # those of extras are named there too, and not asked for
        then = [line for line in lines if "extra ==" not in str(line.get("marker", ""))]
    else:
        now = project.group(group)
        groups = metadata.get("requires-dev", {})
        then = next(
            (_tables(groups[name]) for name in groups if canonicalize_name(name) == canonicalize_name(group)), []
        )
    before = {_what(str(line.get("name")), str(line.get("specifier", "")), line.get("extras", ())) for line in then}
    for asked in now:
        specifier = "" if asked.requirement.url else str(asked.requirement.specifier)
        what = _what(asked.name, specifier, asked.requirement.extras)
        if what not in before and not (asked.requirement.url and any(name == asked.name for name, *_ in before)):
            raise DependencyError(
                f"{str(asked.requirement)!r} is not what uv.lock was made of",
                path=asked.path,
                line=asked.line,
                hint="run uv lock",
            )
    gone = sorted({name for name, *_ in before} - {asked.name for asked in now})
    if gone:
        raise _error(UV_LOCK_NAME, f"it was made when {', '.join(gone)} was asked for too", "run uv lock")


def _what(name: str, specifier: str, extras: Iterable[str]) -> tuple[str, str, tuple[str, ...]]:
    try:
        normal = ",".join(sorted(str(each) for each in SpecifierSet(specifier)))
    except InvalidSpecifier:
        normal = specifier
    return str(canonicalize_name(name)), normal, tuple(sorted(str(canonicalize_name(extra)) for extra in extras))


class _Walk:
    """Goes through the packages of ``uv.lock`` along what they need on the workers."""

    def __init__(
        self, packages: Iterable[Mapping[str, Any]], excluded: frozenset[str], environment: Mapping[str, str]
    ) -> None:
        self._excluded = excluded
        self._environment = environment
        self._by_name: dict[str, list[Mapping[str, Any]]] = {}
        for package in packages:
            self._by_name.setdefault(str(canonicalize_name(str(package.get("name")))), []).append(package)

    def from_root(self, root: Mapping[str, Any], group: str | None) -> list[Mapping[str, Any]]:
        pending = list(_tables(root.get("dependencies")))
        if group is not None:
            groups = root.get("dev-dependencies", {})
            wanted = canonicalize_name(group)
            pending = [edge for name in groups if canonicalize_name(name) == wanted for edge in _tables(groups[name])]
        found: dict[str, Mapping[str, Any]] = {}
        seen: set[tuple[str, str]] = set()
        while pending:
            edge = pending.pop()
            name = str(canonicalize_name(str(edge.get("name"))))
            if name in self._excluded or not _holds(edge.get("marker"), self._environment, UV_LOCK_NAME):
                continue
            package = self._package(name, edge)
            found[name] = package
            for extra in ("", *(str(each) for each in edge.get("extra", ()))):
                if (name, extra) not in seen:
                    seen.add((name, extra))
                    optional = package.get("optional-dependencies", {})
                    pending += _tables(optional.get(extra) if extra else package.get("dependencies"))
        return [found[name] for name in sorted(found)]

    def _package(self, name: str, edge: Mapping[str, Any]) -> Mapping[str, Any]:
        candidates = [
            package
            for package in self._by_name.get(name, ())
            if edge.get("version") in (None, package.get("version"))
            and edge.get("source") in (None, package.get("source"))
            and self._may_be(package)
        ]
        if len(candidates) != 1:
            raise _error(UV_LOCK_NAME, f"it has {len(candidates)} of {name} for the workers, not one", "run uv lock")
        return candidates[0]

    def _may_be(self, package: Mapping[str, Any]) -> bool:
        forks = package.get("resolution-markers")
        return not forks or any(_holds(marker, self._environment, UV_LOCK_NAME) for marker in forks)


def _pinned(path: str, package: Mapping[str, Any], root: Path) -> Asked:
    """One package of a lock as a requirement.

    Raises:
        DependencyError: It can only be built from source.
    """
    name = str(canonicalize_name(str(package.get("name"))))
    source = package.get("source", {})
    source = source if isinstance(source, Mapping) else {}
    for kind in ("git", "vcs", "directory", "editable", "virtual"):
        if kind in source or kind in package:
            raise _error(path, f"{name} comes from {_place(kind)}, and nothing is built from source", _EXCLUDE)
    archive = package.get("archive", {})
    url = source.get("url") or source.get("path") or archive.get("url") or archive.get("path")
    wheels = [*_tables(package.get("wheels")), *([archive] if archive else [])]
    hashes = tuple(sorted(set(_hashes(wheels))))
    if url is not None:
        whole = str(url) if "://" in str(url) else (root / str(url)).resolve().as_uri()
        asked = Asked(Requirement(f"{name} @ {whole}"), path, None, hashes=hashes)
        refuse_unbuilt(asked)
        return asked
    version = package.get("version")
    if not wheels or version is None:
        raise _error(path, f"it has no wheel of {name} {version or ''}, and nothing is built from source", _EXCLUDE)
    return Asked(Requirement(f"{name}=={version}"), path, None, hashes=hashes)


_EXCLUDE: Final = "lock a version that has wheels, or leave it out with exclude in [tool.flash]"


def _place(kind: str) -> str:
    return "a repository" if kind in ("git", "vcs") else "a folder"


def _hashes(wheels: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for wheel in wheels:
        if isinstance(wheel.get("hash"), str):
            yield wheel["hash"]
        of_file = wheel.get("hashes", {})
        # one is enough for each file, and every one of these is strong
        best = next((name for name in ("sha256", "sha512", "sha384") if name in of_file), None)
        if best is not None:
            yield f"{best}:{of_file[best]}"


def _refuse_other_python(table: Mapping[str, Any], what: str, environment: Mapping[str, str]) -> None:
    wanted = table.get("requires-python")
    if wanted is None:
        return
    version = environment["python_version"]
    try:
        # any patch release of the workers' will do
        fits = any(SpecifierSet(str(wanted)).contains(f"{version}.{patch}") for patch in range(40))
    except InvalidSpecifier as error:
        raise _error(PYLOCK_NAME, f"{wanted!r} is no range of Pythons", "") from error
    if not fits:
        raise _error(
            PYLOCK_NAME, f"{what} is for Python {wanted}, and the workers have {version}", "lock for it, or set python"
        )


def _holds(marker: object, environment: Mapping[str, str], path: str) -> bool:
    if not marker:
        return True
    try:
        return Marker(str(marker)).evaluate(
            # no extra and no group of the project is chosen: PEP 751 has them as sets
            {**environment, "extra": "", "extras": frozenset(), "dependency_groups": frozenset()}
        )
    except InvalidMarker as error:
        raise _error(path, f"{marker!r} is no marker", "") from error


def _is_at(package: Mapping[str, Any], root: Path, folder: Path) -> bool:
    """Whether *package* of a lock in *folder* is the project in *root*."""
    source = package.get("source", {})
    places = (source.get(kind) for kind in ("virtual", "editable", "directory")) if isinstance(source, Mapping) else ()
    return any(isinstance(place, str) and (folder / place).resolve() == root for place in places)


def _packages(file: Path) -> list[Mapping[str, Any]]:
    try:
        return _tables(read_toml(file)[0].get("package"))
    except DependencyError:
        return []


def _tables(given: object) -> list[Mapping[str, Any]]:
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _error(path: str, message: str, hint: str) -> DependencyError:
    return DependencyError(message, path=path, hint=hint)
