"""``flash env …`` and ``flash undeploy``."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes_cli import DIGEST, LOCAL, STATE, live

from flash.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices


class Keyboard(io.StringIO):
    """A terminal to type on."""

    def isatty(self) -> bool:
        return True


# ---------------------------------------------------------------------------------------------------------------------
# env list


def test_what_is_configured_is_listed_before_it_exists(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target that cannot be asked is told, and is no failure."""
    services.live = {"local": ()}
    assert main(["env", "list", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environments": [
            {
                "name": "production",
                "target": "runpod",
                "build": None,
                "digest": None,
                "endpoints": 0,
                "configured": True,
            },
            {"name": "staging", "target": "local", "build": None, "digest": None, "endpoints": 0, "configured": True},
        ],
    }


def test_what_is_live_is_listed_with_its_digest(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the platform, also what no setting names."""
    services.live, services.platform = {"local": (live("staging"), live("try"))}, STATE
    assert main(["env", "list", "--target", "local", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out)["environments"] == [
        {
            "name": "staging",
            "target": "local",
            "build": "build-1",
            "digest": DIGEST,
            "endpoints": 2,
            "configured": True,
        },
        {"name": "try", "target": "local", "build": "build-1", "digest": DIGEST, "endpoints": 2, "configured": False},
    ]


def test_the_list_for_people(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each."""
    services.live, services.platform = {"local": (live("staging"),)}, STATE
    assert main(["env", "list"], services) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["production", "runpod"], ["staging", "local"]]


def test_one_platform_is_listed_once(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``eval "$(flash platform env)"`` both targets are the local platform."""
    monkeypatch.setenv("RUNPOD_API_KEY", "flash_key")
    services.live, services.platform = {"local": (live("staging"), live("try"))}, STATE
    services.runpod = replace(LOCAL)
    services.live["runpod"] = services.live["local"]
    assert main(["env", "list", "--json"], services) == 0
    listed = json.loads(capsys.readouterr().out)["environments"]
    assert [(row["name"], row["target"]) for row in listed] == [
        ("production", "runpod"),
        ("staging", "local"),
        ("try", "local"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# env get


def test_an_environment_is_told_from_what_is_live(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """URLs, routes and digest come from the platform, not from a file here."""
    services.live = {"local": (live("staging"),)}
    assert main(["env", "get", "staging", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environment": "staging",
        "target": "local",
        "digest": DIGEST,
        "build": "build-1",
        "endpoints": [
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
        ],
    }


def test_an_environment_that_is_not_there_exits_with_1(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint says what there is to do."""
    services.live = {"local": ()}
    assert main(["env", "get", "staging"], services) == 1
    error = capsys.readouterr().err
    assert error.startswith("✗ app 'demo' has no environment 'staging' on target 'local'\nhint: ")


def test_an_environment_before_its_first_deployment_has_nothing_live(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment may be there without a build."""
    empty = replace(live("staging"), active_build_id=None, manifest=None, endpoints={})
    services.live = {"local": (empty,)}
    assert main(["env", "get", "staging"], services) == 0
    assert "nothing is live" in capsys.readouterr().out


def test_without_a_platform_there_is_nothing_to_get(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking starts nothing."""
    assert main(["env", "get", "staging"], services) == 1
    assert capsys.readouterr().err == "✗ no local platform runs\nhint: start it: flash platform start\n"


# ---------------------------------------------------------------------------------------------------------------------
# undeploy


def test_undeploy_removes_what_it_was_told_to(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what went."""
    assert main(["undeploy", "--env", "staging", "--yes"], services) == 0
    assert services.asked == [("undeploy", {"environment": "staging", "target": "local"})]
    assert capsys.readouterr().out == "✓ Undeployed staging: gpu_worker, lb_worker\n"


@pytest.mark.parametrize("option", ["--yes", "-y", "--force"])
def test_undeploy_as_json(
    option: str, project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """However the question was forestalled."""
    assert main(["undeploy", "--env", "staging", option, "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "environment": "staging",
        "removed": ["gpu_worker", "lb_worker"],
    }


def test_undeploy_asks_nobody_who_is_not_there(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, removing from Runpod wants ``--yes``, and removes nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["undeploy", "--env", "staging", "--target", "runpod"], services) == 2
    assert capsys.readouterr().err == (
        "✗ flash undeploy: there is nobody to ask\nhint: add --yes to remove it without a question\n"
    )
    assert services.asked == []


def test_undeploy_from_this_machine_asks_nobody(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was removed there is deployed again in seconds."""
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    assert main(["undeploy", "--env", "staging", "--target", "local"], services) == 0
    assert services.names == ["undeploy"]


@pytest.mark.parametrize(("answer", "status", "asked"), [("y\n", 0, ["undeploy"]), ("\n", 1, []), ("", 1, [])])
def test_undeploy_asks_on_a_terminal(
    answer: str,
    status: int,
    asked: list[str],
    project: Path,
    services: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No is the answer of whoever just presses Return."""
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    assert main(["undeploy", "--env", "staging", "--target", "runpod"], services) == status
    assert services.names == asked


def test_undeploy_means_the_only_environment_that_exists(project: Path, services: FakeServices) -> None:
    """However many are configured."""
    services.live, services.platform = {"local": (live("staging"),)}, STATE
    services.live["runpod"] = ()
    assert main(["undeploy", "--yes", "--target", "local"], services) == 0
    assert services.asked[-1] == ("undeploy", {"environment": "staging", "target": "local"})


def test_undeploy_does_not_choose_among_several(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It lists them."""
    services.live, services.platform = {"local": (live("staging"), live("try"))}, STATE
    assert main(["undeploy", "--yes", "--target", "local"], services) == 2
    error = capsys.readouterr().err
    assert "staging" in error
    assert "try" in error
