"""Stages and tests on a time line: a row each, whose bar is where it was in the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flash.report.elements import MARKS, card, mark, moment, section, tag
from flash.report.words import duration, tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from flash.report.document import Report

__all__ = ["time_line"]

_WIDTH: Final = 1000.0
_NARROWEST: Final = 4.0


class _Bar(NamedTuple):
    name: str
    outcome: str
    colour: str
    start: float
    duration_s: float
    said: str


def time_line(report: Report) -> Iterator[Element]:
    """The section; nothing where no stage was timed."""
    bars = [
        _Bar(
            stage.id.removeprefix("flash::"),
            stage.outcome,
            MARKS[stage.outcome][0],
            moment(stage.started_at).timestamp(),
            stage.duration_s,
            "\n".join(filter(None, (stage.message, f"hint: {stage.hint}" if stage.hint else ""))),
        )
        for stage in report.stages
        if stage.started_at is not None
    ]
    if report.tests_started_at is not None:
        failed = any(case.outcome in {"failed", "error"} for case in (*report.contract, *report.tests))
        start = moment(report.tests_started_at).timestamp()
        outcome, colour = ("failed", "bad") if failed else ("passed", "tests")
        bars.append(_Bar("tests and checks", outcome, colour, start, report.tests_duration_s, tally(report)))
    if not bars:
        return
    bars.sort(key=lambda bar: bar.start)
    first = min(bar.start for bar in bars)
    whole = max(max(bar.start + bar.duration_s for bar in bars) - first, 1e-3)
    found = card(*(_line(bar, first, whole) for bar in bars))
    found.append(
        tag("p", tag("span", "0"), tag("span", duration(whole / 2)), tag("span", duration(whole)), {"class": "axis"})
    )
    yield section("Stages", "", found)


def _line(bar: _Bar, first: float, whole: float) -> Element:
    x = (bar.start - first) / whole * _WIDTH
    width = max(bar.duration_s / whole * _WIDTH, _NARROWEST)
    x = min(x, _WIDTH - width)
    label = f"{bar.name}: {bar.outcome}, after {duration(bar.start - first)}, took {duration(bar.duration_s)}"
    track = tag(
        "svg",
        tag("rect", {"class": bar.colour}, x=f"{x:.1f}", y="0", width=f"{width:.1f}", height="14", rx="2"),
        {"class": "track", "viewBox": f"0 0 {_WIDTH:.0f} 14", "preserveAspectRatio": "none", "aria-label": label},
        role="img",
    )
    line = tag("div", tag("span", mark(bar.outcome), bar.name, {"class": "name"}), track, {"class": "line"})
    line.append(tag("span", duration(bar.duration_s), {"class": "took"}))
    for number, said in enumerate(bar.said.splitlines()):
        is_bad = bar.outcome == "failed" and number == 0
        line.append(tag("span", said, {"class": "said bad" if is_bad else "said"}))
    return line
