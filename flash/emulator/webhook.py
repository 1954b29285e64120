"""Tells callers that their jobs have ended, where they left a ``webhook``.

Source: Runpod docs, Serverless, "Webhooks", read 2026-08: expects 200, two more tries, 10 s apart.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.emulator.job import Job

__all__ = ["Webhooks"]

_LOG: Final = logging.getLogger(__name__)
_TRIES: Final = 3
_PAUSE_S: Final = 10.0
_TIMEOUT_S: Final = 10.0


@dataclass(slots=True, eq=False)
class _Call:
    url: str
    body: dict[str, Any]
    due: float
    tries: int = 0
    task: asyncio.Task[None] | None = None


class Webhooks:
    """Calls that are due, on the platform's clock."""

    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._calls: list[_Call] = []

    def note(self, job: Job) -> None:
        """A job has ended."""
        url = job.request.extras.get("webhook")
        if isinstance(url, str) and url:
            self._calls.append(_Call(url, job.reply(), self._clock()))

    def tick(self) -> None:
        """Make the calls that are due."""
        now = self._clock()
        for call in self._calls:
            if call.task is None and call.due <= now:
                call.tries += 1
                call.task = asyncio.get_running_loop().create_task(self._send(call))

    async def settle(self) -> None:
        """Until no call is under way."""
        await asyncio.gather(*(call.task for call in list(self._calls) if call.task is not None))

    def close(self) -> None:
        """Give up what is under way."""
        for call in self._calls:
            if call.task is not None:
                call.task.cancel()

    async def _send(self, call: _Call) -> None:
        try:
            response = await self._client.post(call.url, json=call.body, timeout=_TIMEOUT_S)
            problem = "" if response.status_code == httpx.codes.OK else f"it answered {response.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = type(error).__name__
        call.task = None
        if not problem or call.tries >= _TRIES:
            self._calls.remove(call)
            if problem:
                _LOG.warning("the webhook of job %s could not be told: %s", call.body["id"], problem)
        call.due = self._clock() + _PAUSE_S
