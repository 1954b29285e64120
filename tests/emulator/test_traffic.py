"""A staged build gets exactly its share of the calls, for as long as its lease holds, and no call is lost over it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from fakes_emulator import KEY, RETIRE, Bench, CountingIds, ManualClock, archive, breathe, manifest
from hypothesis import given
from hypothesis import strategies as st

from flash.emulator.job import JobRequest
from flash.emulator.leases import LEASE_S, Leases
from flash.emulator.queue import JobQueue
from flash.emulator.traffic import Answers, Share, Traffic
from flash.model.job import JobState

pytestmark = pytest.mark.anyio

ACQUIRE = "mutation acquire($input: AcquireFlashLeaseInput!) { acquireFlashLease(input: $input) { lease { secret } } }"
TRAFFIC = (
    "mutation traffic($env: String!, $build: String!, $percent: Int!)"
    " { setFlashTraffic(flashEnvironmentId: $env, flashBuildId: $build, percent: $percent) }"
)
SHARES = "query s($id: String!) { myself { endpoint(id: $id) { flashVersions { state share answered failed } } } }"


class Canary(Bench):
    """A platform with a lease, an endpoint ``e``, and a version of another build staged beside the one that serves."""

    old = new = endpoint = ""

    async def begin(self, *, kind: str = "QB", resource: dict[str, Any] | None = None) -> None:
        described = {"is_load_balanced": kind == "LB", **(resource or {})}
        self.endpoint = await self.deployed(kind=kind, resource=resource)
        self.old = (await self.versions(self.endpoint))[0]["buildId"]
        given = {"flashEnvironmentId": self.environment_id, "holder": "run", "who": "a test"}
        lease = (await self.data(ACQUIRE, input=given))["lease"]["secret"]
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://platform.test",
            headers={"Authorization": f"Bearer {KEY}", "Flash-Lease": lease},
        )
        self.new = await self.build(manifest(e=described), content=archive({"hello.py": "x = 2\n"}))
        await self.save(name="e", type=kind, flashBuildId=self.new)
        await self.round()

    async def give(self, percent: int) -> int:
        return int(await self.data(TRAFFIC, env=self.environment_id, build=self.new, percent=percent))

    def workers(self, build: str) -> list[Any]:
        by_version = {one.id: one.build_id for one in self.platform.state.versions.of(self.endpoint)}
        versions = {worker.id: worker.version.id for worker in self.platform.fleet._workers.values()}
        return [one for one in self.launcher.alive if by_version.get(versions.get(one.id, "")) == build]

    async def shares(self) -> dict[str, tuple[int, int, int]]:
        found = (await self.data(SHARES, id=self.endpoint))["endpoint"]["flashVersions"]
        return {one["state"]: (one["share"], one["answered"], one["failed"]) for one in found}

    async def ready(self) -> None:
        """The queue workers of both versions have asked for a job."""
        for build in (self.old, self.new):
            for worker in self.workers(build):
                self.platform.fleet.asks_for_job(worker.id)
        await self.round()

    async def serve(self) -> Counter[str]:
        """Each worker takes and answers what is there for it; how many jobs, by build."""
        done: Counter[str] = Counter()
        for build in (self.old, self.new):
            for worker in self.workers(build):
                while True:
                    given = await self.platform.queue.take(self.endpoint, worker.id)
                    if not given:
                        break
                    (job,) = given
                    self.platform.queue.finish(job, worker.id, output=build)
                    done[build] += 1
        return done


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    made = Canary(tmp_path)
    yield made
    await made.close()


def traffic() -> tuple[Traffic, Leases]:
    leases = Leases(ManualClock())
    return Traffic(leases, Random(7)), leases  # noqa: S311


@given(percent=st.integers(1, 100), hundreds=st.integers(1, 5))
def test_of_each_hundred_calls_exactly_the_share_is_drawn(percent: int, hundreds: int) -> None:
    """5 % of 200 is 10."""
    shares, _ = traffic()
    share = Share(build_id="b", percent=percent, lease_id="l")
    drawn = [shares.draws("e", share) for _ in range(100 * hundreds)]
    assert sum(drawn) == percent * hundreds


@given(period=st.integers(2, 25), seed=st.integers(0, 2**32))
def test_whoever_asks_in_turn_has_each_question_answered_by_both(period: int, seed: int) -> None:
    """Every twentieth call would always be the same question."""
    shares = Traffic(Leases(ManualClock()), Random(seed))  # noqa: S311
    share = Share(build_id="b", percent=5, lease_id="l")
    asked = {number % period for number in range(20 * 400) if shares.draws("e", share)}
    assert asked == set(range(period))


@given(changes=st.lists(st.tuples(st.sampled_from(["submit", "new", "old", "die", "close"])), max_size=60))
def test_no_job_is_lost_whatever_becomes_of_the_lanes(changes: list[tuple[str]]) -> None:
    """Each is answered once the lane is closed, whichever worker took it, died over it, or never came."""
    asyncio.run(_play([one for (one,) in changes]))


async def _play(changes: list[str]) -> None:
    lanes = {"old": "", "new": "v"}
    queue = JobQueue(ManualClock(), CountingIds(), lane_of=lanes.__getitem__)
    jobs = []
    for number, change in enumerate(changes):
        if change == "submit":
            jobs.append(queue.submit("e", JobRequest(input={}), lane="v" if number % 2 else ""))
        elif change in lanes:
            for job in await queue.take("e", change):
                assert job.lane == lanes[change]
                queue.finish(job, change, output=1)
        elif change == "die":
            await queue.take("e", "new")
            queue.release("new", "it died")
        else:
            queue.keep_lanes("e", ())
    queue.keep_lanes("e", ())
    while taken := await queue.take("e", "old"):
        for job in taken:
            queue.finish(job, "old", output=1)
    assert all(job.state is JobState.COMPLETED for job in jobs)


async def test_jobs_are_split_exactly_and_each_version_takes_its_own(bench: Canary) -> None:
    """The counts are what the control plane tells, version by version."""
    await bench.begin()
    await bench.ready()
    assert await bench.give(5) == 1
    for _ in range(200):
        await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
    assert await bench.serve() == {bench.old: 190, bench.new: 10}
    assert await bench.shares() == {"STAGED": (5, 10, 0), "ACTIVE": (95, 190, 0)}


async def test_what_waits_for_a_version_goes_to_the_other_once_its_share_is_gone(bench: Canary) -> None:
    """Nothing is lost, and what is retired takes nothing along."""
    await bench.begin()
    await bench.ready()
    await bench.give(100)
    replies = [await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}}) for _ in range(10)]
    await bench.give(0)
    await bench.data(RETIRE, id=bench.environment_id)
    assert await bench.serve() == {bench.old: 10}
    for reply in replies:
        status = await bench.client.get(f"/v2/{bench.endpoint}/status/{reply.json()['id']}")
        assert (status.json()["status"], status.headers["X-Flash-Build"]) == ("COMPLETED", bench.old)


async def test_what_is_activated_takes_what_waits_for_either(bench: Canary) -> None:
    """Jobs outlive the split in both directions."""
    await bench.begin()
    await bench.ready()
    await bench.give(50)
    for _ in range(10):
        await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
    await bench.activate(bench.new)
    assert await bench.serve() == {bench.new: 10}
    assert await bench.shares() == {"ACTIVE": (100, 10, 0), "PREVIOUS": (0, 0, 0)}


async def test_a_share_ends_with_its_lease(bench: Canary) -> None:
    """A dead deployer leaves nobody on a version that is still being tried, and cannot come back to it."""
    await bench.begin()
    await bench.ready()
    await bench.give(25)
    waiting = [await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}}) for _ in range(8)]
    await bench.round(LEASE_S + 1)
    assert (await bench.shares())["STAGED"][0] == 0
    await bench.data("mutation r($e: String!, $l: String!) { renewFlashLease(flashEnvironmentId: $e, leaseId: $l) }",
                     e=bench.environment_id, l=bench.client.headers["Flash-Lease"])  # fmt: skip
    await bench.round()
    assert (await bench.shares())["STAGED"][0] == 0
    assert await bench.serve() == {bench.old: len(waiting)}


async def test_a_share_needs_the_lease(bench: Canary) -> None:
    """Without one, nobody would take it back."""
    await bench.begin()
    client = bench.client_with(KEY)
    refused = await bench.graphql(TRAFFIC, client, env=bench.environment_id, build=bench.new, percent=5)
    assert "is being deployed to by a test" in refused["errors"][0]["message"]
    await bench.round(LEASE_S + 1)
    refused = await bench.graphql(TRAFFIC, client, env=bench.environment_id, build=bench.new, percent=5)
    assert "needs the lease" in refused["errors"][0]["message"]


async def test_a_share_is_a_percentage(bench: Canary) -> None:
    """Anything else is refused."""
    await bench.begin()
    refused = await bench.graphql(TRAFFIC, env=bench.environment_id, build=bench.new, percent=101)
    assert refused["errors"][0]["message"] == "percent is 101, it must lie between 0 and 100"


async def test_a_version_without_a_worker_gets_nothing(bench: Canary) -> None:
    """Also where it had one: what waits for it goes to what serves."""
    await bench.begin()
    for worker in bench.workers(bench.old):
        bench.platform.fleet.asks_for_job(worker.id)
    assert await bench.give(100) == 0
    await bench.ready()
    assert (await bench.shares())["STAGED"][0] == 100
    await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
    (worker,) = bench.workers(bench.new)
    worker.die(-9)
    await bench.round()
    assert await bench.serve() == {bench.old: 1}


async def test_a_worker_that_dies_over_a_job_has_failed_and_the_caller_has_not(bench: Canary) -> None:
    """The job goes to what serves."""
    await bench.begin()
    await bench.ready()
    await bench.give(100)
    await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
    (worker,) = bench.workers(bench.new)
    assert len(await bench.platform.queue.take(bench.endpoint, worker.id)) == 1
    worker.die(-9)
    await bench.round()
    assert await bench.serve() == {bench.old: 1}
    found = await bench.shares()
    assert found["STAGED"][1:] == (1, 1)
    assert found["ACTIVE"][1:] == (1, 0)


async def test_requests_are_split_and_counted_by_their_status(bench: Canary) -> None:
    """From 500 on it is the version's failure; the answer says whose it is."""
    await bench.begin(kind="LB")
    hosts = {f"{one.id}.test": build for build in (bench.old, bench.new) for one in bench.workers(build)}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response({bench.old: 404, bench.new: 503}[hosts[request.url.host]], json={})

    bench.wire.handler = answer
    await bench.give(25)
    replies = [await bench.client.get(f"/lb/{bench.endpoint}/hello") for _ in range(100)]
    assert Counter(reply.headers["X-Flash-Build"] for reply in replies) == {bench.old: 75, bench.new: 25}
    assert await bench.shares() == {"STAGED": (25, 25, 25), "ACTIVE": (75, 75, 0)}


