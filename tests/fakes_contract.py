"""JSON Schemas of the family that pydantic emits, at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

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
