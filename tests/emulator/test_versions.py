"""Staging, activation, retirement: what the control plane promises deployments."""

from __future__ import annotations

import asyncio

import pytest
from fakes_emulator import RETIRE, SAVE, Bench, archive, breathe, manifest

pytestmark = pytest.mark.anyio


async def _ready(bench: Bench) -> list[asyncio.Task[object]]:
    """Every worker asks for a job; returns the polls."""
    return [await bench.take(worker) for worker in bench.launcher.alive]


async def _end(polls: list[asyncio.Task[object]]) -> None:
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


async def _states(bench: Bench, endpoint_id: str) -> list[tuple[str, str]]:
    return [(version["state"], version["buildId"]) for version in await bench.versions(endpoint_id)]


async def test_a_staged_version_runs_beside_the_live_one_and_gets_no_jobs(bench: Bench) -> None:
    """It becomes healthy by asking for a job; jobs go on to the live version until the build is activated."""
    endpoint_id = await bench.deployed()
    (old,) = bench.launcher.alive
    build_id = await bench.build(manifest(e={}))
    assert await bench.save(id=endpoint_id, name="e", type="QB", flashBuildId=build_id) == endpoint_id
    await bench.round()
    new = bench.launcher.alive[-1]
    assert new is not old
    assert not (await bench.versions(endpoint_id))[0]["isHealthy"]
    polls = [await bench.take(new)]
    staged, live = await bench.versions(endpoint_id)
    assert (staged["state"], staged["isHealthy"], staged["workers"]) == ("STAGED", True, 1)
    assert live["state"] == "ACTIVE"
    await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})
    await bench.round()
    assert not polls[0].done()
    assert (await (await bench.take(old))).status_code == 200
    await _end(polls)


async def test_activation_switches_every_staged_version_of_a_build_at_once(bench: Bench) -> None:
    """The parked worker of the new version gets the next job; the old version stays, with its worker, until retired."""
    await bench.setup()
    first = await bench.build(manifest(a={}, b={}))
    ids = [await bench.save(name=name, type="QB", flashBuildId=first) for name in ("a", "b")]
    await bench.round()
    assert [await _states(bench, each) for each in ids] == [[("STAGED", first)]] * 2
    await bench.activate(first)
    assert [await _states(bench, each) for each in ids] == [[("ACTIVE", first)]] * 2
    second = await bench.build(manifest(a={}, b={}))
    for each, name in zip(ids, ("a", "b"), strict=True):
        await bench.save(id=each, name=name, type="QB", flashBuildId=second)
    await bench.round()
    polls = await _ready(bench)
    await bench.activate(second)
    assert [await _states(bench, each) for each in ids] == [[("ACTIVE", second), ("PREVIOUS", first)]] * 2
    await bench.client.post(f"/v2/{ids[0]}/run", json={"input": {}})
    await breathe()
    answered = [worker for worker, poll in zip(bench.launcher.alive, polls, strict=True) if poll.done()]
    assert [worker.spec.endpoint_id for worker in answered] == [ids[0]]
    assert answered[0] in bench.launcher.workers[2:]
    assert len(bench.launcher.alive) == 4
    await bench.done(answered[0], (await polls[bench.launcher.alive.index(answered[0])]).json()["id"], output=1)
    assert await bench.data(RETIRE, id=bench.environment_id) == 2
    await bench.round()
    assert bench.launcher.alive == bench.launcher.workers[2:]
    assert all(worker.stops for worker in bench.launcher.workers[:2])
    await _end(polls)


async def test_a_previous_version_is_restaged_without_new_workers(bench: Bench) -> None:
    """Rolling back is staging the old build with the same configuration, and activating it."""
    await bench.setup()
    first, second = await bench.build(manifest(e={})), await bench.build(manifest(e={}))
    given = {"name": "e", "type": "QB", "template": {"env": [{"key": "A", "value": "1"}], "imageName": "x"}}
    endpoint_id = await bench.save(**given, flashBuildId=first)
    await bench.round()
    await bench.activate(first)
    await bench.save(**given, id=endpoint_id, flashBuildId=second)
    await bench.round()
    await bench.activate(second)
    assert await _states(bench, endpoint_id) == [("ACTIVE", second), ("PREVIOUS", first)]
    workers = list(bench.launcher.alive)
    await bench.save(**given, id=endpoint_id, flashBuildId=first)
    assert await _states(bench, endpoint_id) == [("STAGED", first), ("ACTIVE", second)]
    await bench.round()
    await bench.activate(first)
    assert await _states(bench, endpoint_id) == [("ACTIVE", first), ("PREVIOUS", second)]
    assert bench.launcher.alive == workers


