"""What a deployment would change: a plan as data, and the inputs that carry it out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flash.deploy.deployment import is_deployable
from flash.model.hardware import container_disk_gb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.cloud.client import LiveEnvironment
    from flash.model.manifest import Manifest, Resource

__all__ = [
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "Placement",
    "Plan",
    "Step",
    "UpdateEndpoint",
    "endpoint_input",
    "plan",
]

_NOT_SETTINGS: Final = frozenset({"functions", "handler_file", "provided"})
_SECRET: Final = frozenset({"env"})


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """An endpoint that is not there yet."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """An endpoint that gets a new version, under the id that it has."""

    name: str
    reason: str
    id: str


@dataclass(frozen=True, slots=True)
class KeepEndpoint:
    """An endpoint that stays as it is."""

    name: str
    reason: str
    id: str


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    """An endpoint that the project no longer declares."""

    name: str
    reason: str
    id: str


Step: TypeAlias = "CreateEndpoint | UpdateEndpoint | KeepEndpoint | DeleteEndpoint"

_SIGNS: Final[dict[type[object], tuple[str, str]]] = {
    CreateEndpoint: ("+", "create"),
    UpdateEndpoint: ("~", "update"),
    KeepEndpoint: ("=", "keep"),
    DeleteEndpoint: ("-", "delete"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change in an environment.

    Attributes:
        steps: One an endpoint: those of the manifest in its order, then what goes.
        digest: Of the artifact that would be live.
        base_build_id: The build that is live now; a plan holds only as long as it is.
    """

    steps: tuple[Step, ...]
    digest: str
    base_build_id: str | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return all(isinstance(step, KeepEndpoint) for step in self.steps)

    @property
    def staged(self) -> tuple[CreateEndpoint | UpdateEndpoint, ...]:
        """The steps that need a new version."""
        return tuple(step for step in self.steps if isinstance(step, (CreateEndpoint, UpdateEndpoint)))

    def text(self) -> str:
        """One line a step."""
        if self.is_empty:
            return f"nothing would change: artifact {self.digest[:12]} is live"
        width = max(len(step.name) for step in self.steps)
        lines = []
        for step in self.steps:
            sign, verb = _SIGNS[type(step)]
            lines.append(f"{sign} {verb:<6} {step.name:<{width}}  {step.reason}".rstrip())
        return "\n".join(lines)


def plan(manifest: Manifest, live: LiveEnvironment | None, *, digest: str) -> Plan:
    """Compare what a project declares with what is live."""
    ids = {} if live is None else live.endpoints
    before = None if live is None else live.manifest
    wanted = {name: resource for name, resource in manifest.resources.items() if is_deployable(resource)}
    steps: list[Step] = [
        _step(name, resource, ids.get(name), manifest, before, digest=digest) for name, resource in wanted.items()
    ]
    steps += [
        DeleteEndpoint(name, "no longer in the project", endpoint_id)
        for name, endpoint_id in sorted(ids.items())
        if name not in wanted
    ]
    return Plan(tuple(steps), digest, None if live is None else live.active_build_id)


def _step(
    name: str, resource: Resource, endpoint_id: str | None, manifest: Manifest, before: Manifest | None, *, digest: str
) -> Step:
    if endpoint_id is None:
        return CreateEndpoint(name, "not there yet")
    was = None if before is None else before.resources.get(name)
    if before is None or was is None:
        return UpdateEndpoint(name, "there, but never activated", endpoint_id)
    changes = _changes(was, resource)
    if before.digest == digest and not changes:
        return KeepEndpoint(name, "unchanged", endpoint_id)
    if before.digest != digest:
        is_new_code = before.source_fingerprint != manifest.source_fingerprint
        changes.append("new code" if is_new_code else "new artifact")
    return UpdateEndpoint(name, "; ".join(changes), endpoint_id)


def _changes(was: Resource, now: Resource) -> list[str]:
    old, new = _settings(was), _settings(now)
    changes = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key in _SECRET or isinstance(before, (dict, list)) or isinstance(after, (dict, list)):
            # values of variables may be secrets, and are nobody's business on a terminal
            changes.append(f"{key} changed")
        else:
            changes.append(f"{key} {_shown(before)} → {_shown(after)}")
    return changes


def _settings(resource: Resource) -> dict[str, Any]:
    data = resource.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in data.items() if key not in _NOT_SETTINGS}


