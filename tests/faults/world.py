"""A real local platform with workers that are ready at once, and what can be seen of it from outside.

The platform listens on loopback and keeps its state on disk, as always; only its workers are tasks instead of
processes. Each answers with what the artifact that it was started from says of its endpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from faults.proxy import Plan, Proxy

from flash.deploy.journal import Journal
from flash.emulator.gateway import application
from flash.emulator.launchers import WorkerSpec
from flash.emulator.platform import Platform
from flash.emulator.scaler import Policy
from flash.model.manifest import MANIFEST_NAME, FunctionEntry, Manifest, Resource

KEY: Final = "a-key-for-tests"
OLD, NEW, OTHER = "old", "new", "other"
"""The versions; ``steady`` answers the same in all."""
QUEUE, BALANCED, STEADY = "queue", "balanced", "steady"
ENVIRONMENT: Final = "production"
_PATIENCE_S: Final = 60.0
TESTS: Final = Path(__file__).parents[1]


# -- workers ----------------------------------------------------------------------------------------------------------


class _Worker:
    def __init__(self, url: str | None, task: asyncio.Task[None] | None) -> None:
        self.url = url
        self.task = task
        self.code: int | None = None

    def exit_code(self) -> int | None:
        return self.code

    async def stop(self, grace_s: float) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
        self.code = 0


class QuickLauncher(httpx.AsyncBaseTransport):
    """Starts workers that are ready at once; also the way to those of load-balanced endpoints."""

    name = "process"

    def __init__(self) -> None:
        self.app: Any = None
        self.specs: dict[str, WorkerSpec] = {}

    async def launch(self, spec: WorkerSpec) -> _Worker:
        if spec.is_load_balanced:
            self.specs[spec.worker_id] = spec
            return _Worker(f"http://{spec.worker_id}.test", None)
        return _Worker(None, asyncio.get_running_loop().create_task(self._work(spec)))

    async def _work(self, spec: WorkerSpec) -> None:
        headers = {"Authorization": f"Bearer {spec.environment['RUNPOD_AI_API_KEY']}"}
        path = f"/v2/{spec.endpoint_id}"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", headers=headers, timeout=_PATIENCE_S
        ) as client:
            while True:
                taken = await client.get(f"{path}/job-take/{spec.worker_id}?job_in_progress=0")
                if taken.status_code == 200:
                    done = f"{path}/job-done/{spec.worker_id}/{taken.json()['id']}?isStream=false"
                    await client.post(done, json={"output": _says(spec)})
                elif taken.status_code != 204:
                    return

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        spec = self.specs[request.url.host.partition(".")[0]]
        body = json.dumps(_says(spec)).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))

    async def open(self) -> None:
        """Nothing to prepare."""

    async def keep(self, digests: Collection[str]) -> bool:
        return True

    async def lost(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        """Nothing to remove."""


def _says(spec: WorkerSpec) -> str:
    return (spec.artifact_dir / f"{spec.endpoint_name}.txt").read_text(encoding="utf-8")


class Clock:
    """Real time, and more of it when a test says so."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return 1_700_000_000.0 + time.monotonic() + self.ahead_s


