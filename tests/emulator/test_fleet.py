"""Workers that start, die, idle and scale."""

from __future__ import annotations

import asyncio

import pytest
from fakes_emulator import KEY, Bench, breathe, manifest

pytestmark = pytest.mark.anyio


async def test_a_worker_that_dies_at_start_is_restarted_three_times(bench: Bench) -> None:
    """With pauses between; then the failure and the end of the log stay."""
    endpoint_id = await bench.deployed()
    for _ in range(4):
        (worker,) = bench.launcher.alive
        worker.die(1, "Traceback\nImportError: nope\n")
        await bench.round()
        assert not bench.launcher.alive
        (version,) = await bench.versions(endpoint_id)
        assert version["failure"] == "the worker exited with status 1 before it was ready"
        assert version["logTail"] == ["Traceback", "ImportError: nope"]
        await bench.round(10)
        await bench.round()
    await bench.round(1000)
    assert len(bench.launcher.workers) == 4
    assert not bench.launcher.alive


async def test_a_ready_worker_takes_the_failure_back(bench: Bench) -> None:
    """A restart that helps is a success."""
    endpoint_id = await bench.deployed()
    bench.launcher.alive[0].die(-9)
    await bench.round()
    assert (await bench.versions(endpoint_id))[0]["failure"] == "the worker was killed by signal 9 before it was ready"
    await bench.round(10)
    poll = await bench.take(bench.launcher.alive[0])
    (version,) = await bench.versions(endpoint_id)
    assert (version["isHealthy"], version["failure"]) == (True, None)
    poll.cancel()


async def test_a_worker_that_cannot_be_started_is_a_failure_of_its_version(bench: Bench) -> None:
    """The launcher's error is what the version shows."""
    bench.launcher.error = "no interpreter of 3.11"
    endpoint_id = await bench.deployed()
    (version,) = await bench.versions(endpoint_id)
    assert "no interpreter of 3.11" in version["failure"]


async def test_a_build_without_that_endpoint_is_a_failure_of_its_version(bench: Bench) -> None:
    """The message names what the manifest has."""
    await bench.setup()
    await bench.activate(await bench.build(manifest(other={})))
    endpoint_id = await bench.save(name="e", type="QB")
    await bench.round()
    assert "has no endpoint 'e'" in (await bench.versions(endpoint_id))[0]["failure"]


