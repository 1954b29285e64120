"""The gate: whether what a test run saw is enough to promote the artifact that it tested. Pure.

Every condition is judged on its own and all are told, so that one run shows everything that stands in the way.
*Inconclusive* is not a pass: what was not seen was not tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Condition", "ContractOutcome", "GateFacts", "Outcome", "Verdict", "evaluate"]

Outcome = Literal["pass", "refused", "inconclusive"]
ContractOutcome = Literal["passed", "failed", "error", "skipped", "not-run", "not-applicable"]
"""``not-applicable``: an image of somebody else's has no schemas to check."""

_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What a run saw. Contract checks count as tests, in all numbers.

    Attributes:
        collected: Tests that were to run, after deselection.
        passed: How many passed.
        failed: Ids of those that failed.
        errors: Ids of those whose set-up or tear-down failed, and files that could not be collected.
        skipped: Reasons by id.
        xfailed: Reasons by id of those that failed as expected.
        xpassed: Ids of those that were expected to fail, passed, and did not have to fail.
        deselected: How many were left out by ``-k``, ``-m``, ``--lf`` and the like.
        is_interrupted: Whether somebody stopped the run.
        cut_short: Why pytest stopped before the end (``-x``, ``--maxfail``), or the empty string.
        narrowed_by: Arguments that make the run cover less than the project.
        contract: The worst outcome of each endpoint's contract checks, by endpoint.
        has_tests: Whether the project has tests of its own.
        digest_built: Of the artifact that would be promoted.
        digest_tested: Of the artifact that the preview ran; None where none ran.
        has_host_wheels: Whether the preview ran wheels of this machine instead of the artifact's own.
        accepts_host_wheels: Whether the environment's settings say that this is enough.
    """

    collected: int
    passed: int
    failed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    xfailed: Mapping[str, str] = field(default_factory=dict)
    xpassed: tuple[str, ...] = ()
    deselected: int = 0
    is_interrupted: bool = False
    cut_short: str = ""
    narrowed_by: tuple[str, ...] = ()
    contract: Mapping[str, ContractOutcome] = field(default_factory=dict)
    has_tests: bool = True
    digest_built: str = ""
    digest_tested: str | None = None
    has_host_wheels: bool = False
    accepts_host_wheels: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, judged.

    Attributes:
        code: Stable; documentation and reports refer to it.
        title: What must hold.
        evidence: What was seen, in one line.
        remedy: What would change the outcome; empty for a pass.
    """

    code: str
    title: str
    outcome: Outcome
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All conditions, and what passed with a note.

    Attributes:
        notes: Skips and expected failures, a line each: they pass, and are listed.
    """

    conditions: tuple[Condition, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the artifact may be promoted."""
        return all(condition.outcome == "pass" for condition in self.conditions)

    @property
    def in_the_way(self) -> tuple[Condition, ...]:
        """The conditions that are refused or inconclusive."""
        return tuple(condition for condition in self.conditions if condition.outcome != "pass")

    @property
    def reasons(self) -> tuple[str, ...]:
        """``FLASH-G002 nothing failed: 1 test failed: test_app.py::test_x``, a line each."""
        return tuple(
            f"{condition.code} {condition.title}: {condition.evidence}"
            + (" (inconclusive)" if condition.outcome == "inconclusive" else "")
            for condition in self.in_the_way
        )


def evaluate(facts: GateFacts) -> Verdict:
    """Judge a run."""
    judges = (_something_passed, _nothing_failed, _not_cut_short, _nothing_deselected, _not_narrowed, _contract_passed)
    return Verdict(
        conditions=(*(judge(facts) for judge in judges), _same_digest(facts), _own_wheels(facts)), notes=_notes(facts)
    )


def _something_passed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G001", "at least one test or contract check passed"
    if facts.passed == 0:
        evidence = f"none of {facts.collected} passed" if facts.collected else "no test was collected"
        return Condition(code, title, "refused", evidence, "add a test, or type an endpoint's parameters")
    if not facts.has_tests:
        evidence = f"the project has no tests of its own; {_count(facts.passed, 'contract check')} passed"
        return Condition(code, title, "pass", evidence)
    return Condition(code, title, "pass", f"{facts.passed} passed")


def _nothing_failed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G002", "nothing failed"
    seen = [
        f"{_count(len(ids), noun)}: {_named(ids)}"
        for ids, noun in ((facts.failed, "failure"), (facts.errors, "error"))
        if ids
    ]
    if seen:
        return Condition(code, title, "refused", "; ".join(seen), "mend what fails, and run all tests again")
    return Condition(code, title, "pass", "no failure, no error")


