"""What is asked of an endpoint that is no function of this project; see ``flash.model.client``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ASK_S", "ClientRequest"]

ASK_S: Final = 30.0
"""How long an answer of the job API may take. Source: ``runpod-flash`` 1.21.0, read 2026-08."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """One request to an endpoint.

    Attributes:
        endpoint: Its name; empty where only the id is known.
        id: Its id; None where it is looked up by the name.
        path: Below the endpoint's URL, with the query.
        body: Sent as JSON; None for no body.
        is_route: Whether a load-balanced endpoint's own code answers it, rather than the job API.
        timeout_s: How long the answer may take; None: however long.
    """

    endpoint: str
    id: str | None
    method: str
    path: str
    body: object = None
    is_route: bool = False
    timeout_s: float | None = ASK_S

    @property
    def shown(self) -> str:
        """What it is, for a message."""
        name = self.endpoint or self.id
        return f"{self.method} {self.path.partition('?')[0]} of endpoint {name!r}"
