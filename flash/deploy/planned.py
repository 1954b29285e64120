"""A plan as a value: what would change, whether it still fits, as text and as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.deploy.cost import Cost, total
from flash.deploy.prices import PRICES_AS_OF, PRICES_SOURCE
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

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from flash.cloud.records import LiveEnvironment

__all__ = ["Plan"]

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
        target: Where it lives, ``runpod`` or ``local``, where that matters.
        environment_id: None where there is no such environment yet.
        notes: What else people should know before it is carried out.
    """

    steps: tuple[Step, ...]
    digest: str
    base_build_id: str | None
    base_digest: str | None = None
    app: str = ""
    environment: str = ""
    target: str = ""
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
        return _summary(self)

    def text(self) -> str:
        """For people: a line or more a step, a summary, and what it would cost."""
        return _text(self)

    # -- a plan that was kept

    def as_json(self) -> dict[str, Any]:
        """As JSON; :meth:`from_json` reads it again.

        Shape: ``{"format": 1, "generator", "app", "environment", "target", "environment_id", "digest",
        "base": {"build", "digest"}, "is_empty", "summary": {ACTION: int}, "steps": [STEP], "cost": COST,
        "cost_before": COST, "prices": {"as_of", "source", "currency"}, "notes": [str]}``; STEP and COST are what
        ``as_json`` of a step and a ``Cost`` give.
        """
        return {
            "format": _FORMAT,
            # builds know it by that, and leave it out
            "generator": "pytest-flash",
            "app": self.app,
            "environment": self.environment,
            "target": self.target or None,
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
                target=text_or_none(data["target"]) or "",
                environment_id=text_or_none(data["environment_id"]),
                notes=tuple(map(text_of, data["notes"])),
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DeployError(f"that is no plan: {why}", hint="make one: flash plan --out FILE") from error

    def misfits(self, live: LiveEnvironment | None) -> tuple[str, ...]:
        """What has changed in the environment since the plan was made, a line each; nothing where it still fits."""
        environment_id, build_id = (None, None) if live is None else (live.id, live.active_build_id)
        endpoints: Mapping[str, str] = {} if live is None else live.endpoints
        found = []
        if environment_id != self.environment_id:
            what = "is gone" if live is None else "was made" if self.environment_id is None else "was made anew"
            found.append(f"environment {self.environment!r} {what}")
        if build_id != self.base_build_id:
            found.append(f"build {build_id or 'none'} is live, not {self.base_build_id or 'none'}")
        planned = {step.name: step.id for step in self.steps if step.id}
        for name in sorted({*planned, *endpoints}):
            before, after = planned.get(name), endpoints.get(name)
            if before != after:
                what = "came" if before is None else "is gone" if after is None else "was made anew"
                found.append(f"endpoint {name!r} {what}")
        return tuple(found)

    def fits(self, live: LiveEnvironment | None) -> bool:
        """Whether the environment is still as it was when the plan was made."""
        return not self.misfits(live)

    def check(
        self, live: LiveEnvironment | None, *, app: str, environment: str, target: str = "", now: Plan | None = None
    ) -> None:
        """Refuse what this plan does not say: another environment, another artifact, or a base that has changed.

        Args:
            live: The environment as it is now.
            app: Whose environment is about to be deployed to.
            environment: Its name.
            target: Where it lives.
            now: What would be done, where the artifact is known already.

        Raises:
            Refused: With each difference as a reason.
        """
        reasons = []
        if (app, environment) != (self.app, self.environment):
            reasons.append(f"it is for {self.environment!r} of {self.app!r}, not {environment!r} of {app!r}")
        elif target and self.target and target != self.target:
            reasons.append(f"it is for target {self.target!r}, not {target!r}")
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


# ---------------------------------------------------------------------------------------------------------------------
# As text

_VERB: Final = max(len(kind.action) for kind in ACTIONS)
_DIGEST: Final = 12


def _text(plan: Plan) -> str:
    blocks = [_headline(plan)]
    if plan.is_empty:
        blocks.append(_summary(plan))
    else:
        width = max((len(step.name) for step in plan.steps), default=0)
        blocks += ["\n".join(line for step in plan.steps for line in _step(step, width)), _summary(plan)]
        blocks.append("\n".join(_costs(plan, width)))
    if plan.notes:
        blocks.append("\n".join(f"! {note}" for note in plan.notes))
    text = "\n\n".join(filter(None, blocks))
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)


def _headline(plan: Plan) -> str:
    if not plan.environment:
        return ""
    of = (f" of {plan.app}" if plan.app else "") + (f" on {plan.target}" if plan.target else "")
    if plan.environment_id is None:
        return f"plan for {plan.environment}{of}, which is not there yet"
    base = f"build {plan.base_build_id}" if plan.base_build_id else "nothing"
    digest = f" (artifact {plan.base_digest[:_DIGEST]})" if plan.base_digest else ""
    return f"plan for {plan.environment}{of}, where {base}{digest} is live"


def _step(step: Step, width: int) -> list[str]:
    reasons = [*step.reasons]
    if isinstance(step, DeleteEndpoint):
        reasons.append("goes only with --allow-delete")
    if isinstance(step, ReplaceEndpoint):
        reasons.append(
            "its URL changes; Runpod cannot do that: there, give it another name"
            if step.is_other_type
            else "its workers are made anew"
        )
    head = f"  {step.sign} {step.action:<{_VERB}}  {step.name:<{width}}  "
    first, *rest = reasons or [""]
    return [f"{head}{first}".rstrip(), *(f"{'':<{len(head)}}{reason}" for reason in rest)]


def _summary(plan: Plan) -> str:
    digest = f"artifact {plan.digest[:_DIGEST]}"
    if plan.is_empty:
        return f"nothing would change: {digest} is live"
    counts = {kind: sum(isinstance(step, kind) for step in plan.steps) for kind in ACTIONS}
    if counts[KeepEndpoint] == len(plan.steps):
        return f"no endpoint would change; {digest} becomes the live one, without a worker being touched"
    parts = [
        f"{count} unchanged" if kind is KeepEndpoint else f"{count} to {kind.action}"
        for kind, count in counts.items()
        if count
    ]
    return f"{', '.join(parts)}; {digest}"


def _costs(plan: Plan, width: int) -> list[str]:
    rows = [(step.name, step.cost, step.cost_before) for step in plan.steps]
    rows.append((_TOTAL, plan.cost, plan.cost_before))
    was_live = plan.base_build_id is not None
    cells = [
        (
            name,
            _cell(cost.idle, before.idle, was_live=was_live),
            _cell(cost.worst_case, before.worst_case, was_live=was_live),
        )
        for name, cost, before in rows
    ]
    width = max(width, len(_TOTAL))
    idle = max(len(_IDLE), *(len(at_rest) for _, at_rest, _ in cells))
    lines = [f"US dollars an hour on Runpod, by its list prices of {PRICES_AS_OF} (disks and volumes are not in them):"]
    lines.append(f"  {'':<{width}}  {_IDLE:<{idle}}  {_WORST}")
    lines += [f"  {name:<{width}}  {at_rest:<{idle}}  {worst}".rstrip() for name, at_rest, worst in cells]
    if plan.cost.unknown:
        lines.append(f"  unknown: there is no published price for {', '.join(plan.cost.unknown)}")
    return lines


_TOTAL: Final = "in total"
_IDLE: Final = "idle"
_WORST: Final = "all workers busy"


def _cell(amount: Decimal | None, before: Decimal | None, *, was_live: bool) -> str:
    now = _money(amount)
    return f"{now} (was {_money(before)})" if was_live and _money(before) != now else now


def _money(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"
