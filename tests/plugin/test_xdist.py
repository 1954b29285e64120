"""With pytest-xdist: one build, one preview, one deployment; the tests run in workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

pytest.importorskip("xdist")

TESTS = """
@pytest.mark.flash_smoke
@pytest.mark.parametrize("number", range(4))
def test_it(flash_endpoint, flash_artifact, number):
    assert flash_artifact.files == ("app.py",)
    assert flash_endpoint("greeter").runsync({"name": "Ada"}).output.startswith("Hello Ada")
"""


def test_everything_is_done_once_and_progress_ends_at_one_hundred(project: FlashProject) -> None:
    """Workers learn what to check from the owner, and where the preview is from a file."""
    project.tests(TESTS)
    result = project.run_in_child("-n2", "--flash-deploy=production", "-v", "-W", "error")
    assert result.ret == 0
    result.assert_outcomes(passed=10)
    assert project.events == [
        *("check_target", "discover", "build", "preview", "close"),
        *("promote production local", "promote", "finish"),
    ]
    result.stdout.fnmatch_lines(["flash::build PASSED*14%*", "*gw?*flash::contract[[]greeter[]]*", "*100%*"])
    percentages = [int(number) for number in re.findall(r"\[ *(\d+)%\]", result.stdout.str())]
    assert max(percentages) == 100
    result.stdout.fnmatch_lines(["deployed sha256:*"])


def test_what_a_worker_deselects_is_refused(project: FlashProject) -> None:
    """Nobody tells the owner of the run but we."""
    project.tests(TESTS)
    result = project.run_in_child("-n2", "--flash-deploy=production", "-k", "not 3", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    codes = {condition["code"] for condition in project.report()["gate"] if condition["outcome"] != "pass"}
    assert codes == {"FLASH-G004"}


def test_a_failed_build_keeps_the_workers_from_running_tests(project: FlashProject) -> None:
    """They are sent home."""
    project.tests(TESTS)
    project.scenario(build="build")
    result = project.run_in_child("-n2", "--flash-preview")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED flash::build - cannot install*"])


def test_nothing_is_built_where_a_worker_cannot_collect(project: FlashProject) -> None:
    """As without workers."""
    project.tests("import nothing_of_that_name")
    result = project.run_in_child("-n2", "--flash-preview")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.events == ["discover"]


def test_a_failing_test_shows_the_log_and_stops_the_promotion(project: FlashProject) -> None:
    """The section travels with the report."""
    project.tests("def test_bad(flash_endpoint): assert not flash_endpoint('greeter')")
    result = project.run_in_child("-n2", "--flash-deploy=production")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*- flash log of greeter -*", "last words of greeter", "*FLASH-G002*test_bad*"])
    assert "promote" not in project.events


def test_on_demand_with_workers_is_a_preview(project: FlashProject) -> None:
    """The owner cannot see what tests ask for."""
    project.write({"pytest.ini": "[pytest]\nflash_on_demand = true\n"})
    project.tests(TESTS)
    project.run_in_child("-n2").assert_outcomes(passed=8)
    assert project.events == ["discover", "build", "preview", "close"]


def test_no_workers_is_a_run_of_its_own(project: FlashProject) -> None:
    """``-n0`` keeps xdist loaded and the tests here."""
    project.tests(TESTS)
    project.run_in_child("-n0", "--flash-deploy=production").assert_outcomes(passed=10)
