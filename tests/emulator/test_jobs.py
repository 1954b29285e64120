"""The job API over HTTP, between callers and workers."""

from __future__ import annotations

import asyncio

import pytest
from fakes_emulator import Bench, breathe

pytestmark = pytest.mark.anyio


async def test_runsync_answers_with_the_workers_result(bench: Bench) -> None:
    """A job goes to the worker that waits for one, and its result comes back on the caller's connection."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    taking = await bench.take(worker)
    calling = asyncio.ensure_future(bench.client.post(f"/v2/{endpoint_id}/runsync", json={"input": {"n": 1}}))
    job = (await taking).json()
    bench.clock.advance(0.25)
    assert job["input"] == {"n": 1}
    assert (await bench.done(worker, job["id"], output={"n": 2})).status_code == 200
    reply = (await calling).json()
    assert reply == {
        "id": job["id"],
        "status": "COMPLETED",
        "output": {"n": 2},
        "delayTime": 0,
        "executionTime": 250,
        "workerId": worker.id,
    }
    assert reply["id"].startswith("sync-")


async def test_an_empty_input_is_accepted_and_a_missing_one_is_not(bench: Bench) -> None:
    """``{"input": {}}`` is a job; ``{}`` and what is no JSON are errors of the caller."""
    endpoint_id = await bench.deployed()
    run = f"/v2/{endpoint_id}/run"
    accepted = await bench.client.post(run, json={"input": {}})
    assert (accepted.status_code, accepted.json()["status"]) == (200, "IN_QUEUE")
    for body in (b"{}", b'{"input": null}', b"[]", b"nonsense", b'{"input": {"x": NaN}}'):
        refused = await bench.client.post(run, content=body)
        assert refused.status_code == 400, body
        assert "error" in refused.json()


@pytest.mark.parametrize(("path", "limit"), [("run", 10_000_000), ("runsync", 20_000_000)])
async def test_a_body_over_the_limit_is_refused(bench: Bench, path: str, limit: int) -> None:
    """The limits of the docs hold."""
    endpoint_id = await bench.deployed()
    reply = await bench.client.post(f"/v2/{endpoint_id}/{path}", content=b"x" * (limit + 1))
    assert reply.status_code == 413


async def test_runsync_that_is_not_done_in_time_answers_with_the_state(bench: Bench) -> None:
    """After ``wait`` the caller gets the id, and asks for the status later."""
    endpoint_id = await bench.deployed()
    calling = asyncio.ensure_future(bench.client.post(f"/v2/{endpoint_id}/runsync?wait=1000", json={"input": {}}))
    await breathe()
    await bench.round(1.0)
    reply = (await calling).json()
    assert set(reply) == {"id", "status"}
    assert reply["status"] == "IN_QUEUE"
    for wait in ("999", "300001", "soon"):
        refused = await bench.client.post(f"/v2/{endpoint_id}/runsync?wait={wait}", json={"input": {}})
        assert refused.status_code == 400


async def test_a_job_with_an_error_has_failed(bench: Bench) -> None:
    """``error`` in the worker's result makes the job FAILED; what else it said is kept."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(worker))
    await bench.done(worker, job_id, error="boom", output={"success": False})
    reply = (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()
    assert (reply["status"], reply["error"], reply["output"]) == ("FAILED", "boom", {"success": False})


async def test_a_worker_without_work_hears_204_before_it_gives_up(bench: Bench) -> None:
    """A long poll ends below the 90 s after which clients give up."""
    await bench.deployed()
    taking = await bench.take(bench.launcher.alive[0])
    await bench.round(79)
    assert not taking.done()
    await bench.round(1)
    assert (await taking).status_code == 204


async def test_a_worker_takes_a_batch(bench: Bench) -> None:
    """With several slots free a worker gets several jobs at once, as a list."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    for n in range(3):
        await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {"n": n}})
    path = f"/v2/{endpoint_id}/job-take-batch/{worker.id}?batch_size=2&job_in_progress=0"
    jobs = (await bench.worker_client(worker).get(path)).json()
    assert [job["input"]["n"] for job in jobs] == [0, 1]


async def test_cancelling_tells_the_worker_to_stop(bench: Bench) -> None:
    """A running job is cancelled at once, and its worker hears so on its other long poll; a late result is dropped."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(worker))
    stopping = asyncio.ensure_future(bench.worker_client(worker).get(f"/v2/{endpoint_id}/job-stop/{worker.id}?v=1"))
    await breathe()
    reply = (await bench.client.post(f"/v2/{endpoint_id}/cancel/{job_id}")).json()
    assert reply["status"] == "CANCELLED"
    assert {"delayTime", "executionTime", "workerId"} <= set(reply)
    assert (await stopping).json() == {"jobsToStop": [job_id]}
    assert (await bench.done(worker, job_id, output=1)).status_code == 200
    assert (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()["status"] == "CANCELLED"


async def test_a_stream_gives_each_chunk_once(bench: Bench) -> None:
    """``/stream`` answers with what came since the last call."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(worker))
    post = f"/v2/{endpoint_id}/job-stream/{worker.id}/{job_id}?isStream=false"
    for chunk in ("a", "b"):
        await bench.worker_client(worker).post(post, json={"output": chunk})
    stream = f"/v2/{endpoint_id}/stream/{job_id}"
    assert (await bench.client.get(stream)).json() == {
        "status": "IN_PROGRESS",
        "stream": [{"output": "a"}, {"output": "b"}],
    }
    await bench.done(worker, job_id, output=["a", "b"])
    assert (await bench.client.get(stream)).json() == {"status": "COMPLETED", "stream": []}


async def test_health_has_every_key_and_counts(bench: Bench) -> None:
    """The peer refuses a health reply that lacks one of the eleven numbers."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})
    await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})
    await (await bench.take(worker))
    assert (await bench.client.get(f"/v2/{endpoint_id}/health")).json() == {
        "jobs": {"completed": 0, "failed": 0, "inProgress": 1, "inQueue": 1, "retried": 0},
        "workers": {"idle": 0, "initializing": 0, "ready": 1, "running": 1, "throttled": 0, "unhealthy": 0},
    }
    metrics = (await bench.client.get(f"/v2/{endpoint_id}/metrics")).json()
    assert metrics["readyWorkers"] == [worker.id]


