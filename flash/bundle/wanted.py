"""What is to be installed, with everything that decides which bytes that is."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Wanted", "settings_of_uv"]

_FORMAT: Final = 1
"""Another one where the same wishes lead to other trees than before."""

# Of the variables that reach uv, those that decide what is found, not how it gets here.
_DECIDING: Final = re.compile(r"UV_(DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|INDEX|INDEX_URL|INDEX_STRATEGY)")
_LOCAL_WHEEL: Final = re.compile(r"file://\S+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed.

    Attributes:
        requirements: As PEP 508 has them, each with its ``--hash=…`` behind it if it has some.
        python_version: The workers': ``"3.12"``.
        constraints: What is asked for only if something needs it, in the same form; their hashes are checked too.
        hashes_required: Whether what has no hash is refused.
        excluded: Normalised names of what is neither downloaded nor installed, whoever asks for it.
        options: Lines such as ``--index-url …``, as the project's files have them.
        folder: The project, where uv's own settings are looked for; its path itself decides nothing.
        is_locked: Whether the constraints have the one file, by its hash, of all that can come to be needed.
    """

    requirements: tuple[str, ...]
    python_version: str
    constraints: tuple[str, ...] = ()
    hashes_required: bool = False
    excluded: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    folder: Path | None = None
    is_locked: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether the same is installed at any time, as hashes leave no choice."""
        return self.hashes_required or self.is_locked

    def digest(self, besides: Mapping[str, Any]) -> str:
        """The sha256 over all of it and *besides*, in hexadecimal; the order of requirements does not matter."""
        lines = [_without_credentials(line) for line in self.options]
        value = {
            "format": _FORMAT,
            "uv-version": metadata.version("uv"),
            "requirements": sorted({_without_credentials(line) for line in self.requirements}),
            "python": self.python_version,
            "constraints": sorted(set(self.constraints)),
            "hashes-required": self.hashes_required,
            "excluded": sorted(set(self.excluded)),
            # the order of indexes is their rank
            "options": lines,
            "files": _listing(_paths((*self.requirements, *self.constraints, *self.options))),
            **besides,
        }
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write it into files of *folder* and return the options by which uv reads them."""
        wanted, constraints, overrides = (
            folder / f"{name}.txt" for name in ("requirements", "constraints", "excluded")
        )
        # credentials of an index are in this file, not among the arguments that everybody can list
        _write(wanted, (*self.options, *self.requirements))
        arguments = ["--requirements", str(wanted)]
        if self.constraints:
            _write(constraints, self.constraints)
            arguments += ["--constraints", str(constraints)]
        if self.excluded:
            # an override with a marker that never holds takes a distribution out of the resolution, whoever asks for it
            overrides = folder / "excluded.txt"
            _write(overrides, (f"{name}; sys_platform == 'none'" for name in self.excluded))
            arguments += ["--overrides", str(overrides)]
        return (*arguments, *(("--require-hashes",) if self.hashes_required else ()))


def settings_of_uv(environment: Mapping[str, str], folder: Path | None) -> Mapping[str, Any]:
    """What of uv's settings decides what is found: variables, ``[tool.uv]`` or ``uv.toml``, and what lies in folders.

    Args:
        environment: The variables that reach uv.
        folder: The project; settings are looked for in it and above.
    """
    variables = {name: _without_credentials(value) for name, value in environment.items() if _DECIDING.fullmatch(name)}
    files = list(_settings_files(environment, folder))
    texts = [_without_credentials(text) for _, text in files]
    links = [Path(link) for link in re.split(r"[,\s]+", environment.get("UV_FIND_LINKS", "")) if "://" not in link]
    for place, text in files:
        links += [place / link for link in re.findall(r"""["']([^"'\n]+)["']""", text) if (place / link).is_dir()]
    return {"variables": variables, "files": texts, "links": _listing(link for link in links if link.parts)}


def _settings_files(environment: Mapping[str, str], folder: Path | None) -> Iterator[tuple[Path, str]]:
    """Where uv finds settings, as it looks for them: the folder and its text."""
    given = environment.get("UV_CONFIG_FILE")
    if given:
        yield from _texts(Path(given))
        return
    for place in () if folder is None else (folder, *folder.parents):
        found = [*_texts(place / "uv.toml"), *_tables(place / "pyproject.toml")]
        if found:
            yield found[0]
            break
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/"), ".config"))
    for name in (home, *environment.get("XDG_CONFIG_DIRS", "").split(":"), "/etc"):
        yield from _texts(Path(name or "/etc", "uv", "uv.toml"))


def _texts(file: Path) -> Iterator[tuple[Path, str]]:
    if file.is_file():
        yield file.parent, file.read_text(encoding="utf-8", errors="replace")


def _tables(file: Path) -> Iterator[tuple[Path, str]]:
    """``[tool.uv]`` of a ``pyproject.toml``; what is no TOML is an error elsewhere."""
    for place, text in _texts(file):
        if "tool" not in text or "uv" not in text:
            continue
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
        try:
            table = tomllib.loads(text).get("tool", {}).get("uv")
        except tomllib.TOMLDecodeError:
            yield place, text
            continue
        if table is not None:
            yield place, json.dumps(table, sort_keys=True, default=str)


def _paths(lines: Iterable[str]) -> Iterator[Path]:
    """Local files and folders that *lines* name by their ``file:`` URLs."""
    for line in lines:
        for url in _LOCAL_WHEEL.findall(line):
            yield Path(unquote(urlsplit(url).path))


def _listing(paths: Iterable[Path]) -> list[list[Any]]:
    """Names, sizes and times of files at *paths* and in them if they are folders."""
    found: list[list[Any]] = []
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                stat = file.stat()
                found.append([file.name, stat.st_size, stat.st_mtime_ns])
    return found


def _without_credentials(text: str) -> str:
    """URLs in *text* without user and password: who fetches a thing does not change it."""
    return re.sub(r"(?<=://)[^/@\s\"']+@", "", text)


def _write(file: Path, lines: Iterable[str]) -> None:
    file.touch(mode=0o600)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
