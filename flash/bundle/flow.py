"""Where the objects that a module names go when its code runs: which names are changed, or handed on to be changed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flash.bundle.modules import DefinitionNode, FlashName, Import, Module, Modules, Value, is_main_guard
from flash.bundle.parsing import children
from flash.bundle.scopes import locals_of
from flash.bundle.uses import ALL, BUILT_IN, READERS, TAKERS, Sink, Use, given_on, interesting, is_harmless, within

__all__ = ["Flow"]


class Flow:
    """Follows objects through the code of one module.

    Args:
        module: It.
        modules: The project.
    """

    def __init__(self, module: Module, modules: Modules) -> None:
        self.module = module
        self.modules = modules
        self._interesting = interesting(module, modules)
        self._uses: list[Use]
        self._owner: str
        self._scopes: list[set[str]]
        self._imports: dict[str, Import | None]

    def of_module(self) -> list[Use]:
        """What happens to names of the project when the module runs, or its functions do, that may change them."""
        return self._found(lambda: self._run(self.module.tree.body))

    def of_value(self, node: ast.expr, sink: int) -> list[Use]:
        """What happens to names in *node*, at the top of the module, where *sink* happens to what it gives."""
        return self._found(lambda: self._flow(node, sink))

    def _found(self, look: Callable[[], None]) -> list[Use]:
        self._uses, self._owner, self._scopes, self._imports = [], "", [], {}
        look()
        return self._uses

    # ------------------------------------------------------------------------------------------------------- Statements

    def _run(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            method = _STATEMENTS.get(type(statement))
            if method is not None:
                method(self, statement)
                continue
            for child in children(statement):
                if isinstance(child, ast.expr):
                    self._flow(child, Sink.NOTHING)
                elif isinstance(child, ast.stmt):
                    self._run([child])

    def _assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        if node.value is None:
            return
        sink: int = Sink.NOTHING
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if not (
                isinstance(target, ast.Name) and not self._scopes and self.module.bindings.get(target.id) is node.value
            ):
                sink = ALL
            self._store(target)
        self._flow(node.value, sink)

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._use(node.target, Sink.ITSELF, is_receiver=True)
        else:
            self._store(node.target)
        self._flow(node.value, Sink.WITHIN)

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        self._flow(node.iter, Sink.WITHIN)
        self._store(node.target)
        self._run([*node.body, *node.orelse])

    def _condition(self, node: ast.If) -> None:
        self._flow(node.test, Sink.NOTHING)
        self._run([*(() if is_main_guard(node) and not self._scopes else node.body), *node.orelse])

    def _context(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._flow(item.context_expr, ALL if item.optional_vars is not None else Sink.NOTHING)
            if item.optional_vars is not None:
                self._store(item.optional_vars)
        self._run(node.body)

    def _trial(self, node: ast.Try) -> None:
        self._run([*node.body, *(each for handler in node.handlers for each in handler.body)])
        self._run([*node.orelse, *node.finalbody])

    def _match(self, node: ast.Match) -> None:
        self._flow(node.subject, ALL)
        for case in node.cases:
            if case.guard is not None:
                self._flow(case.guard, Sink.NOTHING)
            self._run(case.body)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self._flow(decorator, Sink.NOTHING)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._flow(default, ALL)
        words = self.module.words_of(node)
        if self._interesting is None or "import" in words or not self._interesting.isdisjoint(words):
            self._inside(node, lambda: self._run(node.body), owner=node.name)

    def _definition(self, node: ast.ClassDef) -> None:
        for each in (*node.decorator_list, *node.bases, *(word.value for word in node.keywords)):
            self._flow(each, Sink.NOTHING)
        # its statements run at once, and its methods see none of its names
        own = locals_of(node)
        for statement in node.body:
            if isinstance(statement, DefinitionNode):
                owner, self._owner = self._owner, self._owner or node.name
                self._run([statement])
                self._owner = owner
            else:
                self._scopes.append(own)
                self._run([statement])
                self._scopes.pop()

    def _inside(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, run: Callable[[], None], *, owner: str
    ) -> None:
        before = self._owner, self._imports
        self._owner = self._owner or owner
        if not isinstance(node, ast.Lambda):
            self._imports = {**self._imports, **self.modules.local_imports(self.module, node)}
        self._scopes.append(locals_of(node) - {name for name, bound in self._imports.items() if bound is not None})
        run()
        self._scopes.pop()
        self._owner, self._imports = before

    def _store(self, target: ast.expr) -> None:
        """What is assigned to, deleted, or a loop's variable."""
        owner, self._owner = self._owner, ""
        if isinstance(target, ast.Subscript):
            self._receive(target.value)
            self._flow(target.slice, Sink.NOTHING)
        elif isinstance(target, ast.Attribute):
            self._use(target, Sink.BOUND, is_receiver=True)
            self._receive(target.value)
        elif isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._store(each)
        elif isinstance(target, ast.Starred):
            self._store(target.value)
        self._owner = owner

    def _receive(self, node: ast.expr) -> None:
        """An item of it is set, or a method called that may change it."""
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            self._use(node.value, ALL, is_receiver=False)
        elif isinstance(node, ast.Name | ast.Attribute):
            self._use(node, Sink.ITSELF, is_receiver=True)
        else:
            self._flow(node, Sink.ITSELF)

    # ------------------------------------------------------------------------------------------------------ Expressions

    def _use(self, node: ast.expr, sink: int, *, is_receiver: bool) -> None:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name):
            self._flow(root, sink)
        elif not any(root.id in scope for scope in self._scopes):
            self._uses.append(Use(node, sink, self._imports, self._owner, is_receiver))

    def _flow(self, node: ast.expr, sink: int) -> None:
        """Note what may become of *node*'s object where it goes: into *sink*."""
        method = _EXPRESSIONS.get(type(node))
        if method is not None:
            method(self, node, sink)
            return
        for child in children(node):
            if isinstance(child, ast.expr):
                self._flow(child, Sink.NOTHING)

    def _name(self, node: ast.Name, sink: int) -> None:
        if sink:
            self._use(node, sink, is_receiver=False)

    def _attribute(self, node: ast.Attribute, sink: int) -> None:
        meant = next(iter(self.modules.possible(self.module, node, self._imports)), None)
        if meant is not None:
            self._name(node, sink)  # type: ignore[arg-type]
        elif node.attr in READERS:
            self._flow(node.value, within(sink))
        elif isinstance(node.value, ast.Name | ast.Attribute):
            # a method that is kept, to be called elsewhere
            self._use(node.value, ALL, is_receiver=node.attr != "__dict__")
        else:
            self._flow(node.value, ALL)

    def _subscript(self, node: ast.Subscript, sink: int) -> None:
        self._flow(node.value, Sink.WITHIN if sink else Sink.NOTHING)
        self._flow(node.slice, Sink.NOTHING)

    def _items(self, node: ast.List | ast.Tuple | ast.Set, sink: int) -> None:
        for item in node.elts:
            self._flow(item, sink if isinstance(item, ast.Starred) else ALL if sink & Sink.WITHIN else Sink.NOTHING)

    def _mapping(self, node: ast.Dict, sink: int) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._flow(value, within(sink) if key is None else ALL if sink & Sink.WITHIN else Sink.NOTHING)

    def _starred(self, node: ast.Starred, sink: int) -> None:
        self._flow(node.value, within(sink))

    def _either(self, node: ast.BoolOp | ast.IfExp, sink: int) -> None:
        if isinstance(node, ast.IfExp):
            self._flow(node.test, Sink.NOTHING)
        for value in (node.body, node.orelse) if isinstance(node, ast.IfExp) else node.values:
            self._flow(value, sink)

    def _named(self, node: ast.NamedExpr, _sink: int) -> None:
        self._flow(node.value, ALL)

    def _operation(self, node: ast.BinOp, sink: int) -> None:
        self._flow(node.left, within(sink))
        self._flow(node.right, within(sink))

    def _anonymous(self, node: ast.Lambda, _sink: int) -> None:
        self._inside(node, lambda: self._flow(node.body, ALL), owner="")

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, sink: int) -> None:
        own = {
            each.id
            for generator in node.generators
            for each in ast.walk(generator.target)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        for generator in node.generators:
            self._flow(generator.iter, Sink.WITHIN)
            self._store(generator.target)
        self._scopes.append(own)
        for generator in node.generators:
            for test in generator.ifs:
                self._flow(test, Sink.NOTHING)
        for made in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._flow(made, ALL if sink else Sink.NOTHING)
        self._scopes.pop()

    def _handed(self, node: ast.Await | ast.Return | ast.Yield | ast.YieldFrom, _sink: int = ALL) -> None:
        if node.value is not None:
            self._flow(node.value, ALL)

    def _call(self, node: ast.Call, sink: int) -> None:
        """What is called may change all that it is given, unless it is known not to."""
        func = node.func
        meanings = [*self.modules.possible(self.module, func, self._imports)]
        given: int = ALL
        if meanings:
            if all(isinstance(meaning, FlashName) for meaning in meanings):
                given = Sink.NOTHING
        elif isinstance(func, ast.Name):
            if func.id in BUILT_IN and func.id not in self.module.bindings:
                given = given_on(node, func.id, sink)
        elif isinstance(func, ast.Attribute):
            given = self._method(func, sink)
        else:
            self._flow(func, ALL)
        for argument in node.args:
            self._flow(argument, given)
        for word in node.keywords:
            self._flow(word.value, within(given) if word.arg is None else ALL if given else given)

    def _method(self, func: ast.Attribute, sink: int) -> int:
        """A method is called; what may become of its arguments."""
        owner = func.value
        if isinstance(owner, ast.Constant | ast.JoinedStr):
            return Sink.NOTHING
        if is_harmless(self.module, owner):
            return Sink.WITHIN if sink else Sink.NOTHING
        is_plain = self._is_plain(owner)
        if func.attr in READERS and is_plain:
            self._flow(owner, Sink.WITHIN if sink else Sink.NOTHING)
            return sink
        self._receive(owner)
        return Sink.WITHIN if func.attr in TAKERS and is_plain else ALL

    def _is_plain(self, owner: ast.expr) -> bool:
        """Whether it is a value of the project, or made by what is written: no object of a library, and no class."""
        if isinstance(owner, ast.Name | ast.Attribute):
            meanings = self.modules.possible(self.module, owner, self._imports)
            return any(isinstance(meaning, Value) for meaning in meanings)
        if isinstance(owner, ast.Subscript):
            return self._is_plain(owner.value)
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
            return owner.func.attr in READERS and self._is_plain(owner.func.value)
        return isinstance(owner, ast.Dict | ast.List | ast.Set | ast.Tuple | ast.Constant)


_STATEMENTS: Final[Mapping[type[ast.stmt], Callable[[Flow, Any], None]]] = {
    ast.AnnAssign: Flow._assign,
    ast.Assign: Flow._assign,
    ast.AsyncFor: Flow._loop,
    ast.AsyncFunctionDef: Flow._function,
    ast.AsyncWith: Flow._context,
    ast.AugAssign: Flow._augmented,
    ast.ClassDef: Flow._definition,
    ast.Delete: lambda flow, node: flow._store(ast.Tuple(node.targets)),
    ast.For: Flow._loop,
    ast.FunctionDef: Flow._function,
    ast.If: Flow._condition,
    ast.Match: Flow._match,
    ast.Return: Flow._handed,
    ast.Try: Flow._trial,
    ast.With: Flow._context,
}
_EXPRESSIONS: Final[Mapping[type[ast.expr], Callable[[Flow, Any, int], None]]] = {
    ast.Attribute: Flow._attribute,
    ast.Await: Flow._handed,
    ast.BinOp: Flow._operation,
    ast.BoolOp: Flow._either,
    ast.Call: Flow._call,
    ast.Dict: Flow._mapping,
    ast.DictComp: Flow._comprehension,
    ast.GeneratorExp: Flow._comprehension,
    ast.IfExp: Flow._either,
    ast.Lambda: Flow._anonymous,
    ast.List: Flow._items,
    ast.ListComp: Flow._comprehension,
    ast.Name: Flow._name,
    ast.NamedExpr: Flow._named,
    ast.Set: Flow._items,
    ast.SetComp: Flow._comprehension,
    ast.Starred: Flow._starred,
    ast.Subscript: Flow._subscript,
    ast.Tuple: Flow._items,
    ast.Yield: Flow._handed,
    ast.YieldFrom: Flow._handed,
}
