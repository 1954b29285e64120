"""The resource classes that came before ``Endpoint``, and what ``Endpoint`` they come to.

Older apps write ``@remote(resource_config=LiveServerless(name="gpu", gpus=[…], workersMax=3))``. Each keyword has its
parameter of ``Endpoint``; what has none is refused with what to write instead, and nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias

from flash.errors import DeclarationError
from flash.model.endpoint import DEFAULT_WORKERS, HTTP_METHODS
from flash.model.hardware import CpuInstanceType, NetworkVolume, ServerlessType, did_you_mean

__all__ = ["OLDER_RESOURCES", "OlderResource", "RemoteUse", "as_endpoint", "endpoint_text", "remote_use"]

Keywords: TypeAlias = "dict[str, Any]"

# Source: the fields of ``ServerlessResource`` of runpod-flash 1.21.0, read 2026-08.
_RENAMED: Final[Mapping[str, str]] = {
    "name": "name",
    "env": "env",
    "flashboot": "flashboot",
    "idleTimeout": "idle_timeout",
    "executionTimeoutMs": "execution_timeout_ms",
    "gpuCount": "gpu_count",
    "minCudaVersion": "min_cuda_version",
    "scalerType": "scaler_type",
    "scalerValue": "scaler_value",
    "template": "template",
    "max_concurrency": "max_concurrency",
}
_MERGED: Final = (
    *("gpus", "instanceIds", "workersMin", "workersMax", "networkVolume", "networkVolumes", "networkVolumeId"),
    *("datacenter", "locations", "cudaVersions", "type"),
)
_ELSEWHERE: Final[Mapping[str, str]] = {
    "imageName": "functions run in the images of Flash; Endpoint(name=…, image=…) stands for an image of your own",
    "dockerImage": "functions run in the images of Flash; Endpoint(name=…, image=…) stands for an image of your own",
    "python_version": 'write python = "3.12" under [tool.flash] in pyproject.toml',
    "templateId": "write template=PodTemplate(…)",
    "gpuIds": "write gpus=[GpuGroup.…]",
    "allowedCudaVersions": "write minCudaVersion=…",
    "id": "write Endpoint(id=…) to call an endpoint that exists",
}


class OlderResource:
    """A ``resource_config``. Subclasses say what their workers are, and whether they serve routes."""

    is_cpu: ClassVar[bool] = False
    is_load_balanced: ClassVar[bool] = False

    def __init__(self, **given: Any) -> None:
        kind = type(self).__name__
        known = (*_RENAMED, *_MERGED)
        # None and the empty value were how a field said nothing
        self._given = {key: value for key, value in given.items() if value is not None}
        for key, value in self._given.items():
            if key in _ELSEWHERE and value != "":
                raise DeclarationError(f"{kind}: {key} has no meaning here", hint=_ELSEWHERE[key])
            if key not in known and key not in _ELSEWHERE:
                raise DeclarationError(f"{kind} has no field {key!r}", hint=did_you_mean(key, known))
        if not self._given.get("name"):
            raise DeclarationError(f"{kind} needs a name", hint='write name="…"')
        serves = ServerlessType.LB if self.is_load_balanced else ServerlessType.QB
        if self._given.get("type", serves) != serves:
            raise DeclarationError(
                f"{kind}: type is {self._given['type']!r}", hint="leave it out: the class says what the endpoint serves"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return str(self._given["name"])

    def endpoint_keywords(self) -> Keywords:
        """What ``Endpoint`` takes instead.

        Raises:
            DeclarationError: Two fields exclude each other.
        """
        given = self._given
        keywords: Keywords = {new: given[old] for old, new in _RENAMED.items() if old in given}
        least, most = DEFAULT_WORKERS
        if "workersMin" in given or "workersMax" in given:
            keywords["workers"] = (given.get("workersMin", least), given.get("workersMax", most))
        instances = given.get("instanceIds")
        if self.is_cpu or instances:
            keywords["cpu"] = list(instances or [CpuInstanceType.CPU3G_2_8])
        elif given.get("gpus"):
            keywords["gpu"] = list(given["gpus"])
        if self.is_cpu and given.get("gpus"):
            raise DeclarationError(f"{self!r}: a CPU endpoint has no gpus", hint="leave gpus out")
        if self.is_load_balanced:
            # the default of these classes, which their platform replaced at deployment
            keywords.pop("scaler_type", None)
        volumes = _volumes(given)
        if volumes:
            keywords["volume"] = volumes
        centers = given.get("datacenter") or _split(given.get("locations"))
        if centers:
            keywords["datacenter"] = centers
        versions = given.get("cudaVersions")
        if versions and "min_cuda_version" not in keywords:
            keywords["min_cuda_version"] = min(versions, key=_version)
        return keywords


def _volumes(given: Mapping[str, Any]) -> list[NetworkVolume]:
    ways = [key for key in ("networkVolume", "networkVolumes", "networkVolumeId") if given.get(key)]
    if len(ways) > 1:
        raise DeclarationError(f"{ways[0]} and {ways[1]} exclude each other", hint="give one of them")
    if not ways:
        return []
    value = given[ways[0]]
    if ways[0] == "networkVolumeId":
        return [NetworkVolume(id=value)]
    return list(value) if isinstance(value, Sequence) else [value]


def _split(locations: object) -> list[str]:
    return [part.strip() for part in locations.split(",") if part.strip()] if isinstance(locations, str) else []


def _version(given: object) -> tuple[int, ...]:
    text = str(given.value if isinstance(given, Enum) else given)
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _resource(name: str, *, is_cpu: bool, is_load_balanced: bool) -> type[OlderResource]:
    members = {
        "__module__": "runpod_flash",
        "__doc__": "A resource_config of older apps; Endpoint replaces it.",
        "is_cpu": is_cpu,
        "is_load_balanced": is_load_balanced,
    }
    return type(name, (OlderResource,), members)


OLDER_RESOURCES: Final[Mapping[str, type[OlderResource]]] = {
    name: _resource(name, is_cpu=name.startswith("Cpu"), is_load_balanced="LoadBalancer" in name)
    for name in (
        "CpuLiveLoadBalancer",
        "CpuLiveServerless",
        "CpuLoadBalancerSlsResource",
        "CpuServerlessEndpoint",
        "LiveLoadBalancer",
        "LiveServerless",
        "LoadBalancerSlsResource",
        "ServerlessEndpoint",
    )
}
"""By their public names in ``runpod_flash``."""


@dataclass(frozen=True, slots=True)
class RemoteUse:
    """One ``@remote(…)``.

    Attributes:
        resource: None where it says ``local=True``: the function is no endpoint's.
        route: Method and path, for a load-balanced resource.
    """

    resource: OlderResource | None
    dependencies: tuple[str, ...] = ()
    system_dependencies: tuple[str, ...] = ()
    route: tuple[str, str] | None = None

    def endpoint_keywords(self) -> Keywords:
        """What ``Endpoint`` takes for the resource and this function."""
        keywords = {} if self.resource is None else self.resource.endpoint_keywords()
        if self.dependencies:
            keywords["dependencies"] = list(self.dependencies)
        if self.system_dependencies:
            keywords["system_dependencies"] = list(self.system_dependencies)
        return keywords


_REMOTE_PARAMETERS: Final = (
    *("resource_config", "dependencies", "system_dependencies", "accelerate_downloads", "local", "method", "path"),
)


def remote_use(  # the parameters are those of older apps
    resource_config: object = None,
    dependencies: Sequence[str] | None = None,
    system_dependencies: Sequence[str] | None = None,
    accelerate_downloads: object = True,  # noqa: ARG001  a bundle downloads nothing
    local: object = False,
    method: str | None = None,
    path: str | None = None,
    **unknown: object,
) -> RemoteUse:
    """Read the arguments of ``@remote(…)``.

    Raises:
        DeclarationError: One is unknown, or they do not go together.
    """
    for keyword in unknown:
        raise DeclarationError(f"remote has no parameter {keyword!r}", hint=did_you_mean(keyword, _REMOTE_PARAMETERS))
    if local:
        return RemoteUse(None)
    if not isinstance(resource_config, OlderResource):
        raise DeclarationError(
            f"remote: resource_config is {resource_config!r:.60}", hint='write @Endpoint(name="…", gpu=GpuGroup.…)'
        )
    if not resource_config.is_load_balanced:
        # for a queue older versions took method and path, and ignored them
        return RemoteUse(resource_config, tuple(dependencies or ()), tuple(system_dependencies or ()))
    if method is None or path is None or str(method).upper() not in HTTP_METHODS:
        raise DeclarationError(
            f"remote: {resource_config!r} is load-balanced, and method={method!r}, path={path!r} are no route",
            hint='write @remote(…, method="POST", path="/path")',
        )
    return RemoteUse(
        resource_config,
        tuple(dependencies or ()),
        tuple(system_dependencies or ()),
        (str(method).upper(), path),
    )


def as_endpoint(first: Keywords, second: Keywords) -> Keywords:
    """The keywords of one endpoint whose routes were declared with *first* and *second*: dependencies add up."""
    merged = {**first, **second}
    for key in ("dependencies", "system_dependencies"):
        if key in first or key in second:
            merged[key] = list(dict.fromkeys([*first.get(key, ()), *second.get(key, ())]))
    return merged


def endpoint_text(keywords: Keywords) -> str:
    """``Endpoint(name="gpu", …)`` as one would write it.

    >>> endpoint_text({"name": "hello", "workers": (0, 3)})
    "Endpoint(name='hello', workers=(0, 3))"
    """
    return f"Endpoint({', '.join(f'{key}={_text(key, value)}' for key, value in keywords.items())})"


def _text(key: str, value: object) -> str:
    if key == "env":
        # a value may be a secret
        return "{…}"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, list):
        inner = ", ".join(_text("", item) for item in value)
        return inner if key in ("gpu", "cpu") and len(value) == 1 else f"[{inner}]"
    if isinstance(value, NetworkVolume):
        return f"NetworkVolume({value.name or value.id!r})"
    return repr(value) if isinstance(value, (str, int, tuple)) else "…"
