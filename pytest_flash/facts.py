"""What happened in a run, as far as the gate asks for it. Gathered by the process that owns the run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import pytest

from pytest_flash.contract import UNTYPED
from pytest_flash.report import is_stage
from pytest_flash.watch import RAISED, Selection, skip_reason

__all__ = ["Observations", "Observer"]

_BADNESS: Final = {"passed": 0, "xpassed": 1, "xfailed": 1, "skipped": 1, "failed": 2, "error": 3}


@dataclass(slots=True)
class Observations:
    """Outcomes by node id, and what cut the run short.

    Attributes:
        outcomes: ``passed``, ``failed``, ``error`` (set-up, tear-down), ``skipped``, ``xfailed`` or ``xpassed``.
        reasons: Of skips and expected failures.
        reruns: How many attempts failed before the last one.
        subtests: Reasons of parts of tests that were skipped or failed as expected, by the id of the test and the
            part's name.
        broken: Files that could not be collected.
        internal: Internal errors of pytest, its plugins and the project's hooks.
        silent: Workers that ended without telling what they left out.
        selection: What was left out.
        failed_reports: How many reports said that something failed.
        untyped: What contract checks left out.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    reruns: Counter[str] = field(default_factory=Counter)
    subtests: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    internal: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    selection: Selection = field(default_factory=Selection)
    failed_reports: int = 0
    untyped: dict[str, str] = field(default_factory=dict)

    @property
    def skipped_files(self) -> dict[str, str]:
        """Reasons of files that skipped themselves as a whole."""
        return self.selection.skipped_files

    def with_outcome(self, wanted: str) -> dict[str, str]:
        """Reasons, where there are any, by node id."""
        return {nodeid: self.reasons.get(nodeid, "") for nodeid, outcome in self.outcomes.items() if outcome == wanted}


class Observer:
    """Watches the run's hooks. Under xdist, workers tell what only they see: :class:`~pytest_flash.watch.Selection`."""

    def __init__(self) -> None:
        self.seen = Observations()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst phase of each test; of one that was run again, the last attempt. First, before others edit."""
        if is_stage(report):
            return
        outcome, reason = _outcome(report)
        if outcome == "rerun":
            # another plugin gives the test another attempt
            self.seen.outcomes.pop(report.nodeid, None)
            self.seen.reruns[report.nodeid] += 1
            return
        if report.failed:
            self.seen.failed_reports += 1
        if hasattr(report, "context") and outcome not in {"failed", "error"}:
            # a part of a test, whose own report comes when all parts are done
            if outcome in {"skipped", "xfailed"}:
                self.seen.subtests[f"{report.nodeid} {_part(report)}"] = reason
            return
        if outcome == "passed" and report.when != "call":
            return
        before = self.seen.outcomes.get(report.nodeid)
        if before is None or _BADNESS[outcome] > _BADNESS[before]:
            self.seen.outcomes[report.nodeid] = outcome
            self.seen.reasons[report.nodeid] = reason
        for name, value in report.user_properties:
            if name == UNTYPED:
                self.seen.untyped[report.nodeid] = str(value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.seen.failed_reports += 1
            self.seen.broken.append(report.nodeid or "the session")

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Keep it: a worker of xdist has one, and the run goes on."""
        self.seen.internal.append(f"internal error: {excinfo.exconly(tryshort=True).splitlines()[-1]}")


def _outcome(report: pytest.TestReport) -> tuple[str, str]:
    if report.failed:
        return ("failed" if report.when == "call" else "error"), ""
    raised = getattr(report, RAISED, "")
    if report.passed and raised:
        return ("failed" if report.when == "call" else "error"), f"it raised {raised}, and a hook made a pass of it"
    if hasattr(report, "wasxfail"):
        return ("xfailed" if report.skipped else "xpassed"), report.wasxfail
    if report.skipped:
        return "skipped", skip_reason(report.longrepr)
    if report.passed:
        return "passed", ""
    return "rerun", ""


def _part(report: pytest.TestReport) -> str:
    """What a part of a test is called. Its context has a message and keywords: pytest's own, and pytest-subtests'."""
    context = getattr(report, "context", None)
    message, given = getattr(context, "msg", None), getattr(context, "kwargs", None) or {}
    parts = [f"[{message}]"] if message is not None else []
    parts += [f"({', '.join(f'{name}={value}' for name, value in given.items())})"] if given else []
    return " ".join(parts) or "(<subtest>)"
