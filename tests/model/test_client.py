"""Endpoints with an id or an image: what is asked of them, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes_cloud import Clock
from fakes_model import RecordingCaller

from flash import Endpoint
from flash.errors import CallError, CallTimeout, DeclarationError, InvalidInput, PlatformUnreachable
from flash.model.client import Client, Driver, EndpointJob
from flash.model.dispatch import is_loop_running, override_caller, resting_loop

Call = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def caller() -> Iterator[RecordingCaller]:
    """Answers one reply after the other."""
    recording = RecordingCaller()
    with override_caller(recording):
        yield recording


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Makes a call, and awaits it where a loop runs."""

    async def awaiting(make: Callable[[], Any]) -> Any:
        return await make()

    return (lambda make: asyncio.run(awaiting(make))) if request.param == "async" else (lambda make: make())


def unreachable() -> CallError:
    error = CallError("nobody answers")
    error.__cause__ = PlatformUnreachable("nobody answers")
    return error


def paths(caller: RecordingCaller) -> list[str]:
    return [f"{request.method} {request.path}" for _, request in caller.sent]


def job(status: str = "COMPLETED", **more: object) -> dict[str, object]:
    return {"id": "j1", "status": status, **more}


def client(*, is_async: bool = False) -> tuple[Client, Clock]:
    clock = Clock()
    driver = Driver(lambda: is_async, clock=clock, sleep=clock.sleep, asleep=clock.asleep)
    return Client("", "abc", driver), clock


def test_a_job_is_run_and_waited_for(call: Call, caller: RecordingCaller) -> None:
    """The input and the webhook travel as they are; attributes are what came back."""
    caller.replies = [job("IN_QUEUE"), job(output={"x": 1})]
    known = Endpoint(id="abc")
    submitted = call(lambda: known.run({"n": 1}, webhook="http://h/x"))
    assert (submitted.id, submitted.done, submitted.output, submitted.error) == ("j1", False, None, None)
    finished = call(lambda: known.runsync({"n": 2}, timeout=5))
    assert (finished.done, finished.output, finished.error) == (True, {"x": 1}, None)
    assert paths(caller) == ["POST /run", "POST /runsync?wait=5000"]
    assert [request.body for _, request in caller.sent] == [
        {"input": {"n": 1}, "webhook": "http://h/x"},
        {"input": {"n": 2}},
    ]
    assert {(request.id, request.endpoint, request.is_route) for _, request in caller.sent} == {("abc", "", False)}


def test_a_job_is_asked_for_and_cancelled(call: Call, caller: RecordingCaller) -> None:
    """By its own methods, or by its id; one that has ended is not asked for again."""
    caller.replies = [job("IN_QUEUE"), job("IN_PROGRESS"), job("CANCELLED"), job("CANCELLED"), {"jobs": {}}]
    known = Endpoint(id="abc")
    submitted = call(lambda: known.run({}))
    assert call(submitted.status) == "IN_PROGRESS"
    assert call(submitted.cancel) is submitted
    assert (submitted.done, call(submitted.status)) == (True, "CANCELLED")
    assert call(lambda: known.cancel("j1")).done
    assert call(known.health) == {"jobs": {}}
    assert paths(caller) == ["POST /run", "GET /status/j1", "POST /cancel/j1", "POST /cancel/j1", "GET /health"]


def test_a_job_that_fails_does_not_raise(call: Call, caller: RecordingCaller) -> None:
    """Its error is one string."""
    caller.replies = [job("FAILED", error={"type": "E"})]
    assert call(lambda: Endpoint(id="abc").runsync({})).error == '{"type": "E"}'


def test_waiting_polls_through_a_few_connection_errors(caller: RecordingCaller) -> None:
    """At first after a quarter of a second, then ever more slowly."""
    made, clock = client()
    caller.replies = [job("IN_QUEUE"), *[unreachable()] * 4, job("IN_PROGRESS"), unreachable(), job(output=1)]
    assert made.run({}, None).wait().output == 1
    assert clock.slept[:3] == [0.25, 0.375, 0.5625]
    caller.replies = [job("IN_QUEUE"), *[unreachable()] * 5]
    with pytest.raises(CallError, match="nobody answers"):
        made.run({}, None).wait()
    caller.replies = [job("IN_QUEUE"), CallError("no such job")]
    with pytest.raises(CallError, match="no such job"):
        made.run({}, None).wait()


