"""The handler of a queue endpoint, as any worker would call it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from fakes_runtime import importable

from flash.errors import CallError, ManifestError, RemoteError
from flash.runtime.handler import queue_handlers

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import asyncio
from typing import Any
from flash import Endpoint

CPU = "cpu3c-1-2"
made = []

@Endpoint(name="plain", cpu=CPU)
def double(x: int) -> int:
    return 2 * x

@Endpoint(name="coroutine", cpu=CPU)
async def adouble(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x

@Endpoint(name="whole", cpu=CPU)
def whole(input: dict) -> dict:
    return {"got": input}

@Endpoint(name="generator", cpu=CPU)
def count(n: int):
    for i in range(n):
        if i == 3:
            raise RuntimeError("enough")
        yield {"i": i}

@Endpoint(name="agenerator", cpu=CPU)
async def acount(n: int):
    for i in range(n):
        if i == 3:
            raise RuntimeError("enough")
        yield {"i": i}

@Endpoint(name="fails", cpu=CPU)
def fails(how: str) -> Any:
    if how == "raise":
        raise KeyError("first line\\nsecond line")
    if how == "exit":
        raise SystemExit(3)
    if how == "object":
        return {"model": object()}
    return {"error": "said so itself", "how": how}

@Endpoint(name="many", cpu=CPU)
class Many:
    def __init__(self):
        made.append(self)
    def add(self, a: int, b: int = 1) -> int:
        return a + b
    async def aadd(self, a: int) -> int:
        return a + 1
    def each(self, n: int):
        yield from range(n)
    def _hidden(self): ...

@Endpoint(name="one", cpu=CPU)
class One:
    def predict(self, x: int) -> int:
        return -x

@Endpoint(name="named", cpu=CPU)
class Named:
    def run(self, method: str) -> str:
        return method.upper()

@Endpoint(name="none", cpu=CPU)
class Hollow:
    pass

def other(x: int) -> int:
    return x
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path) -> Iterator[None]:
    """The user's module ``served``."""
    (tmp_path / "served.py").write_text(SOURCE)
    with importable(tmp_path):
        yield


def answer(function: str, value: object, *, is_class: bool = False) -> object:
    """What the handler answers for one input."""
    handler, _ = queue_handlers("e", "served", function, is_class=is_class)
    result = handler({"id": "1", "input": value})
    if inspect.isawaitable(result):
        return asyncio.run(_awaited(result))
    return result


async def _awaited(result: Any) -> object:
    return await result


def chunks(function: str, value: object, *, is_class: bool = False) -> list[object]:
    """What the stream yields for one input."""
    _, stream = queue_handlers("e", "served", function, is_class=is_class)
    assert stream is not None
    found = stream({"id": "1", "input": value})
    if isinstance(found, AsyncIterator):
        return asyncio.run(_collected(found))
    assert found is not None
    return list(found)


async def _collected(found: AsyncIterator[object]) -> list[object]:
    return [chunk async for chunk in found]


@pytest.mark.parametrize("function", ["double", "adouble"])
def test_a_function_gets_its_input_by_name(function: str) -> None:
    """Plain or a coroutine."""
    assert answer(function, {"x": 21}) == 42


def test_the_handler_is_of_the_functions_kind() -> None:
    """A worker awaits what must be awaited, and nothing else."""
    assert not inspect.iscoroutinefunction(queue_handlers("e", "served", "double")[0])
    assert inspect.iscoroutinefunction(queue_handlers("e", "served", "adouble")[0])
    assert inspect.iscoroutinefunction(queue_handlers("e", "served", "acount")[0])


def test_the_pages_input_is_the_one_dict() -> None:
    """``{"input": {"your": "data"}}``."""
    assert answer("whole", {"your": "data"}) == {"got": {"your": "data"}}
    assert answer("whole", None) == {"got": {}}


@pytest.mark.parametrize("function", ["double", "adouble"])
@pytest.mark.parametrize(("value", "field"), [({"x": "two"}, "x"), ({}, "x"), ({"x": 1, "z": 1}, "z"), ([], "object")])
def test_a_bad_input_is_an_error_of_one_line(function: str, value: object, field: str) -> None:
    """It names the field, and is no traceback."""
    result = answer(function, value)
    assert isinstance(result, dict)
    assert list(result) == ["error"]
    assert field in result["error"]
    assert "\n" not in result["error"]


