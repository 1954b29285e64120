"""A plan for people: aligned, the summary below, then what it would cost. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.deploy.steps import ACTIONS, KeepEndpoint, ReplaceEndpoint
from flash.model.prices import PRICES_AS_OF

if TYPE_CHECKING:
    from decimal import Decimal

    from flash.deploy.plan import Plan
    from flash.deploy.steps import Step

__all__ = ["plan_summary", "plan_text"]

_VERB: Final = max(len(kind.action) for kind in ACTIONS)
_DIGEST: Final = 12


def plan_text(plan: Plan) -> str:
    """All of a plan. The same plan gives the same text."""
    blocks = [_headline(plan)]
    if plan.is_empty:
        blocks.append(plan_summary(plan))
    else:
        width = max((len(step.name) for step in plan.steps), default=0)
        blocks += ["\n".join(line for step in plan.steps for line in _step(step, width)), plan_summary(plan)]
        blocks.append("\n".join(_costs(plan, width)))
    if plan.notes:
        blocks.append("\n".join(f"! {note}" for note in plan.notes))
    return "\n\n".join(filter(None, blocks))


def _headline(plan: Plan) -> str:
    if not plan.environment:
        return ""
    of = f" of {plan.app}" if plan.app else ""
    if plan.environment_id is None:
        return f"plan for {plan.environment}{of}, which is not there yet"
    base = f"build {plan.base_build_id}" if plan.base_build_id else "nothing"
    digest = f" (artifact {plan.base_digest[:_DIGEST]})" if plan.base_digest else ""
    return f"plan for {plan.environment}{of}, where {base}{digest} is live"


def _step(step: Step, width: int) -> list[str]:
    reasons = [*step.reasons]
    if isinstance(step, ReplaceEndpoint):
        reasons.append(
            "its URL changes; Runpod cannot do that: there, give it another name"
            if step.is_other_type
            else "its workers are made anew"
        )
    head = f"  {step.sign} {step.action:<{_VERB}}  {step.name:<{width}}  "
    first, *rest = reasons or [""]
    return [f"{head}{first}".rstrip(), *(f"{'':<{len(head)}}{reason}" for reason in rest)]


def plan_summary(plan: Plan) -> str:
    """A plan in one line."""
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
