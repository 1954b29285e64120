"""What ``pyproject.toml`` asks for: ``[project].dependencies``, or a dependency group (PEP 621, PEP 735)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flash.bundle.asked import Asked, parse
from flash.errors import DependencyError

__all__ = ["PYPROJECT_NAME", "Pyproject", "read_pyproject", "read_toml"]

PYPROJECT_NAME: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Pyproject:
    """A project's ``pyproject.toml``.

    Attributes:
        document: What it holds.
        text: As it is written.
        root: The folder that it is in.
    """

    document: Mapping[str, Any]
    text: str
    root: Path

    @property
    def name(self) -> str | None:
        """The project's normalised name, if it has one."""
        name = self._project.get("name")
        return str(canonicalize_name(name)) if isinstance(name, str) else None

    @property
    def has_dependencies(self) -> bool:
        """Whether ``[project]`` says anything about them."""
        return bool(self._project.get("dependencies")) or "dependencies" in _strings(self._project.get("dynamic"))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the dependency groups, as they are written."""
        return tuple(self._table("dependency-groups"))

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that have dependencies of their own here."""
        tables = self._table("tool")
        return tuple(name for name, table in tables.items() if isinstance(table, Mapping) and "dependencies" in table)

    def dependencies(self) -> list[Asked]:
        """``[project].dependencies``, whatever markers say.

        Raises:
            DependencyError: They cannot be read here, or one of them is no requirement.
        """
        if "dependencies" in _strings(self._project.get("dynamic")):
            raise self.error(
                "[project].dependencies is dynamic: only the project's build could tell",
                "dynamic",
                hint="list them in requirements.txt, or in a group that dependency-group in [tool.flash] names",
            )
        given = self._project.get("dependencies", [])
        if not isinstance(given, list):
            raise self.error(f"[project].dependencies is {given!r}, which is no list", "dependencies")
        return [self._asked(text, "[project].dependencies") for text in given]

    def group(self, name: str) -> list[Asked]:
        """The dependency group *name*, with those that it includes, whatever markers say.

        Raises:
            DependencyError: There is none, it includes itself, or an entry is no requirement.
        """
        return self._group(name, ())

    def error(self, message: str, needle: str = "", *, hint: str = "") -> DependencyError:
        """An error about the first line that has *needle* in it."""
        return DependencyError(message, path=PYPROJECT_NAME, line=self.line_of(needle), hint=hint)

    def line_of(self, needle: str, after: str = "") -> int | None:
        """The number of the first line with *needle* in it, behind the one that begins with *after*."""
        begun = not after
        for number, line in enumerate(self.text.splitlines(), start=1):
            begun = begun or line.strip().startswith(after)
            if begun and needle and needle in line:
                return number
        return self.line_of(needle) if after else None

    @property
    def _project(self) -> Mapping[str, Any]:
        return self._table("project")

    def _table(self, *names: str) -> Mapping[str, Any]:
        table: object = self.document
        for name in names:
            table = table.get(name, {}) if isinstance(table, Mapping) else {}
        return table if isinstance(table, Mapping) else {}

    def _group(self, name: str, above: tuple[str, ...]) -> list[Asked]:
        wanted = str(canonicalize_name(name))
        groups = {str(canonicalize_name(each)): each for each in self.groups}
        if wanted not in groups:
            raise self.error(
                f"there is no dependency group {name!r}",
                "include-group" if above else "dependency-group",
                hint=f"[dependency-groups] has {', '.join(self.groups) or 'none'}",
            )
        if wanted in above:
            raise self.error(f"dependency group {name!r} includes itself", "include-group")
        entries = self._table("dependency-groups")[groups[wanted]]
        if not isinstance(entries, list):
            raise self.error(f"dependency group {name!r} is {entries!r}, which is no list", groups[wanted])
        found = []
        for entry in entries:
            if (
                isinstance(entry, Mapping)
                and set(entry) == {"include-group"}
                and isinstance(entry["include-group"], str)
            ):
                found += self._group(entry["include-group"], (*above, wanted))
            else:
                found.append(self._asked(entry, f"dependency group {name!r}"))
        return found

    def _asked(self, entry: object, where: str) -> Asked:
        if not isinstance(entry, str):
            raise self.error(f"{where} has {entry!r}, which is no requirement", "include-group")
        written = entry if entry in self.text else json.dumps(entry)[1:-1]
        place = "[dependency-groups]" if where.startswith("dependency group") else "[project]"
        line = self.line_of(written, place)
        requirement = parse(entry, path=PYPROJECT_NAME, line=line, folder=self.root, prefix=f"{where}: ")
        asked = Asked(requirement, PYPROJECT_NAME, line)
        self._refuse_itself(asked, where)
        return self._from_source(asked)

    def _refuse_itself(self, asked: Asked, where: str) -> None:
        # an index may have a stranger of this name
        if asked.name == self.name:
            raise DependencyError(
                f"{where} has {str(asked.requirement)!r}, the project itself",
                path=PYPROJECT_NAME,
                line=asked.line,
                hint="its files ship as they are: list what is needed, or include the group that does",
            )

    def _from_source(self, asked: Asked) -> Asked:
        """*asked* from where ``[tool.uv.sources]`` takes it: an index needs nothing, a wheel's URL is put in."""
        sources = {
            str(canonicalize_name(name)): source for name, source in self._table("tool", "uv", "sources").items()
        }
        source = sources.get(asked.name)
        entries = source if isinstance(source, list) else [source]
        if source is None or all(isinstance(entry, Mapping) and "index" in entry for entry in entries):
            return asked
        url = (
            source.get("url") or source.get("path") if isinstance(source, Mapping) and "marker" not in source else None
        )
        if not isinstance(url, str) or not url.endswith(".whl"):
            shown = json.dumps(source, default=str)
            raise self.error(
                f"[tool.uv.sources] takes {asked.name} from {shown}: nothing is built from source",
                f"{asked.requirement.name} =",
                hint="build its wheel and give its path there, or leave it out with exclude in [tool.flash]",
            )
        whole = url if "://" in url else (self.root / url).resolve().as_uri()
        changed = Requirement(str(asked.requirement))
        changed.url, changed.specifier = whole, type(changed.specifier)()
        return Asked(changed, asked.path, asked.line)


def read_pyproject(root: Path) -> Pyproject | None:
    """The ``pyproject.toml`` of the project in *root*, if it has one.

    Raises:
        DependencyError: It cannot be read.
    """
    file = root / PYPROJECT_NAME
    if not file.is_file():
        return None
    document, text = read_toml(file)
    return Pyproject(document, text, root)


def read_toml(file: Path) -> tuple[Mapping[str, Any], str]:
    """What *file* holds, and its text.

    Raises:
        DependencyError: It cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DependencyError(f"cannot read it: {error}", path=file.name) from error


def _strings(given: object) -> Sequence[str]:
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
