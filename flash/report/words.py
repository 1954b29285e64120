"""What every rendering of a report says in the same words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flash.report.document import Condition, Report

__all__ = ["conditions_first", "duration", "headline", "plan_rows", "printable", "tally"]

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_SHORT_S: Final = 10
_ORDER: Final = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")
_SAID: Final = {"error": "with an error", "xfailed": "failed as expected", "xpassed": "passed unexpectedly"}


def headline(report: Report) -> str:
    """What came of it, in one line: ``deployed quickstart to production``."""
    app, environment = report.app or "nothing", report.environment
    if environment is None:
        return f"{app}: {'passed' if report.is_good else report.outcome}"
    said = {
        "deployed": f"deployed {app} to {environment}",
        "planned": f"planned {app} for {environment}: nothing was changed",
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
    """Those that stand in the way before those that passed."""
    return sorted(conditions, key=lambda condition: condition.outcome == "pass")


def plan_rows(plan: Mapping[str, Any] | None) -> Iterator[tuple[str, str, str]]:
    """Verb, endpoint and reason of each step of a plan as JSON."""
    for step in (plan or {}).get("steps", ()):
        reasons = step.get("reasons", step.get("reason", ""))
        said = reasons if isinstance(reasons, str) else "; ".join(map(str, reasons))
        yield str(step.get("action", step.get("kind", ""))), str(step.get("name", "")), said


def printable(text: str) -> str:
    """Without colours of a terminal, and with a mark for what cannot be shown or turns the text around."""
    return _CONTROL.sub("\ufffd", _ESCAPES.sub("", text.replace("\r\n", "\n")))
