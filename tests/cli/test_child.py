"""Children: their output, their status, and what an interruption does."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from flash.cli.child import Ended, run

if TYPE_CHECKING:
    from pathlib import Path

# The child signals its parent, as Ctrl+C would, and waits for what the parent passes on.
INTERRUPTING = """
import os, signal, sys
try:
    os.kill(os.getppid(), signal.{name})
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("cleaned up")
    sys.exit(2)
"""


def test_the_output_of_a_child_is_our_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its stdout and stderr come on our stderr; it runs in the folder that it was given."""
    code = "import os, sys; print(os.getcwd(), flush=True); print('oops', file=sys.stderr); sys.exit(4)"
    assert run(["-c", code], cwd=tmp_path) == Ended(4, interrupted=False)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", f"{tmp_path}\noops\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_is_passed_on_and_the_child_may_clean_up(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever signal ends us, the child sees Ctrl+C, once, and is waited for."""
    before = signal.getsignal(getattr(signal, name))
    assert run(["-c", INTERRUPTING.format(name=name)], cwd=tmp_path) == Ended(2, interrupted=True)
    assert capfd.readouterr().err == "cleaned up\n"
    assert signal.getsignal(getattr(signal, name)) is before


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """Under ``nohup`` a deployment goes on when the terminal closes."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = "import os, signal; os.kill(os.getppid(), signal.SIGHUP)"
        assert run(["-c", code], cwd=tmp_path) == Ended(0, interrupted=False)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_child_that_a_signal_ended_has_a_negative_status(tmp_path: Path) -> None:
    """As the standard library tells it."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(["-c", code], cwd=tmp_path) == Ended(-9, interrupted=False)
