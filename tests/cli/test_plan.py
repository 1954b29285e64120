"""``flash plan``: shows what a deployment would change, and touches nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from fakes_cli import MANIFEST, live

from flash.cli.main import main
from flash.deploy.plan import Plan
from flash.errors import NotAuthorized
from flash.preview.planning import read_plan

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fakes_cli import FakeServices


def test_a_plan_is_shown_and_nothing_is_touched(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looked at, built, looked at again: no promotion, no platform started."""
    assert main(["plan", "--env", "staging", "--target", "local"], services) == 0
    assert services.names == ["look", "build", "plan", "look"]
    out, err = capsys.readouterr()
    assert out.startswith(
        "plan for staging of demo, which is not there yet\n\n  + create   lb_worker   not there yet\n"
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
