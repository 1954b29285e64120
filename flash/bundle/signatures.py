"""What a function accepts and returns, read from its syntax tree.

What is found is what ``flash.model.schema.call_schema`` says of the function that the tree makes, to the order of the
keys: a build is the same whoever was asked. Of a function with any type that ``flash.bundle.annotations`` does not know
nothing is said: then somebody has to import its module. Here no dependency of it is needed, and none of Flash's own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flash.bundle.annotations import ANY, NO_LITERAL, NULL, Names, Type, literal
from flash.model.example import smallest
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["call_schema_of"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_EMPTY: Final = "__empty"
"""A parameter of that name is treated in a way of its own: ``flash.model.schema``."""


def call_schema_of(node: FunctionNode, names: Names, *, is_method: bool, is_generator: bool) -> CallSchema | None:
    """What ``flash.model.schema.call_schema`` says of a function, or None where that is not known.

    Args:
        node: Its definition. What its decorators make of it is the caller's affair.
        names: What its annotations may name.
        is_method: It is bound, and its first parameter no part of a call.
        is_generator: Whether it yields.
    """
    if getattr(node, "type_params", None):
        return None
    parameters = _parameters(node, names, is_method=is_method)
    result = _result(node, names, is_generator=is_generator)
    if parameters is None or result is None:
        return None
    (output,) = result
    # what takes anything says nothing
    untyped = [one.name for one in parameters if one.type is ANY] + (["return"] if output is None else [])
    if len(parameters) == 1 and parameters[0].type.is_mapping:
        (only,) = parameters
        if only.is_starred:
            return None
        # of an optional one the only choice
        schema = next(one.schema for one in only.type.choices or (only.type,) if one is not NULL)
        return CallSchema(input=schema.copy(), output=output, untyped=untyped, example={}, parameter=only.name)
    schema = _input_schema(parameters)
    example = smallest(schema) if "required" in schema else {}
    return CallSchema(input=schema, output=output, untyped=untyped, example=example)


class _Parameter(NamedTuple):
    name: str
    type: Type
    is_required: bool
    default: Any = NO_LITERAL
    stars: int = 0

    @property
    def is_starred(self) -> bool:
        return self.stars > 0


def _input_schema(parameters: Sequence[_Parameter]) -> dict[str, Any]:
    additional: Any = False
    properties: dict[str, Any] = {}
    for one in parameters:
        if one.stars == 2:
            additional = one.type.schema or True
        elif one.stars == 1:
            properties[one.name] = {"items": one.type.schema, "type": "array"}
        elif one.default is NO_LITERAL:
            properties[one.name] = one.type.schema
        else:
            properties[one.name] = {**one.type.schema, "default": one.default}
    schema = {"additionalProperties": additional, "properties": properties}
    required = [one.name for one in parameters if one.is_required]
    return {**schema, **({"required": required} if required else {}), "type": "object"}


def _parameters(node: FunctionNode, names: Names, *, is_method: bool) -> list[_Parameter] | None:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    none: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    listed: list[tuple[ast.arg, ast.expr | None, int]] = [
        *((one, default, 0) for one, default in zip(positional, [*none, *given.defaults], strict=True)),
        *(((given.vararg, None, 1),) if given.vararg else ()),
        *((one, default, 0) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)),
        *(((given.kwarg, None, 2),) if given.kwarg else ()),
    ]
    if is_method and not positional:
        return None
    found: list[_Parameter] = []
    for one, default, stars in listed:
        kind: Type | None = ANY
        if one.annotation is not None:
            annotation = names.quoted(one.annotation)
            kind = None if annotation is None else names.type(annotation)
        value = NO_LITERAL if default is None else literal(default)
        if kind is None or one.arg == _EMPTY or (default is not None and value is NO_LITERAL):
            return None
        found.append(_Parameter(one.arg, kind, default is None and not stars, value, stars))
    return found[1:] if is_method else found


def _result(node: FunctionNode, names: Names, *, is_generator: bool) -> tuple[dict[str, Any] | None] | None:
    """In a tuple, the schema of what comes out, None where nothing is said; no tuple where that is not known."""
    if node.returns is None:
        return (None,)
    annotation = names.quoted(node.returns)
    if annotation is None:
        return None
    if not is_generator:
        found = names.type(annotation)
        return None if found is None else (None if found is ANY else found.schema,)
    is_known, item = names.item(annotation)
    if not is_known:
        return None
    return (None if item is None or item is ANY else {"items": item.schema, "type": "array"},)
