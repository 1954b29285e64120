"""Which names of a module are bound in ways that a reader of its statements does not see."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from flash.bundle.parsing import children, nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["bound_below", "bound_beside", "locals_of"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HOLDERS = (ast.For, ast.AsyncFor, ast.While, ast.Match)


def bound_beside(tree: ast.Module, source: str) -> set[str]:
    """Names that a module binds by loops, matches, ``with``, ``except``, ``del``, ``:=`` and ``global``.

    Args:
        tree: The module.
        source: Its text.
    """
    names = set[str]()
    if ":=" in source:
        names |= {node.target.id for node in _here(tree) if isinstance(node, ast.NamedExpr)}
    if "global" in source:
        # who declares one binds it somewhere
        names |= {name for node in nodes_below(tree) if isinstance(node, ast.Global) for name in node.names}
    pending = [*tree.body]
    while pending:
        statement = pending.pop()
        if isinstance(statement, _HOLDERS):
            names |= bound_below(statement)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            for item in statement.items:
                names |= set() if item.optional_vars is None else bound_below(item.optional_vars)
            pending += statement.body
        elif isinstance(statement, ast.If):
            pending += [*statement.body, *statement.orelse]
        elif isinstance(statement, ast.Try):
            pending += [*statement.body, *statement.orelse, *statement.finalbody]
            for handler in statement.handlers:
                names |= {handler.name} if handler.name else set()
                pending += handler.body
        elif isinstance(statement, ast.Delete):
            names |= bound_below(statement)
    return names


def bound_below(node: ast.AST) -> set[str]:
    """Names that running *node* binds or deletes where it stands: not those of functions and classes in it."""
    return {name for each in _here(node) for name in _bound_by(each)}


def locals_of(node: FunctionNode | ast.ClassDef) -> set[str]:
    """Names that are a function's or a class's own."""
    own, given = set[str](), set[str]()
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    for statement in body:
        own |= bound_below(statement)
        given |= {name for each in _here(statement) if isinstance(each, ast.Global) for name in each.names}
    if not isinstance(node, ast.ClassDef):
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        own |= {argument.arg for argument in every if argument is not None}
    return own - given


def _here(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and what is below it in the same scope; of a comprehension what is bound outside of it."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, _COMPREHENSIONS):
            # its variables are its own; := in it is not
            pending += (each for each in nodes_below(current) if isinstance(each, ast.NamedExpr))
            continue
        yield current
        if isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [
                *current.decorator_list,
                *current.args.defaults,
                *(each for each in current.args.kw_defaults if each),
            ]
        elif isinstance(current, ast.ClassDef):
            pending += [*current.decorator_list, *current.bases]
        elif not isinstance(current, ast.Lambda):
            pending += children(current)


def _bound_by(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return (node.name,) if node.name else ()
    if isinstance(node, ast.MatchMapping):
        return (node.rest,) if node.rest else ()
    return ()
