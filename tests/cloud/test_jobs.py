from __future__ import annotations

import asyncio
import gc
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fakes_cloud import KEY, endpoint

from flash.errors import (
    CallError,
    InvalidInput,
    NotAuthorized,
    NotFound,
    PlatformError,
    PlatformUnreachable,
    RemoteError,
)
from flash.model.job import JobReply, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flash.cloud.jobs import EndpointClient, JobHandle

DONE = {"id": "j1", "status": "COMPLETED", "output": "hi", "delayTime": 1, "executionTime": 2, "workerId": "w"}
QUEUED = {"id": "j1", "status": "IN_QUEUE"}
RUNNING = {"id": "j1", "status": "IN_PROGRESS"}
FAILED = {"id": "j1", "status": "FAILED", "error": "boom"}


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


@dataclass(frozen=True)
class Style:
    """The blocking half or the awaiting half of the client; one must behave as the other."""

    is_async: bool

    def _of(self, blocking: Callable[[], Any], awaiting: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run(awaiting()) if self.is_async else blocking()

    def runsync(self, client: EndpointClient, job: object, **options: Any) -> JobReply:
        return self._of(lambda: client.runsync(job, **options), lambda: client.arunsync(job, **options))

    def run(self, client: EndpointClient, job: object, **options: Any) -> JobHandle:
        return self._of(lambda: client.run(job, **options), lambda: client.arun(job, **options))

    def poll(self, handle: JobHandle) -> JobReply:
        return self._of(handle.poll, handle.apoll)

    def wait(self, handle: JobHandle, timeout_s: float = 600.0) -> JobReply:
        return self._of(lambda: handle.wait(timeout_s), lambda: handle.await_(timeout_s))

    def cancel(self, handle: JobHandle) -> JobReply:
        return self._of(handle.cancel, handle.acancel)

    def stream(self, handle: JobHandle) -> list[Any]:
        return self._of(lambda: list(handle.stream()), lambda: _all(handle.astream()))

    def health(self, client: EndpointClient) -> dict[str, Any]:
        return self._of(client.health, client.ahealth)

    def verb(self, client: EndpointClient, name: str, path: str, **options: Any) -> httpx.Response:
        return self._of(
            lambda: getattr(client, name)(path, **options), lambda: getattr(client, f"a{name}")(path, **options)
        )

    def logs(self, client: EndpointClient) -> tuple[str, ...]:
        return self._of(client.logs, client.alogs)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def style(request: pytest.FixtureRequest) -> Style:
    return Style(request.param)


def test_runsync_sends_the_input_and_gives_the_finished_job(style: Style):
    """The key is a bearer token; the platform waits 90 s."""
    client, script, _ = endpoint(DONE)
    reply = style.runsync(client, {"name": "Ada"})
    assert (reply.id, reply.status, reply.output, reply.error) == ("j1", JobState.COMPLETED, "hi", None)
    assert script.sent() == {"input": {"name": "Ada"}}
    assert script.paths == ["POST /v2/abc/runsync?wait=90000"]
    assert script.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_runsync_polls_once_the_platform_has_stopped_waiting(style: Style):
    """Less and less often."""
    client, script, clock = endpoint(QUEUED, RUNNING, {**RUNNING, "status": "RUNNING"}, DONE)
    assert style.runsync(client, {}).output == "hi"
    assert script.paths[1:] == ["GET /v2/abc/status/j1"] * 3
    assert clock.slept == sorted(clock.slept)


def test_a_job_that_failed_does_not_raise(style: Style):
    """Status and error say it."""
    client, _, _ = endpoint(FAILED)
    reply = style.runsync(client, {})
    assert (reply.status, reply.error, reply.output) == (JobState.FAILED, "boom", None)


def test_the_output_of_a_generator_is_the_list(style: Style):
    """It is what the endpoint answers."""
    client, _, _ = endpoint({**DONE, "output": [1, 2]})
    assert style.runsync(client, {}).output == [1, 2]


def test_an_error_that_is_no_text_becomes_one(style: Style):
    """``error`` is one string, whatever a worker reports."""
    client, _, _ = endpoint({**FAILED, "error": {"type": "ValueError"}})
    assert style.runsync(client, {}).error == '{"type": "ValueError"}'


def test_runsync_gives_up_in_time(style: Style):
    """The deadline spans the platform's wait and the polling; the job runs on."""
    client, script, clock = endpoint(QUEUED, *[RUNNING] * 99)
    with pytest.raises(CallError, match="had not ended after 5 s: IN_PROGRESS"):
        style.runsync(client, {}, timeout_s=5)
    assert clock.now == pytest.approx(5)
    assert script.paths[0].endswith("?wait=5000")


def test_a_policy_travels_beside_the_input(style: Style):
    """In milliseconds, as the platform takes it."""
    client, script, _ = endpoint(DONE, QUEUED)
    style.runsync(client, {}, policy={"executionTimeout": 5000})
    assert script.sent() == {"input": {}, "policy": {"executionTimeout": 5000}}
    style.run(client, {}, policy={"ttl": 10_000})
    assert script.sent() == {"input": {}, "policy": {"ttl": 10_000}}


def test_run_returns_a_handle_at_once(style: Style):
    """The handle asks for the rest."""
    client, script, _ = endpoint(QUEUED, RUNNING, RUNNING, DONE, {"id": "j1", "status": "CANCELLED"})
    handle = style.run(client, {"n": 1})
    assert (handle.id, repr(handle)) == ("j1", "JobHandle('j1')")
    assert style.poll(handle).status is JobState.IN_PROGRESS
    assert style.wait(handle).output == "hi"
    assert style.cancel(handle).status is JobState.CANCELLED
    assert script.paths == [
        "POST /v2/abc/run",
        *["GET /v2/abc/status/j1"] * 3,
        "POST /v2/abc/cancel/j1",
    ]


def test_waiting_survives_a_few_connection_errors(style: Style):
    """Four in a row; the count starts again with an answer."""
    down = [httpx.ConnectError("refused")] * 4
    client, _, _ = endpoint(QUEUED, *down, RUNNING, *down, DONE)
    assert style.wait(style.run(client, {})).output == "hi"


def test_waiting_gives_up_after_five_connection_errors(style: Style):
    """By then it is down."""
    client, _, _ = endpoint(QUEUED, *[httpx.ConnectError("refused")] * 5)
    with pytest.raises(PlatformUnreachable):
        style.wait(style.run(client, {}))


def test_a_handle_waits_only_as_long_as_told(style: Style):
    """The error says how the job was last seen."""
    client, _, _ = endpoint(QUEUED, *[QUEUED] * 9)
    with pytest.raises(CallError, match="IN_QUEUE"):
        style.wait(style.run(client, {}), 0.1)


def test_a_job_whose_result_is_gone(style: Style):
    """The hint says how long results are kept."""
    client, _, _ = endpoint(QUEUED, httpx.Response(404))
    with pytest.raises(NotFound, match="no job 'j1'") as caught:
        style.poll(style.run(client, {}))
    assert "30 minutes" in caught.value.hint


def test_a_stream_yields_each_output_as_it_arrives(style: Style):
    """Until the job has ended and nothing is left."""
    client, script, _ = endpoint(
        QUEUED,
        {"status": "IN_QUEUE", "stream": []},
        {"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": 2}]},
        {"status": "COMPLETED", "stream": [{"output": 3}]},
        {"status": "COMPLETED", "stream": []},
        DONE,
    )
    assert style.stream(style.run(client, {})) == [1, 2, 3]
    assert script.paths[-1] == "GET /v2/abc/status/j1"


