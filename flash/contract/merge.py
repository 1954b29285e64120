"""Two schemas that must hold at once become one, where that is simple."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flash.contract.formats import Unsupported

__all__ = ["merged"]

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset(
    {
        "$comment",
        "$schema",
        "contentEncoding",
        "default",
        "deprecated",
        "description",
        "discriminator",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)


def merged(first: Schema | bool, second: Schema | bool) -> dict[str, Any]:
    """A schema under which exactly the values are valid that both take.

    Raises:
        Unsupported: Both have a keyword whose conjunction no single schema expresses, such as two patterns.

    Example:
        >>> merged({"type": "number", "minimum": 1}, {"type": "integer", "minimum": 0, "title": "N"})
        {'type': ['integer'], 'minimum': 1, 'title': 'N'}
    """
    if first is False or second is False:
        return {"enum": []}
    one, two = ({} if schema is True else schema for schema in (first, second))
    for schema, other in ((one, two), (two, one)):
        if "additionalProperties" in schema and schema["additionalProperties"] is not True:
            strangers = set(other.get("properties", ())) - set(schema.get("properties", ()))
            if strangers:
                raise Unsupported(f"'allOf' of 'additionalProperties' with other properties: {sorted(strangers)}")
    whole = dict(one)
    for keyword, value in two.items():
        if keyword not in whole or keyword in _ANNOTATIONS:
            whole[keyword] = value
        elif keyword in ("anyOf", "oneOf", "allOf"):
            whole.setdefault("allOf", [])
            whole["allOf"] = [*whole["allOf"], *(value if keyword == "allOf" else [{keyword: value}])]
        elif keyword in _RULES:
            whole[keyword] = _RULES[keyword](whole[keyword], value)
        elif whole[keyword] != value:
            raise Unsupported(f"'allOf' of two different {keyword!r}")
    return whole


def _types(one: str | list[str], two: str | list[str]) -> list[str]:
    left = [one] if isinstance(one, str) else one
    right = [two] if isinstance(two, str) else two
    both = [name for name in left if name in right or (name == "integer" and "number" in right)]
    return both + [name for name in right if name == "integer" and "number" in left and name not in both]


def _properties(one: Schema, two: Schema) -> Schema:
    return {**one, **{name: merged(one[name], schema) if name in one else schema for name, schema in two.items()}}


_RULES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "type": _types,
    "required": lambda one, two: [*one, *(name for name in two if name not in one)],
    "properties": _properties,
    "items": merged,
    "additionalProperties": lambda one, two: False if False in (one, two) else merged(one, two),
    "enum": lambda one, two: [value for value in one if value in two],
    "uniqueItems": lambda one, two: one or two,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}
