"""``/v1/networkvolumes``: the one part of Runpod's REST API that deployment needs.

Volumes are names here: no worker finds anything mounted. A reply has exactly the four keys that the peer insists on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse
from starlette.routing import Route

from flash.emulator import limits, views
from flash.emulator.wire import error, grant_of, platform_of, read_json, refusal
from flash.errors import FlashError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ROUTES"]

_BODY_BYTES: Final = 100_000


async def _volumes(request: Request) -> Response:
    if not grant_of(request).is_owner:
        return error(401, "this key does not open that")
    state = platform_of(request).state
    if request.method != "POST":
        return JSONResponse([views.volume(volume) for volume in state.volumes()])
    try:
        body = await read_json(request, _BODY_BYTES)
    except FlashError as problem:
        return refusal(problem)
    problem_text = _problem(body)
    if problem_text:
        return error(400, problem_text)
    return JSONResponse(views.volume(state.create_volume(body["name"], body["size"], body["dataCenterId"])))


def _problem(body: Any) -> str:
    if not isinstance(body, dict):
        return "the body must be an object"
    for key in ("name", "dataCenterId"):
        if not isinstance(body.get(key), str) or not body[key].strip():
            return f"{key} must be a text"
    size, (low, high) = body.get("size"), limits.VOLUME_GB
    if not isinstance(size, int) or isinstance(size, bool) or not low <= size <= high:
        return f"size is {size!r}, it must be a whole number of GB between {low} and {high}"
    return ""


ROUTES: Final = [Route("/v1/networkvolumes", _volumes, methods=["GET", "POST"])]
