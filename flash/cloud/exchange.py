"""The conversations of the job API, without the network.

Each is a generator: it yields what to ask and when to pause, is sent the answers, and returns the result. A driver
that blocks and one that awaits (``flash.cloud.connection``) run the same
conversations, so that sync and async cannot differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from flash.errors import CallError, InvalidInput, NotFound, PlatformError, PlatformUnreachable, RemoteError
from flash.model.job import JobReply, JobState
from flash.model.schema import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import httpx

__all__ = ["Ask", "Pause", "Steps", "cancel", "health", "next_chunks", "poll", "run", "runsync", "wait"]

_FIRST_PAUSE_S: Final = 0.05
_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSE_S: Final = 2.0
_MOST_FAILURES: Final = 5
"""Source: consecutive connection errors that the platform's own client tolerates while it waits, read 2026-08."""
_WAIT_MS: Final = (1_000, 90_000)
"""Source: Runpod docs, "Endpoint operations", ``/runsync``, read 2026-08: ``wait`` from 1 s; 90 s is its default."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to send; the conversation is sent its answer, or has the ``PlatformError`` thrown into it.

    Attributes:
        options: Those of ``httpx.Client.request``.
        is_route: Whether a user's function answers it, so that every status is an answer.
    """

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_route: bool = False

    @property
    def operation(self) -> str:
        """How errors name it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to ask for so long."""

    seconds: float


_T = TypeVar("_T")
Steps: TypeAlias = "Generator[Ask | Pause, httpx.Response | None, _T]"


def run(job: Mapping[str, Any]) -> Steps[JobReply]:
    """Submit a job."""
    return (yield from _ask_for_reply(Ask("POST", "/run", _body(job))))


def runsync(job: Mapping[str, Any], *, timeout_s: float, clock: Callable[[], float]) -> Steps[JobReply]:
    """Submit a job and wait for its end, on the platform as long as it waits, then by polling."""
    deadline = clock() + timeout_s
    wait_ms = min(max(int(timeout_s * 1000), _WAIT_MS[0]), _WAIT_MS[1])
    ask = Ask("POST", "/runsync", {**_body(job), "params": {"wait": wait_ms}})
    reply = yield from _ask_for_reply(ask)
    if reply.is_final:
        return reply
    return (yield from wait(reply.id, timeout_s=max(0.0, deadline - clock()), clock=clock))


def poll(job_id: str) -> Steps[JobReply]:
    """Ask once how a job is."""
    try:
        return (yield from _ask_for_reply(Ask("GET", f"/status/{job_id}")))
    except NotFound as error:
        raise NotFound(
            f"there is no job {job_id!r}, or its result is no longer kept",
            operation=error.operation,
            status=error.status,
            hint="the platform keeps results of /run for 30 minutes, of /runsync for one",
        ) from error


def wait(job_id: str, *, timeout_s: float, clock: Callable[[], float]) -> Steps[JobReply]:
    """Poll until the job has ended, through a few connection errors.

    Raises:
        CallError: It had not ended in time.
    """
    deadline = clock() + timeout_s
    pause_s, failures, status = _FIRST_PAUSE_S, 0, "unknown"
    while True:
        try:
            reply = yield from poll(job_id)
        except PlatformUnreachable:
            failures += 1
            if failures == _MOST_FAILURES:
                raise
        else:
            if reply.is_final:
                return reply
            failures, status = 0, reply.status.value
        left_s = deadline - clock()
        if left_s <= 0:
            raise CallError(
                f"job {job_id!r} had not ended after {timeout_s:g} s: {status}",
                hint="it runs on; wait longer with timeout_s, or see the endpoint's logs",
            )
        yield Pause(min(pause_s, left_s))
        pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)


def cancel(job_id: str) -> Steps[JobReply]:
    """Cancel a job."""
    return (yield from _ask_for_reply(Ask("POST", f"/cancel/{job_id}")))


def health(path: str) -> Steps[dict[str, Any]]:
    """Ask how the endpoint is."""
    data = yield from _ask_for_json(Ask("GET", path))
    return data if isinstance(data, dict) else {"status": data}


def next_chunks(job_id: str) -> Steps[list[Any]]:
    """What a job has yielded since the last time, waiting until there is something; empty at its end.

    Shape: ``{"status": str, "stream": [{"output": any}]}``, or the list alone.

    Raises:
        RemoteError: The job failed or timed out; what it yielded before came first.
    """
    pause_s = _FIRST_PAUSE_S
    ended: JobReply | None = None
    while True:
        data = yield from _ask_for_json(Ask("GET", f"/stream/{job_id}"))
        chunks, status = (data.get("stream"), data.get("status")) if isinstance(data, dict) else (data, None)
        if chunks:
            return [chunk["output"] if isinstance(chunk, dict) and "output" in chunk else chunk for chunk in chunks]
        if ended is not None:
            _raise_if_failed(ended)
            return []
        is_final = status is not None and _state(status).is_final
        if status is None or is_final:
            reply = yield from _last_reply(job_id, status)
            if reply.is_final:
                ended = reply
                if is_final:
                    _raise_if_failed(ended)
                    return []
                # the list alone does not say whether it was the last: once more
                continue
        yield Pause(pause_s)
        pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)


def _last_reply(job_id: str, status: str | None) -> Steps[JobReply]:
    try:
        return (yield from poll(job_id))
    except NotFound:
        if status is None:
            raise
        return JobReply(id=job_id, status=_state(status))


def _raise_if_failed(reply: JobReply) -> None:
    if reply.status in {JobState.FAILED, JobState.TIMED_OUT}:
        raise RemoteError(f"job {reply.id!r} ended as {reply.status.value}: {reply.error or 'no reason given'}")


def _body(job: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"json": to_json(job)}
    except RemoteError as error:
        raise InvalidInput(error.message.replace("the output", "the input", 1)) from error


def _ask_for_reply(ask: Ask) -> Steps[JobReply]:
    data = yield from _ask_for_json(ask)
    if isinstance(data, dict):
        # an error is one string: what a worker reports otherwise is shown as it came
        if "error" in data and not isinstance(data["error"], str | None):
            data = {**data, "error": json.dumps(data["error"])}
        if "status" in data:
            data = {**data, "status": _state(data["status"])}
    try:
        return JobReply.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        message = f"{ask.operation}: the answer is no job: {where}: {first['msg']}"
        raise PlatformError(message, operation=ask.operation) from error


def _state(status: object) -> JobState:
    if status == "RUNNING":  # source: Runpod docs, "Job states", read 2026-08: another word for it
        return JobState.IN_PROGRESS
    try:
        return JobState(status)
    except ValueError as error:
        raise PlatformError(f"the platform answered a job state that we do not know: {status!r}") from error


def _ask_for_json(ask: Ask) -> Steps[Any]:
    response = cast("httpx.Response", (yield ask))
    try:
        return response.json()
    except ValueError as error:
        kind = response.headers.get("content-type", "something without a content type")
        message = f"{ask.operation}: the answer is {kind}, not JSON"
        raise PlatformError(message, operation=ask.operation, status=response.status_code) from error
