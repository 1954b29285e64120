"""The calls of endpoints in one function or class of the project, and what else of the project it uses.

Read are calls of endpoints' functions and of methods of their classes, under whatever name, of instances that a
variable or an attribute keeps, and of what ``asyncio.to_thread``, an executor or ``partial`` is given. Whatever
else becomes of such a function, class or instance is a site too, and says that it was not followed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.call_answers import Answers
from flash.bundle.call_arguments import Given, given
from flash.bundle.call_meanings import Meanings, Reference, Served, key_of, parameters
from flash.bundle.call_scopes import Scope, Unit, units_of
from flash.bundle.factories import is_endpoint
from flash.bundle.functions import client_keywords, clients_of, held
from flash.bundle.modules import Definition, FlashName, Value
from flash.bundle.parsing import nodes_below
from flash.model.calls import CallEdge

if TYPE_CHECKING:
    from flash.bundle.modules import Meaning, Modules

__all__ = ["Body", "Helper", "Site", "read_body"]

_DEFERRED: Final = {"partial": 0, "run_in_executor": 1, "submit": 0, "to_thread": 0}
"""Which argument of these is called with those after it. Source: Python's documentation of asyncio,
concurrent.futures and functools."""
_HANDED_ON: Final = "it is handed on: who calls it, and with what, is not read"
_CLIENTS: Final = {
    "id": "an endpoint that is known by its id is no part of this project: nobody here knows what it accepts",
    "image": "an image of one's own has no contract",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A call as it stands there.

    Attributes:
        unit: The method that it is in; empty outside of methods.
        callee: What is called; None where nobody in the project knows it.
        edge: The call, without who makes it.
        order: Line and column.
    """

    unit: str
    callee: Served | None
    edge: CallEdge
    order: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Helper:
    """A function or class of the project that is used, and where."""

    unit: str
    definition: Definition
    order: tuple[int, int]


@dataclass(slots=True)
class Body:
    """What is in a function or class.

    Attributes:
        units: By method, what it uses of its own instance.
        here: Names of endpoints' functions that are not called as such: they run here, or something else has the name.
    """

    path: str
    sites: list[Site] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    units: dict[str, set[str]] = field(default_factory=dict)
    here: set[str] = field(default_factory=set)


def read_body(definition: Definition, modules: Modules, meanings: Meanings) -> Body:
    """Read a function or class.

    Args:
        definition: It.
        modules: The project.
        meanings: What is known of its endpoints.
    """
    module, node = definition.module, definition.node
    body = Body(module.path)
    for unit in units_of(module, node, modules.local_imports(module, node)):
        body.units.setdefault(unit.name, set())
        for scope in unit.scope:
            _Reader(definition, modules, meanings, body, unit, scope).read()
    body.sites.sort(key=lambda site: site.order)
    body.helpers.sort(key=lambda helper: helper.order)
    return body


