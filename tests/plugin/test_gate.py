"""What the gate is told, and what a refusal looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes_pytest_flash import PLUGIN

from flash.deploy.gate import Surroundings
from pytest_flash.facts import Observations, Observer
from pytest_flash.judge import contract_outcomes, gate_facts
from pytest_flash.narrowing import narrowing
from pytest_flash.subject import Subject
from pytest_flash.watch import Selection

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = "def test_one(): pass\ndef test_two(): pass\n"


def refused(project: FlashProject, *arguments: str) -> set[str]:
    """Run with ``--flash-deploy``; the codes of what was in the way."""
    result = project.run("--flash-deploy=production", "--flash-report=report.json", *arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED flash::deploy[[]production[]] - the gate refused: FLASH-G00*"])
    assert "promote" not in project.events
    report = project.report()
    assert report["outcome"] == "refused"
    assert all(condition["remedy"] for condition in report["gate"] if condition["outcome"] != "pass")
    return {condition["code"] for condition in report["gate"] if condition["outcome"] != "pass"}


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (("-k", "one"), {"FLASH-G004", "FLASH-G006"}),
        (("-k", "nothing"), {"FLASH-G001", "FLASH-G004", "FLASH-G006"}),
        (("--deselect", "test_app.py::test_one"), {"FLASH-G004", "FLASH-G005"}),
        (("test_app.py",), {"FLASH-G005"}),
        (("test_app.py::test_one",), {"FLASH-G005"}),
        (("--ignore=test_app.py",), {"FLASH-G005"}),
        (("-m", "flash_contract"), {"FLASH-G004"}),
    ],
)
def test_a_run_of_less_than_everything_is_refused(
    project: FlashProject, arguments: tuple[str, ...], codes: set[str]
) -> None:
    """Whichever way it was narrowed."""
    project.tests(TESTS)
    assert refused(project, *arguments) == codes


@pytest.mark.parametrize(
    ("test", "codes"),
    [
        ("def test_bad(): assert False", {"FLASH-G002"}),
        ("@pytest.fixture\ndef broken(): raise OSError\ndef test_bad(broken): pass", {"FLASH-G002"}),
        ("import nothing_of_that_name", {"FLASH-G001", "FLASH-G002", "FLASH-G003", "FLASH-G006", "FLASH-G007"}),
    ],
)
def test_a_failure_an_error_and_a_broken_file_are_refused(project: FlashProject, test: str, codes: set[str]) -> None:
    """Exit status 1 for each of them."""
    project.tests(test)
    assert refused(project) == codes


def test_a_run_that_was_cut_short_is_refused(project: FlashProject) -> None:
    """Also the contract checks may not have been run."""
    project.tests("def test_bad(): assert False\ndef test_good(): pass")
    assert refused(project, "-x") == {"FLASH-G002", "FLASH-G003"}


def test_a_broken_contract_is_refused(project: FlashProject) -> None:
    """It is a failure, and a condition of its own."""
    project.scenario(answers="number")
    assert refused(project) == {"FLASH-G002", "FLASH-G006"}


def test_a_last_failed_run_is_refused(project: FlashProject) -> None:
    """Where something had failed, so that the rest was left out."""
    project.tests("import os\ndef test_bad(): assert 'BAD' not in os.environ")
    project.write({"test_more.py": "def test_more(): pass"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAD", "1")
        project.run()
    assert "FLASH-G005" in refused(project, "--lf")


def test_a_last_failed_run_of_everything_passes(project: FlashProject) -> None:
    """Nothing had failed but a stage."""
    project.scenario(build="build")
    project.run("--flash-preview")
    project.scenario()
    project.tests(TESTS)
    assert project.run("--flash-deploy=production", "--lf").ret == 0


def test_a_run_that_another_plugin_fails_is_refused(project: FlashProject) -> None:
    """As for too little coverage: there is no report of it."""
    project.tests(TESTS)
    project.write(
        {
            "conftest.py": (project.path / "conftest.py").read_text(encoding="utf-8")
            + "import pytest\n@pytest.hookimpl(wrapper=True)\ndef pytest_runtestloop(session):\n"
            + "    result = yield\n    session.testsfailed += 1\n    return result\n"
        }
    )
    assert refused(project) == {"FLASH-G002"}


def test_an_artifact_that_changed_while_it_was_tested_is_refused(project: FlashProject) -> None:
    """What is promoted is what was tested."""
    project.tests("def test_one(flash_artifact): flash_artifact.path.write_bytes(b'other')")
    assert refused(project) == {"FLASH-G007"}


def test_an_artifact_that_is_gone_is_a_failure(project: FlashProject) -> None:
    """There is nothing to promote."""
    project.tests("def test_one(flash_artifact): flash_artifact.path.unlink()")
    result = project.run("--flash-deploy=production")
    result.stdout.fnmatch_lines(["FAILED flash::deploy[[]production[]] - the artifact that was tested cannot be read*"])


@pytest.mark.parametrize("arguments", [(), (".",), ("tests",), ("tests", "more"), ("../{name}",), ("--lf",)])
def test_arguments_that_cover_the_project_do_not_narrow(project: FlashProject, arguments: tuple[str, ...]) -> None:
    """The root, or every folder of testpaths."""
    assert narrowed(project, *arguments) == ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("more",), "path arguments: more"),
        (("tests/test_one.py",), "path arguments: tests/test_one.py"),
        ((".::x",), "path arguments: .::x"),
        (("--ignore-glob=x*",), "option --ignore-glob=x*"),
        (("--pyargs", "json"), "path arguments: json"),
    ],
)
def test_other_arguments_narrow(project: FlashProject, arguments: tuple[str, ...], expected: str) -> None:
    """Each is named."""
    assert narrowed(project, *arguments) == (expected,)


def narrowed(project: FlashProject, *arguments: str) -> tuple[str, ...]:
    """What narrows a run of a project with testpaths."""
    project.write({"pytest.ini": "[pytest]\ntestpaths = tests\n", "more/test_more.py": "", "tests/test_one.py": ""})
    given = [argument.format(name=project.path.name) for argument in arguments]
    return narrowing(project.pytester.parseconfigure(*PLUGIN, *given), project.path)


def test_skips_and_expected_failures_pass_and_are_listed(project: FlashProject) -> None:
    """Somebody should see them."""
    project.tests(
        """
        @pytest.mark.skip("not now")
        def test_skipped(): pass

        @pytest.mark.xfail(reason="known")
        def test_expected(): assert False
        """
    )
    project.write({"test_whole.py": "import pytest\npytest.skip('not here', allow_module_level=True)"})
    result = project.run("--flash-deploy=production")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "  skipped: test_app.py::test_skipped (not now)",
            "  skipped: test_whole.py (not here)",
            "  failed as expected: test_app.py::test_expected (known)",
        ]
    )


def test_a_project_without_tests_is_gated_by_its_contract_checks(project: FlashProject) -> None:
    """And the verdict says so."""
    result = project.run("--flash-deploy=production", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*FLASH-G001*: the project has no tests of its own; 2 contract checks passed"])


def report(**given: Any) -> pytest.TestReport:
    """A test report."""
    defaults = {"nodeid": "t.py::t", "location": ("t.py", 0, "t"), "keywords": {}, "longrepr": None}
    return pytest.TestReport(**{**defaults, "outcome": "passed", "when": "call", **given})


def seen(*reports: pytest.TestReport) -> Observations:
    """What an observer of *reports* has seen."""
    observer = Observer()
    for one in reports:
        observer.pytest_runtest_logreport(one)
    return observer.seen


def test_the_worst_phase_of_a_test_is_its_outcome() -> None:
    """A tear-down that fails is an error, although the test passed."""
    observed = seen(report(when="setup"), report(), report(when="teardown", outcome="failed", longrepr="x"))
    assert observed.outcomes == {"t.py::t": "error"}


def test_a_test_that_was_only_set_up_has_no_outcome() -> None:
    """The run ended before it."""
    assert seen(report(when="setup")).outcomes == {}


def test_another_attempt_forgets_the_first() -> None:
    """As plugins that rerun tests report it."""
    observed = seen(report(outcome="rerun"), report(when="setup"), report())
    assert observed.outcomes == {"t.py::t": "passed"}
    assert observed.failed_reports == 0


def test_an_unexpected_pass_is_told_apart() -> None:
    """It passes, and is listed."""
    assert seen(report(wasxfail="known")).outcomes == {"t.py::t": "xpassed"}


def test_reports_of_stages_are_no_tests() -> None:
    """The gate asks for tests."""
    assert seen(report(flash_stage=True)).outcomes == {}


def test_an_endpoint_is_as_good_as_the_worst_of_its_checks() -> None:
    """One that was not run counts; one without checks does not apply."""
    subjects = [
        Subject("api", "a", "", "api/a"),
        Subject("api", "b", "", "api/b"),
        Subject("gpu", "f", "", "gpu"),
        Subject("cpu", "g", "", "cpu"),
        Subject("old", "h", "", "old"),
    ]
    outcomes = {
        "flash::contract[api/a]": "failed",
        "flash::contract[api/b]": "passed",
        "flash::contract[gpu]": "passed",
        "flash::contract[old]": "xfailed",
    }
    observed = Observations(outcomes=outcomes)
    assert contract_outcomes(observed, subjects, ["api", "gpu", "cpu", "old", "foreign"]) == {
        "api": "failed",
        "gpu": "passed",
        "cpu": "not-run",
        "old": "skipped",
        "foreign": "not-applicable",
    }


def test_files_that_skip_themselves_count_as_collected() -> None:
    """Or they would make up for a test without an outcome."""
    facts = gate_facts(
        Observations(outcomes={"a": "passed"}, selection=Selection({"skipped_files": {"t.py": "not here"}})),
        collected=["a", "b"],
        contract={},
        unreported=(),
        cut_short="",
        narrowed_by=(),
        digests=("", None),
        wheels=(False, False),
        surroundings=Surroundings(),
    )
    assert (facts.collected, facts.passed, dict(facts.skipped)) == (3, 1, {"t.py": "not here"})
    assert facts.without_outcome == ("b",)
