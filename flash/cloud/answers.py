"""Whether an answer holds what its document asked for: told here, once, instead of by a ``KeyError`` somewhere later.

Lenient on purpose where nothing is read: values of enumerations that are new, keys that nobody asked for, and null in
place of what may be missing are all fine.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphql import FieldNode, OperationDefinitionNode, parse

from flash.cloud.operations import OPERATIONS
from flash.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import SelectionSetNode

__all__ = ["checked"]

_Shape: TypeAlias = "Mapping[str, _Shape | None]"

_TEXTS: Final = frozenset({"id", "name", "objectKey", "uploadUrl", "key"})
"""Leaves that something is made of."""
_TEXTS_OR_NULL: Final = frozenset({"activeBuildId", "apiKey", "createdAt", "expiresAt", "templateId"})
_MAY_BE_ABSENT: Final = frozenset({"state", *_TEXTS_OR_NULL})
_UNNAMED: Final = frozenset({"podTemplate", "saveTemplate"})
"""Templates made elsewhere need not have a name."""


def checked(name: str, data: object) -> dict[str, Any]:
    """*data*, if it is an answer to the operation *name*.

    Raises:
        PlatformError: It lacks something; says what and where.
    """
    shape, is_mutation = _asked(name)
    if not isinstance(data, dict):
        raise _unfit(name, "data", data)
    for field, inner in shape.items():
        value = data.get(field)
        if inner is None:
            if field not in data:
                raise _missing(name, field)
        elif value is None:
            # a look-up that finds nothing is null; what was made is there
            if is_mutation or field not in data:
                raise _missing(name, field)
        else:
            _check(name, field, inner, value, is_unnamed=field in _UNNAMED)
    return data


def _check(name: str, where: str, shape: _Shape, value: object, *, is_unnamed: bool = False) -> None:
    if isinstance(value, list):
        for number, one in enumerate(value):
            _check(name, f"{where}[{number}]", shape, one)
        return
    if not isinstance(value, dict):
        raise _unfit(name, where, value)
    for field, inner in shape.items():
        place, found = f"{where}.{field}", value.get(field)
        if field not in value and field not in _MAY_BE_ABSENT:
            raise _missing(name, place)
        if inner is not None:
            if found is not None:
                _check(name, place, inner, found)
        elif field in _TEXTS:
            if not isinstance(found, str) and not (found is None and field == "name" and is_unnamed):
                raise _unfit(name, place, found)
        elif field in _TEXTS_OR_NULL and not (found is None or isinstance(found, str)):
            raise _unfit(name, place, found)


@functools.cache
def _asked(name: str) -> tuple[_Shape, bool]:
    operation = OPERATIONS[name]
    (definition,) = parse(operation.text, no_location=True).definitions
    if not isinstance(definition, OperationDefinitionNode):
        raise TypeError(f"{name} is no operation")
    return _shape(definition.selection_set), operation.is_mutation


def _shape(selections: SelectionSetNode) -> _Shape:
    return {
        field.name.value: None if field.selection_set is None else _shape(field.selection_set)
        for field in selections.selections
        if isinstance(field, FieldNode)
    }


def _missing(name: str, where: str) -> PlatformError:
    return _error(name, f"{where} is missing")


def _unfit(name: str, where: str, value: object) -> PlatformError:
    # the kind, not the value: nobody knows what it is, and it may be a secret
    return _error(name, f"{where} is {'null' if value is None else type(value).__name__}")


def _error(name: str, what: str) -> PlatformError:
    return PlatformError(
        f"{name}: the platform's answer cannot be used: {what}",
        operation=name,
        hint="the platform may have changed: try a newer pytest-flash, or see what answers at RUNPOD_API_BASE_URL",
    )