class QuickPlatform:
    """The platform, in a thread of its own."""

    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopping: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(home)), daemon=True)
        self._thread.start()
        self._loop, self._stop = self._stopping.result(_PATIENCE_S)

    async def _serve(self, home: Path) -> None:
        launcher = QuickLauncher()
        platform = Platform(
            home, api_key=KEY, launcher=launcher, policy=Policy.ONE, clock=self.clock, transport=launcher
        )
        platform.start(self.url)
        launcher.app = application(platform)
        server = uvicorn.Server(
            uvicorn.Config(launcher.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        )
        stop = asyncio.Event()
        self._stopping.set_result((asyncio.get_running_loop(), stop))
        serving = asyncio.ensure_future(server.serve(sockets=[self._listener]))
        rounds = asyncio.ensure_future(platform.run())
        ending = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, rounds, ending}, return_when=asyncio.FIRST_COMPLETED)
        rounds.cancel()
        await platform.stop_workers(0)
        platform.queue.close()
        server.should_exit = True
        await asyncio.gather(serving, rounds, return_exceptions=True)
        await platform.close()

    def close(self) -> None:
        """Stop it, and its workers."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE_S)


# -- artifacts and deployers ------------------------------------------------------------------------------------------


def make_artifact(folder: Path, version: str) -> dict[str, Any]:
    """An artifact as a deployer is told of it; what its endpoints answer is in it."""
    entry = FunctionEntry(name="handle", module="app")
    route = FunctionEntry(name="handle", module="app", http_method="POST", http_path="/handle")
    common: dict[str, Any] = {"instance_ids": ["cpu3c-1-2"], "makes_remote_calls": False}
    queue = Resource(functions=[entry], image_name="runpod/flash-cpu:py3.11-latest", **common)
    balanced = Resource(
        functions=[route],
        image_name="runpod/flash-lb-cpu:py3.11-latest",
        is_load_balanced=True,
        scaler_type="REQUEST_COUNT",
        **common,
    )
    manifest = Manifest(
        python_version="3.11",
        project_name="demo",
        resources={QUEUE: queue, BALANCED: balanced, STEADY: queue},
        routes={BALANCED: {"POST /handle": "handle"}},
        source_fingerprint=hashlib.sha256(version.encode()).hexdigest(),
    )
    files = {
        f"{QUEUE}.txt": f"{QUEUE} {version}",
        f"{BALANCED}.txt": f"{BALANCED} {version}",
        f"{STEADY}.txt": STEADY,
        "flash/runtime/worker.py": "",
        MANIFEST_NAME: manifest.text(),
        **{f"handler_{name}.py": "" for name in (QUEUE, BALANCED, STEADY)},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    path = folder / f"{version}.tar.gz"
    path.write_bytes(buffer.getvalue())
    return {
        "path": str(path),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "size_bytes": len(buffer.getvalue()),
        "manifest": manifest.as_json(),
        "files": sorted(files),
    }


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        status: Of its process; negative for a signal.
        said: What it reported, nothing where it was killed.
        seen: Its requests, in order.
    """

    status: int
    said: dict[str, Any]
    seen: list[str]
    has_struck: bool

    @property
    def phase(self) -> str:
        """How far it came."""
        return str(self.said.get("phase", "killed"))

    @property
    def has_failed(self) -> bool:
        """Whether it said that it could not do what it was to do."""
        return "message" in self.said

    def __str__(self) -> str:
        said = "\n".join(f"  {name}: {value}" for name, value in self.said.items())
        return f"status {self.status}\n{said}\n  requests: {' '.join(self.seen)}"


def _without_ours(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith(("FLASH_", "RUNPOD_"))}


