"""``flash_mock``: answers for endpoints, by name, in unit tests.

A respx router behind the transport that our clients take. Nothing is patched, so nothing but calls of Flash's own
clients is answered, whichever HTTP libraries are installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from typing import Any, Final

import httpx
import pytest
import respx
from respx.models import AllMockedAssertionError

from flash.cloud.jobs import EndpointClient
from flash.model.job import JobState
from flash.model.schema import to_json

__all__ = ["FlashMock", "MockedEndpoint", "MockedJob"]

_ORIGIN: Final = "http://flash.mock"
_JOB: Final = re.compile(r"/[^/]+/(?P<what>status|stream|cancel)/(?P<id>mock-\d+)")
_PLACEHOLDER: Final = re.compile(r"\\\{\w+(:path)?\\\}")
_LONGEST_QUOTE: Final = 300


class _Any:
    def __repr__(self) -> str:
        return "..."


_ANY: Final = _Any()


class FlashMock(respx.Router):
    """A respx router that answers for endpoints; call it with a name to say how one answers.

    ``flash_mock.calls`` and ``flash_mock.routes`` are respx's. The first route that fits a call answers it.
    """

    def __init__(self) -> None:
        super().__init__(assert_all_called=True, assert_all_mocked=True)
        self._endpoints: dict[str, MockedEndpoint] = {}
        self._declared: set[str] = set()
        self._told: list[tuple[str, respx.Route]] = []
        self._jobs: dict[str, _Job] = {}
        self._unmatched: list[str] = []

    def __call__(self, name: str) -> MockedEndpoint:
        """The endpoint of that *name*: it is answered for from now on, and calls of its functions go there."""
        self._declared.add(name)
        return self.endpoint(name)

    def __contains__(self, name: str) -> bool:
        return name in self._declared

    def endpoint(self, name: str) -> MockedEndpoint:
        """The endpoint of that name, whether or not the test answers for it."""
        if name not in self._endpoints:
            self._endpoints[name] = MockedEndpoint(self, name)
        return self._endpoints[name]

    def tell(self, description: str, route: respx.Route) -> respx.Route:
        """Note what a route is called in messages."""
        self._told = [told for told in self._told if told[1] is not route]
        self._told.append((description, route))
        return route

    def submit(self, job: _Job) -> str:
        """Keep a job for whoever asks for its status or stream; returns its id."""
        job_id = f"mock-{len(self._jobs) + 1}"
        # one answer may be many jobs, each with a stream of its own
        self._jobs[job_id] = copy(job)
        return job_id

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request.

        Raises:
            pytest.fail.Exception: Nothing fits.
        """
        reply = self._of_a_job(request)
        if reply is not None:
            return reply
        with suppress(AllMockedAssertionError):
            return self.handler(request)
        # not while that is handled: respx's words are no use to the reader
        raise self._refusal(request)

    async def aanswer(self, request: httpx.Request) -> httpx.Response:
        """Do the same for a request that is awaited, so that side effects of routes may be async."""
        reply = self._of_a_job(request)
        if reply is not None:
            return reply
        with suppress(AllMockedAssertionError):
            return await self.async_handler(request)
        raise self._refusal(request)

    def verify(self) -> None:
        """Check that what was called was declared, and what was declared was called.

        Raises:
            pytest.fail.Exception: It was not.
        """
        if self._unmatched:
            # raised where it happened, too; but a thread, or the code under test, may have kept that to itself
            pytest.fail(self._unmatched[0], pytrace=False)
        names = {id(route): description for description, route in self._told}
        unused = [names.get(id(route), repr(route)) for route in self.routes if not route.called]
        if unused:
            listed = "\n".join(f"- {description}" for description in unused)
            pytest.fail(f"flash_mock: declared, and never called:\n{listed}", pytrace=False)

    def close(self) -> None:
        """Close the clients that were given out."""
        for endpoint in self._endpoints.values():
            endpoint.close()

    def _of_a_job(self, request: httpx.Request) -> httpx.Response | None:
        found = _JOB.fullmatch(request.url.path)
        job = None if found is None else self._jobs.get(found["id"])
        if found is None or job is None:
            return None
        return httpx.Response(200, json=job.ask(found["what"], found["id"]))

    def _refusal(self, request: httpx.Request) -> BaseException:
        name, _, rest = request.url.path.lstrip("/").partition("/")
        what = f"{rest} of endpoint {name!r}" if rest in {"run", "runsync"} else f"{request.method} /{rest} of {name!r}"
        body = request.content.decode("utf-8", errors="replace")
        if rest in {"run", "runsync"}:
            what += f" with input {json.dumps(json.loads(body).get('input'))[:_LONGEST_QUOTE]}"
        elif body:
            what += f" with body {body[:_LONGEST_QUOTE]}"
        declared = "".join(f"\n- {description}" for description, _ in self._told) or " nothing"
        message = f"flash_mock: no answer is declared for {what}\ndeclared:{declared}"
        self._unmatched.append(message)
        return pytest.fail.Exception(message, pytrace=False)


