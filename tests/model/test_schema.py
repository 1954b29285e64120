"""What a signature accepts and returns, and how an input becomes arguments."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from flash.errors import InvalidInput, RemoteError
from flash.model.example import smallest
from flash.model.schema import InputBinder, OutputEncoder, _schema_of, call_schema, to_json
from flash.model.signature import Signature, public_methods

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Config(BaseModel):
    steps: int = Field(ge=1)
    mode: Mode = Mode.FAST


class Point(TypedDict):
    x: int
    y: int


class Tree(TypedDict):
    children: list[Tree]


@dataclasses.dataclass
class Box:
    width: int


def plain(x: int, schema: str = "s", *, _flag: bool = False) -> list[int]:
    return [x, len(schema), _flag]


def whole(input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002  the page's own spelling
    return input


def model(config: Config) -> Config:
    return config


def refused(function: Callable[..., object], value: object) -> InvalidInput:
    """The error that binding *value* raises."""
    with pytest.raises(InvalidInput) as caught:
        InputBinder.of(function).bind(value)
    return caught.value


def test_keys_are_parameters() -> None:
    """Each parameter is a property, required without a default; nothing else is accepted."""
    schema = call_schema(plain).input
    assert schema == {
        "type": "object",
        "properties": {
            "x": {"type": "integer"},
            "schema": {"type": "string", "default": "s"},
            "_flag": {"type": "boolean", "default": False},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


def test_schemas_are_of_2020_12() -> None:
    """The dialect's own schema accepts them."""
    for function in (plain, whole, model):
        schema = call_schema(function)
        jsonschema.Draft202012Validator.check_schema(schema.input or {})
        jsonschema.Draft202012Validator.check_schema(schema.output or {})


@pytest.mark.parametrize(
    ("value", "loc", "kind"),
    [
        ({"x": "not-an-int"}, ["x"], "int_parsing"),
        ({"x": 1, "y": 2}, ["y"], "extra_forbidden"),
        ({}, ["x"], "missing"),
        (None, ["x"], "missing"),
        ({"x": 1, "schema": 5}, ["schema"], "string_type"),
        ([1], [], "dict_type"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(value: object, loc: list[str], kind: str) -> None:
    """One line for people, one problem a field for programs."""
    error = refused(plain, value)
    assert [(problem["loc"], problem["type"]) for problem in error.problems] == [(loc, kind)]
    assert "\n" not in error.message
    assert (loc[0] if loc else "the input") in error.message


def test_every_wrong_field_is_named() -> None:
    """A caller mends all at once."""
    error = refused(plain, {"x": "a", "schema": 1, "z": 0})
    assert [problem["loc"] for problem in error.problems] == [["x"], ["schema"], ["z"]]
    assert error.hint == "the parameters are x, schema, _flag"


def test_what_the_input_leaves_out_is_the_functions_own_affair() -> None:
    """Defaults are not bound: the function has them."""
    assert InputBinder.of(plain).bind({"x": 1}) == {"x": 1}


def test_the_key_that_stands_for_an_empty_input_is_dropped() -> None:
    """Older clients send it."""
    assert InputBinder.of(plain).bind({"x": 1, "__empty": True}) == {"x": 1}
    assert InputBinder.of(whole).bind({"__empty": True}) == {"input": {}}


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ({"your": "data"}, {"your": "data"}),
        ({}, {}),
        ({"input": {}}, {}),
        ({"input": {"a": 1}}, {"a": 1}),
        ({"input": 5}, {"input": 5}),
        ({"input": {}, "more": 1}, {"input": {}, "more": 1}),
    ],
)
def test_one_mapping_takes_the_whole_input(value: object, bound: object) -> None:
    """Unless the only key is its name, and the value fits."""
    assert InputBinder.of(whole).bind(value) == {"input": bound}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: key != "__empty"),
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_a_value_sent_by_its_name_arrives_as_it_was(value: dict[str, object]) -> None:
    """A call that names the parameter is never mistaken for the other spelling."""
    assert InputBinder.of(whole).bind({"input": value}) == {"input": value}


def test_one_model_takes_the_whole_input() -> None:
    """In both spellings; what is wrong is named as it was written."""
    config = Config(steps=2)
    binder = InputBinder.of(model)
    assert binder.bind({"steps": 2}) == binder.bind({"config": {"steps": 2}}) == {"config": config}
    assert refused(model, {"steps": 0}).problems[0]["loc"] == ["steps"]
    assert refused(model, {"config": {"steps": 0}}).problems[0]["loc"] == ["config", "steps"]


