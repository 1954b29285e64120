"""``flash sweep``: what it says."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from flash.cli.main import main
from flash.preview.sweep import Swept

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices


def test_what_was_removed_and_what_was_not_is_told(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second with its reason; that is no failure."""
    services.swept = Swept(("folder a", "container b"), ("c: somebody deploys there now",))
    assert main(["sweep"], services) == 0
    captured = capsys.readouterr()
    assert captured.out == "✓ Removed folder a\n✓ Removed container b\n"
    assert captured.err == "! left c: somebody deploys there now\n"
    assert main(["sweep", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "removed": ["folder a", "container b"],
        "left": ["c: somebody deploys there now"],
    }


def test_nothing_to_remove_is_said(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """And is fine."""
    assert main(["sweep"], services) == 0
    assert capsys.readouterr().out == "✓ Nothing was left behind\n"


class Keyboard(io.StringIO):
    """A terminal to type on."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("options", "stdin", "removed"),
    [
        ([], Keyboard("y\n"), True),
        ([], Keyboard("n\n"), False),
        ([], io.StringIO(), False),
        (["--yes"], io.StringIO(), True),
    ],
    ids=["yes", "no", "nobody to ask", "--yes"],
)
def test_nothing_goes_from_runpod_without_a_yes(
    options: list[str],
    stdin: io.StringIO,
    removed: bool,
    project: Path,
    services: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is left, and told; what is on this machine goes all the same."""
    services.on_runpod = "endpoint x"
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["sweep", *options], services) == 0
    captured = capsys.readouterr()
    assert ("✓ Removed endpoint x" in captured.out) is removed
    assert ("! left endpoint x" in captured.err) is not removed
