"""Schemas of many functions under one roof."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flash.model.components import Components, Direction, Names, pascal

POINT = {"type": "object", "title": "Point", "properties": {"x": {"type": "integer"}}}
OTHER = {"type": "object", "title": "Point", "properties": {"x": {"type": "string"}}}
HERE = "#/components/schemas/"


def gathered(*given: tuple[dict[str, Any], Direction], reserved: tuple[str, ...] = ()) -> tuple[list[Any], list[str]]:
    """What each schema became, and which names there are."""
    components = Components(reserved)
    added = [
        components.add(schema, owner=f"F{number}", direction=direction, wish=f"F{number}{direction}")
        for number, (schema, direction) in enumerate(given)
    ]
    names = list(components.schemas())
    return [one() for one in added], names


def test_what_several_have_is_there_once() -> None:
    """A model as the whole input of one function, and a part of another's."""
    part = {"type": "array", "items": {"$ref": "#/$defs/Point"}, "$defs": {"Point": POINT}}
    written, names = gathered((POINT, "Input"), (part, "Output"))
    assert names == ["Point"]
    assert written == [{"$ref": f"{HERE}Point"}, {"type": "array", "items": {"$ref": f"{HERE}Point"}}]


def test_a_model_that_is_read_otherwise_than_written_is_two_types() -> None:
    """As FastAPI names them."""
    components = Components()
    components.add(POINT, owner="F", direction="Input", wish="FInput")
    components.add(OTHER, owner="F", direction="Output", wish="FOutput")
    # generators of clients go by titles
    assert {name: schema["title"] for name, schema in components.schemas().items()} == {
        "PointInput": "PointInput",
        "PointOutput": "PointOutput",
    }


def test_namesakes_are_told_apart_by_whose_they_are() -> None:
    """Three of them, in two directions."""
    third = {**POINT, "description": "third"}
    written, names = gathered((POINT, "Input"), (OTHER, "Input"), (third, "Output"))
    assert names == ["F0PointInput", "F1PointInput", "F2PointOutput"]
    assert written[1] == {"$ref": f"{HERE}F1PointInput"}


def test_a_users_type_does_not_take_the_documents_own_name() -> None:
    """What is reserved stays what it is."""
    written, names = gathered((POINT, "Input"), reserved=("Point",))
    assert names == ["F0PointInput"]
    assert written == [{"$ref": f"{HERE}F0PointInput"}]


def test_an_object_without_a_name_gets_its_functions() -> None:
    """Arguments are one."""
    anonymous = {"type": "object", "properties": {"x": {"type": "integer"}}}
    assert gathered((anonymous, "Input"))[1] == ["F0Input"]
    assert gathered(({"type": "string"}, "Output"))[0] == [{"type": "string"}]


def test_recursive_types_refer_to_themselves() -> None:
    """Also where the schema is nothing but a reference."""
    node = {"type": "object", "title": "Node", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    components = Components()
    added = components.add(
        {"$ref": "#/$defs/Node", "$defs": {"Node": node}}, owner="F", direction="Input", wish="FInput"
    )
    assert components.schemas()["Node"]["properties"]["next"] == {"$ref": f"{HERE}Node"}
    assert added() == {"$ref": f"{HERE}Node"}


def test_data_is_not_taken_for_schemas() -> None:
    """A default that looks like a reference, and properties that are called like keywords."""
    schema = {
        "type": "object",
        "properties": {
            "default": {"$ref": "#/$defs/Point"},
            "enum": {"default": {"$ref": "#/$defs/Point"}, "type": "object"},
            "$ref": {"type": "string"},
        },
        "$defs": {"Point": POINT},
    }
    components = Components()
    components.add(schema, owner="F", direction="Input", wish="FInput")
    properties = components.schemas()["FInput"]["properties"]
    assert properties["default"] == {"$ref": f"{HERE}Point"}
    assert properties["enum"]["default"] == {"$ref": "#/$defs/Point"}
    assert properties["$ref"] == {"type": "string"}


def test_a_discriminators_mapping_leads_where_the_references_do() -> None:
    """Readers follow it instead of them."""
    union = {
        "oneOf": [{"$ref": "#/$defs/Point"}],
        "discriminator": {"propertyName": "kind", "mapping": {"point": "#/$defs/Point"}},
        "$defs": {"Point": POINT},
    }
    (written,), _ = gathered((union, "Input"))
    assert written["discriminator"]["mapping"] == {"point": f"{HERE}Point"}


def test_what_was_given_is_not_changed() -> None:
    """Manifests share it."""
    part = {"items": {"$ref": "#/$defs/Point"}, "$defs": {"Point": {**POINT, "title": "A b"}}}
    before = json.dumps(part)
    gathered((part, "Input"))
    assert json.dumps(part) == before


def test_names_are_keys_that_openapi_allows() -> None:
    """Generic models have brackets."""
    _, names = gathered(({**POINT, "title": "Box[int]"}, "Input"))
    assert names == ["Box_int_"]


@pytest.mark.parametrize(("name", "expected"), [("gpu_hello", "GpuHello"), ("a-b.c", "ABC"), ("__", "Unnamed")])
def test_functions_names_become_classes(name: str, expected: str) -> None:
    """Whatever they are made of."""
    assert pascal(name) == expected


def test_ids_of_operations_are_unique() -> None:
    """Endpoints may be called so that their operations would be namesakes."""
    names = Names(())
    ids = [names.operation("a", "b_run"), names.operation("a_b", "run"), names.operation("ä", "!")]
    assert ids == ["a_b_run", "a_b_run2", "operation"]
