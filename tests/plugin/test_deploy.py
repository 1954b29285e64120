"""The stages after the gate: promotion, the smoke run, keeping or putting back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = """
@pytest.mark.flash_smoke
def test_smoke(flash_endpoint):
    assert flash_endpoint("greeter").runsync({"name": "Ada"}).output.startswith("Hello Ada")

@pytest.mark.flash_deployed_only
def test_live(flash_deployment, flash_artifact):
    assert flash_deployment.environment == "production"
    assert flash_deployment.digest == flash_artifact.sha256
    assert flash_deployment.previous == "0" * 64
    output = flash_deployment.endpoints["greeter"].runsync({"name": "Ada"}).output
    assert output == "Hello Ada from deployment"

@pytest.mark.flash_smoke
@pytest.mark.flash_preview_only
def test_preview(flash_preview):
    assert flash_preview.endpoints["greeter"].runsync({"name": ""}).output == "Hello  from preview"

def test_ordinary(): pass
"""
FAILING = (
    TESTS
    + """

@pytest.mark.flash_deployed_only
def test_fails_when_live(): raise RuntimeError("live and broken")
"""
)


def test_what_passed_is_promoted_verified_and_kept(project: FlashProject) -> None:
    """The page's block comes last, also in a quiet run."""
    project.tests(TESTS)
    result = project.run("--flash-deploy=production", "-q", "--flash-report=report.json")
    assert result.ret == 0
    result.assert_outcomes(passed=9, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "deployed sha256:* to production*",
            "  skipped: test_app.py::test_live (runs after promotion)",
            "✓ Deployment Complete",
            "Load-balanced endpoints:",
            "  http://127.0.0.1:9/lb/abcdefghij0123  (api)",
            "    POST   /echo",
            "Queue-based endpoints:",
            "  http://127.0.0.1:9/v2/abcdefghij0124  (greeter)",
        ]
    )
    assert project.events == [
        *("check_target", "discover", "build", "preview", "close"),
        *("promote production local", "promote", "finish"),
    ]
    report = project.report()
    assert {name: report[name] for name in ("app", "environment", "target", "outcome", "error")} == {
        "app": "demo",
        "environment": "production",
        "target": "local",
        "outcome": "deployed",
        "error": None,
    }
    assert [condition["outcome"] for condition in report["gate"]] == ["pass"] * 13
    assert [(stage["id"], stage["outcome"]) for stage in report["stages"]] == [
        ("flash::build", "passed"),
        ("flash::preview[process]", "passed"),
        ("flash::deploy[production]", "passed"),
        ("flash::smoke[production]", "passed"),
    ]
    assert report["stages"][3]["message"].startswith("2 passed, 1 skipped")
    assert [endpoint["url"] for endpoint in report["endpoints"]] == [
        "http://127.0.0.1:9/lb/abcdefghij0123",
        "http://127.0.0.1:9/v2/abcdefghij0124",
    ]


def test_a_failing_smoke_test_rolls_back(project: FlashProject) -> None:
    """The stage tells which test failed and how; what was live before is live still."""
    project.tests(FAILING)
    result = project.run("--flash-deploy=production", "-v", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "flash::deploy[[]production[]] PASSED*",
            "flash::smoke[[]production[]] FAILED*",
            "flash::rollback[[]production[]] PASSED*",
            "1 smoke test failed: test_app.py::test_fails_when_live",
            "*RuntimeError: live and broken",
            "rolled back production: 1 smoke test failed: *",
            "the version before is live again",
        ]
    )
    result.stdout.no_fnmatch_line("*Deployment Complete*")
    assert project.events[-1] == "rollback"
    assert "finish" not in project.events
    assert project.report()["outcome"] == "rolled-back"
    assert project.report()["endpoints"] == []


def test_a_rollback_that_fails_is_told_with_its_reason(project: FlashProject) -> None:
    """Both things went wrong."""
    project.tests(FAILING)
    project.scenario(rollback="key")
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED flash::rollback[[]production[]] - 1 smoke test failed: *not be put back*"])
    assert project.report()["outcome"] == "failed"


def test_a_rollback_that_cannot_be_read_back_is_not_told_as_one_that_failed(project: FlashProject) -> None:
    """Neither is it told as one that succeeded: what is live is not known."""
    project.tests(FAILING)
    project.scenario(rollback="unverified")
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED flash::rollback[[]production[]] - 1 smoke test failed: *live is not known*"])
    result.stdout.no_fnmatch_line("*could not be put back*")
    assert project.report()["outcome"] == "failed"


def test_a_failed_promotion_is_a_failed_stage(project: FlashProject) -> None:
    """Nothing is verified, nothing put back: the promotion did that itself."""
    project.scenario(promote="worker")
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED flash::deploy[[]production[]] - endpoint 'greeter' died at start"])
    assert project.events[-1] == "promote"
    assert project.report()["error"]["detail"] == "ImportError: no module"


