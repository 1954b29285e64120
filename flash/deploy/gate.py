"""The gate: whether what a test run saw is enough to promote the artifact that it tested. Pure.

Every condition is judged on its own and all are told, so that one run shows everything that stands in the way.
*Inconclusive* is not a pass: what was not seen was not tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from flash.deploy.decision import Condition, Outcome, Verdict
from flash.deploy.surroundings import BY_RECEIPT, Surroundings, judge_surroundings, untold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Condition",
    "ContractOutcome",
    "GateFacts",
    "Outcome",
    "Surroundings",
    "Verdict",
    "before_building",
    "before_promotion",
    "evaluate",
]

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
        reruns: How many attempts failed before the one that passed, by id.
        without_outcome: Ids of those that were to run, and of which nothing was heard.
        deselected: Ids of those left out by ``-k``, ``-m``, ``--lf`` and the like.
        dropped: Ids of those that a hook took out of the run without a word.
        unknown_selection: Why it is not known what was left out, or the empty string.
        is_interrupted: Whether somebody stopped the run.
        cut_short: Why pytest stopped before the end (``-x``, ``--maxfail``), or the empty string.
        narrowed_by: Arguments that make the run cover less than the project.
        left_out: Files that the project's own settings and hooks keep from being collected.
        contract: The worst outcome of each endpoint's contract checks, by endpoint.
        has_tests: Whether the project has tests of its own.
        digest_built: Of the artifact that would be promoted.
        digest_tested: Of the artifact that the preview ran; None where none ran.
        has_host_wheels: Whether the preview ran wheels of this machine instead of the artifact's own.
        accepts_host_wheels: Whether the environment's settings say that this is enough.
        marked: Of each required marker, the outcome of each test that has it and is to run before the promotion; empty
            where there was none.
        surroundings: What is known without the tests.
    """

    collected: int
    passed: int
    failed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    xfailed: Mapping[str, str] = field(default_factory=dict)
    xpassed: tuple[str, ...] = ()
    reruns: Mapping[str, int] = field(default_factory=dict)
    without_outcome: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unknown_selection: str = ""
    is_interrupted: bool = False
    cut_short: str = ""
    narrowed_by: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    contract: Mapping[str, ContractOutcome] = field(default_factory=dict)
    has_tests: bool = True
    digest_built: str = ""
    digest_tested: str | None = None
    has_host_wheels: bool = False
    accepts_host_wheels: bool = False
    marked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)


def evaluate(facts: GateFacts) -> Verdict:
    """Judge a run."""
    return Verdict(
        conditions=(*(judge(facts) for judge in _JUDGES), *judge_surroundings(facts.surroundings)),
        notes=_notes(facts),
        environment=facts.surroundings.environment,
        digest=facts.digest_built,
    )


def before_building(surroundings: Surroundings) -> Verdict:
    """Judge what is known before anything was built or run; the other conditions are *not-judged*."""
    facts = GateFacts(collected=0, passed=0, surroundings=surroundings)
    titles = [(condition.code, condition.title) for condition in (judge(facts) for judge in _JUDGES)]
    return Verdict(
        conditions=(
            *(Condition(code, title, "not-judged", "nothing was built or run") for code, title in titles),
            *judge_surroundings(surroundings),
        ),
        environment=surroundings.environment,
    )


