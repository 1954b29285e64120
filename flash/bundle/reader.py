"""Reads which endpoints one module declares, and notices what it cannot read.

The module is not imported. Where a value, or the way in which an endpoint is made, cannot be known without running the
file, that is noted in `Reader.unread`, and reading goes on: `flash.bundle.merged` then asks what running it makes.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.declared import Declared, FoundFunction, declaration_error, located
from flash.bundle.evaluate import Unreadable, evaluate
from flash.bundle.factories import Factories, executed, is_endpoint
from flash.bundle.modules import (
    FLASH_NAMES,
    Definition,
    DefinitionNode,
    FlashName,
    Module,
    Modules,
    Value,
    is_main_guard,
)
from flash.bundle.parsing import nodes_below, statements_below
from flash.errors import DeclarationError, DiscoveryError
from flash.model.app import Location
from flash.model.endpoint import HTTP_METHODS, Endpoint
from flash.model.older import RemoteUse, as_endpoint, endpoint_text, remote_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Reader"]

_REMOTE: Final = FlashName("remote")
_IMPORTERS: Final = frozenset({"__import__", "import_module"})
_BY_NAME: Final = frozenset({"eval", "exec", "globals", "locals", "vars"})
_ROUTES: Final = frozenset(method.lower() for method in HTTP_METHODS)


class Reader:
    """Reads one module.

    Attributes:
        declared: The endpoints that were read, in the order of their lines, clients of deployed ones included.
        unread: What keeps the file from being read whole.
        variables: Names of endpoints that could not be read, by their calls' lines.
        notes: What the user should know.
    """

    def __init__(self, module: Module, modules: Modules, factories: Factories) -> None:
        self.module = module
        self.modules = modules
        self.declared: list[Declared] = []
        self.unread: list[Unreadable] = []
        self.variables: dict[int, str] = {}
        self.notes: list[str] = []
        self._factories = factories
        # an endpoint that could not be read is None
        self._named: dict[str, Declared | None] = {}
        self._older: dict[str, tuple[Declared, dict[str, Any]]] = {}
        self._understood: set[int] = set()

    def read(self) -> None:
        """Read the module.

        Raises:
            DeclarationError: An endpoint's definition is wrong.
            DiscoveryError: It is written where no worker could find it.
        """
        if self.module.name not in self.modules.reaching_flash:
            return
        conditional = {id(statement) for statement in _conditional(self.module.tree.body)}
        for statement in self.module.body:
            declared, understood = len(self.declared), len(self._understood)
            if isinstance(statement, DefinitionNode):
                self._decorated(statement)
                is_declared = len(self._understood) > understood
            elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and isinstance(statement.value, ast.Call):
                self._called(statement, statement.value)
                is_declared = any(each.endpoint.spec.id is None for each in self.declared[declared:])
            else:
                continue
            if is_declared and id(statement) in conditional:
                nodes = (node for node in executed(statement) if isinstance(node, ast.expr))
                node = next(node for node in nodes if id(node) in self._understood)
                self.unread.append(Unreadable(self.module, node, "whether it is made depends on a condition"))
        self._refuse_nested()
        self._refuse_guarded()
        self.unread += self._not_understood()

    # ------------------------------------------------------------------------------------------------------ Statements

    def _called(self, statement: ast.Assign | ast.AnnAssign | ast.Expr, call: ast.Call) -> None:
        """``api = Endpoint(…)``, ``served = Endpoint(…)(function)``, ``api.get("/path")(function)``."""
        if self._is_endpoint(call.func):
            variables = _variables(statement)
            declared = self._endpoint(call, next(iter(variables), None))
            self._named.update(dict.fromkeys(variables, declared))
            return
        maker = call.func
        if not self._is_maker(maker):
            return
        (given,) = call.args if len(call.args) == 1 and not call.keywords else (None,)
        meaning = None if given is None else self.modules.meaning(self.module, given)
        if not isinstance(meaning, Definition):
            # not understood, and found again by whoever looks for that
            return
        self._understood.add(id(call))
        found = FoundFunction(meaning.node, meaning.module, Location(meaning.module.path, meaning.node.lineno))
        self._apply(found, maker)

    def _decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        uses = 0
        for decorator in node.decorator_list:
            found = FoundFunction(node, self.module, Location(self.module.path, node.lineno))
            if self._is_endpoint(decorator):
                raise declaration_error(
                    f"@{ast.unparse(decorator)} on {node.name!r} is not called",
                    self._at(decorator),
                    hint=f'write @{ast.unparse(decorator)}(name="…")',
                )
            if self._is_maker(decorator) or self._is_remote(decorator):
                uses += self._apply(found, decorator)
            else:
                self._refuse_foreign(node.name, decorator)
        if uses > 1:
            raise declaration_error(
                f"{node.name!r} is decorated for {uses} endpoints or routes",
                Location(self.module.path, node.lineno),
                hint="a function has one endpoint and one route: write a second function that calls it",
            )

    def _is_maker(self, node: ast.expr) -> bool:
        """Whether calling it with a function makes that an endpoint's: ``Endpoint(…)``, ``api``, ``api.get(…)``."""
        if isinstance(node, ast.Name):
            return node.id in self._named
        if not isinstance(node, ast.Call):
            return False
        func = node.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            return func.value.id in self._named or self._is_endpoint(func)
        return self._is_endpoint(func)

    def _is_remote(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self.modules.meaning(self.module, node.func) == _REMOTE

    def _apply(self, found: FoundFunction, maker: ast.expr) -> int:
        """Put *found* on what *maker* makes; how many endpoints or routes that is."""
        self._understood.add(id(maker))
        if isinstance(maker, ast.Name):
            declared = self._named[maker.id]
            if declared is not None:
                declared.add_function(found)
            return 1
        if not isinstance(maker, ast.Call):
            return 0
        if self._is_endpoint(maker.func):
            made = self._endpoint(maker, None)
            if made is not None:
                made.add_function(found)
            return 1
        if self._is_remote(maker):
            return self._apply_older(found, maker)
        return self._apply_route(found, maker)

    def _apply_route(self, found: FoundFunction, maker: ast.Call) -> int:
        if not isinstance(maker.func, ast.Attribute) or not isinstance(maker.func.value, ast.Name):
            return 0
        method = maker.func.attr
        if method not in _ROUTES:
            raise declaration_error(
                f"{ast.unparse(maker.func)} is no route",
                self._at(maker),
                hint=f"routes are {', '.join(sorted(_ROUTES))}",
            )
        declared = self._named[maker.func.value.id]
        try:
            path = self._path(maker)
        except Unreadable as error:
            self.unread.append(error)
            return 1
        if declared is not None:
            declared.add_route(found, method.upper(), path)
        return 1

    def _apply_older(self, found: FoundFunction, maker: ast.Call) -> int:
        if getattr(self.modules.meaning(self.module, maker.func), "spelling", "") == FLASH_NAMES[0]:
            raise DiscoveryError(
                "flash has no 'remote'",
                path=self.module.path,
                line=maker.lineno,
                hint='write @Endpoint(name="…", gpu=GpuGroup.…); older apps import remote from runpod_flash',
            )
        try:
            positional, keywords = self._arguments(maker)
        except Unreadable as error:
            self.unread.append(error)
            return 1
        with located(self._at(maker)):
            use = remote_use(*positional, **keywords)
            if use.resource is None:
                return 0
            declared = self._older_endpoint(use, maker)
        if use.route is None:
            declared.add_function(found)
        else:
            declared.add_route(found, *use.route)
        return 1

    def _older_endpoint(self, use: RemoteUse, maker: ast.Call) -> Declared:
        """The endpoint of a resource, whose functions may each have dependencies of their own."""
        name = "" if use.resource is None else use.resource.name
        known = self._older.get(name)
        keywords = use.endpoint_keywords() if known is None else as_endpoint(known[1], use.endpoint_keywords())
        endpoint = Endpoint(**keywords)
        if known is None:
            declared = Declared(endpoint, self.module, self._at(maker), node=maker)
            self.declared.append(declared)
            self.notes.append(
                f"{declared.location}: @remote is read as {endpoint_text(keywords)};"
                " write that instead, it is what Flash goes on with"
            )
        else:
            declared = known[0]
            declared.endpoint = endpoint
        self._older[name] = declared, keywords
        return declared

    # --------------------------------------------------------------------------------------------------------- Reading

    def _endpoint(self, call: ast.Call, variable: str | None) -> Declared | None:
        """The endpoint that *call* makes; None, and a note, where its arguments cannot be read."""
        self._understood.add(id(call))
        try:
            positional, keywords = self._arguments(call)
        except Unreadable as error:
            if any(keyword.arg == "id" for keyword in call.keywords):
                # of an endpoint that exists already nothing is built, whichever it is
                return Declared(Endpoint(id="unread"), self.module, self._at(call), variable, node=call)
            self.unread.append(error)
            if variable is not None:
                self.variables[call.lineno] = variable
            return None
        with located(self._at(call)):
            endpoint = endpoint_of(positional, keywords)
        declared = Declared(endpoint, self.module, self._at(call), variable, node=call)
        self.declared.append(declared)
        return declared

    def _arguments(self, call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        positional = [evaluate(argument, self.module, self.modules) for argument in call.args]
        keywords: dict[str, Any] = {}
        for keyword in call.keywords:
            value = evaluate(keyword.value, self.module, self.modules)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict):
                keywords.update(value)
            else:
                raise Unreadable(self.module, keyword.value, "it is no dict")
        return positional, keywords

    def _path(self, maker: ast.Call) -> Any:
        given = [*maker.args, *(word.value for word in maker.keywords if word.arg == "path")]
        if len(given) != 1 or len(maker.args) + len(maker.keywords) != 1:
            raise declaration_error(
                f"{ast.unparse(maker)} does not name one path", self._at(maker), hint='write @api.get("/path")'
            )
        return evaluate(given[0], self.module, self.modules)

    # -------------------------------------------------------------------------------------------------------- Refusing

    def _not_understood(self) -> Iterator[Unreadable]:
        """What may make or serve an endpoint when the file is imported, in a way that was not read."""
        seen = set[int]()
        for statement in self.module.body:
            seen |= self._harmless(statement)
            for node in executed(statement):
                if id(node) in seen:
                    continue
                if id(node) in self._understood:
                    called = node.func if isinstance(node, ast.Call) else node
                    seen |= {id(each) for each in nodes_below(called)}
                elif isinstance(node, ast.Call):
                    self._refuse_foreign_call(node)
                    if self._is_endpoint(node.func):
                        # of one that is known by its id it makes a client
                        seen |= {id(each) for each in nodes_below(node.func)}
                    if self._may_make(node):
                        yield Unreadable(self.module, node, "it makes or serves an endpoint when the file runs")
                elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                    if isinstance(node, ast.Attribute) and self._is_public(node):
                        seen |= {id(each) for each in nodes_below(node.value)}
                    if self._hands_on(node):
                        yield Unreadable(self.module, node, "it may make or serve an endpoint when the file runs")

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
            self._factories.makes_endpoints(self.module, call)
            or self._is_remote(call)
            or self._is_used(call)
            or _is_dynamic(call)
        )

    def _is_public(self, node: ast.Attribute) -> bool:
        """Whether it is a name of Flash: what stands before its dot is nothing but a way to it."""
        meaning = self.modules.meaning(self.module, node)
        return isinstance(meaning, FlashName) and bool(meaning.name)

    def _hands_on(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether somebody who is given what *node* stands for could make or serve an endpoint with it."""
        meaning = self.modules.meaning(self.module, node)
        if isinstance(meaning, FlashName):
            return meaning.name in ("", "Endpoint") or (meaning == _REMOTE and meaning.spelling != FLASH_NAMES[0])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            return node.attr == "modules"
        return self._is_served(node) or self._factories.is_factory(meaning)

    def _is_served(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name) or node.id not in self._named:
            return False
        declared = self._named[node.id]
        return declared is None or not declared.endpoint.is_client

    def _is_used(self, call: ast.Call) -> bool:
        """Whether it is a call of an endpoint that is not only a client, or of one of its routes."""
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in _ROUTES:
            func = func.value
        return self._is_served(func)

    def _refuse_foreign_call(self, call: ast.Call) -> None:
        """``api.get("/path")(function)`` of an endpoint of another file."""
        if isinstance(call.func, ast.Call) and isinstance(call.func.func, ast.Attribute):
            self._refuse_foreign(ast.unparse(call.args[0]) if call.args else "nothing", call.func)

    def _refuse_guarded(self) -> None:
        """An endpoint that exists only where its file is a script."""
        for guard in filter(is_main_guard, self.module.tree.body):
            for node in statements_below([guard]):
                if isinstance(node, DefinitionNode) and any(map(self._is_maker, node.decorator_list)):
                    raise DiscoveryError(
                        f"endpoint function {node.name!r} is below `if __name__ == ...`, where no worker sees it",
                        path=self.module.path,
                        line=node.lineno,
                        hint="move it to the top level of the module",
                    )

    def _refuse_foreign(self, name: str, decorator: ast.expr) -> None:
        """An endpoint of another file: its manifest entry would depend on what that file is imported by."""
        parts = [decorator.func] if isinstance(decorator, ast.Call) else [decorator]
        parts += [part.value for part in parts if isinstance(part, ast.Attribute)]
        for part in parts:
            meaning = self.modules.meaning(self.module, part)
            if (
                isinstance(meaning, Value)
                and meaning.module is not self.module
                and isinstance(meaning.node, ast.Call)
                and is_endpoint(self.modules, meaning.module, meaning.node.func)
            ):
                raise DiscoveryError(
                    f"{name!r} is decorated with an Endpoint of {meaning.module.path}",
                    path=self.module.path,
                    line=decorator.lineno,
                    hint="decorate in the file that makes the endpoint; its functions may call those of other files",
                )

    def _refuse_nested(self) -> None:
        """An endpoint inside a function or class would exist only once that has run."""
        top = {id(statement) for statement in self.module.body}
        for node in statements_below(self.module.body):
            if id(node) in top or not isinstance(node, DefinitionNode):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and self._is_endpoint(decorator.func):
                    raise DiscoveryError(
                        f"endpoint function {node.name!r} is inside a function, class or loop",
                        path=self.module.path,
                        line=node.lineno,
                        hint="move it to the top level of the module, where a worker can import it",
                    )

    def _is_endpoint(self, node: ast.expr) -> bool:
        return is_endpoint(self.modules, self.module, node)

    def _at(self, node: ast.expr) -> Location:
        return Location(self.module.path, node.lineno)


def _is_dynamic(call: ast.Call) -> bool:
    """Whether what it does is written in no syntax tree: Flash may be imported by it, and a name found."""
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name in _IMPORTERS:
        given = call.args[0] if call.args else None
        return isinstance(given, ast.Constant) and str(given.value).partition(".")[0] in FLASH_NAMES
    return isinstance(func, ast.Name) and name in _BY_NAME


def endpoint_of(positional: list[Any], keywords: dict[str, Any]) -> Endpoint:
    """``Endpoint(*positional, **keywords)``.

    Raises:
        DeclarationError: The arguments are wrong, in whatever way.
    """
    try:
        return Endpoint(*positional, **keywords)
    except TypeError as error:
        raise DeclarationError(
            f"Endpoint: {error}", hint="only the name may stand first; all others are keywords"
        ) from error


def _variables(statement: ast.Assign | ast.AnnAssign | ast.Expr) -> list[str]:
    """The names that the statement assigns its value to."""
    if isinstance(statement, ast.Expr):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _conditional(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those inside *statements* that a condition, or an exception, decides about."""
    for statement in statements:
        if isinstance(statement, ast.If):
            yield from statements_below([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _conditional([*statement.body, *statement.orelse, *statement.finalbody])
            yield from statements_below(each for handler in statement.handlers for each in handler.body)
        elif isinstance(statement, ast.With):
            yield from _conditional(statement.body)
