"""Whether a call that stands in the source would be taken by the endpoint that it is meant for, by its contract.

Only what is certain is a problem: what a call gives is known by name, and by value where that is written out. Calls
whose arguments are not read, and callees without a contract, have no problems that could be known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flash.contract.reading import Document, NotUnderstood, escaped, types_of, wide, words
from flash.contract.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.model.calls import CallEdge
    from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource

__all__ = [
    "Operation",
    "Problem",
    "problems",
    "reached",
    "signature",
    "strangers",
]

_BRACES: Final = re.compile(r"\{([^{}:]*)(?::[^{}]*)?\}")
_NO_BODY: Final = frozenset({"GET", "DELETE"})
"""Routes whose arguments travel in the query, which has no word for null. Source: flash/runtime/peers.py."""
_DEEPEST: Final = 8


class Problem(NamedTuple):
    """Why a call would not be taken, or its answer not be what is read of it.

    Attributes:
        kind: ``endpoint``, ``operation``, ``argument``, ``required``, ``value`` or ``answer``.
        pointer: ``input/data``, ``output/score``; empty where it is about neither.
        said: In words.
    """

    kind: str
    pointer: str
    said: str


class Operation(NamedTuple):
    """An operation of an endpoint; no schema where it has none."""

    entry: FunctionEntry
    schema: CallSchema | None


def problems(edge: CallEdge, manifest: Manifest) -> list[Problem]:
    """What is wrong with a call, if its callee is the one in *manifest*."""
    if not edge.endpoint or (edge.why and not edge.function):
        return []
    resource = manifest.resources.get(edge.endpoint)
    if resource is None:
        return [Problem("endpoint", "", f"there is no endpoint {edge.endpoint!r}")]
    if resource.client_mode or not resource.functions:
        return []
    operation = _operation(edge, resource, manifest)
    if isinstance(operation, Problem):
        return [operation]
    entry, schema = operation
    if schema is None or schema.error is not None or edge.why:
        return []
    return [*_of_arguments(edge, entry, schema), *_of_answer(edge, schema)]


def reached(edge: CallEdge, manifest: Manifest) -> Operation | None:
    """The operation that a call reaches, if it reaches one."""
    resource = manifest.resources.get(edge.endpoint)
    if resource is None or resource.client_mode or not resource.functions:
        return None
    found = _operation(edge, resource, manifest)
    return None if isinstance(found, Problem) else found


def _operation(edge: CallEdge, resource: Resource, manifest: Manifest) -> Operation | Problem:
    """The operation that a call reaches, or why it reaches none. Queue endpoints are not asked for their function."""
    if resource.is_load_balanced != bool(edge.route):
        said = "load-balanced" if resource.is_load_balanced else "queue-based"
        return Problem("operation", "", f"endpoint {edge.endpoint!r} is {said}")
    return _route(edge, resource, manifest) if edge.route else _queued(edge, resource)


def _route(edge: CallEdge, resource: Resource, manifest: Manifest) -> Operation | Problem:
    # older manifests say it in one place only
    told = {name: route for route, name in manifest.routes.get(edge.endpoint, {}).items()}
    routes = [
        f"{entry.http_method} {entry.http_path}" if entry.http_path else told.get(entry.name, "")
        for entry in resource.functions
    ]
    for entry, route in zip(resource.functions, routes, strict=True):
        if _shape(route) == _shape(edge.route):
            return Operation(entry, entry.contract.get(""))
    if not any(routes):
        return Operation(resource.functions[0], None)
    return Problem("operation", "", f"endpoint {edge.endpoint!r} has no route {edge.route}")


def _queued(edge: CallEdge, resource: Resource) -> Operation | Problem:
    entry = resource.functions[0]
    if not entry.is_class:
        if edge.method:
            return Problem("operation", "", f"endpoint {edge.endpoint!r} runs the function {entry.name!r}, no class")
        return Operation(entry, entry.contract.get(""))
    known = list(entry.class_methods) or list(entry.contract)
    if not known:
        return Operation(entry, None)
    if not edge.method:
        if edge.why:
            return Operation(entry, None)
        if len(known) != 1:
            return Problem("operation", "", f"endpoint {edge.endpoint!r} runs a class, and no method is named")
        return Operation(entry, entry.contract.get(known[0]))
    if edge.method not in known and edge.method not in entry.contract:
        if edge.why or any(schema.error is not None for schema in entry.contract.values()):
            # it may be an attribute; or a method of a base class that could not be imported where this was built
            return Operation(entry, None)
        return Problem("operation", "", f"class {entry.name!r} has no method {edge.method!r}")
    return Operation(entry, entry.contract.get(edge.method))


def _of_arguments(edge: CallEdge, entry: FunctionEntry, schema: CallSchema) -> Iterator[Problem]:
    if edge.surplus:
        yield Problem("argument", "input", f"{edge.surplus} positional arguments more than it has parameters")
    if schema.input is None:
        return
    given = _given(edge, entry)
    if schema.parameter is not None:
        yield from _of_whole(edge, given, schema.input, schema)
        return
    known: Mapping[str, Any] = schema.input.get("properties", {})
    for name in sorted(given):
        if name not in known and schema.input.get("additionalProperties") is False:
            yield Problem("argument", f"input/{escaped(name)}", f"it has no parameter {name!r}")
    for name in schema.input.get("required", ()):
        if name not in given and not edge.is_open:
            yield Problem("required", f"input/{escaped(name)}", f"its parameter {name!r} is not given")
    for name, literal in edge.literals.items():
        if name in known and name in given:
            yield from _of_literal(name, literal, known[name], schema.input)


def _of_whole(edge: CallEdge, given: set[str], value: Mapping[str, Any], schema: CallSchema) -> Iterator[Problem]:
    """Of a function whose only parameter is the whole input; its callers give it by name."""
    name = schema.parameter or ""
    for other in sorted(given - {name}):
        # whoever takes a whole input takes this for a part of it
        yield Problem("argument", f"input/{escaped(other)}", f"it has no parameter {other!r}")
    if not given and not edge.is_open and schema.example != {} and validate(value, {}):
        yield Problem(
            "required", f"/{escaped(schema.parameter or '')}", f"its parameter {schema.parameter!r} is not given"
        )
    literal = edge.literals.get(schema.parameter or "")
    if schema.parameter in given and literal is not None:
        yield from _of_literal(schema.parameter or "", literal, value, value)


def _of_literal(name: str, literal: object, schema: Any, root: Mapping[str, Any]) -> Iterator[Problem]:
    definitions = {"$defs": root["$defs"]} if "$defs" in root else {}
    wrong = validate({**schema, **definitions} if isinstance(schema, Mapping) else schema, literal)
    if wrong:
        shown = json.dumps(literal, ensure_ascii=False)
        yield Problem(
            "value", f"input/{escaped(name)}", f"{name!r} does not take {shown}: {wrong[0].removeprefix('$: ')}"
        )


def _of_answer(edge: CallEdge, schema: CallSchema) -> Iterator[Problem]:
    known = None if schema.output is None else _keys(schema.output)
    for key in edge.reads if known is not None else ():
        if key not in (known or ()):
            yield Problem("answer", f"output/{escaped(key)}", f"its answer has no {key!r}")


def strangers(edge: CallEdge, own: Operation, other: Operation) -> Iterator[Problem]:
    """What cannot be right on both sides, whatever the values: types of arguments and answers that share nothing.

    Args:
        edge: A call.
        own: What it was written for.
        other: What it reaches.
    """
    if own.schema is None or other.schema is None or edge.why:
        return
    mine, theirs = (_properties(one) for one in (own.schema, other.schema))
    for name in sorted(mine.keys() & theirs.keys() & set(edge.arguments) - edge.literals.keys()):
        if _are_apart(mine[name], own.schema.input, theirs[name], other.schema.input):
            said = f"{name!r} takes {words(theirs[name])}, and is given {words(mine[name])}"
            yield Problem("value", f"input/{escaped(name)}", said)
    if edge.is_dropped:
        return
    if own.entry.is_generator != other.entry.is_generator:
        said = "its answer comes at once" if own.entry.is_generator else "its answer is a list of chunks"
        yield Problem("answer", "output", said)
    elif own.schema.output is not None and other.schema.output is not None:
        before, after = own.schema.output, other.schema.output
        if _are_apart(before, before, after, after):
            yield Problem("answer", "output", f"its answer is {words(after)}, and is read as {words(before)}")


def signature(edge: CallEdge, manifest: Manifest) -> str | None:
    """What a call reaches, as people write it: ``infer(data, steps?)``; None where it reaches nothing."""
    operation = reached(edge, manifest)
    if operation is None:
        return None
    name = f"{operation.entry.name}.{edge.method}" if edge.method else operation.entry.name
    schema = operation.schema
    if schema is None or schema.input is None:
        return f"{name}(…)"
    needed = {schema.parameter} if schema.parameter else set(schema.input.get("required", ()))
    return f"{name}({', '.join(f'{one}' if one in needed else f'{one}?' for one in _properties(schema))})"


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def _given(edge: CallEdge, entry: FunctionEntry) -> set[str]:
    """The names that arrive, as the callee has them: those in a route's path have no names on their way."""
    if not edge.route:
        return set(edge.arguments)
    ours, theirs = _BRACES.findall(edge.route), _BRACES.findall(entry.http_path or "")
    names = set(edge.arguments) - set(ours)
    if edge.route.partition(" ")[0] in _NO_BODY:
        names -= {name for name, value in edge.literals.items() if value is None}
    in_path = zip(ours, theirs, strict=False)
    return names | {their for our, their in in_path if our in edge.arguments or edge.is_open}


