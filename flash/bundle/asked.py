"""One requirement as somebody wrote it, and where: what may stand there, and what is refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flash.model.app import App

__all__ = ["Asked", "asked_of_endpoints", "merged", "parse", "refuse_unbuilt"]

_VCS: Final = re.compile(r"(?:git|hg|svn|bzr)\+")
_URL: Final = re.compile(r"(?:https?|file):", re.IGNORECASE)
# what is no name and no PEP 508: a path or an URL by itself, with extras and a marker behind it
_BARE: Final = re.compile(r"(?P<place>[^\s;\[]+)\s*(?P<extras>\[[^\]]*\])?\s*(?P<marker>;.*)?")
_VARIABLE: Final = re.compile(r"\$\{[A-Z0-9_]+\}")
_BUILD_IT: Final = (
    'build its wheel ("pip wheel", "uv build"), and name that by path or URL, or put it into a wheelhouse'
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One requirement, and where it stands.

    Attributes:
        endpoint: Whose it is; None: of all of them.
        hashes: What its file may have, as ``sha256:…``; empty: anything.
    """

    requirement: Requirement
    path: str
    line: int | None
    endpoint: str | None = None
    hashes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The distribution's normalised name."""
        return str(canonicalize_name(self.requirement.name))

    @property
    def by(self) -> str:
        """Who asked, for a message."""
        if self.endpoint is not None:
            return f"endpoint {self.endpoint!r}"
        return self.path if self.line is None else f"{self.path}:{self.line}"

    @property
    def text(self) -> str:
        """As the installer reads it, with its hashes."""
        return " ".join([str(self.requirement), *(f"--hash={value}" for value in self.hashes)])

    @property
    def pin(self) -> str | None:
        """The one version that it allows, if it does."""
        specifier = self.requirement.specifier
        (only,) = specifier if len(specifier) == 1 else (None,)
        pinned = only is not None and only.operator in ("==", "===") and not only.version.endswith(".*")
        return only.version if only is not None and pinned else None


def asked_of_endpoints(app: App, root: Path) -> Iterator[Asked]:
    """What ``dependencies=[…]`` of the endpoints in *app* say; paths are relative to *root*.

    Raises:
        DependencyError: An entry is no requirement, with its place.
    """
    for endpoint in app:
        # a client runs nothing of this artifact
        for text in () if endpoint.spec.is_client else endpoint.spec.dependencies:
            path, line = endpoint.location.path, endpoint.location.line
            requirement = parse(text, path=path, line=line, folder=root, prefix=f"endpoint {endpoint.name!r}: ")
            yield Asked(requirement, path, line, endpoint.name)


def parse(text: str, *, path: str, line: int | None, folder: Path, prefix: str = "") -> Requirement:
    """Read a requirement; a wheel may be named by its path or URL alone.

    Args:
        text: What somebody wrote.
        path: Where, for an error.
        line: In that file.
        folder: What a path in it is relative to.
        prefix: Of an error's message.

    Raises:
        DependencyError: It is none, or one that nobody can install without building it.
    """
    text = text.strip()
    if _VARIABLE.search(text):
        raise DependencyError(
            f"{prefix}{_shown(text)} has a variable in it, which is not replaced",
            path=path,
            line=line,
            hint=_NO_VARIABLES,
        )
    try:
        bare = _bare(text, folder)
        if bare is not None:
            return bare
        requirement = Requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise DependencyError(
            f"{prefix}{_shown(text)} is no requirement: {why}",
            path=path,
            line=line,
            hint='write NAME, NAME==1.2 or "NAME @ URL"',
        ) from error
    except _UnbuiltError as error:
        raise DependencyError(
            f"{prefix}{_shown(text)} {error.message}: nothing is built from source",
            path=path,
            line=line,
            hint=error.hint,
        ) from error
    if requirement.url is not None and requirement.url.startswith("file:") and not requirement.url.startswith("file:/"):
        requirement.url = (folder / requirement.url.removeprefix("file:")).resolve().as_uri()
    return requirement


_NO_VARIABLES: Final = (
    "give an index by UV_INDEX, UV_INDEX_URL or UV_EXTRA_INDEX_URL, its user by UV_INDEX_NAME_USERNAME"
)


def refuse_unbuilt(asked: Asked) -> None:
    """What is asked for by a URL has to be a wheel.

    Raises:
        DependencyError: It is a repository, a folder or an archive of sources.
    """
    url = asked.requirement.url
    try:
        if url is not None:
            _refuse_unbuilt(url)
    except _UnbuiltError as error:
        prefix = "" if asked.endpoint is None else f"endpoint {asked.endpoint!r}: "
        raise DependencyError(
            f"{prefix}{_shown(str(asked.requirement))} {error.message}: nothing is built from source",
            path=asked.path,
            line=asked.line,
            hint=error.hint,
        ) from error


def merged(asked: Iterable[Asked]) -> list[tuple[str, str]]:
    """Names and lines for an installer; who asks for what a line with hashes pins gets that line, with their extras."""
    asked = list(asked)
    hashed = {each.name: each for each in asked if each.hashes and each.pin is not None}
    lines = [(each.name, each.text) for each in asked if each.name not in hashed]
    for name, line in hashed.items():
        requirement = Requirement(str(line.requirement))
        requirement.extras = {extra for each in asked if each.name == name for extra in each.requirement.extras}
        lines.append((name, replace(line, requirement=requirement).text))
    return lines


class _UnbuiltError(DependencyError):
    def __init__(self, what: str, hint: str = _BUILD_IT) -> None:
        super().__init__(what, hint=hint)


def _bare(text: str, folder: Path) -> Requirement | None:
    """What *text* names by a path or URL alone, if it does."""
    if _VCS.match(text):
        raise _UnbuiltError("is in a repository")
    match = _BARE.fullmatch(text)
    place = match["place"] if match is not None else ""
    if match is None or not (
        _URL.match(place) or place.startswith((".", "~")) or "/" in place or place.endswith(".whl")
    ):
        return None
    url = place
    if not _URL.match(place):
        path = (folder / place).resolve()
        if place.endswith(".whl") and not path.is_file():
            raise InvalidRequirement(f"there is no {place!r}")
        url = path.as_uri()
    _refuse_unbuilt(url, folder)
    try:
        name = parse_wheel_filename(unquote(urlsplit(url).path.rsplit("/", 1)[-1]))[0]
    except InvalidWheelFilename as error:
        raise InvalidRequirement(str(error)) from error
    # PEP 508 wants a space before the marker of what has a URL
    return Requirement(f"{name}{match['extras'] or ''} @ {url} {match['marker'] or ''}")


def _refuse_unbuilt(url: str, root: Path | None = None) -> None:
    if _VCS.match(url):
        raise _UnbuiltError("is in a repository")
    path = unquote(urlsplit(url).path)
    if path.endswith(".whl"):
        return
    if url.startswith("file:") and (Path(path).is_dir() or not Path(path).suffix):
        if root is not None and Path(path) == root.resolve():
            raise _UnbuiltError("is the project itself", "its files ship as they are: list what it needs instead")
        raise _UnbuiltError("is a folder", f"move its package into the project, or {_BUILD_IT}")
    raise _UnbuiltError("is no wheel")


def _shown(text: str) -> str:
    """*text* without the password that a URL may have."""
    return repr(re.sub(r"(?<=://)[^/@\s]+@", "…@", text))
