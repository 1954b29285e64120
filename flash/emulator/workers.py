"""One worker, and what a version's workers have gone through: values that the fleet changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from flash.emulator.launchers import RunningWorker
    from flash.emulator.record import VersionRecord

__all__ = ["VersionHistory", "VersionView", "Worker"]

_RESTARTS: Final = 3
_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 10.0
# one that has served for so long did not fail because of how it was started
_SETTLED_S: Final = 60.0


@dataclass(slots=True, eq=False, kw_only=True)
class Worker:
    """A worker, from the decision to start it until it is gone. Times are seconds on the platform's clock.

    Attributes:
        running: None until it has been started.
        ready_at: When it first asked for a job, or answered on ``/ping``.
        busy_at: When it last had something to do.
        requests: HTTP requests that it is answering.
        draining_since: It gets nothing new, and is stopped when it is done.
        stuck_since: When a job of its was cancelled or timed out; it should ask for another soon.
    """

    id: str
    endpoint_id: str
    version: VersionRecord
    token: str = field(repr=False)
    log_path: Path
    started_at: float
    is_load_balanced: bool
    running: RunningWorker | None = None
    ready_at: float | None = None
    busy_at: float = 0.0
    requests: int = 0
    draining_since: float | None = None
    stuck_since: float | None = None
    stopping: asyncio.Task[None] | None = None
    probe: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it can be given work."""
        return self.ready_at is not None and self.draining_since is None

    @property
    def is_draining(self) -> bool:
        """Whether it gets nothing new."""
        return self.draining_since is not None


@dataclass(slots=True)
class VersionHistory:
    """What became of a version's workers.

    Attributes:
        failure: Why the last one that failed did; None once one is ready.
        failed_log: That worker's log.
        logs: Logs of its workers, in the order of their start.
    """

    deaths: int = 0
    retry_at: float = 0.0
    has_served: bool = False
    failure: str | None = None
    failed_log: Path | None = None
    logs: list[Path] = field(default_factory=list)

    @property
    def has_given_up(self) -> bool:
        """Whether no further worker is started: none was ever ready, and restarting did not help."""
        return not self.has_served and self.deaths > _RESTARTS

    def may_start(self, now: float) -> bool:
        """Whether a worker may be started now, rather than after a pause or not at all."""
        return not self.has_given_up and self.retry_at <= now

    def note_ready(self) -> None:
        """A worker is ready."""
        self.has_served, self.failure, self.failed_log = True, None, None

    def note_death(self, worker: Worker, reason: str, now: float) -> None:
        """A worker is gone that nobody stopped."""
        if worker.ready_at is not None and now - worker.ready_at >= _SETTLED_S:
            self.deaths = 0
        self.deaths += 1
        self.failure, self.failed_log = reason, worker.log_path
        is_first_in_service = worker.ready_at is not None and self.deaths == 1
        pause = 0.0 if is_first_in_service else _BACKOFF_S * 2.0 ** min(self.deaths - 1, 8)
        self.retry_at = now + min(pause, _LONGEST_BACKOFF_S)


@dataclass(frozen=True, slots=True)
class VersionView:
    """What the control plane shows of a version."""

    is_healthy: bool
    workers: int
    failure: str | None
    log_tail: list[str]
