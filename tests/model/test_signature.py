"""What a signature's schema promises: that whatever is valid under it is an input."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, NaiveDatetime, TypeAdapter

from flash.contract.strategies import Unsupported, from_schema
from flash.model.signature import SchemaGenerator


def schema(kind: Any, mode: Literal["validation", "serialization"] = "validation") -> dict[str, Any]:
    return TypeAdapter(kind).json_schema(mode=mode, schema_generator=SchemaGenerator)


@pytest.mark.parametrize(
    "kind",
    [
        *(Decimal, Annotated[Decimal, Field(ge=3, lt=100)], list[Decimal | None], dict[int, Decimal]),
        *(dict[int, str], dict[float, int], dict[bool, int], dict[Decimal, int], dict[str, int], AwareDatetime),
        *(dict[int, dict[bool, int]], dict[Literal["a", "b"], int]),
    ],
    ids=str,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(data=st.data())
def test_what_is_drawn_from_a_schema_is_accepted(kind: Any, data: st.DataObject) -> None:
    """As it arrives: as JSON."""
    value = data.draw(from_schema(schema(kind)))
    TypeAdapter(kind).validate_python(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    "kind",
    [NaiveDatetime, complex, dict[Literal[1, 2], int], dict[Annotated[int, Field(ge=3)], int], dict[complex, int]],
    ids=str,
)
def test_what_a_schema_cannot_say_is_not_drawn(kind: Any) -> None:
    """A format that nobody knows: such values are not made, rather than wrong ones."""
    with pytest.raises(Unsupported):
        from_schema({"type": "object", "properties": {"x": schema(kind)}, "required": ["x"]})


def test_results_are_not_held_to_what_inputs_look_like() -> None:
    """A large decimal is written with an exponent."""
    assert schema(Decimal, "serialization") == {"type": "string"}
    assert "propertyNames" not in schema(dict[int, str], "serialization")
