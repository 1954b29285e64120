"""A throw-away project, and pytest in it with a pipeline that builds and starts nothing."""

from __future__ import annotations

import os

import pytest
from fakes_pytest_flash import ROOT, FlashProject

import pytest_flash.activation  # noqa: F401  loaded once, or each run in this process would load it again


@pytest.fixture
def project(plain: pytest.Pytester) -> FlashProject:
    """A Flash project."""
    return FlashProject(plain)


@pytest.fixture
def plain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder without Flash, where children find the checkout, also where it is not installed."""
    folders = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    # wide enough for the short summary's messages
    monkeypatch.setenv("COLUMNS", "250")
    return pytester
