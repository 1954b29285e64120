"""What came of each test, in enough words for a report: times, places, failures, the ends of workers' logs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_flash.connection import LOG_SECTION
from pytest_flash.report import is_stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

__all__ = ["Chronicle", "Told", "tell"]

CaseOutcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]

_BADNESS: Final[tuple[CaseOutcome, ...]] = ("passed", "xpassed", "xfailed", "skipped", "failed", "error")
_MISSING: Final = "ModuleNotFoundError: "
_LONGEST: Final = 64 * 2**10
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Told:
    """A test that ended.

    Attributes:
        started_at: Seconds since the epoch.
        reason: Of a skip or an expected failure; the last line of a failure.
        text: A failure as pytest shows it.
        path: The test's, relative to pytest's root; None for a contract check.
        line: Where it failed in that file, else where it begins; from 1.
        logs: The ends of workers' logs, by endpoint.
    """

    id: str
    outcome: CaseOutcome
    started_at: float
    duration_s: float
    reason: str = ""
    text: str = ""
    path: str | None = None
    line: int | None = None
    logs: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Chronicle:
    """Watches the run's hooks, in the process that owns the run.

    Attributes:
        told: By node id, in the order in which they ended.
    """

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst phase of each test, and the time of all; of one that was run again, the last attempt."""
        if is_stage(report):
            return
        if str(report.outcome) == "rerun":
            # another plugin gives the test another attempt
            self.told.pop(report.nodeid, None)
            return
        told = tell(report)
        before = self.told.get(report.nodeid)
        if before is not None:
            worse = told if _BADNESS.index(told.outcome) > _BADNESS.index(before.outcome) else before
            told = replace(worse, started_at=before.started_at, duration_s=before.duration_s + told.duration_s)
        self.told[report.nodeid] = told

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            text = report.longreprtext
            path = report.nodeid.partition("::")[0] or None
            nodeid = report.nodeid or "the session"
            self.told[nodeid] = Told(nodeid, "error", time.time(), 0.0, _last_line(text), _cut(text), path)

    def hints(self, sources: Iterable[str]) -> Iterator[str]:
        """What mends tests that could not be collected because of a module in *sources*, which declare endpoints.

        Source: the page "Deploy Flash apps", section "Import errors in endpoint functions".
        """
        broken = [told for told in self.told.values() if told.outcome == "error" and _MISSING in told.text]
        for path in sorted(set(sources)):
            if any(f"\n{path}:" in told.text for told in broken):
                yield (
                    f"{path} imports at its top what is not installed here; import packages inside the "
                    "endpoint function, where only workers need them, and name them in dependencies=[...]"
                )


def tell(report: pytest.TestReport) -> Told:
    """What one phase of a test says."""
    path, line = _place(report)
    outcome, reason = _outcome(report)
    is_bad = outcome in {"failed", "error"}
    captured = [
        f"{f' {title} ':-^80}\n{content.rstrip()}"
        for title, content in report.sections
        if is_bad and not title.startswith(LOG_SECTION)
    ]
    return Told(
        id=report.nodeid,
        outcome=outcome,
        started_at=getattr(report, "start", 0.0),
        duration_s=report.duration,
        reason=reason,
        text=_cut("\n".join((report.longreprtext, *captured))) if is_bad else "",
        path=path,
        line=line,
        logs=tuple(_logs(report)) if is_bad else (),
    )


def _outcome(report: pytest.TestReport) -> tuple[CaseOutcome, str]:
    if hasattr(report, "wasxfail"):
        return ("xfailed" if report.skipped else "xpassed"), report.wasxfail.removeprefix("reason: ")
    if report.failed:
        return ("failed" if report.when == "call" else "error"), _why(report)
    if report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return "skipped", text.removeprefix("Skipped: ")
    return "passed", ""


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else _last_line(report.longreprtext)
    return str(message).partition("\n")[0][:_LONGEST_REASON]


def _place(report: pytest.TestReport) -> tuple[str | None, int | None]:
    """A test's file, relative to pytest's root, and the line that somebody who mends it wants to see."""
    path, line, _ = report.location
    if path == "flash":
        return None, None
    lines = [number for where, number in _traceback(report.longrepr) if _is_same(where, path)]
    return path.replace("\\", "/"), lines[-1] if lines else None if line is None else line + 1


def _traceback(longrepr: Any) -> Iterator[tuple[str, int]]:
    for entry in getattr(getattr(longrepr, "reprtraceback", None), "reprentries", ()):
        where = getattr(entry, "reprfileloc", None)
        if where is not None:
            yield where.path, where.lineno


def _is_same(shown: str, path: str) -> bool:
    # what a traceback shows is relative to the folder that pytest was started in
    return PurePath(shown).parts[-len(PurePath(path).parts) :] == PurePath(path).parts or PurePath(path).match(shown)


def _logs(report: pytest.TestReport) -> Iterator[tuple[str, tuple[str, ...]]]:
    for title, content in report.sections:
        if title.startswith(LOG_SECTION):
            yield title.removeprefix(LOG_SECTION), tuple(content.splitlines())


def _last_line(text: str) -> str:
    return (
        next((line for line in reversed(text.splitlines()) if line.strip()), "")
        .strip()
        .removeprefix("E ")
        .strip()[:_LONGEST_REASON]
    )


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