def test_a_stream_that_is_a_bare_list_is_read_too(style: Style):
    """As the documentation shows it: its end is asked for, and what came meanwhile is not lost."""
    client, _, _ = endpoint(
        QUEUED, [{"output": 1}], [], RUNNING, [], DONE, [{"output": 2, "metrics": {}}], [], DONE, []
    )
    assert style.stream(style.run(client, {})) == [1, 2]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_a_stream_of_a_job_that_fails_ends_with_an_error(style: Style, status: str):
    """A stream that just stops would look complete."""
    client, _, _ = endpoint(QUEUED, {"status": status, "stream": []}, {**FAILED, "status": status})
    with pytest.raises(RemoteError, match="boom"):
        style.stream(style.run(client, {}))


def test_a_stream_fails_also_where_the_result_is_gone(style: Style):
    """The status alone is enough."""
    client, _, _ = endpoint(QUEUED, {"status": "FAILED", "stream": []}, httpx.Response(404))
    with pytest.raises(RemoteError, match="no reason given"):
        style.stream(style.run(client, {}))


def test_a_stream_of_a_job_that_is_cancelled_ends(style: Style):
    """Somebody wanted it so."""
    cancelled = {"id": "j1", "status": "CANCELLED"}
    client, _, _ = endpoint(QUEUED, {"status": "CANCELLED", "stream": []}, cancelled)
    assert style.stream(style.run(client, {})) == []


def test_a_stream_of_a_job_that_nobody_knows(style: Style):
    """An empty list says nothing."""
    client, _, _ = endpoint(QUEUED, [], httpx.Response(404))
    with pytest.raises(NotFound):
        style.stream(style.run(client, {}))


