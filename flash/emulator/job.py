"""A job as the local platform keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flash.emulator import limits
from flash.model.job import JobState

if TYPE_CHECKING:
    import asyncio

__all__ = ["Job", "JobRequest", "QueueCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a caller submits.

    Attributes:
        extras: Fields that pass through to the worker, such as ``webhook`` and ``s3Config``.
        execution_timeout_s: Running time only.
        ttl_s: From submission; then the job is forgotten, in any state.
    """

    input: Any
    is_sync: bool = False
    extras: dict[str, Any] = field(default_factory=dict)
    execution_timeout_s: float = limits.DEFAULT_EXECUTION_TIMEOUT_MS / 1000
    ttl_s: float = limits.DEFAULT_TTL_MS / 1000
    is_low_priority: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A job and what has become of it. Times are seconds on the queue's clock.

    Attributes:
        lane: Who may take it: workers of the version that serves, or, with a version's id, of that one.
        version_id: Of the worker that took it last; *build_id* is that version's.
    """

    id: str
    endpoint_id: str
    request: JobRequest
    submitted_at: float
    state: JobState = JobState.IN_QUEUE
    started_at: float | None = None
    finished_at: float | None = None
    worker_id: str = ""
    deaths: int = 0
    lane: str = ""
    version_id: str = ""
    build_id: str = ""
    output: Any = None
    has_output: bool = False
    error: str | None = None
    chunks: list[Any] = field(default_factory=list)
    waiters: list[tuple[asyncio.Future[None], float]] = field(default_factory=list)

    def reply(self, *, with_output: bool = True) -> dict[str, Any]:
        """What callers are told; times in milliseconds.

        Shape: ``{"id", "status"[, "delayTime", "executionTime", "workerId", "output", "error"]}``.
        """
        reply: dict[str, Any] = {"id": self.id, "status": self.state.value}
        if self.started_at is not None or self.state.is_final:
            began = self.started_at if self.started_at is not None else self.finished_at
            reply["delayTime"] = _milliseconds(self.submitted_at, began)
            reply["workerId"] = self.worker_id
        if self.state.is_final:
            reply["executionTime"] = _milliseconds(self.started_at, self.finished_at)
        if with_output and self.has_output:
            reply["output"] = self.output
        if self.error is not None:
            reply["error"] = self.error
        return reply

    def for_worker(self) -> dict[str, Any]:
        """What a worker gets: ``{"id", "input", …}``."""
        return {**self.request.extras, "id": self.id, "input": self.request.input}

    def wake(self) -> None:
        """End the waits for it."""
        for future, _ in self.waiters:
            if not future.done():
                future.set_result(None)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Jobs of one endpoint by state; completed, failed and retried since the platform started."""

    in_queue: int
    in_progress: int
    completed: int
    failed: int
    retried: int
    urgent: int
    """Of the queued ones, those that are not low-priority."""
    oldest_wait_s: float


def _milliseconds(start: float | None, end: float | None) -> int:
    return 0 if start is None or end is None else max(0, round((end - start) * 1000))
