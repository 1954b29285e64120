"""Stages are reports: where they show, in which order, and what a failing one does."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TWO_TESTS = """
def test_one(flash_endpoint):
    assert flash_endpoint("greeter").runsync({"name": "Ada"}).output == "Hello Ada from preview"

def test_two(): pass
"""


def test_build_and_preview_come_before_the_tests(project: FlashProject) -> None:
    """The contract checks come first among these; the preview ends with the tests."""
    project.tests(TWO_TESTS)
    result = project.run("--flash-preview", "-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "*collected 4 items",
            "  flash: installing nothing",
            "flash::build PASSED*20%*",
            "flash::preview[[]process[]] PASSED*33%*",
            "flash::contract[[]greeter[]] PASSED*",
            "flash::contract[[]api/echo[]] PASSED*",
            "test_app.py::test_one PASSED*",
            "test_app.py::test_two PASSED*100%*",
            "passed against the preview of sha256:*",
        ]
    )
    assert project.events == ["discover", "build", "preview", "close"]


def test_stages_are_test_cases_in_junit_xml_and_have_durations(project: FlashProject) -> None:
    """Both come from the reports' phases."""
    project.tests(TWO_TESTS)
    result = project.run("--flash-preview", "--junit-xml=junit.xml", "--durations=0", "-vv")
    result.stdout.fnmatch_lines(["*s call * flash::build"])
    suite = ET.parse(project.path / "junit.xml").getroot()[0]  # noqa: S314  written just now
    cases = [f"{case.get('classname')}::{case.get('name')}" for case in suite.findall("testcase")]
    assert cases[:3] == ["flash::build", "flash::preview[process]", "flash::contract[greeter]"]
    assert suite.get("tests") == "6"


def test_quiet_runs_show_a_dot_for_a_stage_and_no_progress(project: FlashProject) -> None:
    """Nobody watches."""
    project.tests(TWO_TESTS)
    result = project.run("--flash-preview", "-q")
    result.stdout.fnmatch_lines(["......*100%*"])
    result.stdout.no_fnmatch_line("*installing*")


def test_nothing_runs_where_tests_are_only_collected(project: FlashProject) -> None:
    """Not even the target is asked."""
    project.tests(TWO_TESTS)
    result = project.run("--flash-deploy=production", "--collect-only", "-q")
    assert result.ret == 0
    assert project.events == ["discover"]
    result.stdout.fnmatch_lines(["flash::contract[[]greeter[]]", "test_app.py::test_one"])


@pytest.mark.parametrize(
    ("step", "what", "stage", "message"),
    [
        ("build", "build", "build", "cannot install 'nothing-of-that-name'"),
        ("preview", "worker", "preview[[]process[]]", "endpoint 'greeter' died at start"),
    ],
)
def test_a_failed_stage_keeps_the_tests_from_running(
    project: FlashProject, step: str, what: str, stage: str, message: str
) -> None:
    """It is a failed report with message and hint, without a traceback."""
    project.tests(TWO_TESTS)
    project.scenario(**{step: what})
    result = project.run("--flash-preview", "--flash-report=report.json", "-x")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([message, f"FAILED flash::{stage} - {message}"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*test_app.py*")
    report = project.report()
    assert report["outcome"] == "failed"
    assert report["error"]["message"] == message
    assert report["stages"][-1]["outcome"] == "failed"


def test_sources_that_cannot_be_understood_fail_the_build(project: FlashProject) -> None:
    """There are no contract checks then, and the summary says why."""
    project.tests(TWO_TESTS)
    project.scenario(discover="discovery", build="discovery")
    result = project.run("--flash-preview")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "app.py:3: no endpoint found",
            "hint: decorate a function",
            "FAILED flash::build - app.py:3: no endpoint found",
        ]
    )


def test_nothing_is_built_where_collection_is_broken(project: FlashProject) -> None:
    """Pytest's own error and exit status are kept."""
    project.tests("import nothing_of_that_name")
    result = project.run("--flash-preview")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*Interrupted: 1 error during collection*"])
    assert project.events == ["discover"]


@pytest.mark.parametrize("step", ["build", "preview"])
def test_an_interrupted_stage_ends_the_run(project: FlashProject, step: str) -> None:
    """As pytest ends it; the report tells it."""
    project.tests(TWO_TESTS)
    project.scenario(**{step: "interrupt"})
    result = project.run_in_child("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.report()["outcome"] == "interrupted"
    assert "promote" not in project.events


def test_an_interrupted_test_closes_the_preview_and_promotes_nothing(project: FlashProject) -> None:
    """Ctrl+C means stop."""
    project.tests("def test_one(): raise KeyboardInterrupt")
    result = project.run_in_child("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["nothing deployed to production: interrupted"])
    assert project.events[-1] == "close"
    assert "promote" not in project.events


def test_it_works_without_a_terminal_reporter(project: FlashProject) -> None:
    """Nothing is told, and all is done."""
    project.tests(TWO_TESTS)
    result = project.run("--flash-deploy=production", "-p", "no:terminal", "--flash-report=report.json")
    assert result.ret == 0
    assert project.report()["outcome"] == "deployed"


def test_on_demand_only_what_a_test_asks_for_is_started(project: FlashProject) -> None:
    """A contract check asks for the preview; a test of the artifact only for the build."""
    project.write({"pytest.ini": "[pytest]\nflash_on_demand = true\n"})
    project.tests("def test_plain(): pass\ndef test_files(flash_artifact): assert flash_artifact.files == ('app.py',)")
    project.run("-k", "plain").assert_outcomes(passed=1, deselected=3)
    assert project.events == ["discover"]
    project.run("-k", "files").assert_outcomes(passed=2, deselected=3)
    assert project.events[1:] == ["discover", "build"]
    project.run().assert_outcomes(passed=6)
    assert project.events[3:] == ["discover", "build", "preview", "close"]


def test_on_demand_a_fixture_asked_for_while_the_test_runs_starts_it_too(project: FlashProject) -> None:
    """Nobody saw it coming, so there is no report of it."""
    project.write({"pytest.ini": "[pytest]\nflash_on_demand = true\n"})
    project.tests("def test_it(request): request.getfixturevalue('flash_endpoint')('greeter')")
    project.run("-k", "test_it").assert_outcomes(passed=1, deselected=2)
    assert project.events == ["discover", "build", "preview", "close"]
