"""The long-polling loop of a queue worker: take a job, run it, hand in its result.

One event loop for the worker's whole life, in the main thread. With one slot a plain function runs in the main thread
too, between two turns of the loop rather than inside it, so that it may run a loop of its own; heartbeats and stop
requests have threads and go on. With several slots plain functions run in threads. Coroutines run on the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

from flash.errors import FlashError, NotAuthorized, PlatformError
from flash.runtime.channel import JobChannel, result_body
from flash.runtime.job import Handler, Stream, logged

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
        self._is_inline = slots == 1 and not inspect.iscoroutinefunction(handler)
        self._failures = 0
        self._jobs: dict[str, asyncio.Task[None] | None] = {}
        self._stopped: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_draining = False
        self._draining = asyncio.Event()
        self._is_over = threading.Event()
        self._is_busy = threading.Event()

    def drain(self) -> None:
        """Take no more jobs; the loop ends when the running ones have. Safe in signal handlers and other threads."""
        self._is_draining = True  # at once: a job may end, and the next be taken, before the loop turns again
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told_to_drain)

    def _told_to_drain(self) -> None:
        if not self._draining.is_set():
            _log.info("draining: %d running", len(self._jobs))
        self._draining.set()

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take and run jobs on *loop* until drained, then close it.

        Raises:
            NotAuthorized: The platform does not know this worker.
        """
        self._loop = loop
        for work in (self._heartbeat, self._watch_stops):
            threading.Thread(target=work, args=(loop,), daemon=True, name=f"flash{work.__name__}").start()
        try:
            if self._is_inline:
                while not self._is_draining:
                    for job in loop.run_until_complete(self._take()):
                        self._run_inline(job)
            else:
                loop.run_until_complete(self._run_tasks())
        finally:
            self._is_over.set()
            self._is_busy.set()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(_ended(left))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _run_tasks(self) -> None:
        while not self._is_draining:
            if len(self._jobs) < self._slots:
                for job in await self._take():
                    self._start(job)
                await asyncio.sleep(0)
            else:
                await self._or_draining(*filter(None, self._jobs.values()))
        await asyncio.gather(*filter(None, self._jobs.values()), return_exceptions=True)

    async def _take(self) -> list[dict[str, Any]]:
        """The next jobs; none where the platform had none, was not reached, or the worker drains."""
        free = self._slots - len(self._jobs)
        taking = asyncio.ensure_future(in_thread(self._channel.take, slots=free, is_busy=bool(self._jobs)))
        await self._or_draining(taking)
        if not taking.done():
            taking.cancel()
            return []
        try:
            jobs = taking.result()
        except NotAuthorized:
            raise
        except PlatformError as error:
            _log.warning("%s", error.message)
            is_told_to_wait = error.status == 429
            await self._or_draining(
                asyncio.ensure_future(
                    self._pause(
                        _TOO_MANY_S if is_told_to_wait else _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
                    )
                )
            )
            self._failures += 1
            return []
        self._failures = 0
        return jobs

    async def _or_draining(self, *work: asyncio.Future[Any]) -> None:
        """Wait until some of *work* is done, or the worker drains."""
        draining = asyncio.ensure_future(self._draining.wait())
        await asyncio.wait({draining, *work}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()

    def _run_inline(self, job: dict[str, Any]) -> None:
        job_id = job["id"]
        self._jobs[job_id] = None
        self._is_busy.set()
        chunks = self._stream(job) if self._stream is not None else None
        try:
            if chunks is None:
                body = result_body(self._handler(job))
            else:
                outputs: list[object] = []
                self._post_all(job_id, cast("Iterator[object]", chunks), outputs)
                body = {"output": outputs}
        except FlashError as error:
            body = {"error": error.message}
        except BaseException as error:  # noqa: BLE001  # why: a handler that is not ours may raise anything
            body = {"error": logged(error)}
        try:
            self._hand_in(job_id, body, is_stream=chunks is not None)
        finally:
            self._finished(job_id)

    def _hand_in(self, job_id: str, body: dict[str, Any], *, is_stream: bool) -> None:
        if job_id in self._stopped:
            _log.info("job %s was stopped; its result is dropped", job_id)
            return
        try:
            self._channel.done(job_id, body, is_stream=is_stream)
        except PlatformError as error:
            _log.error("job %s: its result is lost: %s", job_id, error.message)

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
        await in_thread(self._hand_in, job_id, body, is_stream=chunks is not None)

    async def _result(self, job: dict[str, Any]) -> object:
        try:
            if not inspect.iscoroutinefunction(self._handler):
                return await in_thread(self._handler, job)
            return await self._handler(job)
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
            else:
                await in_thread(self._post_all, job_id, chunks, outputs)
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
            self._stopped.update(job_id for job_id in stopped if job_id in self._jobs)
            with suppress(RuntimeError):  # the loop is closed: nothing runs any more
                loop.call_soon_threadsafe(self._stop, stopped)

    def _stop(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            task = self._jobs.get(job_id)
            if task is not None:
                task.cancel()


async def _ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
