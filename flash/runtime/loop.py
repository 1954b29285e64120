"""The long-polling loop of a queue worker: take a job, run it, hand in its result.

One event loop for the worker's whole life, in the main thread. With one slot a plain function runs in the main thread
too, which blocks the loop while it runs, and nothing but the loop: heartbeats and stop requests have threads of their
own. With several slots plain functions run in threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

from flash.errors import FlashError, NotAuthorized, PlatformError
from flash.runtime.channel import JobChannel, result_body
from flash.runtime.handler import Handler, Stream, logged

__all__ = ["QueueLoop", "in_thread"]

_log = logging.getLogger("flash.worker")

_T = TypeVar("_T")

_BACK_OFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_TOO_MANY_S: Final = 5.0
"""The pause that a 429 asks for. Source: platform-contract §6.6."""

_STOP_PAUSE_S: Final = 0.2
"""So that a platform that answers at once is not asked all the time."""


async def in_thread(function: Callable[..., _T], *args: object, **keywords: object) -> _T:
    """Run a blocking function in a daemon thread: unlike an executor's, it does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result
        else:
            future.set_exception(error)

    def run() -> None:
        result, failed = None, None
        try:
            result = context.run(function, *args, **keywords)
        except BaseException as error:  # noqa: BLE001  # why: whatever it is, it belongs to the one who waits
            failed = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, daemon=True, name=f"flash-{getattr(function, '__name__', 'call')}").start()
    return await future


