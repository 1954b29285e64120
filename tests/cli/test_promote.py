"""``flash promote``: what was tested before goes live elsewhere; what its smoke tests fail on does not stay."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_cli import DIGEST, ENDPOINTS, found, live

from flash.cli.child import Ended
from flash.cli.main import main
from flash.errors import PlatformError, ReceiptError, WorkerFailed

if TYPE_CHECKING:
    from fakes_cli import FakeServices

RECEIPT = ("promote", "--receipt", "r.json", "--env", "staging")


def names(services: FakeServices) -> list[str]:
    """What was asked, in order."""
    return [name for name, _ in services.asked]


def test_a_receipt_is_promoted_smoke_tested_and_kept(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is built, and no test runs but the smoke tests."""
    assert main(list(RECEIPT), services) == 0
    assert names(services) == ["find_release", "promote_release", "run", "finish"]
    assert services.asked[0][1] == {"environment": "staging", "target": "local", "receipt": Path("r.json")}
    assert services.asked[1][1] == {
        "digest": DIGEST,
        "environment": "staging",
        "target": "local",
        "allow_delete": False,
    }
    assert services.promotion is not None
    assert services.promotion.finished == 1
    shown = capsys.readouterr()
    assert [endpoint.name for endpoint in ENDPOINTS if f"{endpoint.url}  ({endpoint.name})\n" not in shown.out] == []
    assert "promoting artifact 5f5f5f5f5f5f to staging" in shown.err


def test_the_smoke_tests_run_as_the_plugin_runs_them(project: Path, services: FakeServices) -> None:
    """Against what is live, without options that the project adds by itself."""
    main(list(RECEIPT), services)
    asked = services.asked[2][1]
    assert (asked["cwd"], asked["without"]) == (project.resolve(), ["PYTEST_ADDOPTS", "FLASH_SIGNING_KEY"])
    attach = next(one for one in asked["arguments"] if one.startswith("--flash-attach="))
    assert asked["arguments"] == [
        *("-m", "pytest", str(project.resolve()), "-m", "flash_smoke or flash_deployed_only"),
        *(f"--flash-root={project.resolve()}", attach, "-o", "addopts="),
    ]


