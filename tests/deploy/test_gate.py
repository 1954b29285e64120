from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flash.deploy.gate import Condition, GateFacts, evaluate

DIGEST = "d" * 64
GOOD = GateFacts(
    collected=5,
    passed=5,
    contract={"gpu_worker": "passed", "lb_worker": "passed"},
    digest_built=DIGEST,
    digest_tested=DIGEST,
)


def in_the_way(**changes: Any) -> Condition:
    (condition,) = evaluate(replace(GOOD, **changes)).in_the_way
    return condition


def test_a_full_run_that_passed_passes():
    """Thirteen conditions with stable codes."""
    verdict = evaluate(GOOD)
    assert verdict.passed
    assert [condition.code for condition in verdict.conditions] == [f"FLASH-G{number:03}" for number in range(1, 14)]
    assert verdict.in_the_way == verdict.reasons == verdict.notes == ()
    assert {condition.remedy for condition in verdict.conditions} == {""}


REFUSED = {
    "nothing was collected": ({"collected": 0, "passed": 0}, "FLASH-G001", "no test was collected"),
    "a failure": ({"passed": 4, "failed": ("t.py::a",)}, "FLASH-G002", "1 failure: t.py::a"),
    "an error": ({"passed": 4, "errors": ("t.py::a",)}, "FLASH-G002", "1 error: t.py::a"),
    "interrupted": ({"is_interrupted": True}, "FLASH-G003", "it was interrupted"),
    "maxfail": ({"cut_short": "stopping after 1 failures"}, "FLASH-G003", "stopping after 1 failures"),
    "deselected": ({"deselected": ("t.py::a",)}, "FLASH-G004", "1 test deselected: t.py::a"),
    "dropped": ({"dropped": ("t.py::a",)}, "FLASH-G004", "1 test taken out of the run by a hook: t.py::a"),
    "narrowed": ({"narrowed_by": ("tests/test_a.py",)}, "FLASH-G005", "tests/test_a.py"),
    "contract": ({"contract": {"b": "failed", "a": "error", "c": "passed"}}, "FLASH-G006", "broken by a, b"),
    "other digest": ({"digest_tested": "e" * 64}, "FLASH-G007", "tested eeeeeeeeeeee, would promote dddddddddddd"),
}


@pytest.mark.parametrize(("changes", "code", "evidence"), REFUSED.values(), ids=list(REFUSED))
def test_what_was_seen_to_be_wrong_is_refused(changes: dict[str, Any], code: str, evidence: str):
    """One condition each, with what was seen and what would change it."""
    condition = in_the_way(**changes)
    assert (condition.outcome, condition.code) == ("refused", code)
    assert evidence in condition.evidence
    assert condition.remedy


INCONCLUSIVE = {
    "tests without an outcome": (
        {"without_outcome": ("a", "b")},
        "FLASH-G003",
        "2 of 5 tests without an outcome: a, b",
    ),
    "a silent worker": ({"unknown_selection": "gw0 ended without a word"}, "FLASH-G004", "gw0 ended without a word"),
    "contract skipped": ({"contract": {"gpu": "skipped"}}, "FLASH-G006", "not checked: gpu"),
    "contract not run": ({"contract": {"gpu": "not-run", "lb": "passed"}}, "FLASH-G006", "not checked: gpu"),
    "no contract": ({"contract": {}}, "FLASH-G006", "there was no contract check"),
    "no preview": ({"digest_tested": None}, "FLASH-G007", "no artifact was tested"),
    "host wheels": ({"has_host_wheels": True}, "FLASH-G008", "wheels of this machine"),
}


@pytest.mark.parametrize(("changes", "code", "evidence"), INCONCLUSIVE.values(), ids=list(INCONCLUSIVE))
def test_what_was_not_seen_is_inconclusive_and_no_pass(changes: dict[str, Any], code: str, evidence: str):
    """Nothing is promoted on what nobody looked at."""
    verdict = evaluate(replace(GOOD, **changes))
    (condition,) = verdict.in_the_way
    assert not verdict.passed
    assert (condition.outcome, condition.code) == ("inconclusive", code)
    assert evidence in condition.evidence
    assert condition.remedy
    assert verdict.reasons[0].endswith("(inconclusive)")


def test_everything_that_stands_in_the_way_is_told_at_once():
    """One run, one list."""
    verdict = evaluate(GateFacts(collected=0, passed=0, deselected=("a", "b", "c"), narrowed_by=("a",)))
    codes = [condition.code for condition in verdict.in_the_way]
    assert codes == ["FLASH-G001", "FLASH-G004", "FLASH-G005", "FLASH-G006", "FLASH-G007"]
    assert verdict.reasons[1] == "FLASH-G004 nothing was deselected: 3 tests deselected: a, b, c"


def test_skips_and_expected_failures_pass_but_are_listed():
    """With their reasons."""
    verdict = evaluate(
        replace(
            GOOD,
            passed=2,
            skipped={"t.py::a": "needs a GPU"},
            xfailed={"t.py::b": ""},
            xpassed=("t.py::c",),
        )
    )
    assert verdict.passed
    assert verdict.notes == (
        "skipped: t.py::a (needs a GPU)",
        "failed as expected: t.py::b",
        "passed although expected to fail: t.py::c",
    )


def test_skips_alone_are_not_enough():
    """At least one must have passed."""
    condition = in_the_way(collected=1, passed=0, skipped={"t.py::a": ""})
    assert condition.evidence == "none of 1 passed"


def test_a_project_without_tests_is_gated_by_its_contract_checks():
    """And the evidence says so."""
    verdict = evaluate(replace(GOOD, collected=2, passed=2, has_tests=False))
    assert verdict.passed
    assert verdict.conditions[0].evidence == "the project has no tests of its own; 2 contract checks passed"


def test_many_failures_are_counted_and_a_few_are_named():
    """One line is one line."""
    condition = in_the_way(collected=9, failed=tuple(f"t{number}" for number in range(4)), errors=("e",))
    assert condition.evidence == "4 failures: t0, t1, t2 and 1 more; 1 error: e"


def test_images_of_somebody_else_have_no_contract_to_check():
    """They do not stand in the way."""
    verdict = evaluate(replace(GOOD, contract={"vllm": "not-applicable", "gpu": "passed"}))
    assert verdict.passed
    assert verdict.conditions[5].evidence == "1 endpoint checked, 1 of foreign images"


def test_wheels_of_this_machine_are_enough_where_the_environment_says_so():
    """The evidence says that it does."""
    verdict = evaluate(replace(GOOD, has_host_wheels=True, accepts_host_wheels=True))
    assert verdict.passed
    assert "accepts" in verdict.conditions[7].evidence
