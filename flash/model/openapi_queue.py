"""A queue endpoint as operations of an OpenAPI document: ``/runsync``, ``/run``, and what follows a job.

A platform takes any ``input`` and answers 200: whether it fits is known when a worker has it, and the job FAILED, with
the field's name, where it does not. The document says what fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flash.model.components import Components, Names, pascal, reference
from flash.model.manifest import CallSchema, FunctionEntry
from flash.model.openapi_parts import answer, answers, body

__all__ = ["Call", "queue_paths"]

Schema = dict[str, Any]

_SUBMITTED: Final = "400 401 404 413 429"
_JOB_ID: Final = [{"$ref": "#/components/parameters/job_id"}]
_WAIT: Final = [{"$ref": "#/components/parameters/wait"}]
_SAME_JOB: Final = {"job_id": "$response.body#/id"}


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or a method of a class, whose schemas have been gathered.

    Attributes:
        owner: Its name, as classes have them.
        method: Empty for a function.
        example: An input, with its method; None for none.
        streams: Whether it yields, or may.
    """

    owner: str
    method: str
    contract: CallSchema
    input: Callable[[], Schema]
    output: Callable[[], Schema]
    example: Any
    streams: bool

    @classmethod
    def of(cls, components: Components, entry: FunctionEntry, method: str, *, is_only: bool) -> Call:
        """The call of *entry*, or of its *method*, which may be the only one."""
        contract = entry.contract.get(method) or CallSchema(error="its schema is not known")
        owner = pascal(f"{entry.name}_{method}")
        schema = contract.input if contract.input is not None else {"type": "object"}
        example = contract.example
        # a parameter of that name takes the key
        if method and not (is_only and "method" in schema.get("properties", {})):
            schema = _with_method(schema, method, is_needed=not is_only)
            example = {"method": method, **example} if isinstance(example, dict) else example
        output = {} if contract.output is None else contract.output
        return cls(
            owner=owner,
            method=method,
            contract=contract,
            input=components.add(schema, owner=owner, direction="Input", wish=f"{owner}Input"),
            output=components.add(output, owner=owner, direction="Output", wish=f"{owner}Output"),
            example=example,
            # of a method nothing else is known, and what does not yield has no chunks
            streams=entry.is_generator or (bool(method) and output.get("type", "array") == "array"),
        )


def _with_method(schema: Mapping[str, Any], method: str, *, is_needed: bool) -> Schema:
    """The input of a method says which one it is for."""
    named = {"type": "string", "const": method, **({} if is_needed else {"default": method})}
    return {
        **{key: value for key, value in schema.items() if key != "title"},
        "type": "object",
        "properties": {"method": named, **schema.get("properties", {})},
        **({"required": ["method", *schema.get("required", ())]} if is_needed else {}),
    }


def queue_paths(names: Names, endpoint: str, function: str, calls: Sequence[Call]) -> Iterator[tuple[str, Schema]]:
    """The paths of an endpoint, below its URL.

    Args:
        names: Of the document.
        endpoint: The endpoint's name.
        function: The function's, or the class's.
        calls: What it has.
    """
    owner = pascal(function)
    request = {"type": "object", "properties": {"input": _input(names, calls)}, "required": ["input"]}
    examples = {one.method or "smallest": {"value": {"input": one.example}} for one in calls if one.example is not None}
    output = _output(calls)
    completed = names.put(f"{owner}Completed", _completed(output))
    job = names.put(f"{owner}Job", {"oneOf": [completed, reference("FailedJob"), reference("PendingJob")]})
    said = _said(calls)
    told = {"description": said} if said else {}
    asked = body(names.put(f"{owner}Request", request), examples)

    def operation(word: str, summary: str, responses: Schema, **more: Any) -> Schema:
        identity = {"operationId": names.operation(endpoint, word), "tags": [endpoint], "summary": summary}
        return {**identity, **more, "responses": responses}

    followed = {"200": answer("The job.", job), **answers("401 404 429")}
    status = operation("status", f"What has become of a call of {function}", followed, parameters=_JOB_ID)
    cancelled = {**followed, **answers("400")}
    cancel = operation("cancel", f"Cancel a call of {function}", cancelled, parameters=_JOB_ID)
    links = {
        word: {"operationId": one["operationId"], "parameters": _SAME_JOB}
        for word, one in (("status", status), ("cancel", cancel))
    }
    ended = {"200": answer("The job, as it is when it has ended, or the wait has.", job), **answers(_SUBMITTED)}
    yield (
        "/runsync",
        {"post": operation("runsync", f"Call {function}", ended, **told, parameters=_WAIT, requestBody=asked)},
    )
    queued = {"200": {**answer("The job is queued.", reference("PendingJob")), "links": links}, **answers(_SUBMITTED)}
    yield "/run", {"post": operation("run", f"Queue a call of {function}", queued, **told, requestBody=asked)}
    yield "/status/{job_id}", {"get": status}
    if any(one.streams for one in calls):
        chunks = answer("Chunks, the oldest first.", names.put(f"{owner}Stream", _stream(calls)))
        yielded = f"What {function} has yielded since this was asked last"
        given = {"200": chunks, **answers("401 404 429")}
        yield "/stream/{job_id}", {"get": operation("stream", yielded, given, parameters=_JOB_ID)}
    yield "/cancel/{job_id}", {"post": cancel}
    yield "/health", {"get": operation("health", "Jobs and workers", dict(answers("200 401 404")))}


def _input(names: Names, calls: Sequence[Call]) -> Schema:
    """The input of the one function, or of any of the methods, told apart by ``method``."""
    if len(calls) == 1:
        return calls[0].input()
    schemas = {one.method: one.input() for one in calls}
    # a discriminator leads to schemas with names only
    named = {
        one.method: schema if "$ref" in (schema := schemas[one.method]) else names.put(f"{one.owner}Input", schema)
        for one in calls
    }
    mapping = {method: schema["$ref"] for method, schema in named.items()}
    return {"oneOf": list(named.values()), "discriminator": {"propertyName": "method", "mapping": mapping}}


def _output(calls: Sequence[Call]) -> Schema:
    outputs: list[Schema] = []
    for one in calls:
        if (schema := one.output()) not in outputs:
            outputs.append(schema)
    if len(outputs) == 1:
        return outputs[0]
    return {} if {} in outputs else {"anyOf": outputs}


def _completed(output: Schema) -> Schema:
    # a platform may leave out what is null
    required = {} if output in ({}, {"type": "null"}) else {"required": ["output"]}
    return {"allOf": [reference("CompletedJob"), {"type": "object", "properties": {"output": output}, **required}]}


def _stream(calls: Sequence[Call]) -> Schema:
    # what is told of a generator is the list of all that it yields
    items = [one.output().get("items", {}) for one in calls if one.streams]
    chunk = items[0] if len(items) == 1 else {}
    item = {"type": "object", "properties": {"output": chunk}, "required": ["output"]}
    return {
        "type": "object",
        "properties": {"status": reference("JobStatus"), "stream": {"type": "array", "items": item}},
        "required": ["status", "stream"],
    }


def _said(calls: Sequence[Call]) -> str:
    said = []
    for one in calls:
        told = one.contract.error or (one.contract.untyped and f"untyped: {', '.join(one.contract.untyped)}")
        if told:
            said.append(f"{one.method}: {told}" if one.method else told)
    return "; ".join(said)
