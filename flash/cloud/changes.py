"""Mutations whose answer is not known: look first, then repeat.

A mutation that is sent twice may happen twice. So where the answer got lost, or cannot be read, the platform is looked
at; only where nothing has happened is it sent again, and only a few times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from flash.errors import FlashError, NotAuthorized, NotFound, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ANY", "TAKEN", "change", "is_passing", "is_unclear"]

T = TypeVar("T")

_ATTEMPTS: Final = 3
_LONGEST_PAUSE_S: Final = 15.0
_PASSING: Final = (
    "try again later",
    "internal server error",
    "service unavailable",
    "too many requests",
    "temporarily unavailable",
)
"""Source: what the platform's own client tries again, read 2026-08."""
_UNREADABLE: Final = ("answer cannot be used", "answered neither data nor an error")
TAKEN: Final = ("exist", "already", "taken", "unique", "duplicate")
"""What a platform says of a name that something has. Inferred: Runpod's own words are not known."""
ANY: Final = ("",)
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429})


def is_passing(error: PlatformError) -> bool:
    """Whether the same question may get another answer in a moment."""
    if isinstance(error, NotAuthorized):
        return False
    if isinstance(error, PlatformUnreachable) or (error.status is not None and 500 <= error.status <= 599):
        return True
    return error.status == 429 or any(words in error.message.lower() for words in _PASSING)


def is_unclear(error: PlatformError) -> bool:
    """Whether the operation may have happened nevertheless."""
    if isinstance(error, (NotAuthorized, NotFound)):
        return False
    if is_passing(error) or error.status in _PASSING_STATUS:
        return True
    return any(words in error.message for words in _UNREADABLE)


def change(
    send: Callable[[], T],
    look: Callable[[], T | None],
    *,
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    refusals: tuple[str, ...] = (),
    attempts: int = _ATTEMPTS,
) -> T:
    """Carry out a mutation once.

    Args:
        send: Sends it; what it returns is the result.
        look: What has happened, if it has: the same result, or None.
        sleep: Waits before it is sent again.
        jitter: A number from 0 to 1.
        refusals: Words of refusals which may mean that it has happened before: what is to be made is there, or what
            is to be removed is not. An empty word stands for any.
        attempts: How often it is sent at most.

    Raises:
        PlatformError: It was refused; or whether it happened is not known, or it did not, after so many attempts.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return send()
        except PlatformError as error:
            unclear = is_unclear(error)
            is_repeated = any(word in error.message.lower() for word in refusals)
            if not unclear and (isinstance(error, NotAuthorized) or not is_repeated):
                raise
            try:
                found = look()
            except FlashError:
                # what has happened to the mutation is the error that matters
                raise error from None
            if found is not None:
                return found
            if not unclear or attempt >= attempts:
                raise
        sleep(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S) * (0.8 + 0.4 * jitter()))