def test_without_smoke_tests_the_stage_is_skipped_and_says_so(project: FlashProject) -> None:
    """It is not passed over in silence."""
    project.tests("def test_ordinary(): pass")
    result = project.run("--flash-deploy=production", "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED*flash::smoke[[]production[]]*no test is marked flash_smoke or *"])
    assert project.events[-1] == "finish"


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest.toml")
def test_the_smoke_run_ignores_what_the_project_adds_to_every_run(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options of the settings and of the environment may name stages, reports and marks."""
    project.write(
        {"pytest.toml": '[pytest]\naddopts = ["--flash-deploy=production", "-p", "helper", "--junit-xml=own.xml"]\n'}
    )
    project.write({"helper.py": "import pytest\n@pytest.fixture\ndef helper(): return 1\n"})
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k test")
    monkeypatch.syspath_prepend(project.path)
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=":")
    project.tests("@pytest.mark.flash_smoke\ndef test_contract(helper): pass")
    result = project.run_in_child("-k", "test", "--flash-report=report.json")
    # contract checks have no "test" in their names, so -k left them out
    assert project.report()["outcome"] == "refused"
    monkeypatch.setenv("PYTEST_ADDOPTS", "-v")
    result = project.run_in_child("--flash-report=report.json")
    assert result.ret == 0
    smoke = project.report()["stages"][3]
    assert (smoke["id"], smoke["outcome"], smoke["message"]) == ("flash::smoke[production]", "passed", "1 passed")
    assert "deploy" in (project.path / "own.xml").read_text(encoding="utf-8")


def test_an_interrupted_smoke_run_puts_back_and_says_what_is_live(project: FlashProject) -> None:
    """Nothing unverified stays live, and nobody is told that nothing was ever deployed."""
    project.tests(
        """
        @pytest.mark.flash_deployed_only
        def test_live():
            import os, signal
            os.kill(os.getppid(), signal.SIGINT)
            signal.pause()
        """
    )
    result = project.run_in_child("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.events[-1] == "rollback"
    result.stdout.fnmatch_lines(["rolled back production: interrupted", "the version before is live again"])
    report = project.report()
    assert (report["outcome"], report["error"]["message"]) == ("interrupted", "interrupted")
    assert report["live"] == report["rollback"]["live"] == "the version before is live again"
    assert report["rollback"]["because"] == "interrupted"


def test_a_smoke_run_that_breaks_down_fails_the_stage(project: FlashProject) -> None:
    """No results are no success."""
    project.tests("@pytest.mark.flash_deployed_only\ndef test_live():\n    import os; os._exit(7)")
    result = project.run("--flash-deploy=production")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED flash::smoke[[]production[]] - the smoke run ended with status 7"])
    assert project.events[-1] == "rollback"


def test_settings_of_the_target_are_checked_before_the_build(project: FlashProject) -> None:
    """Exit status 4."""
    project.scenario(check_target="settings")
    result = project.run("--flash-deploy=production", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: no key and no target", "hint: set RUNPOD_API_KEY"])
    assert project.events == ["check_target"]
    assert project.report()["outcome"] == "failed"


def test_an_environment_without_target_and_key_is_a_usage_error(project: FlashProject) -> None:
    """Never a silent local deployment."""
    result = project.run("--flash-deploy=elsewhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *'elsewhere' has no target*", "hint: *"])
    assert project.events == []


def test_a_key_that_is_not_accepted_ends_the_run_before_the_build(project: FlashProject) -> None:
    """It is the failure of the stage that it concerns, where reports of all kinds have it; no test runs."""
    project.scenario(check_target="key")
    arguments = ("--flash-deploy=production", "--flash-target=runpod", "--flash-report=report.json")
    result = project.run(*arguments, "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the platform does not accept the API key",
            "hint: check RUNPOD_API_KEY",
            "nothing deployed to production: the platform does not accept the API key",
            "FAILED flash::deploy[[]production[]] - the platform does not accept the API key",
        ]
    )
    assert 'name="deploy[production]"' in (project.path / "junit.xml").read_text(encoding="utf-8")
    assert project.events == ["check_target"]
    assert project.report()["error"] == {
        "message": "the platform does not accept the API key",
        "hint": "check RUNPOD_API_KEY",
        "detail": "",
        "path": None,
        "line": None,
    }


def test_options_reach_the_promotion(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Target by option or variable, and the permission to delete; the block can be left to a caller."""
    result = project.run("--flash-deploy=staging", "--flash-target=local", "--flash-allow-delete", "--flash-no-summary")
    assert "promote staging local deleting" in project.events
    result.stdout.fnmatch_lines(["deployed sha256:* to staging*"])
    result.stdout.no_fnmatch_line("*Deployment Complete*")
    monkeypatch.setenv("FLASH_TARGET", "local")
    project.run("--flash-deploy=testing")
    assert "promote testing local" in project.events


def test_an_old_version_that_cannot_be_retired_is_a_note(project: FlashProject) -> None:
    """The new one is live and verified."""
    project.scenario(finish="key")
    result = project.run("--flash-deploy=production")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: the version before is not retired yet: the platform does not accept *"])
