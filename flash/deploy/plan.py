"""What a deployment would change in an environment: a plan as data, as text and as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from flash.deploy.compare import changes
from flash.deploy.cost import Cost, cost_of, total
from flash.deploy.deployment import is_deployable
from flash.deploy.plan_text import plan_summary, plan_text
from flash.deploy.steps import (
    ACTIONS,
    CreateEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
    ReplaceEndpoint,
    Staged,
    Step,
    UpdateEndpoint,
    step_from_json,
    text_of,
    text_or_none,
)
from flash.errors import DeployError, Refused
from flash.model.prices import PRICES_AS_OF, PRICES_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.cloud.client import LiveEnvironment
    from flash.model.manifest import Manifest, Resource

__all__ = [
    "ACTIONS",
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "Plan",
    "ReplaceEndpoint",
    "Step",
    "UpdateEndpoint",
    "plan",
]

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change in an environment.

    Attributes:
        steps: One an endpoint: those of the manifest in its order, then what goes.
        digest: Of the artifact that would be live.
        base_build_id: The build that is live now; a plan holds only as long as it is.
        base_digest: Its artifact's, where that is known.
        app: Whose environment it is.
        environment: Its name.
        environment_id: None where there is no such environment yet.
        notes: What else people should know before it is carried out.
    """

    steps: tuple[Step, ...]
    digest: str
    base_build_id: str | None
    base_digest: str | None = None
    app: str = ""
    environment: str = ""
    environment_id: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change: every endpoint stays as it is, and the artifact is the one that is live."""
        return self.digest == self.base_digest and all(isinstance(step, KeepEndpoint) for step in self.steps)

    @property
    def staged(self) -> tuple[Staged, ...]:
        """The steps that need a new version."""
        return tuple(step for step in self.steps if isinstance(step, (CreateEndpoint, UpdateEndpoint, ReplaceEndpoint)))

    @property
    def created(self) -> tuple[str, ...]:
        """Names of the endpoints that would be made."""
        return self._names(CreateEndpoint)

    @property
    def updated(self) -> tuple[str, ...]:
        """Names of the endpoints that would get a new version in place."""
        return self._names(UpdateEndpoint)

    @property
    def replaced(self) -> tuple[str, ...]:
        """Names of the endpoints whose workers would be made anew."""
        return self._names(ReplaceEndpoint)

    @property
    def deleted(self) -> tuple[str, ...]:
        """Names of the endpoints that would go."""
        return self._names(DeleteEndpoint)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the endpoints that would stay as they are."""
        return self._names(KeepEndpoint)

    @property
    def cost(self) -> Cost:
        """Of all endpoints, once it is carried out."""
        return total(step.cost for step in self.steps)

    @property
    def cost_before(self) -> Cost:
        """Of all endpoints as they are live."""
        return total(step.cost_before for step in self.steps)

    @property
    def worst_case_per_hour(self) -> float | None:
        """US dollars with every worker busy; None where a price is not known."""
        return None if self.cost.worst_case is None else float(self.cost.worst_case)

    @property
    def idle_per_hour(self) -> float | None:
        """US dollars with nobody calling; None where a price is not known."""
        return None if self.cost.idle is None else float(self.cost.idle)

    def _names(self, kind: type[Step]) -> tuple[str, ...]:
        return tuple(step.name for step in self.steps if isinstance(step, kind))

    def __str__(self) -> str:
        return self.text()

    @property
    def summary(self) -> str:
        """In one line."""
        return plan_summary(self)

    def text(self) -> str:
        """For people: a line or more a step, a summary, and what it would cost."""
        return plan_text(self)

    # -- a plan that was kept

    def as_json(self) -> dict[str, Any]:
        """As JSON; :meth:`from_json` reads it again.

        Shape: ``{"format": 1, "generator", "app", "environment", "environment_id", "digest", "base": {"build",
        "digest"}, "is_empty", "summary": {ACTION: int}, "steps": [STEP], "cost": COST, "cost_before": COST, "prices":
        {"as_of", "source", "currency"}, "notes": [str]}``; STEP and COST are what ``as_json`` of a step and a ``Cost``
        give.
        """
        return {
            "format": _FORMAT,
            # builds know it by that, and leave it out
            "generator": "pytest-flash",
            "app": self.app,
            "environment": self.environment,
            "environment_id": self.environment_id,
            "digest": self.digest,
            "base": {"build": self.base_build_id, "digest": self.base_digest},
            "is_empty": self.is_empty,
            "summary": {kind.action: len(self._names(kind)) for kind in ACTIONS},
            "steps": [step.as_json() for step in self.steps],
            "cost": self.cost.as_json(),
            "cost_before": self.cost_before.as_json(),
            "prices": {"as_of": PRICES_AS_OF, "source": PRICES_SOURCE, "currency": "USD"},
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: object) -> Plan:
        """What :meth:`as_json` gave.

        Raises:
            DeployError: It is something else.
        """
        try:
            if not isinstance(data, dict) or data["format"] != _FORMAT:
                raise ValueError(f"its format is not {_FORMAT}")
            return cls(
                tuple(map(step_from_json, data["steps"])),
                text_of(data["digest"]),
                base_build_id=text_or_none(data["base"]["build"]),
                base_digest=text_or_none(data["base"]["digest"]),
                app=text_of(data["app"]),
                environment=text_of(data["environment"]),
                environment_id=text_or_none(data["environment_id"]),
                notes=tuple(map(text_of, data["notes"])),
            )
        except KeyError as error:
            raise _no_plan(f"{error} is missing") from error
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            raise _no_plan(str(error)) from error

    def misfits(self, live: LiveEnvironment | None) -> tuple[str, ...]:
        """What has changed in the environment since the plan was made, a line each; nothing where it still fits."""
        now = _Base(None, None, {}) if live is None else _Base(live.id, live.active_build_id, live.endpoints)
        found = []
        if now.environment_id != self.environment_id:
            what = "is gone" if live is None else "was made" if self.environment_id is None else "was made anew"
            found.append(f"environment {self.environment!r} {what}")
        if now.build_id != self.base_build_id:
            found.append(f"build {now.build_id or 'none'} is live, not {self.base_build_id or 'none'}")
        planned = {step.name: step.id for step in self.steps if step.id}
        for name in sorted({*planned, *now.endpoints}):
            before, after = planned.get(name), now.endpoints.get(name)
            if before != after:
                what = "came" if before is None else "is gone" if after is None else "was made anew"
                found.append(f"endpoint {name!r} {what}")
        return tuple(found)

    def fits(self, live: LiveEnvironment | None) -> bool:
        """Whether the environment is still as it was when the plan was made."""
        return not self.misfits(live)

    def check(self, live: LiveEnvironment | None, *, app: str, environment: str, now: Plan | None = None) -> None:
        """Refuse what this plan does not say: another environment, another artifact, or a base that has changed.

        Args:
            live: The environment as it is now.
            app: Whose environment is about to be deployed to.
            environment: Its name.
            now: What would be done, where the artifact is known already.

        Raises:
            Refused: With each difference as a reason.
        """
        reasons = []
        if (app, environment) != (self.app, self.environment):
            reasons.append(f"it is for {self.environment!r} of {self.app!r}, not {environment!r} of {app!r}")
        else:
            reasons += self.misfits(live)
        if now is not None and now.digest != self.digest:
            reasons.append(f"the artifact is {now.digest[:12]}, the plan's is {self.digest[:12]}")
        elif now is not None and not reasons:
            # the same artifact over the same base: only somebody who edited one of them gets here
            reasons += self._other_steps(now)
        if reasons:
            raise Refused(
                f"the plan no longer fits: {reasons[0]}" + (f", and {len(reasons) - 1} more" if reasons[1:] else ""),
                reasons=reasons,
                hint=f"look at a new one: flash plan --env {environment} --out FILE",
            )

    def _other_steps(self, now: Plan) -> list[str]:
        said, done = ({step.name: step.action for step in one.steps} for one in (self, now))
        return [
            f"endpoint {name!r}: the plan says {said.get(name, 'nothing')}, it would be {done.get(name, 'nothing')}"
            for name in {**said, **done}
            if said.get(name) != done.get(name)
        ]


