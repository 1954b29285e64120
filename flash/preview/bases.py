"""Base environments: what a worker's image ships, as virtual environments on this machine or as a layer of an image.

A worker never runs in the environment that Flash itself is installed in. It runs the artifact with an interpreter of
the target's version, in an environment that holds what the images hold for our workers, and, for a GPU image, what the
endpoint declares or imports of the rest.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.bundle.claims import claimed_folder
from flash.bundle.wanted import Wanted
from flash.errors import DependencyError

if TYPE_CHECKING:
    from flash.bundle.install import Uv

__all__ = ["BASE_REQUIREMENTS", "IMAGE_VERSIONS", "Bases"]

BASE_REQUIREMENTS: Final = ("fastapi==0.165.0", "pydantic==2.14.3", "uvicorn==0.54.0")
"""Of what every image ships, what our workers use. The images do not pin them (worker 1.4.2's dependency list says
``pydantic>=2.11``); these are the releases of 2026-11-23, pinned so that the schemas in an artifact, and with them its
digest, do not change with the day."""

IMAGE_VERSIONS: Final = {
    "torch": "2.9.1",
    "aiohttp": "3.14.5",
    "cloudpickle": "3.1.2",
    "hf-transfer": "0.1.9",
    "huggingface-hub": "2.4.0",
    "requests": "2.34.2",
    "runpod": "1.12.0",
    "runpod-flash": "1.21.0",
}
"""torch: what the GPU images name, worker 1.4.2's base is ``runpod/pytorch:1.0.3-cu1281-torch291-ubuntu2204``. The
others, which the images do not pin and only artifacts of other builders get, are the releases of 2026-11-23."""

MAKING_PREFIX: Final = ".making-"
"""Of the folders in which bases are made; one is put in place when it is finished."""


class Bases:
    """Makes base environments on first use and keeps them for every project of this user.

    Args:
        folder: Where they are kept; one folder each, named by what is in it.
        uv: What installs into them.
        report: Told what is downloaded, a line each.
    """

    def __init__(self, folder: Path, uv: Uv, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._uv = uv
        self._report = report

    @property
    def identity(self) -> str:
        """Tells the versions of everything that can be in one of them."""
        return _key(_requirements(tuple(IMAGE_VERSIONS)))

    def python(self, python_version: str, provided: Sequence[str] = ()) -> Path:
        """The interpreter of the base environment, which is made if it is not there.

        Args:
            python_version: ``"3.10"`` … ``"3.13"``.
            provided: Distributions of the GPU images that the endpoint declares or imports.

        Raises:
            TargetPythonMissing: No such interpreter is here, and none could be downloaded.
            DependencyError: What the base needs could not be installed.
        """
        requirements = _requirements(provided)
        home = self._folder / f"python{python_version}-{_key(requirements)}"
        python = home / "bin" / "python"
        # exists() follows the link: an interpreter that was uninstalled since makes the base anew
        if python.exists():
            return python
        interpreter = self._interpreter(python_version)
        extra = f" with {', '.join(sorted(provided))}" if provided else ""
        self._report(f"making the base environment for Python {python_version}{extra}")
        with claimed_folder(self._folder, MAKING_PREFIX) as staging:
            self._uv.make_venv(staging / "venv", interpreter)
            self._uv.install_into_venv(staging / "venv", requirements, compile_bytecode=True)
            self._settle(staging / "venv", home, "bin/python")
        return python

    def library(self, python_version: str, provided: Sequence[str] = ()) -> Path:
        """The distributions of a base environment alone, flat in a folder: a layer of an image.

        They are compiled where an interpreter of that version is on this machine; elsewhere workers start slower.

        Args:
            python_version: ``"3.10"`` … ``"3.13"``.
            provided: Distributions of the GPU images that the endpoint declares or imports.

        Raises:
            DependencyError: They could not be installed.
        """
        requirements = _requirements(provided)
        interpreter = self._uv.find_python(python_version)
        compiled = "" if interpreter is None else "c"
        home = self._folder / f"library{python_version}{compiled}-{_key(requirements)}"
        if home.is_dir():
            return home
        self._report(f"installing {', '.join(requirements)} for Python {python_version}")
        with claimed_folder(self._folder, MAKING_PREFIX) as staging:
            library = staging / "library"
            wanted = Wanted(tuple(requirements), python_version)
            self._uv.install(wanted, target=library, report=lambda _line: None)
            if interpreter is not None:
                self._uv.compile(interpreter, library)
            self._settle(library, home, "")
        return home

    def compile(self, python_version: str, folder: Path) -> None:
        """Compile the modules in *folder*, where an interpreter of that version is on this machine."""
        interpreter = self._uv.find_python(python_version)
        if interpreter is not None:
            self._uv.compile(interpreter, folder)

    def _settle(self, made: Path, home: Path, proof: str) -> None:
        """Put something finished in place; another process may have been faster, and then its own is used.

        Args:
            made: What is finished.
            home: Where it belongs.
            proof: Exists in it if it is usable.
        """
        if home.exists() and not (home / proof).exists():
            shutil.rmtree(home)
        try:
            made.rename(home)
        except OSError as error:
            if not (home / proof).exists():
                raise DependencyError(f"cannot make the base environment {home}: {error}") from error

    def _interpreter(self, python_version: str) -> Path:
        found = self._uv.find_python(python_version)
        if found is not None:
            return found
        self._report(f"downloading Python {python_version}: none is on this machine")
        return self._uv.download_python(python_version)


def _requirements(provided: Sequence[str]) -> list[str]:
    return [*BASE_REQUIREMENTS, *(_pinned(name) for name in sorted(provided))]


def _key(requirements: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]


def _pinned(name: str) -> str:
    version = IMAGE_VERSIONS.get(name)
    return name if version is None else f"{name}=={version}"
