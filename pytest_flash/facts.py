"""What happened in a run, as far as the gate asks for it. Gathered by the process that owns the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_flash.contract import UNTYPED
from pytest_flash.report import is_stage
from pytest_flash.subject import is_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pytest

__all__ = ["Observations", "Observer", "narrowing"]

_BADNESS: Final = {"passed": 0, "xpassed": 1, "xfailed": 1, "skipped": 1, "failed": 2, "error": 3}


@dataclass(slots=True)
class Observations:
    """Outcomes by node id, and what cut the run short.

    Attributes:
        outcomes: ``passed``, ``failed``, ``error`` (set-up, tear-down), ``skipped``, ``xfailed`` or ``xpassed``.
        reasons: Of skips and expected failures.
        broken: Files that could not be collected.
        skipped_files: Reasons of those that skipped themselves as a whole.
        failed_reports: How many reports said that something failed.
        untyped: What contract checks left out.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    skipped_files: dict[str, str] = field(default_factory=dict)
    deselected: set[str] = field(default_factory=set)
    failed_reports: int = 0
    untyped: dict[str, str] = field(default_factory=dict)

    def with_outcome(self, wanted: str) -> dict[str, str]:
        """Reasons, where there are any, by node id."""
        return {nodeid: self.reasons.get(nodeid, "") for nodeid, outcome in self.outcomes.items() if outcome == wanted}


class Observer:
    """Watches the run's hooks. Under xdist, workers tell what only they see through :meth:`add_worker`."""

    def __init__(self) -> None:
        self.seen = Observations()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst phase of each test; of one that was run again, the last attempt."""
        if is_stage(report):
            return
        outcome, reason = _outcome(report)
        if outcome == "rerun":
            # another plugin gives the test another attempt
            self.seen.outcomes.pop(report.nodeid, None)
            return
        if outcome in {"failed", "error"}:
            self.seen.failed_reports += 1
        if outcome == "passed" and report.when != "call":
            return
        before = self.seen.outcomes.get(report.nodeid)
        if before is None or _BADNESS[outcome] > _BADNESS[before]:
            self.seen.outcomes[report.nodeid] = outcome
            self.seen.reasons[report.nodeid] = reason
        for name, value in report.user_properties:
            if name == UNTYPED:
                self.seen.untyped[report.nodeid] = str(value)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected, and what skipped itself as a whole."""
        if report.failed:
            self.seen.failed_reports += 1
            self.seen.broken.append(report.nodeid or "the session")
        elif report.skipped:
            self.seen.skipped_files[report.nodeid] = _reason(report.longrepr)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Keep what was left out."""
        self.seen.deselected.update(item.nodeid for item in items)

    def add_worker(self, deselected: Iterable[str]) -> None:
        """Add what a worker of xdist left out."""
        self.seen.deselected.update(deselected)


def _outcome(report: pytest.TestReport) -> tuple[str, str]:
    if hasattr(report, "wasxfail"):
        return ("xfailed" if report.skipped else "xpassed"), report.wasxfail
    if report.failed:
        return ("failed" if report.when == "call" else "error"), ""
    if report.skipped:
        return "skipped", _reason(report.longrepr)
    if report.passed:
        return "passed", ""
    return "rerun", ""


def _reason(longrepr: Any) -> str:
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr or "")
    return text.removeprefix("Skipped: ")


def narrowing(config: pytest.Config, root: Path) -> tuple[str, ...]:
    """What narrows the run to less than all tests, without deselecting any: a line each, naming the option.

    Path arguments must cover either every folder of ``testpaths`` or the project's root.
    """
    found: list[str] = []
    here = config.invocation_params.dir
    arguments = [(here / argument.partition("::")[0]).resolve() for argument in config.args if "::" not in argument]
    testpaths = [path.resolve() for pattern in config.getini("testpaths") for path in config.rootpath.glob(pattern)]
    if not any(_cover(arguments, wanted) for wanted in (testpaths, [root]) if wanted):
        found.append(f"path arguments: {' '.join(config.args)}")
    given = [str(argument) for argument in config.invocation_params.args]
    found += [f"option {argument}" for argument in given if argument.startswith(("--ignore", "--deselect"))]
    if config.getoption("lf", default=False) and _failed_before(config):
        found.append("option --lf: only what failed before was collected")
    return tuple(found)


def _cover(arguments: Sequence[Path], wanted: Sequence[Path]) -> bool:
    return all(any(path.is_relative_to(argument) for argument in arguments) for path in wanted)


def _failed_before(config: pytest.Config) -> bool:
    # with -p no:cacheprovider there is none
    cache: pytest.Cache | None = getattr(config, "cache", None)
    failed = {} if cache is None else cache.get("cache/lastfailed", {})
    return any(not nodeid.startswith("flash::") or is_contract(nodeid) for nodeid in failed)
