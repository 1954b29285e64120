"""Streams, colours and the form of errors."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from flash.cli.console import Console
from flash.errors import DiscoveryError, WorkerFailed

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_marks_are_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the mark at the beginning of a line is."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    with redirect_stdout(Terminal()) as terminal:
        Console(as_json=False).text("✓ Done ✓\n  plain")
    assert terminal.getvalue() == "\x1b[32m✓\x1b[0m Done ✓\n  plain\n"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """no-color.org: present and not empty."""
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stdout(Terminal()) as terminal:
        Console(as_json=False).text("✓ Done")
    assert terminal.getvalue() == "✓ Done\n"


def test_there_is_no_colour_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log file shows no escape sequences."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    Console(as_json=False).text("✓ Done")
    assert capsys.readouterr().out == "✓ Done\n"


def test_a_result_is_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Never both."""
    Console(as_json=False).result("text", {"a": 1})
    Console(as_json=True).result("text", {"a": 1})
    assert capsys.readouterr().out == 'text\n{\n  "a": 1\n}\n'


def test_an_error_says_where_what_and_how_to_mend_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and a hint."""
    Console(as_json=False).failure(DiscoveryError("bad", hint="mend it", path="app.py", line=3))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "✗ app.py:3: bad\nhint: mend it\n")


def test_evidence_follows_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as the end of a worker's log, in both forms."""
    error = WorkerFailed("it died", endpoint="gpu_worker", hint="look", detail="line 1\nline 2")
    Console(as_json=True).failure(error, {"app": "demo"})
    captured = capsys.readouterr()
    assert captured.err == "✗ it died\nhint: look\nline 1\nline 2\n"
    assert json.loads(captured.out) == {
        "app": "demo",
        "error": {"message": "it died", "hint": "look", "detail": "line 1\nline 2"},
    }
