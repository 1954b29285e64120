"""The end of a worker whose platform is gone, seen from inside a container.

Across a container's border no pipe can be held. Instead the worker keeps an HTTP answer open that never ends: when the
platform dies, however it dies, the kernel closes the connection.
"""

from __future__ import annotations

import http.client
import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["await_end"]

_log = logging.getLogger("flash.worker")

_OK: Final = 200
_CONNECT_S: Final = 10.0
_PAUSE_S: Final = 0.2


def await_end(
    url: str,
    token: str,
    *,
    hold: Callable[[str, str], bool] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the platform behind *url* is gone, or does not know this worker any more.

    Args:
        url: Answers without end.
        token: The worker's own.
        hold: Holds one connection until it breaks, and tells whether the platform answered.
        pause: Waits between two connections.
    """
    hold = hold or hold_once
    while hold(url, token):
        _log.debug("the connection to the platform broke; trying again")
        pause(_PAUSE_S)


def hold_once(url: str, token: str) -> bool:
    """Ask, and read until the connection breaks; whether the platform answered at all."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_CONNECT_S)
    try:
        connection.connect()
        # from here on silence is what is expected
        connection.sock.settimeout(None)
        connection.request("GET", parts.path, headers={"Authorization": token})
        answer = connection.getresponse()
        if answer.status != _OK:
            _log.warning("%s answered %d", url, answer.status)
            return False
        while answer.read1():
            pass
    except (OSError, http.client.HTTPException) as error:
        if connection.sock is None:
            _log.warning("%s did not answer: %s", url, error)
            return False
    finally:
        connection.close()
    return True
