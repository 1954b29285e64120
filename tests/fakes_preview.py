"""Fakes for ``flash.preview``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flash.bundle.wanted import Wanted
from flash.errors import DependencyError, TargetPythonMissing


class FakeUv:
    """Makes environments that are folders with a file ``bin/python``, and remembers what was asked of it."""

    def __init__(self, interpreter: Path | None, *, can_download: bool = False) -> None:
        self._interpreter = interpreter
        self._can_download = can_download
        self.made: list[Path] = []
        self.installed: list[tuple[str, ...]] = []
        self.compiled: list[tuple[Path, str]] = []
        self.refuse_install = False

    def find_python(self, version: str) -> Path | None:
        return self._interpreter

    def download_python(self, version: str) -> Path:
        if not self._can_download:
            raise TargetPythonMissing(
                f"Python {version} is not here", hint="set python in [tool.flash]", detail="no route"
            )
        return Path(f"/downloaded/{version}/python")

    def make_venv(self, path: Path, python: Path) -> Path:
        (path / "bin").mkdir(parents=True)
        (path / "bin" / "python").write_text(str(python))
        self.made.append(path)
        return path / "bin" / "python"

    def install_into_venv(self, venv: Path, requirements: Sequence[str], *, compile_bytecode: bool = True) -> None:
        if self.refuse_install:
            raise DependencyError("cannot install")
        self.installed.append(tuple(requirements))

    def install(self, wanted: Wanted, *, target: Path, report: object) -> tuple[()]:
        if self.refuse_install:
            raise DependencyError("cannot install")
        target.mkdir(parents=True)
        (target / "fastapi.py").touch()
        self.installed.append(wanted.requirements)
        return ()

    def compile(self, interpreter: Path, folder: Path) -> None:
        self.compiled.append((interpreter, folder.name))
