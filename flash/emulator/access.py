"""Who asks: the holder of the platform's key, or a worker with a token of its own that opens little."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Access", "Grant"]

_PREFIX: Final = "flashw_"
_SHORTEST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a request may do.

    Attributes:
        worker_id: None for the holder of the platform's key, who may do everything.
        endpoint_id: The worker's endpoint: it speaks the job protocol there, and nowhere else.
        environment_id: The worker's environment: whether it may call endpoints there is ``calls_others``.
        calls_by_id: Whether it may call every endpoint, as the user's key would where this platform is Runpod.
    """

    worker_id: str | None = None
    endpoint_id: str | None = None
    environment_id: str | None = None
    calls_others: bool = False
    calls_by_id: bool = False

    @property
    def is_owner(self) -> bool:
        """Whether it holds the platform's key."""
        return self.worker_id is None

    def may_work(self, endpoint_id: str, worker_id: str) -> bool:
        """Whether it may take and report jobs as that worker."""
        return self.is_owner or (self.endpoint_id == endpoint_id and self.worker_id == worker_id)

    def may_call(self, environment_id: str | None) -> bool:
        """Whether it may call an endpoint of that environment."""
        return self.calls_by_id or self.may_look_into(environment_id)

    def may_look_into(self, environment_id: str | None) -> bool:
        """Whether it may ask where the endpoints of that environment are."""
        return self.is_owner or (
            self.calls_others and environment_id is not None and self.environment_id == environment_id
        )


class Access:
    """The platform's key, and the tokens of the workers that run."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._tokens: dict[str, Grant] = {}
        self._hidden: set[str] = set()

    @property
    def api_key(self) -> str:
        """The platform's key."""
        return self._api_key

    def issue(self, grant: Grant) -> str:
        """A new token for a worker. It lives in memory only: no worker outlives the platform."""
        token = _PREFIX + secrets.token_urlsafe(32)
        self._tokens[token] = grant
        return token

    def widen(self, token: str, environment_id: str | None, *, calls_by_id: bool = False) -> None:
        """Let that worker call the endpoints of its environment, or all."""
        grant = self._tokens[token]
        self._tokens[token] = replace(grant, environment_id=environment_id, calls_others=True, calls_by_id=calls_by_id)

    def revoke(self, token: str) -> None:
        """The worker is gone."""
        self._tokens.pop(token, None)

    def grant_for(self, authorization: str | None) -> Grant | None:
        """What an ``Authorization`` header opens, with or without ``Bearer``; None for nothing."""
        if not authorization:
            return None
        scheme, _, rest = authorization.strip().partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else authorization.strip()
        if hmac.compare_digest(key.encode(), self._api_key.encode()):
            return Grant()
        return self._tokens.get(key)

    def hide(self, values: Iterable[str]) -> None:
        """Values of secrets that workers have been given; short ones are a part of everyday words."""
        self._hidden.update(line for value in values for line in (value, *value.splitlines()) if len(line) >= _SHORTEST)

    def redact(self, text: str) -> str:
        """*text* without the platform's key, the workers' tokens, and the secrets that workers were given."""
        for secret in (self._api_key, *self._tokens, *sorted(self._hidden, key=len, reverse=True)):
            if secret:
                text = text.replace(secret, "***")
        return text
