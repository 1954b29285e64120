"""Which modules of a project can certainly be imported, by what stands at their top.

A module that raises when it is imported fails the build, so whoever leaves out importing it has to know that it does
not raise, and that nothing comes of importing it but its names. That is known where at the top of the module there is
nothing but

- its docstring, ``pass``, and ``if TYPE_CHECKING:`` or ``if __name__ == "__main__":``, which do not run;
- imports of Flash's names, of some modules of the standard library, and of the project's modules that are such too;
- ``def`` and ``class`` without a base, plain or decorated for an endpoint, whose defaults, annotations and class
  attributes cannot raise;
- assignments of literals, of names that are there, and of endpoints: that Flash takes those is known from reading them.

And the Python that reads it is not newer than the one that imports it.
"""

from __future__ import annotations

import ast
import sys
from enum import Enum
from typing import TYPE_CHECKING, Final

import flash
from flash.bundle.annotations import NO_LITERAL, Names, literal
from flash.bundle.modules import FLASH_NAMES, FlashName, Import
from flash.bundle.parsing import nodes_below, parsing
from flash.bundle.standard import STANDARD_MODULES, STANDARD_NAMES
from flash.model.endpoint import HTTP_METHODS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from flash.bundle.modules import Module, Modules

__all__ = ["Importable"]

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_ENDPOINT: Final = FlashName("Endpoint")
_TYPING: Final = Import("typing", "")
_CHECKING: Final = Import("typing", "TYPE_CHECKING")
_ROUTES: Final = frozenset(method.lower() for method in HTTP_METHODS)
_RESERVED: Final = sys.stdlib_module_names | {"sitecustomize", "usercustomize"}
_BUILTIN_TYPES: Final = frozenset(
    {
        *("BaseException", "Exception", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int"),
        *("list", "object", "range", "set", "str", "tuple", "type"),
    }
)
_OWN_NAMES: Final = frozenset({"__all__", "__author__", "__version__"})
_DEEPEST: Final = 40
"""So many modules that import one another in a row are looked at; Python's own stack has an end, too."""


class Importable:
    """Answers for the modules of a project.

    Args:
        modules: They; that of the endpoints that they declare each was read, and none evaluated, is the caller's to
            know.
        taken: The first names of files and folders beside them.
        installed: Those of distributions.
        python_version: The Python that would import them.
    """

    def __init__(
        self, modules: Modules, *, taken: Iterable[str], installed: Collection[str], python_version: str
    ) -> None:
        self._modules = modules
        self._by_name = {module.name: module for module in modules}
        self._installed = installed
        # what takes the place of a module of the standard library may be imported by any other of those
        hides = not _RESERVED.isdisjoint([*taken, *installed, *modules.top_level])
        self._answers = not hides and tuple(map(int, python_version.split("."))) >= sys.version_info[:2]
        # None while it is being looked at: what imports itself by a detour may find half of itself
        self._tops: dict[str, _Top | None] = {}
        self._depth = 0

    def is_certain(self, name: str) -> bool:
        """Whether importing the module *name* runs it and does not raise."""
        return self._answers and name in self._by_name and self._imports(name)

    def definition(self, module: str, name: str) -> DefinitionNode | None:
        """The function or class that *name* is in a module that can certainly be imported."""
        top = self._top(module) if self.is_certain(module) else None
        return None if top is None else top.definitions.get(name)

    def _imports(self, name: str) -> bool:
        """Whether the project's module of that name, and the packages that it is in, can be imported."""
        parts = name.split(".")
        if parts[0] in self._installed:
            return False
        prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        return all(self._top(prefix) is not None for prefix in prefixes if prefix in self._by_name)

    def _top(self, name: str) -> _Top | None:
        """The top of a module of the project that has been run, or None where it may raise."""
        if name not in self._tops:
            self._tops[name] = None
            if self._depth < _DEEPEST:
                self._depth += 1
                top = _Top(self, self._modules, self._by_name[name])
                self._tops[name] = top if top.runs() else None
                self._depth -= 1
        return self._tops[name]

    def binds(self, statement: ast.Import | ast.ImportFrom, module: Module) -> list[str] | None:
        """The names that an import binds, or None where it may raise."""
        if isinstance(statement, ast.Import):
            is_there = all(self._has(alias.name) for alias in statement.names)
            return [alias.asname or alias.name.partition(".")[0] for alias in statement.names] if is_there else None
        if statement.level and statement.level > module.name.count(".") + module.is_package:
            return None
        source = module.absolute(statement)
        is_there = all(self._gives(source, alias.name) for alias in statement.names)
        return [alias.asname or alias.name for alias in statement.names] if is_there else None

    def _has(self, name: str) -> bool:
        if name in self._by_name:
            return self._imports(name)
        return name in FLASH_NAMES or self._is_standard(name)

    def _gives(self, source: str, name: str) -> bool:
        if source in FLASH_NAMES:
            return name in flash.__all__
        if source == "__future__" or (self._is_standard(source) and name in STANDARD_NAMES.get(source, ())):
            return True
        if source in self._by_name:
            top = self._top(source) if self._imports(source) else None
            if top is None or name in top.names:
                return top is not None
        submodule = f"{source}.{name}"
        return bool(source) and submodule in self._by_name and self._imports(submodule)

    def _is_standard(self, name: str) -> bool:
        return name in STANDARD_MODULES


class _Top:
    """The top of one module, as its statements are run.

    Attributes:
        names: What it binds.
        definitions: Of these, functions and classes.
    """

    def __init__(self, importable: Importable, modules: Modules, module: Module) -> None:
        self._importable = importable
        self._modules = modules
        self._module = module
        self._types = Names.of(module)
        self.names: set[str] = set()
        self.definitions: dict[str, DefinitionNode] = {}
        self._endpoints: set[str] = set()
        self._evaluates = True
        """Whether annotations are evaluated."""

    def runs(self) -> bool:
        """Run it; whether it cannot raise."""
        return self._compiles() and all(map(self._runs, self._module.tree.body))

    def _compiles(self) -> bool:
        try:
            with parsing():
                # what can be parsed may still be no Python: a `return` outside of a function, an argument given twice
                compile(self._module.source, self._module.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        return True

    def _runs(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = self._importable.binds(statement, self._module)
            if bound is None or not self._bind(bound):
                return False
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                self._evaluates &= all(alias.name != "annotations" for alias in statement.names)
            return True
        if isinstance(statement, DefinitionNode):
            if not self._decorates(statement) or not self._defines(statement) or not self._bind([statement.name]):
                return False
            self.definitions[statement.name] = statement
            return True
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            return self._assigns(statement)
        if isinstance(statement, ast.If):
            return not statement.orelse and self._is_left_out(statement.test)
        return _does_nothing(statement)

    def _decorates(self, node: DefinitionNode) -> bool:
        if not node.decorator_list:
            return True
        decorator = node.decorator_list[0]
        if len(node.decorator_list) > 1:
            return False
        if isinstance(decorator, ast.Name):
            return decorator.id in self._endpoints
        if self._declares(decorator):
            return True
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            return False
        owner = decorator.func.value
        is_route = isinstance(owner, ast.Name) and owner.id in self._endpoints and decorator.func.attr in _ROUTES
        return is_route and self._is_known(decorator)

    def _declares(self, node: ast.expr) -> bool:
        """Whether it is a call of ``Endpoint`` that was read, of what is there when it is made."""
        if not isinstance(node, ast.Call) or self._modules.meaning(self._module, node.func) != _ENDPOINT:
            return False
        # of one that exists already not all is read
        is_read = all(keyword.arg != "id" or isinstance(keyword.value, ast.Constant) for keyword in node.keywords)
        return is_read and self._is_known(node)

    def _is_known(self, node: ast.expr) -> bool:
        return all(one.id in self.names for one in nodes_below(node) if isinstance(one, ast.Name))

    def _defines(self, node: DefinitionNode) -> bool:
        if getattr(node, "type_params", None):
            return False
        if isinstance(node, ast.ClassDef):
            # what an attribute hides, an annotation that names it does not mean
            hides = any(name in self.names or name in _BUILTIN_TYPES for name in _own_names(node))
            runs = not hides and not node.bases and not node.keywords
            return runs and all(self._is_attribute(one) for one in node.body)
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        annotations = [node.returns, *(one.annotation for one in every if one is not None)]
        defaults = [*given.defaults, *given.kw_defaults]
        return all(one is None or self._is_value(one) for one in defaults) and all(map(self._annotates, annotations))

    def _is_attribute(self, statement: ast.stmt) -> bool:
        """Whether a statement in a class does no more than give it a method or an attribute."""
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            return not statement.decorator_list and self._defines(statement)
        if isinstance(statement, ast.Assign):
            names = [one.id for one in statement.targets if isinstance(one, ast.Name) and one.id[:2] != "__"]
            return len(names) == len(statement.targets) and literal(statement.value) is not NO_LITERAL
        return _does_nothing(statement)

    def _assigns(self, statement: ast.Assign | ast.AnnAssign) -> bool:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
        if len(names) != len(targets) or not self._annotates(annotation):
            return False
        if statement.value is None:
            return True
        is_endpoint = self._declares(statement.value)
        if not (is_endpoint or self._is_value(statement.value)) or not self._bind(names):
            return False
        self._endpoints.update(names if is_endpoint else ())
        return True

    def _bind(self, names: Iterable[str]) -> bool:
        """Bind names to something else than before; False for those that mean something to Python."""
        for name in names:
            self.definitions.pop(name, None)
            self._endpoints.discard(name)
            self.names.add(name)
        return all(name[:2] != "__" or name in _OWN_NAMES for name in names)

    def _is_value(self, node: ast.expr) -> bool:
        """Whether evaluating an expression cannot raise."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Attribute):
            meaning = self._modules.meaning(self._module, node.value)
            known = getattr(flash, meaning.name, None) if isinstance(meaning, FlashName) and meaning.name else None
            is_member = isinstance(known, type) and issubclass(known, Enum) and node.attr in known.__members__
            return is_member and self._is_known(node)
        if isinstance(node, ast.List | ast.Tuple):
            return all(map(self._is_value, node.elts))
        if isinstance(node, ast.Dict):
            return all(isinstance(key, ast.Constant) for key in node.keys) and all(map(self._is_value, node.values))
        if isinstance(node, ast.Set):
            return all(isinstance(one, ast.Constant) for one in node.elts)
        return isinstance(node, ast.Constant) or literal(node) is not NO_LITERAL

    def _annotates(self, node: ast.expr | None) -> bool:
        """Whether an annotation cannot raise where it is evaluated."""
        if node is None or isinstance(node, ast.Constant) or not self._evaluates:
            return True
        if isinstance(node, ast.Name):
            return node.id in self.names or node.id in _BUILTIN_TYPES
        is_known = self._types.type(node) is not None or self._types.item(node)[0]
        every = (one for one in nodes_below(node) if isinstance(one, ast.Name))
        return is_known and all(one.id in self.names or one.id in _BUILTIN_TYPES for one in every)

    def _is_left_out(self, test: ast.expr) -> bool:
        """Whether it is the condition of a block that is not run as the module is imported."""
        if isinstance(test, ast.Compare):
            return ast.unparse(test) == "__name__ == '__main__'"
        if isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name):
            # of the module that `import typing` binds
            bound = self._module.bindings.get(test.value.id)
            return test.attr == "TYPE_CHECKING" and bound == _TYPING and test.value.id in self.names
        bound = self._module.bindings.get(test.id) if isinstance(test, ast.Name) else None
        return bound == _CHECKING and isinstance(test, ast.Name) and test.id in self.names


def _own_names(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, DefinitionNode):
            yield statement.name
        elif isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def _does_nothing(statement: ast.stmt) -> bool:
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, ast.Pass)
