"""What of a project makes endpoints when it is called: ``Endpoint`` itself, and functions and classes around it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from flash.bundle.modules import (
    FLASH_NAMES,
    Definition,
    DefinitionNode,
    FlashName,
    Import,
    Module,
    Modules,
    Value,
    is_main_guard,
)
from flash.bundle.parsing import children, nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flash.bundle.modules import Meaning

__all__ = ["Factories", "executed", "is_endpoint"]

_ENDPOINT: Final = FlashName("Endpoint")
_REMOTE: Final = FlashName("remote", FLASH_NAMES[1])
_CLIENT_KEYWORDS: Final = frozenset({"id", "image"})
_HOPS = 20


def is_endpoint(
    modules: Modules, module: Module, node: ast.expr, local: Mapping[str, Import | None] | None = None
) -> bool:
    """Whether *node* of *module* stands for ``Endpoint``, under whatever name.

    Args:
        modules: The project.
        module: Where it is written.
        node: The expression.
        local: What is bound inside the function that it is written in.
    """
    meaning = modules.meaning(module, node, local)
    for _ in range(_HOPS):
        if not isinstance(meaning, Value) or not isinstance(meaning.node, ast.Name | ast.Attribute):
            break
        meaning = modules.meaning(meaning.module, meaning.node)
    return meaning == _ENDPOINT


class Factories:
    """The functions and classes of a project that make or serve endpoints when they are called, directly or not."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._found: set[tuple[str, str]] = set()
        reaching = [module for module in modules if module.name in modules.reaching_flash]
        definitions = [
            Definition(module, node)
            for module in reaching
            for node in module.bindings.values()
            if isinstance(node, DefinitionNode)
        ]
        leading = {module.name: self._leading(module) for module in reaching}
        words = {id(each): each.module.words_of(each.node) for each in definitions}
        names = set[str]()

        def may_make(each: Definition) -> bool:
            leads = leading[each.module.name]
            # who calls one of them has to name it
            return leads is None or not words[id(each)].isdisjoint(leads) or not words[id(each)].isdisjoint(names)

        fresh = [each for each in definitions if may_make(each) and self._makes(each)]
        while fresh:
            self._found |= {_key(each) for each in fresh}
            names |= {each.node.name for each in fresh}
            names |= {alias for module in reaching for alias in module.aliases_of(names)}
            fresh = [
                each for each in definitions if _key(each) not in self._found and may_make(each) and self._makes(each)
            ]

    def makes_endpoints(self, module: Module, call: ast.Call) -> bool:
        """Whether *call*, in *module*, makes one that would be served."""
        if is_endpoint(self._modules, module, call.func):
            return not any(keyword.arg == "id" for keyword in call.keywords)
        return self.is_factory(self._modules.meaning(module, call.func))

    def is_factory(self, meaning: Meaning | None, hops: int = _HOPS) -> bool:
        """Whether calling what a name stands for may make or serve an endpoint."""
        if isinstance(meaning, Definition):
            return _key(meaning) in self._found
        if not isinstance(meaning, Value) or meaning.module.name not in self._modules.reaching_flash or hops <= 0:
            return False
        if isinstance(meaning.node, ast.Call) and is_endpoint(self._modules, meaning.module, meaning.node.func):
            return False
        # partial(Endpoint, cpu=…), a lambda around it, a dict of some
        return any(
            is_endpoint(self._modules, meaning.module, node)
            or self.is_factory(self._modules.meaning(meaning.module, node), hops - 1)
            for node in nodes_below(meaning.node)
            if isinstance(node, ast.Name | ast.Attribute)
        )

    def _leading(self, module: Module) -> set[str] | None:
        """Words of which a function of *module* has one if it makes or serves an endpoint; None where any may do."""
        leads = self._modules.leading(module)
        if leads is None:
            return None
        # what a function imports itself has no name here
        own = {name for name, bound in module.bindings.items() if isinstance(bound, DefinitionNode)}
        return {*(leads - own), "import", "remote"}

    def _makes(self, definition: Definition) -> bool:
        module, node = definition.module, definition.node
        if isinstance(node, ast.ClassDef) and any(is_endpoint(self._modules, module, base) for base in node.bases):
            return True
        local = self._modules.local_imports(module, node)
        clients = set[int]()
        for statement in node.body:
            for part in nodes_below(statement):
                if isinstance(part, ast.Call) and is_endpoint(self._modules, module, part.func, local):
                    # a function that calls a deployed endpoint makes a client for it
                    if not any(keyword.arg in _CLIENT_KEYWORDS for keyword in part.keywords):
                        return True
                    clients |= {id(each) for each in nodes_below(part.func)}
                elif id(part) not in clients and self._reaches(part, module, local):
                    return True
        return False

    def _reaches(self, part: ast.AST, module: Module, local: Mapping[str, Import | None]) -> bool:
        """Whether *part* of a function hands on ``Endpoint``, calls a factory, or puts a function on an endpoint."""
        if isinstance(part, ast.Name | ast.Attribute):
            if is_endpoint(self._modules, module, part, local):
                return True
            meaning = self._modules.meaning(module, part, local)
            return meaning == _REMOTE or (bool(self._found) and self.is_factory(meaning))
        if isinstance(part, DefinitionNode):
            return any(self._is_served(each, module, local) for each in part.decorator_list)
        return isinstance(part, ast.Call) and bool(part.args) and self._is_served(part.func, module, local)

    def _is_served(self, maker: ast.expr, module: Module, local: Mapping[str, Import | None]) -> bool:
        """Whether *maker* is ``api`` or ``api.get("/path")`` of an endpoint that a module of the project makes."""
        if isinstance(maker, ast.Call):
            if not isinstance(maker.func, ast.Attribute):
                return False
            maker = maker.func.value
        meaning = self._modules.meaning(module, maker, local)
        call = meaning.node if isinstance(meaning, Value) else None
        return (
            isinstance(meaning, Value)
            and isinstance(call, ast.Call)
            and is_endpoint(self._modules, meaning.module, call.func)
            and not any(keyword.arg in _CLIENT_KEYWORDS for keyword in call.keywords)
        )


def _key(definition: Definition) -> tuple[str, str]:
    return definition.module.name, definition.node.name


def executed(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement runs when its module is imported: not the bodies of functions, but those of lambdas."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [*node.decorator_list, *node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        elif isinstance(node, ast.AnnAssign):
            pending += [node.target, *([] if node.value is None else [node.value])]
        elif not (isinstance(node, ast.If) and is_main_guard(node)):
            pending += children(node)
