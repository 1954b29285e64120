"""JSON Schema as pydantic makes it, where it says less or more than what pydantic accepts: mended."""

from __future__ import annotations

import typing
from typing import Any, ClassVar, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import core_schema

__all__ = ["SchemaGenerator"]

_BOUNDS: Final = frozenset(
    {"ge", "gt", "le", "lt", "multiple_of", "max_digits", "decimal_places", "min_length", "max_length", "pattern"}
)
# what the names of a dict's items may look like, by the type that they are converted to
_NAMES: Final[dict[str, dict[str, Any]]] = {
    "int": {"pattern": r"^-?\d{1,15}$"},
    "float": {"pattern": r"^-?\d{1,15}(\.\d{1,5})?$"},
    "decimal": {"pattern": r"^-?\d{1,15}(\.\d{1,5})?$"},
    "bool": {"enum": ["true", "false"]},
    "complex": {"format": "complex"},
    "literal": {"format": "literal"},
}


class SchemaGenerator(GenerateJsonSchema):
    """Pydantic's JSON Schema 2020-12, silent about defaults that JSON cannot carry.

    Where pydantic's own allows more than its validation, this says what is accepted: whatever is valid under the schema
    of an input is an input. A format that JSON Schema does not know tells readers that they cannot make such values.
    """

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own spelling
    _method_names: ClassVar[dict[Any, str]] = {}

    def build_schema_type_to_method(self) -> dict[Any, Callable[[Any], JsonSchemaValue]]:
        """As pydantic's, which asks for the names of all methods anew for every schema."""
        if not self._method_names:
            for kind, method in super().build_schema_type_to_method().items():
                self._method_names[kind] = method.__name__
        return {kind: getattr(self, name) for kind, name in self._method_names.items()}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A number, or text that is one; only a number where it has bounds, which text cannot show."""
        said = super().decimal_schema(schema)
        if self.mode != "validation" or "anyOf" not in said:
            return said
        number, *texts = said["anyOf"]
        if not _BOUNDS.isdisjoint(schema):
            bounded: JsonSchemaValue = number
            return bounded
        return {**said, "anyOf": [number, *({"pattern": r"^[+-]?\d+(\.\d+)?$", **text} for text in texts)]}

    def complex_schema(self, schema: core_schema.ComplexSchema) -> JsonSchemaValue:
        """Text such as ``1+2j``."""
        return {**super().complex_schema(schema), "format": "complex"}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """``date-time`` has an offset; what must have none is something else."""
        said = super().datetime_schema(schema)
        return {**said, "format": "naive-date-time"} if schema.get("tz_constraint") == "naive" else said

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """What tells the choices apart has to be there, also where each choice alone has a default for it."""
        said = super().tagged_union_schema(schema)
        tag = said.get("discriminator", {}).get("propertyName")
        return {**said, "required": [tag]} if tag and self.mode == "validation" else said

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Names are text in JSON, and have to look like what they are converted to."""
        said = super().dict_schema(schema)
        keys: Any = schema.get("keys_schema")
        names = _NAMES.get(keys["type"]) if keys is not None and self.mode == "validation" else None
        if names is None or (keys["type"] == "literal" and all(isinstance(one, str) for one in keys["expected"])):
            return said
        bounded = names if _BOUNDS.isdisjoint(keys) else {"format": f"bounded-{keys['type']}"}
        return {**said, "propertyNames": {**said.get("propertyNames", {}), **bounded}}
