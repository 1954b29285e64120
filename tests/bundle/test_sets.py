"""Endpoints whose requirements contradict one another have distributions of their own, in one artifact."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import FakeDescriber, project
from fakes_index import wheel

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.bundle.install import Uv
from flash.errors import AuditFailed, DependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flash.model.manifest import Artifact

ENDPOINT = """
from flash import Endpoint

@Endpoint(name={name!r}, cpu="cpu3c-1-2", dependencies={dependencies!r})
def of_{name}() -> str:
    import lib
    return lib.VERSION
"""
TWO = {"a": ["lib==1.0"], "b": ["lib==2.0"]}


class Making:
    """A project with a wheelhouse beside it, built with the real installer."""

    def __init__(self, folder: Path) -> None:
        self.root, self.wheels = folder / "app", folder / "wheels"
        self.root.mkdir()
        for version in ("1.0", "2.0", "3.0"):
            wheel(self.wheels, "lib", version)
        wheel(self.wheels, "plain", requires=["deep"])
        wheel(self.wheels, "deep", "1.0")
        wheel(self.wheels, "deep", "2.0")
        wheel(self.wheels, "old", requires=["deep<2"])
        wheel(self.wheels, "new", requires=["deep>=2"])
        self.describer = FakeDescriber()
        self.lines: list[str] = []
        self._environment = {
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_INDEX": "1",
            "UV_CACHE_DIR": str(folder / "uv"),
            "HOME": str(folder),
        }
        self._cache = Cache(folder / "cache")

    def endpoints(self, endpoints: Mapping[str, list[str]], **files: str) -> None:
        modules = {
            f"{name}.py": ENDPOINT.format(name=name, dependencies=dependencies)
            for name, dependencies in endpoints.items()
        }
        project(self.root, {**modules, **{path.replace("__", "."): text for path, text in files.items()}})

    def build(self, **request: Any) -> Artifact:
        self.lines.clear()
        asked = {"app_name": "demo", "python_version": "3.11", **request}
        return build(
            BuildRequest(root=self.root, **asked),
            installer=Uv(self._environment),
            describer=self.describer,
            cache=self._cache,
            report=self.lines.append,
        )

    def folders(self, artifact: Artifact) -> dict[str, str | None]:
        return {name: resource.packages for name, resource in artifact.manifest.resources.items()}


@pytest.fixture
def making(tmp_path: Path) -> Making:
    return Making(tmp_path)


def answers(artifact: Artifact, folder: Path) -> dict[str, str]:
    """What each endpoint's handler says, in a process of its own that has the artifact and Flash's dependencies."""
    with tarfile.open(artifact.path) as archive:
        archive.extractall(folder, filter="data")
    text = "import sys; sys.path.insert(0, '.'); import importlib; m = importlib.import_module(sys.argv[1]);"
    found = {}
    for name in artifact.manifest.resources:
        done = subprocess.run(
            [sys.executable, "-c", f"{text} print(m.handler({{'id': 'x', 'input': {{}}}}))", f"handler_{name}"],
            cwd=folder,
            env={"PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[name] = done.stdout.strip()
    return found


def test_two_endpoints_whose_pins_conflict_are_each_given_their_own_set(making: Making, tmp_path: Path) -> None:
    """Both versions are in the artifact, and each handler has its endpoint's first."""
    making.endpoints(TWO)
    artifact = making.build()
    folders = making.folders(artifact)
    assert len({*folders.values()}) == 2
    for name, version in (("a", "1.0"), ("b", "2.0")):
        assert f"{folders[name]}lib.py" in artifact.files
        assert f"{folders[name]}lib-{version}.dist-info/METADATA" in artifact.files
    assert "lib.py" not in artifact.files
    assert answers(artifact, tmp_path / "unpacked") == {"a": "1.0", "b": "2.0"}
    assert making.lines[:1] == ["found 2 endpoints: a, b"]
    assert "'lib==2.0' (endpoint 'b') contradicts 'lib==1.0' (endpoint 'a'): each has distributions of its own" in (
        making.lines
    )
    assert f"{folders['a']} has 1, for a" in making.lines
