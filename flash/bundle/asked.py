"""What a project asks for, read where it stands: ``requirements.txt`` of the root and dependencies of endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flash.model.app import App

__all__ = ["REQUIREMENTS_NAME", "Asked", "read_asked"]

REQUIREMENTS_NAME: Final = "requirements.txt"


@dataclass(frozen=True, slots=True)
class Asked:
    """One requirement, and where it stands.

    Attributes:
        endpoint: Whose it is; None: of all of them.
    """

    requirement: Requirement
    path: str
    line: int
    endpoint: str | None = None

    @property
    def name(self) -> str:
        """The distribution's normalised name."""
        return str(canonicalize_name(self.requirement.name))

    @property
    def by(self) -> str:
        """Who asked, for a message."""
        return f"{self.path}:{self.line}" if self.endpoint is None else f"endpoint {self.endpoint!r}"


def read_asked(app: App, root: Path) -> Iterator[Asked]:
    """Everything that *app* in *root* asks for, whatever its markers say.

    Raises:
        DependencyError: A line or an entry is no requirement, or a file cannot be read; with its place.
    """
    file = root / REQUIREMENTS_NAME
    if file.is_file():
        yield from _read(root, file, frozenset())
    for endpoint in app:
        # a client runs nothing of this artifact
        for text in () if endpoint.spec.is_client else endpoint.spec.dependencies:
            yield Asked(
                _parsed(text, endpoint.location.path, endpoint.location.line, f"endpoint {endpoint.name!r}: "),
                endpoint.location.path,
                endpoint.location.line,
                endpoint.name,
            )


def _read(root: Path, file: Path, above: frozenset[Path]) -> Iterator[Asked]:
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DependencyError(f"cannot read it: {error}", path=shown) from error
    for number, line in _lines(text):
        match = re.match(r"(?:-r|--requirement)(?:\s+|=|(?<=-r))(.+)", line)
        if match:
            included = (file.parent / match.group(1).strip()).resolve()
            if included in above or included == file.resolve():
                raise DependencyError(f"{match.group(1)!r} includes itself", path=shown, line=number)
            if not included.is_file():
                raise DependencyError(f"there is no {match.group(1)!r}", path=shown, line=number)
            yield from _read(root.resolve(), included, above | {file.resolve()})
        elif line.startswith("-") or re.search(r"\s--\w", line):
            raise DependencyError(
                f"the option {line[:60]!r} is not read",
                path=shown,
                line=number,
                hint="only requirements and -r stand here; indexes come from UV_INDEX_URL, PIP_INDEX_URL or [tool.uv]",
            )
        else:
            yield Asked(_parsed(line, shown, number), shown, number)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, continued ones joined, without comments."""
    begun, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*$", "", raw)
        start = start if begun else number
        if line.rstrip().endswith("\\"):
            begun += line.rstrip()[:-1] + " "
            continue
        whole = (begun + line).strip()
        begun = ""
        if whole:
            yield start, whole
    if begun.strip():
        yield start, begun.strip()


def _parsed(text: str, path: str, line: int, prefix: str = "") -> Requirement:
    try:
        return Requirement(text.strip())
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise DependencyError(
            f"{prefix}{text.strip()!r} is no requirement: {why}",
            path=path,
            line=line,
            hint='write NAME, NAME==1.2 or "NAME @ URL"',
        ) from error
