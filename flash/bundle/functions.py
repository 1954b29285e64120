"""What a function or class of an endpoint is, and which other endpoints' functions it uses."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from flash.bundle.modules import Definition, Meaning, Modules, Value
from flash.errors import DeclarationError
from flash.model.app import Function, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["calls_of", "function_of"]


def function_of(
    definition: Definition,
    location: Location,
    modules: Modules,
    *,
    owners: Mapping[tuple[str, str], str],
    route: tuple[str, str] | None = None,
) -> Function:
    """Read a function or class of an endpoint.

    Args:
        definition: It.
        location: Where it stands.
        modules: The project.
        owners: All functions of endpoints: module and name in it, to the function's name.
        route: Method and path, where it has one.

    Raises:
        DeclarationError: A class without a public method.
    """
    node = definition.node
    method, path = route or (None, None)
    is_class = isinstance(node, ast.ClassDef)
    methods = tuple(_methods(definition, modules)) if is_class else ()
    if is_class and not methods:
        raise DeclarationError(
            f"class {node.name!r} has no public method to call",
            hint="give it a method whose name does not start with an underscore",
            path=location.path,
            line=location.line,
        )
    return Function(
        name=node.name,
        module=definition.module.name,
        location=location,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_generator=not isinstance(node, ast.ClassDef) and _yields(node),
        is_class=is_class,
        methods=methods,
        http_method=method,
        http_path=path,
        calls=calls_of(definition, modules, owners),
    )


def _methods(definition: Definition, modules: Modules, depth: int = 20) -> dict[str, None]:
    """Public methods, those of base classes in the project first, in the order of their definition."""
    names: dict[str, None] = {}
    node = definition.node
    if not isinstance(node, ast.ClassDef) or depth == 0:
        return names
    for base in node.bases:
        meaning = modules.meaning(definition.module, base)
        if isinstance(meaning, Definition):
            names |= _methods(meaning, modules, depth - 1)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not statement.name.startswith("_"):
            # a property, a static method: not what an instance is called for
            decorators = {each.id for each in statement.decorator_list if isinstance(each, ast.Name)}
            if not decorators & {"property", "cached_property", "staticmethod", "classmethod"}:
                names[statement.name] = None
    return names


def _yields(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return False


def calls_of(start: Definition, modules: Modules, owners: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The names of endpoints' functions that *start* uses, sorted.

    Args:
        start: A function or class of an endpoint.
        modules: The project.
        owners: The endpoints' functions: module and name in it, to the function's name.
    """
    found: set[str] = set()
    own = start.module.name, start.node.name
    pending, seen = [start], {own}
    while pending:
        for used in _used(pending.pop(), modules):
            key = used.module.name, used.node.name
            if key in seen:
                continue
            seen.add(key)
            if key in owners:
                found.add(owners[key])
            else:
                pending.append(used)
    return tuple(sorted(found))


def _used(definition: Definition, modules: Modules) -> Iterator[Definition]:
    local = modules.local_imports(definition.module, definition.node)
    for node in ast.walk(definition.node):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            meaning = modules.meaning(definition.module, node, local)
            if isinstance(meaning, Value):
                meaning = _applied(meaning, modules)
            if isinstance(meaning, Definition):
                yield meaning


def _applied(value: Value, modules: Modules) -> Meaning | None:
    """The function of ``served = Endpoint(…)(function)``."""
    call = value.node
    if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords:
        return modules.meaning(value.module, call.args[0])
    return None
