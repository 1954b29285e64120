"""Calling endpoints: a client for one endpoint, handles on its jobs, and the caller behind ``function.remote(...)``."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Literal

from flash.cloud import exchange
from flash.cloud.calls import RemoteCaller
from flash.cloud.connection import Connection
from flash.cloud.exchange import Ask, Steps
from flash.errors import CallError, PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    import httpx

    from flash.model.job import JobReply
    from flash.model.request import ClientRequest

__all__ = ["EndpointClient", "EndpointKind", "JobHandle", "RemoteCaller"]

EndpointKind = Literal["queue", "load-balanced"]

_TIMEOUT_S: Final = 600.0


class EndpointClient(AbstractContextManager["EndpointClient"]):
    """One endpoint, to be called from tests and scripts. Async twins have the prefix ``a``.

    Args:
        name: As the project declares it.
        kind: Whether it takes jobs or HTTP requests.
        url: ``…/v2/ID``, or a load-balanced endpoint's own URL.
        api_key: The empty string sends none.
        logs: Gives the last lines of its workers' logs; None where the platform has none to give.
        marks_empty: Send an empty input as ``{"__empty": true}``, which workers take for one. Whether Runpod hands on
            an empty object is not known; its own client never sends one.
        transport: Answers instead of the network; one that is async as well is used by the async twins too.
        clock: Seconds, for deadlines.
        sleep: Waits between polls.
        asleep: Waits between polls of the async twins.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: EndpointKind,
        url: str,
        api_key: str,
        logs: Callable[[], Sequence[str]] | None = None,
        marks_empty: bool = False,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.kind: EndpointKind = kind
        self.url = url.rstrip("/")
        self._logs = logs
        self._marks_empty = marks_empty
        self._clock = clock
        self._connection = Connection(self.url, api_key, transport=transport, sleep=sleep, asleep=asleep)

    def __repr__(self) -> str:
        return f"EndpointClient({self.name!r}, kind={self.kind!r}, url={self.url!r})"

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the others."""
        await self._connection.aclose()

    def watch(self, on_answer: Callable[[exchange.Ask, httpx.Response], None]) -> None:
        """Tell every answer from now on, with what was asked."""
        self._connection.on_answer = on_answer

    # -- jobs

    def runsync(
        self,
        input: object,  # noqa: A002  the word on the wire
        *,
        timeout_s: float = _TIMEOUT_S,
        policy: Mapping[str, Any] | None = None,
    ) -> JobReply:
        """Run a job and wait for its end. One that failed does not raise: see ``status`` and ``error``.

        Shape: *input* is the job's ``input``; *policy* is
        ``{"executionTimeout"?: ms, "ttl"?: ms, "lowPriority"?: bool}``.

        Raises:
            CallError: It had not ended after *timeout_s*.
            InvalidInput: *input* is not JSON.
            NotAuthorized: The key is missing or wrong.
        """
        return self._connection.drive(self._runsync(input, timeout_s, policy))

    async def arunsync(
        self,
        input: object,  # noqa: A002  the word on the wire
        *,
        timeout_s: float = _TIMEOUT_S,
        policy: Mapping[str, Any] | None = None,
    ) -> JobReply:
        """Do the same as ``runsync``, without blocking the event loop."""
        return await self._connection.adrive(self._runsync(input, timeout_s, policy))

    def run(
        self,
        input: object,  # noqa: A002  the word on the wire
        *,
        policy: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """Submit a job and return at once."""
        reply = self._connection.drive(self._run(input, policy))
        return JobHandle(self._connection, reply.id, clock=self._clock)

    async def arun(
        self,
        input: object,  # noqa: A002  the word on the wire
        *,
        policy: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """Do the same as ``run``, without blocking the event loop."""
        reply = await self._connection.adrive(self._run(input, policy))
        return JobHandle(self._connection, reply.id, clock=self._clock)

    # -- routes

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send an HTTP request to a route; *options* are those of ``httpx.request``. No status raises.

        Raises:
            PlatformUnreachable: Nobody answers.
        """
        return self._connection.send(self._route(method, path, options))

    async def arequest(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Do the same as ``request``, without blocking the event loop."""
        return await self._connection.asend(self._route(method, path, options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """``GET`` a route."""
        return self.request("GET", path, **options)

    async def aget(self, path: str, **options: Any) -> httpx.Response:
        """``GET`` a route."""
        return await self.arequest("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """``POST`` to a route."""
        return self.request("POST", path, **options)

    async def apost(self, path: str, **options: Any) -> httpx.Response:
        """``POST`` to a route."""
        return await self.arequest("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """``PUT`` to a route."""
        return self.request("PUT", path, **options)

    async def aput(self, path: str, **options: Any) -> httpx.Response:
        """``PUT`` to a route."""
        return await self.arequest("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        """``PATCH`` a route."""
        return self.request("PATCH", path, **options)

    async def apatch(self, path: str, **options: Any) -> httpx.Response:
        """``PATCH`` a route."""
        return await self.arequest("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """``DELETE`` a route."""
        return self.request("DELETE", path, **options)

    async def adelete(self, path: str, **options: Any) -> httpx.Response:
        """``DELETE`` a route."""
        return await self.arequest("DELETE", path, **options)

    # -- the endpoint itself

    def health(self) -> dict[str, Any]:
        """How the endpoint is.

        Shape: ``{"jobs": {str: int}, "workers": {str: int}}``; a load-balanced endpoint's is what ``/ping`` answers.
        """
        return self._connection.drive(self._health())

    async def ahealth(self) -> dict[str, Any]:
        """Do the same as ``health``, without blocking the event loop."""
        return await self._connection.adrive(self._health())

    def logs(self) -> tuple[str, ...]:
        """The last lines that its workers wrote.

        Raises:
            PlatformError: The platform has no logs to give.
        """
        if self._logs is None:
            raise PlatformError(
                f"endpoint {self.name!r}: this platform gives no logs", operation="logs", hint="see them in its console"
            )
        return tuple(self._logs())

    async def alogs(self) -> tuple[str, ...]:
        """Do the same as ``logs``, without blocking the event loop."""
        return await asyncio.to_thread(self.logs)

    # -- what is asked of an endpoint with an id or an image

    def send(self, request: ClientRequest) -> httpx.Response:
        """Send it; a status of its own code does not raise.

        Raises:
            PlatformError: Nobody answers, or the platform said no.
        """
        return self._connection.send(self._ask(request))

    async def asend(self, request: ClientRequest) -> httpx.Response:
        """Do the same as ``send``, without blocking the event loop."""
        return await self._connection.asend(self._ask(request))

    def _ask(self, request: ClientRequest) -> Ask:
        options: dict[str, Any] = {"timeout": request.timeout_s}
        if request.is_route:
            if request.body is not None:
                options["json"] = request.body
            return self._route(request.method, request.path, options)
        self._check_queue()
        body = request.body
        if isinstance(body, dict) and "input" in body:
            options["json"] = {**body, "input": self._marked(body["input"])}
        return Ask(request.method, request.path, options)

    # -- conversations

    def _run(self, value: object, policy: Mapping[str, Any] | None) -> Steps[JobReply]:
        return exchange.run(self._job(value, policy))

    def _runsync(self, value: object, timeout_s: float, policy: Mapping[str, Any] | None) -> Steps[JobReply]:
        job = self._job(value, policy)
        return exchange.runsync(job, timeout_s=timeout_s, clock=self._clock)

    def _check_queue(self) -> None:
        if self.kind != "queue":
            raise CallError(
                f"endpoint {self.name!r} is load-balanced and takes no jobs",
                hint="call a route: .post('/path', json={...})",
            )

    def _marked(self, value: object) -> object:
        return {"__empty": True} if self._marks_empty and value == {} else value

    def _job(self, value: object, policy: Mapping[str, Any] | None) -> dict[str, Any]:
        self._check_queue()
        value = self._marked(value)
        return {"input": value} if policy is None else {"input": value, "policy": dict(policy)}

    def _health(self) -> Steps[dict[str, Any]]:
        return exchange.health("/health" if self.kind == "queue" else "/ping")

    def _route(self, method: str, path: str, options: Mapping[str, Any]) -> Ask:
        if self.kind == "queue":
            raise CallError(
                f"endpoint {self.name!r} is a queue and has no routes",
                hint="call it with .runsync(input) or .run(input)",
            )
        if not path.startswith("/"):
            raise CallError(f"endpoint {self.name!r}: a path starts with '/', not {path!r}")
        return Ask(method, path, options, is_route=True)


class JobHandle:
    """A job that was submitted. Async twins: ``apoll``, ``await_``, ``astream``, ``acancel``.

    Attributes:
        id: The job's.
    """

    def __init__(self, connection: Connection, job_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = job_id
        self._connection = connection
        self._clock = clock

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def poll(self) -> JobReply:
        """How the job is now.

        Raises:
            NotFound: Its result is no longer kept.
        """
        return self._connection.drive(exchange.poll(self.id))

    async def apoll(self) -> JobReply:
        """Do the same as ``poll``, without blocking the event loop."""
        return await self._connection.adrive(exchange.poll(self.id))

    def wait(self, timeout_s: float = _TIMEOUT_S) -> JobReply:
        """Wait for its end. A job that failed does not raise.

        Raises:
            CallError: It had not ended after *timeout_s*.
        """
        return self._connection.drive(exchange.wait(self.id, timeout_s=timeout_s, clock=self._clock))

    async def await_(self, timeout_s: float = _TIMEOUT_S) -> JobReply:
        """Do the same as ``wait``, without blocking the event loop."""
        return await self._connection.adrive(exchange.wait(self.id, timeout_s=timeout_s, clock=self._clock))

    def cancel(self) -> JobReply:
        """Cancel it; the reply says what it came to."""
        return self._connection.drive(exchange.cancel(self.id))

    async def acancel(self) -> JobReply:
        """Do the same as ``cancel``, without blocking the event loop."""
        return await self._connection.adrive(exchange.cancel(self.id))

    def stream(self) -> Iterator[Any]:
        """Yield each chunk's output as it arrives, until the job ends.

        Raises:
            RemoteError: It failed, or timed out; what it had yielded came first.
        """
        while chunks := self._connection.drive(exchange.next_chunks(self.id)):
            yield from chunks

    async def astream(self) -> AsyncIterator[Any]:
        """Do the same as ``stream``, without blocking the event loop."""
        while chunks := await self._connection.adrive(exchange.next_chunks(self.id)):
            for chunk in chunks:
                yield chunk
