"""What a comparison of two schemas says is true of their values, and is what people would say."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from fakes_contract import schemas
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flash.contract.strategies import Unsupported, from_schema
from flash.contract.subschema import Direction, differences

DIRECTIONS: tuple[Direction, ...] = ("input", "output")
LAW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def is_valid(schema: Any, value: object) -> bool:
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return bool(validator.is_valid(value))


def without_defaults(schema: Any) -> Any:
    """What has a default is always written into an output, which no schema says: the laws leave defaults out."""
    if isinstance(schema, list):
        return [without_defaults(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_defaults(value) for key, value in schema.items() if key != "default"}


@st.composite
def edited(draw: st.DrawFn) -> tuple[Any, Any]:
    """A schema, and the same with one part exchanged, dropped or added: most changes are like that."""
    old = draw(schemas.map(without_defaults))
    return old, _edited(draw, json.loads(json.dumps(old)))


def _edited(draw: st.DrawFn, schema: Any) -> Any:
    parts = (
        [key for key, value in schema.items() if isinstance(value, (dict, list))] if isinstance(schema, dict) else []
    )
    how = draw(st.sampled_from(("exchange", "drop", "below", "below", "wrap", "bound")))
    if how == "below" and parts:
        key = draw(st.sampled_from(parts))
        value = schema[key]
        if key in ("items", "additionalProperties"):
            return {**schema, key: _edited(draw, value)}
        if key in ("properties", "patternProperties") and value:
            name = draw(st.sampled_from(sorted(value)))
            new = draw(st.sampled_from((name, "new")))
            rest = {one: each for one, each in value.items() if one != name}
            return {**schema, key: {**rest, new: _edited(draw, value[name])}}
        if key in ("anyOf", "oneOf", "prefixItems", "enum", "required") and value:
            number = draw(st.integers(0, len(value) - 1))
            keep = [one for index, one in enumerate(value) if index != number]
            if key in ("enum", "required"):
                return {**schema, key: keep} if keep or key == "required" else schema
            return {**schema, key: [*keep[:number], _edited(draw, value[number]), *keep[number:]]}
    if how == "drop" and isinstance(schema, dict) and schema:
        gone = draw(st.sampled_from(sorted(schema)))
        return {key: value for key, value in schema.items() if key != gone}
    if how == "wrap":
        return {"anyOf": [schema, draw(schemas.map(without_defaults))]}
    if how == "bound" and isinstance(schema, dict):
        key, low, high = draw(
            st.sampled_from(
                (("minimum", -9, 9), ("maximum", -9, 9), ("maxLength", 0, 9), ("minItems", 0, 3), ("maxItems", 0, 3))
            )
        )
        return {**schema, key: draw(st.integers(low, high))}
    return draw(schemas.map(without_defaults))


pairs = st.one_of(edited(), st.tuples(schemas.map(without_defaults), schemas.map(without_defaults)))


@pytest.mark.parametrize("direction", DIRECTIONS)
@given(schema=schemas)
@LAW
def test_nothing_differs_from_itself(direction: Direction, schema: Any) -> None:
    """Nor from itself under another title."""
    assert differences(schema, schema, direction=direction) == ()
    told = {**schema, "title": "Other", "description": "words", "examples": [1]}
    assert differences(schema, told, direction=direction) == ()
    assert differences(told, schema, direction=direction) == ()


@pytest.mark.parametrize("direction", DIRECTIONS)
@given(pair=pairs, data=st.data())
@LAW
def test_where_nothing_breaks_all_that_was_valid_is_valid(
    direction: Direction, pair: tuple[Any, Any], data: st.DataObject
) -> None:
    """Inputs of the old schema are inputs of the new one; outputs of the new one were outputs of the old one."""
    old, new = pair
    found = differences(old, new, direction=direction)
    event("clean" if not found else "different")
    assume(not found)
    given_by, taken_by = (old, new) if direction == "input" else (new, old)
    try:
        drawn = from_schema(given_by)
    except Unsupported:
        return
    assume(not drawn.is_empty)
    value = data.draw(drawn)
    assert is_valid(taken_by, value), (old, new, value)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: int = 0


class Bird(BaseModel):
    kind: Literal["bird"] = "bird"


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class DatedTree(BaseModel):
    name: str
    year: int
    children: list[DatedTree] = []


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str = ""


class ClosedWider(Closed):
    c: float = 0.0


class Open(BaseModel):
    a: int
    b: str = ""


class OpenRenamed(BaseModel):
    a: int
    text: str = ""


class OpenLess(BaseModel):
    a: int


class OpenNullable(BaseModel):
    a: int | None
    b: str = ""


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Zoo = Annotated[Cat | Dog | Bird, Field(discriminator="kind")]


def schema(annotation: Any) -> Any:
    return TypeAdapter(annotation).json_schema()


# the old type, the new one, what breaks callers that send it, what breaks readers that get it, and a value that shows
# the first, if there is one
CHANGES: dict[str, tuple[Any, Any, list[str], list[str], Any]] = {
    "wider number": (int, float, [], ["FLASH-C304"], None),
    "narrower number": (float, int, ["FLASH-C206"], [], 0.5),
    "other type": (int, str, ["FLASH-C206"], ["FLASH-C304"], 1),
    "boolean to integer": (bool, int, ["FLASH-C206"], ["FLASH-C304"], True),
    "nullable": (str, str | None, [], ["FLASH-C305"], None),
    "no longer nullable": (str | None, str, ["FLASH-C207"], [], None),
    "another choice": (int, int | str, [], ["FLASH-C304"], None),
    "a choice fewer": (int | str, int, ["FLASH-C206"], [], "x"),
    "choices in another order": (int | str, str | int, [], [], None),
    "anything to something": (Any, int, ["FLASH-C206"], [], "x"),
    "something to anything": (int, Any, [], ["FLASH-C304"], None),
    "a value fewer": (Literal["a", "b"], Literal["a"], ["FLASH-C208"], [], "b"),
    "a value more": (Literal["a"], Literal["a", "b"], [], ["FLASH-C306"], None),
    "values in another order": (Literal["a", "b"], Literal["b", "a"], [], [], None),
    "optional values": (Literal["a", "b"] | None, Literal["a"] | None, ["FLASH-C208"], [], "b"),
    "text to values": (str, Literal["a"], ["FLASH-C208"], [], "x"),
    "values to text": (Literal["a"], str, [], ["FLASH-C306"], None),
    "values to numbers": (Literal["a"], int, ["FLASH-C206"], ["FLASH-C304"], "a"),
    "lower maximum": (Annotated[int, Field(le=9)], Annotated[int, Field(le=5)], ["FLASH-C209"], [], 9),
    "the same bound otherwise": (Annotated[int, Field(gt=0)], Annotated[int, Field(ge=1)], [], [], None),
    "a bound of fractions": (Annotated[float, Field(gt=0)], Annotated[float, Field(ge=1)], ["FLASH-C209"], [], 0.5),
    "longer text wanted": (str, Annotated[str, Field(min_length=1)], ["FLASH-C209"], [], ""),
    "multiples": (Annotated[int, Field(multiple_of=2)], Annotated[int, Field(multiple_of=6)], ["FLASH-C209"], [], 2),
    "fewer items": (list[int], Annotated[list[int], Field(max_length=1)], ["FLASH-C209"], [], [1, 2]),
    "a set": (list[int], set[int], ["FLASH-C209"], [], [1, 1]),
    "other items": (list[int], list[str], ["FLASH-C206"], ["FLASH-C304"], [1]),
    "a tuple": (tuple[int, str], tuple[int, int], ["FLASH-C206"], ["FLASH-C304"], [1, "a"]),
    "a longer tuple": (tuple[int, str], tuple[int, str, str], ["FLASH-C209"], ["FLASH-C307"], [1, "a"]),
    "a tuple to a list": (tuple[int, int], list[int], [], ["FLASH-C307"], None),
    "other values of a map": (dict[str, int], dict[str, str], ["FLASH-C206"], ["FLASH-C304"], {"a": 1}),
    "a map to a model": (dict[str, int], Closed, ["FLASH-C203", "FLASH-C206", "FLASH-C212"], ["FLASH-C304"], {}),
    "a pattern": (str, Annotated[str, Field(pattern="^a$")], ["FLASH-C210"], [], "b"),
    "a date": (str, "date", ["FLASH-C211"], [], "soon"),
    "a field fewer": (Open, OpenLess, ["FLASH-C201"], ["FLASH-C301"], None),
    "a field more": (OpenLess, Open, [], [], None),
    "a field of another name": (Open, OpenRenamed, ["FLASH-C202"], ["FLASH-C302"], None),
    "a nullable field": (Open, OpenNullable, [], ["FLASH-C305"], None),
    "a field no longer nullable": (OpenNullable, Open, ["FLASH-C207"], [], {"a": None}),
    "a closed model with more": (Closed, ClosedWider, [], ["FLASH-C320"], None),
    "a closed model with less": (ClosedWider, Closed, ["FLASH-C201"], ["FLASH-C301"], {"a": 1, "c": 1.0}),
    "an open model closed": (Open, Closed, [], [], None),
    "a kind more": (Pet, Zoo, [], ["FLASH-C311"], None),
    "a kind fewer": (Zoo, Pet, ["FLASH-C213"], [], {"kind": "bird"}),
    "a model to a union": (Cat, Pet, ["FLASH-C205"], ["FLASH-C311"], None),
    "a new required field further down": (Tree, DatedTree, ["FLASH-C203"], [], {"name": "x"}),
}
DATE = {"type": "string", "format": "date"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_by_the_rule_that_people_would_name(name: str) -> None:
    """For callers, and for readers; a value that was valid and is not shows it, where there is one."""
    old, new, for_callers, for_readers, witness = CHANGES[name]
    before, after = schema(old), DATE if new == "date" else schema(new)
    assert [one.rule for one in differences(before, after, direction="input")] == for_callers
    assert [one.rule for one in differences(before, after, direction="output")] == for_readers
    if witness is not None:
        assert is_valid(before, witness)
        assert not is_valid(after, witness)
