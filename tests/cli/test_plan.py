"""``flash plan``: shows what a deployment would change, and touches nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_cli import MANIFEST, live

from flash.cli.main import main
from flash.deploy.plan import Plan
from flash.errors import NotAuthorized
from flash.preview.planning import read_plan

if TYPE_CHECKING:
    from fakes_cli import FakeServices


def test_a_plan_is_shown_and_nothing_is_touched(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looked at, built, looked at again: no promotion, no platform started."""
    assert main(["plan", "--env", "staging", "--target", "local"], services) == 0
    assert services.names == ["look", "build", "plan", "look"]
    out, err = capsys.readouterr()
    assert out.startswith(
        "plan for staging of demo on local, which is not there yet\n\n  + create   lb_worker   not there yet\n"
    )
    assert "2 to create; artifact 5f5f5f5f5f5f" in out
    assert "in total    0.00  unknown" in out
    assert err == "building\n"


def test_a_wrong_key_is_told_before_anything_is_built(project: Path, services: FakeServices) -> None:
    """A build takes its time."""
    services.refuse["look"] = NotAuthorized("the platform does not accept the API key")
    assert main(["plan", "--env", "staging", "--target", "local"], services) == 1
    assert services.names == ["look"]


def test_an_empty_plan_says_so(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The artifact is live already."""
    services.live["local"] = (live("staging"),)
    assert main(["plan", "--env", "staging", "--target", "local", "--expect-no-changes"], services) == 0
    assert "nothing would change: artifact 5f5f5f5f5f5f is live" in capsys.readouterr().out


def test_who_expects_no_changes_gets_status_1_for_one(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan is shown all the same; without the option the status is 0."""
    older = MANIFEST.model_copy(update={"digest": "0" * 64, "source_fingerprint": "old"})
    services.live["local"] = (replace(live("staging"), manifest=older),)
    arguments = ["plan", "--env", "staging", "--target", "local"]
    assert main([*arguments, "--expect-no-changes"], services) == 1
    out, err = capsys.readouterr()
    assert "  ~ update   lb_worker   new code" in out
    assert err.endswith("✗ the plan is not empty\n")
    assert main(arguments, services) == 0


def test_a_plan_as_json_is_the_plan(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On stdout and in the file alike."""
    path = tmp_path / "plan.json"
    assert main(["plan", "--env", "staging", "--target", "local", "--json", "--out", str(path)], services) == 0
    data = json.loads(capsys.readouterr().out)
    assert Plan.from_json(data) == read_plan(path)
    assert (data["environment"], data["summary"]["create"], data["cost"]["worst_case_per_hour"]) == ("staging", 2, None)


def test_a_file_that_cannot_be_written_is_an_error(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And says which."""
    path = tmp_path / "missing" / "plan.json"
    assert main(["plan", "--env", "staging", "--target", "local", "--out", str(path)], services) == 1
    assert f"✗ {path}: cannot write the plan" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Of a promotion


@pytest.mark.parametrize(
    ("options", "asked"),
    [(["--receipt", "r.json"], {"receipt": Path("r.json")}), (["--from", "qa"], {"source": ("qa", "local")})],
)
def test_a_promotion_is_planned_without_a_build(
    project: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    asked: dict[str, object],
) -> None:
    """What a receipt, or another environment, lets in is compared with what is live."""
    services.live["local"] = ()
    assert main(["plan", "--env", "staging", "--target", "local", *options], services) == 0
    assert services.names == ["address", "find_release", "plan_release"]
    assert services.asked[1][1] == {"environment": "staging", "target": "local", **asked}
    assert "2 to create; artifact 5f5f5f5f5f5f" in capsys.readouterr().out


def test_a_promotion_is_not_planned_where_no_platform_runs(project: Path, services: FakeServices) -> None:
    """None is started for it."""
    assert main(["plan", "--env", "staging", "--target", "local", "--from", "qa"], services) == 1
    assert services.names == ["address"]


def test_an_artifact_alone_is_no_promotion(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing says that it may go anywhere."""
    assert main(["plan", "--env", "staging", "--target", "local", "--artifact", "a.tar.gz"], services) == 2
    assert "--artifact belongs to --receipt or --from" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Kept plans


@pytest.fixture
def kept(project: Path, services: FakeServices) -> Path:
    """A plan for staging, which is not there yet."""
    path = project / "plan.json"
    assert main(["plan", "--env", "staging", "--target", "local", "--out", str(path)], services) == 0
    services.asked.clear()
    return path


def test_a_deployment_by_a_plan_is_for_its_environment_and_tells_the_run(kept: Path, services: FakeServices) -> None:
    """The path is absolute: the run has a folder of its own."""
    main(["deploy", "--plan", "plan.json"], services)
    assert services.names == ["check_target", "look", "run"]
    arguments = services.asked[-1][1]["arguments"]
    assert "--flash-deploy=staging" in arguments
    assert f"--flash-planned={kept.resolve()}" in arguments


def test_a_deployment_by_a_plan_without_tests_holds_to_it(kept: Path, services: FakeServices) -> None:
    """The promotion is given the plan."""
    assert main(["deploy", "--plan", "plan.json", "--no-gate"], services) == 0
    name, asked = services.asked[-1]
    assert (name, asked["planned"]) == ("promote", read_plan(kept))


@pytest.mark.parametrize("gate", [(), ("--no-gate",)], ids=["with tests", "without"])
def test_a_plan_that_no_longer_fits_ends_a_deployment_before_the_build(
    kept: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], gate: tuple[str, ...]
) -> None:
    """Somebody deployed meanwhile."""
    services.live["local"] = (live("staging"),)
    assert main(["deploy", "--plan", "plan.json", *gate], services) == 1
    assert services.names == ["check_target", "look"]
    err = capsys.readouterr().err
    assert "✗ the plan no longer fits: environment 'staging' was made, and 3 more" in err
    assert "- endpoint 'gpu_worker' came" in err


def test_a_plan_is_not_for_another_environment(
    kept: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named on the command line."""
    assert main(["deploy", "--env", "qa", "--target", "local", "--plan", "plan.json"], services) == 1
    assert "it is for 'staging' of 'demo', not 'qa' of 'demo'" in capsys.readouterr().err
    assert main(["deploy", "--target", "runpod", "--plan", "plan.json"], services) == 1
    assert "it is for target 'local', not 'runpod'" in capsys.readouterr().err


def test_a_preview_has_no_plan(kept: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """It changes nothing."""
    assert main(["deploy", "--preview", "--plan", "plan.json"], services) == 2
    assert "--plan has no meaning with --preview" in capsys.readouterr().err


def test_a_promotion_by_a_plan_holds_to_it(kept: Path, services: FakeServices) -> None:
    """And is for its environment."""
    assert main(["promote", "--receipt", "r.json", "--plan", "plan.json", "--no-smoke"], services) == 0
    asked = dict(services.asked)["promote_release"]
    assert (asked["environment"], asked["planned"]) == ("staging", read_plan(kept))
