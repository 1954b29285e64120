"""The long-polling loop, against a platform on a socket, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fakes_runtime import FakeExchange, FakePlatform, Seen, serving

from flash.errors import NotAuthorized, PlatformError, PlatformUnreachable, RemoteError
from flash.runtime.channel import JobChannel, result_body
from flash.runtime.loop import QueueLoop

WAIT_S = 20.0


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with serving(FakePlatform()) as platform:
        yield platform


def channel(platform: FakePlatform, **more: Any) -> JobChannel:
    """A worker's channel to *platform*."""
    env = platform.environment("e")
    return JobChannel(
        worker_id="w1",
        token="worker-token",
        take_url=env["RUNPOD_WEBHOOK_GET_JOB"],
        done_url=env["RUNPOD_WEBHOOK_POST_OUTPUT"],
        stream_url=env["RUNPOD_WEBHOOK_POST_STREAM"],
        ping_url=env["RUNPOD_WEBHOOK_PING"],
        **{"pause": lambda _: None, **more},
    )


@contextmanager
def running(queue_loop: QueueLoop) -> Iterator[None]:
    """Run *queue_loop* in a thread; drain it at the end."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            queue_loop.run(asyncio.new_event_loop())
        except BaseException as error:  # noqa: BLE001  # why: shown by the test
            problems.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        queue_loop.drain()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    assert problems == []


def done(platform: FakePlatform) -> tuple[str, dict[str, Any], bool]:
    """The next result that was handed in."""
    return platform.done.get(timeout=WAIT_S)


def plain(job: Any) -> object:
    return job["input"]


async def coroutine(job: Any) -> object:
    return job["input"]


@pytest.mark.parametrize("handler", [plain, coroutine])
@pytest.mark.parametrize("slots", [1, 3])
def test_jobs_are_run_and_their_results_handed_in(
    platform: FakePlatform, handler: Callable[[Any], object], slots: int
) -> None:
    """Whatever the kind of handler and the number of slots."""
    with running(QueueLoop(channel(platform), handler, slots=slots)):
        for number in range(5):
            platform.jobs.put({"id": f"j{number}", "input": number})
        results = sorted(done(platform)[:2] for _ in range(5))
    assert results == [(f"j{number}", {"output": number}) for number in range(5)]


def test_several_slots_take_batches(platform: FakePlatform) -> None:
    """As many as are free."""
    platform.jobs.put([{"id": "a", "input": 1}, {"id": "b", "input": 2}])
    with running(QueueLoop(channel(platform), coroutine, slots=3)):
        seen = platform.taking.get(timeout=WAIT_S)
        assert {done(platform)[0], done(platform)[0]} == {"a", "b"}
    assert seen.path == "/v2/abc/job-take-batch/w1"
    assert seen.query == {"gpu": ["none"], "batch_size": ["3"], "job_in_progress": ["0"]}
    assert seen.headers["authorization"] == "worker-token"


def test_one_slot_runs_plain_functions_in_the_loops_thread_while_the_loop_rests(platform: FakePlatform) -> None:
    """So that a plain function may run a loop of its own."""
    threads: list[threading.Thread] = []

    def handler(_: Any) -> object:
        threads.append(threading.current_thread())
        return asyncio.run(asyncio.sleep(0, "own loop"))

    queue_loop = QueueLoop(channel(platform), handler)
    platform.jobs.put({"id": "j", "input": {}})
    with running(queue_loop):
        assert done(platform)[1] == {"output": "own loop"}
        assert "flash" not in threads[0].name


def test_several_slots_run_plain_functions_at_once(platform: FakePlatform) -> None:
    """Each waits for the other."""
    barrier = threading.Barrier(2, timeout=WAIT_S)

    def handler(job: Any) -> object:
        barrier.wait()
        return job["input"]

    with running(QueueLoop(channel(platform), handler, slots=2)):
        platform.jobs.put({"id": "a", "input": 1})
        platform.jobs.put({"id": "b", "input": 2})
        assert {done(platform)[0], done(platform)[0]} == {"a", "b"}


def test_a_handler_that_raises_fails_its_job(platform: FakePlatform) -> None:
    """And the worker goes on; other handlers than ours may do so."""

    def handler(job: Any) -> object:
        return 1 / job["input"]

    with running(QueueLoop(channel(platform), handler)):
        platform.jobs.put({"id": "a", "input": 0})
        platform.jobs.put({"id": "b", "input": 2})
        assert done(platform) == ("a", {"error": "ZeroDivisionError: division by zero"}, False)
        assert done(platform) == ("b", {"output": 0.5}, False)


def stream(job: Any) -> Iterator[object] | None:
    """Chunks, where the input is a number; the third fails."""

    def chunks() -> Iterator[object]:
        for number in range(job["input"]):
            if number == 3:
                raise RemoteError("enough")
            yield number

    return chunks() if isinstance(job["input"], int) else None


def astream(job: Any) -> AsyncIterator[object] | None:
    """The same, asynchronous."""

    async def chunks() -> AsyncIterator[object]:
        for chunk in stream(job) or ():
            yield chunk

    return chunks() if isinstance(job["input"], int) else None


@pytest.mark.parametrize(("handler", "streamer"), [(plain, stream), (coroutine, astream)])
@pytest.mark.parametrize("slots", [1, 2])
def test_chunks_are_handed_in_as_they_come(
    platform: FakePlatform, handler: Callable[[Any], object], streamer: Any, slots: int
) -> None:
    """The result has them all; a job that does not stream is an ordinary one."""
    with running(QueueLoop(channel(platform), handler, streamer, slots=slots)):
        platform.jobs.put({"id": "a", "input": 2})
        assert done(platform) == ("a", {"output": [0, 1]}, True)
        assert [platform.chunks.get(timeout=WAIT_S) for _ in range(2)] == [("a", 0), ("a", 1)]
        platform.jobs.put({"id": "b", "input": "no stream"})
        assert done(platform) == ("b", {"output": "no stream"}, False)
        platform.jobs.put({"id": "c", "input": 9})
        assert done(platform) == ("c", {"error": "enough"}, True)


def test_a_stopped_job_is_cancelled_and_nothing_is_handed_in(platform: FakePlatform) -> None:
    """The next one runs."""
    started = threading.Event()

    async def handler(job: Any) -> object:
        if job["input"] == "forever":
            started.set()
            await asyncio.Event().wait()
        return "done"

    with running(QueueLoop(channel(platform), handler)):
        platform.jobs.put({"id": "a", "input": "forever"})
        assert started.wait(WAIT_S)
        platform.stops.put(["a"])
        platform.jobs.put({"id": "b", "input": "short"})
        assert done(platform)[0] == "b"


def test_a_stopped_plain_function_runs_on_and_its_result_is_dropped(platform: FakePlatform) -> None:
    """A thread cannot be stopped."""
    started, go_on = threading.Event(), threading.Event()

    def handler(job: Any) -> object:
        if job["id"] == "a":
            started.set()
            go_on.wait(WAIT_S)
        return job["id"]

    queue_loop = QueueLoop(channel(platform), handler)
    with running(queue_loop):
        platform.jobs.put({"id": "a", "input": {}})
        assert started.wait(WAIT_S)
        platform.stops.put(["a"])
        for _ in range(2):  # asking again means that the first answer was heard
            platform.stopping.get(timeout=WAIT_S)
        go_on.set()
        platform.jobs.put({"id": "b", "input": {}})
        assert done(platform)[0] == "b"


def test_heartbeats_go_on_while_a_plain_function_runs(platform: FakePlatform) -> None:
    """They name the job."""
    go_on = threading.Event()
    with running(QueueLoop(channel(platform), lambda _: go_on.wait(WAIT_S), ping_interval_s=0.01)):
        platform.jobs.put({"id": "a", "input": {}})
        while "job_id" not in (seen := platform.pings.get(timeout=WAIT_S)).query:
            continue
        go_on.set()
        done(platform)
    assert seen.query["job_id"] == ["a"]
    assert seen.path == "/v2/abc/ping/w1"


def test_draining_finishes_what_runs_and_takes_no_more(platform: FakePlatform) -> None:
    """Each slot's job."""
    started, go_on = threading.Semaphore(0), threading.Event()

    def handler(job: Any) -> object:
        started.release()
        go_on.wait(WAIT_S)
        return job["id"]

    queue_loop = QueueLoop(channel(platform), handler, slots=2)
    with running(queue_loop):
        platform.jobs.put([{"id": "a", "input": {}}, {"id": "b", "input": {}}])
        for _ in range(2):
            assert started.acquire(timeout=WAIT_S)
        queue_loop.drain()
        go_on.set()
    assert {done(platform)[0], done(platform)[0]} == {"a", "b"}