async def test_a_dead_workers_job_goes_to_its_successor_once(bench: Bench) -> None:
    """The second death fails the job, with what happened."""
    endpoint_id = await bench.deployed()
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    for expected in ("IN_QUEUE", "FAILED"):
        (worker,) = bench.launcher.alive
        assert (await (await bench.take(worker))).json()["id"] == job_id
        worker.die(7)
        await bench.round()
        reply = (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()
        assert reply["status"] == expected
        await bench.round(10)
        await bench.round()
    assert reply["error"] == "the worker exited with status 7"


async def test_a_job_given_to_a_connection_that_broke_is_not_lost(bench: Bench) -> None:
    """It goes back to the head of the queue."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    taking = await bench.take(worker)
    taking.cancel()
    await breathe()
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    assert (await (await bench.take(worker))).json()["id"] == job_id


async def test_a_worker_that_holds_on_to_a_timed_out_job_is_replaced(bench: Bench) -> None:
    """One that asks for its next job is not."""
    endpoint_id = await bench.deployed(executionTimeoutMs=5000)
    for is_stuck in (False, True):
        worker = bench.launcher.alive[0]
        job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
        await (await bench.take(worker))
        await bench.round(5)
        assert (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()["status"] == "TIMED_OUT"
        poll = None if is_stuck else await bench.take(worker)
        await bench.round(11)
        assert bool(worker.stops) is is_stuck
        if poll is not None:
            poll.cancel()
            await breathe()
    assert len(bench.launcher.alive) == 1


async def test_a_scaling_platform_starts_workers_for_jobs_and_stops_idle_ones(scaling_bench: Bench) -> None:
    """From zero to what the delay asks for, never above the maximum, and back to the minimum."""
    bench = scaling_bench
    endpoint_id = await bench.deployed(workersMin=0, workersMax=2, idleTimeout=30, scalerValue=4)
    assert not bench.launcher.alive
    for _ in range(3):
        await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})
    await bench.round()
    assert len(bench.launcher.alive) == 1
    await bench.round(5)
    assert len(bench.launcher.alive) == 1, "a worker is still starting"
    first = bench.launcher.alive[0]
    job = (await (await bench.take(first))).json()
    await bench.round(5)
    await bench.round()
    assert len(bench.launcher.alive) == 2
    await bench.done(first, job["id"], output=1)
    await bench.client.post(f"/v2/{endpoint_id}/purge-queue")
    poll = await bench.take(bench.launcher.alive[1])
    await bench.round()
    for _ in range(3):
        await bench.round(31)
    assert not bench.launcher.alive
    poll.cancel()


async def test_a_worker_is_told_who_it_is_and_no_key_but_its_own(bench: Bench) -> None:
    """The user's variables of manifest and template arrive; a template's API key does not."""
    await bench.setup()
    await bench.activate(
        await bench.build(manifest(e={"env": {"A": "manifest", "B": "manifest"}, "max_concurrency": 3}))
    )
    template = {
        "env": [{"key": "B", "value": "template"}, {"key": "RUNPOD_API_KEY", "value": KEY}],
        "imageName": "runpod/flash-cpu:py3.11-latest",
    }
    endpoint_id = await bench.save(name="e", type="QB", template=template)
    await bench.round()
    (worker,) = bench.launcher.alive
    told = worker.spec.environment
    assert (told["A"], told["B"]) == ("manifest", "template")
    assert KEY not in told.values()
    assert "RUNPOD_API_KEY" not in told
    assert told["FLASH_RESOURCE_NAME"] == "e"
    assert told["FLASH_ENDPOINT_TYPE"] == "qb"
    assert (told["FLASH_APP"], told["FLASH_ENV"]) == ("demo", "production")
    assert told["FLASH_ENVIRONMENT_ID"] == bench.environment_id
    assert told["RUNPOD_ENDPOINT_ID"] == endpoint_id
    assert told["FLASH_MAX_CONCURRENCY"] == "3"
    for name, value in told.items():
        assert not name.startswith("RUNPOD_WEBHOOK") or "?" in value
    assert "/job-take/$ID?" in told["RUNPOD_WEBHOOK_GET_JOB"]
    assert worker.spec.image == "runpod/flash-cpu:py3.11-latest"
    assert worker.spec.artifact_dir.joinpath("hello.py").is_file()


async def test_logs_are_shown_without_secrets(bench: Bench) -> None:
    """What a worker printed of its token or the platform's key is masked, in both places that show logs."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    worker.spec.log_path.write_text(f"one\ntoken {worker.token}\nkey {KEY}\n", encoding="utf-8")
    query = "query logs($id: String!) { myself { endpoint(id: $id) { flashLogs(tail: 2) } } }"
    assert await bench.data(query, id=endpoint_id) == {"endpoint": {"flashLogs": ["token ***", "key ***"]}}
    reply = (await bench.client.get(f"/v1/pod/{worker.id}/logs")).json()
    assert reply == {"container": ["one", "token ***", "key ***"], "system": []}
    assert (await bench.client.get("/v1/pod/nothere/logs")).status_code == 404


async def test_logs_name_files_of_the_artifact_as_a_container_does(bench: Bench) -> None:
    """A traceback does not show where this machine unpacks artifacts; other paths stay."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    trace = f'  File "{worker.spec.artifact_dir}/lib/hello.py", line 1\n  File "/usr/lib/json.py", line 2\n'
    worker.spec.log_path.write_text(trace, encoding="utf-8")
    query = "query logs($id: String!) { myself { endpoint(id: $id) { flashLogs(tail: 2) } } }"
    assert await bench.data(query, id=endpoint_id) == {
        "endpoint": {"flashLogs": ['  File "/app/lib/hello.py", line 1', '  File "/usr/lib/json.py", line 2']}
    }


async def test_stopping_the_platform_stops_all_workers_and_ends_every_wait(bench: Bench) -> None:
    """Nobody is left waiting."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    calling = asyncio.ensure_future(bench.client.post(f"/v2/{endpoint_id}/runsync", json={"input": {}}))
    await breathe()
    await bench.platform.stop_workers(1.5)
    bench.platform.queue.close()
    assert worker.stops == [1.5]
    assert (await calling).json()["status"] == "IN_QUEUE"


@pytest.mark.parametrize("deletes_endpoint_first", [False, True])
async def test_who_deletes_an_environment_is_answered_when_its_workers_are_gone(
    bench: Bench, deletes_endpoint_first: bool
) -> None:
    """After ``flash undeploy`` nothing runs that ran for it."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    worker.may_stop.clear()
    if deletes_endpoint_first:
        await bench.data("mutation d($id: String!) { deleteEndpoint(id: $id) }", id=endpoint_id)
        await bench.platform.tick()
    delete = "mutation d($id: String!) { deleteFlashEnvironment(flashEnvironmentId: $id) }"
    deleting = asyncio.ensure_future(bench.data(delete, id=bench.environment_id))
    await breathe()
    assert not deleting.done()
    assert len(worker.stops) == 1

    worker.may_stop.set()
    assert await deleting is True
    assert worker.code == 0
