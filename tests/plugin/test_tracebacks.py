"""Logs in which one failure is told once."""

from __future__ import annotations

from pytest_flash.tracebacks import once

BEGIN = "Traceback (most recent call last):"


def trace(place: str, error: str, *, stamp: str = "12:00 ERROR flash.worker: ") -> list[str]:
    return [f"{stamp}{BEGIN}", f'  File "{place}", line 3, in work', "    return 1 / n", "           ~~^~~", error]


def test_of_tracebacks_through_the_same_places_the_last_is_shown() -> None:
    """It is that of the smallest input; what was written between them stays, and another failure too."""
    other = trace("lib.py", "KeyError: 'x'")
    lines = ["ready", *trace("app.py", "E: 12"), "between", *trace("app.py", "E: 3"), *other, *trace("app.py", "E: 0")]
    assert once(lines) == ["ready", "between", *other, *trace("app.py", "E: 0"), "(2 like it before)"]


def test_chained_tracebacks_are_one() -> None:
    """And differ from either alone."""
    link = ["", "During handling of the above exception, another exception occurred:", ""]
    chained = [*trace("app.py", "E"), *link, *trace("app.py", "F", stamp="")]
    assert once([*chained, *chained, *trace("app.py", "E")]) == [
        *chained,
        "(1 like it before)",
        *trace("app.py", "E"),
    ]


def test_what_is_told_once_stays_as_it_is() -> None:
    """Also where the log ends within a traceback."""
    lines = ["one", "one", "", *trace("app.py", "E"), f"x {BEGIN}", '  File "b.py", line 1, in <module>']
    assert once(lines) == lines
    assert once([BEGIN]) == [BEGIN]
    assert once([]) == []
