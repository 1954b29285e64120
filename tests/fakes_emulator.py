"""Stand-ins for what surrounds the local platform: time, ids, workers, artifacts, and a client without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from flash.emulator.gateway import application
from flash.emulator.launchers import WorkerSpec
from flash.emulator.platform import Platform
from flash.emulator.scaler import Policy
from flash.errors import PreviewError

KEY = "a-key-for-tests"
BASE = "http://platform.test"


class ManualClock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class CountingIds:
    """Ids in a row, in the form of the platform's."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"id{self.count:012d}"


@dataclass(eq=False)
class FakeWorker:
    """A worker that does what a test tells it to."""

    spec: WorkerSpec
    url: str | None
    code: int | None = None
    stops: list[float] = field(default_factory=list)
    may_stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_stop.set()

    def exit_code(self) -> int | None:
        return self.code

    async def stop(self, grace_s: float) -> None:
        self.stops.append(grace_s)
        await self.may_stop.wait()
        self.code = 0 if self.code is None else self.code

    def die(self, code: int, log: str = "") -> None:
        """End by itself."""
        self.spec.log_path.write_text(log, encoding="utf-8")
        self.code = code

    @property
    def id(self) -> str:
        """Its id."""
        return self.spec.worker_id

    @property
    def token(self) -> str:
        """Its own token."""
        return self.spec.environment["RUNPOD_AI_API_KEY"]


class FakeLauncher:
    """Starts fake workers, and remembers them in ``workers``; refuses with ``error`` where there is one."""

    name = "fake"

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.kept: list[frozenset[str]] = []
        self.error: str | None = None

    async def launch(self, spec: WorkerSpec) -> FakeWorker:
        if self.error is not None:
            raise PreviewError(self.error)
        url = f"http://{spec.worker_id}.test" if spec.is_load_balanced else None
        worker = FakeWorker(spec, url)
        self.workers.append(worker)
        return worker

    async def open(self) -> None:
        """Nothing to prepare."""

    async def keep(self, digests: Collection[str]) -> bool:
        self.kept.append(frozenset(digests))
        return True

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        """Nothing to remove."""

    @property
    def alive(self) -> list[FakeWorker]:
        """Those that run."""
        return [worker for worker in self.workers if worker.code is None]


class Wire(httpx.AsyncBaseTransport):
    """What load-balanced workers and webhooks answer: ``handler``, and 200 to ``/ping`` from ready hosts."""

    def __init__(self) -> None:
        self.handler: Callable[[httpx.Request], Any] = lambda request: httpx.Response(404)
        self.is_ready = True
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ping" and request.url.host.startswith("id"):
            return httpx.Response(200 if self.is_ready else 204)
        self.requests.append(request)
        answer = self.handler(request)
        response: httpx.Response = await answer if asyncio.iscoroutine(answer) else answer
        if response.is_stream_consumed:
            # made with its content at once: a proxy reads it as a stream
            stream = httpx.ByteStream(response.content)
            response = httpx.Response(response.status_code, headers=response.headers, stream=stream)
        return response


def archive(files: Mapping[str, str]) -> bytes:
    """A ``.tar.gz`` with those files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def manifest(**resources: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with those endpoints."""
    return {
        "version": "1.0",
        "python_version": "3.11",
        "project_name": "demo",
        "resources": {name: {"makes_remote_calls": False, **resource} for name, resource in resources.items()},
    }


