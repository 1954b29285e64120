"""Endpoints with an id or an image, called from a script: where that goes, and with which key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fakes_cloud import Script

from flash import Endpoint
from flash.clients import Clients
from flash.cloud.calls import RemoteCaller
from flash.errors import CallError, RemoteError, SettingsError
from flash.model.dispatch import override_caller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DONE = {"id": "j1", "status": "COMPLETED", "output": {"hi": 1}}
ENVIRONMENT = {"id": "e1", "name": "production", "activeBuildId": None, "endpoints": [{"id": "img1", "name": "engine"}]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project, and a key for a platform."""
    (tmp_path / "pyproject.toml").write_text("[tool.flash]\napp = 'demo'\n")
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_KEY")
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "http://127.0.0.1:1/v2")
    monkeypatch.setenv("FLASH_LB_BASE_URL", "http://127.0.0.1:1/lb")
    for name in ("FLASH_APP", "FLASH_ENV", "FLASH_TARGET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(project: Path, script: Script, made: Any) -> Any:
    clients = Clients(project, transport=script)
    try:
        with override_caller(RemoteCaller({}, client_for=clients)):
            return made()
    finally:
        clients.close()


def test_an_id_is_called_on_the_users_platform_with_the_users_key(project: Path) -> None:
    """Its job API, and its routes where they are; awaited or not."""
    script = Script(DONE, {"ok": True}, DONE)
    known = Endpoint(id="abc")
    assert call(project, script, lambda: known.runsync({"n": 1}, timeout=2)).output == {"hi": 1}
    assert call(project, script, lambda: known.get("/up")) == {"ok": True}

    async def awaited() -> Any:
        return await known.runsync({})

    assert call(project, script, lambda: asyncio.run(awaited())).done
    assert script.paths == ["POST /v2/abc/runsync?wait=2000", "GET /lb/abc/up", "POST /v2/abc/runsync?wait=60000"]
    assert {request.headers["Authorization"] for request in script.requests} == {"Bearer rpa_KEY"}
    # what workers take for an empty input
    assert script.sent() == {"input": {"__empty": True}}


def test_an_image_is_looked_up_in_its_environment_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the app and environment that the settings, or ``FLASH_APP`` and ``FLASH_ENV``, name."""
    monkeypatch.setenv("FLASH_ENV", "production")
    app = {"id": "a1", "name": "demo", "flashEnvironments": [ENVIRONMENT], "flashBuilds": []}
    script = Script({"data": {"flashAppByName": app}}, DONE, DONE)
    engine = Endpoint(name="engine", image="me/mine:1")
    clients = Clients(project, transport=script)
    with override_caller(RemoteCaller({}, client_for=clients)):
        engine.runsync({"n": 1})
        engine.runsync({"n": 2})
    clients.close()
    assert [path for path in script.paths if "graphql" not in path] == ["POST /v2/img1/runsync?wait=60000"] * 2


def test_without_a_key_it_says_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    monkeypatch.delenv("RUNPOD_API_KEY")
    script = Script()
    with pytest.raises(
        CallError, match=r"POST /run of endpoint 'abc'.*no API key\nhint: set RUNPOD_API_KEY.*flash_mock"
    ):
        call(project, script, lambda: Endpoint(id="abc").run({}))
    assert script.requests == []


def test_several_environments_have_to_be_told_apart(project: Path) -> None:
    """An image is in each of them."""
    (project / "pyproject.toml").write_text("[tool.flash.environments.a]\n[tool.flash.environments.b]\n")
    with pytest.raises(SettingsError, match="FLASH_ENV=a"):
        call(project, Script(), lambda: Endpoint(name="engine", image="i").run({}))


def test_what_the_platform_says_is_told(project: Path) -> None:
    """A job API that refuses, and a route's own status."""
    import httpx

    gone = Script(httpx.Response(404, json={"error": "not found"}), httpx.Response(500, json={"detail": "oops"}))
    with pytest.raises(CallError, match=r"POST /run of endpoint 'abc'.*404.*not found"):
        call(project, gone, lambda: Endpoint(id="abc").run({}))
    with pytest.raises(RemoteError, match="GET /up of endpoint 'abc' answered 500: oops"):
        call(project, gone, lambda: Endpoint(id="abc").get("/up"))
