"""What of a module may make or serve an endpoint in a way that was not read: nothing is passed over in silence."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from flash.bundle.evaluate import Unreadable
from flash.bundle.factories import Factories, executed, is_endpoint
from flash.bundle.modules import FLASH_NAMES, DefinitionNode, FlashName, Module, Modules, Value, is_main_guard
from flash.bundle.parsing import nodes_below, statements_below
from flash.errors import DiscoveryError
from flash.model.endpoint import HTTP_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["Leftovers", "refuse_foreign", "refuse_guarded", "refuse_nested"]

_REMOTE: Final = FlashName("remote")
_IMPORTERS: Final = frozenset({"__import__", "import_module"})
_BY_NAME: Final = frozenset({"eval", "exec", "globals", "locals", "vars"})
_ROUTES: Final = frozenset(method.lower() for method in HTTP_METHODS)


class Leftovers:
    """Looks for what was not read.

    Args:
        module: What was read.
        modules: The project.
        factories: What of it makes endpoints.
        served: Names in the module of endpoints that are not only clients.
        understood: Identities of the nodes that were read.
    """

    def __init__(
        self,
        module: Module,
        modules: Modules,
        factories: Factories,
        *,
        served: Collection[str],
        understood: Collection[int],
    ) -> None:
        self._module = module
        self._modules = modules
        self._factories = factories
        self._served = served
        self._understood = understood

    def __iter__(self) -> Iterator[Unreadable]:
        """What may make or serve an endpoint when the file is imported, in a way that was not read.

        Raises:
            DiscoveryError: A function is put on an endpoint of another file.
        """
        seen = set[int]()
        for statement in self._module.body:
            seen |= self._harmless(statement)
            for node in executed(statement):
                if id(node) in seen:
                    continue
                if id(node) in self._understood:
                    called = node.func if isinstance(node, ast.Call) else node
                    seen |= {id(each) for each in nodes_below(called)}
                elif isinstance(node, ast.Call):
                    self._refuse_foreign_call(node)
                    if is_endpoint(self._modules, self._module, node.func):
                        # of one that is known by its id it makes a client
                        seen |= {id(each) for each in nodes_below(node.func)}
                    if self._may_make(node):
                        yield Unreadable(self._module, node, "it makes or serves an endpoint when the file runs")
                elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                    if isinstance(node, ast.Attribute) and self._is_public(node):
                        seen |= {id(each) for each in nodes_below(node.value)}
                    if self._hands_on(node):
                        yield Unreadable(self._module, node, "it may make or serve an endpoint when the file runs")

    def _harmless(self, statement: ast.stmt) -> set[int]:
        """Of a statement, where it gives something another name that is known for what it is."""
        if isinstance(statement, ast.ClassDef):
            # a subclass of Endpoint makes one when it is called
            return {id(node) for base in statement.bases for node in nodes_below(base)}
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if not isinstance(value, ast.Name | ast.Attribute) or self._is_served(value):
            return set()
        return {id(node) for node in nodes_below(value) if isinstance(node, ast.Name | ast.Attribute)}

    def _may_make(self, call: ast.Call) -> bool:
        return (
            self._factories.makes_endpoints(self._module, call)
            or self._modules.meaning(self._module, call.func) == _REMOTE
            or self._is_used(call)
            or _is_dynamic(call)
        )

    def _is_public(self, node: ast.Attribute) -> bool:
        """Whether it is a name of Flash: what stands before its dot is nothing but a way to it."""
        meaning = self._modules.meaning(self._module, node)
        return isinstance(meaning, FlashName) and bool(meaning.name)

    def _hands_on(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether somebody who is given what *node* stands for could make or serve an endpoint with it."""
        meaning = self._modules.meaning(self._module, node)
        if isinstance(meaning, FlashName):
            return meaning.name in ("", "Endpoint") or (meaning == _REMOTE and meaning.spelling != FLASH_NAMES[0])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            return node.attr == "modules"
        return self._is_served(node) or self._factories.is_factory(meaning)

    def _is_served(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self._served

    def _is_used(self, call: ast.Call) -> bool:
        """Whether it is a call of an endpoint that is not only a client, or of one of its routes."""
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in _ROUTES:
            func = func.value
        return self._is_served(func)

    def _refuse_foreign_call(self, call: ast.Call) -> None:
        """``api.get("/path")(function)`` of an endpoint of another file."""
        if isinstance(call.func, ast.Call) and isinstance(call.func.func, ast.Attribute):
            refuse_foreign(
                self._modules, self._module, ast.unparse(call.args[0]) if call.args else "nothing", call.func
            )


def refuse_foreign(modules: Modules, module: Module, name: str, decorator: ast.expr) -> None:
    """Refuse an endpoint of another file: its manifest entry would depend on what that file is imported by.

    Args:
        modules: The project.
        module: Where it is written.
        name: What is decorated.
        decorator: What with.

    Raises:
        DiscoveryError: It is an endpoint of another file.
    """
    parts = [decorator.func] if isinstance(decorator, ast.Call) else [decorator]
    parts += [part.value for part in parts if isinstance(part, ast.Attribute)]
    for part in parts:
        meaning = modules.meaning(module, part)
        if (
            isinstance(meaning, Value)
            and meaning.module is not module
            and isinstance(meaning.node, ast.Call)
            and is_endpoint(modules, meaning.module, meaning.node.func)
        ):
            raise DiscoveryError(
                f"{name!r} is decorated with an Endpoint of {meaning.module.path}",
                path=module.path,
                line=decorator.lineno,
                hint="decorate in the file that makes the endpoint; its functions may call those of other files",
            )


def refuse_nested(modules: Modules, module: Module) -> None:
    """Refuse an endpoint inside a function or class: it would exist only once that has run.

    Raises:
        DiscoveryError: There is one.
    """
    top = {id(statement) for statement in module.body}
    for node in statements_below(module.body):
        if id(node) in top or not isinstance(node, DefinitionNode):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and is_endpoint(modules, module, decorator.func):
                raise DiscoveryError(
                    f"endpoint function {node.name!r} is inside a function, class or loop",
                    path=module.path,
                    line=node.lineno,
                    hint="move it to the top level of the module, where a worker can import it",
                )


def refuse_guarded(module: Module, is_maker: Callable[[ast.expr], bool]) -> None:
    """Refuse an endpoint that exists only where its file is a script.

    Args:
        module: The file.
        is_maker: Whether a decorator is an endpoint's.

    Raises:
        DiscoveryError: There is one.
    """
    for guard in filter(is_main_guard, module.tree.body):
        for node in statements_below([guard]):
            if isinstance(node, DefinitionNode) and any(map(is_maker, node.decorator_list)):
                raise DiscoveryError(
                    f"endpoint function {node.name!r} is below `if __name__ == ...`, where no worker sees it",
                    path=module.path,
                    line=node.lineno,
                    hint="move it to the top level of the module",
                )


def _is_dynamic(call: ast.Call) -> bool:
    """Whether what it does is written in no syntax tree: Flash may be imported by it, and a name found."""
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name in _IMPORTERS:
        given = call.args[0] if call.args else None
        return isinstance(given, ast.Constant) and str(given.value).partition(".")[0] in FLASH_NAMES
    return isinstance(func, ast.Name) and name in _BY_NAME
