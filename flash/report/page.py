"""A report as one HTML page: no scripts, nothing loaded from anywhere, light and dark, for screens, phones and paper.

The page is built as a tree and written by the standard library, so that what a project, a test or a worker has named or
printed is text wherever it stands.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element, tostring

from flash.deploy.summary import call_to_try
from flash.report.elements import card, folded, mark, moment, section, table, tag
from flash.report.timeline import time_line
from flash.report.words import conditions_first, duration, headline, hourly, plan_rows, size, tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flash.report.document import Case, Endpoint, Log, Report

__all__ = ["as_page"]

_VERDICTS: Final = {
    "deployed": ("good", "✓ Deployed"),
    "passed": ("good", "✓ Passed"),
    "planned": ("good", "✓ Planned"),
    "refused": ("bad", "✗ Refused"),
    "failed": ("bad", "✗ Failed"),
    "rolled-back": ("warn", "↺ Rolled back"),
    "interrupted": ("warn", "■ Interrupted"),
}

_NAMED: Final = 3
"""How many the gate names in a line of evidence."""


def as_page(report: Report) -> str:
    """The page, self-contained."""
    style = files("flash.report").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    # not a tag(): what is hashed is what is written, to the letter
    css = Element("style")
    css.text = style
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            # builds know it by that, and leave it out
            tag("meta", name="generator", content=report.generator or "pytest-flash"),
            tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("meta", name="color-scheme", content="light dark"),
            # or a browser asks the server for one
            tag("link", rel="icon", href="data:,"),
            tag("title", headline(report)),
            css,
        ),
        tag("body", tag("main", *_sections(report), _footer(report))),
        lang="en",
    )
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _sections(report: Report) -> Iterator[Element]:
    yield _verdict(report)
    for part in (
        _failures,
        time_line,
        _gate,
        _plan,
        _endpoints,
        _contract,
        _tests,
        _canary,
        _smoke,
        _logs,
        _notes,
        _artifact,
    ):
        yield from part(report)


# ---------------------------------------------------------------------------------------------------------------------
# The verdict


def _verdict(report: Report) -> Element:
    colour, word = _VERDICTS.get(report.outcome, ("warn", report.outcome))
    found = tag("header", tag("p", tag("span", word, {"class": f"pill {colour}"})), tag("h1", headline(report)))
    found.set("class", f"card verdict {colour}")
    found.extend(_reasons(report))
    if report.live:
        found.append(tag("p", tag("b", "Live now"), report.live, {"class": "live"}))
    found.append(_list(_facts(report)))
    # what failed is told below, with more
    if report.error is not None and report.error.detail and not (report.failed or report.in_the_way):
        whose = next(
            (f"The end of {log.endpoint}'s log" for log in report.logs if _is_evidence(log, report)), "Evidence"
        )
        found.append(folded(tag("summary", whose), tag("pre", report.error.detail), is_open=True))
    return found


def _is_evidence(log: Log, report: Report) -> bool:
    """Whether a log is what the verdict shows already."""
    return report.error is not None and report.error.detail.splitlines() == list(log.lines)


def _reasons(report: Report) -> Iterator[Element]:
    for condition in report.in_the_way:
        evidence = "; ".join(condition.evidence)
        yield tag("p", mark(condition.outcome), f"{condition.title}: {evidence}", {"class": "why"})
        if condition.remedy:
            # one is told as any hint is; several in boxes would be all that is seen
            yield (
                _hint(condition.remedy)
                if len(report.in_the_way) == 1
                else tag("p", condition.remedy, {"class": "then"})
            )
    error = report.error
    if error is None:
        return
    if not report.in_the_way:
        line = "" if error.line is None else f":{error.line}"
        at = "" if error.path is None else f"{error.path}{line}: "
        yield tag("p", f"{at}{error.message}", {"class": "why"})
    if error.hint:
        yield _hint(error.hint)


def _hint(text: str) -> Element:
    return tag("p", tag("b", "Hint"), text, {"class": "hint"})


def _facts(report: Report) -> Iterator[tuple[str, str | Element]]:
    if report.digest:
        yield "Artifact", _digest(report.digest)
    if report.previous_digest:
        yield "Live before", _digest(report.previous_digest)
    if report.target:
        yield "Target", {"local": "the local platform", "runpod": "Runpod"}.get(report.target, report.target)
    if tally(report):
        yield "Tests and checks", tally(report)
    if report.git is not None:
        branch = f" on {report.git.branch}" if report.git.branch else ""
        commit = tag("code", report.git.commit[:12], title=report.git.commit)
        yield "Commit", tag("span", commit, f"{branch}{', with changes' if report.git.is_dirty else ''}")
    if report.started_at:
        at = moment(report.started_at).strftime("%Y-%m-%d %H:%M:%S UTC")
        yield "Started", tag("time", at, datetime=report.started_at)
    if report.duration_s:
        yield "Took", duration(report.duration_s)


def _digest(digest: str) -> Element:
    return tag("code", f"sha256:{digest[:12]}", title=f"sha256:{digest}")


def _list(facts: Iterator[tuple[str, str | Element]]) -> Element:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), {"class": "facts"})


# ---------------------------------------------------------------------------------------------------------------------
# Gate, plan, endpoints


def _gate(report: Report) -> Iterator[Element]:
    if not report.gate:
        return
    rows = [
        (
            tag("span", mark(condition.outcome), tag("code", condition.code)),
            condition.title,
            tag("span", *(tag("p", line) for line in condition.evidence), *_items(condition.items), {"class": "soft"}),
            condition.remedy,
        )
        for condition in conditions_first(report.gate)
    ]
    passed = sum(condition.outcome == "pass" for condition in report.gate)
    content = table(("Condition", "What must hold", "What was seen", "What would change it"), rows, keep=[0])
    yield section("Gate", f"{passed} of {len(report.gate)} conditions passed", card(content))


def _items(items: Sequence[str]) -> Iterator[Element]:
    """All that the evidence counts, where it names a few."""
    if len(items) > _NAMED:
        lines = [tag("li", tag("code", item)) for item in items]
        yield folded(tag("summary", f"all {len(items)}"), tag("ul", *lines, {"class": "notes"}), is_open=False)


def _plan(report: Report) -> Iterator[Element]:
    if report.plan is None:
        return
    rows = [(tag("b", step.action), tag("code", step.name), step.because, step.cost) for step in plan_rows(report.plan)]
    if not rows or report.plan.get("is_empty"):
        content = [tag("p", "Nothing changes: what was tested is live already.")]
    else:
        head = ("Step", "Endpoint", "Because", "An hour, idle to busiest")
        content = [table(head, rows, keep=[0, 3], is_labelled=True), _costs(report.plan)]
    yield section("Plan", "what was to change", card(*content))


def _costs(plan: dict[str, Any]) -> Element:
    prices = plan.get("prices", {})
    dated = f", prices of {prices['as_of']}" if prices.get("as_of") else ""
    return tag("p", f"All together {hourly(plan.get('cost'))}{dated}.", {"class": "soft after"})


def _endpoints(report: Report) -> Iterator[Element]:
    for kind, title in (("load-balanced", "Load-balanced endpoints"), ("queue", "Queue-based endpoints")):
        found = [endpoint for endpoint in report.endpoints if endpoint.kind == kind]
        if found:
            cards = [_endpoint(endpoint, is_local=report.is_local) for endpoint in found]
            yield section(title, f"{len(found)} live in {report.environment}", *cards)


def _endpoint(endpoint: Endpoint, *, is_local: bool) -> Element:
    found = tag("article", tag("h3", endpoint.name), {"class": "card endpoint"})
    # a base URL is a setting: no other scheme is a link
    link = {"href": endpoint.url} if endpoint.url.startswith(("http://", "https://")) else {}
    found.append(tag("p", tag("a", endpoint.url, link), {"class": "mono"}))
    if endpoint.routes:
        parts = [route.partition(" ") for route in endpoint.routes]
        found.append(tag("ul", *(tag("li", tag("b", method), path) for method, _, path in parts), {"class": "routes"}))
    call = call_to_try(endpoint.deployed())
    if call:
        lines = ['eval "$(flash platform env)"', *call] if is_local else call
        found.append(folded(tag("summary", "Try it"), tag("pre", "\n".join(lines), {"class": "call"}), is_open=False))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Checks, tests, logs


def _failures(report: Report) -> Iterator[Element]:
    if report.failed:
        yield section("What failed", "", card(*map(_failed, report.failed)))


def _failed(case: Case) -> Element:
    title = tag("summary", mark(case.outcome), tag("code", case.id), tag("p", case.reason, {"class": "soft"}))
    return folded(title, tag("pre", case.text or case.reason or "nothing was said"), is_open=True)


def _contract(report: Report) -> Iterator[Element]:
    if report.contract:
        rows = [
            (
                tag("span", mark(case.outcome), case.outcome),
                tag("code", case.id.removeprefix("flash::contract[").removesuffix("]")),
                case.reason or (f"not checked: {case.untyped}" if case.untyped else ""),
                duration(case.duration_s),
            )
            for case in report.contract
        ]
        said = "valid inputs crash nothing, and what comes back is what the types say"
        content = table(("Outcome", "Endpoint", "Told", "Took"), rows, keep=[0], right=[3])
        yield section("Contract checks", said, card(content))


def _tests(report: Report) -> Iterator[Element]:
    if report.tests:
        yield section("Tests", "against the preview", card(*_by_outcome(report.tests)))


def _canary(report: Report) -> Iterator[Element]:
    judged = [(f"{step.weight} %", one) for step in report.canary for one in step.endpoints]
    rows = [
        (tag("span", mark(one.outcome), f" {one.outcome.replace('-', ' ')}"), share, one.name, one.evidence)
        for share, one in judged
    ]
    if rows:
        content = table(("Outcome", "Share", "Endpoint", "What was seen"), rows)
        yield section("Canary", "what the new version did with its share of the calls", card(content))


def _smoke(report: Report) -> Iterator[Element]:
    if report.smoke:
        said = f"against what was deployed to {report.environment}"
        yield section("Smoke tests", said, card(*_by_outcome(report.smoke)))


def _by_outcome(cases: Sequence[Case]) -> Iterator[Element]:
    for outcome, said in (
        ("failed", "failed"),
        ("error", "with an error"),
        ("xpassed", "passed although expected to fail"),
        ("xfailed", "failed as expected"),
        ("skipped", "skipped"),
        ("passed", "passed"),
    ):
        found = [case for case in cases if case.outcome == outcome]
        if found:
            rows = [(tag("code", case.id), case.reason, duration(case.duration_s)) for case in found]
            title = tag("summary", mark(outcome), f"{len(found)} {said}")
            content = table(("Test", "Told", "Took"), rows, right=[2])
            yield folded(title, content, is_open=outcome in {"failed", "error"})


def _logs(report: Report) -> Iterator[Element]:
    logs = [log for log in report.logs if report.failed or not _is_evidence(log, report)]
    if logs:
        found = [
            folded(
                tag("summary", tag("b", log.endpoint), tag("span", f" · {log.of}", {"class": "soft"})),
                tag("pre", "\n".join(log.lines)),
                is_open=True,
            )
            for log in logs
        ]
        yield section("Worker logs", "the end, where something failed", card(*found))


def _notes(report: Report) -> Iterator[Element]:
    untyped = [f"{nodeid}: {left_out}" for nodeid, left_out in sorted(report.untyped.items())]
    lines = [*report.notes, *untyped, *report.gate_notes]
    if lines:
        yield section("Notes", "", card(tag("ul", *(tag("li", line) for line in lines), {"class": "notes"})))


def _artifact(report: Report) -> Iterator[Element]:
    artifact = report.artifact
    if artifact is None:
        return
    facts: list[tuple[str, str | Element]] = [
        ("sha256", tag("code", artifact.digest)),
        ("Size", f"{size(artifact.size_bytes)}, {artifact.files} files"),
        ("Python", artifact.python),
    ]
    found = card(_list(iter(facts)))
    if report.lock is not None and report.lock.distributions:
        rows = [(tag("code", one.name), tag("code", one.version)) for one in report.lock.distributions]
        title = tag("summary", f"{len(rows)} distribution{'' if len(rows) == 1 else 's'}")
        found.append(folded(title, table(("Name", "Version"), rows), is_open=False))
    yield section("Artifact", "what was built and tested", found)


def _footer(report: Report) -> Element:
    by = report.generator or "pytest-flash"
    return tag("footer", f"{by} · report schema {report.schema_} · this page has no scripts and loads nothing")
