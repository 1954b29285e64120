"""An app with every shape at once: previewed, and every endpoint called."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from journeys.conftest import Shell
from journeys.shapes import ENDPOINTS, write_app

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.journey


def test_an_app_with_every_shape_is_previewed_and_every_endpoint_answers(tmp_path: Path, home: Path) -> None:
    """The contract checks of all functions pass too. Nothing of the app runs where pytest runs."""
    shell = Shell(tmp_path / "shapes", home)
    write_app(shell, f"{sys.version_info.major}.{sys.version_info.minor}")
    assert find_spec("tiny") is None

    done = shell.pytest("--flash-preview", "--flash-backend=process", "-v")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    checked = set(re.findall(r"flash::contract\[([^\]/]+)", done.stdout))
    assert checked == set(ENDPOINTS)
    assert "noisy: imported" not in done.stdout + done.stderr
