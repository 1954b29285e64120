"""``/v2/{id}/…``: the job API, as callers and as workers use it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flash.emulator import limits
from flash.emulator.job import JobRequest
from flash.emulator.wire import BUILD_HEADER, disconnected, error, grant_of, platform_of, read_json, refusal
from flash.errors import FlashError, NotAuthorized, NotFound, PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from flash.emulator.job import Job
    from flash.emulator.platform import Platform
    from flash.emulator.record import VersionRecord

__all__ = ["ROUTES"]

_SENTINEL: Final = "flash"
_BATCH: Final = 100

# -- callers ----------------------------------------------------------------------------------------------------------


async def _run(request: Request) -> Response:
    platform, endpoint_id = platform_of(request), _callable_endpoint(request)
    wanted = _job_request(await read_json(request, limits.RUN_BYTES), _shown(platform, endpoint_id), is_sync=False)
    job = platform.queue.submit(endpoint_id, wanted, lane=_lane(request, endpoint_id))
    platform.fleet.wake()
    return JSONResponse({"id": job.id, "status": "IN_QUEUE"})


async def _runsync(request: Request) -> Response:
    platform, endpoint_id = platform_of(request), _callable_endpoint(request)
    wait_s = _number(request.query_params.get("wait"), "wait", limits.WAIT_MS, limits.DEFAULT_WAIT_MS) / 1000
    wanted = _job_request(await read_json(request, limits.RUNSYNC_BYTES), _shown(platform, endpoint_id), is_sync=True)
    job = platform.queue.submit(endpoint_id, wanted, lane=_lane(request, endpoint_id))
    platform.fleet.wake()
    await platform.queue.wait(job, wait_s)
    return _reply(job)


async def _status(request: Request) -> Response:
    return _reply(_job(request))


async def _stream(request: Request) -> Response:
    job = _job(request)
    chunks = platform_of(request).queue.drain_chunks(job)
    return JSONResponse({"status": job.state.value, "stream": [{"output": chunk} for chunk in chunks]})


async def _cancel(request: Request) -> Response:
    job = _job(request)
    platform_of(request).queue.cancel(job.endpoint_id, job.id)
    return JSONResponse(job.reply())


async def _retry(request: Request) -> Response:
    platform, job = platform_of(request), _job(request)
    platform.queue.retry(job.endpoint_id, job.id)
    platform.fleet.wake()
    return JSONResponse({"id": job.id, "status": "IN_QUEUE"})


async def _purge(request: Request) -> Response:
    removed = platform_of(request).queue.purge(_callable_endpoint(request))
    return JSONResponse({"removed": removed, "status": "completed"})


async def _health(request: Request) -> Response:
    platform, endpoint_id = platform_of(request), _known_endpoint(request)
    counts = platform.queue.counts(endpoint_id)
    return JSONResponse(
        {
            "jobs": {
                "completed": counts.completed,
                "failed": counts.failed,
                "inProgress": counts.in_progress,
                "inQueue": counts.in_queue,
                "retried": counts.retried,
            },
            "workers": platform.fleet.counts(endpoint_id),
        }
    )


async def _metrics(request: Request) -> Response:
    fleet, endpoint_id = platform_of(request).fleet, _known_endpoint(request)
    return JSONResponse({"readyWorkers": fleet.ready_ids(endpoint_id), "workers": fleet.counts(endpoint_id)})


# -- workers ----------------------------------------------------------------------------------------------------------


async def _take(request: Request) -> Response:
    jobs = await _taken(request, 1)
    return JSONResponse(jobs[0].for_worker()) if jobs else Response(status_code=204)


async def _take_batch(request: Request) -> Response:
    size = _number(request.query_params.get("batch_size"), "batch_size", (1, _BATCH), 1)
    jobs = await _taken(request, size)
    return JSONResponse([job.for_worker() for job in jobs]) if jobs else Response(status_code=204)


async def _taken(request: Request, limit: int) -> list[Job]:
    platform, (endpoint_id, worker_id) = platform_of(request), _worker(request)
    platform.fleet.asks_for_job(worker_id)
    taking = asyncio.ensure_future(platform.queue.take(endpoint_id, worker_id, limit=limit, wait_s=limits.POLL_S))
    leaving = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done():
            return await taking
        # nobody hears the answer: what was given meanwhile goes back
        taking.cancel()
        (given,) = await asyncio.gather(taking, return_exceptions=True)
        if isinstance(given, list):
            platform.queue.give_back(given)
        return []
    finally:
        taking.cancel()
        leaving.cancel()


async def _stop(request: Request) -> Response:
    platform, (_, worker_id) = platform_of(request), _worker(request)
    ids = await platform.queue.stops(worker_id, wait_s=limits.POLL_S)
    return JSONResponse({"jobsToStop": ids}) if ids else Response(status_code=204)


async def _done(request: Request) -> Response:
    platform, (_, worker_id), job = platform_of(request), _worker(request), _job(request)
    try:
        body = await read_json(request, limits.RESULT_BYTES)
    except PlatformError as problem:
        platform.queue.finish(job, worker_id, has_output=False, error=f"the result cannot be taken: {problem.message}")
        return refusal(problem)
    if not isinstance(body, dict):
        return error(400, "the body must be an object")
    failure = body.get("error")
    if failure is not None and not isinstance(failure, str):
        failure = json.dumps(failure)
    if body.get("status") == "IN_PROGRESS" and failure is None:
        platform.queue.progress(job, worker_id, body.get("output"))
    else:
        platform.queue.finish(
            job, worker_id, output=body.get("output"), has_output="output" in body, error=failure or None
        )
    if body.get("stopPod") is True:
        platform.fleet.replace(worker_id)
    platform.fleet.wake()
    return JSONResponse({})


async def _chunk(request: Request) -> Response:
    platform, (_, worker_id), job = platform_of(request), _worker(request), _job(request)
    body = await read_json(request, limits.STREAM_CHUNK_BYTES)
    platform.queue.add_chunk(job, worker_id, body.get("output") if isinstance(body, dict) else body)
    return JSONResponse({})


async def _ping(request: Request) -> Response:
    _worker(request)
    return JSONResponse({})


# -- what they share --------------------------------------------------------------------------------------------------


def _lane(request: Request, endpoint_id: str) -> str:
    return platform_of(request).fleet.lane_for(endpoint_id, grant_of(request).worker_id)


def _reply(job: Job) -> Response:
    return JSONResponse(job.reply(), headers={BUILD_HEADER: job.build_id} if job.build_id else None)


def _known_endpoint(request: Request) -> str:
    """The endpoint that the path names, or, for the peer's ``flash``, its three headers; if the caller may call it."""
    platform, endpoint_id = platform_of(request), str(request.path_params["endpoint_id"])
    if endpoint_id == _SENTINEL:
        endpoint_id = _resolve_sentinel(request, platform)
    endpoint = platform.state.versions.endpoint(endpoint_id)
    if not grant_of(request).may_call(endpoint.environment_id):
        raise NotAuthorized("this key does not open that endpoint", operation=request.url.path, status=401)
    return endpoint.id


