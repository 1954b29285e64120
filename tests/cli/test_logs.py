"""``flash logs``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes_cli import ENDPOINTS, STATE, live

from flash.cli.main import main
from flash.errors import PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices

NAMES = {endpoint.id: endpoint.name for endpoint in ENDPOINTS}


@pytest.fixture
def services(services: FakeServices) -> FakeServices:
    """One environment, whose workers wrote something."""
    services.live, services.platform = {"local": (live("staging"),)}, STATE
    services.log_lines = (("gpu_worker", "one"), ("lb_worker", "GET /health"), ("gpu_worker", "two"))
    return services


def test_all_endpoints_lines_are_shown_with_their_names(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the only environment that is live."""
    assert main(["logs"], services) == 0
    assert capsys.readouterr().out == "gpu_worker | one\ngpu_worker | two\nlb_worker | GET /health\n"


def test_one_endpoints_lines_are_shown_as_they_are(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many as wanted."""
    assert main(["logs", "gpu_worker", "--env", "staging", "--tail", "1"], services) == 0
    assert capsys.readouterr().out == "two\n"
    assert services.asked[-1][1]["tail"] == 1


def test_lines_are_json_by_endpoint(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint that wrote nothing is there too."""
    services.log_lines = (("gpu_worker", "one"),)
    assert main(["logs", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environment": "staging",
        "endpoints": [{"name": "gpu_worker", "lines": ["one"]}, {"name": "lb_worker", "lines": []}],
    }


def test_logs_are_followed_until_ctrl_c(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is the way to end it, and so a success."""
    assert main(["logs", "--follow", "--tail", "5"], services) == 0
    assert capsys.readouterr().out == "gpu_worker | one\nlb_worker | GET /health\ngpu_worker | two\n"
    assert services.asked[-1] == ("follow", {"names": NAMES, "first": 5})


def test_followed_lines_are_json_one_object_a_line(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads them as they come."""
    assert main(["logs", "gpu_worker", "-f", "--json"], services) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"endpoint": "gpu_worker", "line": "one"}


def test_an_unknown_endpoint_is_told_with_the_nearest(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of those that are live."""
    assert main(["logs", "gpu_wroker"], services) == 1
    assert capsys.readouterr().err == (
        "✗ environment 'staging' has no endpoint 'gpu_wroker'\nhint: did you mean 'gpu_worker'?\n"
    )


def test_an_environment_without_a_deployment_has_no_logs(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says where it was looked for."""
    services.live = {"local": ()}
    assert main(["logs", "--env", "staging"], services) == 1
    assert "app 'demo' has no environment 'staging' on target 'local'" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--follow"]])
def test_runpod_gives_no_logs_and_that_is_said(
    options: list[str], project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It knows no such question."""
    services.live = {"runpod": (live("production"),)}
    services.refuse = dict.fromkeys(("logs", "follow"), PlatformError("Cannot query field 'flashLogs'"))
    assert main(["logs", "--env", "production", "--target", "runpod", *options], services) == 1
    assert capsys.readouterr().err.startswith("✗ Runpod gives workers' logs in its console only\nhint: look there\n")


def test_a_platform_that_does_not_answer_is_told_as_such(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is no matter of logs."""
    services.refuse = {"logs": PlatformUnreachable("nobody answers")}
    assert main(["logs"], services) == 1
    assert capsys.readouterr().err == "✗ nobody answers\n"


def test_a_negative_number_of_lines_is_a_usage_error(project: Path, services: FakeServices) -> None:
    """None is fine."""
    assert main(["logs", "--tail", "-1"], services) == 2
    assert main(["logs", "--tail", "0", "--follow"], services) == 0