class QueueLoop:
    """Runs an endpoint's jobs until it is told to drain.

    Args:
        channel: Where jobs come from and results go.
        handler: ``handler(job)``, plain or a coroutine function.
        stream: ``stream(job)``: the chunks of a job that yields, or None.
        slots: How many jobs run at a time, at least 1.
        ping_interval_s: Between heartbeats.
        pause: Waits between attempts to reach the platform.
    """

    def __init__(
        self,
        channel: JobChannel,
        handler: Handler,
        stream: Stream | None = None,
        *,
        slots: int = 1,
        ping_interval_s: float = 10.0,
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._channel = channel
        self._handler = handler
        self._stream = stream
        self._slots = slots
        self._ping_interval_s = ping_interval_s
        self._pause = pause
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._stopped: set[str] = set()
        self._draining = asyncio.Event()
        self._is_over = threading.Event()
        self._is_busy = threading.Event()

    def drain(self) -> None:
        """Take no more jobs; the loop ends when the running ones have."""
        if not self._draining.is_set():
            _log.info("draining: %d running", len(self._jobs))
        self._draining.set()

    async def run(self) -> None:
        """Take and run jobs until drained.

        Raises:
            NotAuthorized: The platform does not know this worker.
        """
        loop = asyncio.get_running_loop()
        for work in (self._heartbeat, self._watch_stops):
            threading.Thread(target=work, args=(loop,), daemon=True, name=f"flash{work.__name__}").start()
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            failures = 0
            while not draining.done():
                if len(self._jobs) >= self._slots:
                    await asyncio.wait({draining, *self._jobs.values()}, return_when=asyncio.FIRST_COMPLETED)
                    continue
                failures = await self._take(draining, failures)
            await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        finally:
            self._is_over.set()
            self._is_busy.set()
            draining.cancel()

    async def _take(self, draining: asyncio.Future[Any], failures: int) -> int:
        free = self._slots - len(self._jobs)
        taking = asyncio.ensure_future(in_thread(self._channel.take, slots=free, is_busy=bool(self._jobs)))
        await asyncio.wait({draining, taking}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            taking.cancel()
            return failures
        try:
            jobs = taking.result()
        except NotAuthorized:
            raise
        except PlatformError as error:
            _log.warning("%s", error.message)
            wait_s = _TOO_MANY_S if error.status == 429 else _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
            pausing = asyncio.ensure_future(self._pause(wait_s))
            await asyncio.wait({draining, pausing}, return_when=asyncio.FIRST_COMPLETED)
            pausing.cancel()
            return failures + 1
        for job in jobs:
            self._start(job)
        await asyncio.sleep(0)
        return 0

    def _start(self, job: dict[str, Any]) -> None:
        job_id = job["id"]
        if job_id in self._jobs:
            _log.warning("job %s was given to this worker twice; the second time is ignored", job_id)
            return
        task = asyncio.ensure_future(self._run(job))
        self._jobs[job_id] = task
        self._is_busy.set()
        task.add_done_callback(lambda _: self._finished(job_id))

    def _finished(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._stopped.discard(job_id)
        if not self._jobs:
            self._is_busy.clear()

    async def _run(self, job: dict[str, Any]) -> None:
        job_id = job["id"]
        chunks = self._stream(job) if self._stream is not None else None
        try:
            if chunks is None:
                body = result_body(await self._result(job))
            else:
                body = await self._streamed(job_id, chunks)
        except asyncio.CancelledError:
            _log.info("job %s was stopped", job_id)
            return
        if job_id in self._stopped:
            _log.info("job %s was stopped; its result is dropped", job_id)
            return
        try:
            await in_thread(self._channel.done, job_id, body, is_stream=chunks is not None)
        except PlatformError as error:
            _log.error("job %s: its result is lost: %s", job_id, error.message)

    async def _result(self, job: dict[str, Any]) -> object:
        try:
            if self._slots > 1 and not inspect.iscoroutinefunction(self._handler):
                result = await in_thread(self._handler, job)
            else:
                result = self._handler(job)
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # why: a handler that is not ours may raise anything
            return {"error": logged(error)}

    async def _streamed(self, job_id: str, chunks: Iterator[object] | AsyncIterator[object]) -> dict[str, Any]:
        outputs: list[object] = []
        try:
            if isinstance(chunks, AsyncIterator):
                async for chunk in chunks:
                    outputs.append(chunk)
                    await in_thread(self._post_chunk, job_id, chunk)
            elif self._slots > 1:
                await in_thread(self._post_all, job_id, chunks, outputs)
            else:
                self._post_all(job_id, chunks, outputs)
        except FlashError as error:
            return {"error": error.message}
        return {"output": outputs}

    def _post_all(self, job_id: str, chunks: Iterator[object], outputs: list[object]) -> None:
        for chunk in chunks:
            outputs.append(chunk)
            self._post_chunk(job_id, chunk)
            if job_id in self._stopped:
                return

    def _post_chunk(self, job_id: str, chunk: object) -> None:
        try:
            self._channel.chunk(job_id, chunk)
        except PlatformError as error:
            # the whole list follows with the result
            _log.warning("job %s: a chunk is lost: %s", job_id, error.message)

    def _heartbeat(self, _loop: asyncio.AbstractEventLoop) -> None:
        is_heard = True
        while not self._is_over.is_set():
            try:
                self._channel.ping(list(self._jobs), interval_s=self._ping_interval_s)
                is_heard = True
            except PlatformError as error:
                _log.log(logging.WARNING if is_heard else logging.DEBUG, "%s", error.message)
                is_heard = False
            self._is_over.wait(self._ping_interval_s)

    def _watch_stops(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._is_busy.wait()
            if self._is_over.is_set():
                return
            try:
                stopped = self._channel.stopped()
            except PlatformError as error:
                if error.status == 404:
                    return  # a platform that does not tell
                _log.debug("%s", error.message)
                self._is_over.wait(_TOO_MANY_S)
                continue
            self._is_over.wait(_STOP_PAUSE_S)
            self._stopped.update(stopped)
            with suppress(RuntimeError):  # the loop is closed: nothing runs any more
                loop.call_soon_threadsafe(self._stop, stopped)

    def _stop(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            task = self._jobs.get(job_id)
            if task is None:
                self._stopped.discard(job_id)
            else:
                task.cancel()
