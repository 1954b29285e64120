"""Turns "the last lines", asked for again and again, into the lines that are new."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["follow", "last", "new_lines"]


def follow(
    sources: Sequence[str],
    tail: Callable[[str], Sequence[str]],
    *,
    pause: Callable[[], None],
    first: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Endless: a source and a line that it has written since it was asked before.

    Args:
        sources: Whom to ask.
        tail: The last lines of a source.
        pause: Waits between rounds.
        first: How many of the lines that are there already are given; else all.
    """
    shown: dict[str, Sequence[str]] = {}
    while True:
        for source in sources:
            lines = tail(source)
            for line in new_lines(shown[source], lines) if source in shown else last(lines, first):
                yield source, line
            shown[source] = lines
        pause()


def last(lines: Sequence[str], count: int | None) -> Sequence[str]:
    """The last *count* lines, or all of them.

    >>> last(["a", "b"], 1), last(["a", "b"], 5), last(["a", "b"], 0), last(["a", "b"], None)
    (['b'], ['a', 'b'], [], ['a', 'b'])
    """
    return lines if count is None else lines[max(0, len(lines) - count) :]


def new_lines(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """What *now* has that *before* had not, where both are ends of one growing text.

    >>> new_lines(["a", "b", "c"], ["b", "c", "d"])
    ['d']
    """
    for overlap in range(min(len(before), len(now)), 0, -1):
        if list(before[-overlap:]) == list(now[:overlap]):
            return now[overlap:]
    return now
