"""Records as JSON carries them: what is read, what is refused, what is written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ManifestError
from flash.model.wire import Wire, indented


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Wire):
    """With a field that has to be there."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Wire):
    """With a field of each kind."""

    spelling: ClassVar[dict[str, str]] = {"most_workers": "mostWorkers"}

    most_workers: int = 1
    is_open: bool = False
    word: Literal["a", "b"] = "a"
    text: str | None = None
    lines: list[str] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    anything: Any = None
    free: dict[str, Any] = field(default_factory=dict)
    told: str = field(default="", metadata={"is_written": False})


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({"mostWorkers": "3"}, Whole(most_workers=3)),
        ({"mostWorkers": 3.0}, Whole(most_workers=3)),
        ({"mostWorkers": True}, Whole(most_workers=1)),
        ({"most_workers": 3}, Whole(most_workers=3)),
        ({"mostWorkers": None}, Whole()),
        ({"is_open": "true"}, Whole(is_open=True)),
        ({"is_open": 0}, Whole(is_open=False)),
        ({"text": 1.5}, Whole(text="1.5")),
        ({"lines": ["a", 2]}, Whole(lines=["a", "2"])),
        ({"parts": {"p": {"name": "n"}}}, Whole(parts={"p": Part(name="n")})),
        ({"parts": {"p": Part(name="n")}}, Whole(parts={"p": Part(name="n")})),
        ({"anything": [None]}, Whole(anything=[None])),
        ({"free": {"a": None}}, Whole(free={"a": None})),
        ({"told": "once"}, Whole(told="once")),
        ({"more": 1}, Whole(extra={"more": 1})),
    ],
)
def test_what_means_the_same_is_read(data: dict[str, Any], read: Whole) -> None:
    """Others write numbers for text, text for numbers, and null for what is not set."""
    assert Whole.of(data) == read


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([], "the document: should be an object, not []"),
        ({"mostWorkers": "many"}, "mostWorkers: should be a whole number, not 'many'"),
        ({"mostWorkers": 1.5}, "mostWorkers: should be a whole number, not 1.5"),
        ({"mostWorkers": float("inf")}, "mostWorkers: should be a whole number, not inf"),
        ({"mostWorkers": [1]}, "mostWorkers: should be a whole number, not [1]"),
        ({"is_open": "perhaps"}, "is_open: should be true or false, not 'perhaps'"),
        ({"is_open": []}, "is_open: should be true or false, not []"),
        ({"word": "c"}, "word: should be one of 'a', 'b', not 'c'"),
        ({"text": True}, "text: should be text, not True"),
        ({"text": {"long": "x" * 100}}, "text: should be text, not {'long': '" + "x" * 47 + "..."),
        ({"lines": "a"}, "lines: should be a list, not 'a'"),
        ({"lines": ["a", []]}, "lines.1: should be text, not []"),
        ({"parts": {"p": {}}}, "parts.p.name: is missing"),
        ({"parts": []}, "parts: should be an object, not []"),
        ({"free": 1}, "free: should be an object, not 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(data: Any, told: str) -> None:
    """The first that is wrong."""
    with pytest.raises(ManifestError) as caught:
        Whole.of(data)
    assert caught.value.message == told


def test_what_is_written_has_wire_spelling() -> None:
    """Without what is not set, and without what is read only; what is as by default where it is asked for."""
    whole = Whole(most_workers=2, parts={"p": Part(name="n")}, told="once", extra={"more": 1})
    assert whole.as_json() == {
        "mostWorkers": 2,
        "is_open": False,
        "word": "a",
        "lines": [],
        "parts": {"p": {"name": "n"}},
        "free": {},
        "more": 1,
    }
    assert whole.as_json(without_defaults=True) == {"mostWorkers": 2, "parts": {"p": {"name": "n"}}, "more": 1}


def test_a_field_of_another_type_is_no_field_of_a_record() -> None:
    """Whoever adds one is told."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Wrong(Wire):
        size: complex = 0j

    with pytest.raises(TypeError, match="no type of a record's field"):
        Wrong.of({})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_indented_as_the_standard_librarys(value: Any) -> None:
    """To the byte."""
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)