async def test_a_previous_version_is_restaged_for_another_build_of_the_same_artifact(bench: Bench) -> None:
    """What is put back is a build of its own; its workers would run what these run."""
    await bench.setup()
    first, second = await bench.build(manifest(e={})), await bench.build(manifest(e={}), archive({"x.py": "2\n"}))
    given = {"name": "e", "type": "QB", "template": {"env": [{"key": "A", "value": "1"}], "imageName": "x"}}
    endpoint_id = await bench.save(**given, flashBuildId=first)
    await bench.round()
    await bench.activate(first)
    await bench.save(**given, id=endpoint_id, flashBuildId=second)
    await bench.round()
    await bench.activate(second)
    workers = list(bench.launcher.alive)
    again = await bench.build({**manifest(e={}), "deployment": {"run": "r"}})
    await bench.save(**given, id=endpoint_id, flashBuildId=again)
    assert await _states(bench, endpoint_id) == [("STAGED", again), ("ACTIVE", second)]
    await bench.round()
    await bench.activate(again)
    assert await _states(bench, endpoint_id) == [("ACTIVE", again), ("PREVIOUS", second)]
    assert bench.launcher.alive == workers


@pytest.mark.parametrize(
    ("given", "described", "content"),
    [
        ({}, manifest(e={}), archive({"x.py": "other\n"})),
        ({}, manifest(e={"env": {"B": "2"}}), None),
        ({}, {**manifest(e={}), "python_version": "3.12"}, None),
        ({"template": {"env": [{"key": "A", "value": "2"}], "imageName": "x"}}, manifest(e={}), None),
        ({"gpuIds": "AMPERE_16"}, manifest(e={}), None),
    ],
    ids=["other bytes", "other manifest", "other interpreter", "other environment", "other hardware"],
)
async def test_a_previous_version_that_would_run_otherwise_is_not_restaged(
    bench: Bench, given: dict[str, object], described: dict[str, object], content: bytes | None
) -> None:
    """It stays as it is, and another one is staged."""
    await bench.setup()
    first, second = await bench.build(manifest(e={})), await bench.build(manifest(e={}), archive({"y.py": "2\n"}))
    known = {"name": "e", "type": "QB", "template": {"env": [{"key": "A", "value": "1"}], "imageName": "x"}}
    endpoint_id = await bench.save(**known, flashBuildId=first)
    await bench.activate(first)
    await bench.save(**known, id=endpoint_id, flashBuildId=second)
    await bench.activate(second)
    again = await bench.build(described, content)
    await bench.save(**{**known, **given}, id=endpoint_id, flashBuildId=again)
    assert await _states(bench, endpoint_id) == [("STAGED", again), ("ACTIVE", second), ("PREVIOUS", first)]


async def test_staging_what_is_active_changes_nothing(bench: Bench) -> None:
    """A deployment that changes nothing about an endpoint leaves its version active."""
    await bench.setup()
    build_id = await bench.build(manifest(e={}))
    endpoint_id = await bench.save(name="e", type="QB", flashBuildId=build_id)
    await bench.activate(build_id)
    await bench.save(id=endpoint_id, name="e", type="QB", flashBuildId=build_id)
    assert await _states(bench, endpoint_id) == [("ACTIVE", build_id)]
    await bench.activate(build_id)
    assert await _states(bench, endpoint_id) == [("ACTIVE", build_id)]


async def test_a_staged_version_with_another_configuration_replaces_the_staged_one(bench: Bench) -> None:
    """There is one staged version of a build per endpoint."""
    await bench.setup()
    build_id = await bench.build(manifest(e={}))
    endpoint_id = await bench.save(name="e", type="QB", flashBuildId=build_id)
    await bench.round()
    await bench.save(id=endpoint_id, name="e", type="QB", flashBuildId=build_id, gpuIds="AMPERE_16")
    await bench.round()
    assert await _states(bench, endpoint_id) == [("STAGED", build_id)]
    assert len(bench.launcher.alive) == 1
    assert bench.launcher.workers[0].stops