def test_one_typed_dict_takes_the_whole_input() -> None:
    """On every Python, and it accepts no other keys."""

    def area(p: Point) -> int:
        return p["x"] * p["y"]

    assert InputBinder.of(area).bind({"x": 1, "y": 2}) == {"p": {"x": 1, "y": 2}}
    assert refused(area, {"x": 1, "y": 2, "z": 3}).problems[0]["loc"] == ["z"]
    schema = call_schema(area)
    assert schema.untyped == []
    assert schema.input is not None
    assert schema.input["additionalProperties"] is False


def test_an_optional_mapping_takes_the_whole_input() -> None:
    """An empty input leaves its default."""

    def job(input: Mapping[str, int] | None = None) -> None: ...  # noqa: A002

    assert InputBinder.of(job).bind({"a": 1}) == {"input": {"a": 1}}
    assert InputBinder.of(job).bind({}) == {}


def test_two_mappings_take_their_keys() -> None:
    """The rule is about exactly one parameter."""

    def merge(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        return a | b

    assert InputBinder.of(merge).bind({"a": {}, "b": {"x": 1}}) == {"a": {}, "b": {"x": 1}}
    assert refused(merge, {"x": 1})


def test_a_recursive_type_keeps_its_definitions() -> None:
    """A reference of the schema has something to refer to."""

    class Node(BaseModel):
        name: str
        children: list[Node] = []

    Node.model_rebuild(_types_namespace={"Node": Node})

    def walk(node: Any) -> None: ...

    walk.__annotations__["node"] = Node
    schema = call_schema(walk)
    assert schema.input is not None
    jsonschema.validate({"name": "a", "children": [{"name": "b"}]}, schema.input)
    assert schema.example == {"name": ""}


def test_a_recursive_typed_dict_is_no_endless_loop() -> None:
    """Where it repeats itself, it is a plain object."""

    def walk(tree: Tree) -> None: ...

    assert InputBinder.of(walk).bind({"children": [{"children": []}]}) == {"tree": {"children": [{"children": []}]}}


def test_extra_keywords_are_extra_keys() -> None:
    """``**kwargs`` opens the schema, to values of its type."""

    def tag(name: str, **tags: int) -> None: ...

    schema = call_schema(tag).input
    assert schema is not None
    assert schema["additionalProperties"] == {"type": "integer"}
    assert list(schema["properties"]) == ["name"]
    assert InputBinder.of(tag).bind({"name": "a", "tags": 1, "b": 2}) == {"name": "a", "tags": 1, "b": 2}
    assert refused(tag, {"name": "a", "b": "x"}).problems[0]["loc"] == ["b"]


def test_positional_parameters_are_filled_by_name() -> None:
    """An input has only names; ``*args`` is a list under its own."""

    def call(a: int, /, b: int = 2, *rest: int, c: int = 0) -> tuple[object, ...]:
        return a, b, rest, c

    for value, expected in [
        ({"a": 1}, (1, 2, (), 0)),
        ({"a": 1, "b": 5, "c": 7}, (1, 5, (), 7)),
        ({"a": 1, "rest": [8, 9]}, (1, 2, (8, 9), 0)),
    ]:
        positional, keywords = InputBinder.of(call).arguments(value)
        assert call(*positional, **keywords) == expected  # type: ignore[arg-type]


def test_an_annotation_that_cannot_be_resolved_makes_one_parameter_untyped() -> None:
    """The others keep their types."""

    def load(where: Missing, how: int, what, why: Any, who: object) -> Missing: ...  # type: ignore[no-untyped-def]

    schema = call_schema(load)
    assert schema.untyped == ["where", "what", "why", "return"]
    assert schema.output is None
    assert schema.input is not None
    assert schema.input["properties"]["how"] == {"type": "integer"}


def test_a_type_that_json_cannot_carry_is_untyped() -> None:
    """Nothing can be generated for it, and nothing is refused."""

    class Weights: ...

    def run(weights: Any, n: int) -> None: ...

    run.__annotations__["weights"] = Weights
    assert call_schema(run).untyped == ["weights"]
    assert InputBinder.of(run).bind({"weights": [1], "n": 1}) == {"weights": [1], "n": 1}


def test_a_generators_output_is_the_list() -> None:
    """Of what it yields, sync or async."""

    def count(n: int) -> Iterator[int]:
        yield from range(n)

    async def acount(n: int) -> AsyncIterator[Point]:
        yield {"x": n, "y": n}

    assert call_schema(count).output == {"type": "array", "items": {"type": "integer"}}
    output = call_schema(acount).output
    assert output is not None
    assert output["type"] == "array"
    assert Signature.of(acount).is_async
    assert Signature.of(acount).is_generator


def test_returning_nothing_is_a_type() -> None:
    """``None`` is null; no annotation is untyped."""

    def silent() -> None: ...

    assert call_schema(silent).output == {"type": "null"}
    assert call_schema(silent).untyped == []
    assert call_schema(lambda: None).untyped == ["return"]


def test_self_is_not_a_parameter() -> None:
    """Of methods of an instance, and of a class that was never constructed."""

    class Base:
        def inherited(self, a: int) -> None: ...

    class Model(Base):
        def __init__(self) -> None:
            raise RuntimeError("never constructed here")

        async def predict(self, x: int) -> int:
            return x

        @staticmethod
        def version() -> int:
            return 1

        @classmethod
        def named(cls, name: str) -> str:
            return name

        @property
        def size(self) -> int:
            return 1

        def _private(self) -> None: ...

        attribute = 3

    methods = public_methods(Model)
    assert list(methods) == ["inherited", "predict", "version", "named"]
    assert [parameter.name for parameter in Signature.of(methods["predict"]).parameters] == ["x"]
    assert [parameter.name for parameter in Signature.of(methods["named"]).parameters] == ["name"]
    assert Signature.of(methods["version"]).parameters == ()
    assert Signature.of(methods["predict"]).is_async


def test_a_users_decorator_does_not_hide_the_signature() -> None:
    """``functools.wraps`` leads to the original."""

    def twice(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def call(*args: object, **kwargs: object) -> int:
            return function(*args, **kwargs) * 2

        return call

    @twice
    def add(a: int, b: int = 1) -> int:
        return a + b

    assert call_schema(add).example == {"a": 0}
    assert call_schema(add).output == {"type": "integer"}


@pytest.mark.parametrize(
    ("annotation", "example"),
    [
        (int, 0),
        (float, 0),
        (str, ""),
        (bool, False),
        (list[int], []),
        (Literal["b", "a"], "b"),
        (int | None, 0),
        (tuple[int, str], [0, ""]),
        (dt.date, "2000-01-01"),
        (uuid.UUID, "00000000-0000-4000-8000-000000000000"),
        (bytes, ""),
        (Config, {"steps": 1}),
        (Box, {"width": 0}),
    ],
)
def test_the_example_is_the_smallest_valid_input(annotation: object, example: object) -> None:
    """It is made from the schema, and validated."""

    def function(value: Any, other: int = 0) -> None: ...

    function.__annotations__["value"] = annotation
    schema = call_schema(function)
    assert schema.example == {"value": example}
    assert schema.input is not None
    jsonschema.validate(schema.example, schema.input)


def test_the_example_is_empty_where_that_is_valid() -> None:
    """As on the page."""
    assert call_schema(whole).example == {}
    assert call_schema(lambda a=1: a).example == {}


def test_there_is_no_example_where_none_was_found() -> None:
    """A pattern is not guessed."""

    class Code(BaseModel):
        code: str = Field(pattern=r"^[A-Z]{3}\d$")

    def use(code: Any, n: int) -> None: ...

    use.__annotations__["code"] = Code
    assert call_schema(use).example is None


@given(low=st.integers(-50, 50), step=st.integers(1, 7), span=st.integers(7, 60))
def test_the_smallest_number_is_within_its_bounds(low: int, step: int, span: int) -> None:
    """Whatever minimum, maximum and step."""
    schema = {"type": "integer", "minimum": low, "maximum": low + span, "multipleOf": step}
    jsonschema.validate(smallest(schema), schema)


def test_a_default_that_json_cannot_carry_is_not_in_the_schema() -> None:
    """It is a default all the same."""
    marker = object()

    def function(x: int = 1, y: Any = marker) -> None: ...

    schema = call_schema(function).input
    assert schema is not None
    assert schema["properties"] == {"x": {"type": "integer", "default": 1}, "y": {}}


def test_bytes_travel_as_base64() -> None:
    """There and back again."""

    def flip(data: bytes) -> bytes:
        return data[::-1]

    assert InputBinder.of(flip).bind({"data": to_json(b"\xfb\xff")}) == {"data": b"\xfb\xff"}
    assert InputBinder.of(flip).bind({"data": "+/8="}) == {"data": b"\xfb\xff"}
    assert OutputEncoder.of(flip).encode(b"\xfb\xff") == to_json(b"\xfb\xff") == "-_8="


def test_results_become_json() -> None:
    """Models, dataclasses, dates, sets, enums."""
    day = dt.date(2026, 8, 1)
    result = {"model": Config(steps=1), "box": Box(2), "day": day, "mode": Mode.SLOW, "items": {3}, 5: (1, None)}
    assert to_json(result) == {
        "model": {"steps": 1, "mode": "fast"},
        "box": {"width": 2},
        "day": "2026-08-01",
        "mode": "slow",
        "items": [3],
        "5": [1, None],
    }


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [object()]}, "value of type object"),
        ([float("nan")], "float NaN"),
        (float("inf"), "float Infinity"),
        ({"a": "\ud800"}, "text that Unicode does not allow"),
        (json, "value of type module"),
    ],
)
def test_what_json_cannot_carry_is_named(value: object, named: str) -> None:
    """By its type, on one line."""
    with pytest.raises(RemoteError) as caught:
        to_json(value)
    assert named in caught.value.message
    assert "\n" not in caught.value.message


