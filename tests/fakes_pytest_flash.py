"""A pipeline that builds and starts nothing: answers come from this process, and what was asked is written down.

Scenario and event log are files in the project, because the smoke run and xdist's workers are other processes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from flash.cloud.address import PlatformAddress
from flash.cloud.jobs import EndpointClient
from flash.cloud.records import LiveEnvironment
from flash.deploy.deployment import DeployedEndpoint, Deployment
from flash.deploy.plan import Plan, plan
from flash.deploy.trial import Trial
from flash.errors import BuildError, DiscoveryError, NotAuthorized, SettingsError, Unverified, WorkerFailed
from flash.model.app import App, DeclaredEndpoint, Function, Location
from flash.model.endpoint import Endpoint
from flash.model.manifest import Artifact, Manifest
from flash.preview.session import Attachment

if TYPE_CHECKING:
    from collections.abc import Mapping


ADDRESS = PlatformAddress("http://127.0.0.1:9", "http://127.0.0.1:9/v2", "http://127.0.0.1:9/lb", "key")
BEFORE = "0" * 64
STRING = {"type": "string", "maxLength": 8}
INPUT = {"type": "object", "properties": {"name": STRING}, "required": ["name"], "additionalProperties": False}
SCHEMA = {"input": INPUT, "output": {"type": "string"}, "untyped": [], "example": {"name": ""}}
ERRORS = {
    "settings": SettingsError("no key and no target", hint="set RUNPOD_API_KEY"),
    "key": NotAuthorized("the platform does not accept the API key", hint="check RUNPOD_API_KEY"),
    "discovery": DiscoveryError("no endpoint found", hint="decorate a function", path="app.py", line=3),
    "build": BuildError("cannot install 'nothing-of-that-name'", hint="check the spelling"),
    "unverified": Unverified("build 1 was put back; whether it is live is not known", hint="flash history"),
    "worker": WorkerFailed("endpoint 'greeter' died at start", endpoint="greeter", detail="ImportError: no module"),
}


def app() -> App:
    """A queue endpoint with one function, and a load-balanced one with a route."""
    where = Location("app.py", 1)
    hello = Function(name="hello", module="app", location=where)
    echo = Function(name="echo", module="app", location=where, http_method="POST", http_path="/echo")
    return App(
        "demo",
        (
            DeclaredEndpoint(spec=Endpoint(name="greeter", cpu="cpu3c-1-2").spec, functions=(hello,), location=where),
            DeclaredEndpoint(spec=Endpoint(name="api", cpu="cpu3c-1-2").spec, functions=(echo,), location=where),
        ),
    )


def manifest(schemas: dict[str, Any]) -> Manifest:
    """The manifest of :func:`app`."""

    def function(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "module": "app", "contract": {"": {**SCHEMA, **schemas.get(name, {})}}, **more}

    return Manifest.parse(
        {
            "project_name": "demo",
            "resources": {
                "greeter": {"functions": [function("hello")]},
                "api": {
                    "is_load_balanced": True,
                    "functions": [function("echo", http_method="POST", http_path="/echo")],
                },
            },
            "routes": {"api": {"POST /echo": "echo"}},
        }
    )


@dataclass
class Scenario:
    """What goes wrong, by the step that it goes wrong in."""

    root: Path
    data: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Scenario:
        """What the project's ``scenario.json`` says."""
        path = root / "scenario.json"
        return cls(root, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})

    @property
    def artifact_path(self) -> Path:
        """Where the project's artifact is."""
        return self.root / ".flash" / "artifact.tar.gz"

    def enter(self, step: str) -> None:
        """Write down that *step* was asked for; raise where it is to fail."""
        with (self.root / "events.txt").open("a", encoding="utf-8") as log:
            log.write(f"{step}\n")
        what = self.data.get(step)
        if what == "interrupt":
            raise KeyboardInterrupt
        if what is not None:
            raise ERRORS[what]


