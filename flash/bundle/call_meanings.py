"""What of an endpoint an expression stands for: its function, its class, an instance of that, or a method."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from flash.bundle.call_scopes import Scope
from flash.bundle.modules import Definition, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.modules import Meaning, Modules

__all__ = ["Meanings", "Reference", "Served", "key_of", "parameters"]

_HOPS: Final = 12


@dataclass(frozen=True, slots=True)
class Served:
    """A function or class of an endpoint."""

    endpoint: str
    definition: Definition
    route: tuple[str, str] | None = None

    @property
    def is_class(self) -> bool:
        """Whether it is a class."""
        return isinstance(self.definition.node, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an expression stands for; ``inner`` is an attribute of one that nobody calls an endpoint by."""

    served: Served
    kind: Literal["function", "class", "instance", "method", "inner"]
    method: str = ""
    where: Literal["", "local", "remote"] = ""


def key_of(definition: Definition) -> tuple[str, str]:
    """Module and name: what no other function or class at the top of a module has."""
    return definition.module.name, definition.node.name


class Meanings:
    """Resolves expressions of one project."""

    def __init__(self, modules: Modules, served: Mapping[tuple[str, str], Served]) -> None:
        self._modules = modules
        self.served = served

    def resolve(self, node: ast.expr, scope: Scope, hops: int = _HOPS) -> Reference | None:
        """What of an endpoint *node* stands for, if it does."""
        if hops <= 0:
            return None
        if isinstance(node, ast.NamedExpr):
            return self.resolve(node.value, scope, hops - 1)
        if isinstance(node, ast.Call):
            made = self.resolve(node.func, scope, hops - 1)
            return replace(made, kind="instance") if made is not None and made.kind == "class" else None
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value, scope, hops - 1)
            if owner is not None:
                return _attribute(owner, node.attr)
            if isinstance(node.value, ast.Name) and scope.me and node.value.id == scope.me:
                return self.part(node.attr, scope, hops - 1)
        elif isinstance(node, ast.Name):
            bound = scope.binding(node.id)
            if bound is not None:
                where, how = bound
                if how == "values":
                    return self._one_of([(value, where) for value in where.values[node.id]], hops - 1)
                annotation = where.annotated[node.id]
                kind = None if annotation is None else self.resolve(annotation, where, hops - 1)
                return replace(kind, kind="instance") if kind is not None and kind.kind == "class" else None
        else:
            return None
        meaning = self._modules.meaning(scope.module, node, scope.local)
        if meaning is not None or not scope.module.several:
            return self._of(meaning, hops - 1)
        # imported where that works, and made up where not: who is called, if anybody is, is the one
        found = {self._of(one, hops - 1) for one in self._modules.possible(scope.module, node, scope.local)} - {None}
        return found.pop() if len(found) == 1 else None

    def part(self, name: str, scope: Scope, hops: int = _HOPS) -> Reference | None:
        """What of an endpoint an instance keeps by that name."""
        return self._one_of(scope.parts.get(name, []), hops)

    def _one_of(self, values: list[tuple[Any, Scope]], hops: int) -> Reference | None:
        """What all of them are, but for those that are None in the source, too."""
        found = set[Reference | None]()
        for value, scope in values:
            if isinstance(value, ast.Constant) and value.value is None:
                continue
            found.add(None if value is None else self.resolve(value, scope, hops))
        return found.pop() if len(found) == 1 else None

    def _of(self, meaning: Meaning | None, hops: int) -> Reference | None:
        if isinstance(meaning, Value):
            call = meaning.node
            if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords:
                # served = Endpoint(…)(function)
                applied = self._modules.meaning(meaning.module, call.args[0])
                served = self.served.get(key_of(applied)) if isinstance(applied, Definition) else None
                if served is not None:
                    return Reference(served, "class" if served.is_class else "function")
            return self.resolve(meaning.node, Scope(meaning.module, {}), hops - 1)
        if not isinstance(meaning, Definition):
            return None
        served = self.served.get(key_of(meaning))
        if served is None or served.definition.node is not meaning.node:
            return None
        return Reference(served, "class" if served.is_class else "function")


def _attribute(owner: Reference, name: str) -> Reference | None:
    if owner.kind in {"function", "method"}:
        if name == "remote":
            return replace(owner, where="remote")
        return replace(owner, where="local") if name == "local" else replace(owner, kind="inner")
    if owner.kind == "instance":
        return replace(owner, kind="inner" if name.startswith("_") else "method", method=name)
    return None


def parameters(definition: Definition, method: str, modules: Modules, hops: int = _HOPS) -> tuple[str, ...] | None:
    """Names of the positional parameters of a function, or of a method of a class or its bases in the project."""
    node = definition.node
    if not isinstance(node, ast.ClassDef):
        return _positional(node)
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == method:
            return _positional(each)[1:]
    for base in node.bases if hops else ():
        meaning = modules.meaning(definition.module, base)
        found = parameters(meaning, method, modules, hops - 1) if isinstance(meaning, Definition) else None
        if found is not None:
            return found
    return None


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    return tuple(each.arg for each in (*node.args.posonlyargs, *node.args.args))