class Bench:
    """A platform on a manual clock, and a client that reaches it without a socket."""

    def __init__(self, home: Path, *, policy: Policy = Policy.ONE) -> None:
        self.clock = ManualClock()
        self.launcher = FakeLauncher()
        self.wire = Wire()
        self.platform = Platform(
            home,
            api_key=KEY,
            launcher=self.launcher,
            policy=policy,
            clock=self.clock,
            new_id=CountingIds(),
            transport=self.wire,
        )
        self.platform.start(BASE)
        self.app = application(self.platform)
        self.client = self.client_with(KEY)
        self.app_id = ""
        self.environment_id = ""

    def client_with(self, key: str | None) -> httpx.AsyncClient:
        """A client that shows that key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=BASE, headers=headers)

    async def graphql(self, query: str, client: httpx.AsyncClient | None = None, **variables: Any) -> dict[str, Any]:
        """The reply to an operation."""
        reply = await (client or self.client).post("/graphql", json={"query": query, "variables": variables})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def data(self, query: str, **variables: Any) -> Any:
        """The only field that an operation selects."""
        reply = await self.graphql(query, **variables)
        assert "errors" not in reply, reply
        (value,) = reply["data"].values()
        return value

    async def round(self, seconds: float = 0.0) -> None:
        """Let time pass, and the platform notice."""
        self.clock.advance(seconds)
        await self.platform.tick()
        await self.platform.settle()
        await self.platform.tick()
        await breathe()

    async def setup(self) -> None:
        """An app with an environment."""
        self.app_id = (await self.data(CREATE_APP, input={"name": "demo"}))["id"]
        environment = await self.data(CREATE_ENVIRONMENT, input={"flashAppId": self.app_id, "name": "production"})
        self.environment_id = environment["id"]

    async def build(self, described: Mapping[str, Any], content: bytes | None = None) -> str:
        """Upload an artifact and make a build of it; returns its id."""
        content = archive({"hello.py": "x = 1\n"}) if content is None else content
        upload = await self.data(PREPARE, input={"flashAppId": self.app_id, "tarballSize": len(content)})
        put = await self.client_with(None).put(upload["uploadUrl"], content=content)
        assert put.status_code == 200, put.text
        body = {"flashAppId": self.app_id, "objectKey": upload["objectKey"], "manifest": dict(described)}
        return str((await self.data(FINALIZE, input=body))["id"])

    async def save(self, **given: Any) -> str:
        """Save an endpoint of the environment; returns its id."""
        return str((await self.data(SAVE, input={"flashEnvironmentId": self.environment_id, **given}))["id"])

    async def activate(self, build_id: str) -> None:
        """Make a build the active one."""
        await self.data(DEPLOY, input={"flashEnvironmentId": self.environment_id, "flashBuildId": build_id})

    async def versions(self, endpoint_id: str) -> list[dict[str, Any]]:
        """The versions of an endpoint, as the control plane shows them."""
        return list((await self.data(VERSIONS, id=endpoint_id))["endpoint"]["flashVersions"])

    async def deployed(self, *, kind: str = "QB", resource: Mapping[str, Any] | None = None, **given: Any) -> str:
        """An app with one endpoint ``e`` whose active version has a worker; returns the endpoint's id."""
        await self.setup()
        is_load_balanced = kind == "LB"
        build_id = await self.build(manifest(e={"is_load_balanced": is_load_balanced, **(resource or {})}))
        await self.activate(build_id)
        endpoint_id = await self.save(name="e", type=kind, **given)
        await self.round()
        return endpoint_id

    def worker_client(self, worker: FakeWorker) -> httpx.AsyncClient:
        """A client that shows that worker's own token."""
        return self.client_with(worker.token)

    async def take(self, worker: FakeWorker) -> asyncio.Task[httpx.Response]:
        """The worker asks for a job; the answer may take long."""
        path = f"/v2/{worker.spec.endpoint_id}/job-take/{worker.id}?job_in_progress=0"
        task = asyncio.ensure_future(self.worker_client(worker).get(path))
        await breathe()
        return task

    async def done(self, worker: FakeWorker, job_id: str, **body: Any) -> httpx.Response:
        """The worker reports a result."""
        path = f"/v2/{worker.spec.endpoint_id}/job-done/{worker.id}/{job_id}?isStream=false"
        return await self.worker_client(worker).post(path, json=body)

    async def close(self) -> None:
        """End it."""
        await self.platform.stop_workers(0)
        await self.platform.close()


async def breathe() -> None:
    """Let every task go on that can."""
    for _ in range(50):
        await asyncio.sleep(0)


def digest_of(content: bytes) -> str:
    """The sha256 of an artifact."""
    return hashlib.sha256(content).hexdigest()


CREATE_APP = "mutation createFlashApp($input: CreateFlashAppInput!) { createFlashApp(input: $input) { id name } }"
CREATE_ENVIRONMENT = (
    "mutation createFlashEnvironment($input: CreateFlashEnvironmentInput!)"
    " { createFlashEnvironment(input: $input) { id name } }"
)
PREPARE = (
    "mutation PrepareArtifactUpload($input: PrepareFlashArtifactUploadInput!)"
    " { prepareFlashArtifactUpload(input: $input) { uploadUrl objectKey expiresAt } }"
)
FINALIZE = (
    "mutation FinalizeArtifactUpload($input: FinalizeFlashArtifactUploadInput!)"
    " { finalizeFlashArtifactUpload(input: $input) { id manifest } }"
)
SAVE = (
    "mutation saveEndpoint($input: EndpointInput!) { saveEndpoint(input: $input) { aiKey gpuIds id idleTimeout"
    " locations name networkVolumeId networkVolumeIds { networkVolumeId dataCenterId } flashEnvironmentId scalerType"
    " scalerValue templateId type userId version workersMax workersMin workersStandby workersPFBTarget gpuCount"
    " allowedCudaVersions minCudaVersion executionTimeoutMs instanceIds activeBuildid idePodId flashBootType } }"
)
DEPLOY = (
    "mutation deployBuildToEnvironment($input: DeployBuildToEnvironmentInput!) { deployBuildToEnvironment("
    "input: $input) { id name activeArtifact { objectKey downloadUrl expiresAt } } }"
)
RETIRE = "mutation retire($id: String!) { retireFlashVersions(flashEnvironmentId: $id) }"
VERSIONS = (
    "query versions($id: String!) { myself { endpoint(id: $id) { flashVersions"
    " { buildId state isHealthy workers failure logTail } } } }"
)
