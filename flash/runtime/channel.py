"""The job protocol, seen from a worker: take, done, stream, stop, ping.

Source: the protocol of the ``runpod`` package 1.12, platform-contract §6.5 to 6.7.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import flash
from flash.errors import NotAuthorized, PlatformError, PlatformUnreachable
from flash.runtime.wire import Exchange, Reply, exchange

__all__ = ["JobChannel", "result_body"]

_log = logging.getLogger("flash.worker")

_LONG_POLL_S: Final = 90.0
"""How long the platform may keep a request for a job waiting."""

_PAUSES_S: Final = (1.0, 1.0)
"""Between the three attempts to hand in a result."""


def result_body(result: object) -> dict[str, Any]:
    """What is posted for a handler's result.

    Shape: ``{"output"?: any, "error"?: any, "stopPod"?: true}``, to the letter as Runpod's worker loop posts it. A
    dict's ``error`` fails the job and its ``refresh_worker`` asks for a new worker; both are taken out of the output,
    and what is empty then is left out.
    """
    if not isinstance(result, Mapping):
        return {"output": result}
    output = {key: value for key, value in result.items() if key not in {"error", "refresh_worker"}}
    body: dict[str, Any] = {"output": output} if output else {}
    if result.get("error"):
        body["error"] = result["error"]
    if result.get("refresh_worker"):
        body["stopPod"] = True
    return body


@dataclass(frozen=True, kw_only=True)
class JobChannel:
    """A worker's connection to the queue of its endpoint. Every method blocks; all are safe in threads.

    Attributes:
        worker_id: Takes the place of the worker in each address.
        token: The worker's own, sent as it is in ``Authorization``; empty for none.
        take_url: ``…/job-take/$ID?…``; where jobs come from, and, by substitution, batches and stop requests.
        done_url: ``…/job-done/$RUNPOD_POD_ID/$ID?…``.
        stream_url: ``…/job-stream/$RUNPOD_POD_ID/$ID?…``; empty where the platform takes no chunks.
        ping_url: ``…/ping/$RUNPOD_POD_ID``; empty for no heartbeats.
    """

    worker_id: str
    token: str
    take_url: str
    done_url: str
    stream_url: str = ""
    ping_url: str = ""
    exchange: Exchange = exchange
    pause: Callable[[float], None] = time.sleep

    def take(self, *, slots: int, is_busy: bool) -> list[dict[str, Any]]:
        """Wait for jobs, at most *slots* of them; none after the platform's long-polling time.

        Raises:
            NotAuthorized: The platform does not know the token.
            PlatformError: It said no for another reason; ``status`` 429 asks for a pause.
        """
        url = self.take_url.replace("$ID", self.worker_id)
        query = f"job_in_progress={int(is_busy)}"
        if slots > 1:
            url = url.replace("/job-take/", "/job-take-batch/")
            query = f"batch_size={slots}&{query}"
        try:
            reply = self._send("GET", _with(url, query), timeout_s=_LONG_POLL_S + 5)
        except PlatformUnreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                return []
            raise
        if reply.status in {204, 400} or (reply.is_ok and not reply.body):
            return []
        _check(reply, "job-take")
        data = reply.json()
        jobs = data if isinstance(data, list) else [data]
        for job in jobs:
            if not isinstance(job, dict) or not isinstance(job.get("id"), str) or "input" not in job:
                raise PlatformError(f"job-take answered something that is not a job: {job!r:.200}", status=reply.status)
        return jobs

    def done(self, job_id: str, body: Mapping[str, Any], *, is_stream: bool) -> None:
        """Hand in a job's result, with three attempts.

        Raises:
            PlatformError: The platform did not take it.
        """
        self._post(self.done_url, job_id, body, is_stream=is_stream)

    def chunk(self, job_id: str, output: object) -> None:
        """Hand in one chunk of a stream, with three attempts.

        Raises:
            PlatformError: The platform did not take it.
        """
        if self.stream_url:
            self._post(self.stream_url, job_id, {"output": output}, is_stream=False)

    def stopped(self) -> list[str]:
        """Wait for jobs that somebody cancelled.

        Raises:
            PlatformError: The platform said no; ``status`` 404 where it does not tell.
        """
        url = self.take_url.replace("$ID", self.worker_id).replace("/job-take/", "/job-stop/")
        try:
            reply = self._send("GET", url, timeout_s=_LONG_POLL_S + 5)
        except PlatformUnreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                return []
            raise
        if reply.status == 204 or (reply.is_ok and not reply.body):
            return []
        _check(reply, "job-stop")
        data = reply.json()
        return [str(job_id) for job_id in data.get("jobsToStop", ())] if isinstance(data, dict) else []

    def ping(self, job_ids: Collection[str], *, interval_s: float) -> None:
        """Say that the worker lives, and what it works on.

        Raises:
            PlatformError: The platform did not hear it.
        """
        if not self.ping_url:
            return
        query = f"runpod_version=flash-{flash.__version__}"
        if job_ids:
            query = f"job_id={','.join(sorted(job_ids))}&{query}"
        url = _with(self.ping_url.replace("$RUNPOD_POD_ID", self.worker_id), query)
        _check(self._send("GET", url, timeout_s=2 * interval_s), "ping")

    def _post(self, template: str, job_id: str, body: Mapping[str, Any], *, is_stream: bool) -> None:
        url = template.replace("$RUNPOD_POD_ID", self.worker_id).replace("$ID", job_id)
        url = _with(url, f"isStream={'true' if is_stream else 'false'}")
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",  # the body is JSON all the same
            "charset": "utf-8",
            "X-Request-ID": job_id,
        }
        text = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        for pause_s in (*_PAUSES_S, None):
            try:
                _check(self._send("POST", url, headers=headers, body=text, timeout_s=60), "job-done")
            except PlatformError as error:  # noqa: PERF203  three attempts
                is_final = error.status is not None and error.status < 500
                if is_final or pause_s is None:
                    raise
                _log.warning("job %s: %s; trying again", job_id, error.message)
                self.pause(pause_s)
            else:
                return

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
    ) -> Reply:
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = self.token
        return self.exchange(method, url, headers=sent, body=body, timeout_s=timeout_s)


def _with(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _check(reply: Reply, operation: str) -> None:
    if reply.is_ok:
        return
    if reply.status in {401, 403}:
        raise NotAuthorized(
            f"the platform does not accept this worker's token: {operation} answered {reply.status}",
            operation=operation,
            status=reply.status,
            hint="the platform that started this worker is gone, or has replaced it",
        )
    said = reply.body[:200].decode(errors="replace")
    raise PlatformError(f"{operation} answered {reply.status}: {said}", operation=operation, status=reply.status)
