"""The gate's decision as a document."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flash.deploy.decision import Condition, Outcome, Verdict
from flash.deploy.gate import GateFacts, Surroundings, before_building, before_promotion, evaluate

PASSED = Condition("FLASH-G001", "something passed", "pass", "5 passed")
REFUSED = Condition("FLASH-G002", "nothing failed", "refused", "1 failure: a|b", "mend it", ("a|b",))
UNSEEN = Condition("FLASH-G006", "contract", "inconclusive", "not checked", "let them run")
NOT_JUDGED = Condition("FLASH-G007", "digest", "not-judged", "nothing was built")


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ((PASSED,), "pass"),
        ((PASSED, UNSEEN), "inconclusive"),
        ((PASSED, NOT_JUDGED), "inconclusive"),
        ((PASSED, UNSEEN, REFUSED), "refused"),
    ],
)
def test_the_decision_is_the_worst_of_its_conditions(conditions: tuple[Condition, ...], outcome: Outcome):
    """Only if all pass, it does."""
    verdict = Verdict(conditions)
    assert verdict.outcome == outcome
    assert verdict.passed is (outcome == "pass")


def test_the_document_names_for_each_condition_what_was_seen_and_what_would_change_it():
    """As JSON, with all that the evidence counts."""
    verdict = Verdict((PASSED, REFUSED), ("skipped: t.py::x",), "production", "d" * 64)
    assert json.loads(json.dumps(verdict.as_json())) == {
        "outcome": "refused",
        "environment": "production",
        "digest": "d" * 64,
        "conditions": [
            {
                "code": "FLASH-G001",
                "title": "something passed",
                "outcome": "pass",
                "evidence": ["5 passed"],
                "remedy": "",
                "items": [],
            },
            {
                "code": "FLASH-G002",
                "title": "nothing failed",
                "outcome": "refused",
                "evidence": ["1 failure: a|b"],
                "remedy": "mend it",
                "items": ["a|b"],
            },
        ],
        "notes": ["skipped: t.py::x"],
    }


def test_markdown_tells_the_same_and_nothing_in_it_is_markup():
    """Node ids hold brackets and bars."""
    note = "skipped: t.py::x[<b>|*]"
    assert Verdict((PASSED, REFUSED), (note,), "production", "d" * 64).markdown() == (
        "### Gate for production: refused\n"
        "\n"
        f"Artifact `sha256:{'d' * 64}`\n"
        "\n"
        "| Code | What must hold | Outcome | What was seen |\n"
        "| --- | --- | --- | --- |\n"
        "| FLASH-G001 | something passed | ✅ pass | 5 passed |\n"
        "| FLASH-G002 | nothing failed | ❌ **refused** | 1 failure: a\\|b |\n"
        "\n"
        "What would change it:\n"
        "\n"
        "- FLASH-G002: mend it\n"
        "\n"
        "<details>\n"
        "<summary>Passed with a note: 1</summary>\n"
        "\n"
        "- skipped: t.py::x\\[&lt;b&gt;\\|\\*\\]\n"
        "\n"
        "</details>\n"
    )


def test_junit_properties_hold_the_decision():
    """One for the whole, one for each condition and note; notes end somewhere."""
    verdict = Verdict((PASSED, REFUSED), tuple(f"skipped: {number}" for number in range(150)))
    properties = verdict.properties()
    assert properties[:3] == (
        ("flash.gate", "refused"),
        ("FLASH-G001", "pass: 5 passed"),
        ("FLASH-G002", "refused: 1 failure: a|b; hint: mend it"),
    )
    assert len(properties) == 3 + 101
    assert properties[-1] == ("flash.gate.note", "and 50 more")


def test_what_is_known_before_a_build_is_judged_alone():
    """The rest is not judged, which is no pass, and stands in nobody's way."""
    early = before_building(Surroundings(environment="production"))
    assert not early.passed
    assert early.in_the_way == ()
    assert [condition.outcome for condition in early.conditions] == ["not-judged"] * 9 + ["pass"] * 4
    frozen = before_building(Surroundings(environment="production", frozen_by="frozen, until Monday"))
    (condition,) = frozen.in_the_way
    assert (condition.code, condition.outcome, condition.evidence) == (
        *("FLASH-G013", "refused", "frozen, until Monday"),
    )
    assert "[tool.flash.environments.production]" in condition.remedy


def test_early_and_late_decisions_have_the_same_conditions():
    """Whoever reads the document finds all of them, always."""
    facts = GateFacts(collected=1, passed=1, surroundings=Surroundings(environment="production"))
    late, early = evaluate(facts), before_building(facts.surroundings)
    names = [[(condition.code, condition.title) for condition in verdict.conditions] for verdict in (late, early)]
    assert names[0] == names[1]


BASE = Surroundings(environment="production", commit="c" * 40, branch="main")
SURROUNDED = {
    "any branch": ({}, None),
    "an allowed branch": ({"allowed_branches": ("main",)}, None),
    "another branch": ({"allowed_branches": ("release/*",)}, ("FLASH-G010", "refused")),
    "case counts": ({"allowed_branches": ("Main",)}, ("FLASH-G010", "refused")),
    "no branch": ({"allowed_branches": ("*",), "branch": None}, ("FLASH-G010", "inconclusive")),
    "no checkout": ({"allowed_branches": ("*",), "commit": None}, ("FLASH-G010", "inconclusive")),
    "a change that may be": ({"changed": ("a",)}, None),
    "a change": ({"wants_clean_tree": True, "changed": ("a", "b", "c", "d")}, ("FLASH-G011", "refused")),
    "no checkout to be clean": ({"wants_clean_tree": True, "commit": None}, ("FLASH-G011", "inconclusive")),
    "an approval": ({"approval": "given", "approval_env": "A"}, None),
    "no approval": ({"approval": "absent", "approval_env": "A"}, ("FLASH-G012", "refused")),
    "a wrong approval": ({"approval": "wrong", "approval_env": "A"}, ("FLASH-G012", "refused")),
}


@pytest.mark.parametrize(("changes", "expected"), SURROUNDED.values(), ids=list(SURROUNDED))
def test_what_the_settings_ask_for_is_judged(changes: dict[str, object], expected: tuple[str, str] | None):
    """What was not seen is inconclusive."""
    verdict = before_building(replace(BASE, **changes))  # type: ignore[arg-type]
    assert [(one.code, one.outcome) for one in verdict.in_the_way] == ([] if expected is None else [expected])
    assert all(one.remedy and one.evidence for one in verdict.in_the_way)


def test_what_a_ledger_does_not_tell_is_no_missing_checkout_and_no_missing_test():
    """A receipt would tell it, and every remedy says so."""
    given = Surroundings(
        environment="production",
        ledger_of="staging",
        allowed_branches=("main",),
        wants_clean_tree=True,
        required_markers=("flash_smoke",),
    )
    verdict = before_promotion(given, marked={}, has_host_wheels=False, accepts_host_wheels=False)
    assert [(one.code, one.outcome) for one in verdict.in_the_way] == [
        ("FLASH-G009", "inconclusive"),
        ("FLASH-G010", "inconclusive"),
        ("FLASH-G011", "inconclusive"),
    ]
    assert all("the ledger of 'staging' does not tell" in one.evidence for one in verdict.in_the_way)
    assert all("--receipt FILE" in one.remedy for one in verdict.in_the_way)
