"""What a function or class of an endpoint is, and which other endpoints it uses."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.bundle.factories import is_endpoint
from flash.bundle.modules import Definition, FlashName, Meaning, Modules, Value
from flash.bundle.parsing import children, nodes_below
from flash.errors import DeclarationError
from flash.model.app import Function, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Uses", "function_of", "uses_of"]

_CLIENT_KEYWORDS: Final = frozenset({"id", "image"})


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
    uses = uses_of(definition, modules, owners)
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
        # looked for where the word occurs at all
        is_generator=not isinstance(node, ast.ClassDef) and "yield" in definition.module.source and _yields(node),
        is_class=is_class,
        methods=methods,
        http_method=method,
        http_path=path,
        calls=tuple(sorted(uses.functions)),
        clients=tuple(sorted(uses.clients)),
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
            pending += children(node)
    return False


@dataclass(slots=True)
class Uses:
    """What a function or class of an endpoint uses, directly or through others of the project.

    Attributes:
        functions: Names of endpoints' functions.
        clients: ``id`` and ``image``: as what it knows endpoints that are no functions of the project.
    """

    functions: set[str] = field(default_factory=set)
    clients: set[str] = field(default_factory=set)


def uses_of(start: Definition, modules: Modules, owners: Mapping[tuple[str, str], str]) -> Uses:
    """What *start* uses.

    Args:
        start: A function or class of an endpoint.
        modules: The project.
        owners: The endpoints' functions: module and name in it, to the function's name.
    """
    uses = Uses()
    own = start.module.name, start.node.name
    pending, seen = [start], {own}
    while pending:
        for used in _used(pending.pop(), modules, uses.clients):
            key = used.module.name, used.node.name
            if key in seen:
                continue
            seen.add(key)
            if key in owners:
                uses.functions.add(owners[key])
            else:
                pending.append(used)
    return uses


def _used(definition: Definition, modules: Modules, clients: set[str]) -> Iterator[Definition]:
    module = definition.module
    local = modules.local_imports(module, definition.node)
    for node in _nodes(definition, modules):
        if isinstance(node, ast.Call) and (
            is_endpoint(modules, module, node.func) or _is_named_endpoint(modules.meaning(module, node.func, local))
        ):
            clients |= _client_keywords(node)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            meaning = modules.meaning(module, node, local)
            if isinstance(meaning, Value):
                clients |= _clients_of(meaning, modules)
                meaning = _applied(meaning, modules)
            if isinstance(meaning, Definition):
                yield meaning


def _nodes(definition: Definition, modules: Modules) -> Iterator[ast.AST]:
    """Those of a function that may use something: of one that names nothing of the project, its decorators alone."""
    leads = modules.leading(definition.module)
    words = definition.module.words_of(definition.node) - {definition.node.name}
    if leads is None or "import" in words or not leads.isdisjoint(words):
        yield from nodes_below(definition.node)
        return
    for decorator in definition.node.decorator_list:
        yield from nodes_below(decorator)


def _clients_of(value: Value, modules: Modules) -> set[str]:
    """As what a module's variable knows endpoints: one itself, several in a dict, or what a function has made."""
    found: set[str] = set()
    pending, seen = [value], {id(value.node)}
    while pending:
        current = pending.pop()
        for node in nodes_below(current.node):
            if isinstance(node, ast.Call) and is_endpoint(modules, current.module, node.func):
                found |= _client_keywords(node)
            elif isinstance(node, ast.Name):
                meaning = modules.meaning(current.module, node)
                if isinstance(meaning, Definition):
                    found |= _made_in(meaning, modules)
                elif isinstance(meaning, Value) and id(meaning.node) not in seen:
                    seen.add(id(meaning.node))
                    pending.append(meaning)
    return found


def _made_in(function: Definition, modules: Modules) -> set[str]:
    return {
        keyword
        for node in nodes_below(function.node)
        if isinstance(node, ast.Call) and is_endpoint(modules, function.module, node.func)
        for keyword in _client_keywords(node)
    }


def _is_named_endpoint(meaning: Meaning | None) -> bool:
    return isinstance(meaning, FlashName) and meaning.name == "Endpoint"


def _client_keywords(call: ast.Call) -> set[str]:
    if any(keyword.arg is None for keyword in call.keywords):
        # what it unpacks is not read here: it may be either
        return set(_CLIENT_KEYWORDS)
    return {keyword.arg for keyword in call.keywords if keyword.arg in _CLIENT_KEYWORDS}


def _applied(value: Value, modules: Modules) -> Meaning | None:
    """The function of ``served = Endpoint(…)(function)``."""
    call = value.node
    if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords:
        return modules.meaning(value.module, call.args[0])
    return None
