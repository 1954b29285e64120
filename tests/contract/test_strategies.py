"""Whatever is drawn from a schema is valid under it, says a validator that shares no code with the strategies."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import json
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import (
    UUID4,
    AnyUrl,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    SecretStr,
    StringConstraints,
    TypeAdapter,
)
from typing_extensions import TypedDict

from flash.contract.strategies import MAX_SAFE_INTEGER, Unsupported, from_schema
from flash.errors import FlashError

FORMATS = (
    "date",
    "date-time",
    "time",
    "duration",
    "uuid",
    "email",
    "uri",
    "ipv4",
    "ipv6",
    "regex",
)
PATTERNS = ("^[a-z]{2,4}$", r"\d+", "^a|b$", r"^\w+@\w+\.com$", "[^x]", "ü+", r"^\S+\s\S+$")

names = st.sampled_from("abcdef")
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3)


def ordered(low: st.SearchStrategy[Any], names: tuple[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """A pair of bounds, either of which may be missing, the lower one first."""
    both = st.tuples(low, low).map(sorted)
    return both.flatmap(
        lambda pair: st.sets(st.sampled_from((0, 1))).map(lambda kept: {names[index]: pair[index] for index in kept})
    )


def with_keywords(base: dict[str, Any], *parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A schema with the keywords of all parts."""
    return st.tuples(*parts).map(lambda given: {key: value for part in (base, *given) for key, value in part.items()})


