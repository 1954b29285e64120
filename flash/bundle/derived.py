"""What endpoints accept and return, where that can be told without importing them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from flash.bundle.annotations import Names
from flash.bundle.functions import yields
from flash.bundle.signatures import call_schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.importable import Importable
    from flash.bundle.modules import Modules
    from flash.model.app import App, Function
    from flash.model.manifest import CallSchema

__all__ = ["derived_schemas"]


def derived_schemas(
    app: App, modules: Modules, importable: Importable
) -> dict[str, dict[str, Mapping[str, CallSchema]]]:
    """By endpoint and function, ``{method or "": schema}``, as who imports them would say; of what must be, nothing.

    Args:
        app: What is declared.
        modules: The project.
        importable: Knows whose import is certain to do nothing.
    """
    names: dict[str, Names] = {}

    def of(function: Function) -> Mapping[str, CallSchema] | None:
        node = importable.definition(function.module, function.name)
        if node is None:
            return None
        if function.module not in names:
            names[function.module] = Names.of(modules[function.module])
        if isinstance(node, ast.ClassDef):
            return _methods(node, names[function.module])
        schema = call_schema_of(node, names[function.module], is_method=False, is_generator=function.is_generator)
        return None if schema is None else {"": schema}

    found: dict[str, dict[str, Mapping[str, CallSchema]]] = {}
    for endpoint in app:
        schemas = {function.name: of(function) for function in endpoint.functions}
        known = {name: each for name, each in schemas.items() if each is not None}
        if known and len(known) == len(schemas):
            found[endpoint.name] = known
    return found


def _methods(node: ast.ClassDef, names: Names) -> Mapping[str, CallSchema] | None:
    """Those of a class without bases whose body has nothing but methods and attributes."""
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    attributes = [
        target.id
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    ]
    own = [*attributes, *(method.name for method in methods)]
    if len(own) != len(set(own)):
        return None
    hidden = names.without(frozenset(own))
    found = {
        method.name: call_schema_of(method, hidden, is_method=True, is_generator=yields(method))
        for method in methods
        if not method.name.startswith("_")
    }
    known = {name: schema for name, schema in found.items() if schema is not None}
    return known if len(known) == len(found) else None
