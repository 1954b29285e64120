"""The gate's condition on contracts, and what lets a change through."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from flash.contract.change import Change
from flash.deploy.compatibility import Compatibility, JudgedChange, judge_compatibility
from flash.deploy.gate import GateFacts, evaluate, with_compatibility
from flash.protection.waivers import Waiver

BROKEN = Change(
    rule="FLASH-C206",
    endpoint="gpu",
    operation="run",
    pointer="input/n",
    old="number",
    new="integer",
    callers=("app.py:7: prep calls run(n=…)",),
)
UNKNOWN = Change(rule="FLASH-C001", endpoint="cpu", old="no contract in the manifest")
TUNED = Change(rule="FLASH-C220", endpoint="gpu", operation="run", pointer="input/n", old="1", new="2")
GONE = Change(rule="FLASH-C101", endpoint="old", old="old")
WAIVER = Waiver(number=2, rule="FLASH-C206", scope="gpu", owner="us", reason="agreed", expires=date(2027, 1, 31))


def compared(*changes: JudgedChange | Change, **more: object) -> Compatibility:
    judged = tuple(one if isinstance(one, JudgedChange) else JudgedChange(one) for one in changes)
    return Compatibility(environment="production", live="compared", changes=judged, **more)  # type: ignore[arg-type]


CASES = {
    "no environment": (Compatibility(), "pass", "no environment is named"),
    "a first deployment": (Compatibility(environment="production", live="nothing"), "pass", "nothing is live"),
    "no change": (compared(), "pass", "no breaking change to what is live in 'production'"),
    "a note": (compared(TUNED), "pass", "no breaking change"),
    "a deletion, which is asked for elsewhere": (compared(GONE), "pass", "no breaking change"),
    "a breaking change": (compared(BROKEN), "refused", "1 breaking change: FLASH-C206 gpu/run input/n: "),
    "a waived one": (compared(JudgedChange(BROKEN, WAIVER)), "pass", "1 change waived"),
    "an allowed one": (
        compared(JudgedChange(BROKEN, is_allowed=True)),
        "pass",
        "1 change allowed by --flash-allow-breaking",
    ),
    "one of two waived": (compared(JudgedChange(BROKEN, WAIVER), BROKEN), "refused", "1 breaking change: "),
    "what could not be judged": (compared(UNKNOWN), "inconclusive", "not compared: FLASH-C001 cpu: "),
    "both": (compared(UNKNOWN, BROKEN), "refused", "1 breaking change: "),
    "what was not to be read": (
        Compatibility(environment="production", live="unreadable", problem="no manifest"),
        "inconclusive",
        "no manifest",
    ),
    "the same, allowed": (
        Compatibility(environment="production", live="unreadable", problem="no manifest", is_allowed=True),
        "pass",
        "allowed by --flash-allow-breaking: no manifest",
    ),
    "an expired waiver": (compared(expired=(WAIVER,)), "refused", "waiver 2 (FLASH-C206 in gpu) expired after 2027-"),
    "an unused waiver": (compared(unused=(WAIVER,)), "refused", "waiver 2 (FLASH-C206 in gpu) covers nothing"),
    "an expired waiver, and all is allowed": (compared(expired=(WAIVER,), is_allowed=True), "refused", "expired"),
}


@pytest.mark.parametrize(("given", "outcome", "evidence"), CASES.values(), ids=list(CASES))
def test_the_condition(given: Compatibility, outcome: str, evidence: str) -> None:
    """It says what was seen, and what would change it."""
    condition = judge_compatibility(given)
    assert (condition.code, condition.outcome) == ("FLASH-G014", outcome)
    assert evidence in condition.evidence
    assert bool(condition.remedy) is (outcome != "pass")


def test_the_items_have_old_new_rule_and_callers() -> None:
    """Of everything that stands in the way."""
    (item,) = judge_compatibility(compared(BROKEN, TUNED)).items
    assert item == (
        "FLASH-C206 gpu/run input/n: parameter takes fewer types: number → integer; "
        "called by app.py:7: prep calls run(n=…)"
    )


def test_what_is_let_through_is_noted_and_recorded() -> None:
    """By whom and why, in the decision's document, in Markdown and for JUnit."""
    given = compared(JudgedChange(BROKEN, WAIVER), JudgedChange(UNKNOWN, is_allowed=True), TUNED, GONE, is_allowed=True)
    verdict = evaluate(replace(GateFacts(collected=1, passed=1), compatibility=given))
    assert verdict.conditions[-1].outcome == "pass"
    assert verdict.notes == (
        f"waived: {BROKEN.text} (us: agreed; until 2027-01-31)",
        f"allowed by --flash-allow-breaking: {UNKNOWN.text}",
        f"changed: {TUNED.text}",
    )
    changes = verdict.as_json()["changes"]
    assert [one["outcome"] for one in changes] == ["waived", "allowed", "note", "deletion"]
    assert changes[0]["waiver"]["owner"] == "us"
    assert (changes[0]["old"], changes[0]["new"], changes[0]["callers"]) == ("number", "integer", list(BROKEN.callers))
    row = "| FLASH-C206 | gpu/run input/n: parameter takes fewer types: number → integer | app.py:7: prep"
    assert row in verdict.markdown()
    assert ("flash.gate.change", f"waived: {BROKEN.text}; called by {BROKEN.callers[0]}") in verdict.properties()


def test_a_decision_about_a_place_gets_the_condition_too() -> None:
    """A promotion compares with what is live where it goes."""
    verdict = with_compatibility(evaluate(GateFacts(collected=1, passed=1)), compared(BROKEN))
    assert [one.code for one in verdict.in_the_way][-1] == "FLASH-G014"
    assert verdict.changes[0]["outcome"] == "refused"
