"""What a deployment would change: a plan as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flash.deploy.deployment import is_deployable

if TYPE_CHECKING:
    from flash.cloud.client import LiveEnvironment
    from flash.model.manifest import Manifest, Resource

__all__ = [
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "Plan",
    "Step",
    "UpdateEndpoint",
    "plan",
]

_NOT_SETTINGS: Final = frozenset({"fingerprint", "functions", "handler_file", "provided"})
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