leaves = st.one_of(
    st.just({}),
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    with_keywords(
        {"type": "integer"},
        ordered(st.integers(-100, 100), ("minimum", "maximum")),
        st.sampled_from(({}, {"multipleOf": 3}, {"exclusiveMinimum": -100.5}, {"exclusiveMaximum": 101})),
    ),
    with_keywords(
        {"type": "number"},
        ordered(st.floats(-1e6, 1e6), ("minimum", "maximum")),
        st.sampled_from(({}, {"multipleOf": 0.25}, {"exclusiveMinimum": -1e6 - 1}, {"exclusiveMaximum": 2e6})),
    ),
    with_keywords({"type": "number"}, ordered(st.integers(2**60, 2**61), ("exclusiveMinimum", "maximum"))),
    with_keywords({"type": "string"}, ordered(st.integers(0, 10), ("minLength", "maxLength"))),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.builds(lambda values: {"enum": values}, st.lists(scalars, min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, scalars),
    st.lists(st.sampled_from(("null", "string", "integer", "array", "object")), min_size=1, unique=True).map(
        lambda types: {"type": types}
    ),
)


def branches(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas that contain others."""
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        with_keywords(
            {"type": "array"},
            inner.map(lambda item: {"items": item}),
            ordered(st.integers(0, 4), ("minItems", "maxItems")),
        ),
        inner.map(lambda item: {"type": "array", "items": item, "uniqueItems": True}),
        st.builds(
            lambda prefix, rest, most: {"type": "array", "prefixItems": prefix, "items": rest, **most},
            several,
            inner | st.booleans(),
            st.sampled_from(({}, {"minItems": 1}, {"maxItems": 3})),
        ),
        st.builds(
            lambda properties, required, additional: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
                **additional,
            },
            st.dictionaries(names, inner, max_size=3),
            st.sets(names),
            st.one_of(st.just({}), st.builds(lambda more: {"additionalProperties": more}, inner | st.booleans())),
        ),
        st.builds(
            lambda value, keys, sizes: {"type": "object", "additionalProperties": value, **keys, **sizes},
            inner,
            st.sampled_from(({}, {"propertyNames": {"pattern": "^[a-z]+$"}}, {"propertyNames": {"maxLength": 2}})),
            ordered(st.integers(0, 3), ("minProperties", "maxProperties")),
        ),
        inner.map(lambda value: {"type": "object", "patternProperties": {"^x": value}}),
        st.builds(lambda key, schemas: {key: schemas}, st.sampled_from(("anyOf", "oneOf")), several),
        st.builds(lambda schema: {"allOf": [schema], "title": "One"}, inner),
        st.builds(lambda schema: {"anyOf": [schema, {"type": "null"}], "default": None}, inner),
    )


schemas = st.recursive(leaves, branches, max_leaves=6)


def problems(schema: Any, value: object) -> list[str]:
    """What jsonschema says, formats included."""
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_everything_drawn_is_valid(data: st.DataObject) -> None:
    """Any schema of the family, any value of it, and the value survives JSON."""
    schema = data.draw(schemas)
    value = data.draw(from_schema(schema))
    assert problems(schema, value) == []
    assert value == json.loads(json.dumps(value, allow_nan=False).encode("utf-8"))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict, total=False):
    x: int
    y: float


class Tree(BaseModel):
    name: str
    children: list[Tree] = []
    parent: Tree | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: set[str] = set()


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    share: float = Field(gt=0, lt=1)
    dozen: int = Field(multiple_of=12, ge=1)
    tenth: float = Field(multiple_of=0.1, ge=0, le=2)
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}-\d+$", max_length=12)]
    short: Annotated[str, StringConstraints(min_length=1, max_length=3)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str


class Generous(BaseModel):
    callback: Any = None
    cat_or_dog: Annotated[Cat | Dog, Field(discriminator="kind")]
    colour: Colour
    pair: tuple[int, str]
    many: tuple[bool, ...]
    unique: frozenset[int] = Field(min_length=2, max_length=4)
    limits: Annotated[list[float], Field(min_length=1, max_length=2)]
    counts: dict[str, int]
    some: Annotated[dict[str, int], Field(min_length=1, max_length=3)]
    named: dict[Literal["a", "b"], int]
    by_id: dict[uuid.UUID, Point]
    prefixed: dict[Annotated[str, StringConstraints(pattern="^x-")], int]
    nested: Json[list[int]]
    either: int | str | None
    nothing: None
    anything: object


class Formats(BaseModel):
    day: dt.date
    instant: dt.datetime
    hour: dt.time
    span: dt.timedelta
    key: uuid.UUID
    key4: UUID4
    raw: bytes
    encoded: Base64Bytes
    page: AnyUrl
    v4: ipaddress.IPv4Address
    v6: ipaddress.IPv6Address
    net4: ipaddress.IPv4Network
    net6: ipaddress.IPv6Network
    interface: ipaddress.IPv4Interface
    file: Path
    secret: SecretStr


ZOO = (Tree, Cat, Dog, Strict, Open, Generous, Formats, Point, list[Tree], dict[str, Cat], Colour | None, int, float)


@pytest.mark.parametrize("kind", ZOO, ids=str)
def test_a_model_takes_everything_drawn_from_its_schema(kind: Any) -> None:
    """For a zoo of pydantic types, and without a health check of Hypothesis complaining about the effort."""
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()

    @given(from_schema(schema))
    @settings(max_examples=60, deadline=None, database=None)
    def check(value: object) -> None:
        assert problems(schema, value) == []
        adapter.validate_json(json.dumps(value, allow_nan=False).encode("utf-8"))

    check()


def drawn(schema: Any, count: int = 50) -> list[Any]:
    """Some values of *schema*."""
    values = []

    @given(from_schema(schema))
    @settings(max_examples=count, deadline=None, database=None, derandomize=True)
    def collect(value: object) -> None:
        values.append(value)

    collect()
    return values


@pytest.mark.parametrize(
    ("name", "kind"),
    [("date-time", dt.datetime), ("time", dt.time), ("duration", dt.timedelta), ("uri", AnyUrl), ("email", str)],
)
def test_formats_that_jsonschema_leaves_unchecked_are_read_by_pydantic(name: str, kind: Any) -> None:
    """The validator knows these formats only with extras that nobody needs otherwise."""
    for value in drawn({"type": "string", "format": name}):
        TypeAdapter(kind).validate_json(json.dumps(value))


@pytest.mark.parametrize("version", range(1, 9))
def test_a_uuid_has_the_version_that_its_format_names(version: int) -> None:
    """uuid1 … uuid8."""
    assert {version} == {uuid.UUID(value).version for value in drawn({"type": "string", "format": f"uuid{version}"})}


def test_integers_survive_every_reader_of_json() -> None:
    """Without bounds, they stay within what a double holds exactly."""
    assert all(abs(value) <= MAX_SAFE_INTEGER for value in drawn({"type": "integer"}, 300))


def test_text_has_neither_surrogates_nor_nul() -> None:
    """Both would fail on the way, not in the function."""
    text = "".join(drawn({"type": "string"}, 300))
    assert "\0" not in text
    assert text.encode("utf-8").decode("utf-8") == text


def test_a_pattern_is_searched_for() -> None:
    """Without anchors it may stand anywhere, as JSON Schema says."""
    assert any(not value.startswith("needle") for value in drawn({"type": "string", "pattern": "needle"}))


def test_a_final_line_break_does_not_pass_for_the_end() -> None:
    """``$`` of Python would overlook it, pydantic's does not."""
    assert all(value == "ab" for value in drawn({"type": "string", "pattern": "^ab$"}))


def test_parameters_that_nobody_declared_are_not_drawn() -> None:
    """A schema without additionalProperties allows them; a signature does not."""
    schema = {"type": "object", "properties": {"a": {"type": "null"}}}
    assert all(set(value) <= {"a"} for value in drawn(schema))
    assert all(value == {} for value in drawn({"type": "object", "properties": {}}))


def test_allof_of_references_holds_all_of_them() -> None:
    """As hand-written schemas extend a definition."""
    schema = {
        "$defs": {"Named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "allOf": [
            {"$ref": "#/$defs/Named"},
            {"properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]},
        ],
    }
    for value in drawn(schema):
        assert problems(schema, value) == []


def test_keywords_beside_a_reference_hold_too() -> None:
    """Since draft 2019-09 they are not ignored."""
    schema = {"$defs": {"Count": {"type": "integer"}}, "$ref": "#/$defs/Count", "minimum": 3, "maximum": 4}
    assert {3, 4} == set(drawn(schema))


def test_what_a_union_or_an_optional_property_cannot_draw_is_left_out() -> None:
    """One odd default value does not stop the rest from being checked."""
    odd = {"type": "string", "format": "file-path"}
    assert drawn({"anyOf": [odd, {"type": "null"}]}) == [None]
    assert drawn({"type": "object", "properties": {"file": odd}}) == [{}]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"not": {"type": "null"}}, "'not'"),
        ({"if": {}, "then": {}}, "'if'"),
        ({"contains": {}}, "'contains'"),
        ({"unevaluatedProperties": False}, "'unevaluatedProperties'"),
        ({"type": "string", "format": "file-path"}, "'file-path'"),
        ({"type": "string", "pattern": r"\p{L}"}, "pattern"),
        ({"type": "string", "pattern": "a", "format": "date"}, "'pattern' and 'format'"),
        ({"type": "float"}, "'float'"),
        ({"$ref": "https://example.com/schema"}, "leaves the document"),
        ({"$ref": "#/$defs/Missing"}, "leads nowhere"),
        ({"$defs": {"A": {"$ref": "#/$defs/A", "minLength": 1}}, "$ref": "#/$defs/A", "maxLength": 1}, "itself"),
        ({"type": "integer", "multipleOf": 0.5}, "0.5"),
        ({"properties": {"a": {"type": "integer"}}, "patternProperties": {"^b": {}}}, "'patternProperties'"),
        ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "'pattern'"),
        ({"allOf": [{"additionalProperties": False}, {"properties": {"a": {}}}]}, "'additionalProperties'"),
        ({"properties": {"a": {"not": {}}}, "required": ["a"]}, "'not'"),
        ({"anyOf": [{"not": {}}, {"if": {}}]}, "'not'"),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_named(schema: dict[str, Any], reason: str) -> None:
    """The caller reports it as the reason for not fuzzing."""
    with pytest.raises(Unsupported, match=reason) as caught:
        from_schema(schema)
    assert isinstance(caught.value, FlashError)


def test_decimals_are_numbers_or_text() -> None:
    """As pydantic emits them: a union."""
    schema = TypeAdapter(decimal.Decimal).json_schema()
    assert [line for value in drawn(schema) for line in problems(schema, value)] == []