async def test_purging_removes_what_waits_and_retry_repeats_what_failed(bench: Bench) -> None:
    """Running jobs are untouched by a purge; a failed job keeps its id when it is queued again."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    ids = [(await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"] for _ in range(3)]
    await (await bench.take(worker))
    assert (await bench.client.post(f"/v2/{endpoint_id}/purge-queue")).json() == {"removed": 2, "status": "completed"}
    assert (await bench.client.post(f"/v2/{endpoint_id}/retry/{ids[0]}")).status_code == 400
    await bench.done(worker, ids[0], error="boom")
    assert (await bench.client.post(f"/v2/{endpoint_id}/retry/{ids[0]}")).json() == {
        "id": ids[0],
        "status": "IN_QUEUE",
    }
    assert (await (await bench.take(worker))).json()["id"] == ids[0]


async def test_a_result_that_is_no_json_fails_the_job(bench: Bench) -> None:
    """A job never stays in progress because its result could not be taken."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(worker))
    path = f"/v2/{endpoint_id}/job-done/{worker.id}/{job_id}?v=1"
    assert (await bench.worker_client(worker).post(path, content=b'{"output": NaN}')).status_code == 400
    reply = (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()
    assert reply["status"] == "FAILED"
    assert "NaN" in reply["error"]


async def test_unknown_endpoints_and_jobs_are_404(bench: Bench) -> None:
    """With a valid key, what is not there is not found, as JSON."""
    endpoint_id = await bench.deployed()
    for path in (f"/v2/{endpoint_id}/status/nope", "/v2/nothere/health", "/nothing"):
        reply = await bench.client.get(path)
        assert reply.status_code == 404
        assert "error" in reply.json()


async def test_the_peers_sentinel_finds_the_endpoint_by_its_headers(bench: Bench) -> None:
    """``/v2/flash/runsync`` resolves app, environment and endpoint from three headers."""
    await bench.deployed()
    (worker,) = bench.launcher.alive
    taking = await bench.take(worker)
    headers = {"X-Flash-App": "demo", "X-Flash-Environment": "production", "X-Flash-Endpoint": "e"}
    calling = asyncio.ensure_future(bench.client.post("/v2/flash/runsync", json={"input": {}}, headers=headers))
    await bench.done(worker, (await taking).json()["id"], output="here")
    assert (await calling).json()["output"] == "here"
    missing = await bench.client.post(
        "/v2/flash/runsync", json={"input": {}}, headers={**headers, "X-Flash-Endpoint": "x"}
    )
    assert missing.status_code == 404


async def test_a_webhook_is_told_and_told_again(bench: Bench) -> None:
    """The webhook gets the job's reply; unless it answers 200 it is tried twice more, 10 s apart."""
    import httpx

    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    bench.wire.handler = lambda request: httpx.Response(500 if len(bench.wire.requests) < 2 else 200)
    body = {"input": {}, "webhook": "http://hook.test/x"}
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json=body)).json()["id"]
    await (await bench.take(worker))
    await bench.done(worker, job_id, output=1)
    for seconds in (0, 9, 1, 60):
        await bench.round(seconds)
    assert len(bench.wire.requests) == 2
    assert b'"COMPLETED"' in bench.wire.requests[1].content


async def test_a_worker_may_ask_to_be_replaced(bench: Bench) -> None:
    """``stopPod`` in a result ends the worker, and another takes its place."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(worker))
    await bench.done(worker, job_id, output=1, stopPod=True)
    await bench.round()
    assert worker.stops
    assert [other.id for other in bench.launcher.alive] != [worker.id]


@pytest.mark.parametrize("submits_first", [True, False])
async def test_no_job_goes_to_a_worker_whose_poll_has_gone(bench: Bench, submits_first: bool) -> None:
    """Whether it came before the worker hung up, with nobody to hear the answer, or after: the next poll gets it."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    hung_up = asyncio.Event()

    async def receive() -> dict[str, object]:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        return

    scope = {
        "type": "http", "method": "GET", "path": f"/v2/{endpoint_id}/job-take/{worker.id}", "query_string": b"",
        "headers": [(b"authorization", worker.token.encode())], "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    polling = asyncio.ensure_future(bench.app(scope, receive, send))
    await breathe()
    if not submits_first:
        hung_up.set()
        await polling
    submitting = asyncio.ensure_future(bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {"n": 1}}))
    if submits_first:
        while not bench.platform.queue.counts(endpoint_id).in_progress:
            await asyncio.sleep(0)
        hung_up.set()
    await polling
    job_id = (await submitting).json()["id"]

    if submits_first:
        # the answer was on its way: the worker that is gone gives its jobs back
        bench.platform.queue.release(worker.id, "it is gone")
    taken = (await (await bench.take(worker))).json()

    assert (taken["id"], taken["input"]) == (job_id, {"n": 1})
