"""The manifest of an app: what `flash.model.manifest` can hold, from what was declared and planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flash.bundle.handlers import handler_name
from flash.model.hardware import NetworkVolume, image_name
from flash.model.manifest import FunctionEntry, Manifest, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.requirements import Requirements
    from flash.model.app import App, DeclaredEndpoint, Function

__all__ = ["manifest_of"]


def manifest_of(
    app: App,
    requirements: Requirements,
    *,
    python_version: str,
    source_fingerprint: str = "",
    fingerprints: Mapping[str, str] | None = None,
) -> Manifest:
    """The manifest of *app*, without schemas. The same app gives the same manifest.

    *fingerprints* are the endpoints' own, by name.
    """
    own = fingerprints or {}
    return Manifest(
        python_version=python_version,
        project_name=app.name,
        resources={
            endpoint.name: _resource(
                app,
                endpoint,
                requirements,
                python_version=python_version,
                fingerprint=own.get(endpoint.name, ""),
            )
            for endpoint in app
        },
        function_registry={function.name: endpoint.name for endpoint in app for function in endpoint.functions},
        routes={endpoint.name: endpoint.routes for endpoint in app if endpoint.is_load_balanced},
        source_fingerprint=source_fingerprint,
        excluded=dict(sorted(requirements.excluded.items())),
    )


def _resource(
    app: App, endpoint: DeclaredEndpoint, requirements: Requirements, *, python_version: str, fingerprint: str
) -> Resource:
    spec = endpoint.spec
    by_default = "REQUEST_COUNT" if endpoint.is_load_balanced else "QUEUE_DELAY"
    return Resource(
        is_load_balanced=endpoint.is_load_balanced,
        functions=[_entry(function) for function in endpoint.functions],
        image_name=spec.image
        or image_name(is_gpu=spec.is_gpu, is_load_balanced=endpoint.is_load_balanced, python_version=python_version),
        gpu_ids=spec.gpu_ids,
        gpu_count=spec.gpu_count,
        instance_ids=None if spec.instance_ids is None else list(spec.instance_ids),
        workers_min=spec.workers_min,
        workers_max=spec.workers_max,
        idle_timeout_s=spec.idle_timeout_s,
        execution_timeout_ms=spec.execution_timeout_ms,
        scaler_type=spec.scaler_type or by_default,
        scaler_value=spec.scaler_value,
        flashboot=spec.flashboot,
        locations=spec.locations,
        min_cuda_version=spec.min_cuda_version,
        max_concurrency=spec.max_concurrency,
        env=dict(spec.env),
        secrets=dict(spec.secrets) or None,
        network_volumes=[_volume(volume) for volume in spec.volumes],
        template=_template(endpoint),
        handler_file=None if spec.is_client else handler_name(endpoint.name),
        makes_remote_calls=app.makes_remote_calls(endpoint),
        calls_by_id=app.calls_by_id(endpoint),
        client_mode=spec.is_client,
        target_python_version=python_version,
        provided=list(requirements.provided.get(endpoint.name, ())),
        fingerprint=fingerprint,
    )


def _entry(function: Function) -> FunctionEntry:
    return FunctionEntry(
        name=function.name,
        module=function.module,
        is_async=function.is_async,
        is_class=function.is_class,
        is_generator=function.is_generator,
        class_methods=list(function.methods),
        http_method=function.http_method,
        http_path=function.http_path,
    )


def _volume(volume: NetworkVolume) -> dict[str, Any]:
    known = {"name": volume.name, "id": volume.id, "size": volume.size, "dataCenterId": volume.datacenter.value}
    return {key: value for key, value in known.items() if value is not None}


def _template(endpoint: DeclaredEndpoint) -> dict[str, Any]:
    template = endpoint.spec.template
    known: dict[str, Any] = {"containerDiskInGb": endpoint.spec.container_disk_gb}
    if template is not None:
        known |= {
            "advancedStart": template.advancedStart,
            "config": dict(template.config),
            "containerRegistryAuthId": template.containerRegistryAuthId,
            "dockerArgs": template.dockerArgs,
            "env": [{"key": key, "value": value} for key, value in template.env],
            "ports": template.ports,
            "startScript": template.startScript,
        }
    # what is empty is the platform's default
    return {key: value for key, value in known.items() if value not in ("", [], {}, False)}
