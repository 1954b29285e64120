"""Problems are one line each and say where."""

from __future__ import annotations

from typing import Any

import pytest

from flash.contract.validate import is_valid, validate

ORDER = {
    "$defs": {"Item": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}, "day": {"format": "date"}},
    "required": ["items"],
}


def test_a_value_that_keeps_to_its_schema_has_no_problems() -> None:
    """The common case says nothing."""
    assert validate(ORDER, {"items": [{"name": "a"}], "day": "2026-08-01"}) == []


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({}, ["$: 'items' is a required property"]),
        ({"items": [{"name": 1}]}, ["$.items[0].name: 1 is not of type 'string'"]),
        ({"items": [{}, 1]}, ["$.items[0]: 'name' is a required property", "$.items[1]: 1 is not of type 'object'"]),
        ({"items": [], "day": "today"}, ["$.day: 'today' is not a 'date'"]),
    ],
)
def test_each_problem_says_where_it_is(value: object, problems: list[str]) -> None:
    """In the order of their places."""
    assert validate(ORDER, value) == problems


def test_of_a_union_the_nearest_branch_is_quoted() -> None:
    """Not valid under any of the given schemas would help nobody."""
    union = {"anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"type": "null"}]}
    assert validate(union, {"a": "x"}) == ["$.a: 'x' is not of type 'integer'"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "$: nan is not JSON"),
        ({"a": [1, float("inf")]}, "$.a[1]: inf is not JSON"),
        ({1: 2}, "$: the key 1 is not JSON"),
        ((1, 2), "$: a tuple is not JSON"),
    ],
)
def test_a_value_that_is_not_json_is_a_problem(value: object, problem: str) -> None:
    """Even where the schema allows anything."""
    assert validate({}, value) == [problem]


@pytest.mark.parametrize("schema", [{"type": "float"}, {"$ref": "#/$defs/Missing"}, {"$ref": "https://example.com/s"}])
def test_a_wrong_schema_is_a_problem_and_nothing_is_fetched(schema: dict[str, Any]) -> None:
    """A reference that leaves the document is not followed."""
    (problem,) = validate(schema, 1)
    assert problem.startswith("the schema itself is wrong: ")


def test_a_problem_is_one_short_line() -> None:
    """Whatever the value is."""
    (problem,) = validate({"type": "integer"}, "line\n" * 1000)
    assert "\n" not in problem
    assert len(problem) <= 200


def test_a_part_of_a_document_is_judged_with_the_document_s_definitions() -> None:
    """References of the part lead into the whole."""
    assert is_valid({"$ref": "#/$defs/Item"}, {"name": "a"}, root=ORDER)
    assert not is_valid({"$ref": "#/$defs/Item"}, {}, root=ORDER)