@pytest.mark.parametrize("is_async", [False, True])
def test_waiting_ends_in_time(*, is_async: bool, caller: RecordingCaller) -> None:
    """With an error that is a ``TimeoutError`` too, and says that the job runs on."""
    made, clock = client(is_async=is_async)
    caller.answer = job("IN_PROGRESS")

    def runsync() -> Any:
        return asyncio.run(made.runsync({}, 7)) if is_async else made.runsync({}, 7)

    with pytest.raises(TimeoutError, match=r"'j1' had not ended after 7 s: IN_PROGRESS\nhint: it runs on") as caught:
        runsync()
    assert isinstance(caught.value, CallTimeout)
    assert clock.now == pytest.approx(7)


def test_a_route_is_called(call: Call, caller: RecordingCaller) -> None:
    """Data goes into the body, or into the query where Flash's routes look for it; the answer is what it was."""
    caller.answer = {"ok": True}
    known = Endpoint(id="abc")
    assert call(lambda: known.post("/items", {"a": 1})) == {"ok": True}
    call(lambda: known.get("/items", {"a": [1, "b"], "c": None, "d": True}, timeout=1.5))
    call(lambda: known.delete("/items/3"))
    assert paths(caller) == ["POST /items", "GET /items?a=1&a=b&d=true", "DELETE /items/3"]
    assert [(request.body, request.timeout_s) for _, request in caller.sent] == [
        ({"a": 1}, 60),
        (None, 1.5),
        (None, 60),
    ]
    assert all(request.is_route for _, request in caller.sent)
    with pytest.raises(CallError, match="'x': a path starts with"):
        call(lambda: known.get("x"))


def test_an_image_is_called_by_its_name(caller: RecordingCaller) -> None:
    """Wherever it is."""
    caller.answer = job(output=1)
    assert Endpoint(name="engine", image="me/mine:1").runsync({}).output == 1
    assert (caller.sent[0][1].endpoint, caller.sent[0][1].id) == ("engine", None)


def test_where_a_loop_runs_a_call_is_awaited(caller: RecordingCaller) -> None:
    """Without blocking it; elsewhere it is a value, which may be awaited all the same."""
    caller.answer = job(output=1)
    known = Endpoint(id="abc")

    async def work() -> None:
        asked = known.runsync({})
        assert inspect.iscoroutine(asked)
        await asked

    asyncio.run(work())
    assert [how for how, _ in caller.sent] == ["asend"]
    done = known.runsync({})

    async def again() -> EndpointJob:
        return await done

    assert asyncio.run(again()) is done


def test_a_plain_function_on_the_loops_own_thread_gets_values(caller: RecordingCaller) -> None:
    """As a stock worker runs it, which waits for it; what it starts in a loop of its own is awaited again."""
    caller.answer = job(output=1)

    async def worker() -> None:
        assert is_loop_running()
        with resting_loop():
            assert Endpoint(id="abc").runsync({}).output == 1
        assert is_loop_running()

    asyncio.run(worker())
    assert not is_loop_running()


@pytest.mark.parametrize("answer", [{}, [], {"id": "x"}, "text"])
def test_an_answer_that_is_no_job_is_an_error(answer: object, caller: RecordingCaller) -> None:
    """It shows what came."""
    caller.answer = answer
    with pytest.raises(CallError, match="is no job"):
        Endpoint(id="abc").run({})


def test_an_input_that_is_no_json_is_refused_before_it_is_sent(caller: RecordingCaller) -> None:
    """By the name of what it is."""
    with pytest.raises(InvalidInput, match="object"):
        Endpoint(id="abc").run({"x": object()})
    assert caller.sent == []


def test_what_has_functions_here_is_no_client() -> None:
    """The error says how it is called; and a route takes no data."""
    api = Endpoint(name="api")
    with pytest.raises(CallError, match=r"run\(\) is for an endpoint with an id or an image\nhint: .*\.remote"):
        api.run({})
    with pytest.raises(DeclarationError, match=r"POST /x takes no data\nhint: .*Endpoint\(id="):
        api.post("/x", {"a": 1})


@pytest.mark.parametrize("wrong", ["", " ", "a/b", "a b", "a?b", "ü", "..", 3])
def test_an_id_is_a_part_of_a_url(wrong: Any) -> None:
    """Nothing that would be another one."""
    with pytest.raises(DeclarationError, match="id "):
        Endpoint(id=wrong)


def test_a_known_endpoint_is_shown_by_its_id() -> None:
    """It has no name."""
    assert repr(Endpoint(id="abc")) == "Endpoint(id='abc')"
