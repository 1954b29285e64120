"""Stands in for everything that the command line does to the world."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flash.bundle.contents import Contents, Part
from flash.cli.child import Ended
from flash.cloud.address import PlatformAddress
from flash.cloud.records import AppRecord, BuildRecord, LiveEnvironment
from flash.deploy.decision import Condition, Verdict
from flash.deploy.deployment import DeployedEndpoint, Deployment
from flash.deploy.plan import Plan, plan
from flash.deploy.release import Release
from flash.errors import NotFound
from flash.model.manifest import Artifact, FunctionEntry, Manifest, Resource
from flash.preview.history import RolledBack
from flash.preview.local import PlatformState
from flash.preview.receipts import Found
from flash.preview.session import Attachment
from flash.preview.sweep import Swept

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from flash.deploy.ledger import Line
    from flash.project import Project, TargetName

LOCAL = PlatformAddress("http://127.0.0.1:8787", "http://127.0.0.1:8787/v2", "http://127.0.0.1:8787/lb", "flash_key")
RUNPOD = PlatformAddress("https://api", "https://data/v2", None, "key")
DIGEST = "5f" * 32
STATE = PlatformState(url="http://127.0.0.1:8787", api_key="flash_key", pid=4321, backend="process")
ENDPOINTS = (
    DeployedEndpoint(
        name="lb_worker",
        kind="load-balanced",
        id="abc123abc123ab",
        url="http://127.0.0.1:8787/lb/abc123abc123ab",
        routes=("POST /process", "GET /health"),
        example={"input": {}},
    ),
    DeployedEndpoint(
        name="gpu_worker",
        kind="queue",
        id="def456def456de",
        url="http://127.0.0.1:8787/v2/def456def456de",
        routes=(),
        example={"input": {"name": ""}},
    ),
)
MANIFEST = Manifest(
    python_version="3.11",
    resources={
        "lb_worker": Resource(
            is_load_balanced=True,
            functions=[
                FunctionEntry(name="process", module="lb_worker", http_method="POST", http_path="/process"),
                FunctionEntry(name="health", module="lb_worker", http_method="GET", http_path="/health"),
            ],
        ),
        "gpu_worker": Resource(gpu_ids="AMPERE_16", functions=[FunctionEntry(name="gpu_hello", module="gpu_worker")]),
    },
    routes={"lb_worker": {"POST /process": "process", "GET /health": "health"}},
    excluded={"torch": "shipped by every worker image"},
    digest=DIGEST,
)


def artifact(path: Path = Path("/project/.flash/artifact.tar.gz")) -> Artifact:
    """An artifact that nobody built."""
    files = (
        "flash_manifest.json",
        "gpu_worker.py",
        "humanize-4.9.0.dist-info/METADATA",
        "humanize-4.9.0.dist-info/RECORD",
        "humanize/__init__.py",
        "lb_worker.py",
        "typing_extensions-4.15.0.dist-info/METADATA",
        "typing_extensions.py",
    )
    return Artifact(path=path, sha256=DIGEST, size_bytes=3 * 2**20, manifest=MANIFEST, files=files)


def contents() -> Contents:
    """What would be in it."""
    return Contents(
        artifact(),
        {"gpu_worker.py": 600, "humanize/__init__.py": 3 * 2**20},
        (Part("data/", 3, 2048), Part("gpu_worker.py", 1, 600)),
        Part("generated", 4, 5000),
        Part("flash", 27, 200_000),
        (Part("humanize", 40, 3 * 2**20, "4.9.0"), Part("typing-extensions", 3, 170_000, "4.15.0")),
    )


def live(name: str) -> LiveEnvironment:
    """An environment with both endpoints."""
    endpoints = {endpoint.name: endpoint.id for endpoint in ENDPOINTS}
    return LiveEnvironment(
        id=f"env-{name}", name=name, app_id="app-1", active_build_id="build-1", manifest=MANIFEST, endpoints=endpoints
    )


def deployment(app: str, environment: str) -> Deployment:
    """A first deployment of both endpoints."""
    return Deployment(
        app=app,
        environment=environment,
        environment_id=f"env-{environment}",
        digest=DIGEST,
        build_id="build-1",
        previous_build_id=None,
        previous=None,
        endpoints=ENDPOINTS,
        staged={endpoint.name: endpoint.id for endpoint in ENDPOINTS},
        created=frozenset(endpoint.name for endpoint in ENDPOINTS),
        removed={},
        is_new_environment=True,
        run="run-1",
    )


def found(**changes: Any) -> Found:
    """What a receipt lets through."""
    release = Release(
        manifest=MANIFEST, digest=DIGEST, action="promote", gate="receipt", receipt="e" * 64, git="c" * 40
    )
    verdict = Verdict((Condition("FLASH-G010", "the branch may be deployed", "pass", "any may"),))
    return Found(**{"release": release, "verdict": verdict, **changes})


def preview_attachment(app: str = "demo") -> Attachment:
    """Where a preview would be."""
    return Attachment(
        kind="preview",
        app=app,
        environment="preview",
        digest=DIGEST,
        previous=None,
        address=LOCAL,
        endpoints=ENDPOINTS,
        artifact_path=Path("/project/.flash/artifact.tar.gz"),
        backend="process",
    )


@dataclass
class FakePreview:
    """A preview that serves nothing."""

    attachment: Attachment
    on_close: Callable[[], None]
    closed: int = 0

    def close(self) -> None:
        """Count."""
        self.closed += 1
        self.on_close()


@dataclass
class FakePromotion:
    """A deployment that nobody made."""

    deployment: Deployment
    is_local: bool
    note: Callable[[str], None] = lambda _: None
    finished: int = 0
    plan: Plan | None = None

    @property
    def attachment(self) -> Attachment:
        """Where it would be."""
        return replace(preview_attachment(self.deployment.app), kind="deployment")

    def finish(self) -> None:
        """Count."""
        self.note("finish")
        self.finished += 1

    def roll_back(self, *, report: Callable[[str], None]) -> str:
        """Say so."""
        self.note("roll_back")
        return "build build-0 is live again"


@dataclass
class FakePipeline:
    """Builds and starts nothing; what is asked of it is noted among what is asked of the services."""

    services: FakeServices
    wanted: str

    def _note(self, name: str, /, **values: Any) -> None:
        self.services.note(name, backend=self.wanted, **values)

    def settle(self, project: Project) -> str:
        if "settle" in self.services.refuse:
            self._note("settle")
        return "" if self.wanted == "auto" else self.wanted

    def check_target(
        self, project: Project, environment: str, target: TargetName, *, report: Callable[[str], None]
    ) -> None:
        self._note("check_target", environment=environment, target=target)

    def build(
        self, project: Project, *, report: Callable[[str], None], keep_build_dir: bool = False, upgrade: bool = False
    ) -> Artifact:
        flags = {"keep_build_dir": keep_build_dir, "upgrade": upgrade}
        self._note("build", root=project.root, exclude=project.settings.exclude, **flags)
        report("building")
        return artifact(project.flash_dir / "artifact.tar.gz")

    def start_preview(self, project: Project, artifact: Artifact, *, report: Callable[[str], None]) -> FakePreview:
        self._note("start_preview")
        report("starting")
        attachment = preview_attachment(project.settings.app)
        self.services.preview = FakePreview(attachment, lambda: self.services.note("close"))
        return self.services.preview

    def look(self, project: Project, environment: str, target: TargetName) -> LiveEnvironment | None:
        self._note("look", environment=environment, target=target)
        return next((found for found in self.services.live.get(target, ()) if found.name == environment), None)

    def plan(self, project: Project, artifact: Artifact, *, environment: str, target: TargetName) -> Plan:
        self._note("plan")
        live = self.look(project, environment, target)
        return plan(
            artifact.manifest,
            live,
            digest=artifact.sha256,
            app=project.settings.app,
            environment=environment,
            target=target,
        )

    def promote(
        self,
        project: Project,
        artifact: Artifact,
        *,
        environment: str,
        target: TargetName,
        report: Callable[[str], None],
        allow_delete: bool,
        planned: Plan | None = None,
        gate: str | None = None,
        git: str | None = None,
    ) -> FakePromotion:
        plans: dict[str, object] = {} if planned is None else {"planned": planned}
        plans |= {} if gate is None else {"gate": gate}
        self._note("promote", environment=environment, target=target, allow_delete=allow_delete, **plans)
        made = FakePromotion(deployment(project.settings.app, environment), target == "local")
        self.services.promotion = made
        return made


@dataclass
class FakeServices:
    """Answers as it is told, and remembers what it was asked, but for the default backend.

    Attributes:
        refuse: Method name → the error that it raises.
        live: Target → the environments there; a local target that is missing here is a platform that does not run.
        report: What the child of ``run`` writes into its report file, or None for nothing.
        ended: How that child ends.
        log_lines: What workers write until somebody presses Ctrl+C.
        app_records: Target → the apps there.
        swept: What there was to sweep.
        on_runpod: What there is to sweep on Runpod.
        has_browser: Whether a browser can be opened.
        versions: The ledger of every environment.
        runpod: Where ``RUNPOD_*`` points.
    """

    refuse: dict[str, BaseException] = field(default_factory=dict)
    live: dict[str, tuple[LiveEnvironment, ...]] = field(default_factory=dict)
    platform: PlatformState | None = None
    report: Mapping[str, Any] | None = None
    ended: Ended = field(default_factory=lambda: Ended(0, interrupted=False))
    log_lines: tuple[tuple[str, str], ...] = ()
    app_records: dict[str, tuple[AppRecord, ...]] = field(default_factory=dict)
    swept: Swept = field(default_factory=Swept)
    on_runpod: str = ""
    has_browser: bool = True
    versions: tuple[Line, ...] = ()
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    preview: FakePreview | None = None
    found: Found = field(default_factory=found)
    promotion: FakePromotion | None = None
    runpod: PlatformAddress = RUNPOD

    def note(self, name: str, /, **values: Any) -> None:
        """Write down what was asked; raise where that is to be refused."""
        if values.get("backend") == "auto":
            del values["backend"]
        self.asked.append((name, values))
        error = self.refuse.get(name)
        if error is not None:
            raise error

    @property
    def names(self) -> list[str]:
        """The methods that were called, in order."""
        return [name for name, _ in self.asked]

    def pipeline(self, wanted: str) -> FakePipeline:
        return FakePipeline(self, wanted)

    def follow(
        self, address: PlatformAddress, names: Mapping[str, str], *, first: int | None
    ) -> Iterator[tuple[str, str]]:
        self.note("follow", names=dict(names), first=first)
        yield from self.log_lines
        raise KeyboardInterrupt

    def logs(self, address: PlatformAddress, endpoint_id: str, tail: int) -> tuple[str, ...]:
        self.note("logs", endpoint=endpoint_id, tail=tail)
        names = {endpoint.id: endpoint.name for endpoint in ENDPOINTS}
        return tuple(line for name, line in self.log_lines if name == names[endpoint_id])[-tail:]

    def history(self, project: Project, *, environment: str, target: TargetName) -> tuple[Line, ...]:
        self.note("history", environment=environment, target=target)
        return self.versions

    def roll_back(
        self,
        project: Project,
        wanted: str,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        report: Callable[[str], None],
    ) -> RolledBack:
        self.note("roll_back", wanted=wanted, environment=environment, target=target, allow_delete=allow_delete)
        report("staging lb_worker")
        made = deployment(project.settings.app, environment)
        build = BuildRecord(id="build-0", object_key="key", created_at="", manifest=MANIFEST)
        return RolledBack(made, build, is_local=True, message="build build-0 is live again: read back, and healthy")

    def undeploy(
        self, project: Project, *, environment: str, target: TargetName, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        self.note("undeploy", environment=environment, target=target)
        return tuple(sorted(endpoint.name for endpoint in ENDPOINTS))

    def open_browser(self, url: str) -> bool:
        self.note("open_browser", url=url)
        return self.has_browser

    def log_in(self, console_url: str, *, show: Callable[[str], None], timeout_s: float) -> str:
        show(f"{console_url}/flash/login?request=login-1")
        self.note("log_in", timeout_s=timeout_s)
        return "rpa_FROMTHECONSOLE"

    def address(self, project: Project, target: TargetName) -> PlatformAddress:
        self.note("address", target=target)
        if target == "local" and target not in self.live:
            raise NotFound("no local platform runs", hint="start it: flash platform start")
        return self.runpod if target == "runpod" else LOCAL

    def environments(self, project: Project, address: PlatformAddress) -> tuple[LiveEnvironment, ...]:
        return self.live.get("local" if address is LOCAL else "runpod", ())

    def environment(self, project: Project, address: PlatformAddress, name: str) -> LiveEnvironment | None:
        return next((found for found in self.environments(project, address) if found.name == name), None)

    def apps(self, address: PlatformAddress) -> tuple[AppRecord, ...]:
        return self.app_records.get("local" if address is LOCAL else "runpod", ())

    def find_app(self, project: Project, address: PlatformAddress) -> AppRecord | None:
        return next((app for app in self.apps(address) if app.name == project.settings.app), None)

    def create_app(self, project: Project, address: PlatformAddress) -> None:
        self.note("create_app", app=project.settings.app)

    def create_environment(self, project: Project, address: PlatformAddress, name: str) -> None:
        self.note("create_environment", app=project.settings.app, name=name)

    def delete_app(
        self, project: Project, address: PlatformAddress, *, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        self.note("delete_app", app=project.settings.app)
        app = self.find_app(project, address)
        return () if app is None else tuple(environment.name for environment in app.environments)

    def sweep(self, project: Project, *, may_touch_runpod: Callable[[str], bool]) -> Swept:
        self.note("sweep", root=project.root)
        if self.on_runpod:
            allowed = may_touch_runpod(self.on_runpod)
            return Swept((self.on_runpod,), ()) if allowed else Swept((), (self.on_runpod,))
        return self.swept

    def find_release(
        self,
        project: Project,
        *,
        environment: str,
        target: TargetName,
        receipt: Path | None,
        source: tuple[str, TargetName] | None,
        artifact: Path | None,
        wanted: str,
        report: Callable[[str], None],
    ) -> Found:
        given = {"receipt": receipt, "source": source, "artifact": artifact}
        asked = {name: value for name, value in given.items() if value is not None}
        self.note("find_release", environment=environment, target=target, backend=wanted, **asked)
        return self.found

    def plan_release(self, project: Project, release: Release, *, environment: str, target: TargetName) -> Plan:
        self.note("plan_release")
        live = next((found for found in self.live.get(target, ()) if found.name == environment), None)
        return plan(release.manifest, live, digest=release.digest, app=project.settings.app, environment=environment)

    def promote_release(
        self,
        project: Project,
        release: Release,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        planned: Plan | None,
        wanted: str,
        report: Callable[[str], None],
    ) -> FakePromotion:
        plans = {} if planned is None else {"planned": planned}
        self.note(
            "promote_release",
            digest=release.digest,
            environment=environment,
            target=target,
            allow_delete=allow_delete,
            backend=wanted,
            **plans,
        )
        made = deployment(project.settings.app, environment)
        self.promotion = FakePromotion(made, target == "local", self.note)
        return self.promotion

    def find_platform(self) -> PlatformState | None:
        return self.platform

    def start_platform(
        self, port: int | None, *, backend: str, report: Callable[[str], None], foreground: bool
    ) -> PlatformState:
        self.note("start_platform", port=port, backend=backend, foreground=foreground)
        if foreground:
            raise KeyboardInterrupt
        self.platform = STATE
        return STATE

    def stop_platform(self) -> bool:
        self.note("stop_platform")
        ran, self.platform = self.platform is not None, None
        return ran

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        without: Collection[str] = (),
        hushes_interrupted: bool = False,
    ) -> Ended:
        hushed = {"hushes_interrupted": True} if hushes_interrupted else {}
        self.note(
            "run", arguments=list(arguments), cwd=cwd, **({"without": list(without)} if without else {}), **hushed
        )
        if self.report is not None:
            path = next(one.partition("=")[2] for one in arguments if one.startswith("--flash-report="))
            Path(path).write_text(json.dumps(self.report), encoding="utf-8")
        return self.ended
