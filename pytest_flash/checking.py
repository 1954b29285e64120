"""Runs one contract check against a running endpoint. Loaded by the first check, because Hypothesis is heavy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flash.cloud.jobs import RemoteCaller
from flash.contract.checks import CheckTarget, Reply, check_function
from flash.errors import InvalidInput, ManifestError, RemoteError
from flash.model.dispatch import Target
from flash.model.job import JobState

if TYPE_CHECKING:
    from flash.cloud.jobs import EndpointClient
    from flash.model.manifest import CallSchema, FunctionEntry
    from pytest_flash.connection import Connection
    from pytest_flash.subject import Subject

__all__ = ["check"]


def check(subject: Subject, connection: Connection) -> str:
    """Check one function on the platform that the run is connected to.

    Returns:
        What was left out, because it has no type; empty where all was checked.

    Raises:
        ContractViolation: The endpoint broke its contract.
        ManifestError: The artifact does not describe the function.
    """
    entry, schema = _described(subject, connection)
    client = connection.endpoint(subject.endpoint)
    call = _Route(subject, entry, client) if entry.http_method else _Job(subject, client)
    report = check_function(
        CheckTarget(
            endpoint=subject.endpoint,
            function=subject.function,
            method=subject.method or None,
            schema=schema,
            invoke=call.invoke,
            curl=call.curl,
            path_parameters=call.path_parameters,
        )
    )
    return report.reason


def _described(subject: Subject, connection: Connection) -> tuple[FunctionEntry, CallSchema]:
    manifest = connection.artifact.manifest
    resource = manifest.resources.get(subject.endpoint)
    for entry in resource.functions if resource is not None else ():
        if entry.name == subject.function and subject.method in entry.contract:
            return entry, entry.contract[subject.method]
    raise ManifestError(
        f"the artifact describes no {subject.label!r}",
        hint="the sources were changed while the tests ran: run them again",
    )


class _Job:
    """Calls a function of a queue endpoint."""

    path_parameters: tuple[str, ...] = ()

    def __init__(self, subject: Subject, client: EndpointClient) -> None:
        self._method = subject.method
        self._client = client

    def invoke(self, value: object) -> Reply:
        reply = self._client.runsync(self._input(value))
        error = reply.error or ""
        # Runpod's worker loop leaves an output of {} out
        output = reply.output if "output" in reply.model_fields_set else {}
        return Reply(
            ok=reply.status is JobState.COMPLETED,
            rejected=error.startswith("invalid input"),
            output=output,
            error=error,
            status=reply.status.value,
        )

    def curl(self, value: object) -> str:
        return _curl("POST", f"{self._client.url}/runsync", {"input": self._input(value)})

    def _input(self, value: object) -> object:
        if self._method and isinstance(value, Mapping):
            return {**value, "method": self._method}
        return value


class _Route:
    """Calls a route of a load-balanced endpoint, as ``function.remote(...)`` does."""

    def __init__(self, subject: Subject, entry: FunctionEntry, client: EndpointClient) -> None:
        self._verb = entry.http_method or "POST"
        self._path = entry.http_path or "/"
        self._client = client
        self._caller = RemoteCaller({subject.endpoint: client})
        self._target = Target(subject.endpoint, subject.function, route=(self._verb, self._path))
        self.path_parameters = tuple(part.partition("}")[0].partition(":")[0] for part in self._path.split("{")[1:])

    def invoke(self, value: object) -> Reply:
        try:
            output = self._caller.call(self._target, _mapping(value))
        except InvalidInput as error:
            return Reply(ok=False, rejected=True, error=error.message, status=422)
        except RemoteError as error:
            return Reply(ok=False, error=error.message)
        return Reply(ok=True, output=output)

    def curl(self, value: object) -> str:
        rest = dict(_mapping(value))
        path = self._path
        for name in self.path_parameters:
            for placeholder in (f"{{{name}}}", f"{{{name}:path}}"):
                if placeholder in path:
                    path = path.replace(placeholder, _quoted(rest.pop(name, "")))
        if self._verb in {"POST", "PUT", "PATCH"}:
            return _curl(self._verb, self._client.url + path, rest)
        query = "&".join(f"{_quoted(name)}={_quoted(item)}" for name, item in rest.items() if item is not None)
        return _curl(self._verb, self._client.url + path + (f"?{query}" if query else ""), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _quoted(value: object) -> str:
    from urllib.parse import quote

    return quote(str(value), safe="")


def _curl(verb: str, url: str, body: object) -> str:
    parts = ["curl", "-X", verb, shlex.quote(url), "-H", '"Authorization: Bearer $RUNPOD_API_KEY"']
    if body is not None:
        parts += ["-H", shlex.quote("Content-Type: application/json"), "-d", shlex.quote(json.dumps(body))]
    return " ".join(parts)