async def test_a_request_whose_worker_went_away_is_its_failure(bench: Canary) -> None:
    """It is told to the caller as it is without a split."""
    await bench.begin(kind="LB")

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    bench.wire.handler = answer
    await bench.give(100)
    reply = await bench.client.get(f"/lb/{bench.endpoint}/hello")
    assert (reply.status_code, reply.headers["X-Flash-Build"]) == (502, bench.new)
    assert (await bench.shares())["STAGED"] == (100, 1, 1)


async def test_calls_of_a_version_stay_in_its_build(bench: Canary) -> None:
    """What would never serve together is not tried together."""
    await bench.begin(resource={"makes_remote_calls": True})
    await bench.ready()
    await bench.give(50)
    for build, calls in ((bench.old, 7), (bench.new, 5)):
        (worker,) = bench.workers(build)
        for _ in range(calls):
            await bench.worker_client(worker).post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
    assert await bench.serve() == {bench.old: 7, bench.new: 5}


async def test_what_serves_keeps_its_workers_while_another_is_tried(tmp_path: Path) -> None:
    """The way back is as short as it was, however long nobody called it."""
    from flash.emulator.scaler import Policy

    bench = Canary(tmp_path, policy=Policy.SCALE)
    await bench.begin()
    if not bench.workers(bench.old):
        await bench.client.post(f"/v2/{bench.endpoint}/run", json={"input": {"a": 1}})
        await bench.round()
    await bench.ready()
    await bench.serve()
    await bench.give(100)
    for _ in range(20):
        await bench.data(
            "mutation r($e: String!, $l: String!) { renewFlashLease(flashEnvironmentId: $e, leaseId: $l) }",
            e=bench.environment_id,
            l=bench.client.headers["Flash-Lease"],
        )
        await bench.round(20)
    assert len(bench.workers(bench.old)) == 1
    assert len(bench.workers(bench.new)) == 1
    await bench.give(0)
    await bench.round(70)
    await bench.round(1)
    assert bench.workers(bench.old) == []
    await breathe()
    await bench.close()


def test_what_is_gone_is_forgotten() -> None:
    """A platform runs for months."""
    shares, _ = traffic()
    shares.note("v", is_failure=True)
    shares.note("v", is_failure=False)
    assert shares.answers("v") == Answers(2, 1)
    shares.keep_only((), ())
    assert shares.answers("v") == Answers()
