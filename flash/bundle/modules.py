"""The project's Python files, parsed, and what the names in them stand for.

Nothing is imported and nothing runs. A name means something here if it is bound exactly once at the top of a module:
by an import of Flash or of another module of the project, by ``def`` or ``class``, or by an assignment. Everything else
is unknown, and whoever asks has to say so.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.bundle.parsing import content_of, nodes_below, parsed, parsing, statements_below
from flash.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "FLASH_NAMES",
    "Definition",
    "FlashName",
    "Import",
    "Meaning",
    "Module",
    "Modules",
    "Value",
    "is_main_guard",
    "read_modules",
]

FLASH_NAMES: Final = ("flash", "runpod_flash")
"""The spellings under which an app imports Flash."""

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_MUTATORS = frozenset({"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "sort", "update"})
_HOPS = 50
_SRC = "src"
_DYNAMIC = frozenset(
    {
        *("__import__", "eval", "exec", "import_module", "iter_modules", "load_module", "run_module", "run_path"),
        *("spec_from_file_location", "walk_packages"),
    }
)
"""Names by which a module reaches others that cannot be read in it."""
_MAY_BE_DYNAMIC = re.compile(rf"\b(?:{'|'.join(sorted(_DYNAMIC))})\b")
_WORD = re.compile(r"\w+")
_MOST_TOP_LEVEL = 30
_IMPORTS_SRC = re.compile(rb"^[ \t]*(from|import)[ \t]+src\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FlashName:
    """A public name of Flash; the empty string is the module itself.

    Attributes:
        spelling: Which of its modules it comes from.
    """

    name: str
    spelling: str = field(default=FLASH_NAMES[0], compare=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class of the project."""

    module: Module
    node: DefinitionNode


@dataclass(frozen=True, slots=True)
class Value:
    """What a name was assigned, once."""

    module: Module
    node: ast.expr


