"""A project to work in, and a user who has no key and no platform."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fakes_cli import FakeServices

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[tool.flash]
app = "demo"
python = "3.11"

[tool.flash.environments.staging]
target = "local"

[tool.flash.environments.production]
target = "runpod"
"""


@pytest.fixture(autouse=True)
def _nobodys_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests is read."""
    for name in os.environ:
        if name.startswith(("FLASH_", "RUNPOD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which is the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def services() -> FakeServices:
    """What the verbs work through."""
    return FakeServices()
