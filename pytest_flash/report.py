"""Stages as test reports: in the terminal, under ``-v``, in JUnit XML and in ``--durations``, without being items."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest

from flash.errors import FlashError, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from _pytest._io import TerminalWriter
    from _pytest.terminal import TerminalReporter

    from pytest_flash.ci import Ci

__all__ = ["Failure", "Representation", "Skip", "Stage", "StageFailed", "StageReporter", "is_stage"]

_T = TypeVar("_T")
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not happen, as people are told.

    Attributes:
        message: One line.
        detail: Evidence of more than one line.
        path: The file that it is about, where it is about one.
        line: The line in it, from 1.
        endpoint: Whose log the detail is the end of; empty where it is something else.
    """

    message: str
    hint: str = ""
    detail: str = ""
    path: str | None = None
    line: int | None = None
    endpoint: str = ""

    @classmethod
    def of(cls, error: FlashError) -> Failure:
        """What an error says."""
        endpoint = error.endpoint if isinstance(error, (WorkerFailed, StageFailed)) else ""
        return cls(error.headline, error.hint, error.detail, error.path, error.line, endpoint)

    def __str__(self) -> str:
        return "\n".join(
            part for part in (self.message, f"hint: {self.hint}" if self.hint else "", self.detail) if part
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that ended.

    Attributes:
        id: ``flash::build``, ``flash::deploy[production]``, …
        message: Why it failed or was skipped, or what came of it.
        started_at: Seconds since the epoch.
        duration_s: Its own: without the stages within it.
        failure: Why it failed, where it did.
    """

    id: str
    outcome: Outcome
    message: str
    started_at: float = 0.0
    duration_s: float = 0.0
    failure: Failure | None = None


class StageFailed(FlashError):
    """A stage failed and was reported; nothing after it happens.

    Attributes:
        endpoint: Whose log ``detail`` is the end of, where it is that.
    """

    def __init__(self, error: FlashError) -> None:
        super().__init__(error.message, hint=error.hint, path=error.path, line=error.line, detail=error.detail)
        self.endpoint = error.endpoint if isinstance(error, WorkerFailed) else ""


@dataclass(frozen=True, slots=True)
class Skip:
    """What a stage's work returns where there was nothing to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Crash:
    """What the short summary and JUnit's ``message`` show. pytest reads the attribute ``message``."""

    message: str

    def __str__(self) -> str:
        return self.message


class Representation:
    """A failure as pytest's reporters expect it: there is no traceback, because it says what there is to say.

    Args:
        failure: All of it, for reports of all kinds.
        is_told_below: The terminal's summary has hint and evidence; they are not written twice.
    """

    def __init__(self, failure: Failure, *, is_told_below: bool = False) -> None:
        self.reprcrash = _Crash(failure.message)
        self._text = str(failure)
        self._shown = failure.message if is_told_below else self._text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write it."""
        for line in self._shown.splitlines():
            tw.line(line)


def is_stage(report: object) -> bool:
    """Whether a test report is one of a stage."""
    return getattr(report, "flash_stage", False) is True


class StageReporter:
    """Runs stages and reports them.

    Attributes:
        stages: Those that ended, in their order.
        told: More properties for JUnit XML, by the id of a stage that has not been reported yet.

    Args:
        session: Of the run.
        ci: The CI system whose log the run writes, where it folds what a stage tells.
    """

    def __init__(self, session: pytest.Session, ci: Ci | None = None) -> None:
        self.stages: list[Stage] = []
        self.session = session
        self.told: dict[str, list[tuple[str, object]]] = {}
        self._ci = ci
        self._is_folding = False
        self._folded = ""

    def run(
        self,
        name: str,
        work: Callable[[], _T],
        tell: Callable[[_T], str] = lambda _: "",
        properties: Callable[[_T], Iterable[tuple[str, object]]] = lambda _: (),
    ) -> _T:
        """Do *work* as the stage ``flash::NAME``, which is skipped where it returns a :class:`Skip`.

        Args:
            name: ``build``, ``deploy[production]``, …
            work: What to do.
            tell: What came of it, for the report.
            properties: The same, for JUnit XML.

        Raises:
            StageFailed: It raised an error of ours, which is reported.
        """
        self._start(name)
        start = time.time()
        ended_before = len(self.stages)
        try:
            value = work()
        except FlashError as error:
            self._report(name, "failed", "", failure=Failure.of(error), start=start, within=self.stages[ended_before:])
            raise StageFailed(error) from error
        if isinstance(value, Skip):
            longrepr = (_id(name), 0, f"Skipped: {value.reason}")
            self._report(
                name, "skipped", value.reason, longrepr=longrepr, start=start, within=self.stages[ended_before:]
            )
        else:
            self.told.setdefault(_id(name), []).extend(properties(value))
            self._report(name, "passed", tell(value), start=start, within=self.stages[ended_before:])
        return value

    def fail(self, name: str, failure: Failure, *, is_told_below: bool = False) -> None:
        """Report the stage ``flash::NAME``, which was not begun, as failed."""
        self._start(name, folds=False)
        longrepr = Representation(failure, is_told_below=is_told_below)
        self._report(name, "failed", "", failure=failure, longrepr=longrepr, start=time.time())

    def begin_line(self) -> None:
        """Begin a line of the stages' own after the tests, whose line has its progress already."""
        terminal = self._terminal
        if terminal is None:
            return
        if terminal.verbosity < 0:
            terminal.write_line("")
        else:
            terminal.ensure_newline()

    def progress(self, message: str) -> None:
        """Tell what long work is at, where somebody watches: on a terminal, with ``-v``, or in a fold of a log."""
        terminal = self._terminal
        if terminal is None:
            return
        if self._is_folding:
            terminal.write_line(f"  flash: {message}")
        elif terminal.verbosity > 0:
            # the stage's own line is written again below
            terminal.write_ensure_prefix("  flash: ", message)
        elif terminal.verbosity == 0 and terminal.isatty:
            terminal.write_line(f"  flash: {message}")

    @property
    def _terminal(self) -> TerminalReporter | None:
        found: TerminalReporter | None = self.session.config.pluginmanager.get_plugin("terminalreporter")
        return found

    def _start(self, name: str, *, folds: bool = True) -> None:
        terminal = self._terminal
        if self._ci is not None and folds and terminal is not None and terminal.verbosity >= 0:
            # a stage within another one: folds do not nest everywhere
            self._stop_folding(self._folded)
            self._folded = name
            self._begin_line(terminal)
            terminal.write_line(self._ci.section_start(_id(name), _id(name), time.time()))
            self._is_folding = True
        else:
            self._log_start(name)

    def _log_start(self, name: str) -> None:
        self.session.config.hook.pytest_runtest_logstart(nodeid=_id(name), location=_location(name))

    def _begin_line(self, terminal: TerminalReporter) -> None:
        terminal.ensure_newline()
        # letters of tests that ended, which the reporter does not count as a line
        if self.session.config.get_terminal_writer().width_of_current_line:
            terminal.write_line("")

    def _stop_folding(self, name: str) -> None:
        terminal = self._terminal
        if self._ci is not None and self._is_folding and terminal is not None:
            self._is_folding = False
            self._begin_line(terminal)
            terminal.write_line(self._ci.section_end(_id(name), time.time()))
            # what came of it stands below the fold
            self._log_start(name)

    def _report(
        self,
        name: str,
        outcome: Outcome,
        message: str,
        *,
        start: float,
        longrepr: Any = None,
        failure: Failure | None = None,
        within: Sequence[Stage] = (),
    ) -> None:
        self._stop_folding(name)
        # one more than was collected, or progress would run over 100%
        self.session.testscollected += 1
        stop = time.time()
        # theirs are told as theirs, and would be counted twice
        own_s = max(stop - start - sum(stage.duration_s for stage in within), 0.0)
        if failure is not None:
            message, longrepr = failure.message, longrepr or Representation(failure)
        stage = Stage(_id(name), outcome, message, start, own_s, failure)
        self.stages.append(stage)
        hook = self.session.config.hook
        properties = list(self.properties(stage))
        phases: Sequence[Literal["setup", "call", "teardown"]] = ("setup", "call", "teardown")
        for phase in phases:
            is_call = phase == "call"
            report = pytest.TestReport(
                nodeid=_id(name),
                location=_location(name),
                keywords={},
                outcome=outcome if is_call else "passed",
                longrepr=longrepr if is_call else None,
                when=phase,
                duration=own_s if is_call else 0.0,
                start=start,
                stop=stop,
                # a test's own are on all of its phases; JUnit XML takes them from the last
                user_properties=properties,
                flash_stage=True,
            )
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=_id(name), location=_location(name))

    def properties(self, stage: Stage) -> Iterator[tuple[str, object]]:
        """What a stage's test case in JUnit XML says beside its outcome."""
        if stage.message:
            yield "flash.message", stage.message
        if stage.failure is not None and stage.failure.hint:
            yield "flash.hint", stage.failure.hint
        yield from self.told.get(stage.id, ())


def _id(name: str) -> str:
    return f"flash::{name}"


def _location(name: str) -> tuple[str, int | None, str]:
    return ("flash", None, name)
