"""A throw-away project, and pytest in it with a pipeline that builds and starts nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fakes_pytest_flash import ROOT, FlashProject

# loaded once: each run in this process would load them again, because pytester forgets what a run has loaded
import pytest_flash.activation
import pytest_flash.checking
import pytest_flash.judge  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(plain: pytest.Pytester) -> FlashProject:
    """A Flash project."""
    return FlashProject(plain)


@pytest.fixture(scope="session")
def hypothesis_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all runs: its tables of characters take a second to make."""
    return tmp_path_factory.mktemp("hypothesis")


@pytest.fixture
def plain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, hypothesis_home: Path) -> pytest.Pytester:
    """A folder without Flash, where children find the checkout, also where it is not installed."""
    folders = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(hypothesis_home))
    # wide enough for the short summary's messages
    monkeypatch.setenv("COLUMNS", "250")
    return pytester
