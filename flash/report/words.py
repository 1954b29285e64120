"""What every rendering of a report says in the same words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flash.report.document import Condition, Report

__all__ = [
    "PlanRow",
    "conditions_first",
    "duration",
    "headline",
    "hourly",
    "plan_rows",
    "printable",
    "size",
    "tally",
]

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_SHORT_S: Final = 10
_ORDER: Final = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")
_SAID: Final = {"error": "with an error", "xfailed": "failed as expected", "xpassed": "passed unexpectedly"}


def headline(report: Report) -> str:
    """What came of it, in one line: ``quickstart is live in production``."""
    app, environment = report.app or "nothing", report.environment
    if environment is None:
        said = {"passed": "passed", "refused": "the gate refused", "interrupted": "interrupted"}
        return f"{app}: {said.get(report.outcome, 'failed')}"
    if report.rollback is not None and report.rollback.outcome == "failed":
        return f"{app} could not be put back in {environment}"
    if report.outcome == "interrupted" and report.rollback is not None:
        return f"{app} was rolled back in {environment}: interrupted"
    said = {
        "deployed": f"{app} is live in {environment}",
        "planned": f"{app} is planned for {environment}: nothing was changed",
        "refused": f"{app} was not deployed to {environment}: the gate refused",
        "rolled-back": f"{app} was rolled back in {environment}",
        "interrupted": f"{app} was not deployed to {environment}: interrupted",
    }
    return said.get(report.outcome, f"{app} was not deployed to {environment}")


def tally(report: Report) -> str:
    """How many checks and tests came out how: ``2 failed, 31 passed``."""
    counts = Counter(case.outcome for case in (*report.contract, *report.tests))
    return ", ".join(f"{counts[outcome]} {_SAID.get(outcome, outcome)}" for outcome in _ORDER if counts[outcome])


def duration(seconds: float) -> str:
    """As people say it.

    >>> duration(0.0312), duration(3.14), duration(42.4), duration(75), duration(3700)
    ('31 ms', '3.1 s', '42 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _SHORT_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def conditions_first(conditions: Iterable[Condition]) -> list[Condition]:
    """Those that stand in the way before the others."""
    return sorted(conditions, key=lambda condition: condition.outcome not in {"refused", "inconclusive"})


class PlanRow(NamedTuple):
    """A step of a plan, in words."""

    action: str
    name: str
    because: str
    cost: str


def plan_rows(plan: Mapping[str, Any] | None) -> Iterator[PlanRow]:
    """The steps of a plan as JSON has it; read leniently, because another version may have written it."""
    for step in (plan or {}).get("steps", ()):
        because = "; ".join(map(str, step.get("reasons", ())))
        yield PlanRow(str(step.get("action", "")), str(step.get("name", "")), because, hourly(step.get("cost")))


def hourly(cost: Mapping[str, Any] | None) -> str:
    """What something costs an hour, idle and at worst; *unknown* is said, and never guessed.

    >>> hourly({"idle_per_hour": 0.0, "worst_case_per_hour": 2.736}), hourly({"idle_per_hour": None})
    ('$0.00 to $2.74', 'unknown')
    """
    idle, worst = ((cost or {}).get(key) for key in ("idle_per_hour", "worst_case_per_hour"))
    if idle is None and worst is None:
        return "unknown"
    return " to ".join("unknown" if amount is None else f"${amount:.2f}" for amount in (idle, worst))


def size(size_bytes: int) -> str:
    """A size in the unit that reads best.

    >>> size(512), size(1536), size(3 * 2**20)
    ('512 B', '1.5 KiB', '3.0 MiB')
    """
    for unit, bound in (("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= bound:
            return f"{size_bytes / bound:.1f} {unit}"
    return f"{size_bytes} B"


def printable(text: str) -> str:
    """Without colours of a terminal, and with a mark for what cannot be shown or turns the text around."""
    return _CONTROL.sub("\ufffd", _ESCAPES.sub("", text.replace("\r\n", "\n")))
