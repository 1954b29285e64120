"""An endpoint's own distributions come first in its workers, whatever else is there."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def said(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run *code* with ``put_first`` and *folder* at hand."""
    start = "import logging, sys; from pathlib import Path; from flash.runtime.packages import put_first;"
    done = subprocess.run(
        [sys.executable, "-c", f"{start} folder = Path(sys.argv[1]); {code}", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with two modules and a folder of metadata."""
    made = tmp_path / "set"
    for path in ("json/__init__.py", "fresh.py", "fresh-1.dist-info/METADATA"):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text("", encoding="utf-8")
    return made


def test_a_set_comes_first_and_once(folder: Path) -> None:
    """Whoever puts it there, and however often."""
    done = said(folder, "put_first(folder); put_first(folder); print(sys.path.index(str(folder)), *sys.path)")
    first, *path = done.stdout.split()
    assert (first, path.count(str(folder))) == ("0", 1)


def test_what_is_loaded_already_is_told(folder: Path) -> None:
    """It stays, as an image that has loaded it works with it."""
    done = said(folder, "import json; put_first(folder); import fresh; print(fresh.__file__)")
    assert done.stderr.strip() == (
        f"{folder}: loaded before, and not from the endpoint's own set of distributions: json"
    )
    assert done.stdout.strip() == str(folder / "fresh.py")
    assert said(folder, "put_first(folder); import fresh; put_first(folder)").stderr == ""
