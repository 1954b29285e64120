"""A job of a queue endpoint, its states, and the transitions that are legal.

Source: Runpod docs, Serverless, "Job states" and "Endpoint operations", read 2026-08.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TRANSITIONS", "JobReply", "JobState"]


class JobState(str, Enum):
    """The state of a job, spelled as on the wire."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the job."""
        return not TRANSITIONS[self]


TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.IN_QUEUE: frozenset({JobState.IN_PROGRESS, JobState.CANCELLED, JobState.TIMED_OUT, JobState.FAILED}),
    # back to the queue: its worker died, and the job is given to another
    JobState.IN_PROGRESS: frozenset(
        {JobState.IN_QUEUE, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT}
    ),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.TIMED_OUT: frozenset(),
}


class JobReply(BaseModel):
    """What ``/run``, ``/runsync`` and ``/status`` answer.

    Shape: ``{"id": str, "status": str, "output"?: any, "error"?: str, "delayTime"?: ms, "executionTime"?: ms,
    "workerId"?: str}``.
    """

    model_config = ConfigDict(populate_by_name=True, extra="allow", frozen=True)

    id: str
    status: JobState
    output: Any = None
    error: str | None = None
    delay_time_ms: int | None = Field(default=None, alias="delayTime")
    execution_time_ms: int | None = Field(default=None, alias="executionTime")
    worker_id: str | None = Field(default=None, alias="workerId")

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, well or badly."""
        return self.status.is_final