async def test_saving_without_a_build_applies_the_active_one_at_once(bench: Bench) -> None:
    """The peer's way: deploy the build, then save each endpoint; the id stays, the worker is replaced."""
    endpoint_id = await bench.deployed()
    (old,) = bench.launcher.alive
    build_id = await bench.build(manifest(e={}))
    await bench.activate(build_id)
    assert (await _states(bench, endpoint_id))[0][1] != build_id
    reply = await bench.data(SAVE, input={"id": endpoint_id, "name": "e", "type": "QB"})
    assert (reply["id"], reply["activeBuildid"]) == (endpoint_id, build_id)
    await bench.round()
    assert await _states(bench, endpoint_id) == [("ACTIVE", build_id)]
    assert [worker for worker in bench.launcher.alive if worker is not old] == bench.launcher.alive


async def test_numbers_that_workers_do_not_know_apply_without_restart(bench: Bench) -> None:
    """Worker counts, scaler and time-outs are rolling; environment variables need a new worker."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    reply = await bench.data(SAVE, input={"id": endpoint_id, "workersMax": 5, "idleTimeout": 9})
    assert (reply["workersMax"], reply["idleTimeout"], reply["name"]) == (5, 9, "e")
    await bench.round()
    assert bench.launcher.alive == [worker]
    template = await bench.data(
        "mutation saveTemplate($input: SaveTemplateInput) { saveTemplate(input: $input) { id env { key value } } }",
        input={
            "id": reply["templateId"],
            "name": "t",
            "imageName": "x",
            "containerDiskInGb": 10,
            "env": [{"key": "A", "value": "1"}],
            "volumeInGb": 0,
        },
    )
    assert template["env"] == [{"key": "A", "value": "1"}]
    await bench.round()
    assert worker.stops
    assert bench.launcher.alive[0].spec.environment["A"] == "1"


async def test_saving_a_name_again_updates_that_endpoint(bench: Bench) -> None:
    """Within an environment an endpoint is known by its name."""
    endpoint_id = await bench.deployed()
    assert await bench.save(name="e", type="QB") == endpoint_id


async def test_retiring_drains_before_it_stops(bench: Bench) -> None:
    """A worker of a replaced version finishes its job first."""
    endpoint_id = await bench.deployed()
    (old,) = bench.launcher.alive
    job_id = (await bench.client.post(f"/v2/{endpoint_id}/run", json={"input": {}})).json()["id"]
    await (await bench.take(old))
    build_id = await bench.build(manifest(e={}))
    await bench.save(id=endpoint_id, name="e", type="QB", flashBuildId=build_id)
    await bench.activate(build_id)
    await bench.data(RETIRE, id=bench.environment_id)
    await bench.round()
    assert not old.stops
    await bench.done(old, job_id, output=1)
    await bench.round()
    assert old.stops
    assert (await bench.client.get(f"/v2/{endpoint_id}/status/{job_id}")).json()["status"] == "COMPLETED"


async def test_deleting_an_endpoint_stops_its_workers_and_forgets_its_jobs(bench: Bench) -> None:
    """Afterwards it does not exist; deleting it again is an error that says so."""
    endpoint_id = await bench.deployed()
    (worker,) = bench.launcher.alive
    delete = "mutation deleteEndpoint($id: String!) { deleteEndpoint(id: $id) }"
    assert await bench.data(delete, id=endpoint_id) is True
    await bench.round()
    assert worker.stops
    assert (await bench.client.get(f"/v2/{endpoint_id}/health")).status_code == 404
    reply = await bench.graphql(delete, id=endpoint_id)
    assert reply["errors"][0]["message"] == "Endpoint not found"
    query = "query getEndpoint($id: String!) { myself { endpoint(id: $id) { id } } }"
    assert await bench.data(query, id=endpoint_id) == {"endpoint": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "e", "type": "XX"}, "type is 'XX'"),
        ({"name": "e", "workersMin": 2, "workersMax": 1}, "workersMin is 2"),
        ({"name": "e", "idleTimeout": 0}, "idleTimeout is 0"),
        ({"type": "QB"}, "needs a name"),
        ({"id": "nothere"}, "Endpoint not found"),
        ({"name": "e", "flashBuildId": "nothere"}, "Build not found"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused_and_nothing_stays(
    bench: Bench, given: dict[str, object], message: str
) -> None:
    """A refused mutation leaves the state as it was."""
    await bench.setup()
    reply = await bench.graphql(SAVE, input={"flashEnvironmentId": bench.environment_id, **given})
    assert message in reply["errors"][0]["message"]
    assert bench.platform.state.versions.endpoints() == []
