"""Work that grows with a project grows with it once: counted, not timed."""

from __future__ import annotations

import ast
import os
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import flash_build, project

from flash.bundle import modules as bundle_modules
from flash.bundle.discover import discover
from flash.bundle.modules import read_modules
from flash.bundle.sources import project_files

if TYPE_CHECKING:
    from pathlib import Path

MODULES, EACH = 12, 5


def endpoints(first: int, name: str = "'ep-{}'") -> str:
    """A module with some."""
    lines = ["from flash import Endpoint", "from shared import helper"]
    for number in range(first, first + EACH):
        lines += [f"@Endpoint(name={name.format(number)}, cpu='cpu3c-1-2')", f"def f{number}(x: int): return helper(x)"]
    return "\n".join(lines)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of many endpoints, with a module that all import, and ones that nobody does."""
    files = {f"workers/m{number}.py": endpoints(number * EACH) for number in range(MODULES)}
    files |= {f"unused/u{number}.py": "import json\n" for number in range(MODULES)}
    settings = "[tool.flash]\napp = 'demo'\npython = '3.11'\n"
    return project(tmp_path, {**files, "shared.py": "def helper(x): return x\n", "pyproject.toml": settings})


def test_a_build_parses_each_file_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many endpoints it has, and whoever asks for what is in it."""
    parsed: Counter[str] = Counter()
    parse = ast.parse

    def counting(source: Any, filename: str = "<unknown>", *args: Any, **options: Any) -> Any:
        parsed[filename] += 1
        return parse(source, filename, *args, **options)

    monkeypatch.setattr(ast, "parse", counting)
    assert flash_build(root) == 0
    own = {path: count for path, count in parsed.items() if path.endswith(".py")}
    assert own == {path: 1 for path in project_files(root).files if path.endswith(".py")}


def test_the_imports_of_a_module_are_looked_for_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again for every endpoint that reaches it; of those that no endpoint reaches, not at all."""
    looked: Counter[str] = Counter()
    imported_modules = bundle_modules._imported_modules

    def counting(module: Any) -> Any:
        looked[module.name] += 1
        return imported_modules(module)

    monkeypatch.setattr(bundle_modules, "_imported_modules", counting)
    assert flash_build(root) == 0
    assert set(looked.values()) == {1}


def test_modules_that_must_be_run_are_run_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start of Python for each would cost more than all else."""
    files = {f"m{number}.py": endpoints(number * EACH, "'-'.join(c for c in '{}')") for number in range(MODULES)}
    project(tmp_path, {**files, "shared.py": "def helper(x): return x\n"})
    started = []
    popen = subprocess.Popen

    def counting(*args: Any, **options: Any) -> Any:
        started.append(args)
        return popen(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", counting)
    app = discover(tmp_path, project_files(tmp_path).files, app_name="demo")
    assert len(app.endpoints) == MODULES * EACH
    assert len(started) == 1


def test_a_folder_that_a_rule_hides_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is in it."""
    project(tmp_path, {".gitignore": "scratch/\n", "worker.py": "", "scratch/deep/a.py": "", "lib/b.py": ""})
    project(tmp_path, {"env-of-mine/pyvenv.cfg": "", "env-of-mine/lib/c.py": "", "node_modules/d/e.js": ""})
    entered = []
    scandir = os.scandir

    def counting(path: Any) -> Any:
        entered.append(os.path.relpath(path, tmp_path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    assert project_files(tmp_path).files == ("lib/b.py", "worker.py")
    assert sorted(entered) == [".", "lib"]


def test_closures_are_shared_by_the_endpoints_of_a_file(root: Path) -> None:
    """The second to ask is given what the first was."""
    modules = read_modules(root, project_files(root).files)
    assert modules.closure(["workers.m1"]) is modules.closure(["workers.m1", "workers.m1"])
    assert {module.name for module in modules.closure(["workers.m1"])} == {"workers.m1", "shared"}
