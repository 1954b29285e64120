"""A platform in memory, as far as a deployment sees one, and artifacts to deploy to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes_cloud import ADDRESS, Clock

from flash.cloud.records import (
    AppRecord,
    BuildRecord,
    EndpointRecord,
    EnvironmentRecord,
    HealthRecord,
    LeaseGrant,
    LeaseRecord,
    LiveEnvironment,
    Look,
    VersionRecord,
)
from flash.errors import NotFound
from flash.model.manifest import Artifact, CallSchema, FunctionEntry, Manifest, Resource


@dataclass
class Version:
    build_id: str
    given: dict[str, Any]
    state: str = "STAGED"


@dataclass
class Endpoint:
    id: str
    name: str
    environment_id: str
    versions: list[Version] = field(default_factory=list)

    @property
    def live(self) -> str | None:
        """The build that answers."""
        return next((version.build_id for version in self.versions if version.state == "ACTIVE"), None)


class FakePlatform:
    """Stages versions, switches them together, forgets the retired ones; remembers what it was asked.

    Attributes:
        calls: Names of the operations, in order.
        fails: What to raise at an operation, by name; ``NAME/lost`` raises after it was carried out.
        unhealthy: How many looks an endpoint's new version takes to become healthy, by endpoint name.
        broken: Why a new version fails, by endpoint name.
        upload_hook: Called when an upload begins.
        log: What every worker has written.
        busy: How many looks it takes until an endpoint has no jobs left, by id.
        lease: Who holds the environment, if somebody does; ``renews`` is whether that is seen to be alive.
        objects: What was uploaded and is there still.
        questions: Names of the questions, in order.
    """

    def __init__(self) -> None:
        self.address = ADDRESS
        self.apps: dict[str, str] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.ledger: dict[str, dict[str, Any]] = {}
        self.held: tuple[str, str] | None = None
        self.endpoints: dict[str, Endpoint] = {}
        self.uploads: list[Path] = []
        self.calls: list[str] = []
        self.fails: dict[str, BaseException] = {}
        self.unhealthy: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.log: tuple[str, ...] = ("starting",)
        self.upload_hook: Callable[[], None] = lambda: None
        self.busy: dict[str, int] = {}
        self.lease: LeaseRecord | None = None
        self.renews = False
        self.objects: set[str] = set()
        self.object_keys: dict[str, str] = {}
        self.questions: list[str] = []
        self._count = 0

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _called(self, name: str, effect: Callable[[], Any]) -> Any:
        self.calls.append(name)
        if name in self.fails:
            raise self.fails[name]
        result = effect()
        if f"{name}/lost" in self.fails:
            raise self.fails[f"{name}/lost"]
        return result

    # -- what PlatformClient offers

    def find_app(self, name: str) -> AppRecord | None:
        self.questions.append("find_app")
        return AppRecord(self.apps[name], name) if name in self.apps else None

    def create_app(self, name: str) -> AppRecord:
        self.apps[name] = self._called("create_app", lambda: self._new_id("app"))
        return AppRecord(self.apps[name], name)

    def look(self, app_name: str, environment_name: str) -> Look:
        return Look(self.find_app(app_name), self.environment(app_name, environment_name))

    def environment(self, app_name: str, environment_name: str) -> LiveEnvironment | None:
        self.questions.append("environment")
        for environment_id, data in self.environments.items():
            if data["app"] == self.apps.get(app_name) and data["name"] == environment_name:
                build_id = data["active"]
                return LiveEnvironment(
                    id=environment_id,
                    name=environment_name,
                    app_id=data["app"],
                    active_build_id=build_id,
                    manifest=None if build_id is None else self.build_manifest(build_id),
                    endpoints={
                        one.name: one.id for one in self.endpoints.values() if one.environment_id == environment_id
                    },
                )
        return None

    def create_environment(self, app_id: str, name: str) -> EnvironmentRecord:
        environment_id = self._called("create_environment", lambda: self._new_id("env"))
        self.environments[environment_id] = {"app": app_id, "name": name, "active": None}
        return EnvironmentRecord(environment_id, name, None)

    def delete_environment(self, environment_id: str) -> None:
        self._called("delete_environment", lambda: self.environments.pop(environment_id, None))

    def upload(self, app_id: str, path: Path, report: Callable[[str], None]) -> str:
        self.upload_hook()

        def keep() -> str:
            self.uploads.append(path)
            key = self._new_id("object")
            self.objects.add(key)
            return key

        return self._called("upload", keep)

    def finalize(self, app_id: str, object_key: str, manifest: Mapping[str, Any]) -> str:
        def make() -> str:
            if object_key not in self.objects:
                raise NotFound("Upload not found")
            build_id = self._new_id("build")
            self.ledger[build_id] = dict(manifest)
            self.object_keys[build_id] = object_key
            return build_id

        return self._called("finalize", make)

    def builds(self, app_id: str) -> tuple[BuildRecord, ...]:
        self.questions.append("builds")
        return tuple(found for build_id in reversed(self.ledger) if (found := self.build(build_id)) is not None)

    def build(self, build_id: str) -> BuildRecord | None:
        if build_id not in self.ledger:
            return None
        return BuildRecord(
            id=build_id,
            object_key=self.object_keys[build_id],
            created_at="2026-01-01T00:00:00Z",
            manifest=self.build_manifest(build_id),
        )

    def build_manifest(self, build_id: str) -> Manifest | None:
        return Manifest.parse(self.ledger[build_id]) if build_id in self.ledger else None

    def update_build_manifest(self, build_id: str, manifest: Mapping[str, Any]) -> None:
        self._called("update_build_manifest", lambda: self.ledger.__setitem__(build_id, dict(manifest)))

    def save_endpoint(self, given: Mapping[str, Any]) -> EndpointRecord:
        def save() -> Endpoint:
            known = {(one.environment_id, one.name): one.id for one in self.endpoints.values()}
            endpoint_id = given.get("id") or known.get((given["flashEnvironmentId"], given["name"]))
            endpoint_id = endpoint_id or self._new_id("endpoint")
            endpoint = self.endpoints.setdefault(
                endpoint_id, Endpoint(endpoint_id, given["name"], given["flashEnvironmentId"])
            )
            build_id = given["flashBuildId"]
            endpoint.versions = [one for one in endpoint.versions if one.build_id != build_id]
            endpoint.versions.insert(0, Version(build_id, dict(given)))
            return endpoint

        endpoint = self._called("save_endpoint", save)
        return EndpointRecord(endpoint.id, endpoint.name)

    def versions(self, endpoint_id: str) -> list[VersionRecord]:
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is None:
            raise NotFound("no such endpoint")
        name = endpoint.name
        left = self.unhealthy.get(name, 0)
        self.unhealthy[name] = max(0, left - 1)
        return [
            VersionRecord(
                build_id=one.build_id,
                state=one.state,  # type: ignore[arg-type]
                is_healthy=left == 0 and name not in self.broken,
                workers=1,
                failure=self.broken.get(name),
                log_tail=(f"{name} wrote this", *self.log) if self.log else (),
            )
            for one in endpoint.versions
        ]

    def environment_versions(self, environment_id: str) -> dict[str, tuple[VersionRecord, ...]]:
        self.questions.append("environment_versions")
        return {
            one.id: tuple(self.versions(one.id))
            for one in self.endpoints.values()
            if one.environment_id == environment_id
        }

    def health(self, endpoint_id: str) -> HealthRecord:
        left = self.busy.get(endpoint_id, 0)
        self.busy[endpoint_id] = max(0, left - 1)
        return HealthRecord(in_progress=left)

    def acquire_lease(self, environment_id: str, *, holder: str, who: str, take_over: str = "") -> LeaseGrant:
        active = self.environments[environment_id]["active"]
        theirs = self.lease
        if theirs is not None and theirs.holder not in (holder, take_over) and theirs.expires_in_s > 0:
            left = theirs.expires_in_s if self.renews else theirs.expires_in_s - 1.0
            self.lease = replace(theirs, expires_in_s=max(0.0, left))
            return LeaseGrant(is_granted=False, lease=theirs, active_build_id=active)
        self.held = (environment_id, holder)
        ours = LeaseRecord(id="lease", holder=holder, who=who, since="2026-01-01T00:00:00Z", expires_in_s=30.0)
        return self._called("acquire_lease", lambda: LeaseGrant(is_granted=True, lease=ours, active_build_id=active))

    def renew_lease(self, environment_id: str) -> bool:
        return self.held is not None

    def release_lease(self, environment_id: str) -> None:
        self.held = None

    def activate(self, environment_id: str, build_id: str) -> None:
        def switch() -> None:
            for endpoint in self.endpoints.values():
                staged = [one for one in endpoint.versions if one.state == "STAGED" and one.build_id == build_id]
                if endpoint.environment_id == environment_id and staged:
                    for one in endpoint.versions:
                        one.state = "ACTIVE" if one in staged else "PREVIOUS"
            self.environments[environment_id]["active"] = build_id

        self._called("activate", switch)

    def retire(self, environment_id: str) -> int:
        def drop() -> int:
            for endpoint in self.endpoints.values():
                if endpoint.environment_id == environment_id:
                    endpoint.versions = [one for one in endpoint.versions if one.state == "ACTIVE"]
            return 1

        return self._called("retire", drop)

    def delete_endpoint(self, endpoint_id: str) -> None:
        self._called("delete_endpoint", lambda: self.endpoints.pop(endpoint_id, None))

    # -- what users see

    def seen(self) -> dict[str, tuple[str, str | None]]:
        """Id and live build by endpoint name."""
        return {one.name: (one.id, one.live) for one in self.endpoints.values()}

    def serving(self) -> dict[str, tuple[str, str | None]]:
        """Id and the digest of the artifact that answers, by endpoint name."""
        return {
            name: (one, self.ledger[build]["digest"] if build else None) for name, (one, build) in self.seen().items()
        }


def manifest(*names: str, fingerprint: str = "f1", **settings: Any) -> Manifest:
    """An app of queue endpoints; ``lb_worker`` is load-balanced."""
    resources = {name: lb_resource() if name == "lb_worker" else queue_resource(name, **settings) for name in names}
    routes = {"lb_worker": {"POST /process": "process", "GET /health": "health"}} if "lb_worker" in names else {}
    return Manifest(project_name="demo", resources=resources, routes=routes, source_fingerprint=fingerprint)


def queue_resource(name: str, **settings: Any) -> Resource:
    entry = FunctionEntry(name=f"{name}_hello", module=name, contract={"": CallSchema(input={}, example={})})
    return Resource(
        **{
            "functions": [entry],
            "image_name": "runpod/flash:py3.12-latest",
            "gpu_ids": "AMPERE_16",
            "makes_remote_calls": False,
            **settings,
        }
    )


def lb_resource() -> Resource:
    anything = CallSchema(input={"type": "object", "additionalProperties": True}, example={})
    return Resource(
        is_load_balanced=True,
        image_name="runpod/flash-lb-cpu:py3.12-latest",
        instance_ids=["cpu3c-1-2"],
        scaler_type="REQUEST_COUNT",
        functions=[
            FunctionEntry(
                name="process",
                module="lb_worker",
                http_method="POST",
                http_path="/process",
                contract={"": anything},
            ),
            FunctionEntry(name="health", module="lb_worker", http_method="GET", http_path="/health"),
        ],
    )


def artifact(what: Manifest, digest: str = "d" * 64) -> Artifact:
    return Artifact(path=Path("artifact.tar.gz"), sha256=digest, size_bytes=2**20, manifest=what, files=())


__all__ = ["Clock", "FakePlatform", "artifact", "lb_resource", "manifest", "queue_resource"]
