"""Where a platform is, and the key that opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

__all__ = ["PlatformAddress", "redact"]

_LIKE_A_KEY: Final = re.compile(r"\brpa_[A-Za-z0-9]{16,}")
"""Source: the prefix of Runpod's keys, an account's and an endpoint's own, in Runpod docs, read 2026-08."""


def redact(text: str, api_key: str) -> str:
    """*text* without the key, and without what looks like another one.

    >>> redact("no such key: rpa_123", "rpa_123")
    'no such key: ***'
    >>> redact("aiKey rpa_ABCDEFGHIJKLMNOPQRSTUVWX", "")
    'aiKey ***'
    """
    return _LIKE_A_KEY.sub("***", text.replace(api_key, "***") if api_key else text)


@dataclass(frozen=True, slots=True)
class PlatformAddress:
    """A platform's URLs and the user's key; neither ``repr`` nor ``str`` shows the key.

    Attributes:
        api_url: The control plane, without ``/graphql``.
        data_url: The serverless API, ``…/v2``.
        lb_base_url: What the ids of load-balanced endpoints are appended to, ``http://127.0.0.1:8787/lb``; None where
            each has a host name of its own, as on Runpod.
        api_key: The empty string where there is none.
        rest_url: The REST API, ``…/v1``, which network volumes need; the empty string where it is not known.
        hapi_url: What gives the logs of workers; the empty string where it is not known.
        stages: Whether it is Flash's own platform, spoken to with its extensions: versions beside the live ones.
    """

    api_url: str
    data_url: str
    lb_base_url: str | None
    api_key: str = field(repr=False)
    rest_url: str = ""
    hapi_url: str = ""
    stages: bool = False

    @property
    def graphql_url(self) -> str:
        """Where GraphQL operations go."""
        return f"{self.api_url.rstrip('/')}/graphql"

    def endpoint_url(self, endpoint_id: str, *, is_load_balanced: bool) -> str:
        """The URL that users call.

        Source: Runpod docs, Serverless, "Load balancing endpoints" and "Send API requests", read 2026-08.

        >>> runpod = PlatformAddress("https://api.runpod.io", "https://api.runpod.ai/v2", None, "")
        >>> runpod.endpoint_url("abc123xyz", is_load_balanced=True)
        'https://abc123xyz.api.runpod.ai'
        >>> runpod.endpoint_url("def456xyz", is_load_balanced=False)
        'https://api.runpod.ai/v2/def456xyz'
        """
        if not is_load_balanced:
            return f"{self.data_url.rstrip('/')}/{endpoint_id}"
        if self.lb_base_url is not None:
            return f"{self.lb_base_url.rstrip('/')}/{endpoint_id}"
        return f"https://{endpoint_id}.{urlsplit(self.data_url).netloc}"