def test_the_result_as_json(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is on stderr."""
    services.found = found(signer="sha256:" + "a" * 64)
    assert main([*RECEIPT, "--json"], services) == 0
    data = json.loads(capsys.readouterr().out)
    endpoints = data.pop("endpoints")
    assert [endpoint["name"] for endpoint in endpoints] == ["lb_worker", "gpu_worker"]
    assert data == {
        "app": "demo",
        "environment": "staging",
        "digest": DIGEST,
        "previous_digest": None,
        "build": "build-1",
        "outcome": "deployed",
        "action": "promote",
        "receipt": "e" * 64,
        "signed_by": "sha256:" + "a" * 64,
        "git": "c" * 40,
        "gate": [{"code": "FLASH-G010", "outcome": "pass"}],
        "smoke": "passed",
    }


def test_another_environment_is_a_source_too(project: Path, services: FakeServices) -> None:
    """With where it lives."""
    options = ["promote", "--from", "staging", "--env", "other", "--target", "local", "--artifact", "a.tar.gz"]
    assert main([*options, "--allow-delete", "--backend", "process"], services) == 0
    assert services.asked[0][1] == {
        "environment": "other",
        "target": "local",
        "source": ("staging", "local"),
        "artifact": Path("a.tar.gz"),
        "backend": "process",
    }
    assert services.asked[1][1]["allow_delete"] is True


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--no-smoke"], 0, "was not smoke-tested: --no-smoke"),
        ([], 5, "was not smoke-tested: no test here is marked flash_smoke"),
    ],
)
def test_what_was_not_smoke_tested_is_said(
    options: list[str],
    status: int,
    said: str,
    project: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Plainly: it is kept all the same."""
    services.ended = Ended(status, interrupted=False)
    assert main([*RECEIPT, *options], services) == 0
    assert said in capsys.readouterr().err
    assert ("run" in names(services)) == (not options)


def test_a_failing_smoke_test_puts_the_old_version_back(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, and what is live is told."""
    services.ended = Ended(1, interrupted=False)
    assert main([*RECEIPT, "--json"], services) == 1
    assert names(services)[-1] == "roll_back"
    captured = capsys.readouterr()
    assert "✗ rolled back staging: the smoke tests failed" in captured.err
    assert "build build-0 is live again" in captured.err
    data = json.loads(captured.out)
    assert (data["outcome"], data["smoke"], data["endpoints"]) == ("rolled-back", "failed", [])
    assert services.promotion is not None
    assert services.promotion.finished == 0


def test_a_rollback_that_fails_says_both(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed first, and what could not be mended."""
    services.ended = Ended(1, interrupted=False)
    services.refuse["roll_back"] = PlatformError("the platform is gone")
    assert main(list(RECEIPT), services) == 1
    said = capsys.readouterr().err
    assert "the smoke tests failed: pytest ended with status 1; and it could not be put back: the platform" in said


def test_an_interruption_puts_the_old_version_back_and_says_what_is_live(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing unverified is left behind, and the smoke tests' tracebacks hide nothing of that."""
    services.ended = Ended(2, interrupted=True)
    assert main([*RECEIPT, "--json"], services) == 130
    assert names(services)[-1] == "roll_back"
    assert services.asked[2][1]["hushes_interrupted"] is True
    captured = capsys.readouterr()
    assert "✗ rolled back staging: interrupted\nbuild build-0 is live again\n" in captured.err
    data = json.loads(captured.out)
    assert (data["outcome"], data["smoke"]) == ("rolled-back", "interrupted")


def test_an_interruption_before_the_rollout_says_that_nothing_was_changed(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever stops it need not ask what is live."""
    services.refuse["find_release"] = KeyboardInterrupt()
    assert main(list(RECEIPT), services) == 130
    assert capsys.readouterr().err.endswith("nothing was changed in staging\ninterrupted\n")


@pytest.mark.parametrize("build", ["build-0", "build-1"])
def test_an_interrupted_rollout_says_what_the_platform_says_is_live(
    build: str, project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may have been stopped before the new version was live, or after."""
    services.live["local"] = (replace(live("staging"), active_build_id=build),)
    services.refuse["promote_release"] = KeyboardInterrupt()
    assert main(list(RECEIPT), services) == 130
    assert capsys.readouterr().err.endswith(f"build {build} is live in staging\ninterrupted\n")


def test_an_interrupted_rollout_on_a_platform_that_is_gone_does_not_guess(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can tell what is live there."""
    services.refuse["promote_release"] = KeyboardInterrupt()
    assert main(list(RECEIPT), services) == 130
    said = "! what is live in staging is not known: no local platform runs\ninterrupted\n"
    assert capsys.readouterr().err.endswith(said)


def test_what_is_refused_changes_nothing(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, with the hint."""
    services.refuse["find_release"] = ReceiptError("it was edited", path="r.json", hint="write a new one")
    assert main(list(RECEIPT), services) == 1
    assert names(services) == ["find_release"]
    assert capsys.readouterr().err == "✗ r.json: it was edited\nhint: write a new one\n"


def test_a_rollout_that_fails_is_told(project: Path, services: FakeServices) -> None:
    """The old version is live still."""
    services.refuse["promote_release"] = WorkerFailed("endpoint 'x' died", endpoint="x")
    assert main(list(RECEIPT), services) == 1
    assert names(services) == ["find_release", "promote_release"]


def test_notes_are_told(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as of a signature that nobody checks."""
    services.found = found(notes=("the receipt is signed, and no receipt-keys are configured",))
    main(list(RECEIPT), services)
    assert "! the receipt is signed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "one of the arguments --receipt --from is required"),
        (["--receipt", "r", "--from", "staging"], "not allowed with argument"),
        (["--from", "staging", "--env", "staging"], "--from and --env are both 'staging'"),
        (["--from", "no name", "--env", "staging"], "environment name 'no name'"),
    ],
)
def test_wrong_options_are_told(
    options: list[str], said: str, project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2."""
    assert main(["promote", *options], services) == 2
    assert said in capsys.readouterr().err
    assert services.asked == []


def test_no_test_sees_the_token_that_approved(project: Path, services: FakeServices) -> None:
    """Or whoever writes tests could approve."""
    settings = project / "pyproject.toml"
    staging = f'target = "local"\napproval-env = "APPROVAL"\napproval-sha256 = "{"a" * 64}"'
    settings.write_text(settings.read_text(encoding="utf-8").replace('target = "local"', staging), encoding="utf-8")
    main(list(RECEIPT), services)
    assert services.asked[2][1]["without"] == ["PYTEST_ADDOPTS", "FLASH_SIGNING_KEY", "APPROVAL"]


def test_what_is_not_retired_yet_is_said(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is live and verified all the same."""
    services.refuse["finish"] = PlatformError("the platform is gone")
    assert main(list(RECEIPT), services) == 0
    assert "! the version before is not retired yet: the platform is gone" in capsys.readouterr().err
