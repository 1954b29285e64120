"""``flash_canary``: its arguments at collection, and the stage that runs its tests again and again."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = """
@pytest.mark.flash_canary({arguments})
def test_it_greets(flash_endpoint):
    name = "Ada"
    reply = flash_endpoint("greeter").runsync({{"name": name}})
    assert reply.output.startswith("Hello Ada"), "what it said"

def test_ordinary(): pass
"""
QUICK = "weights=[100], min_samples=2, max_failure_rate=0.9"


def stages(project: FlashProject) -> dict[str, str]:
    """The outcomes of the stages."""
    return {stage["id"]: stage["outcome"] for stage in project.report()["stages"]}


def test_the_marked_tests_try_what_is_promoted(project: FlashProject) -> None:
    """Once against the preview, as any test; again and again before the promotion."""
    project.tests(TESTS.format(arguments=QUICK))
    result = project.run("--flash-deploy=production", "--flash-report=report.json", "--junitxml=junit.xml", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*test_it_greets PASSED*",
            "*flash::canary[[]production[]] PASSED*",
            "*flash::deploy[[]production[]] PASSED*",
            "deployed sha256:* to production*",
        ]
    )
    report = project.report()
    assert stages(project)["flash::canary[production]"] == "passed"
    message = next(stage["message"] for stage in report["stages"] if stage["id"] == "flash::canary[production]")
    first, second = message.splitlines()
    assert first == "100 % passed as a candidate: users' calls were not split"
    assert second.startswith("100 %: greeter pass: 0 of ")
    (step,) = report["canary"]
    assert (step["weight"], step["outcome"], step["endpoints"][0]["name"]) == (100, "pass", "greeter")
    assert step["endpoints"][0]["samples"] >= 2
    cases = {case.get("name"): case for case in ET.parse(project.path / "junit.xml").iter("testcase")}  # noqa: S314
    found = {one.get("name"): one.get("value") for one in cases["canary[production]"].iter("property")}
    assert str(found["flash.canary.100"]).startswith("greeter pass: 0 of ")


def test_each_step_is_told_with_the_verdict(project: FlashProject) -> None:
    """Also where it passed, and nobody asked for more words."""
    project.tests(TESTS.format(arguments=QUICK))
    result = project.run("--flash-deploy=production")
    result.stdout.fnmatch_lines(["deployed sha256:* to production*", "  canary 100 %: greeter pass: 0 of *"])


def test_the_duration_of_a_deployment_is_without_its_canarys(project: FlashProject) -> None:
    """Nothing is counted twice where stages are added up."""
    project.tests(TESTS.format(arguments=QUICK))
    assert project.run("--flash-deploy=production", "--flash-report=report.json").ret == 0
    took = {stage["id"]: stage["duration_s"] for stage in project.report()["stages"]}
    # the deployment itself is a fake; the canary starts a process
    assert took["flash::deploy[production]"] < took["flash::canary[production]"]


def test_a_canary_that_is_stopped_promotes_nothing(project: FlashProject) -> None:
    """One stage has failed, with the failure of the test that blamed the version."""
    project.tests(
        TESTS.format(arguments="weights=[100], min_samples=20, max_failure_rate=0.2")
        + """
@pytest.mark.flash_canary
def test_where_it_is(flash_endpoint):
    assert "deployment" not in flash_endpoint("greeter").runsync({"name": "Ada"}).output
