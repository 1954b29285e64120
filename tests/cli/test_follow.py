"""Following logs by asking for their ends."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from flash.cli.follow import follow, new_lines


def test_only_new_lines_are_told() -> None:
    """Sources are asked in turn, and waited for between rounds."""
    rounds = {"a": iter([["1"], ["1", "2"], ["2", "3"]]), "b": iter([[], ["x"], ["x"]])}
    pauses: list[None] = []
    told = list(islice(follow(("a", "b"), lambda source: next(rounds[source]), pause=lambda: pauses.append(None)), 4))
    assert told == [("a", "1"), ("a", "2"), ("b", "x"), ("a", "3")]
    assert len(pauses) == 2


def test_only_the_last_of_what_is_there_already_is_told_where_asked() -> None:
    """What comes later is told whole."""
    rounds = iter([["1", "2", "3"], ["1", "2", "3", "4", "5"]])
    told = list(islice(follow(("a",), lambda _: next(rounds), pause=lambda: None, first=1), 3))
    assert told == [("a", "3"), ("a", "4"), ("a", "5")]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 10))
def test_nothing_is_told_twice_and_nothing_is_lost_within_the_window(first: int, more: int, window: int) -> None:
    """For lines that differ: what is new is what was written since, as far as the window reaches."""
    lines = [str(number) for number in range(first + more)]
    before, now = lines[:first][-window:], lines[-window:]
    assert list(new_lines(before, now)) == lines[first:][-window:]
