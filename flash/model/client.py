"""Calls of endpoints that are no functions of this project: one that is known by its id, or an image.

What is asked, and what becomes of the answers, is written once, as conversations: generators that yield a request and
are sent its answer. How a request travels is the business of the caller in force (``flash.model.dispatch``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from flash.errors import CallError, CallTimeout, InvalidInput, PlatformUnreachable, RemoteError
from flash.model.dispatch import current_caller
from flash.model.request import ASK_S, ClientRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from flash.model.dispatch import Caller

__all__ = ["Client", "Driver", "EndpointJob"]

_T = TypeVar("_T")

_FINAL: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_FIRST_PAUSE_S: Final = 0.25
_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSE_S: Final = 5.0
_MOST_FAILURES: Final = 5
"""Source of the four: how ``runpod-flash`` 1.21.0 waits for jobs, read 2026-08."""
_WAIT_S: Final = (1.0, 90.0)
"""Source: Runpod docs, "Endpoint operations", ``/runsync``, read 2026-08: ``wait`` from 1 s; 90 s is its default."""


Steps: TypeAlias = "Generator[ClientRequest | float, Any, _T]"
"""A conversation: yields requests, and seconds to wait."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Holds conversations.

    Attributes:
        is_awaited: Whether what a call gives is awaited by whoever calls now.
    """

    is_awaited: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] | None = None

    def start(self, steps: Steps[_T]) -> Any:
        """The result of *steps*, or an awaitable of it."""
        return self._adrive(steps) if self.is_awaited() else self._drive(steps)

    def _drive(self, steps: Steps[_T]) -> _T:
        caller = _caller()
        try:
            step = next(steps)
            while True:
                if isinstance(step, ClientRequest):
                    try:
                        answer = caller.send(step)
                    except CallError as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(answer)
                else:
                    self.sleep(step)
                    step = next(steps)
        except StopIteration as stop:
            result: _T = stop.value
            return result

    async def _adrive(self, steps: Steps[_T]) -> _T:
        caller = _caller()
        try:
            step = next(steps)
            while True:
                if isinstance(step, ClientRequest):
                    try:
                        answer = await caller.asend(step)
                    except CallError as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(answer)
                else:
                    await self._pause(step)
                    step = next(steps)
        except StopIteration as stop:
            result: _T = stop.value
            return result

    async def _pause(self, seconds: float) -> None:
        if self.asleep is None:
            import asyncio

            await asyncio.sleep(seconds)
        else:
            await self.asleep(seconds)


class Client:
    """Calls one endpoint.

    Args:
        name: Its name; empty where only the id is known.
        endpoint_id: Its id; None where it is looked up by the name.
        driver: Sends and waits.
    """

    def __init__(self, name: str, endpoint_id: str | None, driver: Driver) -> None:
        self._name = name
        self._id = endpoint_id
        self._driver = driver

    def run(self, value: object, webhook: str | None) -> Any:
        """Submit a job."""
        return self._driver.start(self._run(value, webhook))

    def runsync(self, value: object, timeout_s: float | None) -> Any:
        """Submit a job and wait for its end."""
        return self._driver.start(self._runsync(value, timeout_s))

    def cancel(self, job_id: str) -> Any:
        """Cancel a job."""
        return self._driver.start(self._cancel(job_id))

    def health(self) -> Any:
        """How many jobs and workers it has."""
        return self._driver.start(self._health())

    def request(self, method: str, path: str, data: object, timeout_s: float | None) -> Any:
        """Call a route."""
        return self._driver.start(self._route(method, path, data, timeout_s))

    def ask(self, method: str, path: str, body: object = None, timeout_s: float | None = ASK_S) -> ClientRequest:
        """A request to its job API."""
        return self._request(method, path, body, timeout_s, is_route=False)

    def _request(
        self, method: str, path: str, body: object, timeout_s: float | None, *, is_route: bool
    ) -> ClientRequest:
        return ClientRequest(
            endpoint=self._name,
            id=self._id,
            method=method,
            path=path,
            body=body,
            timeout_s=timeout_s,
            is_route=is_route,
        )

    def _run(self, value: object, webhook: str | None) -> Steps[EndpointJob]:
        body = {"input": _plain(value)}
        answer = yield self.ask("POST", "/run", body if webhook is None else {**body, "webhook": webhook})
        return EndpointJob(self, self._driver, answer)

    def _runsync(self, value: object, timeout_s: float | None) -> Steps[EndpointJob]:
        ends_at = None if timeout_s is None else self._driver.clock() + timeout_s
        wait_s = _WAIT_S[1] if timeout_s is None else min(max(timeout_s, _WAIT_S[0]), _WAIT_S[1])
        path = f"/runsync?wait={int(wait_s * 1000)}"
        answer = yield self.ask("POST", path, {"input": _plain(value)}, wait_s + ASK_S)
        job = EndpointJob(self, self._driver, answer)
        if not job.done:
            yield from job.ending(ends_at, timeout_s)
        return job

    def _cancel(self, job_id: str) -> Steps[EndpointJob]:
        answer = yield self.ask("POST", f"/cancel/{quote(job_id, safe='')}")
        return EndpointJob(self, self._driver, answer)

    def _health(self) -> Steps[object]:
        answer: object = yield self.ask("GET", "/health")
        return answer

    def _route(self, method: str, path: str, data: object, timeout_s: float | None) -> Steps[object]:
        if not path.startswith("/"):
            raise CallError(f"{method} {path!r}: a path starts with '/'", hint=f"write {'/' + path!r}")
        body = None if data is None else _plain(data)
        if method in {"GET", "DELETE"} and isinstance(body, Mapping):
            # where an endpoint of Flash's looks for the arguments of such a route
            pairs = [(name, text) for name, value in body.items() for text in _texts(value)]
            path, body = f"{path}{'&' if '?' in path else '?'}{urlencode(pairs)}" if pairs else path, None
        answer: object = yield self._request(method, path, body, timeout_s, is_route=True)
        return answer


class EndpointJob:
    """A job on an endpoint.

    Attributes:
        id: The job's.
        output: What it came to; None before.
        error: Why it failed; None where it did not.
    """

    def __init__(self, client: Client, driver: Driver, answer: object) -> None:
        self._client = client
        self._driver = driver
        self.id = ""
        self.output: Any = None
        self.error: str | None = None
        self._status = ""
        self._take(answer)

    def __repr__(self) -> str:
        return f"EndpointJob(id={self.id!r}, status={self._status!r})"

    def __await__(self) -> Generator[Any, None, EndpointJob]:
        """Itself: what was not awaited where no event loop ran may be, too."""
        yield from ()
        return self

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._status in _FINAL

    def status(self) -> Any:
        """Its state, ``COMPLETED`` or another; asks the platform until the job has ended."""
        return self._driver.start(self._asked())

    def cancel(self) -> EndpointJob:
        """Cancel it; gives the job itself."""
        job: EndpointJob = self._driver.start(self._cancelled())
        return job

    def wait(self, timeout: float | None = None) -> EndpointJob:
        """Wait for its end; gives the job itself. One that failed does not raise: see ``error``.

        Raises:
            CallTimeout: It had not ended after *timeout* seconds. It is a ``TimeoutError`` too.
        """
        ends_at = None if timeout is None else self._driver.clock() + timeout
        job: EndpointJob = self._driver.start(self.ending(ends_at, timeout))
        return job

    def ending(self, ends_at: float | None, timeout_s: float | None) -> Steps[EndpointJob]:
        """Poll until it has ended, through a few connection errors."""
        pause_s, failures = _FIRST_PAUSE_S, 0
        while not self.done:
            left_s = pause_s if ends_at is None else ends_at - self._driver.clock()
            if left_s <= 0:
                raise CallTimeout(
                    f"job {self.id!r} had not ended after {timeout_s:g} s: {self._status}",
                    hint="it runs on; give it a longer timeout, or submit it with run() and wait for it later",
                )
            yield min(pause_s, left_s)
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)
            try:
                yield from self._asked()
            except CallError as error:
                failures += 1
                if failures == _MOST_FAILURES or not isinstance(error.__cause__, PlatformUnreachable):
                    raise
            else:
                failures = 0
        return self

    def _asked(self) -> Steps[str]:
        if not self.done:
            answer = yield self._client.ask("GET", f"/status/{quote(self.id, safe='')}")
            self._take(answer)
        return self._status

    def _cancelled(self) -> Steps[EndpointJob]:
        answer = yield self._client.ask("POST", f"/cancel/{quote(self.id, safe='')}")
        self._take(answer)
        return self

    def _take(self, answer: object) -> None:
        if not isinstance(answer, Mapping) or not isinstance(answer.get("id"), str) or "status" not in answer:
            raise CallError(f"the platform's answer is no job: {json.dumps(answer)[:200]}")
        self.id = answer["id"]
        self._status = str(answer["status"])
        self.output = answer.get("output")
        error = answer.get("error")
        # one string: what a worker reports otherwise is shown as it came
        self.error = error if error is None or isinstance(error, str) else json.dumps(error)


def _caller() -> Caller:
    """Who sends requests here: a worker, a preview, a mock; in a script, whoever has the user's key."""
    caller = current_caller()
    if caller is not None:
        return caller
    import flash

    try:
        return flash.caller_of_scripts()
    except ModuleNotFoundError as error:
        if error.name != "flash.clients":
            raise
        # an artifact has no part that could: it is being read by a build
        raise CallError(
            "no endpoint can be called while the app is built", hint="move the call from the module into a function"
        ) from error


def _plain(value: object) -> Any:
    from flash.model.schema import to_json

    try:
        return to_json(value)
    except RemoteError as error:
        raise InvalidInput(error.message.replace("the output", "the input", 1)) from error


def _texts(value: object) -> list[str]:
    """A value in a query: nothing for None, for which a query has no word."""
    if value is None:
        return []
    return [one if isinstance(one, str) else json.dumps(one) for one in (value if isinstance(value, list) else [value])]
