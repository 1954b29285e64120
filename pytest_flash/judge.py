"""Puts what was seen before the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.deploy.gate import GateFacts, evaluate
from flash.preview.receipts import is_like_the_workers
from pytest_flash.narrowing import narrowing
from pytest_flash.subject import is_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest

    from flash.deploy.gate import ContractOutcome, Surroundings, Verdict
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
    surroundings: Surroundings,
    target: TargetName | None,
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
        surroundings: What is known without the tests, the environment's name included.
        target: Where that lives.
        collected: Node ids that were to run, after deselection.
        subjects: What was to be checked.
        endpoints: All names, also of those without anything to check.
        cut_short: Why the run stopped before its end, or the empty string.

    Raises:
        DeployError: The artifact is gone.
    """
    project = stages.project
    settings = project.settings.environments.get(surroundings.environment)
    facts = gate_facts(
        seen,
        collected=collected,
        contract=contract_outcomes(seen, subjects, endpoints),
        unreported=tuple(_unreported(session, seen)),
        cut_short=cut_short,
        narrowed_by=narrowing(session.config, project.root),
        digests=(stages.digest_to_promote(), stages.digest_tested),
        wheels=(
            target == "runpod" and not is_like_the_workers(),
            settings is not None and settings.accept_host_wheels,
        ),
        surroundings=surroundings,
    )
    return evaluate(facts)


def gate_facts(
    seen: Observations,
    *,
    collected: Sequence[str],
    contract: dict[str, ContractOutcome],
    unreported: tuple[str, ...],
    cut_short: str,
    narrowed_by: tuple[str, ...],
    digests: tuple[str, str | None],
    wheels: tuple[bool, bool],
    surroundings: Surroundings,
) -> GateFacts:
    """The gate's facts, from what was seen."""
    selection = seen.selection
    known = (*collected, *selection.deselected, *selection.dropped, *selection.skipped_files, *seen.broken)
    passed = seen.with_outcome("passed")
    return GateFacts(
        collected=len(collected) + len(selection.skipped_files),
        passed=len(passed),
        failed=_told(seen.with_outcome("failed")),
        errors=(*_told(seen.with_outcome("error")), *seen.broken, *seen.internal, *unreported),
        skipped={**seen.with_outcome("skipped"), **selection.skipped_files, **seen.subtests},
        xfailed=seen.with_outcome("xfailed"),
        xpassed=tuple(seen.with_outcome("xpassed")),
        reruns={nodeid: number for nodeid, number in seen.reruns.items() if nodeid in passed},
        without_outcome=_without_outcome(collected, seen),
        deselected=tuple(sorted(selection.deselected)),
        dropped=tuple(sorted(selection.dropped)),
        unknown_selection=f"{', '.join(seen.silent)} did not say what was left out" if seen.silent else "",
        cut_short=cut_short,
        narrowed_by=narrowed_by,
        left_out=tuple(sorted(selection.left_out)),
        contract=contract,
        has_tests=any(not is_contract(nodeid) for nodeid in known),
        digest_built=digests[0],
        digest_tested=digests[1],
        has_host_wheels=wheels[0],
        accepts_host_wheels=wheels[1],
        marked={marker: _outcomes_of(marker, seen) for marker in surroundings.required_markers},
        surroundings=surroundings,
    )


def _told(ids: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{nodeid} ({reason})" if reason else nodeid for nodeid, reason in ids.items())


def _without_outcome(collected: Sequence[str], seen: Observations) -> tuple[str, ...]:
    return tuple(nodeid for nodeid in dict.fromkeys(collected) if nodeid not in seen.outcomes)


def _outcomes_of(marker: str, seen: Observations) -> dict[str, str]:
    """Of the tests with *marker* that run before the promotion; ``""`` for one that did not run."""
    marked = seen.selection.marked
    tests = marked.get(marker, set()) - marked.get("flash_deployed_only", set())
    return {nodeid: seen.outcomes.get(nodeid, "") for nodeid in sorted(tests)}


def _unreported(session: pytest.Session, seen: Observations) -> Iterator[str]:
    """What fails the run without a report of a test."""
    if session.testsfailed > seen.failed_reports:
        # such as for too little coverage
        yield "another plugin failed the run"
    config = session.config
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not hasattr(config.option, "max_warnings"):
        return
    # pytest fails such a run too, but when all is over
    limit, warnings = config.option.max_warnings, len(terminal.stats.get("warnings", ()))
    limit = config.getini("max_warnings") if limit is None else limit
    if limit is not None and warnings > int(limit):
        yield f"{warnings} warnings, and max-warnings is {limit}"


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
