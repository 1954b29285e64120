"""``flash app …`` and ``flash env create`` and ``delete``."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from fakes_cli import STATE, live

from flash.cli.main import main
from flash.cloud.records import AppRecord, EnvironmentRecord
from flash.errors import Refused, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices

ENVIRONMENTS = (EnvironmentRecord("env-1", "production", "build-1"), EnvironmentRecord("env-2", "try", None))
DEMO = AppRecord("app-1", "demo", ENVIRONMENTS, builds=3)
OTHER = AppRecord("app-2", "other", (), builds=1)


class Keyboard(io.StringIO):
    """A terminal to type on."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def services(services: FakeServices) -> FakeServices:
    """A local platform with two apps."""
    services.live, services.platform = {"local": ()}, STATE
    services.app_records = {"local": (OTHER, DEMO)}
    return services


def on_runpod(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same apps are on Runpod, and there is no local platform."""
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    services.live, services.platform = {}, None
    services.app_records = {"runpod": services.app_records["local"]}


def test_apps_are_listed_by_name(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """With what they have, from every platform that can be asked."""
    assert main(["app", "list", "--target", "local"], services) == 0
    assert capsys.readouterr().out == (
        "Apps:\n  demo   local  2 environments  3 builds\n  other  local  0 environments  1 build\n"
    )


def test_what_cannot_be_asked_is_told(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The settings of this project name Runpod, and there is no key for it."""
    services.refuse = {"address": SettingsError("no key")}
    assert main(["app", "list"], services) == 2
    captured = capsys.readouterr().err
    assert "! runpod was not asked: no key\n" in captured
    assert "✗ there is no platform to ask" in captured


def test_no_app_is_no_failure(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The list says how to make one."""
    services.app_records = {}
    assert main(["app", "list", "--target", "local"], services) == 0
    assert "`flash deploy` makes one" in capsys.readouterr().out
    assert main(["app", "list", "--target", "local", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {"apps": []}


def test_an_app_is_shown_with_its_environments(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The build that is live in each."""
    assert main(["app", "get", "demo", "--target", "local"], services) == 0
    assert capsys.readouterr().out == (
        "demo\n\n  target  local\n  id      app-1\n  builds  3\n\n"
        "Environments:\n  production  build-1\n  try         nothing is live\n"
    )
    assert main(["app", "get", "demo", "--target", "local", "--json"], services) == 0
    environments = [{"name": "production", "build": "build-1"}, {"name": "try", "build": None}]
    assert json.loads(capsys.readouterr().out) == {
        "app": "demo",
        "platforms": [{"name": "demo", "target": "local", "id": "app-1", "builds": 3, "environments": environments}],
    }


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_an_unknown_app_is_not_found(
    verb: str, project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the platforms that were asked."""
    assert main(["app", verb, "nope", "--target", "local"], services) == 1
    assert "✗ there is no app 'nope' on local\n" in capsys.readouterr().err


def test_an_app_is_made_where_that_is_clear(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With two platforms the user says which."""
    assert main(["app", "create", "new", "--target", "local", "--json"], services) == 0
    assert json.loads(capsys.readouterr().out) == {"app": "new", "target": "local"}
    assert services.asked[-1] == ("create_app", {"app": "new"})
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    assert main(["app", "create", "new"], services) == 2
    assert "hint: say --target local\n" in capsys.readouterr().err


def test_an_app_that_is_there_is_not_made_again(project: Path, services: FakeServices) -> None:
    """Nor taken over."""
    services.refuse = {"create_app": Refused("app 'demo' is there already")}
    assert main(["app", "create", "demo", "--target", "local"], services) == 1


def test_a_name_that_no_app_can_have_is_a_usage_error(project: Path, services: FakeServices) -> None:
    """Before anybody is asked."""
    assert main(["app", "create", "a/b", "--target", "local"], services) == 2
    assert services.asked == []


def test_an_app_on_this_machine_goes_without_a_question(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its environments are named."""
    assert main(["app", "delete", "demo", "--target", "local"], services) == 0
    assert services.asked[-1] == ("delete_app", {"app": "demo"})
    assert capsys.readouterr().out == "✓ Removed app demo: production, try\n"


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("\n", 1), ("no\n", 1)])
def test_an_app_on_runpod_goes_only_after_a_yes(
    typed: str, status: int, project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question says what goes with it."""
    on_runpod(services, monkeypatch)
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    assert main(["app", "delete", "demo"], services) == status
    assert ("delete_app" in services.names) is (status == 0)


def test_without_a_terminal_the_yes_is_an_option(
    project: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script says so."""
    on_runpod(services, monkeypatch)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["app", "delete", "demo"], services) == 2
    assert "flash app delete: there is nobody to ask" in capsys.readouterr().err
    assert main(["app", "delete", "demo", "--yes"], services) == 0


def test_an_environment_is_made_where_its_settings_say(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the app, if that is not there."""
    assert main(["env", "create", "staging"], services) == 0
    assert services.asked[-1] == ("create_environment", {"app": "demo", "name": "staging"})
    assert capsys.readouterr().out == "✓ Created environment staging of demo on local\n"


def test_an_environment_is_deleted_as_undeploy_does(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name is said outright."""
    services.live = {"local": (live("staging"),)}
    assert main(["env", "delete", "staging", "--json"], services) == 0
    assert services.asked[-1] == ("undeploy", {"environment": "staging", "target": "local"})
    assert json.loads(capsys.readouterr().out)["environment"] == "staging"
    assert main(["env", "delete"], services) == 2
