"""Keeps as many workers running as each version should have, and knows which of them may be given work.

:meth:`Fleet.reconcile` compares what should be with what is; nothing else starts or stops a worker. Starting, stopping
and probing run in tasks of their own, so a slow worker holds up nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import httpx

from flash.emulator.access import Grant
from flash.emulator.provision import Addresses, worker_spec
from flash.emulator.scaler import Policy, VersionFacts, VersionState, desired
from flash.emulator.workers import VersionHistory, VersionView, Worker
from flash.errors import FlashError, NotFound
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flash.emulator.access import Access
    from flash.emulator.artifacts import ArtifactStore
    from flash.emulator.job import Job
    from flash.emulator.launchers import Launcher, WorkerSpec
    from flash.emulator.logs import WorkerLogs
    from flash.emulator.queue import JobQueue
    from flash.emulator.record import VersionRecord
    from flash.emulator.state import State
    from flash.emulator.traffic import Share, Traffic

__all__ = ["Fleet"]

_LOG: Final = logging.getLogger(__name__)
_STOP_GRACE_S: Final = 10.0
# the default execution timeout: nobody waits longer for a job
_DRAIN_S: Final = 600.0
_STUCK_S: Final = 10.0
_PROBE_S: Final = 10.0
_TAIL_LINES: Final = 40


class Fleet:
    """The workers of a platform.

    Args:
        client: Asks load-balanced workers for ``/ping``.

    Attributes:
        addresses: Where the platform answers; set before the first worker starts.
    """

    def __init__(
        self,
        *,
        state: State,
        queue: JobQueue,
        artifacts: ArtifactStore,
        access: Access,
        logs: WorkerLogs,
        launcher: Launcher,
        client: httpx.AsyncClient,
        traffic: Traffic,
        policy: Policy,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.addresses = Addresses("")
        self._state = state
        self._queue = queue
        self._artifacts = artifacts
        self._access = access
        self._logs = logs
        self._launcher = launcher
        self._client = client
        self._traffic = traffic
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._workers: dict[str, Worker] = {}
        self._versions: dict[str, VersionRecord] = {}
        self._histories: dict[str, VersionHistory] = defaultdict(VersionHistory)
        self._waiters: dict[str, list[tuple[asyncio.Future[Worker | None], float, float]]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._digests: dict[str, str] = {}
        self._lanes: dict[str, tuple[VersionRecord, Share]] = {}
        self._is_closed = False

    # -- what others tell and ask -------------------------------------------------------------------------------------

    def changed(self) -> None:
        """What is deployed has changed: from now on other workers may serve."""
        self._versions = {version.id: version for version in self._state.versions.all()}
        self._lanes = self._open_lanes()
        for endpoint_id in {version.endpoint_id for version in self._versions.values()}:
            lane = self._lanes.get(endpoint_id)
            self._queue.keep_lanes(endpoint_id, () if lane is None else (lane[0].id,))
            self._queue.dispatch(endpoint_id)
            self._serve_waiters(endpoint_id)
        self._wake.set()

    def wake(self) -> None:
        """There may be something to do before the next round."""
        self._wake.set()

    async def woken(self, timeout_s: float) -> None:
        """Until somebody calls :meth:`wake`, at most *timeout_s* of real time."""
        # not wait_for: before Python 3.12 it can swallow a cancellation, and the platform would never end
        alarm = asyncio.get_running_loop().call_later(timeout_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()
            self._wake.clear()

    def may_take(self, worker_id: str) -> bool:
        """Whether a worker may be given jobs: it does not drain, and its version serves."""
        worker = self._workers.get(worker_id)
        if worker is None or worker.is_draining:
            return False
        version = self._versions.get(worker.version.id)
        return version is not None and (version.state is VersionState.ACTIVE or self._is_tried(version))

    def lane_of(self, worker_id: str) -> str:
        """Which jobs a worker takes: those of its own version where that is being tried, else what serves gets."""
        worker = self._workers.get(worker_id)
        return worker.version.id if worker is not None and self._is_tried(worker.version) else ""

    def lane_for(self, endpoint_id: str, caller: str | None) -> str:
        """Where a new call goes: to the version that is being tried, by its id, or, empty, to the one that serves.

        Calls of a worker whose own endpoint has a version that is being tried stay in the worker's build; all others
        are split. A version without one before it is called by nobody but those who try it, and gets everything.

        Args:
            endpoint_id: Of what is called.
            caller: The worker that calls, or None for anybody else.
        """
        if endpoint_id not in self._lanes:
            return ""
        version, share = self._lanes[endpoint_id]
        worker = self._workers.get(caller or "")
        if not self._has_active(endpoint_id):
            is_new = True
        elif worker is not None and worker.endpoint_id in self._lanes:
            is_new = worker.version.build_id == share.build_id
        else:
            is_new = self._traffic.draws(endpoint_id, share)
        return version.id if is_new else ""

    def share_of(self, version: VersionRecord) -> int:
        """Percent of its endpoint's calls that a version gets."""
        lane = self._lanes.get(version.endpoint_id)
        if lane is not None and lane[0].id == version.id:
            return lane[1].percent if self._has_active(version.endpoint_id) else 100
        if version.state is not VersionState.ACTIVE:
            return 0
        return 100 if lane is None else 100 - lane[1].percent

    def split_endpoints(self, environment_id: str) -> int:
        """How many endpoints of an environment have a version that is being tried beside the one that serves."""
        return sum(
            each.id in self._lanes and self._has_active(each.id)
            for each in self._state.versions.endpoints(environment_id)
        )

    def note_taken(self, job: Job) -> None:
        """Note on a job whose worker has it."""
        worker = self._workers.get(job.worker_id)
        if worker is not None:
            job.version_id, job.build_id = worker.version.id, worker.version.build_id or ""

    def asks_for_job(self, worker_id: str) -> None:
        """A worker has asked for a job: that is how a queue worker shows that it is ready."""
        worker = self._workers.get(worker_id)
        if worker is not None and worker.ready_at is None:
            self._note_ready(worker)

    def replace(self, worker_id: str) -> None:
        """A worker asked to be replaced after its job."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            self._drain(worker)
            self._wake.set()

    def suspect(self, worker_id: str) -> None:
        """A job of that worker was cancelled or timed out: unless it asks for another soon, it is stuck."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            worker.stuck_since = self._clock()

    async def acquire(self, endpoint_id: str, wait_s: float, *, lane: str = "") -> Worker | None:
        """A ready worker of a load-balanced endpoint, with one request more on it.

        It is one of what serves where *lane* has none. None once *wait_s* are over, or as soon as it is clear that
        none will ever be ready.
        """
        worker = (self._least_loaded(endpoint_id, lane) if lane else None) or self._least_loaded(endpoint_id)
        if worker is not None or self._is_closed or self.has_given_up(endpoint_id):
            return worker
        now = self._clock()
        future: asyncio.Future[Worker | None] = asyncio.get_running_loop().create_future()
        entry = (future, now, now + wait_s)
        self._waiters[endpoint_id].append(entry)
        self._wake.set()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and (given := future.result()) is not None:
                self.release(given)
            raise
        finally:
            if entry in self._waiters[endpoint_id]:
                self._waiters[endpoint_id].remove(entry)

    def release(self, worker: Worker) -> None:
        """A request that :meth:`acquire` counted is over."""
        worker.requests -= 1
        worker.busy_at = self._clock()

    def has_given_up(self, endpoint_id: str) -> bool:
        """Whether the version that serves cannot be started."""
        return any(
            self._histories[version.id].has_given_up
            for version in self._versions.values()
            if version.endpoint_id == endpoint_id and version.state is VersionState.ACTIVE
        )

    def view(self, version: VersionRecord) -> VersionView:
        """What is known of a version."""
        history = self._histories[version.id]
        alive = self._alive(version.id)
        is_healthy = any(worker.is_ready for worker in alive)
        if not alive and version.state is VersionState.ACTIVE:
            # scaled to zero: it has shown that it works
            is_healthy = history.has_served and history.failure is None
        paths = [history.failed_log] if history.failed_log is not None else history.logs[-1:]
        return VersionView(is_healthy, len(alive), history.failure, self._logs.tail(paths, _TAIL_LINES))

    def log_lines(self, version: VersionRecord, tail: int) -> list[str]:
        """The last lines of a version's workers."""
        return self._logs.tail(self._histories[version.id].logs, tail)

    def counts(self, endpoint_id: str) -> dict[str, int]:
        """The workers of the version that serves, by what they do, with the six keys that clients insist on."""
        workers = self._serving(endpoint_id)
        ready = [worker for worker in workers if worker.is_ready]
        running = sum(self._is_busy(worker) for worker in ready)
        return {
            "idle": len(ready) - running,
            "initializing": len(workers) - len(ready),
            "ready": len(ready),
            "running": running,
            "throttled": 0,
            "unhealthy": int(self.has_given_up(endpoint_id)),
        }

    def ready_ids(self, endpoint_id: str) -> list[str]:
        """Ids of the workers that can be given work."""
        return [worker.id for worker in self._serving(endpoint_id) if worker.is_ready]

    def digests(self) -> frozenset[str]:
        """The artifacts that versions, or workers that are still there, run."""
        versions = [*self._versions.values(), *(worker.version for worker in self._workers.values())]
        for build_id in {version.build_id for version in versions if version.build_id} - self._digests.keys():
            with suppress(NotFound):  # the app went with its builds, and its workers are going
                self._digests[build_id] = self._state.build(build_id).sha256
        return frozenset(self._digests.get(version.build_id or "", "") for version in versions) - {""}

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def reconcile(self) -> None:
        """One round: notice the dead, probe the starting, start what is missing, stop what is too much."""
        if self._is_closed:
            return
        self.changed()
        self._wake.clear()
        self._reap()
        now = self._clock()
        for worker in list(self._workers.values()):
            self._look_at(worker, now)
        for version in self._versions.values():
            self._scale(version, now)
        self._stop_drained(now)
        for version_id in set(self._histories) - set(self._versions):
            del self._histories[version_id]
        self._traffic.keep_only(self._versions, {version.endpoint_id for version in self._versions.values()})
        self._expire_waiters(now)

    async def dismiss(self) -> None:
        """Let the workers of versions that are no more go, and return when those that were not busy are gone."""
        self.changed()
        gone = [worker for worker in self._workers.values() if worker.version.id not in self._versions]
        for worker in gone:
            self._drain(worker)
        self._stop_drained(self._clock())
        if stopping := [worker.stopping for worker in gone if worker.stopping is not None]:
            # not gather: whoever waits for this may be cancelled, and they have to stop nevertheless
            await asyncio.wait(stopping)

    async def settle(self) -> None:
        """Until nothing that was begun is under way."""
        while pending := [task for task in self._tasks if not task.done()]:
            await asyncio.gather(*pending)

    async def close(self, grace_s: float) -> None:
        """Stop every worker, all at once."""
        self._is_closed = True
        for waiters in self._waiters.values():
            for future, _, _ in waiters:
                _resolve(future, None)
        for worker in self._workers.values():
            self._drain(worker)
            if worker.probe is not None:
                worker.probe.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._stop(worker, grace_s) for worker in list(self._workers.values())))

    # -- one worker ---------------------------------------------------------------------------------------------------

    def _start(self, version: VersionRecord) -> None:
        endpoint = self._state.versions.endpoint(version.endpoint_id)
        worker_id, now = self._new_id(), self._clock()
        worker = Worker(
            id=worker_id,
            endpoint_id=endpoint.id,
            version=version,
            token="",
            log_path=self._logs.path(endpoint.name, worker_id),
            started_at=now,
            busy_at=now,
            is_load_balanced=version.is_load_balanced,
        )
        self._workers[worker_id] = worker
        history = self._histories[version.id]
        history.logs.append(worker.log_path)
        del history.logs[:-20]
        self._spawn(self._launch(worker))

    async def _launch(self, worker: Worker) -> None:
        try:
            spec = await self._spec(worker)
            worker.is_load_balanced = spec.is_load_balanced
            worker.running = await self._launcher.launch(spec)
        except (FlashError, OSError) as error:
            self._bury(worker, f"the worker could not be started: {error}")
        self._wake.set()

    async def _spec(self, worker: Worker) -> WorkerSpec:
        version = worker.version
        endpoint = self._state.versions.endpoint(version.endpoint_id)
        build = self._state.build(version.build_id or "")
        manifest = Manifest.parse(build.manifest)
        environment = None if endpoint.environment_id is None else self._state.environment(endpoint.environment_id)
        artifact_dir = await asyncio.to_thread(self._artifacts.unpack, build.object_key, build.sha256)
        worker.token = self._access.issue(Grant(worker_id=worker.id, endpoint_id=endpoint.id))
        spec = worker_spec(
            worker_id=worker.id,
            token=worker.token,
            endpoint=endpoint,
            version=version,
            manifest=manifest,
            app_name="" if environment is None else self._state.app(environment.app_id).name,
            environment_name="" if environment is None else environment.name,
            addresses=self.addresses,
            artifact_dir=artifact_dir,
            log_path=worker.log_path,
        )
        resource = manifest.resources.get(endpoint.name)
        if resource is not None and resource.secrets:
            # what they print of it is shown to nobody
            self._access.hide(spec.environment[name] for name in resource.secrets if name in spec.environment)
        if "RUNPOD_API_KEY" in spec.environment:
            by_id = resource is not None and resource.calls_by_id
            self._access.widen(worker.token, endpoint.environment_id, calls_by_id=by_id)
        return spec

    def _look_at(self, worker: Worker, now: float) -> None:
        if self._is_busy(worker):
            worker.busy_at = now
        if worker.version.id not in self._versions:
            self._drain(worker)
        if worker.stuck_since is not None:
            if self._queue.is_polling(worker.id):
                worker.stuck_since = None
            elif now - worker.stuck_since > _STUCK_S and not self._queue.held_by(worker.id):
                _LOG.info("worker %s does not let go of a job that has ended: it is replaced", worker.id)
                self._drain(worker)
        if (
            worker.is_load_balanced
            and worker.running is not None
            and worker.ready_at is None
            and (worker.probe is None or worker.probe.done())
        ):
            worker.probe = self._spawn(self._probe(worker))

    async def _probe(self, worker: Worker) -> None:
        running = worker.running
        if running is None or running.url is None:
            return
        try:
            response = await self._client.get(f"{running.url}/ping", timeout=_PROBE_S)
        except httpx.TransportError:
            return
        if response.status_code == httpx.codes.OK and worker.id in self._workers:
            self._note_ready(worker)

    def _note_ready(self, worker: Worker) -> None:
        worker.ready_at = worker.busy_at = self._clock()
        self._histories[worker.version.id].note_ready()
        self._serve_waiters(worker.endpoint_id)

    def _reap(self) -> None:
        for worker in list(self._workers.values()):
            code = None if worker.running is None else worker.running.exit_code()
            if code is None:
                continue
            how = f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"
            when = "" if worker.ready_at is not None else " before it was ready"
            self._bury(worker, f"the worker {how}{when}")

    def _bury(self, worker: Worker, reason: str) -> None:
        if self._workers.pop(worker.id, None) is None:
            return
        self._access.revoke(worker.token)
        if not worker.is_draining and worker.version.id in self._versions:
            _LOG.warning("endpoint %s, worker %s: %s", worker.endpoint_id, worker.id, self._access.redact(reason))
            self._histories[worker.version.id].note_death(worker, reason, self._clock())
            for job in self._queue.held_by(worker.id):
                if job.deaths == 0:
                    # its caller gets another answer; the second time it fails, and is counted then
                    self._traffic.note(worker.version.id, is_failure=True)
        self._queue.release(worker.id, reason)

    def _drain(self, worker: Worker) -> None:
        if worker.draining_since is None:
            worker.draining_since = self._clock()

    def _stop_drained(self, now: float) -> None:
        for worker in [worker for worker in self._workers.values() if worker.is_draining]:
            is_overdue = worker.draining_since is not None and now - worker.draining_since > _DRAIN_S
            if worker.running is not None and worker.stopping is None and (is_overdue or not self._is_busy(worker)):
                worker.stopping = self._spawn(self._stop(worker, _STOP_GRACE_S))

    async def _stop(self, worker: Worker, grace_s: float) -> None:
        if worker.running is not None:
            stopping = asyncio.ensure_future(worker.running.stop(grace_s))
            # first the signal, then an answer to its poll: the other way round it would ask again
            await asyncio.sleep(0)
            self._queue.end_polls(worker.id)
            await stopping
        self._bury(worker, "the worker was stopped")

    # -- one version --------------------------------------------------------------------------------------------------

    def _scale(self, version: VersionRecord, now: float) -> None:
        alive = self._alive(version.id)
        wanted = 0 if version.build_id is None else desired(self._facts(version, alive, now), self._policy)
        if wanted > len(alive) and self._histories[version.id].may_start(now):
            for _ in range(wanted - len(alive)):
                self._start(version)
        elif wanted < len(alive):
            idle = [worker for worker in alive if not self._is_busy(worker)]
            idle.sort(key=lambda worker: worker.busy_at)
            for worker in idle[: len(alive) - wanted]:
                self._drain(worker)

    def _facts(self, version: VersionRecord, alive: list[Worker], now: float) -> VersionFacts:
        is_tried, is_split = self._is_tried(version), version.endpoint_id in self._lanes
        counts = self._queue.counts(version.endpoint_id, lane=version.id if is_tried else "")
        waiting = [] if is_tried else self._waiters[version.endpoint_id]
        workers_min = version.number("workersMin", 0)
        idle_timeout_s = version.number("idleTimeout", 60)
        waits = [counts.oldest_wait_s, *(now - since for _, since, _ in waiting)]
        return VersionFacts(
            state=VersionState.ACTIVE if is_tried else version.state,
            workers=len(alive),
            starting=sum(worker.ready_at is None for worker in alive),
            # whatever becomes of what is tried, what serves is as ready as it was
            expired=0
            if is_split
            else sum(worker.is_ready and now - worker.busy_at > idle_timeout_s for worker in alive),
            queued=counts.urgent + len(waiting),
            in_progress=counts.in_progress + sum(worker.requests for worker in alive),
            oldest_wait_s=max(waits),
            workers_min=max(1, workers_min) if is_tried else workers_min,
            workers_max=version.number("workersMax", 1),
            scales_by_requests=version.config.get("scalerType") == "REQUEST_COUNT",
            scaler_value=version.number("scalerValue", 4),
        )

    # -- load-balanced requests ---------------------------------------------------------------------------------------

    def _least_loaded(self, endpoint_id: str, lane: str = "") -> Worker | None:
        ready = [
            worker
            for worker in self._serving(endpoint_id, lane)
            if worker.is_ready and worker.running is not None and worker.running.url is not None
        ]
        if not ready:
            return None
        worker = min(ready, key=lambda candidate: candidate.requests)
        worker.requests += 1
        return worker

    def _serve_waiters(self, endpoint_id: str) -> None:
        for future, _, _ in list(self._waiters[endpoint_id]):
            if future.done():
                continue
            worker = self._least_loaded(endpoint_id)
            if worker is None:
                return
            future.set_result(worker)

    def _expire_waiters(self, now: float) -> None:
        for endpoint_id, waiters in list(self._waiters.items()):
            for future, _, deadline in waiters:
                if deadline <= now or self.has_given_up(endpoint_id):
                    _resolve(future, None)

    # -- small things -------------------------------------------------------------------------------------------------

    def _alive(self, version_id: str) -> list[Worker]:
        return [w for w in self._workers.values() if w.version.id == version_id and not w.is_draining]

    def _serving(self, endpoint_id: str, lane: str = "") -> list[Worker]:
        return [
            worker
            for worker in self._workers.values()
            if worker.endpoint_id == endpoint_id and self.may_take(worker.id) and self.lane_of(worker.id) == lane
        ]

    def _open_lanes(self) -> dict[str, tuple[VersionRecord, Share]]:
        """The versions that are being tried, by endpoint: staged, with a share, and with a worker to answer."""
        shares = self._traffic.shares()
        ids = {
            endpoint.id: share for each, share in shares.items() for endpoint in self._state.versions.endpoints(each)
        }
        return {
            version.endpoint_id: (version, ids[version.endpoint_id])
            for version in self._versions.values()
            if version.state is VersionState.STAGED
            and version.endpoint_id in ids
            and version.build_id == ids[version.endpoint_id].build_id
            and any(worker.is_ready for worker in self._alive(version.id))
        }

    def _is_tried(self, version: VersionRecord) -> bool:
        lane = self._lanes.get(version.endpoint_id)
        return lane is not None and lane[0].id == version.id

    def _has_active(self, endpoint_id: str) -> bool:
        return any(
            version.endpoint_id == endpoint_id and version.state is VersionState.ACTIVE
            for version in self._versions.values()
        )

    def _is_busy(self, worker: Worker) -> bool:
        return worker.requests > 0 or bool(self._queue.held_by(worker.id))

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("a task of the fleet failed", exc_info=error)


def _resolve(future: asyncio.Future[Worker | None], value: Worker | None) -> None:
    if not future.done():
        future.set_result(value)
