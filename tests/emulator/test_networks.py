"""Workers on a network of their own: where they reach the platform, and who else does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from fakes_emulator import KEY, Bench, FakeLauncher, breathe, manifest

from flash.emulator.gateway import application
from flash.emulator.launchers import WorkerNetwork
from flash.emulator.server import PlatformConfig, serve
from flash.errors import PreviewError

BUILD = "query getFlashBuild($id: String!) { flashBuild(flashBuildId: $id) { id manifest } }"
WORKER_URL = "http://10.9.0.1:4000"


def peer(bench: Bench, host: str) -> httpx.AsyncClient:
    """A client with the key, at that address."""
    transport = httpx.ASGITransport(app=bench.app, client=(host, 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://x", headers={"Authorization": f"Bearer {KEY}"})


def test_only_this_machine_and_the_workers_network_are_heard(tmp_path: Path) -> None:
    """Not even with the key; the address is looked at first."""

    async def test() -> None:
        bench = Bench(tmp_path)
        bench.platform.start("http://127.0.0.1:9", worker_url=WORKER_URL, peers=["10.9.0.0/16"])
        heard, unheard = ("127.0.0.1", "::1", "10.9.3.4"), ("10.8.0.1", "192.168.1.7", "nonsense")
        seen = {host: (await peer(bench, host).get("/flash/healthz")).status_code for host in (*heard, *unheard)}
        assert seen == dict.fromkeys(heard, 200) | dict.fromkeys(unheard, 403)
        await bench.close()

    asyncio.run(test())


def test_workers_are_told_the_address_on_their_network(tmp_path: Path) -> None:
    """In their environment, and in the manifest that they find each other by; the owner reads what was deployed."""

    async def test() -> None:
        bench = Bench(tmp_path)
        bench.platform.start("http://127.0.0.1:9", worker_url=WORKER_URL, peers=["10.9.0.0/16"])
        await bench.deployed(resource={"makes_remote_calls": True})
        (worker,) = bench.launcher.alive
        assert worker.spec.environment["RUNPOD_ENDPOINT_BASE_URL"] == f"{WORKER_URL}/v2"
        described = manifest(e={"makes_remote_calls": True})
        urls = {"e": "http://127.0.0.1:9/v2/abc", "other": "https://elsewhere.example/v2/x"}
        build_id = await bench.build({**described, "resources_endpoints": urls})
        asked = {"id": build_id}
        own = (await bench.data(BUILD, **asked))["manifest"]["resources_endpoints"]
        reply = await bench.graphql(BUILD, bench.worker_client(worker), **asked)
        told = reply["data"]["flashBuild"]["manifest"]["resources_endpoints"]
        assert own == urls
        assert told == {**urls, "e": f"{WORKER_URL}/v2/abc"}
        await bench.close()

    asyncio.run(test())


def test_the_answer_that_workers_hold_has_no_end(tmp_path: Path) -> None:
    """It begins at once, needs a token, and ends when the worker goes away."""

    async def test() -> None:
        bench = Bench(tmp_path)
        assert (await bench.client_with("wrong").get("/flash/owner")).status_code == 401
        sent: list[dict[str, object]] = []
        gone = asyncio.Event()
        headers = [(b"authorization", KEY.encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/flash/owner",
            "raw_path": b"/flash/owner",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "scheme": "http",
            "asgi": {"spec_version": "2.3"},
        }

        async def receive() -> dict[str, object]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        answer = asyncio.ensure_future(application(bench.platform)(scope, receive, send))  # type: ignore[arg-type]
        await breathe()
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert not answer.done()
        gone.set()
        await answer
        await bench.close()

    asyncio.run(test())


def test_images_are_kept_for_the_artifacts_that_are_deployed(tmp_path: Path) -> None:
    """The launcher is told which those are whenever that changes."""

    async def test() -> None:
        bench = Bench(tmp_path)
        await bench.platform.tick()
        endpoint_id = await bench.deployed()
        digests = bench.launcher.kept[-1]
        assert len(digests) == 1
        await bench.round()
        count = len(bench.launcher.kept)
        await bench.round()
        assert len(bench.launcher.kept) == count
        await bench.data("mutation d($id: String!) { deleteEndpoint(id: $id) }", id=endpoint_id)
        await bench.round()
        await bench.round()
        assert bench.launcher.kept[-1] == frozenset()
        await bench.close()

    asyncio.run(test())


class Containers(FakeLauncher):
    """Workers on a network, whose engine stops as soon as the platform answers."""

    name = "docker"

    def __init__(self, home: Path, gateway: str = "127.0.0.1") -> None:
        super().__init__()
        self.home = home
        self.gateway = gateway
        self.closed = 0

    async def open(self) -> WorkerNetwork:  # type: ignore[override]
        return WorkerNetwork(gateway=self.gateway, subnet="10.9.0.0/16")

    async def lost(self) -> str:
        while not (self.home / "platform.json").exists():
            await asyncio.sleep(0)
        assert json.loads((self.home / "platform.json").read_text())["backend"] == "docker"
        return "the Docker engine at unix:///x stopped"

    async def aclose(self) -> None:
        self.closed += 1


def test_a_platform_whose_engine_stops_ends_with_that_error(tmp_path: Path) -> None:
    """Clients are refused at once instead of waiting; the error says what stopped, and what was made is given up."""
    launcher = Containers(tmp_path)
    with pytest.raises(PreviewError, match="the Docker engine at unix:///x stopped") as raised:
        serve(PlatformConfig(home=tmp_path, api_key=KEY), launcher=launcher)
    assert "flash platform start" in raised.value.hint
    assert launcher.closed == 1
    assert not (tmp_path / "platform.json").exists()


def test_a_gateway_that_is_not_this_machines_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    """Where containers run in a virtual machine, they could never reach the platform."""
    launcher = Containers(tmp_path, gateway="192.0.2.1")
    with pytest.raises(PreviewError, match=r"cannot listen at 192\.0\.2\.1") as raised:
        serve(PlatformConfig(home=tmp_path, api_key=KEY), launcher=launcher)
    assert "--flash-backend=process" in raised.value.hint
    assert launcher.closed == 1
