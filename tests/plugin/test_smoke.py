"""What a smoke run writes for the run that started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_flash.smoke import Recorder, read_results

if TYPE_CHECKING:
    from pathlib import Path


def report(outcome: Any, when: Any = "call", text: str | None = None, **more: Any) -> pytest.TestReport:
    return pytest.TestReport("test_a.py::test_live", ("test_a.py", 0, "test_live"), {}, outcome, text, when, **more)


@pytest.mark.parametrize(
    ("reports", "outcome", "text"),
    [
        ([report("passed", "setup"), report("passed"), report("passed", "teardown")], "passed", ""),
        ([report("passed", "setup"), report("failed", text="no")], "failed", "no"),
        ([report("failed", "setup", "no")], "failed", "no"),
        ([report("passed"), report("failed", "teardown", "no")], "failed", "no"),
        ([report("skipped", wasxfail="reason: known")], "skipped", "known"),
        ([report("passed", wasxfail="reason: known")], "passed", "known"),
        (
            [report("passed", "setup"), report("rerun", text="no"), report("passed", "setup"), report("passed")],
            "passed",
            "",
        ),
    ],
)
def test_the_worst_phase_of_the_last_attempt_is_written(
    tmp_path: Path, reports: list[pytest.TestReport], outcome: str, text: str
) -> None:
    """Also where another plugin gives a test another attempt."""
    recorder = Recorder(tmp_path / "results.json")
    for each in reports:
        recorder.pytest_runtest_logreport(each)
    recorder.pytest_sessionfinish()
    (result,) = read_results(tmp_path / "results.json")
    assert (result.id, result.outcome, result.text) == ("test_a.py::test_live", outcome, text)


def test_a_run_that_ended_before_has_no_results(tmp_path: Path) -> None:
    """Its status tells the rest."""
    assert read_results(tmp_path / "results.json") == ()