def _not_cut_short(facts: GateFacts) -> Condition:
    code, title = "FLASH-G003", "the run came to its end"
    if facts.is_interrupted:
        return Condition(code, title, "refused", "it was interrupted", "let it run to its end")
    if facts.cut_short:
        return Condition(code, title, "refused", f"it was cut short: {facts.cut_short}", "run without -x and --maxfail")
    seen = facts.passed + sum(
        len(some) for some in (facts.failed, facts.errors, facts.skipped, facts.xfailed, facts.xpassed)
    )
    if seen < facts.collected:
        missing = facts.collected - seen
        evidence = f"{missing} of {facts.collected} tests have no outcome"
        return Condition(code, title, "inconclusive", evidence, "see whether a test worker died, and run again")
    return Condition(code, title, "pass", f"{_count(facts.collected, 'test')} had an outcome")


def _nothing_deselected(facts: GateFacts) -> Condition:
    code, title = "FLASH-G004", "nothing was deselected"
    if facts.deselected:
        evidence = f"{_count(facts.deselected, 'test')} deselected"
        return Condition(code, title, "refused", evidence, "run without -k, -m, --lf, --deselect")
    return Condition(code, title, "pass", "all tests that were collected ran")


def _not_narrowed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G005", "the run covers the project"
    if facts.narrowed_by:
        evidence = f"narrowed by {', '.join(facts.narrowed_by)}"
        return Condition(code, title, "refused", evidence, "name no paths, or all of testpaths")
    return Condition(code, title, "pass", "no argument narrows it")


def _contract_passed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G006", "the contract checks passed"
    broken = sorted(name for name, outcome in facts.contract.items() if outcome in {"failed", "error"})
    if broken:
        return Condition(
            code, title, "refused", f"broken by {_named(broken)}", "mend the endpoint, or what it says of its types"
        )
    unseen = sorted(name for name, outcome in facts.contract.items() if outcome in {"skipped", "not-run"})
    if unseen:
        evidence = f"not checked: {_named(unseen)}"
        return Condition(code, title, "inconclusive", evidence, "let the contract checks run")
    if not facts.contract:
        return Condition(
            code, title, "inconclusive", "there was no contract check", "let the contract checks run: no -p no:flash"
        )
    checked = sum(outcome == "passed" for outcome in facts.contract.values())
    beside = len(facts.contract) - checked
    evidence = f"{_count(checked, 'endpoint')} checked" + (f", {beside} of foreign images" if beside else "")
    return Condition(code, title, "pass", evidence)


def _same_digest(facts: GateFacts) -> Condition:
    code, title = "FLASH-G007", "the artifact is the one that was tested"
    if not facts.digest_built or not facts.digest_tested:
        return Condition(
            code, title, "inconclusive", "no artifact was tested", "run the tests against a preview of the artifact"
        )
    if facts.digest_built != facts.digest_tested:
        evidence = f"tested {facts.digest_tested[:12]}, would promote {facts.digest_built[:12]}"
        return Condition(code, title, "refused", evidence, "test the artifact that is to be promoted")
    return Condition(code, title, "pass", f"digest {facts.digest_built[:12]}")


def _own_wheels(facts: GateFacts) -> Condition:
    code, title = "FLASH-G008", "it was tested with its own wheels"
    if not facts.has_host_wheels:
        return Condition(code, title, "pass", "the preview ran what the artifact holds")
    if facts.accepts_host_wheels:
        evidence = "the preview ran wheels of this machine, which the environment accepts"
        return Condition(code, title, "pass", evidence)
    return Condition(
        code,
        title,
        "inconclusive",
        "the preview ran wheels of this machine, not those for the workers",
        "test on Linux x86-64, or set accept-host-wheels = true for the environment",
    )


def _notes(facts: GateFacts) -> tuple[str, ...]:
    return (
        *(f"skipped: {nodeid}{_because(reason)}" for nodeid, reason in facts.skipped.items()),
        *(f"failed as expected: {nodeid}{_because(reason)}" for nodeid, reason in facts.xfailed.items()),
        *(f"passed although expected to fail: {nodeid}" for nodeid in facts.xpassed),
    )


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(ids: Iterable[str]) -> str:
    names = list(ids)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
