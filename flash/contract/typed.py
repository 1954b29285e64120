"""Which part of a function's input has a type that values can be made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["typed_part"]


def typed_part(schema: Mapping[str, Any], untyped: list[str]) -> tuple[dict[str, Any], list[str], str]:
    """The schema without the parameters that have no type, their names, and why nothing is left, if so."""
    whole = dict(schema)
    if _is_bare(_resolved(whole, schema)):
        return whole, [], "not fuzzed: its input is an object of anything"
    properties: Mapping[str, Any] = whole.get("properties", {})
    names = {name for name in untyped if name != "return"}
    bare = {name for name, value in properties.items() if name in names or _is_bare(_resolved(value, schema))}
    needed = [name for name in whole.get("required", ()) if name in bare]
    if needed:
        return whole, [], f"not fuzzed: untyped: {', '.join(needed)}"
    if names - set(properties):
        # ``**options``, the only parameter that has no property of its own
        whole["additionalProperties"] = False
    if bare:
        whole["properties"] = {name: value for name, value in properties.items() if name not in bare}
    return whole, sorted(bare | names), ""


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    if isinstance(schema, dict) and str(schema.get("$ref", "")).startswith("#/$defs/"):
        return root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"), schema)
    return schema


def _is_bare(schema: Any) -> bool:
    """Whether it says nothing but "anything", or "an object of anything"."""
    if not isinstance(schema, dict):
        return schema is True
    if any(_is_bare(branch) for branch in schema.get("anyOf", ())):
        return True
    said = set(schema) - {"title", "description", "default", "examples", "deprecated", "$defs"}
    if said == {"additionalProperties", "type"}:
        return schema["type"] == "object" and schema["additionalProperties"] in (True, {})
    return not said or (said == {"type"} and schema["type"] == "object")