@dataclass(frozen=True, slots=True)
class Import:
    """``from module import name``, or ``import module`` where *name* is empty."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Module:
    """A file of the project.

    Attributes:
        path: Relative to the root, with forward slashes.
        name: Dotted, as it is imported from the root.
        imported: Dotted names of what its import statements may mean, wherever in it they stand.
    """

    path: str
    name: str
    tree: ast.Module
    is_package: bool
    source: str
    _body: tuple[ast.stmt, ...] | None = None
    _bindings: dict[str, Import | DefinitionNode | ast.expr | None] | None = None
    _stars: list[str] = field(default_factory=list)
    _imported: tuple[str, ...] | None = None
    _is_dynamic: bool | None = None
    _lines: list[str] = field(default_factory=list)

    @property
    def body(self) -> tuple[ast.stmt, ...]:
        """Its top-level statements, with those of ``if``, ``try`` and ``with`` blocks."""
        # worked out for whoever asks: of most files of a large tree nobody does
        if self._body is None:
            self._body = tuple(_flat(self.tree.body))
        return self._body

    @property
    def bindings(self) -> dict[str, Import | DefinitionNode | ast.expr | None]:
        """What its names are bound to at the top; None where that is not known."""
        if self._bindings is None:
            self._bindings = {}
            for statement in self.body:
                _bind(self, self._bindings, statement)
        return self._bindings

    @property
    def stars(self) -> list[str]:
        """The modules that it imports all names of."""
        _ = self.bindings  # which notes them
        return self._stars

    @property
    def imported(self) -> tuple[str, ...]:  # noqa: D102  an attribute, for whoever asks
        if self._imported is None:
            self._imported = tuple(dict.fromkeys(_imported_modules(self)))
        return self._imported

    def words_of(self, node: DefinitionNode) -> set[str]:
        """The names and keywords that a function or class may have, from its ``def`` to its end."""
        if not self._lines:
            # those of the parser: other characters end no line of it
            self._lines = self.source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return set(_WORD.findall("\n".join(self._lines[node.lineno - 1 : node.end_lineno])))

    @property
    def is_dynamic(self) -> bool:
        """Whether it may import others that cannot be read in it."""
        if self._is_dynamic is None:
            self._is_dynamic = _MAY_BE_DYNAMIC.search(self.source) is not None and any(
                _last_name(node) in _DYNAMIC for node in nodes_below(self.tree)
            )
        return self._is_dynamic

    def aliases_of(self, names: Collection[str]) -> set[str]:
        """What it calls, otherwise, something that it imports by one of *names*."""
        return {
            alias
            for alias, bound in self.bindings.items()
            if isinstance(bound, Import) and alias != bound.name and bound.name in names
        }

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted name of what a ``from`` statement of this module imports from."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.name else []
        drop = node.level - 1 if self.is_package else node.level
        base = package[: len(package) - drop] if drop else package
        return ".".join([*base, *([node.module] if node.module else [])])


Meaning = FlashName | Definition | Value | Module


class Modules:
    """All modules of a project, by dotted name.

    Attributes:
        source_folder: ``"src"`` where modules are imported from that folder, else the empty string: from the root.
        notebooks: Paths of what is no module, although it holds Python.
    """

    def __init__(self, modules: Iterable[Module], *, source_folder: str = "", notebooks: Sequence[str] = ()) -> None:
        self.source_folder = source_folder
        self.notebooks = notebooks
        self._by_name = {module.name: module for module in modules}
        self._folders = {folder for name in self._by_name for folder in _prefixes(name.split(".")[:-1])}
        self._needed: dict[str, tuple[str, ...]] = {}
        self._closures: dict[tuple[str, ...], tuple[Module, ...]] = {}
        self._foreign: dict[str, frozenset[str]] = {}
        self._reaching: frozenset[str] | None = None
        self._leading: dict[str, frozenset[str] | None] = {}

    def __iter__(self) -> Iterator[Module]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> Module:
        return self._by_name[name]

    @property
    def top_level(self) -> frozenset[str]:
        """The names under which the project's modules and packages are imported."""
        return frozenset(name.split(".")[0] for name in self._by_name if name)

    def definition(self, module: str, name: str) -> Definition | None:
        """The function or class that a worker finds as *name* in *module*, or None."""
        owner = self._by_name.get(module)
        meaning = None if owner is None else self._lookup(owner, name, _HOPS)
        return meaning if isinstance(meaning, Definition) else None

    def meaning(
        self, module: Module, node: ast.expr, local: Mapping[str, Import | None] | None = None
    ) -> Meaning | None:
        """What a name or dotted name stands for in *module*, or None where that is not known.

        Args:
            module: Where it is written.
            node: The expression.
            local: Imports inside the function that it is written in, which hide those of the module.
        """
        parts = _parts(node)
        if not parts:
            return None
        first, *rest = parts
        if local is not None and first in local:
            bound = local[first]
            meaning = None if bound is None else self._imported(bound, _HOPS)
        else:
            meaning = self._lookup(module, first, _HOPS)
        for part in rest:
            meaning = self._member(meaning, part, _HOPS)
        return meaning

    def local_imports(self, module: Module, function: DefinitionNode) -> dict[str, Import | None]:
        """What the imports inside a function bind; its parameters are bound to nothing that is known."""
        local: dict[str, Import | None] = {}
        if not isinstance(function, ast.ClassDef):
            arguments = function.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            local.update((argument.arg, None) for argument in every if argument is not None)
        for node in statements_below([function]):
            if isinstance(node, ast.Import | ast.ImportFrom):
                local.update(_bound_by_import(module, node))
        return local

    def third_party_imports(self, names: Iterable[str]) -> frozenset[str]:
        """Top-level names that the modules *names*, and what they import of the project, import from elsewhere."""
        return frozenset[str]().union(*(self._imported_from_elsewhere(module) for module in self.closure(names)))

    def closure(self, names: Iterable[str]) -> tuple[Module, ...]:
        """The modules *names* and what they import of the project, with the packages that those are in."""
        key = tuple(dict.fromkeys(names))
        found = self._closures.get(key)
        if found is None:
            # endpoints of one file share it
            found = self._closures[key] = self._closure(key)
        return found

    def leading(self, module: Module) -> frozenset[str] | None:
        """Names in *module* that lead to something of the project or of Flash; None where any may."""
        if module.name not in self._leading:
            names = {"Endpoint"}
            for name, bound in module.bindings.items():
                if isinstance(bound, Import):
                    leads = bound.module.partition(".")[0] in FLASH_NAMES or self.is_own(bound.module)
                else:
                    leads = not isinstance(bound, ast.Constant)
                if leads:
                    names.add(name)
            has_stars = any(self.is_own(star) for star in module.stars)
            self._leading[module.name] = None if has_stars else frozenset(names)
        return self._leading[module.name]

    @property
    def reaching_flash(self) -> frozenset[str]:
        """Names of the modules that import Flash, or a module of the project that does: no other can declare."""
        if self._reaching is None:
            reached = {module.name for module in self if FLASH_NAMES[0] in module.source}
            importers: dict[str, list[str]] = {}
            own = self._may_import_own()
            for module in self:
                if module.name not in reached and own.search(module.source):
                    for needed in self._needs(module):
                        importers.setdefault(needed, []).append(module.name)
            pending = [*reached]
            while pending:
                fresh = set(importers.get(pending.pop(), ())) - reached
                reached |= fresh
                pending += fresh
            self._reaching = frozenset(reached)
        return self._reaching

    def _may_import_own(self) -> re.Pattern[str]:
        """What is in a module that imports another one of the project."""
        top = sorted(map(re.escape, self.top_level))
        return re.compile(rf"\bfrom\s+\.|\b(?:{'|'.join(top)})\b" if len(top) <= _MOST_TOP_LEVEL else r"\bimport\b")

    def _needs(self, module: Module) -> tuple[str, ...]:
        """Modules of the project that importing *module* runs, by way of its import statements."""
        if module.name not in self._needed:
            needed = (known for target in module.imported for known in self._in_project(target))
            self._needed[module.name] = tuple(dict.fromkeys(needed))
        return self._needed[module.name]

    def _closure(self, names: tuple[str, ...]) -> tuple[Module, ...]:
        pending = [known for name in names for known in self._in_project(name)]
        seen = dict[str, Module]()
        while pending:
            name = pending.pop()
            if name not in seen:
                module = seen[name] = self._by_name[name]
                pending += self._needs(module)
        return tuple(seen.values())

    def _in_project(self, name: str) -> list[str]:
        """Of a dotted name, the project's modules that importing it runs."""
        if name in self._by_name and "." not in name:
            return [name]
        return [prefix for prefix in _prefixes(name.split(".")) if prefix in self._by_name]

    def _imported_from_elsewhere(self, module: Module) -> frozenset[str]:
        found = self._foreign.get(module.name)
        if found is None:
            foreign = {target.split(".")[0] for target in module.imported if not self.is_own(target)}
            found = self._foreign[module.name] = frozenset(foreign - {""} - sys.stdlib_module_names)
        return found

    def is_own(self, target: str) -> bool:
        """Whether importing a dotted name imports something of the project."""
        return target in self._folders or bool(self._in_project(target))

    def _lookup(self, module: Module, name: str, hops: int) -> Meaning | None:
        if name in module.bindings:
            bound = module.bindings[name]
            if bound is None:
                return None
            if isinstance(bound, Import):
                return self._imported(bound, hops - 1)
            return Definition(module, bound) if isinstance(bound, DefinitionNode) else Value(module, bound)
        for star in module.stars:
            meaning = self._imported(Import(star, name), hops - 1)
            if meaning is not None:
                return meaning
        return None

    def _imported(self, bound: Import, hops: int) -> Meaning | None:
        if hops <= 0:
            return None
        spelling = bound.module.split(".")[0]
        if spelling in FLASH_NAMES:
            return FlashName(bound.name, spelling)
        if not bound.name:
            return self._by_name.get(bound.module) or self._namespace(bound.module)
        submodule = f"{bound.module}.{bound.name}" if bound.module else bound.name
        owner = self._by_name.get(bound.module)
        meaning = self._lookup(owner, bound.name, hops) if owner is not None else None
        return meaning or self._by_name.get(submodule) or self._namespace(submodule)

    def _namespace(self, name: str) -> Module | None:
        """A stand-in for a folder without ``__init__.py``."""
        if name in self._folders:
            return Module(path=name.replace(".", "/"), name=name, tree=ast.Module([], []), is_package=True, source="")
        return None

    def _member(self, owner: Meaning | None, part: str, hops: int) -> Meaning | None:
        if isinstance(owner, FlashName):
            return FlashName(part, owner.spelling) if not owner.name else None
        if isinstance(owner, Module):
            return self._imported(Import(owner.name, part), hops)
        return None


