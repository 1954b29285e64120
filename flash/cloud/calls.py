"""The caller outside of workers: what a call sends to its endpoint, and what the answer means."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from flash.errors import CallError, InvalidInput, PlatformError, RemoteError
from flash.model.job import JobReply, JobState
from flash.model.schema import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import httpx

    from flash.model.dispatch import Target
    from flash.model.request import ClientRequest

__all__ = ["Callee", "RemoteCaller"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)(:path)?\}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class Callee(Protocol):
    """A client of one endpoint, as far as calling a function needs one."""

    def runsync(self, input: object, /) -> JobReply:  # noqa: A002  the word on the wire
        """Run a job and wait for its end."""
        ...

    async def arunsync(self, input: object, /) -> JobReply:  # noqa: A002  the word on the wire
        """Do the same, without blocking the event loop."""
        ...

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send an HTTP request to a route."""
        ...

    async def arequest(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Do the same, without blocking the event loop."""
        ...

    def send(self, request: ClientRequest, /) -> httpx.Response:
        """Send what is asked of an endpoint with an id or an image."""
        ...

    async def asend(self, request: ClientRequest, /) -> httpx.Response:
        """Do the same, without blocking the event loop."""
        ...


class RemoteCaller:
    """Calls functions on their endpoints: what ``function.remote(...)`` uses outside of workers.

    Implements ``flash.model.dispatch.Caller``.

    Args:
        endpoints: Clients by endpoint name; they belong to the caller, who closes them.
        client_for: Who takes what is asked of an endpoint with an id or an image; by default *endpoints*, by name.
    """

    def __init__(
        self, endpoints: Mapping[str, Callee], *, client_for: Callable[[ClientRequest], Callee] | None = None
    ) -> None:
        self._endpoints = endpoints
        self._client_for = client_for or self._by_name

    def is_here(self, target: Target) -> bool:  # noqa: ARG002  the protocol's
        """Never: every function runs on its endpoint."""
        return False

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Call *target* and wait for its result.

        Raises:
            RemoteError: It failed.
            InvalidInput: It refused the arguments, or JSON cannot carry them.
            CallError: There is no such endpoint, or it cannot be reached.
        """
        client = self._client(target)
        with _reached(target):
            if target.route is None:
                return _output_of(target, client.runsync(_job_input(target, arguments)))
            method, path, options = _route_request(target, target.route, arguments)
            return _result_of(_shown(target), client.request(method, path, **options))

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Do the same as ``call``, without blocking the event loop."""
        client = self._client(target)
        with _reached(target):
            if target.route is None:
                return _output_of(target, await client.arunsync(_job_input(target, arguments)))
            method, path, options = _route_request(target, target.route, arguments)
            return _result_of(_shown(target), await client.arequest(method, path, **options))

    def send(self, request: ClientRequest) -> object:
        """Send a request to an endpoint with an id or an image; gives the decoded answer.

        Raises:
            RemoteError: Its own code answered a status of 400 or more.
            InvalidInput: It refused the arguments.
            CallError: There is no such endpoint, it cannot be reached, or the platform said no.
        """
        with _reached(request):
            return _result_of(request.shown, self._client_for(request).send(request))

    async def asend(self, request: ClientRequest) -> object:
        """Do the same as ``send``, without blocking the event loop."""
        with _reached(request):
            # who looks an endpoint up asks a platform, and blocks
            client = await asyncio.to_thread(self._client_for, request)
            return _result_of(request.shown, await client.asend(request))

    def _client(self, target: Target) -> Callee:
        return self._named(target.endpoint)

    def _by_name(self, request: ClientRequest) -> Callee:
        return self._named(request.endpoint or request.id or "")

    def _named(self, name: str) -> Callee:
        client = self._endpoints.get(name)
        if client is None:
            raise CallError(
                f"there is no endpoint {name!r} here",
                hint=f"there are: {', '.join(sorted(self._endpoints)) or 'none'}",
            )
        return client


@contextmanager
def _reached(called: Target | ClientRequest) -> Iterator[None]:
    try:
        yield
    except PlatformError as error:
        raise CallError(f"{_shown(called)}: {error.message}", hint=error.hint) from error


def _shown(called: Target | ClientRequest) -> str:
    return called.shown if hasattr(called, "shown") else f"{called.function!r} on endpoint {called.endpoint!r}"


def _job_input(target: Target, arguments: Mapping[str, object]) -> dict[str, Any]:
    """The job's input: the arguments by name, and a class's ``method`` among them."""
    data = _plain(target, arguments)
    return data if target.method is None else {**data, "method": target.method}


def _output_of(target: Target, reply: JobReply) -> object:
    """What the function returned.

    Raises:
        RemoteError: The job did not complete.
    """
    if reply.status is JobState.COMPLETED:
        return reply.output
    reason = reply.error or "no reason given"
    raise RemoteError(
        f"{target.function!r} on endpoint {target.endpoint!r}: job {reply.id!r} ended as {reply.status.value}: {reason}"
    )


def _route_request(
    target: Target, route: tuple[str, str], arguments: Mapping[str, object]
) -> tuple[str, str, dict[str, Any]]:
    """Method, path and options of the request that calls a route.

    Path parameters go into the path; the rest into a JSON body, or, where the method has none, into the query.

    Raises:
        CallError: A path parameter is not given.
    """
    method, template = route
    rest = _plain(target, arguments)

    def filled(placeholder: re.Match[str]) -> str:
        name = placeholder[1]
        if name not in rest:
            raise CallError(f"{method} {template} of endpoint {target.endpoint!r}: argument {name!r} is missing")
        text = quote(str(rest.pop(name)), safe="/" if placeholder[2] else "")
        # a segment of dots alone would climb out of the route
        return "/".join(part.replace(".", "%2E") if part in {".", ".."} else part for part in text.split("/"))

    path = _PLACEHOLDER.sub(filled, template)
    if method in _WITH_BODY:
        return method, path, {"json": rest}
    return method, path, {"params": {name: value for name, value in rest.items() if value is not None}}


def _result_of(where: str, response: httpx.Response) -> object:
    """What the route returned: decoded JSON, or text where it is none.

    Raises:
        InvalidInput: It refused the arguments; names the fields.
        RemoteError: It answered any other status of 400 and more.
    """
    data = _decoded(response)
    if response.is_success:
        return data
    detail = data.get("detail", data.get("error", data)) if isinstance(data, dict) else data
    if response.status_code == 422 and isinstance(detail, list):
        problems = [problem for problem in detail if isinstance(problem, dict)]
        fields = "; ".join(
            f"{'.'.join(str(part) for part in problem.get('loc', ()))}: {problem.get('msg', '')}"
            for problem in problems
        )
        raise InvalidInput(f"{where}: {fields or detail}", problems=problems)
    raise RemoteError(f"{where} answered {response.status_code}: {detail}")


def _decoded(response: httpx.Response) -> Any:
    if not response.content:
        return None
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if not kind.endswith("json"):
        return response.text
    try:
        return response.json()
    except ValueError:
        # it says that it is JSON, and is none: what was sent is all that can be shown
        return response.text


def _dotted(loc: Iterable[object]) -> str:
    return ".".join(str(part) for part in loc)


def _plain(target: Target, arguments: Mapping[str, object]) -> dict[str, Any]:
    """The arguments as JSON types.

    Raises:
        InvalidInput: JSON cannot carry one; names it.
    """
    return {name: _plain_value(target, name, value) for name, value in arguments.items()}


def _plain_value(target: Target, name: str, value: object) -> object:
    try:
        return to_json(value)
    except RemoteError as error:
        raise InvalidInput(
            f"{target.function!r} on endpoint {target.endpoint!r}: argument {name!r} is no JSON: {error.message}",
            hint="pass plain data: numbers, text, lists, dicts, dataclasses or pydantic models",
        ) from error
