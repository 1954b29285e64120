"""Types in annotations, and literals, read from syntax trees: those that mean the same whoever writes them.

That is numbers, text, bytes, ``None``, ``Any``, literals, and unions, lists, dicts, tuples and sets of these, by the
names that ``builtins``, ``typing`` and ``collections.abc`` have for them. Of anything else nothing is said.
"""

from __future__ import annotations

import ast
import base64
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flash.bundle.modules import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from flash.bundle.modules import Module

__all__ = ["ANY", "NO_LITERAL", "NULL", "Names", "Type", "literal"]

_OWN_NAMES: Final = frozenset({"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"})
_TYPING: Final = frozenset({"Any", "Dict", "FrozenSet", "List", "Literal", "Optional", "Set", "Tuple", "Union"})
_ITERATES: Final = frozenset({"AsyncGenerator", "AsyncIterable", "AsyncIterator", "Generator", "Iterable", "Iterator"})
_FROM: Final[Mapping[str, frozenset[str]]] = {"typing": _TYPING | _ITERATES, "collections.abc": _ITERATES}
_MOST_BITS: Final = 63

NO_LITERAL: Final = object()
"""For what is no literal: None is one."""


class Type(NamedTuple):
    """A type.

    Attributes:
        key: Equal for types that Python takes for equal.
        schema: JSON Schema, the same for what goes in and what comes out; not to be changed.
        is_mapping: Whether a parameter of it may take the whole input.
        is_ordered: Whether Python takes it for equal to one whose schema differs in the order of choices.
        choices: Of a union.
    """

    key: Hashable
    schema: dict[str, Any]
    is_mapping: bool = False
    is_ordered: bool = False
    choices: tuple[Type, ...] = ()


_INTEGER: Final = Type("int", {"type": "integer"})
ANY: Final = Type("Any", {})
NULL: Final = Type("None", {"type": "null"})
_OBJECT: Final = {"additionalProperties": True, "type": "object"}
_ARRAY: Final = {"items": {}, "type": "array"}
_SET: Final = {**_ARRAY, "uniqueItems": True}
_PLAIN: Final[Mapping[str, Type]] = {
    "Any": ANY,
    "Dict": Type("Dict", _OBJECT, is_mapping=True),
    "FrozenSet": Type("FrozenSet", _SET),
    "List": Type("List", _ARRAY),
    "Set": Type("Set", _SET),
    "bool": Type("bool", {"type": "boolean"}),
    "bytes": Type("bytes", {"format": "base64url", "type": "string"}),
    "dict": Type("dict", _OBJECT, is_mapping=True),
    "float": Type("float", {"type": "number"}),
    "frozenset": Type("frozenset", _SET),
    "int": _INTEGER,
    "list": Type("list", _ARRAY),
    "set": Type("set", _SET),
    "str": Type("str", {"type": "string"}),
    "tuple": Type("tuple", _ARRAY),
}
_SCALARS: Final = frozenset({"bool", "bytes", "float", "int", "str"})
_LITERALS: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", str: "string", type(None): "null"}


class Names:
    """What names stand for in the annotations of a module.

    Args:
        meanings: Of names of the module, those that are ``typing``'s or ``collections.abc``'s, with their names there.
        bound: Every name that the module may bind: a builtin of that name is not meant.
    """

    def __init__(self, meanings: Mapping[str, str], bound: Callable[[str], bool]) -> None:
        self._meanings = meanings
        self._bound = bound
        self._known: dict[str, Type | None] = {}

    @classmethod
    def of(cls, module: Module) -> Names:
        """Those of a module that imports them at its top, once, whatever else happens."""
        meanings = {}
        bindings = module.bindings
        for statement in module.tree.body:
            if not isinstance(statement, ast.ImportFrom) or statement.level or statement.module is None:
                continue
            for alias in statement.names:
                name, known = alias.asname or alias.name, _FROM.get(statement.module, ())
                if alias.name in known and bindings.get(name) == Import(statement.module, alias.name):
                    meanings[name] = alias.name if statement.module == "typing" else f"abc.{alias.name}"
        return cls(meanings, lambda name: bool(module.stars) or name in bindings)

    def without(self, own: frozenset[str]) -> Names:
        """Where a class has names of its own, which hide those of its module."""
        meanings = {name: meaning for name, meaning in self._meanings.items() if name not in own}
        return Names(meanings, lambda name: name in own or self._bound(name))

    def meaning(self, node: ast.expr) -> str:
        """What a name stands for, ``abc.`` before what is of ``collections.abc``; nothing where that is not known."""
        if not isinstance(node, ast.Name):
            return ""
        if (known := self._meanings.get(node.id)) is not None:
            return known
        return node.id if node.id in _OWN_NAMES and not self._bound(node.id) else ""

    def type(self, node: ast.expr) -> Type | None:
        """The type that an annotation says, or None where that is not known."""
        if isinstance(node, ast.Name):
            # most annotations are one
            if node.id not in self._known:
                self._known[node.id] = _PLAIN.get(self.meaning(node))
            return self._known[node.id]
        if isinstance(node, ast.Constant):
            return NULL if node.value is None else None
        if isinstance(node, ast.BinOp):
            return self._either(node)
        return self._subscripted(node) if isinstance(node, ast.Subscript) else None

    def quoted(self, node: ast.expr) -> ast.expr | None:
        """An annotation without its quotation marks."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
        return node

    def item(self, node: ast.expr) -> tuple[bool, Type | None]:
        """Of a generator's annotation, whether it can be read, and the type of one item, where that is said."""
        known = self.type(node)
        if known is not None or self.meaning(node).removeprefix("abc.") in _ITERATES:
            return True, None
        if not isinstance(node, ast.Subscript):
            return False, None
        meaning = self.meaning(node.value)
        types = [self.type(one) for one in _elements(node.slice)]
        count = {"Generator": 3, "AsyncGenerator": 2}.get(meaning.removeprefix("abc."), 1)
        if meaning.removeprefix("abc.") not in _ITERATES or len(types) != count or None in types:
            return False, None
        if not meaning.startswith("abc.") and any(one is not None and one.is_ordered for one in types):
            return False, None
        return True, types[0]

    def _either(self, node: ast.BinOp) -> Type | None:
        if not isinstance(node.op, ast.BitOr):
            return None
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            # of None and None there is no such thing
            return None
        left, right = self.type(node.left), self.type(node.right)
        return None if left is None or right is None else _union((left, right))

    def _subscripted(self, node: ast.Subscript) -> Type | None:
        meaning = self.meaning(node.value)
        if meaning == "Literal":
            return _literal_type(_elements(node.slice))
        elements = _elements(node.slice)
        if meaning in ("tuple", "Tuple") and len(elements) == 2 and _is_ellipsis(elements[1]):
            elements, meaning = elements[:1], f"{meaning}..."
        types = [one for one in map(self.type, elements) if one is not None]
        # typing keeps what it was given first for what is equal to it
        if len(types) != len(elements) or (meaning[:1].isupper() and any(one.is_ordered for one in types)):
            return None
        return _generic(meaning, types)


