"""A throw-away project, and pytest in it with a pipeline that builds and starts nothing."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IS_INSTALLED = bool(entry_points(group="pytest11", name="flash"))

CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})

def pytest_configure(config):
    from pathlib import Path
    from fakes_pytest_flash import FakePipeline
    from pytest_flash.pipeline import pipeline_key
    config.stash[pipeline_key] = FakePipeline(Path({{root!r}}))
"""

SETTINGS = """
[tool.flash]
app = "demo"

[tool.flash.environments.production]
target = "local"

[tool.pytest.ini_options]
strict = true
filterwarnings = ["error"]
"""


class ProjectUnderTest:
    """A Flash project in pytester's folder."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write(pyproject_toml=SETTINGS)
        self.write(conftest_py=CONFTEST.format(root=str(self.path)))

    def write(self, **files: str) -> None:
        """Write files; their names with the last ``_`` for the dot."""
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            path = self.path / f"{stem}.{suffix}"
            path.write_text(text, encoding="utf-8")

    def scenario(self, **steps: Any) -> None:
        """What goes wrong, by step."""
        (self.path / "scenario.json").write_text(json.dumps(steps), encoding="utf-8")

    @property
    def events(self) -> list[str]:
        """What was asked of the pipeline, in order."""
        path = self.path / "events.txt"
        return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []

    def report(self) -> Any:
        """What ``--flash-report=report.json`` wrote."""
        return json.loads((self.path / "report.json").read_text(encoding="utf-8"))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> ProjectUnderTest:
    """A Flash project."""
    prepare(pytester, monkeypatch)
    return ProjectUnderTest(pytester)


@pytest.fixture
def plain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder without Flash."""
    prepare(pytester, monkeypatch)
    return pytester


def prepare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make children find the checkout's plugin, also where it is not installed."""
    if not IS_INSTALLED:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
        pytester.plugins.append("pytest_flash.plugin")
    if sys.version_info >= (3, 12):
        # one process a test, many tests: compiled modules are worth keeping, whatever runs around us says
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
