"""The queue by itself: whatever happens in whatever order, no job is lost, doubled or moved illegally."""

from __future__ import annotations

import asyncio

import pytest
from fakes_emulator import CountingIds, ManualClock
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flash.emulator import limits
from flash.emulator.job import Job, JobRequest
from flash.emulator.queue import JobQueue
from flash.errors import NotFound, PlatformError
from flash.model.job import JobState

pytestmark = pytest.mark.anyio


def _queue(**options: object) -> tuple[JobQueue, ManualClock]:
    clock = ManualClock()
    return JobQueue(clock, CountingIds(), **options), clock  # type: ignore[arg-type]


async def _give(queue: JobQueue, worker: str = "w") -> list[Job]:
    return await queue.take("e", worker)


@pytest.mark.parametrize(("is_sync", "kept_s"), [(False, limits.RUN_RETENTION_S), (True, limits.RUNSYNC_RETENTION_S)])
async def test_a_result_is_kept_for_its_time(is_sync: bool, kept_s: float) -> None:
    """30 minutes for /run, 1 minute for /runsync; then it is not found."""
    queue, clock = _queue()
    job = queue.submit("e", JobRequest(input={}, is_sync=is_sync))
    await _give(queue)
    queue.finish(job, "w", output=1)
    clock.advance(kept_s - 1)
    queue.tick()
    assert queue.find("e", job.id) is job
    clock.advance(1)
    queue.tick()
    with pytest.raises(NotFound, match=job.id):
        queue.find("e", job.id)


async def test_the_execution_timeout_counts_running_time_only() -> None:
    """Waiting costs nothing; the worker is told to stop."""
    queue, clock = _queue()
    job = queue.submit("e", JobRequest(input={}, execution_timeout_s=5))
    clock.advance(1000)
    queue.tick()
    await _give(queue)
    clock.advance(4.9)
    queue.tick()
    assert job.state is JobState.IN_PROGRESS
    clock.advance(0.1)
    queue.tick()
    assert job.state is JobState.TIMED_OUT
    assert await queue.stops("w") == [job.id]
    assert await queue.stops("w") == []


async def test_the_time_to_live_ends_a_job_in_any_state() -> None:
    """It is forgotten, and a worker that has it is told to stop."""
    queue, clock = _queue()
    waiting, running = (queue.submit("e", JobRequest(input={}, ttl_s=10)) for _ in range(2))
    await _give(queue)
    clock.advance(10)
    queue.tick()
    for job in (waiting, running):
        with pytest.raises(NotFound):
            queue.find("e", job.id)
    assert await queue.stops("w") == [waiting.id]
    assert await _give(queue) == []


async def test_a_job_belongs_to_the_worker_that_took_it() -> None:
    """Another worker's result is refused; a second result of the same worker is dropped."""
    queue, _ = _queue()
    job = queue.submit("e", JobRequest(input={}))
    await _give(queue)
    with pytest.raises(PlatformError, match="was not given"):
        queue.finish(job, "another", output=1)
    queue.finish(job, "w", output=1)
    queue.finish(job, "w", output=2)
    assert job.output == 1


async def test_only_serving_workers_are_given_jobs() -> None:
    """One that does not serve waits, and is served when it does."""
    serving: set[str] = set()
    queue, _ = _queue(may_take=serving.__contains__)
    waiting = asyncio.ensure_future(queue.take("e", "w", wait_s=80))
    job = queue.submit("e", JobRequest(input={}))
    await asyncio.sleep(0)
    queue.dispatch("e")
    assert not waiting.done()
    serving.add("w")
    queue.dispatch("e")
    assert await waiting == [job]


async def test_a_released_worker_gets_no_more_jobs() -> None:
    """Its poll ends empty, so that a job is not given to nobody."""
    queue, _ = _queue()
    waiting = asyncio.ensure_future(queue.take("e", "w", wait_s=80))
    await asyncio.sleep(0)
    queue.release("w", "it died")
    assert await waiting == []
    assert queue.submit("e", JobRequest(input={})).state is JobState.IN_QUEUE


async def test_a_low_priority_job_does_not_count_for_scaling() -> None:
    """It waits like the others, and is shown in health."""
    queue, clock = _queue()
    queue.submit("e", JobRequest(input={}, is_low_priority=True))
    clock.advance(9)
    counts = queue.counts("e")
    assert (counts.in_queue, counts.urgent, counts.oldest_wait_s) == (1, 0, 0.0)


class Anything(RuleBasedStateMachine):
    """Callers, workers and time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ended: list[str] = []
        self.queue = JobQueue(self.clock, CountingIds(), on_finish=lambda job: self.ended.append(job.id))
        self.jobs: list[Job] = []
        self.held: dict[str, list[Job]] = {"v": [], "w": []}

    @rule(is_sync=st.booleans())
    def submit(self, is_sync: bool) -> None:
        self.jobs.append(self.queue.submit("e", JobRequest(input={}, is_sync=is_sync, execution_timeout_s=5)))

    @rule(worker=st.sampled_from(["v", "w"]), limit=st.integers(1, 3))
    def take(self, worker: str, limit: int) -> None:
        taken = asyncio.run(self.queue.take("e", worker, limit=limit))
        assert len(taken) <= limit
        assert all(job.state is JobState.IN_PROGRESS and job.worker_id == worker for job in taken)
        self.held[worker] += taken

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        if job.state is JobState.IN_PROGRESS:
            self.queue.finish(job, job.worker_id, output=1, error="no" if fails else None)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        if self._is_known(job):
            self.queue.cancel("e", job.id)

    @rule(worker=st.sampled_from(["v", "w"]))
    def die(self, worker: str) -> None:
        self.queue.release(worker, "it died")

    @rule(seconds=st.sampled_from([1.0, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.queue.tick()

    @rule()
    def purge(self) -> None:
        self.queue.purge("e")

    @invariant()
    def counts_agree(self) -> None:
        known = [job for job in self.jobs if self._is_known(job)]
        counts = self.queue.counts("e")
        assert counts.in_queue == sum(job.state is JobState.IN_QUEUE for job in known)
        assert counts.in_progress == sum(job.state is JobState.IN_PROGRESS for job in known)
        for worker in ("v", "w"):
            assert all(job.worker_id == worker for job in self.queue.held_by(worker))

    @invariant()
    def nothing_ends_twice(self) -> None:
        assert len(self.ended) == len(set(self.ended))
        for job in self.jobs:
            assert job.state.is_final == (job.finished_at is not None)
            assert job.deaths <= 2

    def _is_known(self, job: Job) -> bool:
        try:
            return self.queue.find("e", job.id) is job
        except NotFound:
            return False


TestAnything = Anything.TestCase
