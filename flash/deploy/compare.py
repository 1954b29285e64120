"""What differs between two configurations of an endpoint, and what it takes to get from one to the other. Pure.

Compared is what the platform would be told, in one form: an unset value is its default, the order of lists and of
variables means nothing, and what the platform itself adds to an endpoint's variables is left out. So a manifest that
went through a platform, or that ``runpod-flash`` wrote, differs from ours only where the endpoint does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from flash.deploy.inputs import template_variables
from flash.errors import DeclarationError
from flash.model.hardware import container_disk_gb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.manifest import Resource

__all__ = ["Change", "Effect", "changes", "settings"]

Effect = Literal["rolling", "workers", "endpoint"]
"""What a change costs: workers take it as they are replaced one by one; all workers are made anew; the endpoint is."""

_EFFECTS: Final[Mapping[str, Effect]] = {
    "type": "endpoint",
    "imageName": "workers",
    "gpuIds": "workers",
    "gpuCount": "workers",
    "instanceIds": "workers",
    "minCudaVersion": "workers",
    "flashboot": "workers",
    "networkVolumes": "workers",
    "template": "workers",
}
"""The rest is rolling. Source: Runpod docs, Flash, "Update endpoints", read 2026-08: GPU type and count, image,
template, volume, FlashBoot and CUDA recreate workers; worker counts, scaler, time-outs and variables are rolling."""

_TEMPLATE_DEFAULTS: Final[Mapping[str, Any]] = {
    "advancedStart": False,
    "config": {},
    "containerRegistryAuthId": "",
    "dockerArgs": "",
    "ports": "",
    "startScript": "",
}
# a command line may hold a secret
_HIDDEN: Final = frozenset({"template.config", "template.dockerArgs", "template.startScript"})
_PLATFORM_VARIABLES: Final = frozenset(
    {"_FLASH_SOURCE_FINGERPRINT", "FLASH_RESOURCE_NAME", "FLASH_ENDPOINT_TYPE", "FLASH_APP", "FLASH_ENV"}
)
_CALLERS_VARIABLES: Final = frozenset({"RUNPOD_API_KEY", "FLASH_ENVIRONMENT_ID"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        text: ``workersMax 1 → 3``; never the value of a variable, which may be a secret.
    """

    text: str
    effect: Effect


def changes(was: Resource, now: Resource) -> tuple[Change, ...]:
    """What differs, in a fixed order."""
    old, new = settings(was), settings(now)
    found = []
    for key in new:
        if old[key] == new[key]:
            continue
        effect = _EFFECTS.get(key.partition(".")[0], "rolling")
        if key == "env":
            text = f"env: {_variables(old[key], new[key])}"
        elif key in _HIDDEN:
            text = f"{key} changed"
        else:
            text = f"{key} {_shown(old[key])} → {_shown(new[key])}"
        # a manifest may be anybody's
        found.append(Change("".join(one if one.isprintable() else "\ufffd" for one in text), effect))
    return tuple(found)


def settings(resource: Resource) -> dict[str, Any]:
    """What the platform would be told of an endpoint, each in its one form."""
    is_gpu = resource.is_gpu
    template = resource.template or {}
    return {
        "type": "LB" if resource.is_load_balanced else "QB",
        "imageName": resource.image_name,
        "gpuIds": _words(resource.gpu_ids) if is_gpu else (),
        "gpuCount": resource.gpu_count if is_gpu else None,
        "instanceIds": () if is_gpu else tuple(sorted(resource.instance_ids or ())),
        "minCudaVersion": (resource.min_cuda_version or None) if is_gpu else None,
        "workersMin": resource.workers_min,
        "workersMax": resource.workers_max,
        "idleTimeout": resource.idle_timeout_s,
        "executionTimeoutMs": resource.execution_timeout_ms,
        "scalerType": "REQUEST_COUNT" if resource.is_load_balanced else resource.scaler_type.upper(),
        "scalerValue": resource.scaler_value,
        "flashboot": resource.flashboot,
        "locations": tuple(word.upper().replace("_", "-") for word in _words(resource.locations)),
        "networkVolumes": tuple(sorted(map(_volume, resource.network_volumes))),
        "template.containerDiskInGb": _disk_gb(resource),
        **{f"template.{key}": template.get(key) or default for key, default in _TEMPLATE_DEFAULTS.items()},
        "env": _environment(resource),
        "max_concurrency": 1 if resource.is_load_balanced else resource.max_concurrency,
        "makes_remote_calls": resource.makes_remote_calls and not resource.client_mode,
    }


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(sorted({word.strip() for word in (text or "").split(",") if word.strip()}))


def _volume(volume: Mapping[str, Any]) -> str:
    return str(volume.get("id") or f"{volume.get('name')} in {volume.get('dataCenterId')}")


def _disk_gb(resource: Resource) -> object:
    given = (resource.template or {}).get("containerDiskInGb")
    if given is None:
        try:
            return container_disk_gb(None if resource.is_gpu else resource.instance_ids or None)
        except DeclarationError:
            # an instance that we do not know: whoever deployed it knew its disk
            return None
    return int(given) if isinstance(given, str) and given.strip().isdigit() else given


def _environment(resource: Resource) -> dict[str, str]:
    own = template_variables(resource)
    added: frozenset[str] = frozenset()
    if not resource.client_mode:
        added = _PLATFORM_VARIABLES | (_CALLERS_VARIABLES if resource.makes_remote_calls else frozenset())
    # a reference is no value, whatever that is
    secrets = {variable: f"\0{name}" for variable, name in (resource.secrets or {}).items()}
    return {name: value for name, value in {**own, **resource.env, **secrets}.items() if name not in added}


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    groups = {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        "removed": sorted(old.keys() - new.keys()),
    }
    return ", ".join(f"{', '.join(names)} {verb}" for verb, names in groups.items() if names)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return "none" if value is None or value == "" else str(value)
