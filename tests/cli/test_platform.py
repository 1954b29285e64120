"""``flash platform …``."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fakes_cli import STATE

from flash.cli.main import main
from flash.errors import PortTaken

if TYPE_CHECKING:
    from fakes_cli import FakeServices


def test_start_says_where_it_is(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """It returns when the platform answers."""
    assert main(["platform", "start", "--port", "9000"], services) == 0
    assert services.asked == [("start_platform", {"port": 9000, "foreground": False})]
    assert "http://127.0.0.1:8787" in capsys.readouterr().out


def test_start_passes_on_what_workers_are_to_be(services: FakeServices) -> None:
    """In the background and in the foreground alike."""
    main(["platform", "start", "--backend", "docker"], services)
    services.platform = None
    main(["platform", "start", "--backend", "process", "--foreground"], services)
    assert [values["backend"] for _, values in services.asked] == ["docker", "process"]


def test_a_port_that_is_taken_exits_with_1(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """With the hint that the platform gave."""
    services.refuse["start_platform"] = PortTaken("port 8787 is taken", hint="choose another with --port")
    assert main(["platform", "start"], services) == 1
    assert capsys.readouterr().err == "✗ port 8787 is taken\nhint: choose another with --port\n"


def test_in_the_foreground_ctrl_c_is_the_end_and_no_interruption(services: FakeServices) -> None:
    """It was asked to serve until then."""
    assert main(["platform", "start", "--foreground"], services) == 0
    assert services.asked == [("start_platform", {"port": None, "foreground": True})]


def test_a_second_platform_in_the_foreground_is_refused(
    services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is one per user, and it would end at once."""
    services.platform = STATE
    assert main(["platform", "start", "--foreground"], services) == 1
    assert "runs already" in capsys.readouterr().err
    assert services.asked == []


def test_status_tells_scripts_whether_it_runs(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """0 if it does, 1 if not; both are results, not errors."""
    assert main(["platform", "status", "--json"], services) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False}
    services.platform = STATE
    assert main(["platform", "status", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out)["running"] is True


def test_env_points_a_shell_at_it(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """``eval "$(flash platform env)"`` sets the key and every base URL."""
    services.platform = STATE
    assert main(["platform", "env"], services) == 0
    script = f'{capsys.readouterr().out}\nenv | grep -E "^(RUNPOD|FLASH)_" | sort'
    shell = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, text=True)
    assert shell.stdout.splitlines() == [
        "FLASH_LB_BASE_URL=http://127.0.0.1:8787/lb",
        "RUNPOD_API_BASE_URL=http://127.0.0.1:8787",
        "RUNPOD_API_KEY=flash_key",
        "RUNPOD_CONSOLE_URL=http://127.0.0.1:8787",
        "RUNPOD_ENDPOINT_BASE_URL=http://127.0.0.1:8787/v2",
        "RUNPOD_HAPI_URL=http://127.0.0.1:8787",
        "RUNPOD_REST_API_URL=http://127.0.0.1:8787/v1",
    ]


def test_env_without_a_platform_evaluates_to_nothing(
    services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is on stderr, where no shell evaluates it."""
    assert main(["platform", "env"], services) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "✗ no local platform runs\nhint: start it: flash platform start\n"


def test_env_as_json_has_the_same_names(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs that are no shells."""
    services.platform = STATE
    assert main(["platform", "env", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out)["RUNPOD_API_KEY"] == "flash_key"


@pytest.mark.parametrize(("state", "stopped"), [(STATE, True), (None, False)])
def test_stop_may_be_said_twice(
    state: object, stopped: object, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """That none runs is what was wanted."""
    services.platform = STATE if state else None
    assert main(["platform", "stop", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": stopped}
