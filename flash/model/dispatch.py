"""Where a call of a decorated function goes: here, or to its endpoint.

There is one process-wide default caller, because threads do not inherit context variables, and a context variable
that overrides it for one block. Without either, every call runs here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flash.model.request import ClientRequest

__all__ = [
    "Caller",
    "Target",
    "current_caller",
    "is_loop_running",
    "override_caller",
    "resting_loop",
    "running_loop",
    "set_default_caller",
]


@dataclass(frozen=True, slots=True)
class Target:
    """What is called.

    Attributes:
        endpoint: The endpoint's name.
        function: The function's or class's name.
        method: A class endpoint's method, else None.
        route: ``("POST", "/process")`` for a function of a load-balanced endpoint, else None.
    """

    endpoint: str
    function: str
    method: str | None = None
    route: tuple[str, str] | None = None


class Caller(Protocol):
    """Calls functions of endpoints."""

    def is_here(self, target: Target) -> bool:
        """Whether *target* runs in this very process."""
        ...

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Call *target* and wait for its result.

        Raises:
            CallError: It cannot be reached, refused the input, or failed.
        """
        ...

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        """The same, without blocking the event loop."""
        ...

    def send(self, request: ClientRequest) -> object:
        """Send a request to an endpoint that is no function of this project; gives the decoded answer.

        Raises:
            CallError: It cannot be reached, or said no.
        """
        ...

    async def asend(self, request: ClientRequest) -> object:
        """The same, without blocking the event loop."""
        ...


_default: Caller | None = None
_override: ContextVar[Caller | None] = ContextVar("flash_caller", default=None)


def current_caller() -> Caller | None:
    """The caller in force, or None where every call runs here."""
    return _override.get() or _default


def set_default_caller(caller: Caller | None) -> Caller | None:
    """Make *caller* the process-wide default; returns the one it replaces."""
    global _default
    previous, _default = _default, caller
    return previous


@contextmanager
def override_caller(caller: Caller) -> Iterator[None]:
    """Within the block, and in this context only, *caller* decides."""
    token = _override.set(caller)
    try:
        yield
    finally:
        _override.reset(token)


_resting: ContextVar[object] = ContextVar("flash_resting_loop", default=None)


def running_loop() -> object | None:
    """The event loop that runs in this thread, or None."""
    # whoever runs a loop has imported asyncio: calls outside one need not pay for it
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        loop: object = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop


def is_loop_running() -> bool:
    """Whether code that is called now can await: a loop runs in this thread, and does not rest."""
    loop = running_loop()
    return loop is not None and loop is not _resting.get()


@contextmanager
def resting_loop() -> Iterator[None]:
    """Within the block a plain function is called on the loop's own thread: it cannot await, and gets values."""
    token = _resting.set(running_loop())
    try:
        yield
    finally:
        _resting.reset(token)
