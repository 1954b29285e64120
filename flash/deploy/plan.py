"""What a deployment would change: the manifest of an artifact compared with what is live. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flash.deploy.compare import changes
from flash.deploy.cost import Cost, cost_of
from flash.deploy.deployment import is_deployable
from flash.deploy.planned import Plan
from flash.deploy.steps import (
    CreateEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
    ReplaceEndpoint,
    Step,
    UpdateEndpoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.cloud.records import LiveEnvironment
    from flash.model.manifest import Manifest, Resource

__all__ = [
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "Plan",
    "ReplaceEndpoint",
    "Step",
    "UpdateEndpoint",
    "plan",
]


def plan(
    manifest: Manifest,
    live: LiveEnvironment | None,
    *,
    digest: str,
    app: str = "",
    environment: str = "",
    target: str = "",
    notes: Iterable[str] = (),
    rotated: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """Compare what a project declares with what is live.

    Args:
        manifest: The artifact's.
        live: The environment, or None where there is none.
        digest: The artifact's.
        app: For whom it is, as *environment*; taken from *live* where it is not given.
        environment: Its name.
        target: Where it lives.
        notes: What else people should know.
        rotated: By endpoint, variables of secrets whose values are not those that are live.
    """
    ids: Mapping[str, str] = {} if live is None else live.endpoints
    before = None if live is None else live.manifest
    wanted = {name: resource for name, resource in manifest.resources.items() if is_deployable(resource)}
    steps: list[Step] = [
        replace(
            _step(
                name, resource, ids.get(name, ""), manifest, live, digest=digest, rotated=(rotated or {}).get(name, ())
            ),
            cost=cost_of(resource),
        )
        for name, resource in wanted.items()
    ]
    for name, endpoint_id in sorted(ids.items()):
        if name not in wanted:
            was = None if before is None else before.resources.get(name)
            cost = _UNKNOWN if was is None else cost_of(was)
            steps.append(DeleteEndpoint(name, ("no longer in the project",), endpoint_id, cost_before=cost))
    return Plan(
        tuple(steps),
        digest,
        base_build_id=None if live is None else live.active_build_id,
        base_digest=None if before is None else before.digest,
        app=app,
        environment=environment or ("" if live is None else live.name),
        target=target,
        environment_id=None if live is None else live.id,
        notes=(*notes, *([f"{live.problem}: every endpoint is deployed anew"] if live and live.problem else [])),
    )


_UNKNOWN: Final = Cost(None, None, ("what is live",))


def _step(
    name: str,
    resource: Resource,
    endpoint_id: str,
    manifest: Manifest,
    live: LiveEnvironment | None,
    *,
    digest: str,
    rotated: Sequence[str],
) -> Step:
    before = None if live is None else live.manifest
    was = None if before is None else before.resources.get(name)
    if not endpoint_id:
        return CreateEndpoint(name, ("not there yet" if was is None else "it was live, and is gone",))
    if before is None:
        is_live = live is not None and live.active_build_id is not None
        reason = "there, but its build's manifest cannot be read" if is_live else "there, but never activated"
        return UpdateEndpoint(name, (reason,), endpoint_id, cost_before=_UNKNOWN)
    if was is None:
        return UpdateEndpoint(name, ("there, but never activated",), endpoint_id, cost_before=_UNKNOWN)
    found = changes(was, resource)
    effects = {change.effect for change in found}
    code = _code(resource, was, manifest, before, digest=digest)
    secret = f"env: the secret of {', '.join(rotated)} has another value" if rotated else ""
    reasons = (*(change.text for change in found), *filter(None, (secret, code)))
    if not reasons and before.deployment is not None and before.deployment.state == "staged":
        # where endpoints are brought to a build one by one, a killed run leaves some of them behind
        reasons = ("its deployment was interrupted",)
    cost = cost_of(was)
    if "endpoint" in effects:
        return ReplaceEndpoint(name, reasons, endpoint_id, cost_before=cost, is_other_type=True)
    if "workers" in effects:
        return ReplaceEndpoint(name, reasons, endpoint_id, cost_before=cost)
    if reasons:
        return UpdateEndpoint(name, reasons, endpoint_id, cost_before=cost)
    return KeepEndpoint(name, ("unchanged",), endpoint_id, cost_before=cost)


def _code(resource: Resource, was: Resource, manifest: Manifest, before: Manifest, *, digest: str) -> str:
    """Why its workers would run something else; empty where they would not."""
    if before.digest == digest:
        return ""
    if resource.fingerprint and resource.fingerprint == was.fingerprint:
        return ""
    if before.digest is None:
        return "what it runs was not deployed by Flash"
    return "new code" if before.source_fingerprint != manifest.source_fingerprint else "new artifact"
