from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fakes_cloud import endpoint
from hypothesis import given
from hypothesis import strategies as st

from flash.cloud.jobs import RemoteCaller
from flash.errors import CallError, InvalidInput, RemoteError
from flash.model.dispatch import Caller, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

HELLO = Target("gpu_worker", "gpu_hello")
COUNT = Target("gpu_worker", "Counter", method="count")
PROCESS = Target("lb_worker", "process", route=("POST", "/process"))
ITEM = Target("lb_worker", "item", route=("GET", "/items/{item_id}"))
FILE = Target("lb_worker", "file", route=("DELETE", "/files/{name:path}"))


def caller(*answers: object, kind: Any = "queue") -> tuple[Caller, Any]:
    client, script, _ = endpoint(*answers, kind=kind)
    return RemoteCaller({client.name: client}), script


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Any:
    def blocking(who: Caller, target: Target, arguments: Mapping[str, object]) -> object:
        return who.call(target, arguments)

    def awaiting(who: Caller, target: Target, arguments: Mapping[str, object]) -> object:
        return asyncio.run(who.acall(target, arguments))

    return blocking if request.param == "sync" else awaiting


def completed(output: object) -> dict[str, object]:
    return {"id": "j1", "status": "COMPLETED", "output": output}


def test_every_function_is_elsewhere():
    """A remote caller sits outside of every endpoint."""
    assert caller()[0].is_here(HELLO) is False


def test_a_queue_function_is_a_job(call: Any):
    """The arguments by name are its input, as JSON types."""
    who, script = caller(completed("hi"))
    assert call(who, HELLO, {"name": "Ada", "day": dt.date(2026, 1, 2)}) == "hi"
    assert script.sent() == {"input": {"name": "Ada", "day": "2026-01-02"}}


def test_a_method_of_a_class_is_named_in_the_input(call: Any):
    """Beside its arguments."""
    who, script = caller(completed(3))
    assert call(who, COUNT, {"by": 3}) == 3
    assert script.sent() == {"input": {"by": 3, "method": "count"}}


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_job_that_did_not_complete_raises(call: Any, status: str):
    """Calling a function gives its result or raises."""
    who, _ = caller({"id": "j1", "status": status, "error": "ValueError: boom"})
    with pytest.raises(RemoteError, match=f"{status}: ValueError: boom"):
        call(who, HELLO, {})


def test_a_route_with_a_body_gets_the_arguments_in_it(call: Any):
    """As JSON."""
    who, script = caller({"ok": True}, kind="load-balanced")
    assert call(who, PROCESS, {"input": {"a": 1}}) == {"ok": True}
    assert script.paths == ["POST /lb/abc/process"]
    assert script.sent() == {"input": {"a": 1}}


def test_a_route_without_a_body_gets_the_arguments_in_path_and_query(call: Any):
    """What is None is left out."""
    who, script = caller([1], kind="load-balanced")
    assert call(who, ITEM, {"item_id": 7, "q": "x y", "limit": None, "deep": True}) == [1]
    assert script.paths == ["GET /lb/abc/items/7?q=x+y&deep=true"]


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from([".", "..", "../..", "?", "/", "#"])
)
def test_a_path_parameter_is_one_segment(value: str):
    """Slashes and question marks in it do not become others."""
    who, script = caller("ok", kind="load-balanced")
    who.call(ITEM, {"item_id": value})
    (request,) = script.requests
    assert request.url.raw_path.count(b"/") == 4
    assert request.url.query == b""


def test_a_path_parameter_of_the_kind_path_keeps_its_slashes(call: Any):
    """Starlette's own spelling."""
    who, script = caller(httpx.Response(204), kind="load-balanced")
    assert call(who, FILE, {"name": "a/b c.txt"}) is None
    assert script.paths == ["DELETE /lb/abc/files/a/b%20c.txt"]


def test_a_path_parameter_that_is_missing_is_named(call: Any):
    """No request goes out."""
    who, script = caller(kind="load-balanced")
    with pytest.raises(CallError, match="'item_id' is missing"):
        call(who, ITEM, {})
    assert script.requests == []


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_text_is_returned_as_text(call: Any, kind: str):
    """Not every route answers JSON, whatever it says."""
    who, _ = caller(httpx.Response(200, text="pong", headers={"content-type": kind}), kind="load-balanced")
    assert call(who, ITEM, {"item_id": 1}) == "pong"


def test_arguments_that_a_route_refuses_name_the_fields(call: Any):
    """The problems are the ones of the answer."""
    problem = {"loc": ["body", "n"], "msg": "not a number", "type": "int_parsing"}
    who, _ = caller(httpx.Response(422, json={"detail": [problem]}), kind="load-balanced")
    with pytest.raises(InvalidInput, match=r"body\.n: not a number") as caught:
        call(who, PROCESS, {"n": "x"})
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500, text="oops"), "500: oops"),
        (httpx.Response(400, json={"error": "bad"}), "400: bad"),
        (httpx.Response(409, json={"detail": "there already"}), "409: there already"),
        (httpx.Response(418, json=["x"]), "418: \\['x'\\]"),
    ],
)
def test_a_route_that_fails_raises_what_it_said(call: Any, answer: httpx.Response, said: str):
    """In one line."""
    who, _ = caller(answer, kind="load-balanced")
    with pytest.raises(RemoteError, match=said):
        call(who, PROCESS, {})


def test_an_argument_that_json_cannot_carry_is_named(call: Any):
    """Before anything is sent."""
    who, _ = caller()
    with pytest.raises(InvalidInput, match="argument 'x' is no JSON"):
        call(who, HELLO, {"x": object()})


def test_an_endpoint_that_is_not_there_is_an_error_that_lists_the_others(call: Any):
    """A typing error in a name is quickly seen."""
    who, _ = caller()
    with pytest.raises(CallError, match="no endpoint 'nowhere'") as caught:
        call(who, Target("nowhere", "f"), {})
    assert "gpu_worker" in caught.value.hint


def test_a_platform_that_fails_is_a_failed_call(call: Any):
    """Its hint is kept."""
    who, _ = caller(httpx.Response(401))
    with pytest.raises(CallError, match="does not accept the API key") as caught:
        call(who, HELLO, {})
    assert "RUNPOD_API_KEY" in caught.value.hint