"""
    )
    result = project.run("--flash-deploy=production", "--flash-report=report.json", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*flash::canary[[]production[]] FAILED*",
            "*flash::deploy[[]production[]] SKIPPED (the canary did not pass)*",
            "*the canary failed as a candidate: greeter: *",
            "*test_where_it_is*",
            "rolled back production: the canary failed as a candidate: *",
            "what was live in production before serves, as it did throughout",
        ]
    )
    assert "promote" not in project.events
    assert "rollback" not in project.events
    report = project.report()
    assert report["outcome"] == "rolled-back"
    assert report["canary"][0]["outcome"] == "fail"
    assert stages(project)["flash::deploy[production]"] == "skipped"


def test_too_little_is_not_enough_data_and_no_pass(project: FlashProject) -> None:
    """Nobody calls the endpoint that changes: told after two rounds."""
    project.tests("@pytest.mark.flash_canary\ndef test_nothing(): pass\n")
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["rolled back production: the canary has not enough data*marked flash_canary calls it"])
    assert project.report()["canary"][0]["outcome"] == "not-enough-data"
    assert "promote" not in project.events


def test_a_first_deployment_is_activated_straight(project: FlashProject) -> None:
    """And the stage says why."""
    project.tests(TESTS.format(arguments=""))
    project.scenario(nothing_to_split=None)
    result = project.run("--flash-deploy=production", "--flash-report=report.json", "-rs")
    assert result.ret == 0
    assert stages(project)["flash::canary[production]"] == "skipped"
    result.stdout.fnmatch_lines(["*nothing of production that was live before changes*"])


def test_without_a_marked_test_there_is_no_canary(project: FlashProject) -> None:
    """As ever."""
    project.tests("def test_ordinary(): pass\n")
    assert project.run("--flash-deploy=production", "--flash-report=report.json").ret == 0
    assert "flash::canary[production]" not in stages(project)
    assert project.report()["canary"] == []


def test_tests_that_cannot_go_on_stop_the_canary(project: FlashProject) -> None:
    """Such as a run that ends by itself: the end of its output is told."""
    project.tests(
        """
        @pytest.mark.flash_canary
        def test_exits(flash_preview, request):
            if request.config.option.flash_attach:
                pytest.exit("enough", returncode=7)
        """
    )
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the run of the tests that are marked flash_canary ended with status 7*", "*enough*"])
    assert "promote" not in project.events


def test_each_run_of_a_test_has_its_own_fixtures(project: FlashProject) -> None:
    """Wider ones stay, as long as the run does."""
    project.tests(
        """
        @pytest.fixture
        def narrow(tmp_path):
            (tmp_path / "file").touch(exist_ok=False)
            return tmp_path

        @pytest.fixture(scope="module")
        def wide(request):
            request.config.seen = getattr(request.config, "seen", 0) + 1

        @pytest.mark.flash_canary(weights=[100], min_samples=5, max_failure_rate=0.7)
        def test_alone(flash_endpoint, narrow, wide, request):
            assert request.config.seen == 1
            assert flash_endpoint("greeter").runsync({"name": "Ada"}).output.startswith("Hello Ada")
        """
    )
    assert project.run("--flash-deploy=production", "--flash-report=report.json").ret == 0


def test_under_xdist_the_canary_is_the_owners(project: FlashProject) -> None:
    """Its workers tell what their tests are marked with."""
    pytest.importorskip("xdist")
    project.tests(TESTS.format(arguments=QUICK))
    result = project.run_in_child("--flash-deploy=production", "--flash-report=report.json", "-n2")
    assert result.ret == 0
    assert stages(project)["flash::canary[production]"] == "passed"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("weights=[5, 25]", "test_app.py::test_it_greets: flash_canary: weights=[[]5, 25] are no steps"),
        ("weight=[5, 100]", "test_app.py::test_it_greets: flash_canary has no argument 'weight'"),
        ("weights='all'", "test_app.py::test_it_greets: flash_canary: weights='all' is not a list of whole numbers"),
        ("min_samples=2.5", "test_app.py::test_it_greets: flash_canary: min_samples=2.5 is not a whole number"),
        ("min_samples=True", "test_app.py::test_it_greets: flash_canary: min_samples=True is not a whole number"),
        ("timeout_s='1m'", "test_app.py::test_it_greets: flash_canary: timeout_s='1m' is not a number"),
        ("timeout_s=0", "test_app.py::test_it_greets: flash_canary: timeout_s=0"),
        ("[5, 100]", "test_app.py::test_it_greets: flash_canary takes its arguments by name"),
        ("max_samples=10, min_samples=5", "test_app.py::test_it_greets: flash_canary: 10 samples without a failure *"),
    ],
)
def test_arguments_that_cannot_be_are_usage_errors(arguments: str, told: str, project: FlashProject) -> None:
    """Whatever the run is for."""
    project.tests(TESTS.format(arguments=arguments))
    result = project.run("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told.replace('[[]5, 25]', '[[]5, 25[]]')}*", "hint: *"])


def test_a_usage_error_is_the_reason_that_the_verdict_gives(project: FlashProject) -> None:
    """Nobody reads that nothing was deployed without reading why."""
    project.tests(TESTS.format(arguments="min_samples=0"))
    result = project.run("--flash-deploy=production")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = "test_app.py::test_it_greets: flash_canary: min_samples=0*"
    result.stdout.fnmatch_lines([f"nothing deployed to production: {told}", "hint: *"])
    result.stderr.fnmatch_lines([f"ERROR: {told}"])


def test_two_tests_that_ask_for_different_things_are_a_usage_error(project: FlashProject) -> None:
    """A deployment has one canary. Tests that say nothing go along with those that do."""
    project.tests(
        TESTS.format(arguments="min_samples=300")
        + "\n@pytest.mark.flash_canary(min_samples=400)\ndef test_other(): pass\n"
        + "\n@pytest.mark.flash_canary\ndef test_third(): pass\n"
    )
    result = project.run("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: test_app.py::test_it_greets and test_app.py::test_other ask for different*"])


def test_gitlabs_sections_do_not_nest(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary's section ends the deployment's, within which it runs; each that begins ends."""
    monkeypatch.setenv("GITLAB_CI", "true")
    project.tests(TESTS.format(arguments=QUICK))
    result = project.run("--flash-deploy=production")
    assert result.ret == 0
    marks = re.findall(r"section_(start|end):\d+:([\w.-]+)", result.stdout.str())
    assert [(marks[at], marks[at + 1]) for at in range(0, len(marks), 2)] == [
        (("start", f"flash__{name}"), ("end", f"flash__{name}"))
        for name in ("build", "preview_process_", "deploy_production_", "canary_production_", "smoke_production_")
    ]


def test_what_was_not_split_is_a_note(project: FlashProject) -> None:
    """People read it where they read the verdict."""
    project.tests(TESTS.format(arguments=QUICK))
    result = project.run("--flash-deploy=production")
    result.stdout.fnmatch_lines(["note: canary: the candidate was called by the tests alone, because this platform*"])
    project.scenario(nothing_to_split=None)
    result = project.run("--flash-deploy=production")
    result.stdout.fnmatch_lines(["note: no canary: nothing of production that was live before changes:*"])


@pytest.mark.parametrize("arguments", ["weights=[5, 25]", "min_samples=object()"])
def test_xdists_workers_leave_it_to_the_owner_to_refuse(arguments: str, project: FlashProject) -> None:
    """They cannot end the run: nothing is promoted."""
    pytest.importorskip("xdist")
    project.tests(TESTS.format(arguments=arguments))
    result = project.run_in_child("--flash-deploy=production", "-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["nothing deployed to production: test_app.py::test_it_greets: flash_canary: *"])
    assert not any(event.startswith("promote") for event in project.events)
