"""The handler of a queue endpoint: ``handler(job) -> output``.

It holds wherever it is loaded, in our worker and in Runpod's own images: a bad input and a failing function are an
``{"error": ...}`` of one line, the traceback goes to the log, and a generator's output is the list of what it yielded.
``stream`` is for workers that know it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, closing
from functools import partial

from flash.errors import CallError, InvalidInput, RemoteError
from flash.model.dispatch import resting_loop
from flash.model.schema import InputBinder, OutputEncoder
from flash.model.signature import Signature, public_methods
from flash.runtime import loading
from flash.runtime.job import Chunks, Handler, Job, Stream, logged
from flash.runtime.worker import install_caller

__all__ = ["queue_handlers"]


def queue_handlers(
    endpoint: str, module: str, function: str, *, is_class: bool = False
) -> tuple[Handler, Stream | None]:
    """What a worker needs to run an endpoint's jobs.

    Args:
        endpoint: The endpoint's name, for the log.
        module: Where the function is, dotted.
        function: The function's or class's name. A class is constructed here, without arguments, once per worker.
        is_class: Whether it is a class. Its jobs name a ``method``, unless there is only one.

    Returns:
        ``handler(job)``, a coroutine function where the user's function is one, and ``stream(job)``, which gives the
        chunks of a job whose function yields, else None. ``stream`` itself is None where nothing yields. The iterator
        raises a FlashError where the handler would answer an error.
    """
    install_caller()
    target = loading.original(module, function)
    functions = public_methods(target()) if is_class else {"": target}
    if not functions:
        raise CallError(f"class {function!r} of endpoint {endpoint!r} has no public method", hint="give it one")
    pick = _Picker({name: _Function(method) for name, method in functions.items()}, owner=function)

    def run(job: Job) -> object:
        call = pick(job)
        return call.run() if isinstance(call, _Call) else call

    async def arun(job: Job) -> object:
        call = pick(job)
        return await call.arun() if isinstance(call, _Call) else call

    def stream(job: Job) -> Chunks | None:
        call = pick(job)
        return call.chunks() if isinstance(call, _Call) else None  # the handler tells what is wrong

    signatures = [one.signature for one in pick.functions.values()]
    return (
        arun if any(signature.is_async for signature in signatures) else run,
        stream if any(signature.is_generator for signature in signatures) else None,
    )


class _Function:
    """A function or bound method with what binds its input and writes its output."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.signature = Signature.of(function)
        self.binder = InputBinder(self.signature.parameters)
        self.encoder = OutputEncoder(self.signature.returns)

    def has_parameter(self, name: str) -> bool:
        return any(parameter.name == name for parameter in self.signature.parameters)


class _Call:
    """A function and the arguments of one job."""

    def __init__(self, function: _Function, value: object) -> None:
        self._signature = function.signature
        self._encode = function.encoder.encode
        positional, keywords = function.binder.arguments(value)
        self._start = partial(function.function, *positional, **keywords)

    def run(self) -> object:
        try:
            # stock workers call this on their loop
            with resting_loop():
                result = self._start()
                if inspect.isgenerator(result):
                    return [self._encode(item) for item in result]
            return self._encode(result)
        except BaseException as error:  # noqa: BLE001  # why: a user's function failed; the job's result says so
            return {"error": logged(error)}

    async def arun(self) -> object:
        try:
            with resting_loop():
                # a plain method, beside others that are async, runs here; a coroutine's body does not
                result = self._start()
                if inspect.isgenerator(result):
                    return [self._encode(item) for item in result]
            if inspect.isasyncgen(result):
                async with aclosing(result):
                    return [self._encode(item) async for item in result]
            return self._encode(await result if inspect.isawaitable(result) else result)
        except BaseException as error:  # noqa: BLE001  # why: a user's function failed; the job's result says so
            return {"error": logged(error)}

    def chunks(self) -> Chunks | None:
        if not self._signature.is_generator:
            return None
        return self._achunks() if self._signature.is_async else self._chunks()

    def _chunks(self) -> Iterator[object]:
        try:
            result = self._start()
            if not inspect.isgenerator(result):
                raise TypeError(f"a generator function returned {type(result).__name__}")
            with closing(result):
                for item in result:
                    yield self._encode(item)
        except GeneratorExit:
            raise
        except BaseException as error:  # why: a user's generator failed; the job's result says so
            raise RemoteError(logged(error)) from error

    async def _achunks(self) -> AsyncIterator[object]:
        try:
            result = self._start()
            if not inspect.isasyncgen(result):
                raise TypeError(f"an asynchronous generator function returned {type(result).__name__}")
            async with aclosing(result):
                async for item in result:
                    yield self._encode(item)
        except GeneratorExit:
            raise
        except BaseException as error:  # why: a user's generator failed; the job's result says so
            raise RemoteError(logged(error)) from error


class _Picker:
    """Chooses the function of a job, the only one or the class's ``method``, and binds the input."""

    def __init__(self, functions: Mapping[str, _Function], *, owner: str) -> None:
        self.functions = functions
        self._owner = owner
        self._only = next(iter(functions.values())) if len(functions) == 1 else None

    def __call__(self, job: Job) -> _Call | dict[str, str]:
        """The call of a job, or the error to answer with."""
        try:
            return _Call(*self._chosen(job.get("input")))
        except InvalidInput as error:
            return {"error": f"{error.message} ({error.hint})" if error.hint else error.message}
        except BaseException as error:  # noqa: BLE001  # why: validators are the user's, and may raise anything
            return {"error": logged(error)}

    def _chosen(self, value: object) -> tuple[_Function, object]:
        if self._only is not None and ("" in self.functions or self._only.has_parameter("method")):
            return self._only, value  # a parameter of that name takes the key
        method = value.get("method") if isinstance(value, Mapping) else None
        rest = {key: item for key, item in value.items() if key != "method"} if isinstance(value, Mapping) else value
        if method is None and self._only is not None:
            return self._only, rest
        if isinstance(method, str) and method in self.functions:
            return self.functions[method], rest
        problem = "Field required" if method is None else f"{self._owner} has no method {method!r}"
        raise InvalidInput(
            f"invalid input: method: {problem}",
            problems=[{"loc": ["method"], "msg": problem, "type": "missing" if method is None else "enum"}],
            hint=f"the methods are {', '.join(self.functions)}",
        )