def test_an_exception_is_an_error_and_its_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The caller sees type and message."""
    assert answer("fails", {"how": "raise"}) == {"error": r"KeyError: 'first line\nsecond line'"}
    assert "Traceback" in caplog.text
    assert "served.py" in caplog.text


def test_leaving_the_program_fails_the_job_alone() -> None:
    """The worker goes on."""
    assert answer("fails", {"how": "exit"}) == {"error": "SystemExit: 3"}


def test_an_output_that_is_not_json_names_the_type() -> None:
    """No job ends without a word."""
    result = cast("dict[str, str]", answer("fails", {"how": "object"}))
    assert "value of type object" in result["error"]


def test_an_error_that_the_function_returns_is_kept() -> None:
    """The platform reads it as a failure."""
    assert answer("fails", {"how": "say"}) == {"error": "said so itself", "how": "say"}


@pytest.mark.parametrize("function", ["count", "acount"])
def test_a_generators_output_is_the_list_of_its_chunks(function: str) -> None:
    """For workers that do not stream."""
    assert answer(function, {"n": 2}) == [{"i": 0}, {"i": 1}]
    assert answer(function, {"n": 9}) == {"error": "RuntimeError: enough"}


@pytest.mark.parametrize("function", ["count", "acount"])
def test_a_stream_yields_the_chunks(function: str) -> None:
    """And raises where the handler would answer an error."""
    assert chunks(function, {"n": 2}) == [{"i": 0}, {"i": 1}]
    with pytest.raises(RemoteError, match="RuntimeError: enough"):
        chunks(function, {"n": 9})


def test_there_is_no_stream_where_nothing_yields() -> None:
    """Neither for a function, nor for a job whose input is bad."""
    assert queue_handlers("e", "served", "double")[1] is None
    stream = queue_handlers("e", "served", "count")[1]
    assert stream is not None
    assert stream({"id": "1", "input": {"n": "x"}}) is None


def test_a_class_is_constructed_once_when_its_handler_is_made() -> None:
    """Not again for each job."""
    import served  # type: ignore[import-not-found]

    handler, _ = queue_handlers("e", "served", "Many", is_class=True)
    assert len(served.made) == 1
    for number in (1, 2):
        assert asyncio.run(_awaited(handler({"input": {"method": "add", "a": number}}))) == number + 1
    assert len(served.made) == 1


def test_a_class_is_asked_by_method() -> None:
    """Each kind of method is called in its way."""
    assert answer("Many", {"method": "add", "a": 1, "b": 2}, is_class=True) == 3
    assert answer("Many", {"method": "aadd", "a": 1}, is_class=True) == 2
    assert answer("Many", {"method": "each", "n": 2}, is_class=True) == [0, 1]
    assert chunks("Many", {"method": "each", "n": 2}, is_class=True) == [0, 1]
    stream = queue_handlers("e", "served", "Many", is_class=True)[1]
    assert stream is not None
    assert stream({"input": {"method": "add", "a": 1}}) is None


@pytest.mark.parametrize("value", [{"a": 1}, {"method": "nope"}, {"method": "_hidden"}, {"method": 3}, None, []])
def test_an_unknown_method_is_an_error_that_names_the_known(value: object) -> None:
    """``method`` is required where there are several."""
    result = cast("dict[str, str]", answer("Many", value, is_class=True))
    assert "method" in result["error"]
    assert "add, aadd, each" in result["error"]


def test_the_only_method_need_not_be_named() -> None:
    """But may be."""
    assert answer("One", {"x": 1}, is_class=True) == -1
    assert answer("One", {"method": "predict", "x": 1}, is_class=True) == -1
    assert "error" in cast("dict[str, str]", answer("One", {"method": "other", "x": 1}, is_class=True))


def test_the_only_method_may_have_a_parameter_called_method() -> None:
    """Then the key is the parameter's."""
    assert answer("Named", {"method": "abc"}, is_class=True) == "ABC"


def test_a_class_without_methods_cannot_be_served() -> None:
    """At start, not at the first job."""
    with pytest.raises(CallError, match="no public method"):
        queue_handlers("e", "served", "Hollow", is_class=True)


def test_a_function_that_is_not_there_is_an_error_of_the_artifact() -> None:
    """It names the function."""
    with pytest.raises(ManifestError, match="'nope'"):
        queue_handlers("e", "served", "nope")


def test_an_undecorated_function_can_be_served() -> None:
    """An older spelling decorates in another way."""
    assert answer("other", {"x": 1}) == 1
