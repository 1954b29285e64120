"""JSON Schemas read for a comparison: references followed, types and bounds worked out, said in a few words. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from flash.errors import FlashError

__all__ = [
    "ANNOTATIONS",
    "FORMATS",
    "TYPES",
    "Document",
    "NotUnderstood",
    "Shown",
    "assertions",
    "escaped",
    "is_anything",
    "limits",
    "multiple",
    "plain",
    "same",
    "tags",
    "text_of",
    "type_of",
    "types_of",
    "wide",
    "words",
]

Schema = Mapping[str, Any]

ANNOTATIONS: Final = frozenset(
    {
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "example",
        "readOnly",
        "title",
        "writeOnly",
    }
)
"""Keywords that say nothing about which values are valid. Source: JSON Schema 2020-12 Validation §9."""

FORMATS: Final = ("format", "contentEncoding", "contentMediaType")
"""Keywords that say what text means. For readers they are part of the promise, whether or not a validator asserts."""

TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")

_ANY: Final = tuple(one for one in TYPES if one != "integer")  # which a number includes
_LONGEST: Final = 60
_MOST_REFERENCES: Final = 64


class NotUnderstood(FlashError):
    """A schema says something that is not understood; the message says what."""


class Shown(NamedTuple):
    """What to show for two schemas, of which only parts may be looked at."""

    sub: Any
    sup: Any


class Document:
    """A schema's document, in which its references lead somewhere.

    Args:
        root: Of the document.
    """

    def __init__(self, root: Schema | bool) -> None:
        self.root = root

    def resolved(self, schema: Any) -> Schema | bool:
        """*schema* without a reference at its top.

        Raises:
            NotUnderstood: It leads nowhere, out of the document, or to itself; or it is no schema.
        """
        beside: list[Schema] = []
        for _ in range(_MOST_REFERENCES):
            if isinstance(schema, bool):
                return {"allOf": [schema, *beside]} if beside else schema
            if not isinstance(schema, Mapping):
                raise NotUnderstood(f"{json.dumps(schema, default=repr)[:_LONGEST]} is no schema")
            if "$ref" not in schema:
                return {"allOf": [schema, *beside]} if beside else schema
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            if not is_anything(rest):
                beside.append(rest)
            schema = self._target(schema["$ref"])
        raise NotUnderstood("a $ref leads to itself")

    def reference_to(self, schema: Any) -> Any:
        """*schema*; where it is one of the document's definitions, written out, the reference to that."""
        definitions = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
        if not isinstance(definitions, Mapping) or not isinstance(schema, Mapping) or "$ref" in schema:
            return schema
        itself = text_of(plain({key: value for key, value in schema.items() if key != "$defs"}, with_defaults=True))
        fitting = (name for name, one in definitions.items() if text_of(plain(one, with_defaults=True)) == itself)
        name = next(fitting, None)
        return schema if name is None else {"$ref": f"#/$defs/{escaped(name)}"}

    def _target(self, pointer: object) -> Any:
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            raise NotUnderstood(f"$ref {pointer!r} leaves the document")
        found: Any = self.root
        for part in pointer[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise NotUnderstood(f"$ref {pointer!r} leads nowhere")
            found = found[key]
        return found


def is_anything(schema: Schema | bool) -> bool:
    """Whether every value is valid under it."""
    return schema is True or (isinstance(schema, Mapping) and set(schema) <= ANNOTATIONS)


def text_of(value: Any) -> str:
    """A value, or a schema, as text: 1 and true are apart, which Python takes for equal."""
    return json.dumps(value, sort_keys=True, default=repr)


def escaped(name: str) -> str:
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def plain(schema: Any, *, with_defaults: bool = False) -> Any:
    """A schema without what is only said about it; the names of properties are none of that."""
    if isinstance(schema, list):
        return [plain(one, with_defaults=with_defaults) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    named = ("properties", "patternProperties", "$defs", "definitions")
    return {
        key: {name: plain(one, with_defaults=with_defaults) for name, one in value.items()}
        if key in named and isinstance(value, Mapping)
        else value
        if key in ("const", "default", "enum", "required")
        else plain(value, with_defaults=with_defaults)
        for key, value in schema.items()
        if key not in ANNOTATIONS or key in ("$defs", "definitions") or (with_defaults and key == "default")
    }


def assertions(schema: Schema) -> Schema:
    """What it says of values."""
    return {key: value for key, value in schema.items() if key not in ANNOTATIONS}


def same(one: Any, two: Any) -> int:
    """2 where they mean the same, 1 where only defaults differ, else 0; what is said about them does not count."""
    for level, with_defaults in ((2, True), (1, False)):
        if text_of(plain(one, with_defaults=with_defaults)) == text_of(plain(two, with_defaults=with_defaults)):
            return level
    return 0


def type_of(value: Any) -> str:
    """The type of a JSON value; of numbers the wider one."""
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", float: "number", int: "number", list: "array", str: "string"}
    return names.get(type(value), "null")


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types of JSON that it allows, as far as ``type`` says.

    Raises:
        NotUnderstood: There is no such type.
    """
    found = schema.get("type")
    if found is None:
        return _ANY
    types = (found,) if isinstance(found, str) else tuple(found)
    if unknown := [one for one in types if one not in TYPES]:
        raise NotUnderstood(f"type {unknown[0]!r}")
    return types


def wide(types: Iterable[str]) -> set[str]:
    """Types as they overlap: integers are numbers."""
    return {"number" if one == "integer" else one for one in types}


def tags(schema: Schema | bool, name: str, document: Document) -> tuple[Any, ...]:
    """The values of the property that tells the kinds of a union apart; nothing where it has no fixed ones."""
    if isinstance(schema, bool):
        return ()
    found = document.resolved(schema.get("properties", {}).get(name, {}))
    if isinstance(found, bool):
        return ()
    return (found["const"],) if "const" in found else tuple(found.get("enum", ()))


def limits(schema: Schema, low: str, high: str, *, is_integer: bool = False) -> tuple[Any, bool, Any, bool]:
    """The lowest value and whether it is excluded, the highest and whether it is; infinite where there is none.

    Args:
        schema: With ``minimum``, ``minLength`` and the like.
        low: The keyword of the lower bound.
        high: The keyword of the upper one.
        is_integer: Whether only integers are meant, so that *above 0* is *from 1*.
    """
    least, least_excluded = schema.get(low, -math.inf), False
    most, most_excluded = schema.get(high, math.inf), False
    if low == "minimum":
        above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
        if above >= least and above != -math.inf:
            least, least_excluded = above, True
        if below <= most and below != math.inf:
            most, most_excluded = below, True
    if is_integer:
        if math.isfinite(least):
            least, least_excluded = (math.floor(least) + 1 if least_excluded else math.ceil(least)), False
        if math.isfinite(most):
            most, most_excluded = (math.ceil(most) - 1 if most_excluded else math.floor(most)), False
    return least, least_excluded, most, most_excluded


def multiple(schema: Schema) -> Fraction | None:
    """What valid numbers are multiples of, as it is written: 0.1 is a tenth."""
    found = schema.get("multipleOf")
    return None if found is None else Fraction(str(found))


def words(schema: Any) -> str:
    """A schema in a few words, for people.

    >>> words({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'array of integer | null'
    >>> words({"$ref": "#/$defs/Cat"}), words({"enum": ["a", "b"]}), words({})
    ('Cat', '"a" | "b"', 'anything')
    """
    text = " | ".join(dict.fromkeys(_choices(schema)))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _choices(schema: Any) -> list[str]:
    if not isinstance(schema, Mapping):
        return ["nothing" if schema is False else "anything"]
    if "$ref" in schema:
        return [str(schema["$ref"]).rpartition("/")[2]]
    if "const" in schema:
        return [json.dumps(schema["const"], ensure_ascii=False)]
    if "enum" in schema:
        return [json.dumps(one, ensure_ascii=False) for one in schema["enum"]]
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return [choice for branch in schema[keyword] for choice in _choices(branch)]
    if "type" not in schema:
        return ["anything"]
    return [_of_type(one, schema) for one in types_of(schema)]


def _of_type(name: str, schema: Schema) -> str:
    if name == "string" and "format" in schema:
        return f"string ({schema['format']})"
    if name == "array" and isinstance(schema.get("items"), Mapping):
        return f"array of {words(schema['items'])}"
    if name == "object" and isinstance(schema.get("title"), str) and "properties" in schema:
        return str(schema["title"])
    return name
