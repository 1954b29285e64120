"""The control plane of Runpod as its contract describes it (§2.5 to 2.9, §3), one exchange at a time.

Real base URLs behind a strict ``respx``: what is sent, in which order, with which headers; everything else fails.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_cloud import Clock
from fakes_runpod import KEY, RUNPOD, STORAGE, Endpoint, Runpod, extensions_in

from flash.cloud.client import PlatformClient
from flash.cloud.operations import OPERATIONS
from flash.errors import NotFound, PlatformError, PlatformUnreachable


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod with an app, an environment with a build, and an endpoint in it."""
    with Runpod().answering() as answering:
        answering.apps["demo"] = "app1"
        build = {"id": "build1", "app": "app1", "objectKey": "object1", "createdAt": "2026-11-23T12:00:00Z"}
        answering.builds["build1"] = {**build, "manifest": {"resources": {"gpu": {}}}}
        environment = {"id": "env1", "app": "app1", "name": "production", "active": "build1"}
        answering.environments["env1"] = {**environment, "created": "2026-11-23T12:00:00Z"}
        answering.templates["t1"] = {
            "id": "t1",
            "name": "demo-t",
            "imageName": "i",
            "env": [{"key": "A", "value": "1"}],
        }
        given = {"name": "gpu", "type": "QB", "flashEnvironmentId": "env1", "templateId": "t1", "gpuIds": "AMPERE_16"}
        workers = {"workersMin": 1, "workersMax": 3, "idleTimeout": 60, "networkVolumeId": "v1"}
        answering.endpoints["e1"] = Endpoint("e1", {**given, **workers}, ["w1"])
        yield answering


@pytest.fixture
def client(runpod: Runpod) -> PlatformClient:
    """A client with the real base URLs."""
    clock = Clock()
    return PlatformClient(RUNPOD, sleep=clock.sleep, jitter=lambda: 0.5)


