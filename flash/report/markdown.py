"""A report as Markdown: GitHub's step summary, or a note on a merge request. The verdict comes first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flash.deploy.gate import Condition, Verdict
from flash.deploy.summary import call_to_try
from flash.report.words import duration, headline, plan_rows, printable, tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.report.document import Case, Report

__all__ = ["as_markdown"]

_SIGNS: Final = {
    "passed": "✅",
    "failed": "❌",
    "error": "❌",
    "skipped": "⏭️",
}
_CANARY_SIGNS: Final = {"pass": "✅", "fail": "❌", "not-enough-data": "❔"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#+|~&$@])")
_MOST_FAILURES: Final = 20
_MOST_LINES: Final = 60
_CUT: Final = "\n> The rest was cut: a summary may not be larger. The whole is in the report (`--flash-report=FILE`).\n"


def as_markdown(report: Report, *, room: int = 2**20) -> str:
    """The report, in at most *room* bytes of UTF-8: what does not fit is left out, a whole section each, and said."""
    written: list[str] = []
    left = room - len(_CUT.encode())
    for section in _sections(report):
        size = len(section.encode()) + 1
        if size > left:
            # the verdict itself may be too long: a command that failed may have said anything
            if not written:
                written.append(section.encode()[: max(left - 2, 0)].decode(errors="ignore"))
            written.append(_CUT)
            break
        written.append(section)
        left -= size
    text = "\n".join(written)
    return text if len(text.encode()) <= room else ""


def _sections(report: Report) -> Iterator[str]:
    yield _verdict(report)
    if report.in_the_way:
        yield _gate(report)
    yield from _failures(report.failed)
    if report.endpoints:
        yield _endpoints(report)
    if report.plan is not None:
        yield _plan(report)
    if report.stages:
        yield _stages(report)
    if report.canary:
        yield _canary(report)
    if report.gate and not report.in_the_way:
        yield _gate(report)
    if report.notes or report.untyped:
        yield _notes(report)


def _verdict(report: Report) -> str:
    sign = "✅" if report.is_good else "❌"
    lines = [f"## {sign} {_text(headline(report))}", ""]
    facts = [
        *([f"artifact {_code('sha256:' + report.digest[:12])}"] if report.digest else []),
        *([f"before {_code('sha256:' + report.previous_digest[:12])}"] if report.previous_digest else []),
        *(
            [f"commit {_code(report.git.commit[:12])}{' (with changes)' if report.git.is_dirty else ''}"]
            if report.git
            else []
        ),
        *([_text(tally(report))] if tally(report) else []),
        *([duration(report.duration_s)] if report.duration_s else []),
    ]
    lines.append(" · ".join(facts))
    if report.error is not None and not report.is_good and report.outcome != "refused":
        lines += ["", _text(report.error.message)]
        if report.error.hint:
            lines += ["", f"**Hint:** {_text(report.error.hint)}"]
        # what failed is told below, with more
        if report.error.detail and not report.failed:
            lines += ["", _folded("Evidence", _fence(_end_of(report.error.detail)))]
    if report.live:
        lines += ["", f"**Live now:** {_text(report.live)}"]
    return "\n".join(lines) + "\n"


def _gate(report: Report) -> str:
    conditions = tuple(
        Condition(
            condition.code,
            condition.title,
            condition.outcome,
            "; ".join(condition.evidence),
            condition.remedy,
            condition.items,
        )
        for condition in report.gate
    )
    return Verdict(conditions, report.gate_notes, report.environment or "", report.digest or "").markdown()


def _failures(failed: Sequence[Case]) -> Iterator[str]:
    for number, case in enumerate(failed):
        title = f"### {len(failed)} failed\n\n" if number == 0 else ""
        if number == _MOST_FAILURES:
            yield f"… and {len(failed) - number} more.\n"
            return
        summary = f"<code>{_html(case.id)}</code>{' — ' + _html(case.reason) if case.reason else ''}"
        yield f"{title}<details><summary>❌ {summary}</summary>\n\n{_fence(_end_of(case.text))}\n\n</details>\n"


def _endpoints(report: Report) -> str:
    rows = [(_text(endpoint.name), _text(endpoint.kind), _code(endpoint.url)) for endpoint in report.endpoints]
    lines = ["### Endpoints", "", _table(("name", "kind", "URL"), rows), ""]
    calls = [(endpoint.name, call_to_try(endpoint.deployed())) for endpoint in report.endpoints]
    for name, call in calls:
        if call:
            key = ['eval "$(flash platform env)"'] if report.is_local else []
            lines.append(_folded(f"Try {name}", _fence("\n".join([*key, *call]), "sh")))
    return "\n".join(lines) + "\n"


def _plan(report: Report) -> str:
    rows = [
        (_text(step.action), _text(step.name), _text(step.because), _text(step.cost)) for step in plan_rows(report.plan)
    ]
    if not rows or (report.plan or {}).get("is_empty"):
        return "### Plan\n\nNothing changes: what was tested is live already.\n"
    return f"### Plan\n\n{_table(('step', 'endpoint', 'because', 'an hour, idle to busiest'), rows)}\n"


def _stages(report: Report) -> str:
    rows = [
        (
            f"{_SIGNS[stage.outcome]} {_code(stage.id.removeprefix('flash::'))}",
            duration(stage.duration_s),
            _text(stage.message.partition("\n")[0]),
        )
        for stage in report.stages
    ]
    return f"### Stages\n\n{_table(('stage', 'took', 'what came of it'), rows)}\n"


def _canary(report: Report) -> str:
    rows = [
        (f"{_CANARY_SIGNS[one.outcome]} {step.weight} %", _text(one.name), _text(one.evidence))
        for step in report.canary
        for one in step.endpoints
    ]
    return f"### Canary\n\n{_table(('share', 'endpoint', 'because'), rows)}\n"


def _notes(report: Report) -> str:
    told = [f"{nodeid}: {left_out}" for nodeid, left_out in sorted(report.untyped.items())]
    lines = [f"- {_text(note)}" for note in (*report.notes, *told)]
    return _folded(f"Notes ({len(lines)})", "\n".join(lines)) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# Pieces. Everything that a user's project may have named goes through one of them


def _text(text: str) -> str:
    """In a paragraph: nothing in it is markup, a mention or a line of its own."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def _html(text: str) -> str:
    return printable(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """In a cell too, where a bar would end it."""
    flat = printable(" ".join(text.split())).replace("|", "\\|")
    fence = "`" * (_longest_run(flat) + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _fence(text: str, language: str = "text") -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{printable(text)}\n{fence}"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{_html(title)}</summary>\n\n{content}\n\n</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _end_of(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _MOST_LINES:
        return text
    return "\n".join([f"… {len(lines) - _MOST_LINES} lines before", *lines[-_MOST_LINES:]])
