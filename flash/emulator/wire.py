"""Small things of HTTP that all routes share: JSON bodies with a limit, errors as JSON, callers that go away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from starlette.responses import JSONResponse

from flash.errors import FlashError, PlatformError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from flash.emulator.access import Grant
    from flash.emulator.platform import Platform

__all__ = ["BUILD_HEADER", "disconnected", "error", "grant_of", "platform_of", "read_json", "refusal"]

BUILD_HEADER: Final = "X-Flash-Build"
"""Extension of Flash: on answers, the build whose worker gave it."""
# a caller that still sends reads no answer: what is too much is read on for a while, and dropped
_PATIENCE: Final = 4


def error(status: int, message: str) -> Response:
    """``{"error": message}``."""
    return JSONResponse({"error": message}, status_code=status)


def refusal(problem: FlashError) -> Response:
    """What a caller is told of an error."""
    status = problem.status if isinstance(problem, PlatformError) and problem.status is not None else 400
    return error(status, problem.message)


def platform_of(request: Request) -> Platform:
    """The platform that answers."""
    return cast("Platform", request.app.state.platform)


def grant_of(request: Request) -> Grant:
    """Who asks."""
    return cast("Grant", request.scope["flash.grant"])


async def read_json(request: Request, limit_bytes: int) -> Any:
    """The request's body.

    Raises:
        PlatformError: 413 for more than *limit_bytes*, 400 for what is no JSON.
    """
    where = f"{request.method} {request.url.path}"
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit_bytes:
            body += chunk
        elif size > _PATIENCE * limit_bytes:
            break
    if size > limit_bytes:
        raise PlatformError(f"the body is larger than {limit_bytes} bytes", operation=where, status=413)
    try:
        return json.loads(bytes(body), parse_constant=_no_constant)
    except ValueError as problem:
        raise PlatformError(f"the body is not JSON: {problem}", operation=where, status=400) from problem


async def disconnected(request: Request) -> None:
    """Until the caller has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
