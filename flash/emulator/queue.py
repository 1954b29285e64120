"""Jobs of queue endpoints, in memory: legal transitions, long polls, results and their retention.

Time comes from an injected clock and passes in :meth:`JobQueue.tick` only: every wait has a deadline on that clock, and
a tick ends those that are over. Nothing here knows HTTP or processes.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from flash.emulator import limits
from flash.emulator.job import Job, JobRequest, QueueCounts
from flash.errors import NotFound, PlatformError
from flash.model.job import TRANSITIONS, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["JobQueue"]


@dataclass(slots=True, eq=False)
class _Taker:
    worker_id: str
    limit: int
    deadline: float
    future: asyncio.Future[list[Job]]


@dataclass(slots=True, eq=False)
class _Stopper:
    deadline: float
    future: asyncio.Future[list[str]]


class JobQueue:
    """The queues of all endpoints.

    Args:
        clock: Seconds; never goes back.
        new_id: Unique, unguessable ids.
        may_take: Whether a worker, by id, serves its endpoint now: workers of staged and of replaced versions do not,
            but for a staged one that has a share of the traffic.
        lane_of: Which jobs such a worker takes: those of that lane, and no others.
        on_take: Called with each job that was given to a worker.
        on_finish: Called with each job that has ended.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        *,
        may_take: Callable[[str], bool] = lambda _: True,
        lane_of: Callable[[str], str] = lambda _: "",
        on_take: Callable[[Job], None] = lambda _: None,
        on_finish: Callable[[Job], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._may_take = may_take
        self._lane_of = lane_of
        self._on_take = on_take
        self._on_finish = on_finish
        self._jobs: dict[str, Job] = {}
        self._queued: dict[str, list[Job]] = defaultdict(list)
        self._running: dict[str, list[Job]] = defaultdict(list)
        self._takers: dict[str, list[_Taker]] = defaultdict(list)
        self._stoppers: dict[str, list[_Stopper]] = defaultdict(list)
        self._to_stop: dict[str, list[str]] = defaultdict(list)
        self._totals: dict[str, Counter[str]] = defaultdict(Counter)
        self._is_closed = False

    # -- callers ------------------------------------------------------------------------------------------------------

    def submit(self, endpoint_id: str, request: JobRequest, *, lane: str = "") -> Job:
        """Put a job into its endpoint's queue."""
        prefix = "sync-" if request.is_sync else ""
        job = Job(
            id=f"{prefix}{self._new_id()}-u1",
            endpoint_id=endpoint_id,
            request=request,
            submitted_at=self._clock(),
            lane=lane,
        )
        self._jobs[job.id] = job
        self._queued[endpoint_id].append(job)
        self.dispatch(endpoint_id)
        return job

    def find(self, endpoint_id: str, job_id: str) -> Job:
        """The job with that id.

        Raises:
            NotFound: There is none, it belongs to another endpoint, or it has been forgotten.
        """
        job = self._jobs.get(job_id)
        if job is None or job.endpoint_id != endpoint_id:
            raise NotFound(f"job {job_id!r} not found", operation="job", status=404)
        return job

    async def wait(self, job: Job, wait_s: float) -> None:
        """Until the job has ended, or *wait_s* are over."""
        if job.state.is_final or self._is_closed:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, self._clock() + wait_s)
        job.waiters.append(entry)
        try:
            await future
        finally:
            if entry in job.waiters:
                job.waiters.remove(entry)

    def cancel(self, endpoint_id: str, job_id: str) -> Job:
        """Cancel a job that has not ended; one that has stays as it is."""
        job = self.find(endpoint_id, job_id)
        if not job.state.is_final:
            self._end(job, JobState.CANCELLED)
        return job

    def retry(self, endpoint_id: str, job_id: str) -> Job:
        """Queue a failed or timed-out job again, under its id.

        Raises:
            PlatformError: It has neither failed nor timed out.
        """
        old = self.find(endpoint_id, job_id)
        if old.state not in (JobState.FAILED, JobState.TIMED_OUT):
            raise PlatformError(
                f"job {job_id!r} is {old.state.value}: only FAILED and TIMED_OUT jobs can be retried",
                operation="retry",
                status=400,
            )
        job = Job(id=old.id, endpoint_id=endpoint_id, request=old.request, submitted_at=self._clock())
        self._jobs[job.id] = job
        self._queued[endpoint_id].append(job)
        self._totals[endpoint_id]["retried"] += 1
        self.dispatch(endpoint_id)
        return job

    def purge(self, endpoint_id: str) -> int:
        """Cancel what waits; running jobs go on. Returns how many."""
        waiting = list(self._queued[endpoint_id])
        for job in waiting:
            self._end(job, JobState.CANCELLED)
        return len(waiting)

    def drain_chunks(self, job: Job) -> list[Any]:
        """The chunks that came since the last call."""
        chunks, job.chunks = job.chunks, []
        return chunks

    def counts(self, endpoint_id: str, *, lane: str | None = None) -> QueueCounts:
        """The numbers of one endpoint; with a lane, what waits and what is worked on there only."""
        queued, totals = self._queued[endpoint_id], self._totals[endpoint_id]
        running = [job for jobs in self._running.values() for job in jobs if job.endpoint_id == endpoint_id]
        if lane is not None:
            queued = [job for job in queued if job.lane == lane]
            running = [job for job in running if job.lane == lane]
        urgent = [job for job in queued if not job.request.is_low_priority]
        return QueueCounts(
            in_queue=len(queued),
            in_progress=len(running),
            completed=totals["completed"],
            failed=totals["failed"],
            retried=totals["retried"],
            urgent=len(urgent),
            oldest_wait_s=self._clock() - urgent[0].submitted_at if urgent else 0.0,
        )

    # -- workers ------------------------------------------------------------------------------------------------------

    async def take(self, endpoint_id: str, worker_id: str, *, limit: int = 1, wait_s: float = 0.0) -> list[Job]:
        """Up to *limit* jobs for a worker, as soon as there is one; none once *wait_s* are over.

        Cancelling the call puts jobs that were already given to it back to the head of the queue.
        """
        if self._is_closed:
            return []
        taker = _Taker(worker_id, limit, self._clock() + wait_s, asyncio.get_running_loop().create_future())
        self._takers[endpoint_id].append(taker)
        self.dispatch(endpoint_id)
        if wait_s <= 0 and not taker.future.done():
            taker.future.set_result([])
        try:
            return await taker.future
        except asyncio.CancelledError:
            if taker.future.done() and not taker.future.cancelled():
                self.give_back(taker.future.result())
            raise
        finally:
            if taker in self._takers[endpoint_id]:
                self._takers[endpoint_id].remove(taker)

    def dispatch(self, endpoint_id: str) -> None:
        """Give waiting jobs to waiting workers; called again when workers begin to serve."""
        queued, takers = self._queued[endpoint_id], self._takers[endpoint_id]
        for taker in list(takers):
            if not queued:
                return
            if taker.future.done() or not self._may_take(taker.worker_id):
                continue
            lane = self._lane_of(taker.worker_id)
            jobs = list(islice((job for job in queued if job.lane == lane), taker.limit))
            if not jobs:
                continue
            for job in jobs:
                queued.remove(job)
                self._move(job, JobState.IN_PROGRESS)
                job.worker_id, job.started_at = taker.worker_id, self._clock()
                self._running[taker.worker_id].append(job)
                self._on_take(job)
            takers.remove(taker)
            taker.future.set_result(jobs)

    def keep_lanes(self, endpoint_id: str, lanes: Collection[str]) -> None:
        """Jobs that wait in any other lane go to whatever serves; they keep their places."""
        for job in self._queued[endpoint_id]:
            if job.lane and job.lane not in lanes:
                job.lane = ""

    def give_back(self, jobs: list[Job]) -> None:
        """Return jobs that never reached the worker they were given to."""
        for job in reversed(jobs):
            if job.state is JobState.IN_PROGRESS:
                self._requeue(job)

    def finish(
        self, job: Job, worker_id: str, *, output: Any = None, has_output: bool = True, error: str | None = None
    ) -> None:
        """Record a worker's result. One that comes after the job has ended otherwise is dropped.

        Raises:
            PlatformError: The job was given to another worker.
        """
        if job.state.is_final:
            return
        self._check_owner(job, worker_id)
        job.output, job.has_output, job.error = output, has_output, error
        self._end(job, JobState.COMPLETED if error is None else JobState.FAILED)

    def progress(self, job: Job, worker_id: str, output: Any) -> None:
        """Record an intermediate output.

        Raises:
            PlatformError: The job was given to another worker.
        """
        if not job.state.is_final:
            self._check_owner(job, worker_id)
            job.output, job.has_output = output, True

    def add_chunk(self, job: Job, worker_id: str, chunk: Any) -> None:
        """Record one item of a stream.

        Raises:
            PlatformError: The job was given to another worker.
        """
        if not job.state.is_final:
            self._check_owner(job, worker_id)
            job.chunks.append(chunk)

    async def stops(self, worker_id: str, *, wait_s: float = 0.0) -> list[str]:
        """Ids of jobs that the worker should abandon, as soon as there is one; none once *wait_s* are over."""
        if (waiting := self._to_stop.pop(worker_id, None)) or wait_s <= 0 or self._is_closed:
            return waiting or []
        stopper = _Stopper(self._clock() + wait_s, asyncio.get_running_loop().create_future())
        self._stoppers[worker_id].append(stopper)
        try:
            return await stopper.future
        finally:
            if stopper in self._stoppers[worker_id]:
                self._stoppers[worker_id].remove(stopper)

    def held_by(self, worker_id: str) -> list[Job]:
        """The jobs that a worker works on."""
        return list(self._running.get(worker_id, ()))

    def is_polling(self, worker_id: str) -> bool:
        """Whether the worker waits for a job right now."""
        return any(taker.worker_id == worker_id for takers in self._takers.values() for taker in takers)

    def end_polls(self, worker_id: str) -> None:
        """Answer the worker's long polls with nothing: it has been told to end, and waits for them."""
        for taker in [taker for takers in self._takers.values() for taker in takers if taker.worker_id == worker_id]:
            _resolve(taker.future, [])
        for stopper in self._stoppers.pop(worker_id, []):
            _resolve(stopper.future, [])

    def release(self, worker_id: str, reason: str) -> None:
        """The worker is gone: its jobs go back to the queue, once; the second time they fail with *reason*."""
        for job in self.held_by(worker_id):
            job.deaths += 1
            if job.deaths == 1:
                # a version that is being tried does not get it again
                job.lane = ""
                self._requeue(job)
            else:
                job.error = reason
                self._end(job, JobState.FAILED)
        self.end_polls(worker_id)
        self._to_stop.pop(worker_id, None)
        for endpoint_id in list(self._queued):
            self.dispatch(endpoint_id)

    # -- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let time pass: end waits, time jobs out, forget results."""
        now = self._clock()
        for takers in self._takers.values():
            for taker in [taker for taker in takers if taker.deadline <= now]:
                takers.remove(taker)
                _resolve(taker.future, [])
        for stoppers in self._stoppers.values():
            for stopper in [stopper for stopper in stoppers if stopper.deadline <= now]:
                _resolve(stopper.future, [])
        for job in list(self._jobs.values()):
            self._age(job, now)

    def drop(self, endpoint_id: str) -> None:
        """The endpoint is gone: forget its jobs, and end the waits for them."""
        for job in [job for job in self._jobs.values() if job.endpoint_id == endpoint_id]:
            self._forget(job)
        for taker in self._takers.pop(endpoint_id, []):
            _resolve(taker.future, [])
        self._totals.pop(endpoint_id, None)
        self._queued.pop(endpoint_id, None)

    def close(self) -> None:
        """End every wait; from now on nobody waits."""
        self._is_closed = True
        for takers in self._takers.values():
            for taker in takers:
                _resolve(taker.future, [])
        for stoppers in self._stoppers.values():
            for stopper in stoppers:
                _resolve(stopper.future, [])
        for job in self._jobs.values():
            job.wake()

    def _age(self, job: Job, now: float) -> None:
        for future, deadline in job.waiters:
            if deadline <= now:
                _resolve(future, None)
        retention = limits.RUNSYNC_RETENTION_S if job.request.is_sync else limits.RUN_RETENTION_S
        is_over = job.finished_at is not None and job.finished_at + retention <= now
        if is_over or job.submitted_at + job.request.ttl_s <= now:
            self._forget(job)
        elif (
            job.state is JobState.IN_PROGRESS
            and job.started_at is not None
            and job.started_at + job.request.execution_timeout_s <= now
        ):
            job.error = f"the job ran for longer than its execution timeout of {job.request.execution_timeout_s:g} s"
            self._end(job, JobState.TIMED_OUT)

    # -- transitions --------------------------------------------------------------------------------------------------

    def _move(self, job: Job, state: JobState) -> None:
        if state not in TRANSITIONS[job.state]:
            raise PlatformError(
                f"job {job.id!r} cannot go from {job.state.value} to {state.value}", operation="job", status=409
            )
        job.state = state

    def _end(self, job: Job, state: JobState) -> None:
        was_running = job.state is JobState.IN_PROGRESS
        self._move(job, state)
        job.finished_at = self._clock()
        self._unrun(job)
        self._unqueue(job)
        if state is JobState.COMPLETED:
            self._totals[job.endpoint_id]["completed"] += 1
        elif state in (JobState.FAILED, JobState.TIMED_OUT):
            self._totals[job.endpoint_id]["failed"] += 1
        if was_running and state in (JobState.CANCELLED, JobState.TIMED_OUT):
            self._stop_in_worker(job)
        job.wake()
        self._on_finish(job)

    def _forget(self, job: Job) -> None:
        if job.state is JobState.IN_PROGRESS:
            self._stop_in_worker(job)
        self._unqueue(job)
        self._unrun(job)
        self._jobs.pop(job.id, None)
        job.wake()

    def _requeue(self, job: Job) -> None:
        self._move(job, JobState.IN_QUEUE)
        self._unrun(job)
        job.worker_id, job.started_at, job.chunks = "", None, []
        job.output, job.has_output = None, False
        self._queued[job.endpoint_id].insert(0, job)
        self.dispatch(job.endpoint_id)

    def _unqueue(self, job: Job) -> None:
        if job in self._queued[job.endpoint_id]:
            self._queued[job.endpoint_id].remove(job)

    def _unrun(self, job: Job) -> None:
        held = self._running.get(job.worker_id, [])
        if job in held:
            held.remove(job)
        if not held:
            self._running.pop(job.worker_id, None)

    def _stop_in_worker(self, job: Job) -> None:
        self._to_stop[job.worker_id].append(job.id)
        for stopper in self._stoppers[job.worker_id]:
            if not stopper.future.done():
                stopper.future.set_result(self._to_stop.pop(job.worker_id, []))
                return

    def _check_owner(self, job: Job, worker_id: str) -> None:
        if job.worker_id != worker_id:
            raise PlatformError(
                f"job {job.id!r} was not given to worker {worker_id!r}", operation="job-done", status=409
            )


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
