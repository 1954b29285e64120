"""Logging in: the platform makes a key once the user has approved it in the console; nobody types or copies one.

Source of the flow: ``runpod-flash`` 1.21.0, read 2026-08.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from flash.cloud.transport import authorization
from flash.errors import NotAuthorized, NotFound, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.cloud.client import PlatformClient
    from flash.cloud.records import LoginRecord

__all__ = ["LOGIN_TIMEOUT_S", "approval_url", "log_in"]

LOGIN_TIMEOUT_S: Final = 600.0
_PAUSE_S: Final = 2.0
_WITH_KEY: Final = frozenset({"APPROVED", "CONSUMED"})
_AGAIN: Final = "run `flash login` again; or make a key in the console and export RUNPOD_API_KEY=your_api_key_here"
_ENDS: Final = {
    "DENIED": "it was denied in the console",
    "EXPIRED": "it expired before it was approved",
    "CONSUMED": "its key was given out already, to somebody else",
}


def approval_url(console_url: str, login: LoginRecord) -> str:
    """Where the user approves a request."""
    return f"{console_url.rstrip('/')}/flash/login?request={login.id}"


def log_in(
    client: PlatformClient,
    *,
    show: Callable[[LoginRecord], None],
    now: Callable[[], float],
    sleep: Callable[[float], None],
    timeout_s: float = LOGIN_TIMEOUT_S,
) -> str:
    """Ask for a key, wait until the user has approved it, and return it.

    Args:
        client: Without a key.
        show: Told of the request, so that the user can approve it.
        now: Seconds since 1970, by this machine's clock.
        sleep: Waits between two looks.
        timeout_s: How long the user may take at most; the platform may give less.

    Raises:
        NotAuthorized: It was denied, has expired, nobody approved it in time, or the key that came cannot be sent.
    """
    login = client.create_login()
    show(login)
    deadline = now() + _time_left(login, now(), timeout_s)
    while True:
        try:
            login = client.login(login.id)
        except NotFound as error:
            raise _failed("the platform has forgotten it") from error
        if login.api_key and login.status in _WITH_KEY:
            try:
                authorization(login.api_key)
            except SettingsError as error:
                raise _failed("what came is no API key", login.status) from error
            return login.api_key
        if login.status in _ENDS:
            raise _failed(_ENDS[login.status], login.status)
        left_s = deadline - now()
        if left_s <= 0:
            raise _failed("nobody approved it in time", login.status)
        sleep(min(_PAUSE_S, left_s))


def _time_left(login: LoginRecord, now: float, timeout_s: float) -> float:
    """How long to wait; a clock that is off must not end it before it has begun."""
    try:
        expiry = datetime.fromisoformat((login.expires_at or "").replace("Z", "+00:00"))
    except ValueError:
        return timeout_s
    if expiry.tzinfo is None:
        expiry = expiry.replace(tzinfo=timezone.utc)
    left_s = expiry.timestamp() - now
    return min(timeout_s, left_s) if left_s > 0 else timeout_s


def _failed(why: str, status: str = "") -> NotAuthorized:
    named = f" ({status})" if status else ""
    return NotAuthorized(f"login: {why}{named}", operation="flashAuthRequestStatus", hint=_AGAIN)