def _shape(route: str) -> str:
    return _BRACES.sub("{}", route)


def _properties(schema: CallSchema) -> dict[str, Any]:
    """Parameters, by name."""
    if schema.parameter is not None:
        return {schema.parameter: schema.input}
    return dict((schema.input or {}).get("properties", {}))


def _keys(output: Mapping[str, Any]) -> frozenset[str] | None:
    """The keys that an answer may have; None where that is not known."""
    try:
        found = Document(output).resolved(output)
    except NotUnderstood:
        return None
    if not isinstance(found, Mapping):
        return None
    kinds = _kinds(found, Document(output))
    if kinds is not None and "object" not in kinds:
        return frozenset()
    is_plain = found.get("type") == "object" and "properties" in found and not found.get("additionalProperties")
    return frozenset(found["properties"]) if is_plain and "patternProperties" not in found else None


def _are_apart(one: Any, one_root: Any, two: Any, two_root: Any) -> bool:
    """Whether no value can be of both."""
    first, second = _kinds(one, Document(one_root)), _kinds(two, Document(two_root))
    return first is not None and second is not None and not first & second


def _kinds(schema: Any, document: Document, depth: int = 0) -> set[str] | None:
    """The types of JSON that a schema allows; None where that is not known."""
    if depth > _DEEPEST:
        return None
    try:
        found = document.resolved(schema)
        if not isinstance(found, Mapping) or "allOf" in found:
            return None
        for keyword in ("anyOf", "oneOf"):
            if keyword in found:
                kinds = [_kinds(one, document, depth + 1) for one in found[keyword]]
                return None if None in kinds else set().union(*(one for one in kinds if one is not None))
        if "const" in found or "enum" in found:
            return {_kind(value) for value in (found["enum"] if "enum" in found else [found["const"]])}
        return wide(types_of(found)) if "type" in found else None
    except NotUnderstood:
        return None


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
