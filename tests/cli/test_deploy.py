"""``flash deploy``: as the last stage of a test run, without tests, and as a preview."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes_cli import DIGEST, ENDPOINTS, FakePipeline, live

from flash.cli.child import Ended
from flash.cli.main import main
from flash.errors import NotAuthorized, PlatformUnreachable, PreviewError, WorkerFailed

if TYPE_CHECKING:
    from fakes_cli import FakeServices

DEPLOYED_ENDPOINTS = [
    {
        "name": "lb_worker",
        "kind": "load-balanced",
        "id": "abc123abc123ab",
        "url": "http://127.0.0.1:8787/lb/abc123abc123ab",
        "routes": ["POST /process", "GET /health"],
    },
    {
        "name": "gpu_worker",
        "kind": "queue",
        "id": "def456def456de",
        "url": "http://127.0.0.1:8787/v2/def456def456de",
        "routes": [],
    },
]


def report(**changes: Any) -> dict[str, Any]:
    """What a run that went well writes."""
    gate = {"code": "FLASH-G001", "title": "nothing failed", "outcome": "pass", "evidence": ["3 passed"], "remedy": ""}
    endpoints = [{**one, "example": {"input": {}}} for one in DEPLOYED_ENDPOINTS]
    return {
        "app": "demo",
        "environment": "staging",
        "target": "local",
        "digest": DIGEST,
        "outcome": "deployed",
        "gate": [gate],
        "endpoints": endpoints,
        **changes,
    }


REFUSED = report(
    outcome="refused",
    endpoints=[],
    error={"message": "the gate refused: FLASH-G002 nothing failed", "hint": "", "detail": "the same in other words"},
    gate=[
        {
            "code": "FLASH-G002",
            "title": "nothing failed",
            "outcome": "refused",
            "evidence": ["1 failed: tests/test_app.py::test_hello"],
            "remedy": "mend what failed",
        },
        {"code": "FLASH-G003", "title": "nothing deselected", "outcome": "pass", "evidence": [], "remedy": ""},
    ],
)


# ---------------------------------------------------------------------------------------------------------------------
# As the last stage of a test run


def test_it_is_a_pytest_run_in_a_child(project: Path, services: FakeServices) -> None:
    """There is no second pipeline; what was said here is said there."""
    services.report = report()
    options = ["--target=local", "--app=other", "--exclude=a,b", "--allow-delete"]
    assert main(["deploy", "--env", "staging", *options], services) == 0
    name, asked = services.asked[-1]
    arguments = asked["arguments"]
    report_path = arguments.pop(5)
    assert (name, asked["cwd"]) == ("run", project.resolve())
    assert arguments == [
        "-m",
        "pytest",
        str(project.resolve()),
        f"--flash-root={project.resolve()}",
        "--flash-deploy=staging",
        "--flash-no-summary",
        "--flash-target=local",
        "--flash-app=other",
        "--flash-exclude=a,b",
        "--flash-allow-delete",
    ]
    assert report_path.startswith("--flash-report=")


def test_a_receipt_is_asked_for_there(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its whole path; without a gate there is none."""
    services.report = report()
    assert main(["deploy", "--env", "staging", "--receipt", "r.json"], services) == 0
    assert f"--flash-receipt={Path.cwd() / 'r.json'}" in services.asked[-1][1]["arguments"]
    assert main(["deploy", "--env", "staging", "--receipt", "r.json", "--no-gate"], services) == 2
    assert "--receipt has no meaning with --no-gate" in capsys.readouterr().err


