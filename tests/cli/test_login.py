"""``flash login``."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from flash.cli.main import main
from flash.errors import NotAuthorized
from flash.project import api_key, credentials_file, load_project

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices

URL = "https://console.runpod.io/flash/login?request=login-1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``FLASH_HOME`` of the test's own, and no key."""
    for name in ("RUNPOD_API_KEY", "RUNPOD_CONSOLE_URL", "CONSOLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_key_is_kept_where_projects_look_for_it(project: Path, services: FakeServices) -> None:
    """Nobody else can read the file."""
    assert main(["login"], services) == 0

    assert api_key(load_project(project)) == "rpa_FROMTHECONSOLE"
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600


def test_a_second_login_replaces_the_key(services: FakeServices, home: Path) -> None:
    """Whatever the file was before, and whoever could read it."""
    home.mkdir()
    credentials_file().write_text("broken")
    credentials_file().chmod(0o644)

    assert main(["login"], services) == 0

    assert json.loads(credentials_file().read_text()) == {"api_key": "rpa_FROMTHECONSOLE"}
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600


def test_the_address_is_shown_and_opened(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that ``--json`` stays JSON; the key is on neither."""
    assert main(["login", "--json"], services) == 0

    out, err = capsys.readouterr()
    assert json.loads(out) == {"file": str(credentials_file())}
    assert URL in err
    assert "rpa_" not in out + err
    assert ("open_browser", {"url": URL}) in services.asked


def test_no_browser_is_opened_where_none_is_wanted(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The address is shown all the same."""
    assert main(["login", "--no-open", "--timeout", "5"], services) == 0

    assert services.asked == [("log_in", {"timeout_s": 5.0})]
    assert URL in capsys.readouterr().err


def test_a_machine_without_a_browser_says_so(services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The user opens the address elsewhere."""
    services.has_browser = False

    assert main(["login"], services) == 0

    assert "open the address yourself" in capsys.readouterr().err


def test_the_console_may_be_elsewhere(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for Runpod's own client."""
    monkeypatch.setenv("RUNPOD_CONSOLE_URL", "https://console.example/")

    assert main(["login"], services) == 0

    assert "https://console.example/flash/login?request=login-1" in capsys.readouterr().err


def test_a_variable_that_wins_over_the_login_is_told(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise the login would seem to do nothing."""
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_OTHER")

    assert main(["login"], services) == 0

    assert "! RUNPOD_API_KEY is set in this shell" in capsys.readouterr().err


def test_a_login_that_fails_keeps_nothing(services: FakeServices) -> None:
    """A key that was there before stays."""
    services.refuse = {"log_in": NotAuthorized("login: it was denied in the console (DENIED)")}

    assert main(["login"], services) == 1
    assert not credentials_file().exists()


def test_a_folder_that_cannot_be_written_is_told(
    services: FakeServices, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the variable that moves it."""
    home.write_text("a file")

    assert main(["login"], services) == 2
    assert "hint: set FLASH_HOME" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "-1", "soon", "inf", "nan"])
def test_a_time_that_cannot_be_waited_is_a_usage_error(given: str, services: FakeServices) -> None:
    """Nothing is asked."""
    assert main(["login", f"--timeout={given}"], services) == 2
    assert services.asked == []
