"""Whether a JSON value keeps to a JSON Schema, and in one line each, where it does not.

The judging is jsonschema's; see docs/decisions/0002-jsonschema.md. Nothing is ever fetched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["is_valid", "validate"]

_LINE_LENGTH: Final = 200


def validate(schema: Mapping[str, Any] | bool, value: object) -> list[str]:
    """What is wrong with *value* under *schema*: ``["$.items[0]: 'x' is not of type 'integer'"]``, or nothing.

    Formats that jsonschema can check are checked. A value that is not JSON at all, and a schema that is none, are
    problems too.
    """
    problems = list(_not_json(value, "$"))
    if problems:
        return problems
    try:
        Draft202012Validator.check_schema(schema)
        errors = sorted(_validator(schema).iter_errors(value), key=lambda error: error.json_path)
    except SchemaError as error:
        return [_line(f"the schema itself is wrong: {error.message}")]
    except Unresolvable as error:
        return [_line(f"the schema itself is wrong: {error}")]
    return [_line(_said(error)) for error in errors]


def is_valid(schema: Mapping[str, Any] | bool, value: object, *, root: Mapping[str, Any] | bool) -> bool:
    """Whether *value* is valid under *schema*, a part of the document *root*. Formats are not looked at."""
    return bool(_validator(root, formats=False).evolve(schema=schema).is_valid(value))


def _validator(schema: Mapping[str, Any] | bool, *, formats: bool = True) -> Draft202012Validator:
    checker = Draft202012Validator.FORMAT_CHECKER if formats else None
    return Draft202012Validator(schema, registry=Registry(), format_checker=checker)


def _said(error: ValidationError) -> str:
    # of a union's branches the one that came nearest says more than "not valid under any of the given schemas"
    nearest = best_match([error]) or error
    where = nearest.json_path
    return f"{where}: {nearest.message}"


def _line(message: str) -> str:
    flat = " ".join(message.split())
    return flat if len(flat) <= _LINE_LENGTH else flat[: _LINE_LENGTH - 1] + "…"


def _not_json(value: object, where: str) -> Iterator[str]:
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            yield f"{where}: {value!r} is not JSON"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, f"{where}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield _line(f"{where}: the key {key!r} is not JSON")
            yield from _not_json(item, f"{where}.{key}")
    else:
        yield f"{where}: a {type(value).__name__} is not JSON"
