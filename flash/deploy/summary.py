"""What a deployment prints when it is done, in the page's layout. Pure text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from flash.deploy.deployment import DeployedEndpoint, tried_route

__all__ = ["call_to_try", "deployed_block"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)(?::path)?\}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class HasEndpoints(Protocol):
    """A deployment, or anything else that knows its endpoints."""

    @property
    def endpoints(self) -> Sequence[DeployedEndpoint]:
        """In the order in which they are shown."""
        ...


def deployed_block(deployment: HasEndpoints, *, is_local: bool, program: str = "flash") -> str:
    """All endpoints by kind, each with its URL, and one call to try for each kind.

    Args:
        deployment: What is live.
        is_local: Whether the key has to be taken from the local platform first.
        program: How the command line is called where this is read.

    Source: the page "Deploy Flash apps", section "Post-deployment".
    """
    balanced = [endpoint for endpoint in deployment.endpoints if endpoint.kind == "load-balanced"]
    queues = [endpoint for endpoint in deployment.endpoints if endpoint.kind == "queue"]
    key = f'eval "$({program} platform env)"' if is_local else ""
    blocks = ["✓ Deployment Complete"]
    if balanced:
        lines = ["Load-balanced endpoints:"]
        for endpoint in balanced:
            lines.append(_line(endpoint))
            lines += [_route_line(route) for route in endpoint.routes]
        tried = next((endpoint for endpoint in balanced if endpoint.routes), balanced[0])
        blocks += ["\n".join(lines), *_try_it(call_to_try(tried), key=key)]
    if queues:
        blocks.append("\n".join(["Queue-based endpoints:", *map(_line, queues)]))
        blocks += _try_it(call_to_try(queues[0]), key=key)
    return "\n\n".join(blocks)


def call_to_try(endpoint: DeployedEndpoint) -> list[str]:
    """A call of an endpoint for a shell, a line each; nothing where it serves nothing that could be called."""
    if endpoint.kind == "queue":
        return _curl("POST", f"{endpoint.url}/runsync", {"input": {}} if endpoint.example is None else endpoint.example)
    route = tried_route(endpoint.routes)
    return [] if route is None else _route_call(endpoint, route)


def _line(endpoint: DeployedEndpoint) -> str:
    return f"  {endpoint.url}  ({endpoint.name})"


def _route_line(route: str) -> str:
    method, _, path = route.partition(" ")
    return f"    {method:<6} {path}"


def _try_it(call: list[str], *, key: str) -> list[str]:
    if not call:
        return []
    return ["\n".join(["  Try it:", *(f"    {line}" for line in ([key] if key else []) + call)])]


def _route_call(endpoint: DeployedEndpoint, route: str) -> list[str]:
    method, _, template = route.partition(" ")
    arguments = dict(endpoint.example) if isinstance(endpoint.example, Mapping) else {}

    def filled(placeholder: re.Match[str]) -> str:
        return quote(str(arguments.pop(placeholder[1], placeholder[0])), safe="/{}:")

    url = f"{endpoint.url}{_PLACEHOLDER.sub(filled, template)}"
    if method in _WITH_BODY:
        body = {"input": {}} if endpoint.example is None else arguments
        return _curl(method, url, body)
    query = urlencode({key: value for key, value in arguments.items() if value is not None}, doseq=True)
    return _curl(method, f"{url}?{query}" if query else url, None)


def _curl(method: str, url: str, body: Any) -> list[str]:
    # a URL with a query needs quotes in a shell
    shown = f"'{url}'" if "?" in url else url
    parts = [f"curl -X {method} {shown}"]
    if body is not None:
        parts.append('-H "Content-Type: application/json"')
    parts.append('-H "Authorization: Bearer $RUNPOD_API_KEY"')
    if body is not None:
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        parts.append(f"-d '{text}'")
    first, *rest = parts
    lines = [first, *(f"    {part}" for part in rest)]
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