class FakeAttachment(Attachment):
    """An attachment whose endpoints answer in this process."""

    @classmethod
    def of(
        cls, scenario: Scenario, kind: Literal["preview", "deployment"], environment: str, digest: str
    ) -> FakeAttachment:
        """Where what *digest* names was put."""
        return cls(
            kind=kind,
            app="demo",
            environment=environment,
            digest=digest,
            previous=BEFORE if kind == "deployment" else None,
            address=ADDRESS,
            endpoints=(),
            artifact_path=scenario.artifact_path,
            backend="process",
        )

    @property
    def scenario(self) -> Scenario:
        """The project's."""
        return Scenario.read(self.artifact_path.parents[1])

    def clients(self) -> dict[str, EndpointClient]:
        """Two clients, each with a transport of its own."""
        return {"greeter": self._client("greeter", "queue", "v2"), "api": self._client("api", "load-balanced", "lb")}

    def _client(self, name: str, kind: Literal["queue", "load-balanced"], prefix: str) -> EndpointClient:
        return EndpointClient(
            name,
            kind=kind,
            url=f"http://127.0.0.1:9/{prefix}/{name}",
            api_key="key",
            logs=lambda: (f"last words of {name}",),
            transport=httpx.MockTransport(self.answer),
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """``hello`` and ``echo``, or the wrong answers that the scenario wants."""
        body = json.loads(request.content)
        if request.url.path == "/lb/api/echo":
            return httpx.Response(200, json=body["name"])
        name = body["input"]["name"]
        wrong = self.scenario.data.get("answers")
        if wrong == "number":
            return httpx.Response(200, json={"id": "1", "status": "COMPLETED", "output": len(name)})
        return httpx.Response(200, json={"id": "1", "status": "COMPLETED", "output": f"Hello {name} from {self.kind}"})

    def artifact(self) -> Artifact:
        """What :class:`FakePipeline` builds."""
        return artifact(self.scenario)


def packed(files: Mapping[str, str]) -> bytes:
    """An archive of these files, the same each time."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


PACKED = packed({"app.py": "", "humanize-4.9.0.dist-info/RECORD": "humanize/__init__.py,sha256=x,1\n"})


def artifact(scenario: Scenario) -> Artifact:
    """An artifact of one file, and a distribution."""
    path = scenario.artifact_path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PACKED)
    return Artifact(
        path=path,
        sha256=hashlib.sha256(PACKED).hexdigest(),
        size_bytes=len(PACKED),
        manifest=manifest(scenario.data.get("schemas", {})),
        files=("app.py",),
    )


@dataclass
class FakePreview:
    """A preview that is only an attachment."""

    attachment: FakeAttachment

    def close(self) -> None:
        """Write it down."""
        self.attachment.scenario.enter("close")


@dataclass
class FakePromotion:
    """A promotion that is only an attachment."""

    deployment: Deployment
    attachment: FakeAttachment
    is_local: bool = True
    plan: Plan | None = None

    def finish(self) -> None:
        """Write it down."""
        self.attachment.scenario.enter("finish")

    def roll_back(self, *, report: Any) -> str:
        """Write it down."""
        self.attachment.scenario.enter("rollback")
        report("putting back")
        return "the version before is live again"


class FakePipeline:
    """Each step is instantaneous."""

    backend = "process"

    def __init__(self, root: Path) -> None:
        self.scenario = Scenario.read(root)

    def settle(self, project: Any) -> str:
        """Nothing, which goes without saying, or an error."""
        if "settle" in self.scenario.data:
            self.scenario.enter("settle")
        return str(self.scenario.data.get("workers", ""))

    def discover(self, project: Any) -> App:
        """The app, or an error."""
        self.scenario.enter("discover")
        return app()

    def check_target(self, project: Any, environment: str, target: str, *, report: Any) -> None:
        """Nothing, or an error."""
        self.scenario.enter("check_target")

    def build(self, project: Any, *, report: Any, keep_build_dir: bool = False, upgrade: bool = False) -> Artifact:
        """The artifact, or an error."""
        self.scenario.enter("build")
        report("installing nothing")
        return artifact(self.scenario)

    def start_preview(self, project: Any, built: Artifact, *, report: Any) -> FakePreview:
        """A preview, or an error."""
        self.scenario.enter("preview")
        report("starting nothing")
        return FakePreview(FakeAttachment.of(self.scenario, "preview", "preview", built.sha256))

    def look(self, project: Any, environment: str, target: str) -> LiveEnvironment | None:
        """The version before, if the scenario has it ``live``: a list of endpoints."""
        self.scenario.enter("look")
        names = self.scenario.data.get("live")
        if names is None:
            return None
        before = manifest({}).model_copy(update={"digest": BEFORE, "source_fingerprint": "before"})
        return LiveEnvironment(
            id="env",
            name=environment,
            app_id="app",
            active_build_id="build-1",
            manifest=before,
            endpoints={name: f"id-{name}" for name in names},
        )

    def plan(self, project: Any, built: Artifact, *, environment: str, target: str) -> Plan:
        """What would change, or an error."""
        self.scenario.enter("plan")
        live = self.look(project, environment, target)
        return plan(built.manifest, live, digest=built.sha256, app="demo", environment=environment)

    def promote(
        self,
        project: Any,
        built: Artifact,
        *,
        environment: str,
        target: str,
        report: Any,
        allow_delete: bool,
        planned: Plan | None = None,
        gate: str | None = None,
        git: str | None = None,
        canary: Any = None,
    ) -> FakePromotion:
        """A promotion, or an error."""
        if planned is not None:
            planned.check(
                self.look(project, environment, target),
                app="demo",
                environment=environment,
                now=self.plan(project, built, environment=environment, target=target),
            )
        self.scenario.enter(f"promote {environment} {target}{' deleting' if allow_delete else ''}")
        attachment = FakeAttachment.of(self.scenario, "deployment", environment, built.sha256)
        if canary is not None:
            self.try_it(canary, attachment)
        self.scenario.enter("promote")
        endpoints = (
            DeployedEndpoint(
                name="api",
                kind="load-balanced",
                id="abcdefghij0123",
                url="http://127.0.0.1:9/lb/abcdefghij0123",
                routes=("POST /echo",),
                example={"name": ""},
            ),
            DeployedEndpoint(
                name="greeter",
                kind="queue",
                id="abcdefghij0124",
                url="http://127.0.0.1:9/v2/abcdefghij0124",
                example={"input": {"name": ""}},
            ),
        )
        deployment = Deployment(
            app="demo",
            environment=environment,
            environment_id="env",
            digest=built.sha256,
            build_id="build-2",
            previous_build_id="build-1",
            previous=BEFORE,
            endpoints=endpoints,
            staged={},
            created=frozenset(),
            removed={},
            is_new_environment=False,
            run="run",
        )
        made = plan(built.manifest, None, digest=built.sha256, app="demo", environment=environment)
        return FakePromotion(deployment, attachment, plan=made)

    def try_it(self, canary: Any, attachment: FakeAttachment) -> None:
        """A canary of one endpoint, alone, unless the scenario has ``nothing_to_split``."""
        if "nothing_to_split" in self.scenario.data:
            canary.skip("nothing of production that was live before changes: there are no calls to split")
            return
        site = SimpleNamespace(clock=time.monotonic, sleep=time.sleep, report=lambda _: None, check_hold=lambda: None)
        build = SimpleNamespace(id="build-2")
        trial = Trial(site, build, {"greeter": "id-greeter"}, canary.canary, splits=False)  # type: ignore[arg-type]
        canary.run(attachment, trial, trial.conduct)

    def attach(self, path: Path) -> Attachment:
        """What :meth:`Attachment.write` wrote."""
        return FakeAttachment.read(path)


# ---------------------------------------------------------------------- A project to run pytest with the plugin in

ROOT = Path(__file__).parents[1]
PLUGIN = () if entry_points(group="pytest11", name="flash") else ("-p", "pytest_flash.plugin")
"""What loads the plugin where it is not installed."""

CONFTEST = """
def pytest_configure(config):
    from fakes_pytest_flash import FakePipeline
    from pytest_flash.activation import pipeline_key
    config.stash[pipeline_key] = FakePipeline(config.rootpath)
"""

SETTINGS = f"""
[tool.flash]
app = "demo"

[tool.flash.environments.production]
target = "local"

[tool.pytest.ini_options]
{"strict = true" if pytest.version_tuple >= (9,) else ""}
filterwarnings = ["error"]
"""


class FlashProject:
    """A Flash project in pytester's folder, with the fake pipeline."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write({"pyproject.toml": SETTINGS, "conftest.py": CONFTEST})

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their relative paths."""
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")

    def tests(self, text: str) -> None:
        """Write ``test_app.py``."""
        self.write({"test_app.py": "import pytest\n" + dedent(text)})

    def scenario(self, **steps: Any) -> None:
        """What goes wrong, by step."""
        self.write({"scenario.json": json.dumps(steps)})

    @property
    def events(self) -> list[str]:
        """What was asked of the pipeline, in order."""
        path = self.path / "events.txt"
        return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []

    def report(self) -> Any:
        """What ``--flash-report=report.json`` wrote."""
        return json.loads((self.path / "report.json").read_text(encoding="utf-8"))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(*PLUGIN, *arguments)

    def run_in_child(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*PLUGIN, *arguments)
