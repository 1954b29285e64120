"""Results as JSON: what a function gave, never something that would fit better."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as core_to_json

from flash.errors import RemoteError
from flash.model.signature import Signature

__all__ = ["OutputEncoder", "output_adapter", "to_json"]

_OUTPUT_CONFIG: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


class OutputEncoder:
    """Turns what a function returned, or one item that it yielded, into JSON types.

    A result that its return type describes is written as that type says (aliases, serializers). Any other is written as
    it is: the encoder converts nothing to make it fit, so that a check can find the mismatch.
    """

    def __init__(self, returns: Any | None) -> None:
        self._adapter: TypeAdapter[Any] | None = None if returns is None else output_adapter(returns)

    @classmethod
    def of(cls, function: Callable[..., object]) -> OutputEncoder:
        """An encoder for a function or bound method.

        Raises:
            CallError: The function has no signature.
        """
        return cls(Signature.of(function).returns)

    def encode(self, value: object) -> object:
        """*value* as JSON types.

        Raises:
            RemoteError: JSON cannot carry it; names the type.
        """
        if self._adapter is not None:
            try:
                text = self._adapter.dump_json(value, by_alias=True, warnings="error")
                return json.loads(text, parse_constant=_refuse_constant)
            except (PydanticSerializationError, ValueError):
                return to_json(value)
        return to_json(value)


def to_json(value: object) -> Any:
    """*value* as JSON types: models, dataclasses, dates, sets, enums, bytes as base64.

    Raises:
        RemoteError: JSON cannot carry it; names the type.
    """
    try:
        text = core_to_json(value, by_alias=True, bytes_mode="base64", inf_nan_mode="constants")
        return json.loads(text, parse_constant=_refuse_constant)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        offender = _offender(value)
        raise RemoteError(
            f"the output is not JSON: {error}" if offender is None else f"the output is not JSON: it has a {offender}",
            hint="return plain data: numbers, text, lists, dicts, dataclasses or pydantic models",
        ) from error


def output_adapter(annotation: Any) -> TypeAdapter[Any]:
    """Pydantic's reading of a return type."""
    try:
        return TypeAdapter(annotation, config=_OUTPUT_CONFIG)
    except PydanticUserError:  # models, dataclasses and typed dicts bring their own configuration
        return TypeAdapter(annotation)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"float {name}")


def _offender(value: object, depth: int = 0) -> str | None:
    """The type of the first part that JSON cannot carry, None where no part can be named."""
    if depth > 20:  # deep enough to name a type in any sane result
        return None
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    else:
        try:
            text = core_to_json(value, bytes_mode="base64", inf_nan_mode="constants")
            json.loads(text, parse_constant=_refuse_constant)
        except PydanticSerializationError:
            if isinstance(value, str):
                return "text that Unicode does not allow"
            cls = type(value)
            prefix = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
            return f"value of type {prefix}{cls.__qualname__}"
        except ValueError as error:
            return str(error)
        return None
    return next((found for part in parts if (found := _offender(part, depth + 1)) is not None), None)
