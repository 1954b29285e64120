"""The import statements of a module, each with what it takes to reach it.

A module is cut into units that run on their own: its top level, with the bodies of its classes, and every function.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from flash.bundle.audit.guards import Guard, Judge, catches_missing, inner_statements, is_suppressing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.bundle.modules import Module

__all__ = ["Level", "Site", "Unit", "units_of"]

_DUNDER: Final = re.compile(r"__\w+__")
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
# from Python 3.11 on, so that it cannot be named
_TRIES: Final = (ast.Try, getattr(ast, "TryStar", ast.Try))
_PLAIN: Final = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.Pass)


class Level(IntEnum):
    """How sure it is that a statement runs, and that its failure is one."""

    GUARDED = 0
    MAYBE = 1
    CERTAIN = 2


@dataclass(frozen=True, slots=True)
class Site:
    """One imported name.

    Attributes:
        module: Dotted and absolute.
        name: What is taken from it by ``from``; empty for ``import module``, ``*`` for everything.
        alias: What it is called here, where that is another name.
    """

    module: str
    name: str
    alias: str
    line: int
    level: Level


@dataclass(eq=False, slots=True)
class Unit:
    """Code that runs together.

    Attributes:
        name: The function's; empty for the top level of a module.
        owner: The class that it is a method of, or the empty string.
        parent: The unit that it is defined in; None for a top level.
        level: How sure it is that its definition runs.
        imported: Names that its module imports, which may be functions of others.
        never: By identity, conditions of its module that never hold in a worker.
    """

    module: str
    name: str = ""
    owner: str = ""
    parent: Unit | None = None
    level: Level = Level.CERTAIN
    sites: list[Site] = field(default_factory=list)
    statements: list[ast.AST] = field(default_factory=list)
    imported: set[str] = field(default_factory=set)
    never: set[int] = field(default_factory=set)
    _mentions: frozenset[str] | None = None

    @property
    def is_implicit(self) -> bool:
        """Whether the interpreter calls it without anybody naming it."""
        return bool(self.owner) and _DUNDER.fullmatch(self.name) is not None

    @property
    def mentions(self) -> frozenset[str]:
        """What it may call: attributes and imported names as they are, other names as ``module:name``."""
        if self._mentions is None:
            found = {site.name for site in self.sites if site.alias}
            pending: list[ast.AST] = list(self.statements)
            while pending:
                node = pending.pop()
                if isinstance(node, ast.Name):
                    is_imported = node.id in self.imported or "*" in self.imported
                    found.add(node.id if is_imported else f"{self.module}:{node.id}")
                elif isinstance(node, ast.Attribute):
                    found.add(node.attr)
                if id(node) not in self.never:
                    pending += _inside(node)
                elif isinstance(node, ast.If):
                    pending += node.orelse
            self._mentions = frozenset(found)
        return self._mentions


def _inside(node: ast.AST) -> Iterable[ast.AST]:
    """What of *node* runs with it: of a function its decorators and defaults."""
    if isinstance(node, _FUNCTIONS):
        arguments = node.args
        defaults = [default for default in arguments.kw_defaults if default is not None]
        return [*node.decorator_list, *arguments.defaults, *defaults]
    return ast.iter_child_nodes(node)


def units_of(module: Module, python_version: str) -> list[Unit]:
    """The units of *module*, its top level first."""
    scan = _Scan(module, Judge(module.tree, python_version))
    top = Unit(module.name, statements=list(module.tree.body))
    scan.add(top)
    scan.block(module.tree.body, top, "", Level.CERTAIN)
    scan.imported |= {site.alias or site.name for unit in scan.units for site in unit.sites}
    return scan.units


class _Scan:
    def __init__(self, module: Module, judge: Judge) -> None:
        self._module = module
        self._judge = judge
        self.units: list[Unit] = []
        self.imported: set[str] = set()
        self._importing = _importing(module.tree)
        self._never: set[int] = set()

    def add(self, unit: Unit) -> None:
        """Take *unit* up; what is known of the whole module is known of it too, once it is known."""
        unit.imported, unit.never = self.imported, self._never
        self.units.append(unit)

    def block(self, statements: Sequence[ast.stmt], unit: Unit, owner: str, level: Level) -> None:
        has_imports = any(id(statement) in self._importing for statement in statements)
        for statement in statements:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                unit.sites += _sites(self._module, statement, level)
            elif isinstance(statement, ast.If):
                guard = self._branches(statement, unit, owner, level, has_imports=has_imports)
                if guard is Guard.ALWAYS and _ends(statement.body):
                    return
                if guard is Guard.ASKED and _ends(statement.body):
                    level = Level.GUARDED
            else:
                self._statement(statement, unit, owner, level)

    def _statement(self, statement: ast.stmt, unit: Unit, owner: str, level: Level) -> None:
        if isinstance(statement, _FUNCTIONS):
            inner = Unit(
                self._module.name, statement.name, owner, parent=unit, level=level, statements=list(statement.body)
            )
            self.add(inner)
            self.block(statement.body, inner, "", level)
        elif isinstance(statement, ast.ClassDef):
            self.block(statement.body, unit, statement.name, level)
        elif isinstance(statement, _TRIES):
            self._try(statement, unit, owner, level)
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            inner_level = Level.GUARDED if is_suppressing(statement) else level
            self.block(statement.body, unit, owner, inner_level)
        elif isinstance(statement, _LOOPS):
            self.block([*statement.body, *statement.orelse], unit, owner, min(level, Level.MAYBE))
        elif isinstance(statement, ast.Match):
            for case in statement.cases:
                self.block(case.body, unit, owner, min(level, Level.MAYBE))

    def _branches(self, statement: ast.If, unit: Unit, owner: str, level: Level, *, has_imports: bool) -> Guard:
        """Every branch of a chain of ``elif``; returns what is known of the first.

        *has_imports*: whether there are imports among the statements that it stands between.
        """
        first: Guard | None = None
        current = statement
        while True:
            is_about_imports = id(current) in self._importing or (has_imports and _ends(current.body))
            guard = self._judge.of(current.test, is_about_imports=is_about_imports)
            first = first or guard
            inside = {Guard.ASKED: Level.GUARDED, Guard.UNKNOWN: min(level, Level.MAYBE)}.get(guard, level)
            if guard is Guard.NEVER:
                self._never.add(id(current))
            else:
                self.block(current.body, unit, owner, min(level, inside))
            if guard is Guard.ALWAYS:
                return first
            level = min(level, inside)
            if len(current.orelse) == 1 and isinstance(current.orelse[0], ast.If):
                current = current.orelse[0]
                continue
            self.block(current.orelse, unit, owner, level)
            return first

    def _try(self, statement: ast.Try, unit: Unit, owner: str, level: Level) -> None:
        guarded = self._guarded(statement, unit, level)
        self.block(statement.body, unit, owner, guarded)
        for handler in statement.handlers:
            # what stands in for a module that is missing need not be there where the module is
            self.block(handler.body, unit, owner, min(guarded, Level.MAYBE))
        self.block(statement.orelse, unit, owner, guarded)
        self.block(statement.finalbody, unit, owner, level)

    def _guarded(self, statement: ast.Try, unit: Unit, level: Level) -> Level:
        """How sure it is that an import fails that fails in the body of *statement*."""
        for handler in statement.handlers:
            caught = catches_missing(handler)
            if caught is Guard.NEVER:
                continue
            if handler.body and isinstance(handler.body[-1], ast.Raise):
                # it says in its own words what is missing
                return min(level, Level.MAYBE)
            is_about_imports = all(isinstance(each, _PLAIN) for each in statement.body)
            if caught is Guard.ASKED or is_about_imports or not unit.name:
                return Level.GUARDED
            # whatever goes wrong in a function is answered with something: the import that failed too
            return min(level, Level.MAYBE)
        return level


def _importing(tree: ast.Module) -> set[int]:
    """By identity, the statements that are imports or have one in them."""
    above: dict[int, ast.AST] = {}
    found: set[int] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            current: ast.AST | None = node
            while current is not None and id(current) not in found:
                found.add(id(current))
                current = above.get(id(current))
            continue
        for inner in inner_statements(node):
            above[id(inner)] = node
            pending.append(inner)
    return found


def _ends(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


def _sites(module: Module, statement: ast.Import | ast.ImportFrom, level: Level) -> Iterator[Site]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield Site(alias.name, "", alias.asname or "", statement.lineno, level)
        return
    source = module.absolute(statement)
    depth = len(module.name.split(".")) if module.name else 0
    if statement.level > depth + module.is_package or not source:
        # above the root: what a worker makes of that nobody knows
        return
    for alias in statement.names:
        yield Site(source, alias.name, alias.asname or "", statement.lineno, level)
