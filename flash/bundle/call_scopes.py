"""What names stand for inside a function: its own, those around it, and what a class keeps on its instances."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flash.bundle.parsing import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flash.bundle.modules import Import, Module

__all__ = ["Scope", "Unit", "units_of"]

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class Scope:
    """The body of a function, without those of functions inside it.

    Attributes:
        nodes: What is in it.
        inner: The scopes inside it.
        local: What its imports bind, and those around it; names that hide a module's without being known are None.
        values: By name, what it is assigned, each time; None stands for what cannot be read.
        annotated: By parameter, its annotation.
        me: What the instance is called; empty outside of methods.
        parts: Of the class, by name, what is kept on instances, and the scope in which that is written.
    """

    module: Module
    local: Mapping[str, Import | None]
    parent: Scope | None = None
    me: str = ""
    parts: dict[str, list[tuple[ast.expr, Scope]]] = field(default_factory=dict)
    nodes: list[ast.AST] = field(default_factory=list)
    inner: list[Scope] = field(default_factory=list)
    values: dict[str, list[ast.expr | None]] = field(default_factory=dict)
    annotated: dict[str, ast.expr | None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Scope]:
        """It and all scopes inside it."""
        yield self
        for scope in self.inner:
            yield from scope

    def binding(self, name: str) -> tuple[Scope, str] | None:
        """The scope that a local name is bound in, and how: ``values`` or ``annotated``."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope, "values"
            if name in scope.annotated:
                return scope, "annotated"
            scope = scope.parent
        return None

    def fill(self, roots: Iterable[ast.AST], function: Function | None = None) -> None:
        """Read it: *roots* is what is in it, of *function*."""
        if function is not None:
            arguments = function.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            self.annotated.update((each.arg, each.annotation) for each in every)
            rest = (each.arg for each in (arguments.vararg, arguments.kwarg) if each is not None)
            self.annotated.update(dict.fromkeys(rest))
            self.local = {**self.local, **dict.fromkeys(self.annotated)}
            if self.me in self.annotated and self.parent is not None:
                self.me = ""
        functions: list[Function] = []
        shared: set[str] = set()
        pending = [*roots]
        while pending:
            node = pending.pop()
            if isinstance(node, Function):
                functions.append(node)
                pending += [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
                if not isinstance(node, ast.Lambda):
                    pending += node.decorator_list
                    self.values.setdefault(node.name, []).append(None)
                continue
            self.nodes.append(node)
            if isinstance(node, ast.Global | ast.Nonlocal):
                shared |= set(node.names)
            self._bind(node)
            if isinstance(node, ast.AnnAssign):
                pending += [node.target, *([] if node.value is None else [node.value])]
            else:
                pending += children(node)
        for name in shared & self.values.keys():
            del self.values[name]
        self.local = {**self.local, **dict.fromkeys(self.values)}
        for each in functions:
            inside = Scope(self.module, self.local, self, self.me, self.parts)
            inside.fill(each.body if isinstance(each.body, list) else [each.body], each)
            self.inner.append(inside)

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None:
                    self.values.setdefault(target.id, []).append(node.value)
                elif isinstance(target, ast.Attribute) and node.value is not None:
                    owner = target.value
                    if isinstance(owner, ast.Name) and owner.id == self.me:
                        self.parts.setdefault(target.attr, []).append((node.value, self))
                elif isinstance(target, ast.Tuple | ast.List):
                    self._forget(target)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension | ast.AugAssign):
            self._forget(node.target)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._forget(node.optional_vars)
        elif isinstance(node, ast.ClassDef | ast.ExceptHandler) and node.name:
            self.values.setdefault(node.name, []).append(None)

    def _forget(self, target: ast.expr) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.values.setdefault(node.id, []).append(None)


@dataclass(frozen=True, slots=True)
class Unit:
    """A function, or one method of a class.

    Attributes:
        name: The method's; empty for a function, and for what is in a class outside of its methods.
    """

    name: str
    scope: Scope


def units_of(
    module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, local: Mapping[str, Import | None]
) -> list[Unit]:
    """The units of a function or class of a module.

    Args:
        module: Its module.
        node: It.
        local: What the imports inside it bind.
    """
    if not isinstance(node, ast.ClassDef):
        scope = Scope(module, local)
        scope.fill([*node.decorator_list, *node.body], node)
        return [Unit("", scope)]
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    own = Scope(module, local)
    own.fill(
        [*node.decorator_list, *node.bases, *(each.value for each in node.keywords)]
        + [each for each in node.body if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    )
    parts = {name: [(value, own) for value in values if value is not None] for name, values in own.values.items()}
    units = [Unit("", own)]
    for method in methods:
        first = [*method.args.posonlyargs, *method.args.args][:1]
        # what is bound in a class is no name in its methods
        scope = Scope(module, local, None, first[0].arg if first else "", parts)
        scope.fill([*method.decorator_list, *method.body], method)
        units.append(Unit(method.name, scope))
    return units
