"""What every OpenAPI document of an app has: the platform's own answers, which no app decides.

Source: Runpod docs, Serverless, "Endpoint operations", "Job states", "Load balancing endpoints", read 2026-08, and the
local platform, which answers likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from flash.model.components import reference

__all__ = ["PARTS", "answer", "answers", "body"]

_JSON: Final = "application/json"


def answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A response with a JSON body."""
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def body(schema: dict[str, Any], examples: dict[str, Any], *, is_required: bool = True) -> dict[str, Any]:
    """A request's JSON body."""
    content = {"schema": schema, **({"examples": examples} if examples else {})}
    return {"required": is_required, "content": {_JSON: content}}


@cache
def answers(statuses: str, *, routed: bool = False) -> Mapping[str, dict[str, str]]:
    """References to responses of ``PARTS``: ``"401 404"``; with *routed* to those of load-balanced endpoints."""
    names = _ROUTED if routed else _RESPONSES
    return {status: {"$ref": f"#/components/responses/{names[status]}"} for status in statuses.split()}


_RESPONSES: Final = {
    "200": "Health",
    "400": "BadRequest",
    "401": "Unauthorized",
    "404": "NotFound",
    "413": "TooLarge",
    "429": "TooMany",
}
_ROUTED: Final = {
    "200": "Ping",
    "401": "Unauthorized",
    "404": "NoRoute",
    "405": "NoMethod",
    "413": "TooLarge",
    "422": "Invalid",
    "500": "Failed",
    "502": "NoAnswer",
    "503": "NoWorker",
    "504": "TimedOut",
}

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_ENDED: Final = ("FAILED", "CANCELLED", "TIMED_OUT")
_OPEN: Final = ("IN_QUEUE", "IN_PROGRESS")
_JOB: Final = {
    "id": _TEXT,
    "status": {"type": "string", "enum": list(_OPEN)},
    "delayTime": {**_COUNT, "description": "Milliseconds in the queue."},
    "executionTime": {**_COUNT, "description": "Milliseconds with a worker."},
    "workerId": _TEXT,
}
_ERROR: Final = {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]}
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "loc": {
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "description": "Where: path, query or body, then the keys that lead there.",
        },
        "msg": _TEXT,
        "type": _TEXT,
    },
    "required": ["loc", "msg", "type"],
}

PARTS: Final[dict[str, dict[str, Any]]] = {
    "securitySchemes": {
        "api_key": {"type": "http", "scheme": "bearer", "description": "An API key of the platform's."}
    },
    "parameters": {
        "job_id": {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
        "wait": {
            "name": "wait",
            "in": "query",
            "description": "How long to wait at most, in milliseconds.",
            "schema": {"type": "integer", "minimum": 1000, "maximum": 300000},
        },
    },
    "responses": {
        "BadRequest": answer("The platform does not take the request.", reference("Refusal")),
        "Unauthorized": answer("There is no API key, or it does not open the endpoint.", reference("Refusal")),
        "NotFound": answer("There is no such endpoint, or no such job, or not any more.", reference("Refusal")),
        "TooLarge": answer("The request is larger than the platform takes.", reference("Refusal")),
        "TooMany": answer("Requests come faster than the platform takes them.", reference("Refusal")),
        "Invalid": answer("The request does not fit; the problems name the fields.", reference("InvalidRequest")),
        "Failed": answer("The function failed.", reference("RouteError")),
        "NoRoute": answer("There is no such route, or no such endpoint.", reference("RouteError")),
        "NoMethod": answer("The route has other methods.", reference("RouteError")),
        "NoAnswer": answer("The worker went away.", reference("Refusal")),
        "Health": answer("Counts of both.", reference("Health")),
        "Ping": answer("There is.", reference("Ping")),
        "NoWorker": answer("There is no worker.", reference("Refusal")),
        "TimedOut": answer("The worker did not answer in time.", reference("Refusal")),
    },
    "schemas": {
        "JobStatus": {"type": "string", "enum": ["COMPLETED", *_ENDED, *_OPEN]},
        "PendingJob": {
            "type": "object",
            "description": "A job that has not ended; what it reports of its progress is its output.",
            "properties": _JOB,
            "required": ["id", "status"],
        },
        "CompletedJob": {
            "type": "object",
            "properties": {**_JOB, "status": {"type": "string", "const": "COMPLETED"}},
            "required": ["id", "status"],
        },
        "FailedJob": {
            "type": "object",
            "description": "A job without a result. One whose input does not fit is FAILED; its error names the field.",
            "properties": {**_JOB, "status": {"type": "string", "enum": list(_ENDED)}, "error": _TEXT},
            "required": ["id", "status"],
        },
        "Health": {
            "type": "object",
            "properties": {
                "jobs": {"type": "object", "additionalProperties": _COUNT},
                "workers": {"type": "object", "additionalProperties": _COUNT},
            },
            "required": ["jobs", "workers"],
        },
        "Ping": {"type": "object"},
        "Refusal": _ERROR,
        "RouteError": {"type": "object", "properties": {"detail": _TEXT, "error": _TEXT}, "minProperties": 1},
        "Problem": _PROBLEM,
        "InvalidRequest": {
            "type": "object",
            "properties": {"detail": {"type": "array", "items": reference("Problem")}},
            "required": ["detail"],
        },
    },
}