class MockedEndpoint:
    """An endpoint that is answered for.

    Attributes:
        name: As the project declares it.
        url: Where its clients think it is.
        queue_client: A client that takes it for a queue.
        routes_client: A client that takes it for load-balanced.
    """

    def __init__(self, mock: FlashMock, name: str) -> None:
        self.name = name
        self.url = f"{_ORIGIN}/{name}"
        self._mock = mock
        transport = _Transport(mock)
        self.queue_client = EndpointClient(name, kind="queue", url=self.url, api_key="mock", transport=transport)
        self.routes_client = EndpointClient(
            name, kind="load-balanced", url=self.url, api_key="mock", transport=transport
        )
        self._has_routes = False

    @property
    def client(self) -> EndpointClient:
        """A client of it, for code that is given one; of the kind that the answers declared so far make it."""
        return self.routes_client if self._has_routes else self.queue_client

    @property
    def runsync(self) -> MockedJob:
        """Jobs that are waited for, as ``function.remote(...)`` does, and ``client.runsync(...)``."""
        return MockedJob(self._mock, self, "runsync")

    @property
    def run(self) -> MockedJob:
        """Jobs that are submitted: ``client.run(...)``, and what the handle asks for."""
        return MockedJob(self._mock, self, "run")

    def get(self, path: str, **lookups: Any) -> respx.Route:
        """Answer ``GET`` *path*; *lookups* are respx's."""
        return self._route("GET", path, lookups)

    def post(self, path: str, **lookups: Any) -> respx.Route:
        """Answer ``POST`` *path*; *lookups* are respx's, such as ``json={"name": "Ada"}``."""
        return self._route("POST", path, lookups)

    def put(self, path: str, **lookups: Any) -> respx.Route:
        """Answer ``PUT`` *path*; *lookups* are respx's."""
        return self._route("PUT", path, lookups)

    def patch(self, path: str, **lookups: Any) -> respx.Route:
        """Answer ``PATCH`` *path*; *lookups* are respx's."""
        return self._route("PATCH", path, lookups)

    def delete(self, path: str, **lookups: Any) -> respx.Route:
        """Answer ``DELETE`` *path*; *lookups* are respx's."""
        return self._route("DELETE", path, lookups)

    def close(self) -> None:
        """Close its clients."""
        self.queue_client.close()
        self.routes_client.close()

    def _route(self, method: str, path: str, lookups: Mapping[str, Any]) -> respx.Route:
        self._has_routes = True
        where: dict[str, Any] = {"url": f"{self.url}{path}"}
        if "{" in path:
            pattern = _PLACEHOLDER.sub(lambda found: ".+" if found[1] else "[^/?]+", re.escape(f"{self.url}{path}"))
            where = {"url__regex": rf"^{pattern}(\?.*)?$"}
        said = "".join(f" {name}={value!r}" for name, value in lookups.items())
        return self._mock.tell(
            f"{method} {path} of {self.name!r}{said}", self._mock.route(method=method, **where, **lookups)
        )


