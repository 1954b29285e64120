"""What came of a run: filled in while it goes on, told on the terminal. ``reporting`` makes a document of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_flash.report import Failure

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from flash.deploy.gate import Condition
    from flash.deploy.gate import Verdict as Gate
    from flash.deploy.plan import Plan
    from flash.deploy.trial import Step
    from flash.errors import FlashError
    from flash.preview.checkout import Checkout
    from flash.preview.pipeline import Promotion
    from flash.project import TargetName
    from pytest_flash.report import Stage

__all__ = ["Verdict", "write_summary"]

Outcome = Literal["deployed", "passed", "planned", "refused", "failed", "rolled-back", "interrupted"]


@dataclass(slots=True)
class Verdict:
    """The verdict, filled in while the run goes on.

    Attributes:
        outcome: ``deployed``, ``refused``, ``failed``, ``rolled-back`` or ``interrupted``; ``planned`` where the run
            was to stop before the promotion, ``passed`` where nothing was to be deployed.
        failure: Why it is neither ``deployed``, ``planned`` nor ``passed``.
        live: What is live after a rollback, in words; also where an interruption was the reason for it.
        notes: What else people should know.
        untyped: What contract checks left out, by node id.
        previous_digest: What was live before the promotion, where that is known.
        git: The checkout that the run was started in.
        plan: What the promotion would change.
        canary: What came of each step in which the new version was tried.
    """

    environment: str | None
    outcome: Outcome = "failed"
    app: str = ""
    target: TargetName | None = None
    digest: str | None = None
    failure: Failure | None = None
    gate: Gate | None = None
    stages: tuple[Stage, ...] = ()
    promotion: Promotion | None = None
    live: str = ""
    notes: list[str] = field(default_factory=list)
    untyped: dict[str, str] = field(default_factory=dict)
    previous_digest: str | None = None
    git: Checkout | None = None
    plan: Plan | None = None
    canary: tuple[Step, ...] = ()

    @property
    def in_the_way(self) -> tuple[Condition, ...]:
        """The gate's conditions that did not pass."""
        return () if self.gate is None else self.gate.in_the_way

    def take(self, gate: Gate) -> Failure | None:
        """Take what the gate says; why it says no, or None where it does not."""
        self.gate = gate
        if gate.passed:
            return None
        reasons = "; ".join(f"{condition.code} {condition.evidence}" for condition in gate.in_the_way)
        self.outcome = "refused"
        self.failure = Failure(
            f"the gate refused: {reasons}", detail="\n".join(_condition_lines(gate.in_the_way, with_remedy=True))
        )
        return self.failure

    def planned(self, plan: Plan, gate: Gate) -> None:
        """What would be changed is known, and what the gate would say; nothing was."""
        self.outcome, self.plan, self.gate, self.failure = "planned", plan, gate, None

    def fail(self, error: FlashError) -> None:
        """A stage failed, or the run could not begin."""
        self.outcome, self.failure = "failed", Failure.of(error)

    def rolled_back(self, error: FlashError, live: str) -> None:
        """What was deployed did not stay."""
        self.outcome, self.failure, self.live = "rolled-back", Failure.of(error), live

    def stopped(self, live: str) -> None:
        """Somebody stopped the run while what was deployed was tested; it was put back."""
        self.outcome, self.failure, self.live = "interrupted", Failure("interrupted"), live

    def deployed(self, promotion: Promotion) -> None:
        """It is live, and verified."""
        self.outcome, self.promotion, self.failure = "deployed", promotion, None


