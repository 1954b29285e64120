"""Leases of environments: one run at a time deploys there. In memory: no run outlives its platform's end.

Times are on the platform's clock, so that a client's may be wrong.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from flash.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEASE_S", "Held", "Leases"]

LEASE_S: Final = 30.0
"""How long one lasts that nobody renews."""
_HINT: Final = "wait until that deployment has ended; a lease that nobody renews ends by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease.

    Attributes:
        id: Its secret: whoever shows it holds it.
        holder: The run.
        who: The run in words.
        since: Seconds since 1970, as *until* is.
        until: When it ends, unless it is renewed.
    """

    id: str
    holder: str
    who: str
    since: float
    until: float


class Leases:
    """The leases of a platform, by environment."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[str, Held] = {}

    def of(self, environment_id: str) -> Held | None:
        """The lease that is held, if one is."""
        held = self._held.get(environment_id)
        return held if held is not None and held.until > self._clock() else None

    def acquire(self, environment_id: str, holder: str, who: str, take_over: str | None) -> tuple[bool, Held]:
        """Whether it is granted; and the lease that is held then."""
        now, held = self._clock(), self.of(environment_id)
        if held is not None and held.holder == holder:
            renewed = replace(held, until=now + LEASE_S)
        elif held is None or held.holder == take_over:
            renewed = Held(id=secrets.token_urlsafe(16), holder=holder, who=who, since=now, until=now + LEASE_S)
        else:
            return False, held
        self._held[environment_id] = renewed
        return True, renewed

    def renew(self, environment_id: str, lease_id: str) -> bool:
        """Whether it could be held for another while. One that has ended can, as long as nobody else came."""
        held = self._held.get(environment_id)
        if held is None or held.id != lease_id:
            return False
        self._held[environment_id] = replace(held, until=self._clock() + LEASE_S)
        return True

    def release(self, environment_id: str, lease_id: str) -> bool:
        """Whether it was held."""
        held = self._held.get(environment_id)
        if held is None or held.id != lease_id:
            return False
        del self._held[environment_id]
        return True

    def forget(self, environment_id: str) -> None:
        """The environment is gone."""
        self._held.pop(environment_id, None)

    def check(self, environment_id: str | None, shown: str, *, name: str, operation: str) -> None:
        """Refuse a change to an environment without its lease, or with one that has ended.

        Args:
            environment_id: None for what belongs to no environment.
            shown: The lease that the request shows; the empty string for none.
            name: Of the environment.
            operation: What was asked for.

        Raises:
            PlatformError: Somebody else holds it, or what is shown has ended.
        """
        if environment_id is None:
            return
        held = self._held.get(environment_id)
        if held is not None and held.id == shown:
            return
        if self.of(environment_id) is not None and held is not None:
            left = held.until - self._clock()
            raise PlatformError(
                f"environment {name!r} is being deployed to by {held.who}: its lease ends in {left:.0f} s",
                operation=operation,
                status=409,
                hint=_HINT,
            )
        if shown:
            raise PlatformError(
                f"the lease of environment {name!r} has ended", operation=operation, status=409, hint=_HINT
            )
