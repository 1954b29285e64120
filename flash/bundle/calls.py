"""Which endpoints' functions a function uses, directly or through other functions of the project.

A name that is used counts, whether it is called or handed on: too many are harmless, while one that is missed would
leave a worker without the means to call it.
"""

from __future__ import annotations

import ast

from flash.bundle.modules import Definition, Modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["calls_of"]


def calls_of(start: Definition, modules: Modules, owners: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The names of endpoints' functions that *start* uses, sorted.

    Args:
        start: A function or class of an endpoint.
        modules: The project.
        owners: The endpoints' functions: module and name in it, to the function's name.
    """
    found: set[str] = set()
    own = start.module.name, start.node.name
    pending, seen = [start], {own}
    while pending:
        for used in _used(pending.pop(), modules):
            key = used.module.name, used.node.name
            if key in seen:
                continue
            seen.add(key)
            if key in owners:
                found.add(owners[key])
            else:
                pending.append(used)
    return tuple(sorted(found))


def _used(definition: Definition, modules: Modules) -> Iterator[Definition]:
    local = modules.local_imports(definition.module, definition.node)
    for node in ast.walk(definition.node):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            meaning = modules.meaning(definition.module, node, local)
            if isinstance(meaning, Definition):
                yield meaning
