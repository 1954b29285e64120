"""The application of a load-balanced endpoint: the routes of the manifest, and ``GET /ping``.

Arguments come from the path, and from the query of GET and DELETE or the JSON object in the body of POST, PUT and
PATCH, by the same rule as a job's input. A route that uses FastAPI's own means (``Request``, ``Depends``,
``UploadFile``) is FastAPI's. What is wrong with a request is a 422 that names the fields; a failing function is a 500
without its traceback, which goes to the log. A generator is answered as ``application/x-ndjson``, one line a chunk, the
last one ``{"error": ...}`` if it fails midway. ``/execute`` is never served: it ran anybody's code.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request
from fastapi.concurrency import iterate_in_threadpool, run_in_threadpool
from fastapi.params import Body as BodyParam
from fastapi.params import Depends, Param
from fastapi.responses import JSONResponse, Response, StreamingResponse

from flash.errors import InvalidInput, ManifestError
from flash.model.schema import InputBinder, OutputEncoder
from flash.model.signature import Signature
from flash.runtime import loading
from flash.runtime.job import described, logged
from flash.runtime.worker import install_caller

if TYPE_CHECKING:
    from flash.model.manifest import Manifest

__all__ = ["application"]

_log = logging.getLogger("flash.worker")

_PATH_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:[a-z]+)?\}")
_RESERVED: Final = frozenset({"/ping", "/execute"})
_NDJSON: Final = "application/x-ndjson"


def application(endpoint: str, *, manifest: Manifest | None = None) -> FastAPI:
    """The application of an endpoint.

    Args:
        endpoint: Its name.
        manifest: What it serves; by default the one in the artifact.

    Raises:
        ManifestError: The manifest has no such endpoint, or no routes for it.
        Exception: Whatever importing the user's modules raises.
    """
    install_caller()
    manifest = manifest or loading.artifact_manifest()
    resource = manifest.resources.get(endpoint)
    routes = manifest.routes.get(endpoint, {})
    if resource is None or not routes:
        raise ManifestError(f"the manifest has no routes for endpoint {endpoint!r}", hint="build the artifact again")
    modules = {entry.name: entry.module for entry in resource.functions}
    app = FastAPI(title=endpoint, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(Exception, _fastapi_failed)
    app.add_api_route("/ping", _ping, methods=["GET"])
    for route in sorted(routes, key=_specific_first):
        method, path = route.split(" ", 1)
        name = routes[route]
        if path in _RESERVED:
            raise ManifestError(f"route {route!r} of endpoint {endpoint!r} is reserved", hint="choose another path")
        if name not in modules:
            raise ManifestError(f"route {route!r} is {name!r}, which endpoint {endpoint!r} does not have")
        function = loading.original(modules[name], name)
        if _is_fastapi(function):
            app.add_api_route(path, function, methods=[method])
        else:
            app.add_api_route(path, _Route(method, path, function).answer, methods=[method], response_model=None)
    return app


async def _ping() -> dict[str, str]:
    return {"status": "healthy"}


def _specific_first(route: str) -> list[tuple[int, str]]:
    """Sorts a path before the parameterised ones that it would match; they are tried in order."""
    segments = route.split(" ", 1)[1].split("/")
    return [(2 if ":" in segment else 1 if "{" in segment else 0, segment) for segment in segments]


def _is_fastapi(function: Callable[..., object]) -> bool:
    if Signature.of(function).injected:
        return True
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception:  # noqa: BLE001  # why: evaluating the user's annotations may raise anything
        signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        metadata = getattr(parameter.annotation, "__metadata__", ())
        if any(isinstance(item, (Param, BodyParam, Depends)) for item in (parameter.default, *metadata)):
            return True
    return False


class _Route:
    """One route: binds a request, runs the function, writes the response."""

    def __init__(self, method: str, path: str, function: Callable[..., object]) -> None:
        signature = Signature.of(function)
        in_path = {name for name, _ in _PATH_PARAMETER.findall(path)}
        self._function = function
        self._is_async = signature.is_async
        self._has_body = method in {"POST", "PUT", "PATCH"}
        self._path = InputBinder.of(function, only=in_path)
        self._rest = InputBinder.of(function, without=in_path)
        self._encoder = OutputEncoder(signature.returns)

    async def answer(self, request: Request) -> Response:
        """FastAPI's handler."""
        try:
            positional, keywords = await self._arguments(request)
        except InvalidInput as error:
            return JSONResponse({"detail": list(error.problems)}, status_code=422)
        except BaseException as error:  # noqa: BLE001  # why: validators are the user's, and may raise anything
            return _failed(error)
        try:
            if self._is_async:
                result = self._function(*positional, **keywords)
                result = await result if inspect.isawaitable(result) else result
            else:
                result = await run_in_threadpool(self._function, *positional, **keywords)
            if isinstance(result, Response):
                return result
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                return await self._streamed(result)
            return JSONResponse(self._encoder.encode(result))
        except BaseException as error:  # noqa: BLE001  # why: a user's function failed; the response says so
            return _failed(error)

    async def _arguments(self, request: Request) -> tuple[tuple[object, ...], dict[str, object]]:
        problems: list[dict[str, object]] = []
        bound: dict[str, object] = {}
        positional: tuple[object, ...] = ()
        try:
            bound.update(self._path.bind(dict(request.path_params)))
        except InvalidInput as error:
            problems += _located("path", error)
        source = "body" if self._has_body else "query"
        try:
            value = await _body(request) if self._has_body else self._query(request)
            positional, keywords = self._rest.arguments(value)
            bound.update(keywords)
        except InvalidInput as error:
            problems += _located(source, error)
        if problems:
            raise InvalidInput("invalid request", problems=problems)
        return positional, bound

    def _query(self, request: Request) -> dict[str, object]:
        given: dict[str, list[str]] = {}
        for name, text in request.query_params.multi_items():
            given.setdefault(name, []).append(text)
        return {name: self._from_query(name, texts) for name, texts in given.items()}

    def _from_query(self, name: str, texts: list[str]) -> object:
        types = self._rest.property_types(name)
        if ("object" in types or name == self._rest.whole) and len(texts) == 1:
            try:
                return json.loads(texts[0])
            except ValueError:
                return texts[0]  # the binder says what is wrong with it
        if "array" in types:
            return texts
        return texts[-1]

    async def _streamed(self, chunks: Iterator[object] | AsyncIterator[object]) -> Response:
        source = chunks if isinstance(chunks, AsyncIterator) else iterate_in_threadpool(chunks)
        lines = self._lines(source)
        first = await anext(lines, None)  # what fails before anything was yielded is a 500, not a broken stream
        return StreamingResponse(_with_first(first, lines), media_type=_NDJSON)

    async def _lines(self, chunks: AsyncIterator[object]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield _line(self._encoder.encode(chunk))


async def _with_first(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is None:
        return
    yield first
    try:
        async for line in rest:
            yield line
    except Exception as error:  # noqa: BLE001  # why: a user's generator failed; the status is sent, the stream says so
        yield _line({"error": logged(error)})


async def _body(request: Request) -> object:
    text = await request.body()
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        problem: dict[str, object] = {"loc": [], "msg": f"the body is not JSON: {error}", "type": "json_invalid"}
        raise InvalidInput("the body is not JSON", problems=[problem]) from error


def _located(source: str, error: InvalidInput) -> Iterable[dict[str, object]]:
    for problem in error.problems:
        loc = problem["loc"]
        yield {**problem, "loc": [source, *(loc if isinstance(loc, (list, tuple)) else ())]}


def _line(chunk: object) -> bytes:
    return json.dumps(chunk, ensure_ascii=False, allow_nan=False).encode() + b"\n"


async def _fastapi_failed(_: Request, error: Exception) -> Response:
    # uvicorn logs the traceback of what a route of FastAPI's own raised
    return JSONResponse({"detail": described(error)}, status_code=500)


def _failed(error: BaseException) -> Response:
    return JSONResponse({"detail": logged(error)}, status_code=500)