class Deployer:
    """Runs deployments, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        path = os.pathsep.join((str(TESTS), str(TESTS.parent)))
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(TESTS / "faults" / "deployer.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**_without_ours(os.environ), "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
        )

    def start(self, job: dict[str, Any]) -> int:
        """Begin a run; its process's id."""
        self._count += 1
        self._said = self._folder / f"said-{self._process.pid}-{self._count}.json"
        self._say({**job, "said": str(self._said)})
        return int(self._hear()["pid"])

    def wait(self) -> tuple[int, dict[str, Any]]:
        """The end of the run: its exit status, and what it said."""
        status = int(self._hear()["status"])
        hung = Path(f"{self._said}.hung")
        where = hung.read_text(encoding="utf-8") if hung.exists() else ""
        hung.unlink(missing_ok=True)
        if where:
            return status, {"crash": f"it did not end: {where}"}
        try:
            said = json.loads(self._said.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return status, {}
        self._said.unlink()
        return status, dict(said)

    def close(self) -> None:
        """No more jobs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE_S)
        self._process.stdout.close()

    def _say(self, job: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the deployer has ended"
        return dict(json.loads(line))


# -- the world --------------------------------------------------------------------------------------------------------


@dataclass
class Serving:
    """What an environment serves.

    Attributes:
        answers: By endpoint; an endpoint that has no version that serves is not among them.
        digest: Of the active build's manifest; None where there is no active build.
    """

    answers: dict[str, str]
    digest: str | None


class World:
    """A platform, a proxy before it, deployers, and two versions of an app.

    Args:
        home: ``FLASH_HOME``: the deployers find the proxy in it, as their local platform.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.platform = QuickPlatform(home / "quick")
        self.proxy = Proxy(self.platform.url)
        self.second = Proxy(self.platform.url)
        self.deployer = Deployer(home)
        self.artifacts = {version: make_artifact(home, version) for version in (OLD, NEW, OTHER)}
        self.client = httpx.Client(
            base_url=self.platform.url,
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=_PATIENCE_S,
            trust_env=False,
        )
        # bound, and nobody listens: whoever connects is refused
        self._deaf = socket.socket()
        self._deaf.bind(("127.0.0.1", 0))
        self._count = 0

    def close(self) -> None:
        """End it all."""
        self.client.close()
        self.deployer.close()
        self.proxy.close()
        self.second.close()
        self.platform.close()
        self._deaf.close()

    def new_name(self) -> str:
        """An app's name that is nobody's yet."""
        self._count += 1
        return f"demo{self._count}"

    def checkout(self, app: str) -> Path:
        """A checkout of an app's sources, without anything that earlier runs wrote down."""
        self._count += 1
        root = self.home / f"{app}-{self._count}"
        root.mkdir()
        (root / "pyproject.toml").write_text(
            f'[tool.flash]\napp = "{app}"\npython = "3.11"\n'
            f'[tool.flash.environments.{ENVIRONMENT}]\ntarget = "local"\n',
            encoding="utf-8",
        )
        return root

    def run(
        self, root: Path, version: str, plan: Plan | None = None, *, proxy: Proxy | None = None, **job: Any
    ) -> Outcome:
        """Deploy a version from a checkout, to the end; with nothing in the way where there is no *plan*."""
        plan, proxy = plan or Plan(), proxy or self.proxy
        self.start(self.deployer, root, version, plan, proxy=proxy, **job)
        status, said = self.deployer.wait()
        proxy.end()
        return Outcome(status, said, plan.seen, plan.has_struck or bool(said.get("refused")))

    def start(
        self, deployer: Deployer, root: Path, version: str, plan: Plan, *, proxy: Proxy | None = None, **job: Any
    ) -> int:
        """Begin to deploy a version from a checkout; its process's id."""
        proxy = proxy or self.proxy
        state = {"url": proxy.url, "api_key": KEY, "pid": os.getpid(), "backend": "process"}
        # each proxy has a home of its own, in which it is the local platform: two runs can go on at a time
        home = self.home / f"home-{proxy.url.rpartition(':')[2]}"
        (home / "platform").mkdir(parents=True, exist_ok=True)
        (home / "platform" / "platform.json").write_text(json.dumps(state), encoding="utf-8")
        # where there is no state, nothing can be deployed, and nobody asks
        (home / "platform" / "state.db").touch()
        given = {
            "root": str(root),
            "artifact": self.artifacts[version],
            "environment": ENVIRONMENT,
            "target": "local",
            "action": "deploy",
            "proxy": proxy.url,
            "variables": {
                "FLASH_HOME": str(home),
                "RUNPOD_API_KEY": KEY,
                "RUNPOD_API_BASE_URL": proxy.url,
                "RUNPOD_ENDPOINT_BASE_URL": f"{proxy.url}/v2",
                "FLASH_LB_BASE_URL": f"{proxy.url}/lb",
            },
            **job,
        }
        if "refused" in job:
            given["refused"]["port"] = self._deaf.getsockname()[1]
        proxy.begin(plan)
        plan.pid = deployer.start(given)
        plan.pid_known.set()
        return plan.pid

    # -- looking

    def ask(self, query: str, **variables: Any) -> Any:
        """A GraphQL operation's data."""
        reply = self.client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply
        return reply["data"]

    def environments(self, app: str) -> list[dict[str, Any]]:
        """An app's environments, with their endpoints and versions; nothing where there is no such app."""
        apps = self.ask("query apps { myself { flashApps { id name } } }")["myself"]["flashApps"]
        app_id = next((one["id"] for one in apps if one["name"] == app), None)
        if app_id is None:
            return []
        found = self.ask(_APP, id=app_id)["flashApp"]["flashEnvironments"]
        for environment in found:
            for endpoint in environment["endpoints"]:
                shown = self.ask(_VERSIONS, id=endpoint["id"])["myself"]["endpoint"]
                endpoint["versions"] = shown["flashVersions"]
        return list(found)

    def serving(self, app: str) -> Serving:
        """What the environment serves: every endpoint is asked."""
        environment = next((one for one in self.environments(app) if one["name"] == ENVIRONMENT), None)
        if environment is None:
            return Serving({}, None)
        answers = {
            endpoint["name"]: self._answer(endpoint["name"], endpoint["id"])
            for endpoint in environment["endpoints"]
            if any(version["state"] == "ACTIVE" for version in endpoint["versions"])
        }
        build_id = environment["activeBuildId"]
        digest = None
        if build_id is not None:
            digest = self.ask(_BUILD, id=build_id)["flashBuild"]["manifest"]["digest"]
        return Serving(answers, digest)

    def _answer(self, name: str, endpoint_id: str) -> str:
        if name == BALANCED:
            return str(self.client.post(f"/lb/{endpoint_id}/handle", json={}).json())
        reply = self.client.post(f"/v2/{endpoint_id}/runsync", json={"input": {}}).json()
        return str(reply.get("output", reply))

    def expected(self, version: str | None) -> Serving:
        """What is served where *version* is live, and nothing else."""
        if version is None:
            return Serving({}, None)
        answers = {QUEUE: f"{QUEUE} {version}", BALANCED: f"{BALANCED} {version}", STEADY: STEADY}
        return Serving(answers, self.artifacts[version]["sha256"])

    def live(self, app: str, *candidates: str | None) -> str | None:
        """Which of the versions is served, entirely."""
        serving = self.serving(app)
        for version in candidates:
            if serving == self.expected(version):
                return version
        raise AssertionError(f"neither of {candidates} is served entirely, but {serving}")

    def is_between(self, app: str, *candidates: str | None) -> bool:
        """Whether every endpoint that is there answers, each as one of the versions does."""
        known = [self.expected(version).answers for version in candidates]
        answers = self.serving(app).answers
        return all(any(one.get(name) == answer for one in known) for name, answer in answers.items())

    def endpoints(self) -> set[str]:
        """Ids of all endpoints of the platform, whoever's they are."""
        found = self.ask("query all { myself { endpoints { id } } }")["myself"]["endpoints"]
        return {one["id"] for one in found}

    def leftovers(self, app: str, root: Path, before: set[str]) -> list[str]:
        """What is there besides the live version, each in words; *before* are the endpoints of others."""
        found = []
        environments = self.environments(app)
        names = [environment["name"] for environment in environments]
        if names != [ENVIRONMENT]:
            found.append(f"environments {names}")
        endpoints = [endpoint for environment in environments for endpoint in environment["endpoints"]]
        if sorted(one["name"] for one in endpoints) != sorted((QUEUE, BALANCED, STEADY)):
            found.append(f"endpoints {[one['name'] for one in endpoints]}")
        orphans = self.endpoints() - before - {one["id"] for one in endpoints}
        if orphans:
            found.append(f"endpoints of no environment: {sorted(orphans)}")
        for endpoint in endpoints:
            states = [version["state"] for version in endpoint["versions"]]
            if states != ["ACTIVE"]:
                found.append(f"versions of {endpoint['name']}: {states}")
        journal = Journal(root / ".flash" / "journal.jsonl")
        found += [f"the journal's {one.kind} {one.name} of run {one.run}" for one in journal.pending()]
        return found

    def forget(self, app: str) -> None:
        """Remove an app with all that is in it."""
        apps = self.ask("query apps { myself { flashApps { id name } } }")["myself"]["flashApps"]
        for one in apps:
            if one["name"] == app:
                self.client.post("/graphql", json={"query": _DELETE_APP, "variables": {"id": one["id"]}})

    def pass_time(self, seconds: float) -> None:
        """Let it get later on the platform's clock."""
        self.platform.clock.ahead_s += seconds


_APP: Final = (
    "query app($id: String!) { flashApp(flashAppId: $id) { flashEnvironments"
    " { id name activeBuildId endpoints { id name } } } }"
)
_VERSIONS: Final = "query versions($id: String!) { myself { endpoint(id: $id) { flashVersions { state } } } }"
_BUILD: Final = "query build($id: String!) { flashBuild(flashBuildId: $id) { manifest } }"
_DELETE_APP: Final = "mutation forget($id: String!) { deleteFlashApp(flashAppId: $id) }"

__all__ = ["BALANCED", "ENVIRONMENT", "KEY", "NEW", "OLD", "OTHER", "QUEUE", "STEADY", "Deployer", "Outcome", "World"]
