"""A small value for a JSON Schema, to show and to try an endpoint with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["smallest"]

_FORMATS: Final[dict[str, str]] = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "a@example.com",
    "uri": "http://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "json-string": "null",
}


def smallest(schema: Mapping[str, Any]) -> Any:
    """A small value for a JSON Schema, made without looking back: it may be wrong, and must be validated.

    Shape: any JSON. Optional properties are left out; an ``examples`` of the author is preferred.
    """
    return _smallest(schema, schema.get("$defs", {}), depth=0)


def _smallest(schema: Any, definitions: Mapping[str, Any], depth: int) -> Any:  # noqa: C901  a table of keywords
    if not isinstance(schema, Mapping) or depth > 8:  # a recursive type with no way out
        return None
    if "$ref" in schema:
        return _smallest(definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1]), definitions, depth + 1)
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            # null fits an optional value and shows nothing
            choices = [choice for choice in schema[keyword] if choice != {"type": "null"}] or schema[keyword]
            return _smallest(choices[0], definitions, depth + 1)
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: _smallest(properties.get(name, {}), definitions, depth + 1) for name in schema.get("required", ())
        }
    if kind == "array":
        items = [_smallest(item, definitions, depth + 1) for item in schema.get("prefixItems", ())]
        missing = schema.get("minItems", 0) - len(items)
        return items + [_smallest(schema.get("items"), definitions, depth + 1) for _ in range(missing)]
    if kind in {"integer", "number"}:
        return _smallest_number(schema)
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    text = _FORMATS.get(schema.get("format", ""), "")
    return text if len(text) >= schema.get("minLength", 0) else "a" * schema["minLength"]


def _smallest_number(schema: Mapping[str, Any]) -> int | float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    if low is not None and low > 0:
        value: int | float = -(-low // step) * step
    elif high is not None and high < 0:
        value = high // step * step
    else:
        return 0
    if high is not None and low is not None and not low <= value <= high:
        return (low + high) / 2 if schema["type"] == "number" else value
    return value
