"""Puts what was seen before the gate."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from flash.deploy.gate import GateFacts, evaluate
from pytest_flash.facts import narrowing
from pytest_flash.subject import is_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

    from flash.deploy.gate import ContractOutcome, Verdict
    from flash.project import TargetName
    from pytest_flash.facts import Observations
    from pytest_flash.stages import Stages
    from pytest_flash.subject import Subject

__all__ = ["contract_outcomes", "gate_facts", "judge"]


def judge(
    session: pytest.Session,
    seen: Observations,
    stages: Stages,
    *,
    environment: str,
    target: TargetName,
    collected: Sequence[str],
    subjects: Sequence[Subject],
    endpoints: Iterable[str],
    cut_short: str,
) -> Verdict:
    """Whether the artifact of *stages* may be promoted.

    Args:
        session: Of the run, which has ended.
        seen: What it saw.
        stages: Built and previewed.
        environment: Where it would go.
        target: Where that lives.
        collected: Node ids that were to run, after deselection.
        subjects: What was to be checked.
        endpoints: All names, also of those without anything to check.
        cut_short: Why the run stopped before its end, or the empty string.

    Raises:
        DeployError: The artifact is gone.
    """
    project = stages.project
    settings = project.settings.environments.get(environment)
    facts = gate_facts(
        seen,
        collected=collected,
        contract=contract_outcomes(seen, subjects, endpoints),
        # other plugins can fail a run without a report, such as for too little coverage
        unreported=session.testsfailed - seen.failed_reports,
        cut_short=cut_short,
        narrowed_by=narrowing(session.config, project.root),
        digests=(stages.digest_to_promote(), stages.digest_tested),
        wheels=(
            target == "runpod" and not _is_like_the_workers(),
            settings is not None and settings.accept_host_wheels,
        ),
    )
    return evaluate(facts)


def gate_facts(
    seen: Observations,
    *,
    collected: Sequence[str],
    contract: dict[str, ContractOutcome],
    unreported: int,
    cut_short: str,
    narrowed_by: tuple[str, ...],
    digests: tuple[str, str | None],
    wheels: tuple[bool, bool],
) -> GateFacts:
    """The gate's facts, from what was seen."""
    errors = [*seen.with_outcome("error"), *seen.broken]
    if unreported > 0:
        errors.append("another plugin failed the run")
    known = (*collected, *seen.deselected, *seen.skipped_files, *seen.broken)
    return GateFacts(
        collected=len(collected) + len(seen.skipped_files),
        passed=len(seen.with_outcome("passed")),
        failed=tuple(seen.with_outcome("failed")),
        errors=tuple(errors),
        skipped={**seen.with_outcome("skipped"), **seen.skipped_files},
        xfailed=seen.with_outcome("xfailed"),
        xpassed=tuple(seen.with_outcome("xpassed")),
        deselected=tuple(sorted(seen.deselected)),
        without_outcome=tuple(nodeid for nodeid in dict.fromkeys(collected) if nodeid not in seen.outcomes),
        cut_short=cut_short,
        narrowed_by=narrowed_by,
        contract=contract,
        has_tests=any(not is_contract(nodeid) for nodeid in known),
        digest_built=digests[0],
        digest_tested=digests[1],
        has_host_wheels=wheels[0],
        accepts_host_wheels=wheels[1],
    )


_WORST: tuple[ContractOutcome, ...] = ("passed", "skipped", "not-run", "error", "failed")


def contract_outcomes(
    seen: Observations, subjects: Iterable[Subject], endpoints: Iterable[str]
) -> dict[str, ContractOutcome]:
    """The worst outcome of each endpoint's checks."""
    worst: dict[str, ContractOutcome] = dict.fromkeys(endpoints, "not-applicable")
    for subject in subjects:
        outcome = _contract_outcome(seen.outcomes.get(subject.nodeid))
        before = worst.get(subject.endpoint, "not-applicable")
        if before == "not-applicable" or _WORST.index(outcome) > _WORST.index(before):
            worst[subject.endpoint] = outcome
    return worst


def _contract_outcome(outcome: str | None) -> ContractOutcome:
    if outcome is None:
        return "not-run"
    if outcome in {"passed", "failed", "error"}:
        return outcome  # type: ignore[return-value]  # mypy does not narrow by membership
    return "skipped"


def _is_like_the_workers() -> bool:
    return sys.platform == "linux" and platform.machine().lower() in {"x86_64", "amd64"}