def read_modules(root: Path, files: Iterable[str]) -> Modules:
    """Parse the Python files among *files*.

    Raises:
        BuildError: The project has a top-level module that takes Flash's own name.
        DiscoveryError: A file is not Python, or cannot be read.
    """
    files = tuple(files)
    paths = tuple(path for path in files if path.endswith((".py", ".so", ".pyd")) or "/" in path)
    notebooks = tuple(path for path in files if path.endswith(".ipynb"))
    python = tuple(path for path in paths if path.endswith(".py"))
    folder = _source_folder(root, python)
    _refuse_our_name(paths, folder)
    with parsing():
        return Modules([_read(root, path, folder) for path in python], source_folder=folder, notebooks=notebooks)


def read_module(root: Path, path: str, *, source_folder: str = "") -> Module:
    """Parse one file.

    Args:
        root: The project.
        path: The file, relative to it.
        source_folder: Where modules below it are imported from, instead of the root.

    Raises:
        DiscoveryError: It is not Python, or cannot be read.
    """
    with parsing():
        return _read(root, path, source_folder)


def _read(root: Path, path: str, source_folder: str) -> Module:
    tree, source = parsed(content_of(root, path), path)
    within = path.removeprefix(f"{source_folder}/") if source_folder else path
    parts = within.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(path=path, name=name, tree=tree, is_package=is_package, source=source)


