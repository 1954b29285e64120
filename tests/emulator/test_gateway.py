"""Who gets in, uploads, GraphQL's manners, and the proxy to load-balanced workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fakes_emulator import (
    CREATE_APP,
    CREATE_ENVIRONMENT,
    DEPLOY,
    FINALIZE,
    KEY,
    PREPARE,
    Bench,
    archive,
    breathe,
    digest_of,
    manifest,
)

from flash.emulator import limits

pytestmark = pytest.mark.anyio

APP_BY_NAME = (
    "query getFlashAppByName($flashAppName: String!) { flashAppByName(flashAppName: $flashAppName) { id name"
    " flashEnvironments { id name state activeBuildId createdAt } flashBuilds { id objectKey createdAt } } }"
)
ENVIRONMENT = (
    "query getFlashEnvironment($flashEnvironmentId: String!) { flashEnvironment(flashEnvironmentId:"
    " $flashEnvironmentId) { id name state activeBuildId createdAt endpoints { id name } networkVolumes { id name } } }"
)
BUILD = "query getFlashBuild($input: String!) { flashBuild(flashBuildId: $input) { id manifest } }"


@pytest.mark.parametrize("key", [None, "wrong", ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("POST", "/v2/x/runsync"),
        ("GET", "/v2/x/job-take/y"),
        ("GET", "/lb/x/y"),
        ("GET", "/flash/healthz"),
        ("GET", "/v1/pod/x/logs"),
        ("GET", "/nothing"),
    ],
)
async def test_nothing_answers_without_the_key(bench: Bench, key: str | None, method: str, path: str) -> None:
    """401 with JSON, whether or not the thing exists."""
    body = {"query": "query q { myself { id } }"}
    reply = await bench.client_with(key).request(method, path, json=body if method == "POST" else None)
    assert reply.status_code == 401
    assert "error" in reply.json()


async def test_the_key_opens_with_and_without_bearer(bench: Bench) -> None:
    """Serverless REST takes the raw key too."""
    for value in (KEY, f"Bearer {KEY}", f"bearer {KEY}"):
        reply = await bench.client_with(None).get("/flash/healthz", headers={"Authorization": value})
        assert (reply.json()["status"], reply.json()["backend"]) == ("ok", "fake")


async def test_logging_in_needs_no_key_and_gives_none(bench: Bench) -> None:
    """The local platform's key is in its state file only: a request stays pending until it expires."""
    client = bench.client_with(None)
    reply = await bench.graphql("mutation createFlashAuthRequest { createFlashAuthRequest { id status } }", client)
    request = reply["data"]["createFlashAuthRequest"]
    assert request["status"] == "PENDING"
    query = "query s($id: String!) { flashAuthRequestStatus(flashAuthRequestId: $id) { status apiKey } }"
    bench.clock.advance(601)
    reply = await bench.graphql(query, client, id=request["id"])
    assert reply["data"]["flashAuthRequestStatus"] == {"status": "EXPIRED", "apiKey": None}
    smuggled = {"query": "mutation m { createFlashAuthRequest { id } } query q { myself { id } }", "operationName": "q"}
    assert (await client.post("/graphql", json=smuggled)).status_code == 401
    hidden = {"query": "query q { ...f } fragment f on Query { myself { id } }"}
    assert (await client.post("/graphql", json=hidden)).status_code == 401


async def test_graphql_errors_are_http_200_and_absent_without_errors(bench: Bench) -> None:
    """The peer tests for the key's presence, and looks for texts in messages."""
    reply = await bench.graphql(APP_BY_NAME, flashAppName="demo")
    assert reply["errors"][0]["message"] == "App not found"
    await bench.setup()
    reply = await bench.graphql(APP_BY_NAME, flashAppName="demo")
    assert set(reply) == {"data"}
    (environment,) = reply["data"]["flashAppByName"]["flashEnvironments"]
    assert (environment["name"], environment["state"], environment["activeBuildId"]) == ("production", "PENDING", None)
    for query, variables, message in (
        (ENVIRONMENT, {"flashEnvironmentId": "x"}, "Environment not found"),
        (BUILD, {"input": "x"}, "Build not found"),
        (CREATE_APP, {"input": {"name": "demo"}}, "exists already"),
        (CREATE_ENVIRONMENT, {"input": {"flashAppId": bench.app_id, "name": "production"}}, "exists already"),
        ("query q { nothing }", {}, "nothing"),
        ("query q {", {}, "Syntax error"),
    ):
        reply = await bench.graphql(query, **variables)
        assert message in reply["errors"][0]["message"]
    by_name = "query q($i: FlashEnvironmentByNameInput!) { flashEnvironmentByName(input: $i) { id } }"
    assert await bench.data(by_name, i={"flashAppId": bench.app_id, "name": "staging"}) is None