def test_a_wrong_result_is_written_as_it_is() -> None:
    """So that a check finds it: nothing is converted to make it fit."""

    def count() -> int: ...  # type: ignore[empty-body]

    def config() -> Config: ...  # type: ignore[empty-body]

    assert OutputEncoder.of(count).encode("five") == "five"
    assert OutputEncoder.of(config).encode({"steps": "x"}) == {"steps": "x"}
    with pytest.raises(RemoteError, match="NaN"):
        OutputEncoder.of(count).encode(float("nan"))


def test_what_fastapi_injects_is_no_input() -> None:
    """Told by where the type comes from."""
    fastapi = pytest.importorskip("fastapi")

    def route(request: Any, name: str) -> None: ...

    route.__annotations__["request"] = fastapi.Request
    assert Signature.of(route).injected == ("request",)
    assert call_schema(route).untyped == []
    assert call_schema(route).example == {"name": ""}


_ANNOTATIONS = (
    *("int", "float", "str", "bool", "bytes", "dict", "list[int]", "dict[str, int]", "int | None", "int | str"),
    *("str | int", "tuple[int, ...]", "Any", "None", "object()", "Missing", "Literal[1]", "Nested", "Nested | None"),
    *("dict[str, Nested]", "Annotated[int, Field(ge=2)]", "set[bool]", "type", "Keys", "Callable[[int], int]", ""),
)
_DEFAULTS = ("", "1", "True", "1.0", "'1'", "b'1'", "None", "()", "object()", "-0.0", "0.0")


