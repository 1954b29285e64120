"""Logs in which one failure is told once: a check that looks for the smallest input provokes it many times."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["once"]

_BEGIN: Final = "Traceback (most recent call last):"
_LINKS: Final = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)


def once(lines: Sequence[str]) -> list[str]:
    """*lines*, of tracebacks through the same places only the last, with how many there were before.

    Example:
        >>> trace = ["Traceback (most recent call last):", '  File "app.py", line 1, in f']
        >>> once([*trace, "ValueError: 12", *trace, "ValueError: 0"])[-2:]
        ['ValueError: 0', '(1 like it before)']
    """
    blocks = [(_places(block), block) for block in _blocks(lines)]
    left = Counter(places for places, _ in blocks if places)
    total = dict(left)
    shown: list[str] = []
    for places, block in blocks:
        if places:
            left[places] -= 1
            if left[places]:
                continue
        shown += block
        if total.get(places, 0) > 1:
            shown.append(f"({total[places] - 1} like it before)")
    return shown


def _places(block: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in block if line.startswith('  File "'))


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Each traceback with those it is chained to; each other line for itself."""
    at = 0
    while at < len(lines):
        end = _end_of_traceback(lines, at) if lines[at].endswith(_BEGIN) else at + 1
        yield list(lines[at:end])
        at = end


def _end_of_traceback(lines: Sequence[str], at: int) -> int:
    end = at + 1
    while end < len(lines) and lines[end].startswith(" "):
        end += 1
    # what was raised, on a line of its own
    end = min(end + 1, len(lines))
    rest = lines[end : end + 4]
    is_chained = len(rest) == 4 and not rest[0] and rest[1] in _LINKS and not rest[2] and rest[3] == _BEGIN
    return _end_of_traceback(lines, end + 3) if is_chained else end
