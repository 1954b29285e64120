"""An endpoint's fingerprint changes with what its workers may run or read, and with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_bundle import FakeDescriber, FakeInstaller, Package, project, write

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

A = """
from flash import Endpoint
from shared.tools import helper

@Endpoint(name="a", cpu="cpu3c-1-2", dependencies=["rich"])
def a(x: int = 1) -> int:
    return helper(x)
"""
B = """
from flash import Endpoint

@Endpoint(name="b", cpu="cpu3c-1-2")
def b(x: int = 1) -> int:
    import lazy
    return lazy.twice(x)
"""
FILES = {
    "a.py": A,
    "b.py": B,
    "shared/__init__.py": "",
    "shared/tools.py": "from .deep import DEPTH\n\ndef helper(x):\n    return x + DEPTH\n",
    "shared/deep.py": "DEPTH = 1\n",
    "lazy.py": "def twice(x):\n    return 2 * x\n",
    "alone.py": "ALONE = 1\n",
    "model.bin": "weights",
}


def fingerprints(root: Path, version: str = "1", **request: object) -> dict[str, str]:
    asked = {"app_name": "demo", "python_version": "3.11", **request}
    artifact = build(
        BuildRequest(root=root, **asked),  # type: ignore[arg-type]
        installer=FakeInstaller({"rich": Package(version, files={"rich.py": f"VERSION = {version!r}"})}),
        describer=FakeDescriber(),
        cache=Cache(root.with_name(f"{root.name}-cache")),
        report=lambda _: None,
    )
    return {name: resource.fingerprint for name, resource in artifact.manifest.resources.items()}


@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("a.py", A.replace("x: int = 1", "x: int = 2"), {"a"}),
        ("b.py", B.replace("lazy.twice(x)", "lazy.twice(x) + 1"), {"b"}),
        ("shared/deep.py", "DEPTH = 2\n", {"a"}),
        ("shared/__init__.py", "import shared.tools\n", {"a"}),
        ("lazy.py", "def twice(x):\n    return x + x\n", {"b"}),
        ("alone.py", "ALONE = 2\n", set()),
        ("new.py", "NEW = 1\n", set()),
        ("model.bin", "other weights", {"a", "b"}),
        ("new.txt", "read by somebody", {"a", "b"}),
    ],
)
def test_a_change_touches_the_endpoints_that_may_see_it(
    tmp_path: Path, path: str, text: str, changed: set[str]
) -> None:
    """Modules by who imports them, at the top or in a function; other files are everybody's."""
    project(tmp_path, FILES)
    before = fingerprints(tmp_path)
    write(tmp_path / path, text)
    after = fingerprints(tmp_path)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_module_that_imports_by_name_may_import_any(tmp_path: Path) -> None:
    """What cannot be read is taken for everything."""
    project(
        tmp_path, {**FILES, "lazy.py": "import importlib\n\ndef twice(x):\n    return importlib.import_module(x)\n"}
    )
    before = fingerprints(tmp_path)
    write(tmp_path / "alone.py", "ALONE = 2\n")
    after = fingerprints(tmp_path)
    assert before["b"] != after["b"]
    assert before["a"] == after["a"]


def test_a_distribution_of_another_version_touches_the_endpoints_that_may_load_it(tmp_path: Path) -> None:
    """All workers have all distributions, but an endpoint that neither asks for one nor imports it is not rolled."""
    project(tmp_path, FILES)
    before, after = fingerprints(tmp_path), fingerprints(tmp_path, version="2")
    assert before["a"] != after["a"]
    assert before["b"] == after["b"]


@pytest.mark.parametrize(
    "text",
    [
        B.replace("    import lazy\n", "    import lazy, rich\n"),
        B.replace("    import lazy\n", "    import lazy, importlib; importlib.import_module('ri' + 'ch')\n"),
    ],
)
def test_what_an_endpoint_imports_or_might_is_its_own_too(tmp_path: Path, text: str) -> None:
    """Whoever asks for it: a module that imports by names that it makes may import anything."""
    project(tmp_path, {**FILES, "b.py": text})
    before, after = fingerprints(tmp_path), fingerprints(tmp_path, version="2")
    assert before["b"] != after["b"]


def test_another_interpreter_touches_every_endpoint(tmp_path: Path) -> None:
    """Nothing runs the same there."""
    project(tmp_path, FILES)
    before, after = fingerprints(tmp_path), fingerprints(tmp_path, python_version="3.12")
    assert not set(before.values()) & set(after.values())


def test_the_same_project_elsewhere_has_the_same_fingerprints(tmp_path: Path) -> None:
    """They are about contents, not places."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        project(tmp_path / name, FILES)
    assert fingerprints(tmp_path / "one") == fingerprints(tmp_path / "two")
