"""What has changed from one manifest to another, and whom it breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flash.contract.changes import compare
from flash.contract.rules import RULES
from flash.contract.subschema import differences
from flash.model.calls import CallEdge
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource
from flash.model.schema import call_schema
from flash.model.signature import Signature


class Reply(BaseModel):
    text: str
    score: float = 0.0


class LongReply(Reply):
    tokens: int


class Whole(TypedDict):
    prompt: str


def plain(prompt: str, steps: int = 20) -> Reply: ...
def renamed(text: str, steps: int = 20) -> Reply: ...
def retyped(prompt: str, steps: float = 20) -> Reply: ...
def narrowed(prompt: Literal["a", "b"], steps: int = 20) -> Reply: ...
def tuned(prompt: str, steps: int = 30) -> Reply: ...
def without_steps(prompt: str) -> Reply: ...
def with_seed(prompt: str, steps: int = 20, seed: int = 0) -> Reply: ...
def needs_seed(prompt: str, seed: int, steps: int = 20) -> Reply: ...
def needs_steps(prompt: str, steps: int) -> Reply: ...
def longer(prompt: str, steps: int = 20) -> LongReply: ...
def nullable(prompt: str, steps: int = 20) -> Reply | None: ...
def untyped(prompt: str, steps: int = 20): ...
def whole(data: Whole) -> Reply: ...
def whole_renamed(payload: Whole) -> Reply: ...
def whole_and_more(data: Whole, steps: int = 20) -> Reply: ...
def single(data: str) -> Reply: ...


def stream(prompt: str, steps: int = 20) -> Iterator[Reply]:
    yield Reply(text=prompt)


def listed(prompt: str, steps: int = 20) -> list[Reply]: ...


Functions = Callable[..., Any] | dict[str, Callable[..., Any]]


def entry(function: Functions, name: str = "", route: str = "") -> FunctionEntry:
    """The entry of a function, or of a class with these methods."""
    if isinstance(function, dict):
        contract = {method: call_schema(one) for method, one in function.items()}
        return FunctionEntry(
            name=name or "Model", module="app", is_class=True, class_methods=list(function), contract=contract
        )
    verb, _, path = route.partition(" ")
    return FunctionEntry(
        name=name or "run",
        module="app",
        is_generator=Signature.of(function).is_generator,
        http_method=verb or None,
        http_path=path or None,
        contract={"": call_schema(function)},
    )


def queue(function: Functions, name: str = "") -> Manifest:
    """An app with one queue endpoint."""
    return Manifest(resources={"gpu": Resource(functions=[entry(function, name)])})


def routes(**functions: tuple[str, Callable[..., Any]]) -> Manifest:
    """An app with one load-balanced endpoint."""
    entries = [entry(function, name, route) for name, (route, function) in functions.items()]
    return Manifest(
        resources={"api": Resource(is_load_balanced=True, functions=entries)},
        routes={"api": {route: name for name, (route, _) in functions.items()}},
    )


def told(old: Manifest, new: Manifest) -> list[str]:
    """Rules and places."""
    found = compare(old, new).changes
    return [f"{one.rule.removeprefix('FLASH-')} {one.pointer}".strip() for one in found]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (plain, []),
        (renamed, ["C202 input/prompt"]),
        (retyped, []),
        (narrowed, ["C208 input/prompt"]),
        (tuned, ["C220 input/steps"]),
        (without_steps, ["C201 input/steps"]),
        (with_seed, []),
        (needs_seed, ["C203 input/seed"]),
        (needs_steps, ["C205 input/steps"]),
        (longer, []),
        (nullable, ["C305 output"]),
        (untyped, ["C312 output"]),
        (stream, ["C404"]),
        (listed, ["C304 output"]),
        (whole, ["C201 input/steps"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_that_takes_anothers_place(new: Any, expected: list[str]) -> None:
    """Under the same endpoint; the function's own name is nobody's business there."""
    assert told(queue(plain), queue(new, name=new.__name__)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (retyped, plain, ["C206 input/steps"]),
        (longer, plain, ["C301 output/tokens"]),
        (untyped, plain, []),
        (stream, plain, ["C404"]),
        (stream, listed, ["C404", "C304 output"]),
        (whole, whole_renamed, ["C202 input/data"]),
        (whole, whole_and_more, ["C204 input"]),
        (whole_and_more, whole, ["C204 input"]),
        (single, whole, ["C204 input"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_other_way_round(old: Any, new: Any, expected: list[str]) -> None:
    """Directions differ for inputs and outputs; a whole input has a shape of its own."""
    assert told(queue(old), queue(new)) == expected


def test_methods_of_a_class() -> None:
    """Jobs name them, unless there is only one."""
    two = {"predict": plain, "warm": single}
    assert told(queue(two), queue({"warm": single, "predict": plain})) == []
    assert told(queue(two), queue({**two, "more": plain})) == []
    assert told(queue(two), queue({"predict": plain})) == ["C103"]
    assert told(queue(two), queue({"infer": plain, "warm": single})) == ["C104"]
    assert told(queue(two), queue({"predict": renamed, "warm": single})) == ["C202 input/prompt"]
    assert told(queue({"predict": plain}), queue(two)) == ["C405"]
    assert told(queue({"predict": plain}), queue({"infer": plain})) == ["C104"]
    assert told(queue({"predict": plain}), queue({"infer": tuned})) == ["C104", "C220 input/steps"]


def test_a_function_and_a_class() -> None:
    """A class with one method takes the jobs of a function; not the other way round, because jobs may name it."""
    assert told(queue(plain), queue({"predict": plain})) == []
    assert told(queue(plain), queue({"predict": renamed})) == ["C202 input/prompt"]
    assert told(queue(plain), queue({"predict": plain, "warm": single})) == ["C405"]
    assert told(queue({"predict": plain}), queue(plain)) == ["C406"]
    assert told(queue({"predict": plain, "warm": single}), queue(plain)) == ["C406"]


def item(item_id: str, verbose: bool = False) -> Reply: ...
def item_by_name(name: str, verbose: bool = False) -> Reply: ...


def test_routes() -> None:
    """By verb and path; what a part of the path is called is nothing to those who fill it in."""
    old = routes(run=("POST /run", plain), item=("GET /items/{item_id}", item))
    assert told(old, routes(item=("GET /items/{item_id}", item), other=("POST /run", plain))) == []
    assert told(old, routes(run=("POST /run", plain))) == ["C103"]
    assert told(old, routes(run=("PUT /run", plain), item=("GET /items/{item_id}", item))) == ["C402"]
    assert told(old, routes(run=("POST /runs", plain), item=("GET /items/{item_id}", item))) == ["C403"]
    assert told(old, routes(go=("POST /go", plain), item=("GET /items/{item_id}", item))) == ["C403"]
    assert told(old, routes(go=("POST /go", renamed), item=("GET /items/{item_id}", item))) == ["C103"]
    assert told(old, routes(run=("POST /run", renamed), item=("GET /items/{item_id}", item))) == ["C202 input/prompt"]
    assert told(old, routes(run=("POST /run", plain), item=("GET /items/{name}", item_by_name))) == []
    assert told(old, routes(run=("POST /run", plain), item=("GET /item", item))) == ["C403"]


def test_endpoints() -> None:
    """What goes is told, with its new name, if there is one; what comes is not."""
    old = queue(plain)
    other = Manifest(resources={"cpu": old.resources["gpu"]})
    both = Manifest(resources={**old.resources, **other.resources})
    assert told(old, both) == []
    assert told(both, old) == ["C101"]
    assert [(one.rule, one.new) for one in compare(old, other).changes] == [("FLASH-C102", "cpu")]
    swapped = Manifest(resources={"gpu": routes(run=("POST /run", plain)).resources["api"]})
    assert told(old, swapped) == ["C401"]
    assert told(swapped, old) == ["C401"]


def test_what_is_not_known_is_not_clean() -> None:
    """Neither where the old version is not described nor where the new one is not, unless the same code runs."""
    known = queue(plain)
    bare = Manifest(resources={"gpu": Resource(functions=[FunctionEntry(name="run", module="app")])})
    assert told(bare, known) == ["C001"]
    assert told(known, bare) == ["C001"]
    assert len(compare(bare, known).unjudged) == 1
    assert compare(bare, known).breaking == ()
    excused = CallSchema(error="untyped: ModuleNotFoundError: torch")
    function = FunctionEntry(name="run", module="app", contract={"": excused})
    for one, two in ((known.resources["gpu"].functions[0], function), (function, function)):
        found = compare(_of(one), _of(two))
        assert [change.rule for change in found.changes] == ["FLASH-C001"]
        assert "torch" in found.unjudged[0]
    assert compare(_of(function, "same"), _of(function, "same")).changes == ()
    assert [one.rule for one in compare(_of(function, "one"), _of(function, "two")).changes] == ["FLASH-C001"]


def _of(function: FunctionEntry, fingerprint: str = "") -> Manifest:
    return Manifest(resources={"gpu": Resource(functions=[function], fingerprint=fingerprint)})


def test_images_of_others_have_nothing_to_compare() -> None:
    """They have no functions of ours."""
    image = Manifest(resources={"vllm": Resource(client_mode=True, image_name="vllm:1")})
    assert told(image, Manifest(resources={"vllm": Resource(client_mode=True, image_name="vllm:2")})) == []


def test_who_calls_it_is_told() -> None:
    """With lines: of the new version, and of what is live where the new one calls it no more."""

    def app(function: Callable[..., Any], *edges: CallEdge) -> Manifest:
        caller = replace(entry(single, "prep"), calls=list(edges))
        return Manifest(resources={"gpu": queue(function).resources["gpu"], "prep": Resource(functions=[caller])})

    edge = CallEdge(at="app.py:7", endpoint="gpu", function="run", arguments=["prompt"])
    (change,) = compare(app(plain, edge), app(renamed, replace(edge, at="app.py:9"))).changes
    assert change.callers == ("app.py:9: prep calls run(prompt=…)",)
    (change,) = compare(app(plain, edge), app(renamed)).changes
    assert change.callers == ("app.py:7: prep calls run(prompt=…) (live)",)
    assert change.text == "FLASH-C202 gpu/run input/prompt: parameter renamed: prompt → text"
    assert json.loads(json.dumps(change.as_json()))["callers"] == list(change.callers)


functions = st.sampled_from(
    [plain, renamed, narrowed, tuned, needs_seed, longer, nullable, untyped, whole, single, stream]
)
methods = st.dictionaries(st.sampled_from(["predict", "warm", "infer"]), functions, min_size=1)
kinds = st.one_of(
    functions.map(queue),
    methods.map(queue),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.tuples(st.sampled_from(["GET", "POST"]), functions)).map(
        lambda given: routes(**{name: (f"{verb} /{name}", one) for name, (verb, one) in given.items()})
    ),
)


@given(kinds, kinds)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_nothing_has_changed_from_an_app_to_itself(one: Manifest, two: Manifest) -> None:
    """Also once both have been written and read; and every change of any two apps falls under a rule."""
    assert compare(one, one).changes == ()
    assert compare(one, Manifest.parse(json.loads(one.text()))).changes == ()
    assert all(change.rule in RULES for change in compare(one, two).changes)


KEYWORDS = [
    "type",
    "properties",
    "required",
    "items",
    "anyOf",
    "enum",
    "$ref",
    "$defs",
    "minimum",
    "pattern",
    "oneOf",
    "allOf",
    "discriminator",
    "additionalProperties",
    "prefixItems",
    "A",
    "patternProperties",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["string", "object", "#/$defs/A", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYWORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, json_values)
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_a_schema_that_somebody_broke_is_not_understood_and_raises_nothing(one: Any, two: Any) -> None:
    """A manifest is what somebody else may have written."""
    for direction in ("input", "output"):
        differences(one, two, direction=direction)