class MockedJob:
    """Jobs of an endpoint that are to be answered. Call it to narrow which: ``runsync(input={"name": "Ada"})``."""

    def __init__(self, mock: FlashMock, endpoint: MockedEndpoint, verb: str, value: object = _ANY) -> None:
        self._mock = mock
        self._endpoint = endpoint
        self._verb = verb
        self._input = value
        self._route: respx.Route | None = None

    def __call__(self, *, input: object) -> MockedJob:  # noqa: A002  the word on the wire
        """Jobs with that input only."""
        return MockedJob(self._mock, self._endpoint, self._verb, to_json(input))

    def respond(self, output: object = None, *, chunks: Sequence[object] | None = None) -> MockedJob:
        """The job completes with *output*; or as a generator's does, having yielded *chunks*."""
        yielded = None if chunks is None else [to_json(chunk) for chunk in chunks]
        job = _Job(JobState.COMPLETED, to_json(output) if yielded is None else yielded, None, yielded or [])
        return self._answer(lambda _: job)

    def fail(self, error: str) -> MockedJob:
        """The job fails, and reports *error*."""
        job = _Job(JobState.FAILED, None, error, [])
        return self._answer(lambda _: job)

    def mock(self, side_effect: Callable[[Any], object]) -> MockedJob:
        """The job completes with what *side_effect* returns for the input; what it raises, the caller gets."""
        return self._answer(lambda value: _Job(JobState.COMPLETED, to_json(side_effect(value)), None, []))

    @property
    def inputs(self) -> list[Any]:
        """The inputs of the jobs that were answered so, in order."""
        return [] if self._route is None else [_input_of(call.request) for call in self._route.calls]

    @property
    def called(self) -> bool:
        """Whether a job was answered so."""
        return bool(self.inputs)

    def _answer(self, job_for: Callable[[Any], _Job]) -> MockedJob:
        def respond(request: httpx.Request) -> httpx.Response:
            job = job_for(_input_of(request))
            job_id = self._mock.submit(job)
            if self._verb == "run":
                return httpx.Response(200, json={"id": job_id, "status": JobState.IN_QUEUE.value})
            return httpx.Response(200, json=job.ask("status", job_id))

        lookups: dict[str, Any] = {} if self._input is _ANY else {"json__input": self._input}
        route = self._mock.post(f"{self._endpoint.url}/{self._verb}", **lookups).mock(side_effect=respond)
        narrowed = "" if self._input is _ANY else f" with input {json.dumps(self._input)}"
        self._route = self._mock.tell(f"{self._verb} of endpoint {self._endpoint.name!r}{narrowed}", route)
        return self


class _Job:
    """A job that has ended; its stream is read once."""

    def __init__(self, state: JobState, output: object, error: str | None, chunks: Sequence[object]) -> None:
        self._state = state
        self._output = output
        self._error = error
        self._chunks = chunks

    def ask(self, what: str, job_id: str) -> dict[str, object]:
        """What the platform says of it when asked for its ``status`` or ``stream``, or to ``cancel`` it."""
        reply: dict[str, object] = {"id": job_id, "status": self._state.value}
        if what == "stream":
            chunks, self._chunks = self._chunks, []
            return {**reply, "stream": [{"output": chunk} for chunk in chunks]}
        if self._error is not None:
            return {**reply, "error": self._error}
        return {**reply, "output": self._output}


class _Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    def __init__(self, mock: FlashMock) -> None:
        self._mock = mock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._mock.answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._mock.aanswer(request)


def _input_of(request: httpx.Request) -> Any:
    return json.loads(request.content).get("input")
