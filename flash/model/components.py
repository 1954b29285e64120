"""Schemas of many functions under one roof: each type has one name, and no two types have the same.

What pydantic puts into each schema's own ``$defs`` is gathered into the components of an OpenAPI document. A type that
several functions share is there once, under its own name; where two types are called alike, each gets a name that says
whose it is, and a model that is read otherwise than it is written is two types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Components", "Direction", "Names", "pascal", "reference"]

Direction = Literal["Input", "Output"]
Schema = dict[str, Any]

_PLACE: Final = "#/components/schemas/"
_LOCAL: Final = "#/$defs/"
# what stands under these is data or names, and no schema
_DATA: Final = frozenset({"const", "default", "dependentRequired", "enum", "examples", "required"})
_NAMED: Final = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
_WORDS: Final = re.compile(r"[A-Za-z0-9]+")
# Source: OpenAPI 3.1.1, "Components Object": what keys have to match
_NO_KEY: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")


def pascal(name: str) -> str:
    """A name as classes have them.

    >>> pascal("gpu_hello"), pascal("my-api.v2")
    ('GpuHello', 'MyApiV2')
    """
    return "".join(word[0].upper() + word[1:] for word in _WORDS.findall(name)) or "Unnamed"


def reference(name: str) -> Schema:
    """A reference to the schema of that name."""
    return {"$ref": f"{_PLACE}{name}"}


class Names:
    """What has to be unique in a document.

    Attributes:
        schemas: What was put there.
    """

    def __init__(self, taken: Collection[str]) -> None:
        self.schemas: dict[str, Schema] = {}
        self._taken = set(taken)
        self._operations: set[str] = set()

    def operation(self, *words: str) -> str:
        """An id that no other operation has."""
        found = _free(_NO_NAME.sub("_", "_".join(words)).strip("_") or "operation", self._operations)
        self._operations.add(found)
        return found

    def put(self, name: str, schema: Schema) -> Schema:
        """A reference to a schema under that name, or one like it."""
        found = _free(name, self._taken)
        self._taken.add(found)
        self.schemas[found] = schema
        return reference(found)


@dataclass(slots=True, eq=False)
class _Type:
    """A schema that is to have a name.

    Attributes:
        wish: What it is called where it comes from.
        schema: With references to its own ``$defs``.
        used: The types that these are, by the names that they have there.
        owner: The first function that has it.
        directions: Where it is found.
        name: What it is called here.
    """

    wish: str
    schema: Schema
    used: Mapping[str, _Type]
    owner: str
    directions: dict[Direction, None] = field(default_factory=dict)
    name: str = ""


class Components:
    """Gathers schemas, and then names them.

    Everything has to be added first: only then is it known which names are unique.
    """

    def __init__(self, reserved: Collection[str] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._types: dict[tuple[str, str], _Type] = {}
        # the same models come with a thousand functions
        self._used: dict[str, dict[str, _Type]] = {"{}": {}}
        self._is_named = False

    def add(self, schema: Mapping[str, Any], *, owner: str, direction: Direction, wish: str) -> Callable[[], Schema]:
        """Take a schema with its own ``$defs``.

        Args:
            schema: Stays as it is.
            owner: The function that has it, in Pascal case.
            direction: Whether it is what goes in, or what comes out.
            wish: The name of an object without one.

        Returns:
            What gives the schema as it is to be written into the document: a reference, where it has a name.
        """
        definitions: Mapping[str, Any] = schema.get("$defs", {})
        used = self._definitions(definitions, owner)
        for one in used.values():
            one.directions[direction] = None
        body = {key: value for key, value in schema.items() if key != "$defs"} if definitions else dict(schema)
        if len(body) == 1 and (only := str(body.get("$ref", "")).removeprefix(_LOCAL)) in used:
            return lambda: self._reference(used[only])
        if body.get("type") == "object" and body.get("properties"):
            named = self._type(str(body.get("title", wish)), body, definitions, used, owner)
            named.directions[direction] = None
            return lambda: self._reference(named)
        return lambda: self._written(body, used)

    def schemas(self) -> dict[str, Schema]:
        """All that have a name, sorted by it."""
        self._name()
        ones = sorted(self._types.values(), key=lambda one: one.name)
        return {one.name: self._titled(one) for one in ones}

    def _definitions(self, definitions: Mapping[str, Any], owner: str) -> dict[str, _Type]:
        text = json.dumps(definitions) if definitions else "{}"
        if (used := self._used.get(text)) is None:
            used = self._used[text] = {}
            for name, schema in definitions.items():
                used[name] = self._type(name, schema, definitions, used, owner)
        return used

    def _type(
        self, wish: str, schema: Schema, definitions: Mapping[str, Any], used: Mapping[str, _Type], owner: str
    ) -> _Type:
        meant = {name: definitions[name] for name in _reachable(schema, definitions)} if definitions else {}
        key = (wish, json.dumps([schema, meant], sort_keys=True))
        if (known := self._types.get(key)) is None:
            known = self._types[key] = _Type(wish, schema, used, owner)
        return known

    def _reference(self, one: _Type) -> Schema:
        self._name()
        return reference(one.name)

    def _titled(self, one: _Type) -> Schema:
        written = self._written(one.schema, one.used)
        # generators of clients go by titles rather than by names
        return written if written.get("title", one.name) == one.name else {**written, "title": one.name}

    def _written(self, schema: Schema, used: Mapping[str, _Type]) -> Schema:
        self._name()
        if not used:
            return schema
        written: Schema = _rewritten(schema, {name: f"{_PLACE}{one.name}" for name, one in used.items()})
        return written

    def _name(self) -> None:
        if self._is_named:
            return
        self._is_named = True
        alike: dict[str, list[_Type]] = {}
        for one in self._types.values():
            alike.setdefault(_NO_KEY.sub("_", one.wish) or "Unnamed", []).append(one)
        unique = {wish for wish, ones in alike.items() if len(ones) == 1} - self._reserved
        taken = unique | self._reserved
        for wish, ones in alike.items():
            # one is what goes in, the other what comes out
            is_a_pair = len(ones) == len({*(one.directions and next(iter(one.directions)) for one in ones)})
            for one in ones:
                if wish in unique:
                    one.name = wish
                    continue
                direction = next(iter(one.directions)) if len(one.directions) == 1 else ""
                told = is_a_pair and bool(direction) and len(ones) > 1
                one.name = _free(f"{wish}{direction}" if told else f"{one.owner}{wish}{direction}", taken)
                taken.add(one.name)


def _free(name: str, taken: Collection[str]) -> str:
    """*name*, or the first of *name2*, *name3*, … that is not taken."""
    number, tried = 2, name
    while tried in taken:
        tried, number = f"{name}{number}", number + 1
    return tried


def _references(value: Any, *, holds_names: bool = False) -> Iterator[str]:
    """The definitions that a schema refers to, by name."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item.removeprefix(_LOCAL)
            elif holds_names or key not in _DATA:
                yield from _references(item, holds_names=key in _NAMED and not holds_names)


def _reachable(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, None]:
    found: dict[str, None] = {}
    pending = list(_references(schema)) if definitions else []
    while pending:
        name = pending.pop(0)
        if name not in found and name in definitions:
            found[name] = None
            pending += _references(definitions[name])
    return found


def _rewritten(value: Any, places: Mapping[str, str], *, holds_names: bool = False) -> Any:
    """A schema whose references lead elsewhere."""
    if isinstance(value, list):
        return [_rewritten(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    written: Schema = {}
    for key, item in value.items():
        if holds_names:
            written[key] = _rewritten(item, places)
        elif key == "$ref" and isinstance(item, str):
            written[key] = places.get(item.removeprefix(_LOCAL), item)
        elif key == "mapping" and isinstance(item, dict):
            # of a discriminator
            written[key] = {name: places.get(str(one).removeprefix(_LOCAL), one) for name, one in item.items()}
        elif key in _DATA:
            written[key] = item
        else:
            written[key] = _rewritten(item, places, holds_names=key in _NAMED)
    return written