class _Reader:
    """Reads one scope."""

    def __init__(
        self, definition: Definition, modules: Modules, meanings: Meanings, body: Body, unit: Unit, scope: Scope
    ) -> None:
        self._own = definition
        self._module = definition.module
        self._modules = modules
        self._meanings = meanings
        self._body = body
        self._unit = unit
        self._scope = scope
        self._consumed: set[int] = set()
        self._kept: set[int] = set()

    def read(self) -> None:
        placed: list[Any] = [node for node in self._scope.nodes if hasattr(node, "lineno")]
        nodes = sorted(
            placed,
            # what holds others before what it holds
            key=lambda node: (*_order(node), -(node.end_lineno or 0), -(node.end_col_offset or 0)),
        )
        self._answers = Answers(nodes)
        self._keep()
        made: list[ast.Call] = []
        for node in nodes:
            if isinstance(node, ast.Call):
                self._call(node, made)
        for node in nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                self._reference(node)
        for call in made:
            if id(call) not in self._consumed and id(call) not in self._kept:
                self._add(self._resolve(call), call, why=_HANDED_ON)
                self._consume(call.func)

    def _keep(self) -> None:
        """Note which values are found again by the name that they have."""
        values = self._scope.values
        for name, found in values.items():
            if self._resolve(ast.Name(name, ast.Load())) is not None:
                self._kept |= {id(value) for value in found}
        for part, places in self._scope.parts.items():
            if self._meanings.part(part, self._scope) is not None:
                self._kept |= {id(value) for value, _ in places}

    def _call(self, call: ast.Call, made: list[ast.Call]) -> None:
        if id(call) in self._consumed:
            return
        reference = self._resolve(call.func)
        if reference is None:
            self._deferred_or_client(call)
            return
        if reference.kind == "class":
            made.append(call)
            self._consume(call.func)
        elif reference.kind in {"function", "method"}:
            # an instance that is made where it is called is no other use of the class
            self._consume(call.func)
            self._called(reference, call, call.args, call.keywords)
        else:
            self._consume(call.func)
            if reference.kind == "instance":
                self._add(reference, call, why=_HANDED_ON)
            else:
                self._body.here.add(reference.served.definition.node.name)

    def _deferred_or_client(self, call: ast.Call) -> None:
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        place = _DEFERRED.get(name)
        if place is not None and len(call.args) > place:
            reference = self._resolve(call.args[place])
            if reference is not None and reference.kind in {"function", "method"}:
                self._consume(call.args[place])
                rest = call.args[place + 1 :]
                self._called(reference, call, rest, call.keywords, is_open=name == "partial")
                return
        if is_endpoint(self._modules, self._module, func, self._scope.local) or self._is_named_endpoint(func):
            self._add_clients(client_keywords(call), call)

    def _called(
        self,
        reference: Reference,
        call: ast.Call,
        args: list[ast.expr],
        keywords: list[ast.keyword],
        *,
        is_open: bool = False,
    ) -> None:
        if reference.where == "local":
            self._body.here.add(reference.served.definition.node.name)
            self._helper(reference.served.definition, call)
            return
        names = parameters(reference.served.definition, reference.method, self._modules)
        found = given(args, keywords, names, self._module, self._modules, self._scope.local)
        self._add(reference, call, found=replace(found, is_open=True) if is_open else found)

    def _reference(self, node: ast.Name | ast.Attribute) -> None:
        if id(node) in self._consumed:
            return
        self._note_own(node)
        reference = self._resolve(node)
        if reference is not None:
            self._consume(node)
            owner = reference.served.definition
            is_method = reference.kind == "method" and parameters(owner, reference.method, self._modules) is not None
            if reference.kind == "inner" or (reference.kind == "method" and not is_method):
                # an attribute, which is read here
                self._body.here.add(owner.node.name)
            elif id(node) not in self._kept:
                self._add(reference, node, why=_HANDED_ON)
            return
        meaning = self._meaning(node)
        if isinstance(meaning, Value):
            self._add_clients(clients_of(meaning, self._modules), node, meaning)
            for one in held(meaning, self._modules):
                served = self._meanings.served.get(key_of(one))
                if served is None:
                    self._helper(one, node)
                else:
                    self._add(Reference(served, "function"), node, why=_HANDED_ON)
        elif isinstance(meaning, Definition) and meaning.node is not self._own.node:
            self._helper(meaning, node)
        elif isinstance(node, ast.Name) and self._scope.binding(node.id) is not None:
            self._body.here.add(node.id)

    def _note_own(self, node: ast.Name | ast.Attribute) -> None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == self._scope.me:
            self._body.units[self._unit.name].add(node.attr)

    # ----------------------------------------------------------------------------------------------------------- Pieces

    def _resolve(self, node: ast.expr) -> Reference | None:
        return self._meanings.resolve(node, self._scope)

    def _meaning(self, node: ast.expr) -> Meaning | None:
        return self._modules.meaning(self._module, node, self._scope.local)

    def _is_named_endpoint(self, node: ast.expr) -> bool:
        meaning = self._meaning(node)
        return isinstance(meaning, FlashName) and meaning.name == "Endpoint"

    # ------------------------------------------------------------------------------------------------------------ Sites

    def _consume(self, node: ast.AST) -> None:
        self._consumed |= {id(each) for each in nodes_below(node)}
        for each in nodes_below(node):
            if isinstance(each, ast.Name | ast.Attribute):
                self._note_own(each)

    def _helper(self, definition: Definition, node: ast.expr) -> None:
        self._body.helpers.append(Helper(self._unit.name, definition, _order(node)))

    def _add(self, reference: Reference | None, node: ast.expr, *, found: Given | None = None, why: str = "") -> None:
        if reference is None:
            return
        served, given_ = reference.served, found or Given(is_open=True)
        edge = CallEdge(
            at=f"{self._module.path}:{node.lineno}",
            endpoint=served.endpoint,
            function=served.definition.node.name,
            method=reference.method,
            route=" ".join(served.route) if served.route is not None else "",
            arguments=given_.arguments,
            literals=given_.literals,
            is_open=given_.is_open,
            surplus=given_.surplus,
            reads=[] if why else self._answers.reads(node, self._scope),
            is_dropped=not why and id(node) in self._answers.dropped,
            is_remote=reference.where == "remote",
            is_awaited=id(node) in self._answers.awaited,
            why=why,
        )
        self._body.sites.append(Site(self._unit.name, served, edge, _order(node)))

    def _add_clients(self, kinds: set[str], node: ast.expr, value: Value | None = None) -> None:
        for kind in sorted(kinds):
            call = value.node if value is not None else node
            name = _constant(call, "name" if kind == "image" else "id") if isinstance(call, ast.Call) else ""
            edge = CallEdge(
                at=f"{self._module.path}:{node.lineno}",
                endpoint=name if kind == "image" else "",
                function=f"Endpoint(id={name!r})" if kind == "id" and name else f"Endpoint({kind}=…)",
                is_open=True,
                why=_CLIENTS[kind],
            )
            self._body.sites.append(Site(self._unit.name, None, edge, _order(node)))


def _constant(call: ast.Call, name: str) -> str:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return ""


def _order(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset
