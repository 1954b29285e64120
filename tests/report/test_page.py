"""The page, as a parser reads it: what it says, that it loads nothing, and that what others named is text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from fakes_report import ALL, PLAN, SMOKE, case, deployed, failed, refused, rolled_back
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.report.document import CanaryEndpoint, CanaryStep, Endpoint, Failure, Log, Report
from flash.report.page import as_page

HOSTILE: Final = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(1)><!--&lt;\x00\x1b[31mred\u202e"
VOID: Final = {"meta", "link", "br", "img", "input", "hr"}
LOADING: Final = {
    "src",
    "srcset",
    "data",
    "poster",
    "background",
    "action",
    "formaction",
    "ping",
    "xlink:href",
    "style",
}


class Page(HTMLParser):
    """What a parser finds: elements with attributes, text by kind of element, and whether all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        """What people read."""
        return " ".join(" ".join(data for kind, data in self.words if kind not in {"style", "title"}).split())

    def found(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attributes for kind, attributes in self.tags if kind == tag]

    def headings(self) -> list[str]:
        """Of the sections."""
        return [data for kind, data in self.words if kind == "h2"]


def page(report: Report) -> Page:
    return Page(as_page(report))


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_every_element_is_closed_and_nothing_is_loaded(make: Any) -> None:
    """No script, no frame, no image; links are for people, and the icon is empty."""
    found = page(make())
    assert found.open == []
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "iframe", "object", "embed", "img", "form", "base"})
    for tag, attributes in found.tags:
        assert LOADING.isdisjoint(attributes), tag
        assert not any(name.startswith("on") for name in attributes), tag
    assert [link["href"] for link in found.found("link")] == ["data:,"]
    assert "@import" not in as_page(make())
    assert "url(" not in as_page(make())


def test_a_policy_allows_the_style_sheet_by_its_hash_and_nothing_else() -> None:
    """Also where something were to slip in."""
    text = as_page(deployed())
    policy = next(meta["content"] for meta in Page(text).found("meta") if meta.get("http-equiv"))
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    expected = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    assert policy == expected


def test_the_verdict_comes_first_then_what_was_done() -> None:
    """The order of the sections."""
    found = page(deployed())
    assert found.text.startswith("✓ Deployed quickstart is live in production Artifact sha256:5f5f5f5f5f5f")
    assert found.headings() == [
        *("Stages", "Gate", "Plan", "Load-balanced endpoints", "Queue-based endpoints"),
        *("Contract checks", "Tests", "Smoke tests", "Notes", "Artifact"),
    ]


def test_a_rollback_shows_what_failed_and_what_its_workers_said() -> None:
    """With the endpoint's name, and what is live now."""
    found = page(rolled_back())
    assert "Live now build 7k2m (artifact 0a0a0a0a0a0a) is live in production again" in found.text
    assert found.headings()[0] == "What failed"
    assert "Worker logs" in found.headings()
    assert f"lb_worker · {SMOKE} starting lb_worker POST /process" in found.text


def test_a_refusal_shows_what_would_change_it() -> None:
    """Next to the verdict, and in the table, where it comes first."""
    found = page(refused())
    assert "nothing was deselected: 11 tests deselected Hint run without -k" in found.text
    codes = [data for _, data in found.words if data.startswith("FLASH-G")]
    assert codes[0] == "FLASH-G004"
    assert "What would change it" in found.text
    assert "What would change it" not in page(deployed()).text


def test_all_that_a_condition_counts_can_be_unfolded() -> None:
    """Its evidence names three."""
    left_out = tuple(f"test_a.py::test_{number}" for number in range(11))
    gate = tuple(one.model_copy(update={"items": left_out}) for one in refused().in_the_way)
    text = page(refused(gate=gate)).text
    assert f"all 11 {' '.join(left_out)}" in text
    assert "all 3" not in page(refused(gate=tuple(one.model_copy(update={"items": left_out[:3]}) for one in gate))).text


def test_a_failure_shows_its_hint_and_the_log_once() -> None:
    """The log that is the evidence is not told again."""
    found = page(failed())
    assert "Hint import packages inside the endpoint function" in found.text
    assert found.text.count("Traceback") == 1
    assert "The end of gpu_worker's log" in found.text
    other = Log(endpoint="cpu_worker", of="flash::preview[process]", lines=("fine",))
    assert "cpu_worker · flash::preview[process] fine" in page(failed(logs=(other,))).text


