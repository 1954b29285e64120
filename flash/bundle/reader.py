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
from flash.bundle.leftovers import Leftovers, refuse_foreign, refuse_guarded, refuse_nested
from flash.bundle.modules import (
    FLASH_NAMES,
    Definition,
    DefinitionNode,
    FlashName,
    Module,
    Modules,
)
from flash.bundle.parsing import statements_below
from flash.errors import DeclarationError, DiscoveryError
from flash.model.app import Location
from flash.model.endpoint import HTTP_METHODS, Endpoint
from flash.model.older import RemoteUse, as_endpoint, endpoint_text, remote_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Reader"]

_REMOTE: Final = FlashName("remote")
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
        refuse_nested(self.modules, self.module)
        refuse_guarded(self.module, self._is_maker)
        served = {name for name, each in self._named.items() if each is None or not each.endpoint.is_client}
        self.unread += Leftovers(self.module, self.modules, self._factories, served=served, understood=self._understood)

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
                refuse_foreign(self.modules, self.module, node.name, decorator)
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

    def _is_endpoint(self, node: ast.expr) -> bool:
        return is_endpoint(self.modules, self.module, node)

    def _at(self, node: ast.expr) -> Location:
        return Location(self.module.path, node.lineno)


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
