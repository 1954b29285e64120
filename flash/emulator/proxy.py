"""``/lb/{id}/…``: requests go to a worker of a load-balanced endpoint and come back, both as streams.

Not supported: WebSockets, and worker affinity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from flash.emulator import limits
from flash.emulator.wire import BUILD_HEADER, error, grant_of, platform_of
from flash.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from flash.emulator.platform import Platform
    from flash.emulator.workers import Worker

__all__ = ["ROUTES"]

# RFC 9110 §7.6.1, and those that a proxy sets itself
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
# the caller's key opens the platform: it is none of the worker's business
_NOT_FORWARDED: Final = _HOP_BY_HOP | {"authorization", "host", "expect"}
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CONNECT_S: Final = 10.0


class _TooLarge(PlatformError):
    """Ends the upstream request from within its body; nobody else sees it."""


async def _forward(request: Request) -> Response:
    platform, endpoint_id = platform_of(request), str(request.path_params["endpoint_id"])
    endpoint = platform.state.versions.find_endpoint(endpoint_id)
    if endpoint is None:
        return error(404, "Endpoint not found")
    if not grant_of(request).may_call(endpoint.environment_id):
        return error(401, "this key does not open that endpoint")
    version = platform.state.versions.shown(endpoint_id)
    if version is not None and not version.is_load_balanced:
        return error(400, "this endpoint has a queue, and no routes")
    if int(request.headers.get("content-length") or 0) > limits.LB_BODY_BYTES:
        return error(413, f"the body is larger than {limits.LB_BODY_BYTES} bytes")
    lane = platform.fleet.lane_for(endpoint_id, grant_of(request).worker_id)
    worker = await platform.fleet.acquire(endpoint_id, limits.LB_COLD_START_S, lane=lane)
    if worker is None:
        return error(502 if platform.fleet.has_given_up(endpoint_id) else 503, "no workers available")
    try:
        return await _send(request, platform, worker)
    except BaseException:  # why: also a caller that has gone away gives its worker back
        platform.fleet.release(worker)
        raise


async def _send(request: Request, platform: Platform, worker: Worker) -> Response:
    outgoing = _outgoing(request, worker)
    try:
        incoming = await platform.client.send(outgoing, stream=True)
    except _TooLarge:
        answer = error(413, f"the body is larger than {limits.LB_BODY_BYTES} bytes")
    except httpx.TimeoutException:
        answer = error(504, "the worker did not answer in time")
    except httpx.TransportError:
        answer = error(502, "the worker went away")
    else:
        return _answer(incoming, platform, worker)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        platform.traffic.note(worker.version.id, is_failure=True)
    answer.headers[BUILD_HEADER] = worker.version.build_id or ""
    platform.fleet.release(worker)
    return answer


def _outgoing(request: Request, worker: Worker) -> httpx.Request:
    base = worker.running.url if worker.running is not None else None
    raw_path = request.scope.get("raw_path") or request.url.path.encode()
    prefix = f"/lb/{request.path_params['endpoint_id']}".encode()
    target = (raw_path.partition(b"?")[0].removeprefix(prefix) or b"/") + _query(request)
    named = {name.strip().lower() for name in request.headers.get("connection", "").split(",")}
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if (lower := name.decode("latin-1").lower()) not in _NOT_FORWARDED and lower not in named
    ]
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    return httpx.Request(
        request.method,
        httpx.URL(base or "").copy_with(raw_path=target),
        headers=headers,
        content=_limited(request.stream()) if has_body else None,
        extensions={"timeout": httpx.Timeout(limits.LB_REQUEST_S, connect=_CONNECT_S).as_dict()},
    )


def _answer(incoming: httpx.Response, platform: Platform, worker: Worker) -> Response:
    is_failure = incoming.status_code >= httpx.codes.INTERNAL_SERVER_ERROR

    async def body() -> AsyncIterator[bytes]:
        nonlocal is_failure
        try:
            async for chunk in incoming.aiter_raw():
                yield chunk
        except httpx.TransportError:
            is_failure = True
            raise
        finally:
            await incoming.aclose()

    def release() -> None:
        platform.traffic.note(worker.version.id, is_failure=is_failure)
        platform.fleet.release(worker)

    answer = _Relayed(body(), status_code=incoming.status_code, release=release)
    answer.raw_headers = [
        (name.lower(), value)
        for name, value in incoming.headers.raw
        if name.decode("latin-1").lower() not in _HOP_BY_HOP
    ]
    answer.raw_headers.append((b"x-runpod-worker-id", worker.id.encode()))
    answer.raw_headers.append((BUILD_HEADER.lower().encode(), (worker.version.build_id or "").encode()))
    return answer


class _Relayed(StreamingResponse):
    """Gives the worker back once the response has been sent, or nobody reads it any more."""

    def __init__(self, content: AsyncIterator[bytes], *, status_code: int, release: Callable[[], None]) -> None:
        super().__init__(content, status_code=status_code)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


def _query(request: Request) -> bytes:
    query: bytes = request.scope.get("query_string", b"")
    return b"?" + query if query else b""


async def _limited(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > limits.LB_BODY_BYTES:
            raise _TooLarge("the body is too large", operation="lb", status=413)
        if chunk:
            yield chunk


ROUTES: Final = [
    Route("/lb/{endpoint_id}", _forward, methods=_METHODS),
    Route("/lb/{endpoint_id}/{path:path}", _forward, methods=_METHODS),
]
