"""What can happen to an object that a module names, and which calls let it happen to none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

from flash.bundle.modules import DefinitionNode, Import

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.modules import Module, Modules

__all__ = ["ALL", "BUILT_IN", "READERS", "TAKERS", "Sink", "Use", "given_on", "interesting", "is_harmless", "within"]


class Sink:
    """What may change of an object that is used: bits of a number, as there are many uses."""

    NOTHING: Final = 0
    ITSELF: Final = 1
    WITHIN: Final = 2
    """What it holds: of a copy that is all."""
    BOUND: Final = 4
    """The name of its module, which is given another object."""


ALL: Final = Sink.ITSELF | Sink.WITHIN
READERS: Final = frozenset(
    {
        *("capitalize", "casefold", "copy", "count", "difference", "endswith", "find", "format", "get", "index"),
        *("intersection", "isdisjoint", "issubset", "issuperset", "items", "join", "keys", "lower", "lstrip"),
        *("partition", "removeprefix", "removesuffix", "replace", "rpartition", "rsplit", "rstrip", "split"),
        *("splitlines", "startswith", "strip", "title", "union", "upper", "values", "zfill"),
    }
)
"""Methods of plain values that change none."""
TAKERS: Final = frozenset({"difference_update", "extend", "intersection_update", "update"})
"""Methods that take what is in their argument, and keep nothing else of it."""
BUILT_IN: Final = frozenset(
    {
        *("all", "any", "bool", "dict", "enumerate", "float", "frozenset", "hash", "id", "int", "isinstance", "iter"),
        *("len", "list", "max", "min", "next", "print", "range", "repr", "reversed", "set", "sorted", "str", "sum"),
        *("tuple", "type", "zip"),
    }
)
_CHOOSING: Final = frozenset({"max", "min", "next"})
"""Of those, what may give one of its arguments."""
_HARMLESS: Final = frozenset({"copy", "itertools", "json", "logging", "os", "pprint", "textwrap", "warnings"})
"""Modules of the standard library whose functions change nothing that they are given."""


class Use(NamedTuple):
    """A name or dotted name that something happens to.

    Attributes:
        local: Imports of the function that it stands in.
        owner: The function or class at the top of the module without whose call it does not happen, or nothing.
        is_receiver: Whether it is a method of it that is called, or its item that is set.
    """

    node: ast.expr
    sink: int
    local: Mapping[str, Import | None]
    owner: str
    is_receiver: bool


def within(sink: int) -> int:
    """What may change of something whose items are copied into what changes so."""
    return Sink.WITHIN if sink & Sink.WITHIN else Sink.NOTHING


def given_on(call: ast.Call, name: str, sink: int) -> int:
    """What may become of the arguments of a built-in function: it gives their items on, or one of them."""
    if any(word.arg == "key" for word in call.keywords):
        # a function that is called with them
        return ALL
    return (ALL if name in _CHOOSING else Sink.WITHIN) if sink else Sink.NOTHING


def interesting(module: Module, modules: Modules) -> set[str] | None:
    """Names in *module* that may lead to values of the project; None where any may."""
    if any(modules.is_own(star) for star in module.stars):
        return None
    return {
        name
        for name, bound in module.bindings.items()
        if bound is None
        or (
            modules.is_own(bound.module)
            if isinstance(bound, Import)
            else not isinstance(bound, DefinitionNode | ast.Constant)
        )
    }


def is_harmless(module: Module, owner: ast.expr) -> bool:
    """Whether it is one of those modules of the standard library, or what a function of one gave: a logger."""
    bound = _bound(module, owner)
    if isinstance(bound, ast.Call):
        bound = _bound(module, bound.func)
    return isinstance(bound, Import) and bound.module.partition(".")[0] in _HARMLESS


def _bound(module: Module, node: ast.expr) -> object:
    while isinstance(node, ast.Attribute):
        node = node.value
    return module.bindings.get(node.id) if isinstance(node, ast.Name) else None