NEW = {"name": "cpu", "type": "QB", "flashEnvironmentId": "env1", "workersMin": 0, "workersMax": 1}
EMPTY: dict[str, Any] = {"resources": {}}
TEMPLATE = {"id": "t1", "name": "n", "imageName": "i", "containerDiskInGb": 5, "env": [], "volumeInGb": 0}
CALLS: dict[str, tuple[Callable[[PlatformClient], Any], list[tuple[str, dict[str, Any]]]]] = {
    "who owns the key": (lambda client: client.check_key(), [("getMyself", {})]),
    "all apps": (lambda client: client.apps(), [("getFlashApps", {})]),
    "an app": (lambda client: client.find_app("demo"), [("getFlashAppByName", {"flashAppName": "demo"})]),
    "no app": (lambda client: client.find_app("none"), [("getFlashAppByName", {"flashAppName": "none"})]),
    "a new app": (lambda client: client.create_app("new"), [("createFlashApp", {"input": {"name": "new"}})]),
    "an environment": (
        lambda client: client.environment("demo", "production"),
        [("getFlashAppByName", {"flashAppName": "demo"}), ("getFlashBuild", {"input": "build1"})],
    ),
    "a new environment": (
        lambda client: client.create_environment("app1", "staging"),
        [("createFlashEnvironment", {"input": {"flashAppId": "app1", "name": "staging"}})],
    ),
    "a build": (
        lambda client: client.finalize("app1", "object1", {"resources": {}}),
        [("FinalizeArtifactUpload", {"input": {"flashAppId": "app1", "objectKey": "object1", "manifest": EMPTY}})],
    ),
    "a manifest": (lambda client: client.build_manifest("build1"), [("getFlashBuild", {"input": "build1"})]),
    "another manifest": (
        lambda client: client.update_build_manifest("build1", {"resources": {}}),
        [("updateFlashBuildManifest", {"input": {"flashBuildId": "build1", "manifest": {"resources": {}}}})],
    ),
    "an activation": (
        lambda client: client.activate("env1", "build1"),
        [("deployBuildToEnvironment", {"input": {"flashEnvironmentId": "env1", "flashBuildId": "build1"}})],
    ),
    "a new endpoint": (
        lambda client: client.save_endpoint({**NEW, "template": {"name": "t", "env": []}}),
        [("saveEndpoint", {"input": {**NEW, "template": {"name": "t", "env": []}}})],
    ),
    "an update": (
        lambda client: client.save_endpoint({**NEW, "id": "e1", "templateId": "t1"}),
        [("saveEndpoint", {"input": {**NEW, "id": "e1", "templateId": "t1"}})],
    ),
    "an endpoint's settings": (lambda client: client.endpoint_settings("e1"), [("getEndpointSettings", {"id": "e1"})]),
    "an endpoint": (lambda client: client.has_endpoint("e1"), [("getEndpoint", {"id": "e1"})]),
    "a template": (lambda client: client.template("t1"), [("getTemplate", {"id": "t1"})]),
    "another template": (
        lambda client: client.save_template(TEMPLATE),
        [("saveTemplate", {"input": TEMPLATE})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_the_contracts_operations(name: str, client: PlatformClient, runpod: Runpod):
    """In this order, with these variables and nothing else; headers are checked with every request."""
    call, expected = CALLS[name]
    call(client)

    assert [(told, variables(request)) for told, request in zip(runpod.told, runpod.requests, strict=True)] == expected


def variables(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content)["variables"]


def test_an_app_goes_by_its_id(client: PlatformClient, runpod: Runpod):
    """Its environments went before: one that is left would be the platform's to judge."""
    runpod.environments.clear()
    client.delete_app("app1")
    assert runpod.told == ["deleteFlashApp"]
    assert variables(runpod.requests[0]) == {"flashAppId": "app1"}


def test_an_endpoints_settings_are_everything_that_an_update_repeats(client: PlatformClient):
    """So that changing one thing changes nothing else."""
    found = client.endpoint_settings("e1")
    assert found is not None
    assert found.environment_id == "env1"
    assert found.has_workers
    assert found.kept == {
        "id": "e1",
        "name": "gpu",
        "type": "QB",
        "flashEnvironmentId": "env1",
        "templateId": "t1",
        "gpuIds": "AMPERE_16",
        "workersMin": 1,
        "workersMax": 3,
        "idleTimeout": 60,
        "networkVolumeId": "v1",
    }


def test_a_template_is_everything_that_saving_it_repeats(client: PlatformClient, runpod: Runpod):
    """``env`` and ``volumeInGb`` are required, and what is null stays away."""
    found = client.template("t1")
    assert found is not None
    assert found.env == {"A": "1"}
    client.save_template(found.given)
    assert runpod.sent("saveTemplate") == [
        {
            "id": "t1",
            "name": "demo-t",
            "imageName": "i",
            "containerDiskInGb": 0,
            "dockerArgs": "",
            "env": [{"key": "A", "value": "1"}],
            "volumeInGb": 0,
        }
    ]


def test_an_endpoint_goes_after_its_workers(client: PlatformClient, runpod: Runpod):
    """Runpod docs: both numbers must be zero; everything else is repeated."""
    client.delete_endpoint("e1")

    assert runpod.told == ["getEndpointSettings", "saveEndpoint", "deleteEndpoint"]
    (saved,) = runpod.sent("saveEndpoint")
    assert (saved["id"], saved["workersMin"], saved["workersMax"], saved["gpuIds"]) == ("e1", 0, 0, "AMPERE_16")
    assert runpod.endpoints == {}


def test_an_endpoint_that_is_gone_is_gone(client: PlatformClient, runpod: Runpod):
    """Nothing is changed to find that out."""
    client.delete_endpoint("e9")
    assert runpod.mutations == []


def test_an_upload_is_streamed_to_a_signed_url_without_the_key(client: PlatformClient, runpod: Runpod, tmp_path: Path):
    """Contract §3: length and type, no bearer; the size was announced before."""
    path = tmp_path / "artifact.tar.gz"
    path.write_bytes(gzip.compress(b"artifact" * 1000, mtime=0))

    key = client.upload("app1", path, lambda _: None)

    assert runpod.told == ["PrepareArtifactUpload", "PUT upload"]
    assert runpod.sent("PrepareArtifactUpload") == [{"flashAppId": "app1", "tarballSize": path.stat().st_size}]
    assert runpod.uploads == {key: path.read_bytes()}
    put = runpod.requests[-1]
    assert str(put.url) == f"{STORAGE}/{key}?signature=SIGNED"
    assert put.headers["user-agent"].startswith("pytest-flash/")
    assert KEY not in str(put.headers)


def test_an_upload_that_the_storage_refuses_never_shows_the_signature(
    client: PlatformClient, runpod: Runpod, tmp_path: Path
):
    """The URL is a permission."""
    path = tmp_path / "artifact.tar.gz"
    path.write_bytes(gzip.compress(b"artifact", mtime=0))
    runpod.fails["PUT upload"] = [httpx.Response(403, text="<Code>AccessDenied</Code>")] * 9

    with pytest.raises(PlatformError) as caught:
        client.upload("app1", path, lambda _: None)

    assert "SIGNED" not in str(caught.value)
    assert caught.value.hint


def test_volumes_are_the_rest_apis(client: PlatformClient, runpod: Runpod):
    """Contract §2.9: the list as such or under a key, and a body with three fields."""
    assert client.workers.volumes() == ()
    made = client.workers.create_volume("models", size_gb=50, data_center="EU-RO-1")
    assert (made.name, made.data_center) == ("models", "EU-RO-1")
    assert json.loads(runpod.requests[-1].content) == {"name": "models", "size": 50, "dataCenterId": "EU-RO-1"}
    runpod.fails["GET networkvolumes"] = {"networkVolumes": runpod.volumes}
    assert client.workers.volumes() == (made,)
    assert {str(request.url) for request in runpod.requests} == {"https://rest.runpod.io/v1/networkvolumes"}


def test_the_data_plane_is_asked_at_its_own_hosts(client: PlatformClient, runpod: Runpod):
    """Contract §1.1: queue endpoints below ``/v2``, load-balanced ones under a host name each."""
    runpod.endpoints["lb1"] = Endpoint("lb1", {"name": "lb", "workersMax": 1})
    assert client.health("e1").ready == 1
    assert client.workers.ready("e1") == ("w1",)
    assert client.workers.ping("lb1") == 200
    assert client.workers.logs("w1") == ()
    assert [str(request.url) for request in runpod.requests] == [
        "https://api.runpod.ai/v2/e1/health",
        "https://api.runpod.ai/v2/e1/metrics",
        "https://lb1.api.runpod.ai/ping",
        "https://hapi.runpod.net/v1/pod/w1/logs",
    ]


def test_queries_are_repeated_while_the_platform_is_passing_through_a_bad_moment(
    client: PlatformClient, runpod: Runpod
):
    """Contract §2.2: four times at most."""
    runpod.fails["getFlashAppByName"] = ["Try again later", httpx.Response(502), httpx.ConnectError("refused")]
    assert client.find_app("demo") is not None
    assert runpod.told == ["getFlashAppByName"] * 4


@pytest.mark.parametrize("answer", ["App not found", "app NOT FOUND: demo", {"data": {"flashAppByName": None}}])
def test_what_is_not_found_is_said_in_several_ways(answer: Any, client: PlatformClient, runpod: Runpod):
    """Contract 14.3: the exact texts are taken from what the platform's own client matches; null is one too."""
    runpod.fails["getFlashAppByName"] = answer
    assert client.find_app("demo") is None


def test_another_text_is_no_absence(client: PlatformClient, runpod: Runpod):
    """Taking any error for *not there* would make a second app of one that is there."""
    runpod.fails["getFlashAppByName"] = "App is locked"
    with pytest.raises(PlatformError, match="App is locked") as caught:
        client.find_app("demo")
    assert not isinstance(caught.value, NotFound)


def test_nothing_of_the_local_platform_is_asked_of_runpod():
    """Its extensions are in the table, and the strict answers of these tests refuse them."""
    assert {"getFlashVersions"} <= {name for name, one in OPERATIONS.items() if extensions_in(one.text)}
    with Runpod().answering(), pytest.raises(AssertionError):
        PlatformClient(RUNPOD).versions("e1")


def test_an_unknown_host_is_never_called(client: PlatformClient):
    """The tests would notice."""
    with pytest.raises((AssertionError, PlatformUnreachable, PlatformError, httpx.HTTPError)):
        httpx.get("https://elsewhere.example")
