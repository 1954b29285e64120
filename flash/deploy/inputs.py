"""The inputs that carry a deployment out, in the wire's terms. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flash.model.hardware import container_disk_gb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.manifest import Resource

__all__ = ["Placement", "endpoint_input", "template_variables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an endpoint goes.

    Attributes:
        build_id: The build that it runs, staged beside what is live.
        caller_key: Given to endpoints that call others, never to images of somebody else.
        secrets: By endpoint and variable, the values of what the manifest has references to.
    """

    app: str
    environment: str
    environment_id: str
    build_id: str
    caller_key: str = ""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


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


def template_variables(resource: Resource) -> dict[str, str]:
    """The variables of a resource's template; what is no variable there, in a manifest of others, is none."""
    entries = (resource.template or {}).get("env")
    return {
        str(entry["key"]): str(entry.get("value") or "")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and entry.get("key")
    }


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
        disk_gb = container_disk_gb(None if resource.is_gpu else resource.instance_ids or None)
    environment = {
        **template_variables(resource),
        **resource.env,
        **placement.secrets.get(name, {}),
        **_platform_variables(name, resource, placement, fingerprint=fingerprint),
    }
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
