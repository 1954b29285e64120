"""Routes of a load-balanced endpoint as operations of an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flash.model.components import Components, pascal
from flash.model.manifest import CallSchema, FunctionEntry
from flash.model.openapi_parts import answers, body

__all__ = ["Route", "merged"]

Schema = dict[str, Any]

_PARAMETER: Final = re.compile(r"\{([^{}:]+)(:[^{}]*)?\}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_CHOICES: Final = ("anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Route:
    """A route whose schemas have been gathered.

    Attributes:
        path: As OpenAPI has it: ``/items/{item_id}``.
        verb: In lower case.
        finish: Gives the operation, without an id, once all schemas have been gathered.
    """

    name: str
    path: str
    verb: str
    finish: Callable[[], dict[str, Any]]

    @classmethod
    def of(cls, components: Components, entry: FunctionEntry, contract: CallSchema) -> Route:
        """The route of *entry*, which has a method and a path."""
        method, path = str(entry.http_method), str(entry.http_path)
        owner = pascal(entry.name)
        in_path = [found.group(1) for found in _PARAMETER.finditer(path)]
        schema: Mapping[str, Any] = {"type": "object"} if contract.input is None else contract.input
        properties: Mapping[str, Any] = schema.get("properties", {})
        definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}

        def gathered(name: str, value: Mapping[str, Any]) -> Callable[[], Schema]:
            whole = {**_without_null(value), **definitions}
            return components.add(whole, owner=owner, direction="Input", wish=f"{owner}{pascal(name)}")

        placed = {name: gathered(name, properties.get(name, {"type": "string"})) for name in in_path}
        rest = _without(schema, in_path)
        asked: dict[str, Callable[[], Schema]] = {}
        sent: Callable[[], Schema] | None = None
        if method in _WITH_BODY:
            takes_nothing = not rest.get("properties") and rest.get("additionalProperties") is False
            if not takes_nothing:
                sent = components.add(rest, owner=owner, direction="Input", wish=f"{owner}Input")
        else:
            asked = {name: gathered(name, value) for name, value in rest.get("properties", {}).items()}
        output = _output(components, entry, contract, owner)

        def finish() -> dict[str, Any]:
            parameters = [*_in_path(placed), *_in_query(asked, rest)] if not sent else [*_in_path(placed)]
            return {
                "summary": f"Call {entry.name}",
                **({"description": told} if (told := _told(contract)) else {}),
                **({"parameters": parameters} if parameters else {}),
                **({"requestBody": _body(sent(), rest, contract, in_path)} if sent else {}),
                "responses": {
                    "200": {"description": "What it returned.", "content": output()},
                    **answers(_STATUSES, routed=True),
                },
            }

        return cls(entry.name, _PARAMETER.sub(r"{\1}", path), method.lower(), finish)


_STATUSES: Final = "401 404 413 422 500 502 503 504"


def merged(path: str, known: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The path among *known* ones, by their shape, that differs in names of parameters only, and the names there.

    Source: OpenAPI 3.1.1, "Paths Object": such paths are identical, and must not both be there.

    >>> merged("/items/{id}", {"/items/{}": "/items/{item}"})
    ('/items/{item}', {'id': 'item'})
    """
    other = known.get(shape(path), path)
    names = zip(_PARAMETER.findall(path), _PARAMETER.findall(other), strict=True)
    return other, {mine[0]: theirs[0] for mine, theirs in names if mine != theirs}


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return _PARAMETER.sub("{}", path)


def _without(schema: Mapping[str, Any], names: list[str]) -> Schema:
    """The schema of what does not travel in the path."""
    if not names:
        return dict(schema)
    rest = {key: value for key, value in schema.items() if key not in {"properties", "required"}}
    rest["properties"] = {name: value for name, value in schema.get("properties", {}).items() if name not in names}
    required = [name for name in schema.get("required", ()) if name not in names]
    return {**rest, "required": required} if required else rest


def _in_path(placed: Mapping[str, Callable[[], Schema]]) -> Iterator[dict[str, Any]]:
    for name, schema in placed.items():
        yield {"name": name, "in": "path", "required": True, "schema": schema()}


def _in_query(asked: Mapping[str, Callable[[], Schema]], rest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    properties: Mapping[str, Any] = rest.get("properties", {})
    for name, schema in asked.items():
        value = {"schema": schema()}
        if _has_objects(properties[name], rest.get("$defs", {})):
            value = {"content": {"application/json": value}}
        yield {"name": name, "in": "query", "required": name in rest.get("required", ()), **value}
    more = rest.get("additionalProperties", not properties)
    if more is not False and rest.get("type") == "object" and "$ref" not in str(more):
        others = {"type": "object", "additionalProperties": more}
        yield {"name": "more", "in": "query", "style": "form", "explode": True, "schema": others}


def _has_objects(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> bool:
    """Whether a value may be an object: such travel in a query as JSON."""
    if not isinstance(schema, Mapping) or depth > 8:  # a type that refers to itself
        return False
    if "$ref" in schema:
        return _has_objects(definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1]), definitions, depth + 1)
    choices = [choice for keyword in (*_CHOICES, "allOf") for choice in schema.get(keyword, ())]
    return schema.get("type") == "object" or any(_has_objects(one, definitions, depth + 1) for one in choices)


def _without_null(schema: Mapping[str, Any]) -> Schema:
    """What a path or a query can carry: text is never null."""
    choices = schema.get("anyOf")
    if not choices or {"type": "null"} not in choices:
        return dict(schema)
    left = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}


def _body(schema: Schema, rest: Mapping[str, Any], contract: CallSchema, in_path: list[str]) -> dict[str, Any]:
    examples = {}
    if isinstance(contract.example, Mapping):
        shown = {name: value for name, value in contract.example.items() if name not in in_path}
        examples = {"smallest": {"value": shown}}
    return body(schema, examples, is_required=bool(rest.get("required")))


def _output(
    components: Components, entry: FunctionEntry, contract: CallSchema, owner: str
) -> Callable[[], dict[str, Any]]:
    """By media type, what comes back."""
    if contract.output is None:
        # it may be a response of the user's own making
        untyped = "application/x-ndjson" if entry.is_generator else "*/*"
        return lambda: {untyped: {}}
    gathered = components.add(contract.output, owner=owner, direction="Output", wish=f"{owner}Output")
    if not entry.is_generator:
        return lambda: {"application/json": {"schema": gathered()}}
    # OpenAPI 3.1 cannot say what a line is; 3.2's itemSchema is told, and readers of 3.1 pass over what begins with x-
    return lambda: {"application/x-ndjson": {"schema": {"type": "string"}, "x-itemSchema": gathered().get("items", {})}}


def _told(contract: CallSchema) -> str:
    return contract.error or (f"untyped: {', '.join(contract.untyped)}" if contract.untyped else "")