def test_a_worker_that_the_platform_does_not_know_gives_up(platform: FakePlatform) -> None:
    """It has been replaced."""
    platform.token = "another"
    with pytest.raises(NotAuthorized, match="token"):
        QueueLoop(channel(platform), plain).run(asyncio.new_event_loop())


def test_a_platform_that_fails_is_asked_again_ever_more_slowly() -> None:
    """429 asks for five seconds; the back-off has an end, and is over after an answer."""
    exchange = FakeExchange()
    url = "http://p.test/job-take/w1?job_in_progress=0"
    job = {"id": "a", "input": {}}
    answers: list[Any] = [(500, {}), PlatformUnreachable("nobody"), (429, {}), (204, b""), (502, {}), (200, job)]
    exchange.on("GET", url, *answers)
    exchange.on("POST", "http://p.test/job-done/w1/a?isStream=false", (200, {}))
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    def handler(_: Any) -> object:
        queue_loop.drain()

    connection = JobChannel(
        worker_id="w1",
        token="",
        take_url="http://p.test/job-take/$ID",
        done_url="http://p.test/job-done/$RUNPOD_POD_ID/$ID",
        exchange=exchange,
    )
    queue_loop = QueueLoop(connection, handler, pause=pause)
    queue_loop.run(asyncio.new_event_loop())
    assert pauses == [0.5, 1.0, 5.0, 0.5]


