"""What ``pip install pytest-flash`` brings: every module, every data file, and nothing else."""

from __future__ import annotations

import configparser
import email
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

from flash import __version__

ROOT = Path(__file__).parents[1]
STEM = f"pytest_flash-{__version__}"
PACKAGES = ("flash", "pytest_flash")
IN_THE_SDIST = {"ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "tox.ini"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [uv.find_uv_bin(), "build", "--quiet", "--out-dir", str(folder), str(ROOT)],
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> dict[str, str]:
    """The wheel's files, by path."""
    with zipfile.ZipFile(dist / f"{STEM}-py3-none-any.whl") as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def sources() -> set[str]:
    """Every file of the packages, as the tree has it."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: dict[str, str]) -> None:
    """Types markers and the GraphQL schema included; tests, docs and examples stay at home."""
    names = {name for name in wheel if not name.startswith(f"{STEM}.dist-info/")}
    assert names == sources()
    assert {"flash/py.typed", "flash/schema.graphql", "pytest_flash/py.typed"} <= names


def test_the_wheel_names_its_command_and_its_plugin(wheel: dict[str, str]) -> None:
    """``flash`` on the path, and the plugin where pytest looks."""
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel[f"{STEM}.dist-info/entry_points.txt"])
    assert {name: dict(entry_points[name]) for name in entry_points.sections()} == {
        "console_scripts": {"flash": "flash.__main__:main"},
        "pytest11": {"flash": "pytest_flash.plugin"},
    }


def test_the_metadata_say_what_it_is(wheel: dict[str, str]) -> None:
    """Version and licence come from the tree."""
    metadata = email.message_from_string(wheel[f"{STEM}.dist-info/METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("pytest-flash", __version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.10")
    assert "Framework :: Pytest" in metadata.get_all("Classifier", [])


def test_the_extra_all_is_every_extra_of_users(wheel: dict[str, str]) -> None:
    """A missing extra is an error that names it; ``all`` leaves none missing."""
    metadata = email.message_from_string(wheel[f"{STEM}.dist-info/METADATA"])
    extras: dict[str, set[str]] = {extra: set() for extra in metadata.get_all("Provides-Extra", [])}
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, extra = line.partition("; extra == ")
        if extra:
            extras[extra.strip("'\"")].add(requirement)
    assert extras["all"] == set().union(*(extras[name] for name in extras if name not in {"all", "dev"}))
    assert "mock" in extras


def test_the_sdist_holds_what_a_distributor_needs(dist: Path) -> None:
    """The packages, the tests and what runs them; nothing that git ignores."""
    with tarfile.open(dist / f"{STEM}.tar.gz") as archive:
        names = {name.removeprefix(f"{STEM}/") for name in archive.getnames()}
    assert sources() | IN_THE_SDIST <= names
    assert "tests/test_packaging.py" in names
    # hatchling adds the ignore file that it went by
    folders = {name.partition("/")[0] for name in names} - IN_THE_SDIST - {".gitignore"}
    assert folders <= {*PACKAGES, "tests", "docs", "examples", "conftest.py"}
    assert [name for name in names if "__pycache__" in name or "/.flash/" in name] == []
