"""``GET /flash/openapi.json``: what is live, with the URLs that it has on this platform."""

from __future__ import annotations

from typing import Any

import pytest
from fakes_emulator import BASE, CREATE_ENVIRONMENT, Bench
from openapi_spec_validator import validate

pytestmark = pytest.mark.anyio

ROUTED: dict[str, Any] = {
    "functions": [{"name": "find", "module": "m", "http_method": "GET", "http_path": "/items/{item}"}],
}
QUEUED: dict[str, Any] = {
    "functions": [
        {
            "name": "f",
            "module": "m",
            "contract": {"": {"input": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
        }
    ]
}


async def test_paths_are_those_that_answer(bench: Bench) -> None:
    """Below one server, with the endpoint's id."""
    endpoint_id = await bench.deployed(resource=QUEUED)

    document = (await bench.client.get("/flash/openapi.json")).json()

    validate(document)
    assert document["servers"] == [{"url": BASE}]
    assert f"/v2/{endpoint_id}/runsync" in document["paths"]
    submitted = await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})
    assert submitted.status_code == 200


async def test_routes_are_below_their_endpoint(bench: Bench) -> None:
    """As the platform's proxy has them."""
    endpoint_id = await bench.deployed(kind="LB", resource=ROUTED)
    document = (await bench.client.get("/flash/openapi.json")).json()
    assert list(document["paths"]) == [f"/lb/{endpoint_id}/items/{{item}}", f"/lb/{endpoint_id}/ping"]


async def test_of_several_environments_one_is_named(bench: Bench) -> None:
    """The answer says how."""
    await bench.deployed(resource=QUEUED)
    other = await bench.data(CREATE_ENVIRONMENT, input={"flashAppId": bench.app_id, "name": "staging"})
    first, bench.environment_id = bench.environment_id, other["id"]
    await bench.activate(await bench.build({"resources": {}}))
    assert first != bench.environment_id

    unclear = await bench.client.get("/flash/openapi.json")

    assert unclear.status_code == 404
    assert "?app=demo&environment=staging" in unclear.json()["error"]
    named = await bench.client.get("/flash/openapi.json", params={"app": "demo", "environment": "staging"})
    assert named.json()["paths"] == {}


async def test_one_endpoint_can_be_asked_for(bench: Bench) -> None:
    """A document of nothing else."""
    await bench.deployed(resource=QUEUED)
    document = (await bench.client.get("/flash/openapi.json", params={"endpoint": "nothing"})).json()
    assert document["paths"] == {}


async def test_where_nothing_is_live_there_is_no_document(bench: Bench) -> None:
    """404, and why."""
    answer = await bench.client.get("/flash/openapi.json")
    assert (answer.status_code, "nothing" in answer.json()["error"]) == (404, True)


async def test_it_needs_the_key_and_workers_have_none(bench: Bench) -> None:
    """A worker that calls nobody does not see what else there is."""
    await bench.deployed(resource={**QUEUED, "makes_remote_calls": False})
    (worker,) = bench.launcher.workers
    assert (await bench.client_with(None).get("/flash/openapi.json")).status_code == 401
    assert (await bench.worker_client(worker).get("/flash/openapi.json")).status_code == 401
