"""What a call in the source gives: names, by the callee's own signature, and the values that are written out."""

from __future__ import annotations

import ast
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.modules import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.modules import Import, Module, Modules

__all__ = ["Given", "given"]

_LONGEST: Final = 200
"""Characters of JSON. Assumed: longer values are data, which a manifest need not carry."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a call gives, as `flash.model.calls.CallEdge` has it."""

    arguments: list[str] = field(default_factory=list)
    literals: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False
    surplus: int = 0


def given(
    args: Sequence[ast.expr],
    keywords: Sequence[ast.keyword],
    parameters: Sequence[str] | None,
    module: Module,
    modules: Modules,
    local: Mapping[str, Import | None],
) -> Given:
    """Read the arguments of a call.

    Args:
        args: Positional ones.
        keywords: The others.
        parameters: Names of the callee's positional parameters; None where its definition is not to be found.
        module: Where the call is written.
        modules: The project.
        local: What is bound inside the function that it is written in.
    """
    values: dict[str, ast.expr] = {}
    is_open, surplus = False, 0
    for number, argument in enumerate(args):
        if isinstance(argument, ast.Starred) or parameters is None:
            # what comes after it has no place that is known
            is_open = True
            break
        if number < len(parameters):
            values[parameters[number]] = argument
        else:
            surplus += 1
    for keyword in keywords:
        if keyword.arg is None:
            is_open = True
        else:
            values[keyword.arg] = keyword.value
    literals: dict[str, Any] = {}
    for name, value in sorted(values.items()):
        is_known, literal = _literal(value, module, modules, local)
        if is_known and not _looks_secret(name, literal):
            literals[name] = literal
    return Given(sorted(values), literals, is_open, surplus)


def _literal(node: ast.expr, module: Module, modules: Modules, local: Mapping[str, Import | None]) -> tuple[bool, Any]:
    """Whether a value is written out, as JSON can carry it, and the value."""
    if isinstance(node, ast.Name | ast.Attribute):
        meaning = modules.meaning(module, node, local)
        if not isinstance(meaning, Value):
            return False, None
        node = meaning.node
    try:
        value = _plain(ast.literal_eval(node))
        is_short = len(json.dumps(value, allow_nan=False)) <= _LONGEST
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None
    return is_short, value


def _plain(value: object) -> Any:
    """*value* as the other side gets it; raises ``TypeError`` for what JSON has no word for."""
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


def _looks_secret(name: str, literal: object) -> bool:
    """Whether a text in it is none to be told: sources that have one stop a build, unless a user allows it."""
    if isinstance(literal, str):
        from flash.bundle.secret_search import find_in_value

        return next(iter(find_in_value(name, literal, "")), None) is not None
    if isinstance(literal, dict):
        return any(_looks_secret(key, value) for key, value in literal.items())
    return isinstance(literal, list) and any(_looks_secret(name, value) for value in literal)
