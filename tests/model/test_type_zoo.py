"""Every kind of type that a signature may have: its schema holds for what binds, or its name is told as untyped."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import json
import pathlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import IO, Annotated, Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union

import jsonschema
import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, Field, RootModel

from flash.model.manifest import FunctionEntry, Manifest, Resource
from flash.model.openapi import openapi
from flash.model.schema import InputBinder, OutputEncoder, call_schema

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Plain:
    x: int
    y: list[str] = dataclasses.field(default_factory=list)


class Typed(TypedDict):
    a: int


class Pair(NamedTuple):
    a: int
    b: str = "b"


class Box(BaseModel, Generic[T]):
    item: T


class Node(BaseModel):
    value: int
    children: list[Node] = []


@dataclasses.dataclass
class Link:
    next: Optional[Link] = None  # noqa: UP045  as it is written


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Aliased(BaseModel):
    field: int = Field(alias="theField")


class Custom: ...


ZOO: dict[str, tuple[Any, object]] = {
    "int": (int, 1),
    "float": (float, 1.5),
    "bool": (bool, True),
    "text": (str, "é"),
    "bytes": (bytes, "YQ=="),
    "none": (type(None), None),
    "list": (list[int], [1]),
    "tuple": (tuple[int, str], [1, "a"]),
    "set": (set[int], [1, 2]),
    "deque": (collections.deque[int], [1]),
    "sequence": (Sequence[int], [1]),
    "enum": (Color, "red"),
    "int enum": (Level, 1),
    "literal": (Literal["a", 1, None], None),  # noqa: PYI061  as it is written
    "annotated": (Annotated[int, Field(ge=1, le=5)], 3),
    "union": (Union[int, str], "a"),  # noqa: UP007
    "optional": (Optional[int], None),  # noqa: UP045
    "dataclass": (Plain, {"x": 1}),
    "typed dict": (Typed, {"a": 1}),
    "named tuple": (Pair, [1]),
    "model": (Aliased, {"theField": 1}),
    "generic": (Box[int], {"item": 1}),
    "nested generic": (Box[Box[str]], {"item": {"item": "a"}}),
    "recursive model": (Node, {"value": 1, "children": [{"value": 2}]}),
    "recursive dataclass": (Link, {"next": {"next": None}}),
    "discriminated": (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "dog"}),
    "root model": (RootModel[list[int]], [1]),
    "datetime": (dt.datetime, "2000-01-02T03:04:05Z"),
    "date": (dt.date, "2000-01-02"),
    "time": (dt.time, "03:04:05Z"),
    "timedelta": (dt.timedelta, "PT1S"),
    "uuid": (uuid.UUID, "00000000-0000-4000-8000-000000000000"),
    "decimal": (decimal.Decimal, "1.5"),
    "path": (pathlib.Path, "a/b"),
    "address": (ipaddress.IPv4Address, "192.0.2.1"),
    "mapping": (Mapping[str, int], {"a": 1}),
    "numbered": (dict[int, str], {"1": "a"}),
}
WITHOUT: dict[str, Any] = {
    "any": Any,
    "a class": Custom,
    "a class inside": list[Custom],
    "a function": Callable[[int], int],
    "a file": IO[bytes],
    "what nobody can import": "Absent",
}


def taking(annotation: Any) -> Callable[..., Any]:
    """Two parameters, so that neither is the whole input."""

    def echo(value, other=1):  # type: ignore[no-untyped-def]
        return value

    echo.__annotations__ = {"value": annotation, "other": int, "return": annotation}
    return echo


@pytest.mark.parametrize("name", ZOO)
def test_a_valid_value_is_valid_under_the_schema_and_comes_back(name: str) -> None:
    """Under that of the input, and, written again, under that of the output."""
    annotation, value = ZOO[name]
    function = taking(annotation)
    schema = call_schema(function)
    assert schema.untyped == []
    jsonschema.validate({"value": value}, schema.input or {}, jsonschema.Draft202012Validator)
    bound = InputBinder.of(function).bind({"value": value})
    answer = OutputEncoder.of(function).encode(bound["value"])
    jsonschema.validate(answer, schema.output or {}, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_schema_is_untyped_by_name(name: str) -> None:
    """The parameter and the result; the others keep theirs."""
    schema = call_schema(taking(WITHOUT[name]))
    assert schema.untyped == ["value", "return"]
    assert (schema.input or {})["properties"]["other"]["type"] == "integer"


def test_streams_are_lists_of_what_they_yield() -> None:
    """Sync or async."""

    def numbers() -> Iterator[int]:
        yield 1

    async def nodes() -> AsyncIterator[Node]:
        yield Node(value=1)

    assert call_schema(numbers).output == {"items": {"type": "integer"}, "type": "array"}
    assert (call_schema(nodes).output or {})["items"] == {"$ref": "#/$defs/Node"}


def test_a_public_validator_takes_the_document_of_the_whole_zoo() -> None:
    """Queues and routes of all of them, with one name for each type."""
    resources: dict[str, Resource] = {}
    routes = []
    for number, annotation in enumerate([one for one, _ in ZOO.values()] + list(WITHOUT.values())):
        contract = {"": call_schema(taking(annotation))}
        resources[f"queue_{number}"] = Resource(
            functions=[FunctionEntry(name=f"f{number}", module="m", contract=contract)]
        )
        for verb in ("GET", "POST"):
            path = f"/{number}"
            routes.append(
                FunctionEntry(name=f"{verb}{number}", module="m", http_method=verb, http_path=path, contract=contract)
            )
    resources["api"] = Resource(is_load_balanced=True, functions=routes)
    document = openapi(Manifest(project_name="zoo", resources=resources))
    validate(document)
    assert "#/$defs/" not in json.dumps(document)
