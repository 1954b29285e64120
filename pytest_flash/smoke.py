"""The smoke run: a pytest of its own, after the promotion. Its command, what it writes, how its parent reads that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from flash.errors import DeployError
from pytest_flash.chronicle import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from pytest_flash.report import Outcome

__all__ = ["SMOKE_MARKS", "Recorder", "Result", "arguments", "counts", "read_results", "results_path", "summary"]

SMOKE_MARKS: Final = "flash_smoke or flash_deployed_only"


@dataclass(frozen=True, slots=True)
class Result:
    """A test of the smoke run, as its parent folds it into the stage.

    Attributes:
        text: The failure as pytest shows it, or the reason of a skip.
        reason: Of a skip; the last line of a failure.
        path: The test's file, relative to pytest's root.
        line: Where it failed in that file, else where it begins; from 1.
        logs: The ends of workers' logs, by endpoint.
    """

    id: str
    outcome: Outcome
    text: str
    duration_s: float
    reason: str = ""
    path: str | None = None
    line: int | None = None
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)


def results_path(attachment: Path) -> Path:
    """Where the smoke run that is attached to *attachment* leaves its results."""
    return attachment.with_suffix(".results.json")


def arguments(config: pytest.Config, attachment: Path, *, marks: str = SMOKE_MARKS) -> list[str]:
    """The arguments of the smoke run's pytest: the tests of this run, narrowed by marks, with how they are loaded.

    Options that the project adds by itself are left out, because they may name stages, reports or workers.
    """
    given = config.option
    repeated = [f"--import-mode={given.importmode}"]
    if given.inifilename:
        repeated += ["-c", str(given.inifilename)]
    if given.rootdir:
        repeated.append(f"--rootdir={given.rootdir}")
    for plugin in given.plugins or ():
        repeated += ["-p", plugin]
    if config.pluginmanager.hasplugin("xdist"):
        repeated.append("-n0")
    return [*config.args, "-m", marks, f"--flash-attach={attachment}", "-o", "addopts=", *repeated]


class Recorder:
    """In the smoke run: keeps what came of each test, and writes it at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: dict[str, Result] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst phase of each test."""
        told = tell(report)
        now = Result(
            report.nodeid,
            report.outcome,
            told.text if report.failed else told.reason,
            report.duration,
            told.reason,
            told.path,
            told.line,
            dict(told.logs),
        )
        before = self._results.get(report.nodeid)
        if before is not None:
            is_worse = _BADNESS.index(before.outcome) > _BADNESS.index(now.outcome)
            now = replace(before if is_worse else now, duration_s=before.duration_s + now.duration_s)
        self._results[report.nodeid] = now

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self._results[report.nodeid] = Result(report.nodeid, "failed", report.longreprtext, 0.0)

    def pytest_sessionfinish(self) -> None:
        """Write them for the parent."""
        results = [asdict(result) for result in self._results.values()]
        self._path.write_text(json.dumps(results), encoding="utf-8")


_BADNESS: Final[tuple[Outcome, ...]] = ("passed", "skipped", "failed")


def read_results(path: Path) -> tuple[Result, ...]:
    """What a smoke run wrote; nothing where it ended before.

    Raises:
        DeployError: It is there, and cannot be read.
    """
    try:
        return tuple(Result(**result) for result in json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise DeployError(f"cannot read the smoke run's results: {error!r}") from error


def summary(results: Sequence[Result]) -> str:
    """How many tests came out how, and which were skipped or failed."""
    notable = [f"{result.outcome} {result.id}" for result in results if result.outcome != "passed"]
    return "\n".join((counts(results), *notable))


def counts(results: Sequence[Result]) -> str:
    """How many tests came out how."""
    found = [f"{count} {word}" for word in ("failed", "passed", "skipped") if (count := _count(results, word))]
    return ", ".join(found)


def _count(results: Iterable[Result], outcome: str) -> int:
    return sum(result.outcome == outcome for result in results)
