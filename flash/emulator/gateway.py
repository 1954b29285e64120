"""The platform over HTTP: one ASGI application on one address.

Everything needs the key but two: the upload URL, which is a key itself, and the GraphQL operations to log in.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from flash.emulator import jobs, proxy, volumes
from flash.emulator.wire import error, grant_of, platform_of, read_json, refusal
from flash.errors import FlashError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from flash.emulator.graphql import ControlPlane
    from flash.emulator.platform import Platform

__all__ = ["application"]

_GRAPHQL_BYTES: Final = 20_000_000
_POD_LOG_LINES: Final = 1000
_UNAUTHORIZED: Final = "unauthorized: a valid API key is needed"


def application(platform: Platform) -> ASGIApp:
    """The ASGI application of a platform."""
    routes = [
        Route("/graphql", _graphql, methods=["POST"]),
        Route("/upload/{ticket}", _upload, methods=["PUT"]),
        Route("/artifacts/{name}", _download, methods=["GET"]),
        Route("/v1/pod/{worker_id}/logs", _pod_logs, methods=["GET"]),
        Route("/flash/login", _login, methods=["POST"]),
        Route("/flash/healthz", _healthz, methods=["GET"]),
        Route("/flash/owner", _owner, methods=["GET"]),
        *jobs.ROUTES,
        *proxy.ROUTES,
        *volumes.ROUTES,
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    app.state.platform = platform
    app.state.control = None
    return _Gate(app, platform)


class _Gate:
    """Lets nobody through without a key."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            peer = scope.get("client")
            if peer is None or not self._platform.answers(peer[0]):
                await error(403, "this platform answers its own machine and workers only")(scope, receive, send)
                return
            headers = dict(scope["headers"])
            grant = self._platform.access.grant_for(headers.get(b"authorization", b"").decode("latin-1"))
            path = scope["path"]
            is_open = path == "/graphql" or (path.startswith("/upload/") and scope["method"] == "PUT")
            if grant is None and not is_open:
                await error(401, _UNAUTHORIZED)(scope, receive, send)
                return
            scope["flash.grant"] = grant
        await self._app(scope, receive, send)


async def _graphql(request: Request) -> Response:
    grant = request.scope["flash.grant"]
    if grant is None and "api_key" in request.query_params:
        grant = platform_of(request).access.grant_for(request.query_params["api_key"])
    try:
        body = await read_json(request, _GRAPHQL_BYTES)
    except FlashError as problem:
        return error(401, _UNAUTHORIZED) if grant is None else refusal(problem)
    lease = request.headers.get("flash-lease", "")
    reply = await (await _control(request)).execute(body, grant, lease=lease)
    return error(401, _UNAUTHORIZED) if reply is None else JSONResponse(reply)


async def _control(request: Request) -> ControlPlane:
    state = request.app.state
    if state.control is None:
        # workers poll meanwhile: the import must not hold them up
        module = await asyncio.to_thread(__import__, "flash.emulator.graphql", fromlist=["ControlPlane"])
        state.control = module.ControlPlane(platform_of(request))
    control: ControlPlane = state.control
    return control


async def _upload(request: Request) -> Response:
    platform = platform_of(request)
    try:
        upload = platform.state.upload_for(str(request.path_params["ticket"]))
        digest = await platform.artifacts.receive(upload.object_key, request.stream(), size_bytes=upload.size_bytes)
    except FlashError as problem:
        return refusal(problem)
    platform.state.complete_upload(upload.object_key, digest)
    return Response(status_code=200, headers={"ETag": f'"{digest}"'})


async def _download(request: Request) -> Response:
    path = platform_of(request).artifacts.upload_path(str(request.path_params["name"]))
    if not grant_of(request).is_owner:
        return error(401, _UNAUTHORIZED)
    return FileResponse(path, media_type="application/gzip") if path.is_file() else error(404, "not found")


async def _pod_logs(request: Request) -> Response:
    if not grant_of(request).is_owner:
        return error(401, _UNAUTHORIZED)
    lines = platform_of(request).logs.of_worker(str(request.path_params["worker_id"]), _POD_LOG_LINES)
    return error(404, "worker not found") if lines is None else JSONResponse({"container": lines, "system": []})


async def _login(request: Request) -> Response:
    """Approve the login that the query names, as on Runpod's console; with ``?deny=1``, refuse it."""
    platform, grant = platform_of(request), grant_of(request)
    if not grant.is_owner:
        return error(401, _UNAUTHORIZED)
    wanted = request.query_params.get("request", "")
    try:
        if request.query_params.get("deny"):
            platform.logins.deny(wanted)
        else:
            platform.logins.approve(wanted, platform.access.api_key)
    except FlashError as problem:
        return refusal(problem)
    return Response(status_code=204)


async def _healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok", "pid": os.getpid(), "backend": platform_of(request).backend})


async def _owner(_request: Request) -> Response:
    """Never ends while the platform lives: workers in containers, which cannot hold a pipe, end with it."""

    async def alive() -> AsyncIterator[bytes]:
        yield b"\n"
        await asyncio.Event().wait()

    return StreamingResponse(alive())


async def _not_found(request: Request, problem: Exception) -> Response:
    status = getattr(problem, "status_code", 404)
    return error(status, f"{request.method} {request.url.path} is nothing that this platform serves")
