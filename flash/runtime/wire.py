"""One HTTP exchange, with the standard library alone.

A worker's cold start pays for every import: an HTTP library would cost more than the rest of it.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from flash.errors import PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exchange", "Reply", "exchange"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer.

    Attributes:
        url: What was asked, without the query, which may hold a token.
        content_type: Lower case, without parameters.
    """

    url: str
    status: int
    content_type: str
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The decoded body.

        Raises:
            PlatformError: It is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise PlatformError(
                f"{self.url} answered {self.status} and something that is not JSON", status=self.status
            ) from error


class Exchange(Protocol):
    """What ``exchange`` does; a seam for tests."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        body: bytes | None = None,
        timeout_s: float = ...,
    ) -> Reply:
        """Send a request and read the whole answer."""
        ...


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 30.0,
) -> Reply:
    """Send a request on a connection of its own and read the whole answer, whatever its status.

    Raises:
        PlatformUnreachable: There was no answer within ``timeout_s`` seconds of silence.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PlatformUnreachable(f"{url!r} is not an http address", operation=f"{method} {parts.path}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout_s)
    try:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request(method, target, body=body, headers={**(headers or {}), "Connection": "close"})
        answer = connection.getresponse()
        content_type = (answer.getheader("Content-Type") or "").split(";")[0].strip().lower()
        return Reply(shown, answer.status, content_type, answer.read())
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise PlatformUnreachable(f"{shown} did not answer: {reason}", operation=f"{method} {parts.path}") from error
    finally:
        connection.close()