def test_a_result_is_handed_in_three_times_at_most() -> None:
    """A failing platform is tried again; one that says no is not."""
    exchange = FakeExchange()
    pauses: list[float] = []
    connection = JobChannel(
        worker_id="w",
        token="",
        take_url="http://p.test/job-take/$ID?",
        done_url="http://p.test/done/$RUNPOD_POD_ID/$ID?x=1",
        exchange=exchange,
        pause=pauses.append,
    )
    url = "http://p.test/done/w/j?x=1&isStream=true"
    exchange.on("POST", url, (500, {}), PlatformUnreachable("nobody"), (200, {}))
    connection.done("j", {"output": 1}, is_stream=True)
    assert pauses == [1.0, 1.0]
    assert exchange.seen[0][2]["X-Request-ID"] == "j"
    exchange.on("POST", url, (500, {}))
    with pytest.raises(PlatformError, match="500"):
        connection.done("j", {}, is_stream=True)
    assert len(pauses) == 4
    exchange.on("POST", url, (413, {"error": "too large"}))
    with pytest.raises(PlatformError, match="too large"):
        connection.done("j", {}, is_stream=True)
    assert len(pauses) == 4


def test_a_result_that_nobody_takes_is_logged(platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    """The worker goes on."""
    platform.others["POST", "/v2/abc/job-done/w1/a"] = lambda _: (410, {"error": "gone"})
    with running(QueueLoop(channel(platform), plain)):
        platform.jobs.put({"id": "a", "input": 1})
        platform.jobs.put({"id": "b", "input": 1})
        assert done(platform)[0] == "b"
    assert "job a: its result is lost" in caplog.text


def test_something_that_is_not_a_job_is_refused(platform: FakePlatform) -> None:
    """Both keys are needed."""
    platform.jobs.put({"id": "a"})
    with pytest.raises(PlatformError, match="not a job"):
        channel(platform).take(slots=1, is_busy=False)


def test_a_platform_that_tells_of_no_stops_is_not_asked_again(platform: FakePlatform) -> None:
    """404 is its answer."""
    asked: list[Seen] = []

    def missing(seen: Seen) -> tuple[int, Any]:
        asked.append(seen)
        return 404, {}

    platform.others["GET", "/v2/abc/job-stop/w1"] = missing
    with running(QueueLoop(channel(platform), plain)):
        for number in range(3):
            platform.jobs.put({"id": str(number), "input": 1})
            done(platform)
    assert len(asked) <= 1


@pytest.mark.parametrize(
    ("result", "body"),
    [
        (5, {"output": 5}),
        (None, {"output": None}),
        ({"a": 1}, {"output": {"a": 1}}),
        ({}, {}),
        ({"error": ""}, {}),
        ({"error": "no"}, {"error": "no"}),
        ({"error": "no", "a": 1}, {"error": "no", "output": {"a": 1}}),
        ({"error": None, "a": 1}, {"output": {"a": 1}}),
        ({"error": {"code": 1}}, {"error": {"code": 1}}),
        ({"refresh_worker": True, "a": 1}, {"output": {"a": 1}, "stopPod": True}),
    ],
)
def test_a_result_is_mapped_as_runpods_workers_map_it(result: object, body: object) -> None:
    """To the letter: what works here works there."""
    assert result_body(result) == body