async def test_a_failure_of_ours_tells_nothing_of_itself(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The caller hears that it was internal; the log has the rest."""
    bench.platform.state.close()
    reply = await bench.graphql(APP_BY_NAME, flashAppName="demo")
    assert reply["errors"][0]["message"] == "Internal server error"
    assert "closed database" in caplog.text


async def test_deploying_makes_the_build_active(bench: Bench) -> None:
    """The environment shows the build, its endpoints and where the artifact is."""
    endpoint_id = await bench.deployed()
    environment = await bench.data(ENVIRONMENT, flashEnvironmentId=bench.environment_id)
    assert environment["state"] == "DEPLOYED"
    assert environment["endpoints"] == [{"id": endpoint_id, "name": "e"}]
    build = await bench.data(BUILD, input=environment["activeBuildId"])
    assert build["manifest"]["project_name"] == "demo"
    deployed = await bench.data(
        DEPLOY, input={"flashEnvironmentId": bench.environment_id, "flashBuildId": environment["activeBuildId"]}
    )
    download = await bench.client.get(deployed["activeArtifact"]["downloadUrl"])
    assert download.content[:2] == b"\x1f\x8b"
    changed = {**build["manifest"], "resources_endpoints": {"e": "http://there"}}
    update = "mutation u($i: UpdateFlashBuildManifestInput!) { updateFlashBuildManifest(input: $i) { id manifest } }"
    reply = await bench.data(update, i={"flashBuildId": build["id"], "manifest": changed})
    assert reply["manifest"]["resources_endpoints"] == {"e": "http://there"}


async def test_an_upload_must_be_what_was_announced(bench: Bench) -> None:
    """Another size or another format is refused, and nothing is kept."""
    await bench.setup()
    content = archive({"a.py": "x"})
    open_client = bench.client_with(None)
    for size, body in ((len(content) + 1, content), (len(content) - 1, content), (5, b"plain")):
        upload = await bench.data(PREPARE, input={"flashAppId": bench.app_id, "tarballSize": size})
        assert (await open_client.put(upload["uploadUrl"], content=body)).status_code == 400
        reply = await bench.graphql(
            FINALIZE, input={"flashAppId": bench.app_id, "objectKey": upload["objectKey"], "manifest": manifest()}
        )
        assert "has not arrived" in reply["errors"][0]["message"]
    assert not bench.platform.artifacts.upload_path(upload["objectKey"]).exists()
    bench.clock.advance(limits.UPLOAD_URL_S)
    assert (await open_client.put(upload["uploadUrl"], content=content)).status_code == 403


async def test_a_build_must_be_of_the_artifact_that_its_manifest_names(bench: Bench) -> None:
    """A digest in the manifest is compared with what arrived; several builds may be made of one upload."""
    await bench.setup()
    content = archive({"a.py": "x"})
    upload = await bench.data(PREPARE, input={"flashAppId": bench.app_id, "tarballSize": len(content)})
    await bench.client_with(None).put(upload["uploadUrl"], content=content)
    body = {"flashAppId": bench.app_id, "objectKey": upload["objectKey"]}
    reply = await bench.graphql(FINALIZE, input={**body, "manifest": {**manifest(), "digest": "0" * 64}})
    assert digest_of(content) in reply["errors"][0]["message"]
    described = {**manifest(), "digest": digest_of(content)}
    ids = {(await bench.data(FINALIZE, input={**body, "manifest": described}))["id"] for _ in range(2)}
    assert len(ids) == 2
    reply = await bench.graphql(FINALIZE, input={**body, "manifest": {"resources": 5}})
    assert "is not a manifest" in reply["errors"][0]["message"]
    stored = bench.platform.artifacts.upload_path(upload["objectKey"])
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    reply = await bench.graphql(FINALIZE, input={**body, "manifest": described})
    assert "not found: what is there was changed after its upload" in reply["errors"][0]["message"]
    problem = "query p($id: String!) { flashBuild(flashBuildId: $id) { flashProblem } }"
    assert "changed after its upload" in (await bench.data(problem, id=min(ids)))["flashProblem"]
    stored.write_bytes(content)
    assert await bench.data(problem, id=min(ids)) == {"flashProblem": None}
    assert len(bench.platform.state.builds(bench.app_id)) == 2


async def test_a_workers_token_opens_its_own_jobs_only(bench: Bench) -> None:
    """Without remote calls it opens the job protocol of its endpoint as itself, and nothing else."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    client = bench.worker_client(worker)
    assert (await client.get(f"/v2/{endpoint_id}/ping/{worker.id}?v=1")).status_code == 200
    for method, path in (
        ("GET", f"/v2/{endpoint_id}/job-take/another"),
        ("GET", f"/v2/another/job-take/{worker.id}"),
        ("POST", f"/v2/{endpoint_id}/runsync"),
        ("GET", f"/v2/{endpoint_id}/health"),
        ("GET", f"/lb/{endpoint_id}/x"),
        ("GET", f"/v1/pod/{worker.id}/logs"),
        ("POST", "/graphql"),
    ):
        body = {"query": ENVIRONMENT, "variables": {"flashEnvironmentId": bench.environment_id}, "input": {}}
        reply = await client.request(method, path, json=body if method == "POST" else None)
        assert reply.status_code == 401, path
    worker.die(0)
    await bench.round()
    assert (await client.get(f"/v2/{endpoint_id}/ping/{worker.id}?v=1")).status_code == 401


async def test_a_worker_that_calls_others_may_find_them_in_its_environment(bench: Bench) -> None:
    """The state manager's two queries, and calls; no other environment, and nothing that shows configuration."""
    endpoint_id = await bench.deployed(resource={"makes_remote_calls": True})
    (worker,) = bench.launcher.alive
    assert worker.spec.environment["RUNPOD_API_KEY"] == worker.token
    client = bench.worker_client(worker)
    reply = await bench.graphql(ENVIRONMENT, client, flashEnvironmentId=bench.environment_id)
    build_id = reply["data"]["flashEnvironment"]["activeBuildId"]
    reply = await bench.graphql(BUILD, client, input=build_id)
    assert reply["data"]["flashBuild"]["id"] == build_id
    calling = asyncio.ensure_future(client.post(f"/v2/{endpoint_id}/runsync", json={"input": {}}))
    job = (await (await bench.take(worker))).json()
    await bench.done(worker, job["id"], output=1)
    assert (await calling).status_code == 200

    other = await bench.data(CREATE_ENVIRONMENT, input={"flashAppId": bench.app_id, "name": "staging"})
    reply = await bench.graphql(ENVIRONMENT, client, flashEnvironmentId=other["id"])
    assert "does not open" in reply["errors"][0]["message"]
    elsewhere = (
        await bench.data(
            "mutation s($i: EndpointInput!) { saveEndpoint(input: $i) { id } }",
            i={"name": "f", "type": "QB", "flashEnvironmentId": other["id"]},
        )
    )["id"]
    assert (await client.post(f"/v2/{elsewhere}/runsync", json={"input": {}})).status_code == 401
    assert (await client.get(f"/v2/{endpoint_id}/status/x")).status_code == 404
    secret = (
        "query q($i: String!) { flashEnvironment(flashEnvironmentId: $i) { endpoints { template { env { key } } } } }"
    )
    body = {"query": secret, "variables": {"i": bench.environment_id}}
    assert (await client.post("/graphql", json=body)).status_code == 401


async def test_a_worker_that_calls_by_id_may_call_every_endpoint(bench: Bench) -> None:
    """As the user's key does on Runpod; it sees no more of other environments than that."""
    await bench.deployed(resource={"makes_remote_calls": True, "calls_by_id": True})
    (worker,) = bench.launcher.alive
    client = bench.worker_client(worker)
    other = await bench.data(CREATE_ENVIRONMENT, input={"flashAppId": bench.app_id, "name": "staging"})
    saved = "mutation s($i: EndpointInput!) { saveEndpoint(input: $i) { id } }"
    elsewhere = await bench.data(saved, i={"name": "f", "type": "QB", "flashEnvironmentId": other["id"]})
    submitted = await client.post(f"/v2/{elsewhere['id']}/run", json={"input": {}})
    assert submitted.status_code == 200
    assert (await client.get(f"/v2/{elsewhere['id']}/status/{submitted.json()['id']}")).json()["status"] == "IN_QUEUE"
    assert (await client.post(f"/v2/{elsewhere['id']}/cancel/{submitted.json()['id']}")).status_code == 200
    reply = await bench.graphql(ENVIRONMENT, client, flashEnvironmentId=other["id"])
    assert "does not open" in reply["errors"][0]["message"]


async def test_a_load_balanced_request_is_passed_on_as_it_came(bench: Bench) -> None:
    """Method, path, query, headers and body arrive; hop-by-hop headers and the caller's key do not."""
    endpoint_id = await bench.deployed(kind="LB")
    (worker,) = bench.launcher.alive
    seen: list[bytes] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(await request.aread())
        headers = [("X-Mine", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "close")]
        return httpx.Response(418, headers=headers, stream=_Chunks(b"tea", b"pot"))

    bench.wire.handler = answer
    reply = await bench.client.request(
        "PATCH",
        f"/lb/{endpoint_id}/a%2Fb/c?x=%20&x=2",
        content=b"body",
        headers={"X-Yours": "2", "Connection": "close, X-Private", "X-Private": "3"},
    )
    assert (reply.status_code, reply.content) == (418, b"teapot")
    assert reply.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert reply.headers["x-mine"] == "1"
    assert reply.headers["x-runpod-worker-id"] == worker.id
    assert "connection" not in reply.headers
    (request,) = bench.wire.requests
    assert (request.method, request.url.raw_path) == ("PATCH", b"/a%2Fb/c?x=%20&x=2")
    assert request.url.host == f"{worker.id}.test"
    assert request.headers["x-yours"] == "2"
    assert seen == [b"body"]
    assert not {"authorization", "x-private", "connection"} & set(request.headers)
    assert bench.platform.fleet.counts(endpoint_id)["running"] == 0


async def test_a_cold_start_is_waited_for_and_not_for_ever(bench: Bench) -> None:
    """A request waits for the worker to answer 200 on /ping; after two minutes it is told that there is none."""
    bench.wire.is_ready = False
    bench.wire.handler = lambda request: httpx.Response(200, text="warm")
    endpoint_id = await bench.deployed(kind="LB")
    calling = [asyncio.ensure_future(bench.client.get(f"/lb/{endpoint_id}/x"))]
    await breathe()
    await bench.round(119)
    assert not calling[0].done()
    await bench.round(1)
    reply = await calling[0]
    assert (reply.status_code, reply.json()) == (503, {"error": "no workers available"})
    calling[0] = asyncio.ensure_future(bench.client.get(f"/lb/{endpoint_id}/x"))
    await breathe()
    bench.wire.is_ready = True
    await bench.round()
    assert (await calling[0]).text == "warm"


async def test_a_worker_that_goes_away_is_a_bad_gateway(bench: Bench) -> None:
    """And one that cannot be started at all is told at once."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    endpoint_id = await bench.deployed(kind="LB")
    bench.wire.handler = refuse
    assert (await bench.client.get(f"/lb/{endpoint_id}/x")).status_code == 502
    bench.wire.is_ready = False
    await bench.save(id=endpoint_id, name="e", type="LB", gpuIds="AMPERE_16")
    await bench.round()
    for _ in range(4):
        bench.launcher.alive[-1].die(1)
        await bench.round()
        await bench.round(10)
    reply = await bench.client.get(f"/lb/{endpoint_id}/x")
    assert (reply.status_code, reply.json()) == (502, {"error": "no workers available"})


async def test_a_worker_that_dies_in_the_middle_of_an_answer_cuts_it(bench: Bench) -> None:
    """What was sent stays sent; the caller cannot take the rest for whole, and the worker's slot is free again."""

    class Dying(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"half"
            raise httpx.ReadError("gone")

    endpoint_id = await bench.deployed(kind="LB")
    bench.wire.handler = lambda request: httpx.Response(200, headers={"Content-Length": "8"}, stream=Dying())
    with pytest.raises(httpx.ReadError):
        await bench.client.get(f"/lb/{endpoint_id}/x")
    assert bench.platform.fleet.counts(endpoint_id)["running"] == 0


async def test_queue_and_routes_are_not_mixed_up(bench: Bench) -> None:
    """A load-balanced endpoint has no queue, and a body over the limit is refused."""
    endpoint_id = await bench.deployed(kind="LB")
    assert (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).status_code == 400
    assert (await bench.client.get("/lb/nothere/x")).status_code == 404
    too_much = b"x" * (limits.LB_BODY_BYTES + 1)
    assert (await bench.client.post(f"/lb/{endpoint_id}/x", content=too_much)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * (limits.LB_BODY_BYTES // 3)

    async def swallow(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return httpx.Response(200)

    bench.wire.handler = swallow
    headers = {"Transfer-Encoding": "chunked"}
    assert (await bench.client.post(f"/lb/{endpoint_id}/x", content=chunks(), headers=headers)).status_code == 413


class _Chunks(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
