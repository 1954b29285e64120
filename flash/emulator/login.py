"""Requests to log in. Whoever has the platform's key approves or denies them; otherwise they wait, then expire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.emulator.state import timestamp
from flash.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Logins"]

_LIFE_S: Final = 600.0
# they need no key: there must be an end to them
_KEPT: Final = 100


@dataclass(slots=True)
class _Request:
    expiry: float
    status: str = "PENDING"
    api_key: str | None = None


class Logins:
    """The requests that are known."""

    def __init__(self, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self._requests: dict[str, _Request] = {}

    def create(self) -> dict[str, Any]:
        """A new request."""
        request_id = self._new_id()
        self._requests[request_id] = _Request(self._clock() + _LIFE_S)
        while len(self._requests) > _KEPT:
            self._requests.pop(next(iter(self._requests)))
        return self.status(request_id)

    def approve(self, request_id: str, api_key: str) -> None:
        """Give *api_key* to whoever waits for this request.

        Raises:
            NotFound: There is none that waits.
        """
        request = self._waiting(request_id)
        request.status, request.api_key = "APPROVED", api_key

    def deny(self, request_id: str) -> None:
        """Refuse it.

        Raises:
            NotFound: There is none that waits.
        """
        self._waiting(request_id).status = "DENIED"

    def status(self, request_id: str) -> dict[str, Any]:
        """Where a request stands. A key is given out once.

        Raises:
            NotFound: There is none.
        """
        request = self._find(request_id)
        status, key = request.status, request.api_key
        if status == "PENDING" and self._clock() >= request.expiry:
            status = "EXPIRED"
        if key is not None:
            request.status, request.api_key = "CONSUMED", None
        return {"id": request_id, "status": status, "expiresAt": timestamp(request.expiry), "apiKey": key}

    def _find(self, request_id: str) -> _Request:
        request = self._requests.get(request_id)
        if request is None:
            raise NotFound("Auth request not found", operation="flashAuthRequestStatus", status=404)
        return request

    def _waiting(self, request_id: str) -> _Request:
        request = self._find(request_id)
        if request.status != "PENDING" or self._clock() >= request.expiry:
            raise NotFound("Auth request not found among those that wait", operation="login", status=404)
        return request
