"""The value of an expression in a source file, without running the file.

Literals, constants of this or another module of the project, sums and products of those, members of Flash's
enumerations and calls of its value types can be read. Anything else is `Unreadable`: what only running the file would
tell is not guessed.
"""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.modules import FlashName, Module, Modules, Value
from flash.errors import DeclarationError, DiscoveryError
from flash.model import hardware
from flash.model.hardware import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["VALUE_TYPES", "Unreadable", "evaluate"]

VALUE_TYPES: Final[Mapping[str, type]] = {
    name: getattr(hardware, name)
    for name in (
        "CpuInstanceType",
        "CudaVersion",
        "DataCenter",
        "GpuGroup",
        "GpuType",
        "NetworkVolume",
        "PodTemplate",
        "ServerlessScalerType",
    )
}
"""What an argument of an endpoint may be made of, by its public name."""

_DEPTH = 50


class Unreadable(DiscoveryError):
    """An expression that cannot be read.

    Attributes:
        node: The part of it that is to blame.
        why: Why that part cannot be read.
    """

    def __init__(self, module: Module, node: ast.expr, why: str) -> None:
        self.node = node
        self.why = why
        shown = ast.get_source_segment(module.source, node) or ast.unparse(node)
        super().__init__(
            f"`{' '.join(shown.split())}` cannot be read without running the file: {why}",
            path=module.path,
            line=node.lineno,
            hint="write a literal or a module-level constant; what is known only at run time belongs into the function",
        )


def evaluate(node: ast.expr, module: Module, modules: Modules) -> Any:
    """The value of *node*, which is written in *module*.

    Raises:
        Unreadable: It cannot be known without running the file.
        DeclarationError: A value type of Flash refuses its arguments, or has no such member.
    """
    return _Evaluator(module, modules, 0).value(node)


class _Evaluator:
    def __init__(self, module: Module, modules: Modules, depth: int) -> None:
        self.module = module
        self.modules = modules
        self.depth = depth

    def unreadable(self, node: ast.expr, why: str = "it is worked out when the file runs") -> Unreadable:
        return Unreadable(self.module, node, why)

    def value_type(self, node: ast.expr) -> type | None:
        """The value type of Flash that *node* names, if it does."""
        meaning = self.modules.meaning(self.module, node)
        return VALUE_TYPES.get(meaning.name) if isinstance(meaning, FlashName) else None

    def value(self, node: ast.expr) -> Any:
        method = _READERS.get(type(node))
        if method is None:
            raise self.unreadable(node)
        return method(self, node)

    def constant(self, node: ast.Constant) -> Any:
        return node.value

    def sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Any:
        values: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                values.extend(self.value(item.value))
            else:
                values.append(self.value(item))
        return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](values)

    def dictionary(self, node: ast.Dict) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result.update(self.value(value))
            else:
                result[self.value(key)] = self.value(value)
        return result

    def unary(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not operand
        if not isinstance(operand, int | float):
            raise self.unreadable(node, "only numbers have a sign")
        if isinstance(node.op, ast.USub):
            return -operand
        if isinstance(node.op, ast.UAdd):
            return operand
        raise self.unreadable(node)

    def binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if isinstance(node.op, ast.Add) and (
            numbers or (type(left) is type(right) and isinstance(left, str | list | tuple))
        ):
            return left + right
        if isinstance(node.op, ast.Sub) and numbers:
            return left - right
        if isinstance(node.op, ast.Mult) and numbers:
            return left * right
        if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
            return left | right
        raise self.unreadable(node, "only sums and products of constants are read")

    def name(self, node: ast.Name | ast.Attribute) -> Any:
        meaning = self.modules.meaning(self.module, node)
        if isinstance(meaning, Value):
            if self.depth >= _DEPTH:
                raise self.unreadable(node, "its value depends on itself")
            return _Evaluator(meaning.module, self.modules, self.depth + 1).value(meaning.node)
        named = self.value_type(node)
        if named is not None:
            return named
        if isinstance(node, ast.Attribute):
            owner = self.value_type(node.value)
            if owner is not None and issubclass(owner, Enum):
                return self.member(owner, node.attr, node)
            if node.attr == "value":
                value = self.value(node.value)
                if isinstance(value, Enum):
                    return value.value
        if isinstance(node, ast.Name) and self.module.bindings.get(node.id, node) is None:
            raise self.unreadable(node, "it is assigned more than once, or changed later")
        raise self.unreadable(node, "it is not a constant of a module of this project")

    def member(self, owner: type[Enum], name: str, node: ast.expr) -> Enum:
        found = owner.__members__.get(name)
        if found is None:
            near = nearest(name, tuple(owner.__members__))
            raise DeclarationError(
                f"{owner.__name__} has no member {name!r}",
                hint=f"did you mean {owner.__name__}.{near}?" if near else f"one of {', '.join(owner.__members__)}",
                path=self.module.path,
                line=node.lineno,
            )
        return found

    def call(self, node: ast.Call) -> Any:
        callee = self.value_type(node.func)
        if callee is None:
            raise self.unreadable(node)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        if len(keywords) != len(node.keywords):
            raise self.unreadable(node, "keywords from a mapping are not read")
        try:
            return callee(*arguments, **keywords)
        except DeclarationError as error:
            error.path, error.line = self.module.path, node.lineno
            raise
        except (TypeError, ValueError) as error:
            raise DeclarationError(f"{callee.__name__}: {error}", path=self.module.path, line=node.lineno) from error

    def subscript(self, node: ast.Subscript) -> Any:
        owner, key = self.value(node.value), self.value(node.slice)
        if isinstance(owner, type) and issubclass(owner, Enum) and isinstance(key, str):
            return self.member(owner, key, node)
        try:
            return owner[key]
        except (TypeError, LookupError):
            raise self.unreadable(node, "it has no such item") from None


_READERS: Final[dict[type[ast.expr], Callable[[_Evaluator, Any], Any]]] = {
    ast.Constant: _Evaluator.constant,
    ast.List: _Evaluator.sequence,
    ast.Tuple: _Evaluator.sequence,
    ast.Set: _Evaluator.sequence,
    ast.Dict: _Evaluator.dictionary,
    ast.UnaryOp: _Evaluator.unary,
    ast.BinOp: _Evaluator.binary,
    ast.Name: _Evaluator.name,
    ast.Attribute: _Evaluator.name,
    ast.Call: _Evaluator.call,
    ast.Subscript: _Evaluator.subscript,
}