def write_summary(verdict: Verdict, terminal: TerminalReporter, *, with_block: bool) -> None:
    """Write the verdict for people: what it is, first; the block of deployed endpoints, if wanted, last."""
    _write_verdict(verdict, terminal, in_full=with_block)
    for step in verdict.canary:
        terminal.write_line(f"  canary {step}")
    if verdict.gate is not None and verdict.gate.passed:
        conditions = verdict.gate.conditions if terminal.verbosity > 0 else ()
        for line in (*_condition_lines(conditions, with_remedy=False), *verdict.gate.notes):
            terminal.write_line(f"  {line}")
    if verdict.outcome == "planned" and verdict.plan is not None:
        for line in ("", *verdict.plan.text().splitlines()):
            terminal.write_line(line)
    for nodeid, left_out in sorted(verdict.untyped.items()):
        terminal.write_line(f"note: {nodeid}: {left_out}", yellow=True)
    for note in verdict.notes:
        terminal.write_line(f"note: {note}", yellow=True)
    if with_block and verdict.promotion is not None:
        _write_block(verdict.promotion, terminal)


def _write_verdict(verdict: Verdict, terminal: TerminalReporter, *, in_full: bool) -> None:
    headline, markup = _headline(verdict)
    if not headline:
        return
    terminal.write_sep("=", "flash", **markup)
    terminal.write_line(headline, **markup)
    # whoever prints the block has these to print too
    for line in _condition_lines(verdict.in_the_way, with_remedy=True) if in_full else ():
        terminal.write_line(f"  {line}")
    if verdict.failure is not None and verdict.failure.hint:
        terminal.write_line(f"hint: {verdict.failure.hint}")
    if verdict.live:
        terminal.write_line(verdict.live)


def _write_block(promotion: Promotion, terminal: TerminalReporter) -> None:
    from flash.deploy.summary import deployed_block
    from flash.project import program

    terminal.write_line("")
    block = deployed_block(promotion.deployment, is_local=promotion.is_local, program=program())
    for line in block.splitlines():
        terminal.write_line(line)


def _headline(verdict: Verdict) -> tuple[str, dict[str, bool]]:
    digest = f"sha256:{verdict.digest[:12]}" if verdict.digest else "nothing"
    reason = verdict.failure.message if verdict.failure is not None else ""
    environment = verdict.environment
    bad = {"red": True, "bold": True}
    if verdict.outcome == "deployed":
        return f"deployed {digest} to {environment}{_before(verdict)}", {"green": True, "bold": True}
    if verdict.outcome == "planned":
        gate = "; the gate would refuse" if verdict.in_the_way else ""
        return f"planned {digest} for {environment}: nothing was changed{gate}", {"yellow" if gate else "green": True}
    if verdict.outcome == "passed":
        return (f"passed against the preview of {digest}" if verdict.digest else ""), {"green": True}
    if environment is None:
        # the failed reports say it all, but for a gate that was asked for a receipt
        return ("no receipt: the gate refused", bad) if verdict.outcome == "refused" else ("", {})
    if verdict.outcome == "rolled-back":
        return f"rolled back {environment}: {reason}", bad
    if verdict.outcome == "interrupted" and verdict.live:
        return f"rolled back {environment}: interrupted", bad
    if verdict.outcome == "interrupted":
        return f"nothing deployed to {environment}: interrupted", bad
    if any(stage.id.startswith("flash::rollback[") and stage.outcome == "failed" for stage in verdict.stages):
        return f"{environment} is not as it was: {reason}", bad
    return f"nothing deployed to {environment}: {'the gate refused' if verdict.outcome == 'refused' else reason}", bad


def _before(verdict: Verdict) -> str:
    if not verdict.previous_digest:
        return ""
    return (
        " (live already)" if verdict.previous_digest == verdict.digest else f" (before: {verdict.previous_digest[:12]})"
    )


def _condition_lines(conditions: tuple[Condition, ...], *, with_remedy: bool) -> list[str]:
    lines: list[str] = []
    for condition in conditions:
        outcome = "" if condition.outcome == "pass" else f"{condition.outcome}: "
        lines.append(f"{condition.code} {condition.title}: {outcome}{condition.evidence}")
        if with_remedy and condition.remedy:
            lines.append(f"  hint: {condition.remedy}")
    return lines