def literal(node: ast.expr) -> Any:
    """The value of a literal as JSON has it; an object of its own, which none equals, for what is none."""
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = _constant(node.operand.value)
        return -value if type(value) in (int, float) else NO_LITERAL
    if isinstance(node, ast.List | ast.Tuple):
        items = [literal(one) for one in node.elts]
        return NO_LITERAL if any(one is NO_LITERAL for one in items) else items
    if isinstance(node, ast.Dict):
        found = {}
        for key, item in zip(node.keys, node.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            value = literal(item)
            if not isinstance(name, str) or _constant(name) is NO_LITERAL or value is NO_LITERAL:
                return NO_LITERAL
            found[name] = value
        return found
    return NO_LITERAL


def _constant(value: object) -> Any:
    if isinstance(value, str):
        # of what Unicode does not allow, JSON has nothing
        return value if value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value) else NO_LITERAL
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MOST_BITS else NO_LITERAL
    return value if isinstance(value, float) and math.isfinite(value) else NO_LITERAL


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _union(given: Sequence[Type]) -> Type:
    choices: dict[Hashable, Type] = {}
    for one in given:
        choices.update({each.key: each for each in one.choices or (one,) if each.key not in choices})
    if len(choices) == 1:
        return next(iter(choices.values()))
    several = [one for one in choices.values() if one is not NULL]
    schemas: list[dict[str, Any]] = []
    for one in several:
        if one.schema not in schemas:
            schemas.append(one.schema)
    if NULL.key in choices and NULL.schema not in schemas:
        schemas.append(NULL.schema)
    return Type(
        key=("|", frozenset(choices)),
        schema=schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
        is_mapping=len(several) == 1 and several[0].is_mapping,
        is_ordered=len(several) > 1 or any(one.is_ordered for one in several),
        choices=tuple(choices.values()),
    )


def _generic(meaning: str, types: Sequence[Type]) -> Type | None:
    kind, count, key = meaning.lower(), len(types), (meaning, tuple(one.key for one in types))
    is_ordered = any(one.is_ordered for one in types)
    if meaning == "Union" and types:
        return _union(types)
    if meaning == "Optional" and count == 1:
        return _union((*types, NULL))
    if kind == "dict" and count == 2 and types[0].key == "str":
        values = {"additionalProperties": types[1].schema or True, "type": "object"}
        return Type(key, values, is_mapping=True, is_ordered=is_ordered)
    if kind in ("list", "tuple...") and count == 1:
        return Type(key, {"items": types[0].schema, "type": "array"}, is_ordered=is_ordered)
    if kind in ("set", "frozenset") and count == 1 and types[0].key in _SCALARS:
        return Type(key, {"items": types[0].schema, "type": "array", "uniqueItems": True})
    if kind == "tuple" and types:
        items = [one.schema for one in types]
        schema: dict[str, Any] = {"maxItems": count, "minItems": count, "prefixItems": items, "type": "array"}
        return Type(key, schema, is_ordered=is_ordered)
    return None


def _literal_type(nodes: Sequence[ast.expr]) -> Type | None:
    values: list[Any] = []
    for node in nodes:
        value = literal(node)
        if type(value) not in _LITERALS or (isinstance(node, ast.Constant) and isinstance(node.value, bytes)):
            return None
        if not any(type(value) is type(one) and value == one for one in values):
            values.append(value)
    if not values:
        return None
    kinds = {_LITERALS[type(value)] for value in values}
    schema: dict[str, Any] = {"const": values[0]} if len(values) == 1 else {"enum": values}
    if len(kinds) == 1:
        schema["type"] = kinds.pop()
    key = ("Literal", frozenset((type(value), value) for value in values))
    return Type(key, schema, is_ordered=len(values) > 1)
