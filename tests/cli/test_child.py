"""Children: their output, their status, and what an interruption does."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flash.cli.child import Ended, run

if TYPE_CHECKING:
    from collections.abc import Iterator
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


# Its owner dies without a word; what it prints then is all that anybody hears of it.
ORPHANED = """
import os, signal, sys
from pytest_flash.owner import end_with_owner
end_with_owner(int(sys.argv[-1].removeprefix("--flash-owner-fd=")))
try:
    os.kill(os.getppid(), signal.SIGKILL)
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("cleaned up")
"""


def test_the_child_of_a_killed_command_interrupts_itself(tmp_path: Path) -> None:
    """Nobody is left to pass an interruption on, and a deployment must not go on unowned."""
    program = f"from pathlib import Path; from flash.cli.child import run; run(['-c', {ORPHANED!r}], cwd=Path.cwd())"
    # its end is that of both: the child inherits where it writes to
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (killed.returncode, killed.stdout, killed.stderr) == (-signal.SIGKILL, "", "cleaned up\n")


@pytest.fixture
def unignored() -> Iterator[None]:
    """Whoever runs the tests may ignore signals, as ``nohup`` and a script's background jobs do."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("unignored")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_is_passed_on_and_the_child_may_clean_up(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever signal ends us, the child sees Ctrl+C, once, and is waited for."""
    assert run(["-c", INTERRUPTING.format(name=name)], cwd=tmp_path) == Ended(2, interrupted=True)
    assert capfd.readouterr().err == "cleaned up\n"
    assert signal.getsignal(getattr(signal, name)) is signal.SIG_DFL


@pytest.mark.usefixtures("unignored")
def test_a_child_that_is_hushed_says_nothing_once_it_is_interrupted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Until then its stdout and stderr come on our stderr; its traceback does not."""
    code = INTERRUPTING.format(name="SIGINT")
    assert run(["-c", code], cwd=tmp_path, hushes_interrupted=True) == Ended(2, interrupted=True)
    assert capfd.readouterr().err == ""
    code = "import sys; print('heard', flush=True); print('as well', file=sys.stderr)"
    assert run(["-c", code], cwd=tmp_path, hushes_interrupted=True) == Ended(0, interrupted=False)
    assert capfd.readouterr() == ("", "heard\nas well\n")


@pytest.mark.usefixtures("unignored")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_what_is_ignored_stays_ignored(name: str, tmp_path: Path) -> None:
    """Under ``nohup`` a deployment goes on when the terminal closes; a background job does not hear Ctrl+C."""
    signal.signal(getattr(signal, name), signal.SIG_IGN)
    code = f"import os, signal; os.kill(os.getppid(), signal.{name})"
    assert run(["-c", code], cwd=tmp_path) == Ended(0, interrupted=False)
    assert signal.getsignal(getattr(signal, name)) is signal.SIG_IGN


@pytest.mark.usefixtures("unignored")
def test_a_background_job_can_be_terminated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It ignores SIGINT; its child must not, or SIGTERM would reach nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert run(["-c", INTERRUPTING.format(name="SIGTERM")], cwd=tmp_path) == Ended(2, interrupted=True)
    assert capfd.readouterr().err == "cleaned up\n"


def test_a_child_that_a_signal_ended_has_a_negative_status(tmp_path: Path) -> None:
    """As the standard library tells it."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(["-c", code], cwd=tmp_path) == Ended(-9, interrupted=False)
