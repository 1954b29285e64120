"""The value of an expression in a source file, without running the file.

Literals, constants of this or another module of the project, sums, products and f-strings of those, pure methods and
built-in functions applied to them, members of Flash's enumerations and calls of its value types can be read. Anything
else is `Unreadable`: what only running the file would tell is not guessed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, ItemsView, KeysView, ValuesView
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.declared import located
from flash.bundle.modules import FLASH_NAMES, FlashName, Module, Modules, Value
from flash.errors import DeclarationError, DiscoveryError
from flash.model import hardware
from flash.model.app import Location
from flash.model.hardware import nearest
from flash.model.older import OLDER_RESOURCES
from flash.model.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["VALUE_TYPES", "WHAT_CAN_BE_READ", "Unreadable", "evaluate"]

WHAT_CAN_BE_READ: Final = (
    "write a literal or a module-level constant; what is known only at run time belongs into the function"
)
"""The hint of every `Unreadable`."""

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
} | {"Secret": Secret}
"""What an argument of an endpoint may be made of, by its public name."""

_PURE_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        {
            *("capitalize", "casefold", "count", "endswith", "find", "format", "isdigit", "join", "lower", "lstrip"),
            *("partition", "removeprefix", "removesuffix", "replace", "rpartition", "rsplit", "rstrip", "split"),
            *("splitlines", "startswith", "strip", "title", "upper", "zfill"),
        }
    ),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    set: frozenset({"copy", "difference", "intersection", "union"}),
}
_PURE_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    function.__name__: function
    for function in (bool, dict, float, int, len, list, max, min, round, set, sorted, str, sum, tuple)
}
_CONVERSIONS: Final[Mapping[int, Callable[[object], str]]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}
_OF_SETS: Final = (bool, len, max, min, set, sorted, sum)

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
        from flash.bundle.secret_search import hidden

        shown = hidden(ast.get_source_segment(module.source, node) or ast.unparse(node))
        super().__init__(
            f"`{' '.join(shown.split())}` cannot be read without running the file: {why}",
            path=module.path,
            line=node.lineno,
            hint=WHAT_CAN_BE_READ,
        )


def evaluate(node: ast.expr, module: Module, modules: Modules) -> Any:
    """The value of *node*, which is written in *module*.

    Raises:
        Unreadable: It cannot be known without running the file.
        DeclarationError: A value type of Flash refuses its arguments, or has no such member.
    """
    try:
        return _Evaluator(module, modules, 0).value(node)
    except RecursionError:
        raise Unreadable(module, node, "it is nested too deeply") from None


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
        if not isinstance(meaning, FlashName):
            return None
        older = OLDER_RESOURCES.get(meaning.name) if meaning.spelling != FLASH_NAMES[0] else None
        return older or VALUE_TYPES.get(meaning.name)

    def value(self, node: ast.expr) -> Any:
        method = _READERS.get(type(node))
        if method is None:
            raise self.unreadable(node)
        return method(self, node)

    def constant(self, node: ast.Constant) -> Any:
        return node.value

    def sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Any:
        return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](self.values(node.elts))

    def values(self, nodes: Sequence[ast.expr]) -> list[Any]:
        """Of items or arguments, of which some may be starred."""
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values.extend(self.iterated(node.value))
            else:
                values.append(self.value(node))
        return values

    def dictionary(self, node: ast.Dict) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                merged = self.value(value)
                if not isinstance(merged, dict):
                    raise self.unreadable(value, "it is no dict")
                result.update(merged)
            else:
                result[self.key(key)] = self.value(value)
        return result

    def key(self, node: ast.expr) -> Any:
        value = self.value(node)
        try:
            hash(value)
        except TypeError:
            raise self.unreadable(node, "it cannot be a key") from None
        return value

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
        if found is None and owner is hardware.DataCenter and name.replace("_", "-") in hardware.OTHER_DATA_CENTERS:
            with located(Location(self.module.path, node.lineno)):
                # its own error says where endpoints run
                hardware.data_center(name)
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
            return self.pure_call(node)
        arguments, keywords = self.arguments(node)
        try:
            return callee(*arguments, **keywords)
        except DeclarationError as error:
            error.path, error.line = self.module.path, node.lineno
            raise
        except (TypeError, ValueError) as error:
            raise DeclarationError(f"{callee.__name__}: {error}", path=self.module.path, line=node.lineno) from error

    def arguments(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        arguments = self.values(node.args)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict):
                keywords.update(value)
            else:
                raise self.unreadable(keyword.value, "it is no dict")
        return arguments, keywords

    def pure_call(self, node: ast.Call) -> Any:
        """What a built-in function or method gives that does nothing but compute."""
        function = self.pure_function(node.func)
        if function is None:
            raise self.unreadable(node)
        arguments, keywords = self.arguments(node)
        if any(isinstance(argument, set) for argument in arguments) and function not in _OF_SETS:
            raise self.unreadable(node, "the order of a set differs from run to run")
        try:
            return function(*arguments, **keywords)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise self.unreadable(node, f"it fails: {error}") from None

    def pure_function(self, node: ast.expr) -> Callable[..., Any] | None:
        if isinstance(node, ast.Name):
            is_own = node.id in self.module.bindings or not isinstance(
                self.modules.meaning(self.module, node), FlashName | None
            )
            return None if is_own else _PURE_FUNCTIONS.get(node.id)
        if not isinstance(node, ast.Attribute) or self.value_type(node) is not None:
            return None
        owner = self.value(node.value)
        # not isinstance: a member of an enumeration is a str, too
        if node.attr not in _PURE_METHODS.get(type(owner), ()):
            return None
        method: Callable[..., Any] = getattr(owner, node.attr)
        return method

    def iterated(self, node: ast.expr) -> Any:
        value = self.value(node)
        if not isinstance(value, str | list | tuple | dict | KeysView | ValuesView | ItemsView):
            raise self.unreadable(node, "it is nothing that could be unpacked")
        return value

    def joined(self, node: ast.JoinedStr) -> str:
        return "".join(self.piece(part) for part in node.values)

    def piece(self, node: ast.expr) -> str:
        if not isinstance(node, ast.FormattedValue):
            return str(self.value(node))
        value = self.value(node.value)
        if type(value) not in (str, int, float, bool):
            # others look different from one Python to the next
            raise self.unreadable(node.value, "only text and numbers are read inside an f-string")
        if node.conversion in _CONVERSIONS:
            value = _CONVERSIONS[node.conversion](value)
        layout = "" if node.format_spec is None else self.value(node.format_spec)
        try:
            return format(value, layout)
        except ValueError as error:
            raise self.unreadable(node.value, f"it fails: {error}") from None

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
    ast.JoinedStr: _Evaluator.joined,
    ast.UnaryOp: _Evaluator.unary,
    ast.BinOp: _Evaluator.binary,
    ast.Name: _Evaluator.name,
    ast.Attribute: _Evaluator.name,
    ast.Call: _Evaluator.call,
    ast.Subscript: _Evaluator.subscript,
}
