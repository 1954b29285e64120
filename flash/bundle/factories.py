"""What of a project makes endpoints when it is called: ``Endpoint`` itself, and functions and classes around it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from flash.bundle.modules import Definition, DefinitionNode, FlashName, Module, Modules, Value
from flash.bundle.parsing import children, nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.bundle.modules import Meaning

__all__ = ["Factories", "executed", "is_endpoint"]

_ENDPOINT: Final = FlashName("Endpoint")
_CLIENT_KEYWORDS: Final = frozenset({"id", "image"})
_HOPS = 20


def is_endpoint(modules: Modules, module: Module, node: ast.expr) -> bool:
    """Whether *node* of *module* stands for ``Endpoint``, under whatever name."""
    meaning = modules.meaning(module, node)
    for _ in range(_HOPS):
        if not isinstance(meaning, Value) or not isinstance(meaning.node, ast.Name | ast.Attribute):
            break
        meaning = modules.meaning(meaning.module, meaning.node)
    return meaning == _ENDPOINT


class Factories:
    """The functions and classes of a project that make endpoints when they are called, directly or not."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._found: set[tuple[str, str]] = set()
        definitions = [
            Definition(module, node)
            for module in modules
            for node in module.bindings.values()
            if isinstance(node, DefinitionNode)
        ]
        fresh = [each for each in definitions if "Endpoint" in each.module.source and self._makes(each)]
        while fresh:
            self._found |= {_key(each) for each in fresh}
            fresh = [each for each in definitions if _key(each) not in self._found and self._makes(each)]

    def __bool__(self) -> bool:
        return bool(self._found)

    def makes_endpoints(self, module: Module, call: ast.Call) -> bool:
        """Whether *call*, in *module*, makes one that would be served."""
        if is_endpoint(self._modules, module, call.func):
            return not any(keyword.arg == "id" for keyword in call.keywords)
        return self._is_factory(self._modules.meaning(module, call.func))

    def _is_factory(self, meaning: Meaning | None) -> bool:
        if isinstance(meaning, Definition):
            return _key(meaning) in self._found
        if not isinstance(meaning, Value) or "Endpoint" not in meaning.module.source:
            return False
        if isinstance(meaning.node, ast.Call) and is_endpoint(self._modules, meaning.module, meaning.node.func):
            return False
        # partial(Endpoint, cpu=…), a lambda around it
        return any(
            isinstance(node, ast.Name | ast.Attribute) and is_endpoint(self._modules, meaning.module, node)
            for node in nodes_below(meaning.node)
        )

    def _makes(self, definition: Definition) -> bool:
        module, node = definition.module, definition.node
        if isinstance(node, ast.ClassDef) and any(is_endpoint(self._modules, module, base) for base in node.bases):
            return True
        for statement in node.body:
            for part in nodes_below(statement):
                if not isinstance(part, ast.Call):
                    continue
                if is_endpoint(self._modules, module, part.func):
                    # a function that calls a deployed endpoint makes a client for it
                    if not any(keyword.arg in _CLIENT_KEYWORDS for keyword in part.keywords):
                        return True
                elif self._found and self._is_factory(self._modules.meaning(module, part.func)):
                    return True
        return False


def _key(definition: Definition) -> tuple[str, str]:
    return definition.module.name, definition.node.name


def executed(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement runs when its module is imported: not the bodies of functions."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [*node.decorator_list, *node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        elif isinstance(node, ast.Lambda):
            pending += [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        elif not (isinstance(node, ast.If) and _is_main_guard(node.test)):
            pending += children(node)


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
