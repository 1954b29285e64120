"""The Markdown: verdict first, never too long, and nothing that a project names is markup."""

from __future__ import annotations

import pytest
from fakes_report import ALL, PLAN, case, deployed, failed, refused, rolled_back
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.report.document import CanaryEndpoint, CanaryStep, Failure, Report
from flash.report.markdown import as_markdown


def test_the_verdict_comes_first() -> None:
    """What happened, in the first line."""
    assert {name: as_markdown(make()).splitlines()[0] for name, make in ALL.items()} == {
        "deployed": "## ✅ quickstart is live in production",
        "refused": "## ❌ quickstart was not deployed to production: the gate refused",
        "rolled-back": "## ❌ quickstart was rolled back in production",
        "failed": "## ❌ quickstart was not deployed to production",
    }


def test_a_failure_has_its_hint_and_its_evidence() -> None:
    """Next to the verdict."""
    text = as_markdown(failed())
    assert "**Hint:** import packages inside the endpoint function" in text
    assert "```text\nTraceback (most recent call last):" in text


def test_a_refusal_is_the_gates_own_decision() -> None:
    """One document, one table."""
    text = as_markdown(refused())
    assert "### Gate for production: refused" in text
    assert "- FLASH-G004: run without -k" in text
    assert text.index("### Gate") < text.index("### Stages")


def test_a_rollback_says_what_is_live_and_what_failed() -> None:
    """With the failure as pytest shows it."""
    text = as_markdown(rolled_back())
    assert "**Live now:** build 7k2m" in text
    assert "<details><summary>❌ <code>tests/test_endpoints.py::test_the_api_calls_the_other_endpoint</code>" in text
    assert ">       assert response.status_code == 200" in text


def test_endpoints_come_with_urls_and_calls_to_try() -> None:
    """The key of a local platform first."""
    text = as_markdown(deployed())
    assert "| lb\\_worker | load-balanced | `http://127.0.0.1:8787/lb/abc123abc123ab` |" in text
    assert 'eval "$(flash platform env)"\ncurl -X POST http://127.0.0.1:8787/v2/def456def456de/runsync' in text
    assert "flash platform env" not in as_markdown(deployed(target="runpod"))


def test_a_plan_has_its_reasons_and_unknown_costs_are_unknown() -> None:
    """A plan that changes nothing says that."""
    text = as_markdown(deployed())
    assert "| update | gpu\\_worker | new code; workersMax 2 → 3 | \\$0.00 to \\$2.74 |" in text
    assert "| create | lb\\_worker | not there yet | unknown |" in text
    assert "Nothing changes" in as_markdown(deployed(plan={**PLAN, "is_empty": True}))


@pytest.mark.parametrize("room", [300, 1000, 3000, 2**20])
def test_it_is_never_longer_than_there_is_room(room: int) -> None:
    """Whole sections are left out, which is said; the verdict stays."""
    tests = tuple(case(f"test_a.py::test_{number}", "failed", text="ü" * 5000) for number in range(100))
    text = as_markdown(rolled_back(tests=tests), room=room)
    assert len(text.encode()) <= room
    assert text.startswith("## ❌ quickstart")
    assert "The rest was cut" in text or "… and" in text
    assert text.count("```") % 2 == 0 or room == 300


def test_where_there_is_no_room_there_is_nothing() -> None:
    """Rather than half a mark."""
    assert as_markdown(deployed(), room=10) == ""
    assert as_markdown(deployed(), room=0) == ""


def test_a_long_traceback_is_told_from_its_end() -> None:
    """There the reason stands."""
    text = as_markdown(failed(error=Failure(message="no", detail="\n".join(f"line {n}" for n in range(100)))))
    assert "… 40 lines before\nline 40\n" in text
    assert "line 99\n" in text


HOSTILE = "`|<b>*x*_y_[z](u)\\~$1$ @all #1\n\n# head\x1b[31mred\x07\u202e"


def test_what_a_project_names_is_no_markup() -> None:
    """Neither in text, nor in a cell, nor in code."""
    report = rolled_back(
        app=HOSTILE,
        notes=(HOSTILE,),
        tests=(case(f"t.py::t[{HOSTILE}]", "failed", reason=HOSTILE, text=f"```\n{HOSTILE}\n````\n"),),
    )
    text = as_markdown(report)
    assert "<b>" not in text.replace("````` text", "").split("`````text")[0]
    assert "\x1b" not in text
    assert "\n# head" not in text.split("`````text")[0]
    # the fence is longer than any run of backticks in it
    assert "`````text\n```\n" in text


@settings(deadline=None)
@given(st.text())
def test_a_cell_stays_one_cell(name: str) -> None:
    """Bars and line ends in an endpoint's reasons do not make columns or rows."""
    plan = {"steps": [{"action": "update", "name": "x", "reasons": [name]}]}
    text = as_markdown(Report(app="a", environment="e", outcome="planned", plan=plan))
    row = next(line for line in text.split("\n") if line.startswith("| update |"))
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 5


def test_each_step_of_a_canary_has_its_evidence() -> None:
    """By endpoint; nothing where there was none."""
    shown = CanaryEndpoint(name="greeter", outcome="fail", evidence="9 of 30 failed", samples=30, failures=9)
    tried = as_markdown(rolled_back(canary=(CanaryStep(weight=5, outcome="fail", endpoints=(shown,)),)))
    assert "| ❌ 5 % | greeter | 9 of 30 failed |" in tried
    assert "### Canary" not in as_markdown(rolled_back())
