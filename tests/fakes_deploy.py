"""A platform in memory, as far as a deployment sees one, and artifacts to deploy to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes_cloud import ADDRESS, Clock

from flash.cloud.client import AppRecord, EndpointRecord, EnvironmentRecord, LiveEnvironment, VersionRecord
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
    """

    def __init__(self) -> None:
        self.address = ADDRESS
        self.apps: dict[str, str] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.builds: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.uploads: list[Path] = []
        self.calls: list[str] = []
        self.fails: dict[str, BaseException] = {}
        self.unhealthy: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.log: tuple[str, ...] = ("starting",)
        self.upload_hook: Callable[[], None] = lambda: None
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
        return AppRecord(self.apps[name], name) if name in self.apps else None

    def create_app(self, name: str) -> AppRecord:
        self.apps[name] = self._called("create_app", lambda: self._new_id("app"))
        return AppRecord(self.apps[name], name)

    def environment(self, app_name: str, environment_name: str) -> LiveEnvironment | None:
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
        return self._called("upload", lambda: self.uploads.append(path) or self._new_id("object"))

    def finalize(self, app_id: str, object_key: str, manifest: Mapping[str, Any]) -> str:
        build_id = self._called("finalize", lambda: self._new_id("build"))
        self.builds[build_id] = dict(manifest)
        return build_id

    def build_manifest(self, build_id: str) -> Manifest | None:
        return Manifest.parse(self.builds[build_id]) if build_id in self.builds else None

    def update_build_manifest(self, build_id: str, manifest: Mapping[str, Any]) -> None:
        self._called("update_build_manifest", lambda: self.builds.__setitem__(build_id, dict(manifest)))

    def save_endpoint(self, given: Mapping[str, Any]) -> EndpointRecord:
        def save() -> Endpoint:
            endpoint_id = given.get("id") or self._new_id("endpoint")
            endpoint = self.endpoints.setdefault(
                endpoint_id, Endpoint(endpoint_id, given["name"], given["flashEnvironmentId"])
            )
            build_id = given["flashBuildId"]
            endpoint.versions = [one for one in endpoint.versions if one.state != "STAGED" and one.build_id != build_id]
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