def _callable_endpoint(request: Request) -> str:
    endpoint_id = _known_endpoint(request)
    version = platform_of(request).state.versions.shown(endpoint_id)
    if version is not None and version.is_load_balanced:
        raise PlatformError(
            "this endpoint is load-balanced: it has routes, and no queue", operation=request.url.path, status=400
        )
    return endpoint_id


def _resolve_sentinel(request: Request, platform: Platform) -> str:
    app, environment, name = (request.headers.get(f"x-flash-{part}", "") for part in ("app", "environment", "endpoint"))
    found_app = platform.state.find_app(app)
    found = None if found_app is None else platform.state.find_environment(found_app.id, environment)
    if found is not None:
        for endpoint in platform.state.versions.endpoints(found.id):
            if endpoint.name == name:
                return endpoint.id
    raise NotFound(
        f"endpoint {name!r} not found in {app!r}, environment {environment!r}", operation="flash", status=404
    )


def _job(request: Request) -> Job:
    """The job that the path names, for its owner, or for the worker that has it."""
    job_id = str(request.path_params["job_id"])
    endpoint_id = _worker(request)[0] if "worker_id" in request.path_params else _known_endpoint(request)
    return platform_of(request).queue.find(endpoint_id, job_id)


def _worker(request: Request) -> tuple[str, str]:
    endpoint_id, worker_id = str(request.path_params["endpoint_id"]), str(request.path_params["worker_id"])
    if not grant_of(request).may_work(endpoint_id, worker_id):
        raise NotAuthorized("this key is not that worker's", operation=request.url.path, status=401)
    platform_of(request).state.versions.endpoint(endpoint_id)
    return endpoint_id, worker_id


