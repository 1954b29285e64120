"""Connections to one endpoint, and the two drivers of conversations: one blocks, one awaits."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx

from flash.cloud.exchange import Ask, Pause, Steps
from flash.cloud.transport import async_http_client, authorization, http_client, status_error, translating
from flash.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Connection"]

_T = TypeVar("_T")


class Connection:
    """HTTP to one endpoint.

    Args:
        url: The endpoint's, without a slash at its end.
        api_key: The empty string sends none.
        transport: Answers instead of the network; one that is async as well is used by the async half too.
        sleep: Waits where a conversation pauses.
        asleep: The same, without blocking the event loop.

    Attributes:
        on_answer: Told every answer, with what was asked; None where nobody listens.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], None],
        asleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._async_transport = _asynchronous(transport)
        self.on_answer: Callable[[Ask, httpx.Response], None] | None = None
        self._sleep = sleep
        self._asleep = asleep
        self._http = http_client(url, transport)
        # a client that nobody closes must not be a ResourceWarning in the user's tests
        self._close = weakref.finalize(self, self._http.close)
        self._async_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
            weakref.WeakKeyDictionary()
        )

    def close(self) -> None:
        """Close what blocks."""
        self._close()

    async def aclose(self) -> None:
        """Close what the running loop opened, and what blocks."""
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        self.close()

    def drive(self, steps: Steps[_T]) -> _T:
        """Hold a conversation to its end and return its result."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = self.send(step)
                except PlatformError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as stop:
            return cast("_T", stop.value)

    async def adrive(self, steps: Steps[_T]) -> _T:
        """Do the same as ``drive``, without blocking the event loop."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._asleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await self.asend(step)
                except PlatformError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as stop:
            return cast("_T", stop.value)

    def send(self, ask: Ask) -> httpx.Response:
        """Send one request.

        Raises:
            NotAuthorized: The key is missing or wrong.
            PlatformUnreachable: Nobody answers.
            PlatformError: The platform said no.
        """
        with translating(ask.operation, url=self._url, api_key=self._api_key):
            response = self._http.request(ask.method, f"{self._url}{ask.path}", **self._options(ask))
        return self._checked(ask, response)

    async def asend(self, ask: Ask) -> httpx.Response:
        """Do the same as ``send``, without blocking the event loop."""
        with translating(ask.operation, url=self._url, api_key=self._api_key):
            client = self._async_client()
            response = await client.request(ask.method, f"{self._url}{ask.path}", **self._options(ask))
        return self._checked(ask, response)

    def _options(self, ask: Ask) -> dict[str, Any]:
        headers = httpx.Headers(authorization(self._api_key))
        headers.update(ask.options.get("headers"))
        return {**ask.options, "headers": headers}

    def _checked(self, ask: Ask, response: httpx.Response) -> httpx.Response:
        if self.on_answer is not None:
            self.on_answer(ask, response)
        if response.status_code >= 300 and not ask.is_route:
            raise status_error(response, operation=ask.operation, api_key=self._api_key)
        return response

    def _async_client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)
        if client is None:
            client = self._async_clients[loop] = async_http_client(
                self._url,
                self._async_transport,
                # a connection that outlives its loop is a ResourceWarning in the user's tests: none is kept
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return client


def _asynchronous(transport: object) -> httpx.AsyncBaseTransport | None:
    # httpx.MockTransport is both kinds at once
    return transport if isinstance(transport, httpx.AsyncBaseTransport) else None