class Nested(BaseModel):
    """A model for annotations that are evaluated."""

    value: int = Field(default=3, description="of a model")


class Keys(TypedDict):
    """The same as a dict."""

    one: int


@st.composite
def _functions(draw: st.DrawFn) -> Callable[..., object]:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "__empty", "self", "_x", "p0", "model_config"]), unique=True))
    parts, has_default = [], False
    for name in names:
        annotation, default = draw(st.sampled_from(_ANNOTATIONS)), draw(st.sampled_from(_DEFAULTS))
        has_default = has_default or bool(default)
        parts.append(f"{name}: {annotation}" if annotation else name)
        if has_default:
            parts[-1] += f" = {default or 'None'}"
    parts += draw(st.sampled_from([[], ["*rest: int"], ["*, only: int"], ["**more: str"], ["*rest", "**more: int"]]))
    result = draw(st.sampled_from(_ANNOTATIONS))
    body = draw(st.sampled_from(["...", "yield"]))
    source = f"def function({', '.join(parts)}){f' -> {result}' if result else ''}: {body}"
    namespace: dict[str, Any] = {**globals(), "Annotated": Annotated}
    exec(source, namespace)  # noqa: S102  what hypothesis has drawn
    function: Callable[..., object] = namespace["function"]
    return function


@given(function=_functions())
def test_a_schema_that_is_shared_is_the_functions_own(function: Callable[..., object]) -> None:
    """What is known of another function of the same types says what would be worked out of this one."""
    assert call_schema(function) == _schema_of(Signature.of(function))
    assert list((call_schema(function).input or {}).get("properties", {})) == list(
        (_schema_of(Signature.of(function)).input or {}).get("properties", {})
    )


def test_unions_keep_the_order_of_their_choices() -> None:
    """Unions that Python takes for equal have schemas of their own."""

    def first(value: int | str) -> None: ...

    def second(value: str | int) -> None: ...

    choices = [(call_schema(each).input or {})["properties"]["value"]["anyOf"] for each in (first, second)]
    assert choices == [[{"type": "integer"}, {"type": "string"}], [{"type": "string"}, {"type": "integer"}]]
