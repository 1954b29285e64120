"""``flash logs``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes_cli import ENDPOINTS, STATE, live
from fakes_deploy import manifest
from fakes_secrets import Maker

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


@pytest.mark.parametrize("arguments", [(), ("--follow",), ("--json",), ("--follow", "--json")])
def test_what_a_worker_prints_of_a_secret_is_hidden(
    project: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    """As far as its value is known where the logs are read: Runpod shows what was printed."""
    secret = Maker(41).mixed(24)
    monkeypatch.setenv("HF_TOKEN", secret)
    services.live = {"local": (replace(live("staging"), manifest=manifest("gpu_worker", secrets={"T": "HF_TOKEN"})),)}
    services.log_lines = (("gpu_worker", f"using {secret}"),)
    assert main(["logs", *arguments], services) == 0
    out = capsys.readouterr().out
    assert secret not in out
    assert "using ***" in out


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
def test_what_runpod_does_not_tell_is_said_with_where_to_look(
    options: list[str], project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """How it gives logs was never verified."""
    services.live = {"runpod": (live("production"),)}
    services.refuse = dict.fromkeys(("logs", "follow"), PlatformError("GET /metrics: not as expected"))
    assert main(["logs", "--env", "production", "--target", "runpod", *options], services) == 1
    assert capsys.readouterr().err == (
        "✗ workers' logs cannot be had from Runpod: GET /metrics: not as expected\n"
        "hint: see them in the console: https://console.runpod.io/serverless\n"
    )


def test_runpod_gives_logs_of_running_workers_only_and_that_is_said(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is not the same as nothing to see: the address of the rest is shown."""
    services.live = {"runpod": (live("production"),)}
    services.log_lines = (("gpu_worker", "one"),)
    assert main(["logs", "--env", "production", "--target", "runpod"], services) == 0
    out, err = capsys.readouterr()
    assert out == "gpu_worker | one\n"
    assert "! lb_worker: no lines" in err
    assert "https://console.runpod.io/serverless/user/endpoint/abc123abc123ab" in err


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