def before_promotion(
    surroundings: Surroundings,
    *,
    marked: Mapping[str, Mapping[str, str]],
    has_host_wheels: bool,
    accepts_host_wheels: bool,
) -> Verdict:
    """Judge what depends on where an artifact goes that was tested before; the run that tested it has judged the rest.

    Args:
        surroundings: Of the environment that it goes to, and of the checkout that was tested.
        marked: As in :class:`GateFacts`.
        has_host_wheels: The same.
        accepts_host_wheels: The same.
    """
    facts = GateFacts(
        collected=0,
        passed=0,
        marked=marked,
        has_host_wheels=has_host_wheels,
        accepts_host_wheels=accepts_host_wheels,
        surroundings=surroundings,
    )
    return Verdict(
        conditions=(_own_wheels(facts), _required_passed(facts), *judge_surroundings(surroundings)),
        environment=surroundings.environment,
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
        remedy = "mend what fails, and run all tests again"
        return Condition(code, title, "refused", "; ".join(seen), remedy, (*facts.failed, *facts.errors))
    return Condition(code, title, "pass", "no failure, no error")


def _not_cut_short(facts: GateFacts) -> Condition:
    code, title = "FLASH-G003", "the run came to its end"
    if facts.is_interrupted:
        return Condition(code, title, "refused", "it was interrupted", "let it run to its end")
    if facts.cut_short:
        return Condition(code, title, "refused", f"it was cut short: {facts.cut_short}", "run without -x and --maxfail")
    if facts.without_outcome:
        missing = facts.without_outcome
        evidence = f"{len(missing)} of {_count(facts.collected, 'test')} without an outcome: {_named(missing)}"
        remedy = "see whether a test worker died, or something kept tests from running, and run again"
        return Condition(code, title, "inconclusive", evidence, remedy, missing)
    return Condition(code, title, "pass", f"{_count(facts.collected, 'test')} had an outcome")


def _nothing_deselected(facts: GateFacts) -> Condition:
    code, title = "FLASH-G004", "nothing was deselected"
    told = f"{_count(len(facts.deselected), 'test')} deselected: {_named(facts.deselected)}"
    untold = f"{_count(len(facts.dropped), 'test')} taken out of the run by a hook: {_named(facts.dropped)}"
    seen = "; ".join(text for text, ids in ((told, facts.deselected), (untold, facts.dropped)) if ids)
    if seen:
        remedy = "run without -k, -m, --lf, --deselect, or a hook that leaves tests out"
        return Condition(code, title, "refused", seen, remedy, (*facts.deselected, *facts.dropped))
    if facts.unknown_selection:
        remedy = "see why a test worker ended without a word, and run again"
        return Condition(code, title, "inconclusive", facts.unknown_selection, remedy)
    return Condition(code, title, "pass", "all tests that were collected ran")


def _not_narrowed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G005", "the run covers the project"
    if facts.narrowed_by:
        evidence = f"narrowed by {', '.join(facts.narrowed_by)}"
        remedy = "name no paths, or all of testpaths, and let the project's own settings say what is collected"
        return Condition(code, title, "refused", evidence, remedy, facts.narrowed_by)
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


_RAN: Final = {"passed", "failed", "error", "xfailed", "xpassed"}


def _required_passed(facts: GateFacts) -> Condition:
    code, title = "FLASH-G009", "the tests of the required markers passed"
    wanted = facts.surroundings.required_markers
    if not wanted:
        return Condition(code, title, "pass", "no marker is required")
    if facts.surroundings.ledger_of:
        evidence = untold(facts.surroundings, f"which tests ran; required: {', '.join(wanted)}")
        return Condition(code, title, "inconclusive", evidence, BY_RECEIPT)
    bad: list[str] = []
    unseen: list[str] = []
    for marker in wanted:
        outcomes = facts.marked.get(marker, {})
        ran = [nodeid for nodeid, outcome in outcomes.items() if outcome in _RAN and outcome != "passed"]
        not_run = [nodeid for nodeid, outcome in outcomes.items() if outcome not in _RAN]
        if ran:
            bad.append(f"{marker}: {_count(len(ran), 'test')} did not pass: {_named(ran)}")
        if not outcomes:
            unseen.append(f"{marker}: no test has it")
        elif not_run:
            unseen.append(f"{marker}: {_count(len(not_run), 'test')} did not run: {_named(not_run)}")
    if bad or unseen:
        remedy = f"let them run and pass, or change required-markers in {facts.surroundings.table}"
        return Condition(code, title, "refused" if bad else "inconclusive", "; ".join((*bad, *unseen)), remedy)
    counts = (f"{marker}: {len(facts.marked[marker])} passed" for marker in wanted)
    return Condition(code, title, "pass", "; ".join(counts))


_JUDGES: Final = (
    _something_passed,
    _nothing_failed,
    _not_cut_short,
    _nothing_deselected,
    _not_narrowed,
    _contract_passed,
    _same_digest,
    _own_wheels,
    _required_passed,
)


def _notes(facts: GateFacts) -> tuple[str, ...]:
    return (
        *(f"skipped: {nodeid}{_because(reason)}" for nodeid, reason in facts.skipped.items()),
        *(f"failed as expected: {nodeid}{_because(reason)}" for nodeid, reason in facts.xfailed.items()),
        *(f"passed although expected to fail: {nodeid}" for nodeid in facts.xpassed),
        *(f"passed after {_count(number, 'failed attempt')}: {nodeid}" for nodeid, number in facts.reruns.items()),
        *(f"not collected, as the project's own settings want it: {path}" for path in facts.left_out),
    )


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(ids: Iterable[str]) -> str:
    names = list(ids)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