def test_the_place_of_a_failure_is_told() -> None:
    """File and line."""
    error = Failure(message="no endpoint found", path="app.py", line=3)
    assert "app.py:3: no endpoint found" in page(failed(error=error)).text


def test_the_time_line_has_a_bar_where_each_stage_was() -> None:
    """Tests among them; each is told to people who see no bars too."""
    bars = page(deployed()).found("rect")
    places = [(float(bar["x"] or 0), float(bar["width"] or 0)) for bar in bars]
    assert len(places) == 5
    assert all(x >= 0 and x + width <= 1000.1 for x, width in places)
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    labels = [svg["aria-label"] for svg in page(deployed()).found("svg")]
    assert labels[2] == "tests and checks: passed, after 5.1 s, took 2.2 s"


def test_endpoints_are_links_with_calls_to_try() -> None:
    """Each its own; a local platform's key comes first."""
    found = page(deployed())
    assert [link["href"] for link in found.found("a")] == [endpoint.url for endpoint in deployed().endpoints]
    assert "Try it eval" in found.text
    assert '-d \'{"input": {"name": "Ada"}}\'' in found.text
    assert "flash platform env" not in page(deployed(target="runpod")).text


def test_a_plan_says_what_it_costs_or_that_nobody_knows() -> None:
    """And when the prices were read."""
    text = page(deployed()).text
    assert "update gpu_worker new code; workersMax 2 → 3 $0.00 to $2.74" in text
    assert "All together unknown, prices of 2026-08-14." in text
    assert "Nothing changes" in page(deployed(plan={**PLAN, "is_empty": True})).text


def test_tests_are_folded_but_for_those_that_failed() -> None:
    """All are there."""
    tests = (*deployed().tests, case("test_a.py::test_bad", "failed", text="E   boom"))
    found = page(deployed(tests=tests))
    assert all(one.id in found.text for one in tests)
    assert "1 failed" in found.text
    assert "E boom" in found.text


def test_what_others_named_is_text_wherever_it_stands() -> None:
    """Node ids, log lines, messages, names, URLs."""
    endpoint = Endpoint(name=HOSTILE, kind="queue", id="x", url="javascript:alert(1)", example={"input": HOSTILE})
    report = rolled_back(
        app=HOSTILE,
        environment=HOSTILE,
        live=HOSTILE,
        endpoints=(endpoint,),
        tests=(case(f"t.py::t[{HOSTILE}]", "failed", reason=HOSTILE, text=HOSTILE),),
        logs=(Log(endpoint=HOSTILE, of=HOSTILE, lines=(HOSTILE,)),),
        error=Failure(message=HOSTILE, hint=HOSTILE, detail=HOSTILE),
        notes=(HOSTILE,),
        plan={"steps": [{"action": HOSTILE, "name": HOSTILE, "reasons": [HOSTILE]}]},
    )
    found = page(report)
    assert found.open == []
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "img"})
    assert [link.get("href") for link in found.found("a")] == [None]
    assert found.text.count("<script>alert(1)</script>") >= 10
    assert not {"\x00", "\x1b", "\u202e"} & set(as_page(report))


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_page(text: str) -> None:
    """Control characters and halves of pairs included: the file can be written and parsed."""
    written = as_page(failed(error=Failure(message=text, detail=text), notes=(text,)))
    assert Page(written.encode("utf-8").decode("utf-8")).open == []


def test_a_report_of_next_to_nothing_is_a_page() -> None:
    """Where the settings could not be read."""
    report = Report(app="", environment="production", outcome="failed", error=Failure(message="no key"))
    assert page(report).text.startswith("✗ Failed")
    assert "no key" in page(report).text


def test_each_step_of_a_canary_has_its_evidence() -> None:
    """By endpoint; nothing where there was none."""
    shown = CanaryEndpoint(
        name="greeter", outcome="not-enough-data", evidence="0 of 7 failed: 7 of 200", samples=7, failures=0
    )
    tried = rolled_back(canary=(CanaryStep(weight=5, outcome="not-enough-data", endpoints=(shown,)),))
    assert "not enough data 5 % greeter 0 of 7 failed: 7 of 200" in Page(as_page(tried)).text
    assert "Canary" not in Page(as_page(rolled_back())).text