def _shown(value: object) -> str:
    return "none" if value is None or value == "" else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an endpoint goes.

    Attributes:
        build_id: The build that it runs, staged beside what is live.
        caller_key: Given to endpoints that call others, never to images of somebody else.
    """

    app: str
    environment: str
    environment_id: str
    build_id: str
    caller_key: str = ""


def endpoint_input(
    name: str, resource: Resource, placement: Placement, *, fingerprint: str, endpoint_id: str | None = None
) -> dict[str, Any]:
    """The wire's ``EndpointInput`` that stages a version of an endpoint.

    The same arguments give the same input, so that putting a build back asks for what was there before.

    Source: ``flash/schema.graphql``; values as the platform's own client sends them, read 2026-08.
    """
    is_load_balanced = resource.is_load_balanced
    given: dict[str, Any] = {
        "name": name,
        "type": "LB" if is_load_balanced else "QB",
        "scalerType": "REQUEST_COUNT" if is_load_balanced else resource.scaler_type,
        "scalerValue": resource.scaler_value,
        "workersMin": resource.workers_min,
        "workersMax": resource.workers_max,
        "workersPFBTarget": 0,
        "idleTimeout": resource.idle_timeout_s,
        "executionTimeoutMs": resource.execution_timeout_ms,
        "flashEnvironmentId": placement.environment_id,
        "flashBuildId": placement.build_id,
        "template": _template(name, resource, placement, fingerprint=fingerprint),
    }
    if endpoint_id is not None:
        given["id"] = endpoint_id
    if resource.flashboot:
        given["flashBootType"] = "FLASHBOOT"
    if resource.locations:
        given["locations"] = resource.locations
    return {**given, **_hardware(resource), **_volumes(resource)}


def _hardware(resource: Resource) -> dict[str, Any]:
    if not resource.is_gpu:
        return {"instanceIds": list(resource.instance_ids or ())}
    given: dict[str, Any] = {
        "gpuIds": resource.gpu_ids,
        "gpuCount": resource.gpu_count,
        "allowedCudaVersions": "",
    }
    if resource.min_cuda_version:
        given["minCudaVersion"] = resource.min_cuda_version
    return given


def _volumes(resource: Resource) -> dict[str, Any]:
    ids = [volume["id"] for volume in resource.network_volumes if volume.get("id")]
    if len(ids) == 1:
        return {"networkVolumeId": ids[0]}
    return {"networkVolumeIds": [{"networkVolumeId": one} for one in ids]} if ids else {}


def _template(name: str, resource: Resource, placement: Placement, *, fingerprint: str) -> dict[str, Any]:
    given = dict(resource.template or {})
    disk_gb = given.get("containerDiskInGb")
    if disk_gb is None:
        disk_gb = container_disk_gb(None if resource.is_gpu else resource.instance_ids)
    own = {entry["key"]: entry["value"] for entry in given.get("env", ())}
    environment = {**own, **resource.env, **_platform_variables(name, resource, placement, fingerprint=fingerprint)}
    return {
        "advancedStart": bool(given.get("advancedStart", False)),
        "config": given.get("config", {}),
        "containerDiskInGb": disk_gb,
        "containerRegistryAuthId": given.get("containerRegistryAuthId", ""),
        "dockerArgs": given.get("dockerArgs", ""),
        "env": [{"key": key, "value": value} for key, value in environment.items()],
        "imageName": resource.image_name,
        # names of templates are unique on the platform
        "name": f"{placement.app}-{placement.environment}-{name}-{placement.build_id}",
        "ports": given.get("ports", ""),
        "startScript": given.get("startScript", ""),
    }


def _platform_variables(name: str, resource: Resource, placement: Placement, *, fingerprint: str) -> Mapping[str, str]:
    if resource.client_mode:
        # an image of somebody else's knows nothing of Flash, and is told nothing
        return {}
    variables = {
        "_FLASH_SOURCE_FINGERPRINT": fingerprint,
        "FLASH_RESOURCE_NAME": name,
        "FLASH_ENDPOINT_TYPE": "lb" if resource.is_load_balanced else "qb",
        "FLASH_APP": placement.app,
        "FLASH_ENV": placement.environment,
    }
    if resource.makes_remote_calls:
        variables["FLASH_ENVIRONMENT_ID"] = placement.environment_id
        if placement.caller_key:
            variables["RUNPOD_API_KEY"] = placement.caller_key
    return variables
