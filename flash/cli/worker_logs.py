"""The logs of an endpoint out of those of its workers, for a platform that gives only these, while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.cli.follow import new_lines
from flash.errors import PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["WorkerLogs"]

_KEPT: Final = 1000
"""More than a worker gives at once, so that what is new is told from what is old."""


class WorkerLogs:
    """One growing text an endpoint; workers come and go.

    Args:
        ready: The ids of an endpoint's workers that are ready.
        lines: The last lines that a worker wrote.
        most_failures: How often in a row nobody may answer; the last time, that is an error.
    """

    def __init__(
        self,
        ready: Callable[[str], Sequence[str]],
        lines: Callable[[str], Sequence[str]],
        *,
        most_failures: int = 1,
    ) -> None:
        self._ready = ready
        self._lines = lines
        self._most_failures = most_failures
        self._failures = 0
        self._seen: dict[str, Sequence[str]] = {}
        self._texts: dict[str, list[str]] = {}

    def tail(self, endpoint_id: str) -> tuple[str, ...]:
        """The last lines of an endpoint's workers, as far as they were ever seen."""
        text = self._texts.setdefault(endpoint_id, [])
        try:
            self._read(endpoint_id, text)
        except PlatformUnreachable:
            self._failures += 1
            if self._failures >= self._most_failures:
                raise
        else:
            self._failures = 0
        del text[:-_KEPT]
        return tuple(text)

    def _read(self, endpoint_id: str, text: list[str]) -> None:
        for worker in self._ready(endpoint_id):
            lines = self._lines(worker)
            text += new_lines(self._seen.get(worker, ()), lines)
            self._seen[worker] = lines
