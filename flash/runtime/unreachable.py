"""The caller of a worker that was given nothing to call others with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.dispatch import Target
    from flash.model.request import ClientRequest

__all__ = ["UnreachablePeers"]


class UnreachablePeers:
    """The caller of a worker that may not call other endpoints: it refuses, and runs nothing of theirs here."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def is_here(self, target: Target) -> bool:
        """Whether *target* is a function of this worker's endpoint."""
        return target.endpoint == self._endpoint

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Refuse.

        Raises:
            CallError: Always.
        """
        del arguments
        raise CallError(
            f"{self._endpoint!r} cannot call {target.function!r}: it runs on endpoint {target.endpoint!r}, "
            "and this worker was given no key or environment to find that with",
            hint="call the function by its name in the code of this endpoint: the build finds such calls, "
            "and deployment gives the key only to endpoints that have some",
        )

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Refuse.

        Raises:
            CallError: Always.
        """
        return self.call(target, arguments)

    def send(self, request: ClientRequest) -> object:
        """Refuse.

        Raises:
            CallError: Always.
        """
        raise CallError(
            f"{self._endpoint!r} cannot ask for {request.shown}: this worker was given no key",
            hint="write Endpoint(id=…) or Endpoint(image=…) at the top of a module, and use it by name in the code of "
            "this endpoint: the build finds it, and deployment gives the key only to endpoints that call others",
        )

    async def asend(self, request: ClientRequest) -> object:
        """Refuse.

        Raises:
            CallError: Always.
        """
        return self.send(request)