def _source_folder(root: Path, python: tuple[str, ...]) -> str:
    """``src`` if it holds modules and is none itself: no ``__init__.py``, and nobody imports from ``src``."""
    if f"{_SRC}/__init__.py" in python or not any(path.startswith(f"{_SRC}/") for path in python):
        return ""
    is_imported = any(_IMPORTS_SRC.search(content_of(root, path)) for path in python)
    return "" if is_imported else _SRC


def _refuse_our_name(files: tuple[str, ...], source_folder: str) -> None:
    for path in files:
        within = path.removeprefix(f"{source_folder}/") if source_folder else path
        top, _, rest = within.partition("/")
        stem = top.split(".", 1)[0] if not rest else top
        if stem in FLASH_NAMES and (rest or top.endswith((".py", ".so", ".pyd"))):
            shown = f"{top}/" if rest else top
            raise BuildError(
                f"the project has a top-level {shown!r}, the name under which Flash itself ships",
                path=path,
                hint="rename it, or list it in .flashignore",
            )


def _flat(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.If):
            if not is_main_guard(statement):
                yield from _flat(statement.body)
            yield from _flat(statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _flat(statement.body)
            for handler in statement.handlers:
                yield from _flat(handler.body)
            yield from _flat([*statement.orelse, *statement.finalbody])
        elif isinstance(statement, ast.With):
            yield from _flat(statement.body)
        else:
            yield statement


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether it is ``if __name__ == "__main__":``."""
    test = statement.test if isinstance(statement, ast.If) else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _bind(module: Module, bindings: dict[str, Import | DefinitionNode | ast.expr | None], statement: ast.stmt) -> None:
    if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
        module._stars.append(module.absolute(statement))
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        # an import in the other branch of a try is a fallback: the first one says what is meant
        for name, bound in _bound_by_import(module, statement).items():
            bindings.setdefault(name, bound)
    elif isinstance(statement, DefinitionNode):
        bindings[statement.name] = statement
    elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if isinstance(target, ast.Name):
                known = target.id in bindings
                bindings[target.id] = None if known else statement.value
            else:
                _forget(bindings, target)
    elif isinstance(statement, ast.AugAssign | ast.For | ast.AsyncFor):
        _forget(bindings, statement.target)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        if isinstance(called, ast.Attribute) and called.attr in _MUTATORS:
            _forget(bindings, called.value)


def _forget(bindings: dict[str, Import | DefinitionNode | ast.expr | None], target: ast.expr) -> None:
    """Names in *target* change after their assignment, so their value is not known."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            bindings[node.id] = None


def _bound_by_import(module: Module, node: ast.Import | ast.ImportFrom) -> dict[str, Import | None]:
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.split(".")[0]: Import(
                alias.name if alias.asname else alias.name.split(".")[0], ""
            )
            for alias in node.names
        }
    source = module.absolute(node)
    return {alias.asname or alias.name: Import(source, alias.name) for alias in node.names}


def _imported_modules(module: Module) -> Iterator[str]:
    for node in statements_below(module.tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = module.absolute(node)
            yield source
            yield from (f"{source}.{alias.name}" if source else alias.name for alias in node.names)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.alias):
        return node.name
    return node.attr if isinstance(node, ast.Attribute) else ""


def _prefixes(parts: list[str]) -> list[str]:
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _parts(node: ast.expr) -> list[str]:
    """``["a", "b"]`` of ``a.b``; nothing for what is not a dotted name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return []
    parts.append(node.id)
    return parts[::-1]
