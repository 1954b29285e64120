"""Stand-ins for modules that are not installed."""

from __future__ import annotations

import importlib
import operator
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flash.bundle.inert import MARK, Inert, InertFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THING: Any = Inert("nowhere.thing")


@pytest.fixture
def missed() -> Iterator[list[str]]:
    """Top-level names that nobody but the stand-in found, while it is the last finder."""
    names: list[str] = []
    finder: Any = InertFinder({"mine"}, names.append)
    sys.meta_path.append(finder)
    try:
        yield names
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == "nowhere"]:
            del sys.modules[name]


def test_a_missing_module_and_its_parts_can_be_imported(missed: list[str]) -> None:
    """It is told once."""
    deep: Any = importlib.import_module("nowhere.at.all")
    assert repr(deep.name) == f"{MARK}nowhere.at.all.name"
    assert missed == ["nowhere"]


@pytest.mark.parametrize("name", ["mine", "mine.part", "json.nothing"])
def test_what_the_project_or_an_installed_package_lacks_is_an_error(missed: list[str], name: str) -> None:
    """A stand-in would hide a mistake."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)
    assert missed == []


@pytest.mark.parametrize(
    "use",
    [
        lambda: THING.deep.er(1, a=2)["x"],
        lambda: THING | None,
        lambda: 3 * THING + THING,
        lambda: -THING < THING,
        lambda: operator.matmul(THING, THING),
    ],
    ids=["attributes-calls-items", "annotation", "sums", "comparison", "matrices"],
)
def test_whatever_is_done_with_one_gives_one(use: Callable[[], object]) -> None:
    """Attributes, calls, items, sums, comparisons, annotations."""
    assert isinstance(use(), Inert)


def test_it_is_nothing() -> None:
    """False, empty, and never equal to a value."""
    assert not THING
    assert list(THING) == []
    assert len(THING) == 0
    assert 3 not in THING
    assert THING != "nowhere.thing"
    assert len({THING, THING}) == 1
    THING.limit = THING["limit"] = 3
    with THING as entered:
        assert entered is THING
    assert not hasattr(THING, "__fspath__")


def test_a_decorator_leaves_what_it_decorates_alone() -> None:
    """With arguments or without."""

    def work() -> None: ...

    assert THING(work) is work
    assert THING(limit=3)(work) is work


def test_a_class_may_have_several_for_its_bases() -> None:
    """And options, and arguments."""

    class Real:
        pass

    class Model(THING.Base, Real, THING.Other, table=True):  # type: ignore[misc, call-arg]
        pass

    assert issubclass(Model, Real)
    assert isinstance(Model(1, a=2), Model)


@pytest.mark.parametrize(
    "text",
    [str(THING), f"{THING:>40}", "{}".format(THING), "a-%s" % THING],  # noqa: UP031, UP032  each is its own protocol
    ids=["str", "f-string", "format", "percent"],
)
def test_text_made_of_one_carries_the_mark(text: str) -> None:
    """So that it is told from text."""
    assert MARK in text
