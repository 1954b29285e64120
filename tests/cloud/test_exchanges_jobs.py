"""The job API of Runpod and load-balanced endpoints, one exchange at a time (contract §6, §5.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from fakes_cloud import Clock
from fakes_runpod import KEY, RUNPOD

from flash.cloud.jobs import EndpointClient
from flash.errors import CallError, NotAuthorized, NotFound, PlatformError, RemoteError
from flash.model.job import JobState

QUEUE = "https://api.runpod.ai/v2/abc123"
DONE = {"id": "j1-u1", "status": "COMPLETED", "output": "hi", "delayTime": 1, "executionTime": 2, "workerId": "w"}


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    """Strict: what is not mocked fails, and what is mocked has to be asked for."""
    with respx.mock(assert_all_called=True, assert_all_mocked=True) as answering:
        yield answering


def queue() -> EndpointClient:
    """A queue endpoint on Runpod."""
    url = RUNPOD.endpoint_url("abc123", is_load_balanced=False)
    clock = Clock()
    return EndpointClient(
        "gpu", kind="queue", url=url, api_key=KEY, marks_empty=True, clock=clock, sleep=clock.sleep, asleep=clock.asleep
    )


def load_balanced() -> EndpointClient:
    """A load-balanced endpoint on Runpod."""
    return EndpointClient(
        "lb", kind="load-balanced", url=RUNPOD.endpoint_url("abc123", is_load_balanced=True), api_key=KEY
    )


def sent(call: Any) -> Any:
    return json.loads(call.request.content)


def test_runsync_waits_on_the_platform_and_then_asks(router: respx.MockRouter):
    """``POST /runsync?wait=90000``, then ``GET /status/ID`` until it has ended."""
    job = {"id": "sync-1", "status": "IN_PROGRESS"}
    runsync = router.post(f"{QUEUE}/runsync", params={"wait": 90000}).respond(json=job)
    status = router.get(f"{QUEUE}/status/sync-1").mock(
        side_effect=[httpx.Response(200, json=job), httpx.Response(200, json={**DONE, "id": "sync-1"})]
    )

    reply = queue().runsync({"name": "you"})

    assert (reply.status, reply.output) == (JobState.COMPLETED, "hi")
    assert sent(runsync.calls[0]) == {"input": {"name": "you"}}
    assert status.call_count == 2
    for call in (*runsync.calls, *status.calls):
        assert call.request.headers["authorization"] == f"Bearer {KEY}"
        assert call.request.headers["user-agent"].startswith("pytest-flash/")


def test_an_empty_input_is_marked(router: respx.MockRouter):
    """Contract 14.8: whether an empty object arrives is not known; workers take the mark for one."""
    run = router.post(f"{QUEUE}/runsync").respond(json=DONE)
    queue().runsync({})
    assert sent(run.calls[0]) == {"input": {"__empty": True}}


def test_a_policy_goes_with_the_job(router: respx.MockRouter):
    """In milliseconds, as it was given."""
    run = router.post(f"{QUEUE}/run").respond(json={"id": "j1", "status": "IN_QUEUE"})
    assert queue().run({"x": 1}, policy={"ttl": 20000}).id == "j1"
    assert sent(run.calls[0]) == {"input": {"x": 1}, "policy": {"ttl": 20000}}


def test_a_job_is_cancelled_with_an_empty_post(router: respx.MockRouter):
    """``POST /cancel/ID``."""
    router.post(f"{QUEUE}/run").respond(json={"id": "j1", "status": "IN_QUEUE"})
    cancel = router.post(f"{QUEUE}/cancel/j1").respond(json={"id": "j1", "status": "CANCELLED"})
    assert queue().run({"x": 1}).cancel().status is JobState.CANCELLED
    assert cancel.calls[0].request.content == b""


@pytest.mark.parametrize(
    "chunks",
    [
        [{"status": "IN_PROGRESS", "stream": [{"output": 1}]}, {"status": "COMPLETED", "stream": [{"output": 2}]},
         {"status": "COMPLETED", "stream": []}],
        [[{"output": 1, "metrics": {}}], [{"output": 2}], []],
    ],
    ids=["with status", "the bare list of the docs"],
)  # fmt: skip
def test_a_stream_is_read_in_both_shapes(chunks: list[Any], router: respx.MockRouter):
    """The SDK's and the docs' differ."""
    router.post(f"{QUEUE}/run").respond(json={"id": "j1", "status": "IN_QUEUE"})
    left = [httpx.Response(200, json=one) for one in chunks]
    router.get(f"{QUEUE}/stream/j1").mock(side_effect=lambda _: left.pop(0) if len(left) > 1 else left[0])
    router.get(f"{QUEUE}/status/j1").respond(json={**DONE, "id": "j1"})
    assert list(queue().run({"x": 1}).stream()) == [1, 2]


def test_health_is_as_it_comes(router: respx.MockRouter):
    """``GET /health``."""
    health = {"jobs": {"completed": 1}, "workers": {"ready": 1}}
    router.get(f"{QUEUE}/health").respond(json=health)
    assert queue().health() == health


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, NotAuthorized), (403, NotAuthorized), (404, NotFound), (429, PlatformError), (500, PlatformError)],
)
def test_a_status_is_an_error_with_what_was_asked(status: int, kind: type[PlatformError], router: respx.MockRouter):
    """Contract §6.1; the key is in no message."""
    router.post(f"{QUEUE}/runsync").respond(status, json={"error": f"no {KEY}"})
    with pytest.raises(kind, match="POST /runsync") as caught:
        queue().runsync({"x": 1})
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("error", ["boom", {"message": "boom"}, None])
def test_a_failed_job_keeps_what_is_known_of_its_error(error: object, router: respx.MockRouter):
    """Contract 14.8: whether error and output come together is not known; either way nothing raises."""
    router.post(f"{QUEUE}/runsync").respond(json={"id": "j1", "status": "FAILED", "error": error, "output": {"a": 1}})
    reply = queue().runsync({"x": 1})
    assert reply.status is JobState.FAILED
    assert ("boom" in (reply.error or "")) is (error is not None)


@pytest.mark.parametrize(
    "answer",
    [
        {"content": b"<html>busy</html>", "headers": {"content-type": "text/html"}},
        {"content": b'{"id": "j1", "sta', "headers": {"content-type": "application/json"}},
        {"json": None},
        {"json": []},
        {"json": {"status": "COMPLETED"}},
        {"json": {"id": "j1", "status": "HIBERNATING"}},
        {"json": {"id": 7, "status": "COMPLETED"}},
        {"json": {"id": "j1", "status": None}},
    ],
)
def test_an_answer_that_is_no_job_is_an_error_with_what_was_asked(answer: dict[str, Any], router: respx.MockRouter):
    """Never a traceback."""
    router.post(f"{QUEUE}/runsync").respond(200, **answer)
    with pytest.raises(PlatformError):
        queue().runsync({"x": 1})


def test_a_route_is_called_at_the_endpoints_own_host(router: respx.MockRouter):
    """Contract §1.1: always https, the id before the host of the data plane; the same bearer."""
    route = router.post("https://abc123.api.runpod.ai/process").respond(json={"ok": True})
    assert load_balanced().post("/process", json={"x": 1}).json() == {"ok": True}
    assert route.calls[0].request.headers["authorization"] == f"Bearer {KEY}"
    assert sent(route.calls[0]) == {"x": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 502])
def test_every_status_of_a_route_is_an_answer(status: int, router: respx.MockRouter):
    """Contract 14.7: what a gateway says without workers, or of a wrong key, is the user's to see."""
    router.get("https://abc123.api.runpod.ai/x").respond(status, json={"error": "no workers available"})
    assert load_balanced().get("/x").status_code == status


def test_a_queue_has_no_routes_and_the_other_way_round():
    """Told before anything is sent."""
    with pytest.raises(CallError):
        queue().get("/x")
    with pytest.raises(CallError):
        load_balanced().runsync({})


def test_a_stream_of_a_job_that_failed_says_so(router: respx.MockRouter):
    """After what it had yielded."""
    router.post(f"{QUEUE}/run").respond(json={"id": "j1", "status": "IN_QUEUE"})
    router.get(f"{QUEUE}/stream/j1").respond(json={"status": "FAILED", "stream": []})
    router.get(f"{QUEUE}/status/j1").respond(json={"id": "j1", "status": "FAILED", "error": "boom"})
    with pytest.raises(RemoteError, match="boom"):
        list(queue().run({"x": 1}).stream())