@dataclass(frozen=True, slots=True)
class _Base:
    environment_id: str | None
    build_id: str | None
    endpoints: Mapping[str, str]


def plan(
    manifest: Manifest,
    live: LiveEnvironment | None,
    *,
    digest: str,
    app: str = "",
    environment: str = "",
    notes: Iterable[str] = (),
) -> Plan:
    """Compare what a project declares with what is live.

    Args:
        manifest: The artifact's.
        live: The environment, or None where there is none.
        digest: The artifact's.
        app: For whom it is, as *environment*; taken from *live* where it is not given.
        environment: Its name.
        notes: What else people should know.
    """
    ids: Mapping[str, str] = {} if live is None else live.endpoints
    before = None if live is None else live.manifest
    wanted = {name: resource for name, resource in manifest.resources.items() if is_deployable(resource)}
    steps: list[Step] = [
        replace(_step(name, resource, ids.get(name, ""), manifest, live, digest=digest), cost=cost_of(resource))
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
        environment_id=None if live is None else live.id,
        notes=tuple(notes),
    )


def _no_plan(why: str) -> DeployError:
    return DeployError(f"that is no plan: {why}", hint="make one: flash plan --out FILE")


_UNKNOWN: Final = Cost(None, None, ("what is live",))


def _step(
    name: str, resource: Resource, endpoint_id: str, manifest: Manifest, live: LiveEnvironment | None, *, digest: str
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
    reasons = (*(change.text for change in found), *([code] if code else []))
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