def test_a_wrong_key_raises(style: Style):
    """With how to set the right one."""
    client, _, _ = endpoint(httpx.Response(401))
    with pytest.raises(NotAuthorized) as caught:
        style.runsync(client, {})
    assert "RUNPOD_API_KEY" in caught.value.hint
    assert KEY not in str(caught.value)


def test_an_input_that_is_no_json_is_refused_before_it_is_sent(style: Style):
    """It names the type."""
    client, script, _ = endpoint()
    with pytest.raises(InvalidInput, match="the input is not JSON"):
        style.runsync(client, {"x": object()})
    assert script.requests == []


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), [1], {"id": "j1"}, {"id": "j1", "status": "DANCING"}]
)
def test_an_answer_that_is_no_job_is_an_error(style: Style, answer: Any):
    """Not a job with holes."""
    client, _, _ = endpoint(answer)
    with pytest.raises(PlatformError):
        style.runsync(client, {})


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_a_verb_gives_the_response_whatever_its_status(style: Style, verb: str):
    """A user's route may well answer 422; options are httpx's."""
    client, script, _ = endpoint(httpx.Response(422, json={"detail": []}), kind="load-balanced")
    response = style.verb(client, verb, "/items/1", params={"q": "x"}, headers={"X-Mine": "1"})
    assert response.status_code == 422
    assert script.paths == [f"{verb.upper()} /lb/abc/items/1?q=x"]
    assert script.requests[0].headers["x-mine"] == "1"
    assert script.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_verb_may_bring_its_own_authorization(style: Style):
    """To test that the key is asked for: the refusal is an answer like any other."""
    client, script, _ = endpoint(httpx.Response(401), kind="load-balanced")
    response = style.verb(client, "get", "/health", headers={"authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert script.requests[0].headers["authorization"] == "Bearer wrong"


def test_a_path_starts_with_a_slash(style: Style):
    """Otherwise it would end up in the endpoint's id."""
    client, _, _ = endpoint(kind="load-balanced")
    with pytest.raises(CallError, match="'/'"):
        style.verb(client, "get", "health")


def test_each_kind_says_how_it_is_called(style: Style):
    """Jobs for queues, routes for load-balanced endpoints."""
    queue, balanced = endpoint()[0], endpoint(kind="load-balanced")[0]
    with pytest.raises(CallError, match="has no routes") as caught:
        style.verb(queue, "get", "/health")
    assert "runsync" in caught.value.hint
    with pytest.raises(CallError, match="takes no jobs") as caught:
        style.runsync(balanced, {})
    assert ".post(" in caught.value.hint


def test_health_is_what_the_endpoint_answers(style: Style):
    """A queue has a page of its own, a load-balanced endpoint a ping."""
    queue, script, _ = endpoint({"jobs": {"inQueue": 1}, "workers": {"ready": 1}})
    assert style.health(queue)["workers"] == {"ready": 1}
    assert script.paths == ["GET /v2/abc/health"]
    balanced, script, _ = endpoint({"status": "healthy"}, "ok", kind="load-balanced")
    assert style.health(balanced) == {"status": "healthy"}
    assert style.health(balanced) == {"status": "ok"}
    assert script.paths[0] == "GET /lb/abc/ping"


def test_logs_come_from_the_platform(style: Style):
    """Where it has any to give."""
    with_logs, _, _ = endpoint(logs=lambda: ("last",))
    without, _, _ = endpoint()
    assert style.logs(with_logs) == ("last",)
    with pytest.raises(PlatformError, match="gives no logs"):
        style.logs(without)


def test_nothing_shows_the_key():
    """A client ends up in pytest's output when a test fails."""
    client, _, _ = endpoint()
    assert repr(client) == "EndpointClient('gpu_worker', kind='queue', url='http://127.0.0.1:1/v2/abc')"


def test_a_client_closes_with_its_block():
    """Afterwards it sends nothing."""
    client, _, _ = endpoint(DONE)
    with client as same:
        assert same is client
    with pytest.raises(RuntimeError):
        client.runsync({})


def test_async_connections_close_too():
    """Those of the running loop, and the blocking ones."""

    async def use(client: EndpointClient) -> None:
        await client.aclose()
        await client.arunsync({})
        await client.aclose()

    client, script, _ = endpoint(DONE)
    asyncio.run(use(client))
    assert script.answers == []
    with pytest.raises(RuntimeError):
        client.runsync({})


def test_a_client_that_nobody_closes_is_no_warning_in_the_users_tests():
    """Many suites turn warnings into errors."""
    client, _, _ = endpoint(DONE, DONE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.runsync({})
        asyncio.run(client.arunsync({}))
        del client
        gc.collect()
