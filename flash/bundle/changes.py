"""What of a project may change between the assignment of a name and its use: such a name's value is not read.

A value changes in place, or under another name: in a function that it is given to, through an item, in another file.
Where that cannot be told, it is taken to change; a module is run then, which tells what it has become.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from flash.bundle.factories import executed, is_endpoint
from flash.bundle.modules import FLASH_NAMES, Definition, DefinitionNode, FlashName, Module, Modules, Value
from flash.bundle.parsing import nodes_below
from flash.bundle.uses import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flash.bundle.flow import Flow
    from flash.bundle.uses import Use

__all__ = ["Changes"]

_ANYWHERE: Final = frozenset({"exec", "globals"})
_AT_THE_TOP: Final = frozenset({"eval", "locals", "vars"})
"""What sets names of a module that are written nowhere in it: from wherever, or not from inside a function."""
_MUTABLE: Final = (dict, list, set)
_HOPS: Final = 30


class _Changed:
    """What code may change.

    Attributes:
        values: How, by the identity of the expression that was assigned.
        places: The files that do so, by the same.
        modules: Names of modules any of whose variables it may set.
        touched: Names of modules of which it may change anything.
    """

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.places: dict[int, str] = {}
        self.modules: set[str] = set()
        self.touched: set[str] = set()


class Changes:
    """Looks for what may change, once for each module that a value is read of, or that imports one.

    Args:
        modules: The project.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._flows: dict[str, Flow] = {}
        self._changed: dict[str, _Changed] = {}
        self._anywhere: dict[str, _Changed] = {}
        self._unsteady: dict[str, set[int] | None] = {}
        self._active: dict[str, set[str]] = {}

    def why(self, value: Value, given: object, *, used: tuple[Module, ast.expr]) -> str:
        """Why *value* may be another one where it is used; the empty string where it cannot be.

        Args:
            value: What a name was assigned.
            given: It, read.
            used: Where the name stands.
        """
        module, node = used
        assigned = value.node
        if value.module is module and (assigned.lineno, assigned.col_offset) > (node.lineno, node.col_offset):
            return "it is assigned below"
        unsteady = self._unsteady_of(value.module)
        if unsteady is None:
            return "its file sets names that are written nowhere"
        if id(assigned) in unsteady:
            return "whether it is assigned depends on a condition, or on another file's names"
        matters: int = Sink.BOUND
        if isinstance(given, _MUTABLE):
            matters |= Sink.ITSELF
        if _holds_mutable(given):
            matters |= Sink.WITHIN
        changed = self._changed_anywhere(value.module)
        if value.module.name in changed.modules or changed.values.get(id(assigned), Sink.NOTHING) & matters:
            where = changed.places.get(id(assigned), module.path)
            return f"it may be changed after its assignment{'' if where == module.path else f' in {where}'}"
        return ""

    def disturbed(self, wanted: Sequence[Module]) -> frozenset[str]:
        """Of modules that are to be imported, the names of those that would not be what they are alone.

        Others would change what they import. A worker imports the module of its own functions, and not those.
        """
        closures = {module.name: {each.name for each in self._modules.closure([module.name])} for module in wanted}
        every = {name for closure in closures.values() for name in closure}
        touched = {name: self._touched_by(self._modules[name], every) for name in every}
        return frozenset(
            name
            for name, closure in closures.items()
            if any(other not in closure and not closure.isdisjoint(of) for other, of in touched.items())
        )

    def _touched_by(self, module: Module, every: set[str]) -> set[str]:
        try:
            return self._changed_by(module).touched
        except RecursionError:
            # nested too deeply to be looked at: it may change any
            return every

    # ------------------------------------------------------------------------------------------------ Names of a module

    def _unsteady_of(self, module: Module) -> set[int] | None:
        """Expressions that are assigned to names which may stand for something else; None where all may."""
        if module.name not in self._unsteady:
            self._unsteady[module.name] = None if self._is_dynamic(module) else set(self._shadowed(module))
        return self._unsteady[module.name]

    @staticmethod
    def _is_dynamic(module: Module) -> bool:
        if not any(word in module.source for word in (*_ANYWHERE, *_AT_THE_TOP, "modules")):
            return False
        at_the_top = {id(node) for statement in module.tree.body for node in executed(statement)}
        return any(
            (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and (node.func.id in _ANYWHERE or (node.func.id in _AT_THE_TOP and id(node) in at_the_top))
            )
            or (isinstance(node, ast.Attribute) and node.attr == "modules" and ast.unparse(node.value) == "sys")
            for node in nodes_below(module.tree)
        )

    def _shadowed(self, module: Module) -> Iterator[int]:
        stars = [each for each in module.body if isinstance(each, ast.ImportFrom) and each.names[0].name == "*"]
        foreign = [each for each in stars if module.absolute(each).partition(".")[0] not in FLASH_NAMES]
        if not foreign:
            return
        always = {id(statement) for statement in module.tree.body}
        for statement in module.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                later = any(star.lineno > statement.lineno for star in foreign)
                if later or id(statement) not in always:
                    yield id(statement.value)

    # --------------------------------------------------------------------------------------------------------- Changes

    def _changed_anywhere(self, module: Module) -> _Changed:
        """By *module*, or one that imports it."""
        found = self._anywhere.get(module.name)
        if found is None:
            found = _Changed()
            for other in (module, *self._modules.importers(module.name)):
                changed = self._changed_by(other)
                found.modules |= changed.modules
                for number, sink in changed.values.items():
                    found.values[number] = found.values.get(number, Sink.NOTHING) | sink
                    found.places.setdefault(number, other.path)
            self._anywhere[module.name] = found
        return found

    def _changed_by(self, module: Module) -> _Changed:
        changed = self._changed.get(module.name)
        if changed is None:
            changed = _Changed()
            for use in self._flow(module).of_module():
                if not use.owner or use.owner in self._active_in(module):
                    self._note(changed, module, use)
            # kept once it is whole: what is nested too deeply ends it
            self._changed[module.name] = changed
        return changed

    def _flow(self, module: Module) -> Flow:
        # of a project without names in its declarations nobody asks
        from flash.bundle.flow import Flow

        if module.name not in self._flows:
            self._flows[module.name] = Flow(module, self._modules)
        return self._flows[module.name]

    def _note(self, changed: _Changed, module: Module, use: Use) -> None:
        for meaning in self._modules.possible(module, use.node, use.local):
            if isinstance(meaning, Value):
                self._follow(changed, meaning, use.sink, _HOPS)
            elif isinstance(meaning, Module) and use.sink & Sink.WITHIN and not use.is_receiver:
                changed.modules.add(meaning.name)
                changed.touched.add(meaning.name)

    def _follow(self, changed: _Changed, value: Value, sink: int, hops: int) -> None:
        """Note that *value* changes, and what it is another name of."""
        known = changed.values.get(id(value.node), Sink.NOTHING)
        if known | sink == known or hops <= 0:
            return
        changed.values[id(value.node)] = known | sink
        changed.touched.add(value.module.name)
        for use in self._flow(value.module).of_value(value.node, sink & ~Sink.BOUND):
            for meaning in self._modules.possible(value.module, use.node):
                if isinstance(meaning, Value):
                    self._follow(changed, meaning, use.sink, hops - 1)

    # -------------------------------------------------------------------------------------------------------- Functions

    def _active_in(self, module: Module) -> set[str]:
        """Names of functions and classes that may be called when *module*, or one that imports it, is imported."""
        found = self._active.get(module.name)
        if found is None:
            every = (module, *self._modules.importers(module.name))
            found = self._active[module.name] = {name for each in every for name in self._loaded(each)}
            definitions = [
                Definition(each, node)
                for each in every
                for node in (*each.bindings.values(), *(node for some in each.several.values() for node in some))
                if isinstance(node, DefinitionNode)
            ]
            size = -1
            while size < len(found):
                size = len(found)
                for each in definitions:
                    if each.node.name in found:
                        found |= each.module.words_of(each.node)
        return found

    def _loaded(self, module: Module) -> Iterator[str]:
        for statement in module.tree.body:
            for node in executed(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    yield node.id
                elif isinstance(node, ast.Attribute):
                    yield node.attr
                elif isinstance(node, ast.alias) and node.asname:
                    yield node.name
        for node in module.tree.body:
            decorators = node.decorator_list if isinstance(node, DefinitionNode) else []
            if not all(self._is_flashs(module, decorator) for decorator in decorators):
                # who is given it may call it
                yield node.name  # type: ignore[attr-defined]

    def _is_flashs(self, module: Module, decorator: ast.expr) -> bool:
        """Whether it is ``Endpoint(…)``, ``remote(…)``, ``api`` or ``api.get(…)``."""
        made = decorator.func if isinstance(decorator, ast.Call) else decorator
        if is_endpoint(self._modules, module, made):
            return True
        meaning = self._modules.meaning(module, made.value if isinstance(made, ast.Attribute) else made)
        call = meaning.node if isinstance(meaning, Value) else None
        return isinstance(meaning, FlashName) or (
            isinstance(call, ast.Call) and is_endpoint(self._modules, module, call.func)
        )


def _holds_mutable(given: object) -> bool:
    if not isinstance(given, dict | list | set | tuple | frozenset):
        return False
    items = given.values() if isinstance(given, dict) else given
    return any(isinstance(item, _MUTABLE) or _holds_mutable(item) for item in items)
