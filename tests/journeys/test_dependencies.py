"""Endpoints whose pins conflict, as their users have them: built, tried, deployed, each with its own version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes_index import wheel
from journeys.conftest import APART, Platform, Shell, urls

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.journey


@pytest.fixture
def shell(project: Shell, tmp_path: Path) -> Shell:
    """A terminal in the project, with a folder of wheels beside what the index has."""
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "flash-apart", version)
    project.write(APART)
    return replace(project, environment={"UV_FIND_LINKS": str(tmp_path / "wheels")})


def test_each_endpoint_has_its_own_version_wherever_it_runs(shell: Shell, platform: Platform) -> None:
    """In a preview as a process, and deployed; the tests run against the first, and are the gate of the second."""
    done = shell.pytest("--flash-deploy=production", "--flash-backend=process")
    assert done.returncode == 0, done.stdout + done.stderr
    found = urls(done.stdout)
    outputs = {name: platform.post(f"{found[name]}/runsync", {"input": {}}).json()["output"] for name in found}
    assert outputs == {"greeter": "Hello, world!", "older": "1.0", "newer": "2.0"}


def test_with_one_set_asked_for_both_are_named(shell: Shell) -> None:
    """By pin and by endpoint; nothing is built."""
    settings = shell.root / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('app = "demo"', 'app = "demo"\none-set = true'), encoding="utf-8")
    done = shell.flash("build", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)["error"]["message"]
    assert all(each in said for each in ("'flash-apart==1.0'", "'flash-apart==2.0'", "'older'", "'newer'"))
    assert not (shell.root / ".flash/artifact.tar.gz").exists()
