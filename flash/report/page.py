"""A report as one HTML page: no scripts, nothing loaded from anywhere, light and dark, for screens, phones and paper.

The page is built as a tree and written by the standard library, so that what a project, a test or a worker has named or
printed is text wherever it stands.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timezone
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree.ElementTree import Element, tostring

from flash.deploy.summary import call_to_try
from flash.report.words import conditions_first, duration, headline, plan_rows, printable, tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.report.document import Case, Endpoint, Report

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
_MARKS: Final = {
    "passed": ("good", "✓"),
    "pass": ("good", "✓"),
    "failed": ("bad", "✗"),
    "error": ("bad", "✗"),
    "refused": ("bad", "✗"),
    "inconclusive": ("warn", "?"),
    "skipped": ("idle", "·"),
    "xfailed": ("idle", "·"),
    "xpassed": ("warn", "!"),
}
_WIDTH: Final = 1000.0
_NARROWEST: Final = 4.0
_MIB: Final = 2**20


def as_page(report: Report) -> str:
    """The page, self-contained."""
    style = files("flash.report").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    css = Element("style")
    css.text = style
    title = headline(report)
    page = _e(
        "html",
        _e(
            "head",
            _e("meta", charset="utf-8"),
            _e("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
            _e("meta", name="viewport", content="width=device-width, initial-scale=1"),
            _e("meta", name="referrer", content="no-referrer"),
            _e("meta", name="color-scheme", content="light dark"),
            # or a browser asks the server for one
            _e("link", rel="icon", href="data:,"),
            _e("title", title),
            css,
        ),
        _e("body", _e("main", *_sections(report), _footer(report))),
        lang="en",
    )
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _sections(report: Report) -> Iterator[Element]:
    yield _verdict(report)
    for make in (_failures, _time_line, _gate, _plan, _endpoints, _contract, _tests, _smoke, _logs, _notes, _built):
        yield from make(report)


# ---------------------------------------------------------------------------------------------------------------------
# The verdict


def _verdict(report: Report) -> Element:
    kind, word = _VERDICTS.get(report.outcome, ("warn", report.outcome))
    card = _e("header", _e("p", _e("span", word, {"class": f"pill {kind}"})), _e("h1", headline(report)))
    card.set("class", f"card verdict {kind}")
    error = report.error
    if error is not None and not report.is_good:
        at = "" if error.path is None else f"{error.path}{'' if error.line is None else f':{error.line}'}: "
        message = "" if report.outcome == "refused" and report.in_the_way else f"{at}{error.message}"
        if message:
            card.append(_e("p", message, {"class": "why"}))
        for condition in report.in_the_way:
            card.append(
                _e(
                    "p",
                    _mark(condition.outcome),
                    f"{condition.title}: {'; '.join(condition.evidence)}",
                    {"class": "why"},
                )
            )
            if condition.remedy:
                card.append(_e("p", _e("b", "Hint"), condition.remedy, {"class": "hint"}))
        if error.hint:
            card.append(_e("p", _e("b", "Hint"), error.hint, {"class": "hint"}))
    if report.live:
        card.append(_e("p", _e("b", "Live now"), report.live, {"class": "live"}))
    card.append(
        _e("dl", *(_e("div", _e("dt", name), _e("dd", value)) for name, value in _facts(report)), {"class": "facts"})
    )
    if error is not None and error.detail and not report.is_good and report.outcome != "refused":
        card.append(_e("details", _e("summary", "Evidence"), _e("pre", error.detail), open="open"))
    return card


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
        commit = _e("code", report.git.commit[:12], title=report.git.commit)
        yield "Commit", _e("span", commit, f"{branch}{', with changes' if report.git.is_dirty else ''}")
    if report.started_at:
        yield (
            "Started",
            _e("time", _moment(report.started_at).strftime("%Y-%m-%d %H:%M:%S UTC"), datetime=report.started_at),
        )
    if report.duration_s:
        yield "Took", duration(report.duration_s)


def _digest(digest: str) -> Element:
    return _e("code", f"sha256:{digest[:12]}", title=f"sha256:{digest}")


# ---------------------------------------------------------------------------------------------------------------------
# Stages on a time line


class _Bar(NamedTuple):
    name: str
    outcome: str
    colour: str
    start: float
    duration_s: float
    said: str


def _time_line(report: Report) -> Iterator[Element]:
    bars = [
        _Bar(
            stage.id.removeprefix("flash::"),
            stage.outcome,
            _MARKS[stage.outcome][0],
            _moment(stage.started_at).timestamp(),
            stage.duration_s,
            "\n".join(filter(None, (stage.message, f"hint: {stage.hint}" if stage.hint else ""))),
        )
        for stage in report.stages
        if stage.started_at is not None
    ]
    if report.tests_started_at is not None:
        failed = any(case.outcome in {"failed", "error"} for case in (*report.contract, *report.tests))
        start = _moment(report.tests_started_at).timestamp()
        outcome, colour = ("failed", "bad") if failed else ("passed", "tests")
        bars.append(_Bar("tests and checks", outcome, colour, start, report.tests_duration_s, tally(report)))
    if not bars:
        return
    bars.sort(key=lambda bar: bar.start)
    first = min(bar.start for bar in bars)
    whole = max(max(bar.start + bar.duration_s for bar in bars) - first, 1e-3)
    card = _e("div", *(_line(bar, first, whole) for bar in bars), {"class": "card"})
    card.append(
        _e("p", _e("span", "0"), _e("span", duration(whole / 2)), _e("span", duration(whole)), {"class": "axis"})
    )
    yield _section("Stages", "", card)


def _line(bar: _Bar, first: float, whole: float) -> Element:
    x = (bar.start - first) / whole * _WIDTH
    width = max(bar.duration_s / whole * _WIDTH, _NARROWEST)
    x = min(x, _WIDTH - width)
    label = f"{bar.name}: {bar.outcome}, after {duration(bar.start - first)}, took {duration(bar.duration_s)}"
    track = _e(
        "svg",
        _e("rect", {"class": bar.colour}, x=f"{x:.1f}", y="0", width=f"{width:.1f}", height="14", rx="2"),
        {"class": "track", "viewBox": f"0 0 {_WIDTH:.0f} 14", "preserveAspectRatio": "none", "aria-label": label},
        role="img",
    )
    line = _e("div", _e("span", _mark(bar.outcome), bar.name, {"class": "name"}), track, {"class": "line"})
    line.append(_e("span", duration(bar.duration_s), {"class": "took"}))
    for number, said in enumerate(bar.said.splitlines()):
        is_bad = bar.outcome == "failed" and number == 0
        line.append(_e("span", said, {"class": "said bad" if is_bad else "said"}))
    return line


# ---------------------------------------------------------------------------------------------------------------------
# Gate, plan, endpoints


def _gate(report: Report) -> Iterator[Element]:
    if not report.gate:
        return
    rows = [
        (
            _e("span", _mark(condition.outcome), _e("code", condition.code), {"class": "keep"}),
            condition.title,
            _e("span", *(_e("p", line) for line in condition.evidence)),
            condition.remedy,
        )
        for condition in conditions_first(report.gate)
    ]
    passed = len(report.gate) - len(report.in_the_way)
    table = _table(("Condition", "What must hold", "What was seen", "What would change it"), rows, keep={0})
    yield _section("Gate", f"{passed} of {len(report.gate)} conditions passed", _e("div", table, {"class": "card"}))


def _plan(report: Report) -> Iterator[Element]:
    if report.plan is None:
        return
    rows = [(_e("b", verb), _e("code", name), reason) for verb, name, reason in plan_rows(report.plan)]
    content = _table(("Step", "Endpoint", "Because"), rows, keep={0}) if rows else _e("p", "Nothing changes.")
    yield _section("Plan", "", _e("div", content, {"class": "card"}))


def _endpoints(report: Report) -> Iterator[Element]:
    for kind, title in (("load-balanced", "Load-balanced endpoints"), ("queue", "Queue-based endpoints")):
        found = [endpoint for endpoint in report.endpoints if endpoint.kind == kind]
        if found:
            cards = [_endpoint(endpoint, is_local=report.is_local) for endpoint in found]
            yield _section(title, f"{len(found)} live in {report.environment}", *cards)


def _endpoint(endpoint: Endpoint, *, is_local: bool) -> Element:
    card = _e("article", _e("h3", endpoint.name), {"class": "card endpoint"})
    card.append(_e("p", _e("a", endpoint.url, href=_safe(endpoint.url)), {"class": "mono"}))
    if endpoint.routes:
        parts = [route.partition(" ") for route in endpoint.routes]
        items = [_e("li", _e("b", method), path) for method, _, path in parts]
        card.append(_e("ul", *items, {"class": "routes"}))
    call = call_to_try(endpoint.deployed())
    if call:
        lines = ['eval "$(flash platform env)"', *call] if is_local else call
        card.append(_e("details", _e("summary", "Try it"), _e("pre", "\n".join(lines), {"class": "call"})))
    return card


def _safe(url: str) -> str:
    return url if url.startswith(("http://", "https://")) else "#"


# ---------------------------------------------------------------------------------------------------------------------
# Checks, tests, logs


def _failures(report: Report) -> Iterator[Element]:
    if report.failed:
        many = f"{len(report.failed)} of the tests and checks" if len(report.failed) > 1 else ""
        yield _section("What failed", many, _e("div", *map(_failed, report.failed), {"class": "card"}))


def _failed(case: Case) -> Element:
    title = _e("summary", _mark(case.outcome), _e("code", case.id), f" {case.reason}" if case.reason else "")
    text = "\n".join(filter(None, (case.text,))) or case.reason or "nothing was said"
    return _e("details", title, _e("pre", text), open="open")


def _contract(report: Report) -> Iterator[Element]:
    if report.contract:
        rows = [
            (
                _e("span", _mark(case.outcome), case.outcome),
                _e("code", _subject(case.id)),
                case.reason or case.untyped,
                duration(case.duration_s),
            )
            for case in report.contract
        ]
        table = _table(("Outcome", "Endpoint", "Told", "Took"), rows, keep={0}, right={3})
        said = "valid inputs do not crash it, and what it returns is what it says it returns"
        yield _section("Contract checks", said, _e("div", table, {"class": "card"}))


def _subject(nodeid: str) -> str:
    return nodeid.removeprefix("flash::contract[").removesuffix("]")


def _tests(report: Report) -> Iterator[Element]:
    if report.tests:
        yield _section("Tests", "against the preview", _e("div", *_by_outcome(report.tests), {"class": "card"}))


def _smoke(report: Report) -> Iterator[Element]:
    if report.smoke:
        said = f"against what was deployed to {report.environment}"
        yield _section("Smoke tests", said, _e("div", *_by_outcome(report.smoke), {"class": "card"}))


def _by_outcome(cases: Sequence[Case]) -> Iterator[Element]:
    for outcomes in (("failed", "error"), ("xpassed",), ("skipped", "xfailed"), ("passed",)):
        found = [case for case in cases if case.outcome in outcomes]
        if not found:
            continue
        rows = [(_mark_and_id(case), case.reason, duration(case.duration_s)) for case in found]
        words = sorted({case.outcome for case in found})
        title = _e("summary", _mark(words[0]), f"{len(found)} {' or '.join(words)}")
        table = _table(("Test", "Told", "Took"), rows, right={2})
        yield _e("details", title, table, {} if outcomes == ("passed",) else {"open": "open"})


def _mark_and_id(case: Case) -> Element:
    return _e("code", case.id)


def _logs(report: Report) -> Iterator[Element]:
    if report.logs:
        cards = [
            _e(
                "details",
                _e("summary", _e("b", log.endpoint), _e("span", f" while {log.of}", {"class": "soft"})),
                _e("pre", "\n".join(log.lines)),
                open="open",
            )
            for log in report.logs
        ]
        yield _section("Worker logs", "the end, where something failed", _e("div", *cards, {"class": "card"}))


def _notes(report: Report) -> Iterator[Element]:
    untyped = [f"{nodeid}: {left_out}" for nodeid, left_out in sorted(report.untyped.items())]
    lines = [*report.notes, *untyped, *report.gate_notes]
    if lines:
        yield _section(
            "Notes", "", _e("div", _e("ul", *(_e("li", line) for line in lines), {"class": "notes"}), {"class": "card"})
        )


def _built(report: Report) -> Iterator[Element]:
    if report.artifact is None:
        return
    artifact = report.artifact
    size = (
        f"{artifact.size_bytes / _MIB:.1f} MiB"
        if artifact.size_bytes >= _MIB
        else f"{artifact.size_bytes / 1024:.1f} KiB"
    )
    facts: list[tuple[str, str | Element]] = [
        ("sha256", _e("code", artifact.digest)),
        ("Size", f"{size}, {artifact.files} files"),
        ("Python", artifact.python),
    ]
    card = _e(
        "div",
        _e("dl", *(_e("div", _e("dt", name), _e("dd", value)) for name, value in facts), {"class": "facts first"}),
        {"class": "card"},
    )
    if report.lock is not None:
        rows = [(_e("code", name), _e("code", version)) for name, version in report.lock.distributions.items()]
        count = len(rows)
        title = _e("summary", f"{count} distribution{'' if count == 1 else 's'}")
        if rows:
            card.append(_e("details", title, _table(("Name", "Version"), rows)))
    yield _section("Artifact", "what was built, tested and deployed", card)


def _footer(report: Report) -> Element:
    return _e(
        "footer", f"{report.generator or 'pytest-flash'} · report schema {report.schema_} · this page loads nothing"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Elements


def _section(title: str, said: str, *content: Element) -> Element:
    head = _e("h2", title, _e("small", said)) if said else _e("h2", title)
    return _e("section", head, *content)


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str | Element]],
    *,
    keep: set[int] = frozenset(),  # type: ignore[assignment]
    right: set[int] = frozenset(),  # type: ignore[assignment]
) -> Element:
    def looks(column: int) -> dict[str, str]:
        words = " ".join(word for word, columns in (("keep", keep), ("right", right)) if column in columns)
        return {"class": words} if words else {}

    top = _e("tr", *(_e("th", name, {"scope": "col", **looks(column)}) for column, name in enumerate(head)))
    body = [
        _e(
            "tr",
            *(
                _e("td", cell, {**looks(column), **({"data-label": head[column]} if column else {})})
                if cell != ""
                else _e("td")
                for column, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return _e("table", _e("thead", top), _e("tbody", *body), {"class": "stack"})


def _mark(outcome: str) -> Element:
    kind, sign = _MARKS.get(outcome, ("idle", "·"))
    return _e("span", sign, {"class": f"mark {kind}", "title": outcome})


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.fromtimestamp(0, timezone.utc)
    # 3.10 reads no Z
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _e(tag: str, *children: str | Element | dict[str, str], **attributes: str) -> Element:
    """An element; a dictionary among its children are attributes whose names are no identifiers."""
    made = Element(tag, attributes)
    last: Element | None = None
    for child in children:
        if isinstance(child, dict):
            made.attrib.update(child)
        elif isinstance(child, str):
            text = printable(child)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        else:
            made.append(child)
            last = child
    for name, value in made.attrib.items():
        made.attrib[name] = printable(value)
    return made
