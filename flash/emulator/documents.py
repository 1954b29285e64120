"""``GET /flash/openapi.json``: what is live in an environment as an OpenAPI document, with the URLs that it has here.

An extension of Flash: Runpod has nothing like it. It is for schema-driven testers and generators of clients, which want
one document below one base URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from flash.emulator.provision import resource_of
from flash.emulator.wire import grant_of, platform_of, refusal
from flash.errors import FlashError, NotAuthorized, NotFound
from flash.model.manifest import Manifest
from flash.model.openapi import openapi, openapi_text

if TYPE_CHECKING:
    from starlette.requests import Request

    from flash.emulator.platform import Platform
    from flash.emulator.record import EnvironmentRecord

__all__ = ["ROUTES"]

_PATH: Final = "/flash/openapi.json"


async def _openapi(request: Request) -> Response:
    platform = platform_of(request)
    try:
        environment = _environment(platform, *(request.query_params.get(key, "") for key in ("app", "environment")))
        if not grant_of(request).may_look_into(environment.id):
            raise NotAuthorized("this key does not open that environment", operation=_PATH, status=401)
        text = openapi_text(_document(platform, environment, request.query_params.getlist("endpoint"), request))
    except FlashError as problem:
        return refusal(problem)
    return Response(text, media_type="application/json")


def _environment(platform: Platform, app: str, name: str) -> EnvironmentRecord:
    """The environment of that name with something live, or the only one."""
    live = [
        (one.name, environment)
        for one in platform.state.apps()
        for environment in platform.state.environments(one.id)
        if environment.active_build_id is not None and app in ("", one.name) and name in ("", environment.name)
    ]
    if len(live) == 1:
        return live[0][1]
    which = ", ".join(f"?app={owner}&environment={environment.name}" for owner, environment in live)
    raise NotFound(
        f"several environments are live: {which}" if live else "nothing that is live has these names",
        operation=_PATH,
        status=404,
    )


def _document(
    platform: Platform, environment: EnvironmentRecord, endpoints: list[str], request: Request
) -> dict[str, object]:
    build = platform.state.build(environment.active_build_id or "")
    manifest = Manifest.parse(build.manifest)
    origin = str(request.base_url).rstrip("/")
    urls: dict[str, str] = {}
    for endpoint in platform.state.versions.endpoints(environment.id):
        version = platform.state.versions.shown(endpoint.id)
        if version is not None:
            name, _ = resource_of(manifest, endpoint, version)
            urls[name] = f"{origin}/{'lb' if version.is_load_balanced else 'v2'}/{endpoint.id}"
    return openapi(manifest, urls=urls, endpoints=endpoints or None)


ROUTES: Final = [Route(_PATH, _openapi, methods=["GET"])]
