"""Requests to log in. The local platform gives its key out only through its own state file: they wait, then expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flash.emulator.state import timestamp
from flash.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Logins"]

_LIFE_S: Final = 600.0
# they need no key: there must be an end to them
_KEPT: Final = 100


class Logins:
    """The requests that are known."""

    def __init__(self, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self._expiry: dict[str, float] = {}

    def create(self) -> dict[str, Any]:
        """A new request."""
        request_id = self._new_id()
        self._expiry[request_id] = self._clock() + _LIFE_S
        while len(self._expiry) > _KEPT:
            self._expiry.pop(next(iter(self._expiry)))
        return self.status(request_id)

    def status(self, request_id: str) -> dict[str, Any]:
        """Where a request stands.

        Raises:
            NotFound: There is none.
        """
        expiry = self._expiry.get(request_id)
        if expiry is None:
            raise NotFound("Auth request not found", operation="flashAuthRequestStatus")
        status = "PENDING" if self._clock() < expiry else "EXPIRED"
        return {"id": request_id, "status": status, "expiresAt": timestamp(expiry), "apiKey": None}