def test_the_target_is_asked_before_anything_is_built(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong key is told at once."""
    services.refuse["check_target"] = NotAuthorized("the platform does not accept this key", hint="RUNPOD_API_KEY")
    assert main(["deploy", "--env", "staging"], services) == 1
    assert services.asked == [("check_target", {"environment": "staging", "target": "local"})]
    assert capsys.readouterr().err == "✗ the platform does not accept this key\nhint: RUNPOD_API_KEY\n"


def test_what_is_live_is_shown_as_on_the_page(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout; the run's own output was progress."""
    services.report = report()
    assert main(["deploy", "--env", "staging"], services) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("✓ Deployment Complete\n")
    assert [endpoint.name for endpoint in ENDPOINTS if f"{endpoint.url}  ({endpoint.name})\n" not in shown] == []


def test_the_verdict_as_json(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The shape that scripts rely on."""
    services.report = report()
    assert main(["deploy", "--env", "staging", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environment": "staging",
        "digest": DIGEST,
        "outcome": "deployed",
        "gate": [{"code": "FLASH-G001", "outcome": "pass"}],
        "endpoints": DEPLOYED_ENDPOINTS,
    }


def test_a_refusal_names_what_stands_in_the_way(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code, evidence and remedy of each condition that did not pass, and of no other."""
    services.report, services.ended = REFUSED, Ended(1, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "✗ not deployed to staging: the gate refused: FLASH-G002 nothing failed\n"
        "FLASH-G002 nothing failed: refused\n"
        "  1 failed: tests/test_app.py::test_hello\n"
        "  hint: mend what failed\n"
    )


def test_a_refusal_as_json_has_the_verdict_and_the_error(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both shapes in one object."""
    services.report, services.ended = REFUSED, Ended(1, interrupted=False)
    assert main(["deploy", "--env", "staging", "--json"], services) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["endpoints"]) == ("refused", [])
    assert told["gate"] == [{"code": "FLASH-G002", "outcome": "refused"}, {"code": "FLASH-G003", "outcome": "pass"}]
    assert told["error"]["message"] == "not deployed to staging: the gate refused: FLASH-G002 nothing failed"


def test_a_failure_that_is_no_refusal_tells_its_reason(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a build that failed: message, hint and evidence come from the run."""
    error = {"message": "pytz2 is not on the index", "hint": "is it spelt right?", "detail": "uv said so"}
    services.report = report(outcome="failed", endpoints=[], gate=[], error=error)
    services.ended = Ended(1, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == 1
    assert (
        capsys.readouterr().err
        == "✗ not deployed to staging: pytz2 is not on the index\nhint: is it spelt right?\nuv said so\n"
    )


def test_a_failure_in_a_file_names_file_and_line(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has them apart; people and scripts get them as any error has them."""
    error = {"message": "no endpoint found", "hint": "", "detail": "", "path": "app.py", "line": 3}
    services.report = report(outcome="failed", endpoints=[], gate=[], error=error)
    services.ended = Ended(1, interrupted=False)
    assert main(["deploy", "--env", "staging", "--json"], services) == 1
    assert (
        json.loads(capsys.readouterr().out)["error"]["message"]
        == "not deployed to staging: app.py:3: no endpoint found"
    )


def test_a_rollback_says_what_is_live(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the reason for it."""
    error = {"message": "1 smoke test failed", "hint": "", "detail": "test_smoke: 500"}
    services.report = report(outcome="rolled-back", endpoints=[], error=error, live="build-0 is live")
    services.ended = Ended(1, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == 1
    assert capsys.readouterr().err == ("✗ rolled back staging: 1 smoke test failed\ntest_smoke: 500\nbuild-0 is live\n")


def test_settings_that_the_run_refuses_are_a_usage_error(project: Path, services: FakeServices) -> None:
    """The plugin says why, and pytest ends with its own status for it."""
    error = {"message": "there is no key", "hint": "", "detail": ""}
    services.report = report(outcome="failed", digest=None, endpoints=[], gate=[], error=error)
    services.ended = Ended(4, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == 2


def test_a_deployment_whose_run_ended_badly_is_shown_and_is_a_failure(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is live is live, and the exit status is honest."""
    services.report, services.ended = report(), Ended(3, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("✓ Deployment Complete\n")
    assert captured.err == "✗ deployed, but the test run ended with status 3; see above\n"


@pytest.mark.parametrize(
    ("ended", "written"),
    [
        (Ended(2, interrupted=True), None),
        (Ended(2, interrupted=True), REFUSED),
        (Ended(-2, interrupted=False), None),
        (Ended(2, interrupted=False), report(outcome="interrupted", endpoints=[], gate=[])),
    ],
)
def test_an_interruption_exits_with_130(
    ended: Ended,
    written: dict[str, Any] | None,
    project: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever of the two it reached first."""
    services.ended, services.report = ended, written
    assert main(["deploy", "--env", "staging"], services) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("status", "exit_status", "message"),
    [
        (4, 2, "✗ pytest did not accept its arguments or its settings"),
        (2, 1, "✗ the test run ended with status 2 before it came to a verdict"),
        (0, 1, "✗ the test run ended with status 0 before it came to a verdict"),
        (-9, 1, "✗ the test run was ended by signal 9 before it came to a verdict"),
    ],
)
def test_a_run_without_a_verdict_is_never_a_success(
    status: int,
    exit_status: int,
    message: str,
    project: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing deployed is not success."""
    services.ended = Ended(status, interrupted=False)
    assert main(["deploy", "--env", "staging"], services) == exit_status
    assert capsys.readouterr().err.startswith(message)


def test_a_report_that_cannot_be_read_is_an_error(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for a verdict."""
    services.report = {"outcome": "deployed"}
    assert main(["deploy", "--env", "staging"], services) == 1
    assert capsys.readouterr().err.startswith("✗ the run's report cannot be read")


# ---------------------------------------------------------------------------------------------------------------------
# Which environment, which target


def test_several_environments_are_listed(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare ``flash deploy`` guesses nothing."""
    assert main(["deploy"], services) == 2
    error = capsys.readouterr().err
    assert "production" in error
    assert "staging" in error
    assert services.asked == []


def test_no_key_and_no_target_is_told_before_anything_is_built(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is never a silent local deployment."""
    assert main(["deploy", "--env", "elsewhere"], services) == 2
    assert "no API key" in capsys.readouterr().err
    assert services.asked == []


@pytest.mark.parametrize(
    ("existing", "environment"), [((), "production"), (("staging",), "staging"), (("a", "b"), None)]
)
def test_an_environment_that_exists_is_the_one_meant(
    existing: tuple[str, ...], environment: str | None, project: Path, services: FakeServices
) -> None:
    """Where none is configured: the only one there is, else production; several are a usage error."""
    (project / "pyproject.toml").write_text("[tool.flash]\n", encoding="utf-8")
    services.live = {"local": tuple(map(live, existing))}
    services.report = report()
    assert main(["deploy", "--target", "local"], services) == (2 if environment is None else 0)
    checked = [asked["environment"] for name, asked in services.asked if name == "check_target"]
    assert checked == ([] if environment is None else [environment])


def test_the_target_can_come_from_the_environment(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``FLASH_TARGET`` overrides the settings, and an option overrides that."""
    monkeypatch.setenv("FLASH_TARGET", "local")
    services.report = report()
    assert main(["deploy", "--env", "production"], services) == 0
    assert main(["deploy", "--env", "production", "--target", "runpod"], services) == 0
    targets = [asked["target"] for name, asked in services.asked if name == "check_target"]
    assert targets == ["local", "runpod"]


def test_a_wrong_flash_target_is_a_usage_error(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named."""
    monkeypatch.setenv("FLASH_TARGET", "moon")
    assert main(["deploy", "--env", "production"], services) == 2
    assert capsys.readouterr().err.startswith("✗ FLASH_TARGET is 'moon'\n")


# ---------------------------------------------------------------------------------------------------------------------
# --no-gate


def test_without_a_gate_nothing_is_tested_and_that_is_said(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Build and promote, in this process; the version before it is retired."""
    assert main(["deploy", "--env", "staging", "--no-gate", "--allow-delete"], services) == 0
    captured = capsys.readouterr()
    assert services.names == ["check_target", "build", "promote"]
    assert services.asked[-1][1] == {
        "environment": "staging",
        "target": "local",
        "allow_delete": True,
        "gate": "ungated",
    }
    assert services.promotion is not None
    assert services.promotion.finished == 1
    assert captured.err == "! --no-gate: deploying without tests\nbuilding\n"
    assert captured.out.startswith("✓ Deployment Complete\n")


def test_without_a_gate_what_is_not_about_tests_holds_still(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Approval, branch, clean tree and freeze windows are asked before anything is built."""
    settings = (
        '[tool.flash.environments.staging]\ntarget = "local"\nbranches = ["main"]\n'
        'freeze = [{from = "2000-01-01", until = "3000-01-01"}]\n'
    )
    (project / "pyproject.toml").write_text(settings, encoding="utf-8")
    assert main(["deploy", "--env", "staging", "--no-gate"], services) == 1
    told = capsys.readouterr().err
    assert "✗ environment 'staging' does not take this deployment" in told
    assert "- FLASH-G010 the branch may be deployed: the project is in no git checkout" in told
    assert "- FLASH-G013 no freeze is on: frozen from 2000-01-01T00:00Z to 3000-01-01T00:00Z" in told
    assert services.names == ["check_target"]


def test_the_token_of_an_approval_goes_to_the_test_run_and_to_nothing_else(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local platform that a deployment starts outlives it."""
    settings = '[tool.flash.environments.staging]\ntarget = "local"\napproval-env = "OK"\napproval-sha256 = '
    digest = hashlib.sha256(b"token").hexdigest()
    (project / "pyproject.toml").write_text(f'{settings}"{digest}"\n', encoding="utf-8")
    monkeypatch.setenv("OK", "token")
    seen = []
    monkeypatch.setattr(FakePipeline, "check_target", lambda *_, **__: seen.append(os.environ.get("OK")))
    assert main(["deploy", "--env", "staging", "--no-gate"], services) == 0
    assert seen == [None]
    assert os.environ["OK"] == "token"
    monkeypatch.setenv("OK", "other")
    assert main(["deploy", "--env", "staging", "--no-gate"], services) == 1


def test_without_a_gate_the_json_has_no_conditions(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty gate was not passed; there was none."""
    assert main(["deploy", "--env", "staging", "--no-gate", "--json"], services) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["gate"], told["endpoints"]) == ("deployed", [], DEPLOYED_ENDPOINTS)


def test_a_worker_that_dies_shows_its_log(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of it, after the hint."""
    services.refuse["promote"] = WorkerFailed(
        "gpu_worker died", endpoint="gpu_worker", hint="its log ends so", detail="ImportError: x"
    )
    assert main(["deploy", "--env", "staging", "--no-gate"], services) == 1
    assert capsys.readouterr().err.endswith("✗ gpu_worker died\nhint: its log ends so\nImportError: x\n")


# ---------------------------------------------------------------------------------------------------------------------
# --preview


@pytest.mark.parametrize("command", [["deploy", "--preview"], ["preview"]])
def test_a_preview_serves_until_ctrl_c(
    command: list[str], project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """URLs and the key on stdout, what workers write on stderr; then it is stopped, and that is success."""
    services.log_lines = (("gpu_worker", "ready"), ("lb_worker", "GET /health"))
    assert main(command, services) == 0
    captured = capsys.readouterr()
    assert services.names == ["build", "start_preview", "follow", "close"]
    assert services.preview is not None
    assert services.preview.closed == 1
    assert "export RUNPOD_API_KEY='flash_key'" in captured.out
    assert captured.err.splitlines() == [
        "building",
        "starting",
        "gpu_worker | ready",
        "lb_worker | GET /health",
        "stopping; Ctrl+C again stops at once",
        "✓ Preview stopped",
    ]


@pytest.mark.parametrize("command", [["deploy", "--preview"], ["preview"]])
def test_a_preview_whose_workers_cannot_be_what_was_asked_for_is_not_built(
    command: list[str], project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told at once, as pytest does."""
    services.refuse["settle"] = PreviewError("no containers: no Docker engine answers", hint="start Docker")
    assert main([*command, "--backend=docker"], services) == 1
    assert services.names == ["settle"]
    assert capsys.readouterr().err == "✗ no containers: no Docker engine answers\nhint: start Docker\n"


def test_a_second_ctrl_c_does_not_wait_for_the_end_of_a_preview(project: Path, services: FakeServices) -> None:
    """It interrupts the stop."""
    services.refuse["close"] = KeyboardInterrupt()
    assert main(["preview"], services) == 130
    assert services.names[-1] == "close"


def test_a_preview_as_json_has_what_a_program_needs(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key too, because the preview has one of its own."""
    assert main(["deploy", "--preview", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environment": "preview",
        "digest": DIGEST,
        "outcome": "serving",
        "url": "http://127.0.0.1:8787",
        "api_key": "flash_key",
        "endpoints": DEPLOYED_ENDPOINTS,
    }


def test_a_preview_that_breaks_is_stopped_and_a_failure(project: Path, services: FakeServices) -> None:
    """Its workers do not stay behind."""
    services.refuse["follow"] = PlatformUnreachable("nobody answers")
    assert main(["deploy", "--preview"], services) == 1
    assert services.preview is not None
    assert services.preview.closed == 1


def test_ctrl_c_while_a_preview_is_built_is_an_interruption(project: Path, services: FakeServices) -> None:
    """There was nothing yet that it could have ended."""
    services.refuse["build"] = KeyboardInterrupt()
    assert main(["deploy", "--preview"], services) == 130


@pytest.mark.parametrize("option", ["--env=staging", "--target=local", "--allow-delete"])
def test_what_a_preview_would_ignore_is_a_usage_error(option: str, project: Path, services: FakeServices) -> None:
    """It deploys to no environment."""
    assert main(["deploy", "--preview", option], services) == 2
    assert services.asked == []


def test_a_real_child_that_is_no_test_run_comes_to_no_verdict(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The real runner: pytest refuses its arguments, and what it says is our progress."""
    from flash.cli.services import RealServices

    ended = RealServices().run(["-m", "pytest", "--no-such-option"], cwd=project)
    assert ended == Ended(4, interrupted=False)
    assert "--no-such-option" in capfd.readouterr().err


@pytest.mark.parametrize("backend", ["docker", "process"])
def test_what_workers_are_to_be_is_passed_on(
    backend: str, project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the test run, to a deployment without one, and to a preview; ``auto`` is the default of all."""
    chosen = f"--backend={backend}"
    services.report = report()
    main(["deploy", "--env", "staging", "--target", "local", chosen], services)
    (run,) = [values for name, values in services.asked if name == "run"]
    assert f"--flash-backend={backend}" in run["arguments"]
    main(["deploy", "--env", "staging", "--target", "local", "--no-gate", chosen], services)
    main(["deploy", "--preview", chosen], services)
    told = {name: values["backend"] for name, values in services.asked if "backend" in values}
    assert told == dict.fromkeys(("check_target", "build", "promote", "start_preview"), backend)
    said = capsys.readouterr().err
    assert said.count("✗") == 0
    assert said.count(f"workers: {backend}") == 1


# ---------------------------------------------------------------------------------------------------------------------
# --report


def test_reports_are_the_runs_to_write(project: Path, services: FakeServices) -> None:
    """Beside our own; paths are those of the current folder."""
    services.report = report()
    assert main(["deploy", "--env", "staging", "--report", "a.html", "--report", "b.json"], services) == 0
    arguments = services.asked[-1][1]["arguments"]
    wanted = [argument for argument in arguments if argument.startswith("--flash-report=")]
    assert wanted[1:] == [f"--flash-report={project / name}" for name in ("a.html", "b.json")]


def test_a_report_without_a_folder_is_told_before_anything_is_asked(project: Path, services: FakeServices) -> None:
    """Not after the deployment."""
    assert main(["deploy", "--env", "staging", "--report", "nowhere/a.html"], services) == 2
    assert services.asked == []


def test_without_tests_there_is_a_report_too(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which says so; one that cannot be written is told, and undoes nothing."""
    (project / "folder.json").mkdir()
    arguments = ["--report", "a.html", "--report", "b.json", "--report", "folder.json"]
    assert main(["deploy", "--env", "staging", "--no-gate", *arguments], services) == 0
    assert "deployed without tests" in (project / "a.html").read_text(encoding="utf-8")
    told = json.loads((project / "b.json").read_text(encoding="utf-8"))
    assert (told["schema"], told["outcome"], told["digest"]) == (1, "deployed", DIGEST)
    assert [endpoint["url"] for endpoint in told["endpoints"]] == [endpoint.url for endpoint in ENDPOINTS]
    assert "! the report could not be written: " in capsys.readouterr().err