def _shown(platform: Platform, endpoint_id: str) -> VersionRecord | None:
    return platform.state.versions.shown(endpoint_id)


def _job_request(body: Any, version: VersionRecord | None, *, is_sync: bool) -> JobRequest:
    if not isinstance(body, dict):
        raise PlatformError("the body must be an object", operation="run", status=400)
    if body.get("input") is None:
        raise PlatformError("the body has no input", operation="run", status=400)
    policy = body.get("policy") or {}
    if not isinstance(policy, dict):
        raise PlatformError("policy must be an object", operation="run", status=400)
    timeout_ms = 0 if version is None else version.number("executionTimeoutMs", 0)
    timeout_ms = _number(
        policy.get("executionTimeout"),
        "policy.executionTimeout",
        limits.EXECUTION_TIMEOUT_MS,
        timeout_ms or limits.DEFAULT_EXECUTION_TIMEOUT_MS,
    )
    return JobRequest(
        input=body["input"],
        is_sync=is_sync,
        extras={key: value for key, value in body.items() if key in ("webhook", "s3Config")},
        execution_timeout_s=timeout_ms / 1000,
        ttl_s=_number(policy.get("ttl"), "policy.ttl", limits.TTL_MS, limits.DEFAULT_TTL_MS) / 1000,
        is_low_priority=policy.get("lowPriority") is True,
    )


def _number(given: object, name: str, bounds: tuple[int, int], default: int) -> int:
    if given is None:
        return default
    low, high = bounds
    try:
        number = int(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise PlatformError(
            f"{name} is {given!r}, it must be a whole number between {low} and {high}", operation="run", status=400
        )
    return number


def _guarded(
    handler: Callable[[Request], Awaitable[Response]], counts_as: str
) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            if counts_as:
                platform_of(request).rates.count(_known_endpoint(request), counts_as)
            return await handler(request)
        except FlashError as problem:
            return refusal(problem)

    return guarded


def _route(path: str, handler: Callable[[Request], Awaitable[Response]], *methods: str, counts_as: str = "") -> Route:
    return Route(f"/v2/{{endpoint_id}}/{path}", _guarded(handler, counts_as), methods=list(methods))


ROUTES: Final = [
    _route("run", _run, "POST", counts_as="run"),
    _route("runsync", _runsync, "POST", counts_as="runsync"),
    _route("status/{job_id}", _status, "GET", "POST", counts_as="status"),
    _route("stream/{job_id}", _stream, "GET", "POST", counts_as="stream"),
    _route("cancel/{job_id}", _cancel, "POST", counts_as="cancel"),
    _route("retry/{job_id}", _retry, "POST"),
    _route("purge-queue", _purge, "POST", counts_as="purge-queue"),
    _route("health", _health, "GET"),
    _route("metrics", _metrics, "GET"),
    _route("job-take/{worker_id}", _take, "GET"),
    _route("job-take-batch/{worker_id}", _take_batch, "GET"),
    _route("job-stop/{worker_id}", _stop, "GET"),
    _route("job-done/{worker_id}/{job_id}", _done, "POST"),
    _route("job-stream/{worker_id}/{job_id}", _chunk, "POST"),
    _route("ping/{worker_id}", _ping, "GET"),
]
