"""What the answers to a worker's own requests mean: the state manager's, and other endpoints'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flash.errors import CallError, InvalidInput, PlatformError, RemoteError

if TYPE_CHECKING:
    from flash.model.dispatch import Target
    from flash.runtime.wire import Reply

__all__ = ["graphql_data", "job", "route_result"]


def graphql_data(operation: str, reply: Reply) -> dict[str, Any]:
    """The data that the state manager answered.

    Raises:
        CallError: It refused, or its answer cannot be read.
    """
    if reply.status in {401, 403}:
        raise CallError(
            f"the state manager does not accept this worker's key: {operation} answered {reply.status}",
            hint="the key that the app was deployed with may have been revoked: deploy again with another",
        )
    try:
        answer = reply.json()
    except PlatformError as error:
        raise CallError(error.message) from error
    errors = answer.get("errors") if isinstance(answer, dict) else None
    data = answer.get("data") if isinstance(answer, dict) else None
    if errors or not isinstance(data, dict):
        said = "; ".join(str(error.get("message", error)) for error in errors) if errors else f"status {reply.status}"
        raise CallError(f"the state manager refused {operation}: {said}")
    return data


def job(target: Target, reply: Reply) -> dict[str, Any]:
    """The job that an endpoint answered.

    Raises:
        CallError: It is not there, or did not take the job.
    """
    if reply.status == 404:
        raise CallError(
            f"endpoint {target.endpoint!r} is not there: {reply.url} answered 404",
            hint="it may have been removed: deploy the app again",
        )
    try:
        taken = reply.json()
    except PlatformError as error:
        raise CallError(error.message) from error
    if not reply.is_ok or not isinstance(taken, dict) or "status" not in taken or "id" not in taken:
        said = reply.body[:200].decode(errors="replace")
        raise CallError(f"endpoint {target.endpoint!r} did not take the job: {reply.status}: {said}")
    return taken


def route_result(where: str, reply: Reply) -> object:
    """What a route answered: decoded JSON, or text where it is none.

    Raises:
        InvalidInput: It does not accept the arguments; names the fields.
        RemoteError: It answered any other status that is no success.
        CallError: Its answer cannot be read.
    """
    try:
        if reply.is_ok and reply.content_type == "application/x-ndjson":
            return [json.loads(line) for line in reply.body.splitlines() if line]
        if reply.is_ok and reply.content_type != "application/json":
            return reply.body.decode() if reply.body else None
        data = json.loads(reply.body) if reply.body else None
    except ValueError as error:
        if reply.is_ok:
            raise CallError(f"{reply.url} answered {reply.content_type} that cannot be read: {error}") from error
        data = reply.body[:500].decode(errors="replace")
    if reply.is_ok:
        return data
    detail = data.get("detail", data.get("error", data)) if isinstance(data, dict) else data
    if reply.status == 422 and isinstance(detail, list):
        fields = ", ".join(".".join(str(part) for part in problem.get("loc", ())) for problem in detail)
        raise InvalidInput(f"{where} does not accept the arguments: {fields}", problems=detail)
    raise RemoteError(f"{where}: {reply.status}: {detail}")
