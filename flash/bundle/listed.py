"""``requirements.txt`` and the files that it includes, as pip reads them.

Every line counts, or is an error with its place. Paths are relative to the file that they stand in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.bundle.asked import Asked, parse
from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REQUIREMENTS_NAME", "Listed", "read_requirements"]

REQUIREMENTS_NAME: Final = "requirements.txt"

_HASH_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_INDEXES: Final = ("--index-url", "--extra-index-url", "--find-links", "--no-index")
_SHORT: Final = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-i": "--index-url",
    "-f": "--find-links",
    "-e": "--editable",
}
_LONG: Final = {"--pypi-url": "--index-url"}
# Wheels are all that is ever installed.
_ALREADY: Final = frozenset({"--only-binary", "--prefer-binary"})
_HINTS: Final = {
    "--editable": "name a wheel of it; the project's own files ship as they are",
    "--no-binary": "nothing is built from source: leave it out, and choose versions that have wheels",
    "--pre": "name the pre-release where it is wanted: NAME>=2.0rc1",
    "--trusted-host": "set UV_INSECURE_HOST in the environment of the build",
    "--proxy": "set HTTPS_PROXY in the environment of the build",
    "--config-settings": "nothing is built from source: leave it out",
    "--global-option": "nothing is built from source: leave it out",
}
_KNOWN: Final = "requirements, -r, -c, --hash, --require-hashes and the options of indexes stand here"


@dataclass(slots=True)
class Listed:
    """What a project's files ask for.

    Attributes:
        asked: Requirements, in their order.
        constraints: Requirements that count if something needs what they name.
        options: Where distributions come from, a line each, with absolute paths.
        hashes_required: Whether everything has to have a hash.
        files: What was read.
        notes: Lines that the user should see.
    """

    asked: list[Asked] = field(default_factory=list)
    constraints: list[Asked] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    hashes_required: bool = False
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_requirements(file: Path, root: Path) -> Listed:
    """Read *file* and what it includes, whatever markers say.

    Raises:
        DependencyError: A line cannot be understood, or a file not be read; with its place.
    """
    listed = Listed()
    _read(listed, file, root.resolve(), constraining=False, above=frozenset())
    if any(each.hashes for each in listed.asked):
        # one hash asks for all of them, as pip has it
        listed.hashes_required = True
    return listed


def _read(listed: Listed, file: Path, root: Path, *, constraining: bool, above: frozenset[Path]) -> None:
    file = file.resolve()
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DependencyError(f"cannot read it: {error}", path=shown) from error
    if file not in listed.files:
        listed.files.append(file)
    for number, line in _lines(text):
        place = _Place(shown, number, file.parent)
        if not line.startswith("-"):
            (listed.constraints if constraining else listed.asked).append(_requirement(line, place))
            continue
        option, value = _option(line)
        if option in ("--requirement", "--constraint"):
            included = _included(value, place, above | {file})
            below = constraining or option == "--constraint"
            _read(listed, included, root, constraining=below, above=above | {file})
        elif option == "--require-hashes":
            listed.hashes_required = True
        elif option in _INDEXES:
            listed.options.append(_index(option, value, place))
        elif option not in _ALREADY:
            raise place.error(f"the option {line[:60]!r} is not read", hint=_HINTS.get(option, _KNOWN))


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    line: int
    folder: Path

    def error(self, message: str, *, hint: str = "") -> DependencyError:
        return DependencyError(message, path=self.path, line=self.line, hint=hint)


def _option(line: str) -> tuple[str, str]:
    """An option in its long spelling, and its value."""
    match = re.match(r"(--[\w-]+)(?:\s*=\s*|\s+|$)(.*)|(-\w)\s*=?\s*(.*)", line)
    if match is None:
        return line, ""
    name = match[1] or _SHORT.get(match[3], match[3])
    return _LONG.get(name, name), (match[2] or match[4] or "").strip().strip("'\"")


def _included(value: str, place: _Place, above: frozenset[Path]) -> Path:
    if re.match(r"https?:", value):
        raise place.error(f"{value!r} is not fetched", hint="put the file into the project")
    file = (place.folder / value).resolve()
    if file in above:
        raise place.error(f"{value!r} includes itself")
    if not file.is_file():
        raise place.error(f"there is no {value!r}")
    return file


def _index(option: str, value: str, place: _Place) -> str:
    if option == "--no-index":
        return option
    if not value:
        raise place.error(f"the option {option} has no value")
    if "$" in value:
        raise place.error(
            f"the value of {option} has a variable in it, which is not replaced",
            hint="give the index by UV_INDEX, UV_INDEX_URL or UV_EXTRA_INDEX_URL in the environment of the build",
        )
    if option == "--find-links" and "://" not in value:
        folder = (place.folder / value).resolve()
        if not folder.exists():
            raise place.error(f"there is no {value!r}")
        value = folder.as_uri()
    return f"{option} {value}"


def _requirement(line: str, place: _Place) -> Asked:
    text, *options = re.split(r"\s+(?=--\w)", line)
    hashes = []
    for each in options:
        option, value = _option(each)
        algorithm, _, digest = value.partition(":")
        if option != "--hash":
            raise place.error(f"the option {each[:60]!r} is not read", hint=_HINTS.get(option, _KNOWN))
        if re.fullmatch(rf"[0-9a-fA-F]{{{_HASH_LENGTHS.get(algorithm, 0)}}}", digest) is None or not digest:
            raise place.error(f"{value!r} is no hash", hint="write --hash=sha256: and 64 hexadecimal digits")
        hashes.append(value.lower())
    requirement = parse(text, path=place.path, line=place.line, folder=place.folder)
    return Asked(requirement, place.path, place.line, hashes=tuple(hashes))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, continued ones joined, without comments."""
    begun, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        # a comment ends a continuation too, as pip has it
        is_comment = raw.lstrip().startswith("#")
        line = re.sub(r"(^|\s)#.*$", "", raw)
        start = start if begun else number
        if line.rstrip().endswith("\\") and not is_comment:
            begun += line.rstrip()[:-1] + " "
            continue
        whole = (begun + line).strip()
        begun = ""
        if whole:
            yield start, whole
    if begun.strip():
        yield start, begun.strip()
