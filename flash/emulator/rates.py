"""How often callers may ask: Runpod's limits for each endpoint and operation."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from flash.emulator import limits
from flash.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Rates"]


class Rates:
    """The requests of the last ten seconds.

    Args:
        allowed: Requests in ten seconds by operation; what is not in it is not limited.
    """

    def __init__(self, clock: Callable[[], float], allowed: Mapping[str, int]) -> None:
        self._clock = clock
        self._allowed = allowed
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, endpoint_id: str, operation: str) -> None:
        """Count a request.

        Raises:
            PlatformError: 429: there were too many. This one does not count.
        """
        allowed = self._allowed.get(operation)
        if allowed is None:
            return
        now, seen = self._clock(), self._seen[endpoint_id, operation]
        while seen and seen[0] <= now - limits.RATE_WINDOW_S:
            seen.popleft()
        if len(seen) >= allowed:
            raise PlatformError(
                f"too many requests: {operation} takes {allowed} in {limits.RATE_WINDOW_S:g} s",
                operation=operation,
                status=429,
            )
        seen.append(now)

    def drop(self, endpoint_id: str) -> None:
        """The endpoint is gone."""
        for key in [key for key in self._seen if key[0] == endpoint_id]:
            del self._seen[key]
