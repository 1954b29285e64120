"""``Endpoint``: the object that users write, and the frozen ``EndpointSpec`` that it comes to.

Declaring has no effects: nothing here talks to a platform, reads the environment or knows whether it runs in a worker.
A decorated function stays what it was, except that a call asks :mod:`flash.model.dispatch` where to run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, overload

from flash.errors import CallError, DeclarationError
from flash.model.dispatch import Caller, Target, current_caller, is_loop_running
from flash.model.hardware import (
    CPU_DATACENTERS,
    CpuInstanceType,
    CudaVersion,
    DataCenter,
    GpuGroup,
    GpuType,
    NetworkVolume,
    PodTemplate,
    ServerlessScalerType,
    container_disk_gb,
    cpu_instance,
    cuda_version,
    data_center,
    did_you_mean,
    gpu_ids,
    scaler_type,
)
from flash.model.secret import Secret

if TYPE_CHECKING:
    from typing import NoReturn, ParamSpec, Protocol, TypeVar

    from flash.model.client import Client, EndpointJob

    P = ParamSpec("P")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    T = TypeVar("T")

    class EndpointFunction(Protocol[P, R_co]):
        """A decorated function: called as before, or with the place said."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
            """Run it here, or, in a worker of another endpoint, there."""
            ...

        @property
        def local(self) -> Callable[P, R_co]:
            """Run it here."""
            ...

        @property
        def remote(self) -> Callable[P, R_co]:
            """Run it on its endpoint."""
            ...

    class RouteOrAnswer(Protocol):
        """What a verb gives: the decorator of a route, or, of a client, the decoded answer or an awaitable of it."""

        def __call__(self, function: Callable[P, R], /) -> EndpointFunction[P, R]:
            """Serve the route by *function*."""
            ...

        def __await__(self) -> Generator[Any, Any, Any]:
            """The decoded answer."""
            ...

        def __getitem__(self, key: Any, /) -> Any:
            """Of a decoded answer."""
            ...


__all__ = [
    "DEFAULT_WORKERS",
    "HTTP_METHODS",
    "RESERVED_PATHS",
    "Bound",
    "Endpoint",
    "EndpointSpec",
    "arguments_by_name",
    "bound",
    "checked_path",
    "plain",
    "wrapped",
]

DEFAULT_WORKERS: Final = (0, 1)
"""The least and the most workers of an endpoint that does not say. Source: ``runpod-flash`` 1.21.0, read 2026-08."""

HTTP_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""The methods that routes have."""

RESERVED_PATHS: Final = frozenset({"/execute", "/ping"})
"""Paths of the platform: the health check, and one that ran anybody's code, which is not served."""

# patterns are text here: compiled when first used, they cost an import nothing
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_MARK: Final = "__flash_bound__"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """The configuration of an endpoint, validated.

    Attributes:
        name: Unique in its app; empty for a decorator that takes it from what it decorates.
        id: Of an endpoint that exists already: nothing is deployed.
        image: A container image of the user's own, instead of functions.
        gpu_ids: The platform's string of pools and excluded models; None without GPU.
        instance_ids: CPU instances, best first; None with GPU.
        idle_timeout_s: Seconds that an idle worker lives, 1 to 3600.
        dependencies: Requirements, as the user wrote them.
        system_dependencies: Packages of the worker's Linux distribution.
        locations: Data centers, comma-separated; None leaves them to the platform.
        env: Environment variables, sorted by name.
        secrets: Names of variables, with the names of the secrets that they get at deployment.
        execution_timeout_ms: Milliseconds that a job may run; 0 is the platform's default.
        scaler_type: None: by requests for an endpoint with routes, by the queue's delay otherwise.
        min_cuda_version: None without GPU, or where any will do.
        max_concurrency: Jobs that one worker runs at a time.
    """

    name: str
    id: str | None = None
    image: str | None = None
    gpu_ids: str | None = None
    gpu_count: int = 1
    instance_ids: tuple[str, ...] | None = None
    workers_min: int = 0
    workers_max: int = 1
    idle_timeout_s: int = 60
    dependencies: tuple[str, ...] = ()
    system_dependencies: tuple[str, ...] = ()
    volumes: tuple[NetworkVolume, ...] = ()
    locations: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    execution_timeout_ms: int = 0
    flashboot: bool = True
    scaler_type: str | None = None
    scaler_value: int = 4
    template: PodTemplate | None = None
    min_cuda_version: str | None = None
    max_concurrency: int = 1

    @property
    def is_gpu(self) -> bool:
        """Whether its workers have a GPU."""
        return self.gpu_ids is not None

    @property
    def is_client(self) -> bool:
        """Whether it stands for something that is not built from this project: an endpoint's id, or an image."""
        return self.id is not None or self.image is not None

    @property
    def container_disk_gb(self) -> int:
        """Its workers' disk: the template's, or the largest that its hardware has by default."""
        if self.template is not None and self.template.containerDiskInGb is not None:
            return self.template.containerDiskInGb
        return container_disk_gb(self.instance_ids)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a decorated function or class belongs to.

    Attributes:
        function: The original, undecorated; a class is itself.
    """

    target: Target
    function: Callable[..., Any]
    spec: EndpointSpec


def bound(obj: object) -> Bound | None:
    """What *obj* was decorated with, or None."""
    # not getattr: a subclass of an endpoint's class is not the endpoint
    mark = getattr(obj, "__dict__", {}).get(_MARK)
    return mark if isinstance(mark, Bound) else None


class Endpoint:
    """One Serverless endpoint.

    As a decorator it makes a queue endpoint of one function or class; with routes it is a load-balanced one.

    Example:
        >>> @Endpoint(name="greeter", cpu="cpu3c-1-2")
        ... def greet(name: str) -> str:
        ...     return f"Hello, {name}!"
        >>> greet("you")
        'Hello, you!'
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        id: str | None = None,  # noqa: A002  the platform's word
        gpu: GpuGroup | GpuType | str | Sequence[GpuGroup | GpuType | str] | None = None,
        cpu: CpuInstanceType | str | Sequence[CpuInstanceType | str] | None = None,
        workers: int | tuple[int, int] | None = None,
        idle_timeout: int = 60,
        dependencies: Sequence[str] | None = None,
        system_dependencies: Sequence[str] | None = None,
        accelerate_downloads: bool = True,
        volume: NetworkVolume | Sequence[NetworkVolume] | None = None,
        datacenter: DataCenter | str | Sequence[DataCenter | str] | None = None,
        env: Mapping[str, str | Secret] | None = None,
        gpu_count: int = 1,
        execution_timeout_ms: int = 0,
        flashboot: bool = True,
        image: str | None = None,
        scaler_type: ServerlessScalerType | str | None = None,
        scaler_value: int = 4,
        template: PodTemplate | None = None,
        min_cuda_version: CudaVersion | str | None = CudaVersion.V12_8,
        max_concurrency: int = 1,
        **unknown: NoReturn,
    ) -> None:
        """Declare an endpoint.

        Args:
            name: ``[A-Za-z0-9][A-Za-z0-9._-]{0,62}``. A decorator without one takes the function's.
            id: Of a deployed endpoint, to call it. Excludes ``image``.
            gpu: Pools or models, by default any. Excludes ``cpu``.
            cpu: Instances, by enumeration or id.
            workers: The most there may be, or the least and the most; by default none to one.
            idle_timeout: Seconds that an idle worker lives, 1 to 3600.
            dependencies: Requirements of its functions, which are bundled.
            system_dependencies: Packages of the worker's Linux distribution.
            accelerate_downloads: Accepted for older apps; a bundle downloads nothing.
            volume: Network volumes, at most one a data center.
            datacenter: Where workers may run; CPU endpoints run in EU-RO-1 only.
            env: Environment variables of its workers; ``Secret("NAME")`` for what nobody may read in the artifact.
            gpu_count: GPUs of one worker, from 1.
            execution_timeout_ms: Milliseconds that a job may run; 0 is the platform's default.
            flashboot: Whether workers start from snapshots.
            image: A container image of one's own; needs ``name``.
            scaler_type: By default REQUEST_COUNT with routes, QUEUE_DELAY without.
            scaler_value: Seconds of delay, or requests a worker, from 1.
            template: What the containers start with.
            min_cuda_version: Of the GPU workers' hosts.
            max_concurrency: Jobs that one worker runs at a time, from 1.
            unknown: Is refused.

        Raises:
            DeclarationError: A value is out of its bounds, or two exclude each other.
        """
        _refuse_unknown(unknown)
        checked_name = _name(name)
        what = "an Endpoint" if checked_name is None else f"endpoint {checked_name!r}"
        try:
            if id is not None and image is not None:
                raise DeclarationError("id and image exclude each other", hint="id is a deployed endpoint's")
            if image is not None and checked_name is None:
                raise DeclarationError(f"image {image!r} needs a name", hint="write name=…")
            instances = None if cpu is None else tuple(cpu_instance(one).value for one in _several("cpu", cpu))
            if instances is not None and gpu is not None:
                raise DeclarationError("gpu and cpu exclude each other", hint="declare two endpoints")
            chosen_gpus = gpu if gpu is not None or cpu is not None or id is not None else GpuGroup.ANY
            pools = None if chosen_gpus is None else gpu_ids(chosen_gpus)
            centers = _centers(datacenter, is_cpu=instances is not None)
            # without a choice a GPU endpoint runs anywhere; a CPU one, or one with an id, leaves it to the platform
            locations = centers or (tuple(DataCenter) if pools is not None else ())
            workers_min, workers_max = _workers(workers)
            _flag("accelerate_downloads", accelerate_downloads)
            self._spec = EndpointSpec(
                name=checked_name or "",
                id=_id(id),
                image=_filled("image", image),
                gpu_ids=pools,
                gpu_count=_whole("gpu_count", gpu_count, least=1),
                instance_ids=instances,
                workers_min=workers_min,
                workers_max=workers_max,
                idle_timeout_s=_whole("idle_timeout", idle_timeout, least=1, most=3600),
                dependencies=_texts("dependencies", dependencies),
                system_dependencies=_texts("system_dependencies", system_dependencies),
                volumes=_volumes(volume, centers or (() if instances is None else tuple(CPU_DATACENTERS))),
                locations=",".join(center.value for center in locations) or None,
                env=tuple((key, value) for key, value in _env(env) if isinstance(value, str)),
                secrets=tuple((key, value.name) for key, value in _env(env) if isinstance(value, Secret)),
                execution_timeout_ms=_whole("execution_timeout_ms", execution_timeout_ms, least=0),
                flashboot=_flag("flashboot", flashboot),
                scaler_type=_scaler(scaler_type),
                scaler_value=_whole("scaler_value", scaler_value, least=1),
                template=_template(template, instances),
                min_cuda_version=_cuda(min_cuda_version, is_cpu=instances is not None, is_gpu=pools is not None),
                max_concurrency=_whole("max_concurrency", max_concurrency, least=1),
            )
        except DeclarationError as error:
            raise DeclarationError(f"{what}: {error.message}", hint=error.hint) from error.__cause__
        self._decorated: Callable[..., Any] | None = None
        self._routes: dict[tuple[str, str], Callable[..., Any]] = {}

    def __repr__(self) -> str:
        if self._spec.name:
            return f"Endpoint(name={self._spec.name!r})"
        return "Endpoint()" if self._spec.id is None else f"Endpoint(id={self._spec.id!r})"

    @property
    def name(self) -> str | None:
        """Its name; None for a decorator that takes it from what it decorates."""
        return self._spec.name or None

    @property
    def spec(self) -> EndpointSpec:
        """Its configuration; the name is empty where :attr:`name` is None."""
        return self._spec

    def spec_named(self, name: str) -> EndpointSpec:
        """Its configuration, with *name* where it has none of its own.

        Raises:
            DeclarationError: *name* would be taken, and endpoints cannot be called that.
        """
        if self._spec.name:
            return self._spec
        return replace(self._spec, name=cast("str", _name(name)))

    @property
    def is_cpu(self) -> bool:
        """Whether its workers are CPU instances."""
        return self._spec.instance_ids is not None

    @property
    def is_client(self) -> bool:
        """Whether it stands for a deployed endpoint or for an image."""
        return self._spec.is_client

    @property
    def is_load_balanced(self) -> bool:
        """Whether it has routes."""
        return bool(self._routes)

    @property
    def workers_min(self) -> int:
        """How many workers it always has."""
        return self._spec.workers_min

    @property
    def workers_max(self) -> int:
        """How many workers it may have."""
        return self._spec.workers_max

    @property
    def scaler_type(self) -> ServerlessScalerType:
        """What starts another worker; where it was not chosen, by what the endpoint serves."""
        if self._spec.scaler_type is not None:
            return ServerlessScalerType(self._spec.scaler_type)
        return ServerlessScalerType.REQUEST_COUNT if self._routes else ServerlessScalerType.QUEUE_DELAY

    @overload
    def __call__(self, target: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]  # a class first
    @overload
    def __call__(self, target: Callable[P, R], /) -> EndpointFunction[P, R]: ...
    def __call__(self, target: Any, /) -> Any:
        """Make *target*, a function or class, what the endpoint runs.

        Raises:
            DeclarationError: The endpoint runs something already, has routes, or is not built from functions.
        """
        _check_target(self, target)
        if self._routes:
            (method, path), first = next(iter(self._routes.items()))
            raise DeclarationError(
                f"{self!r} has the route {method} {path} of {_described(first)}: it cannot be a queue endpoint too",
                hint=f"give {target.__name__!r} a route or an Endpoint of its own",
            )
        if self._decorated is not None:
            raise DeclarationError(
                f"{self!r} runs {_described(self._decorated)} already, and cannot run {_described(target)} too",
                hint="one function an endpoint: give each an Endpoint with a name of its own",
            )
        spec = self.spec_named(target.__name__)
        here = Target(spec.name, target.__name__)
        self._decorated = target
        if isinstance(target, type):
            self._wrap_class(target, here)
            setattr(target, _MARK, Bound(here, target, spec))
            return target
        return _marked(self._wrap_function(target, here), Bound(here, target, spec))

    def get(self, path: str, data: object = None, timeout: float | None = 60.0) -> RouteOrAnswer:
        """Serve ``GET path`` as a decorator; of a client: call it, *data* in the query."""
        return self._verb("GET", path, data, timeout)

    def post(self, path: str, data: object = None, timeout: float | None = 60.0) -> RouteOrAnswer:
        """Serve ``POST path`` as a decorator; of a client: call it, *data* in the JSON body."""
        return self._verb("POST", path, data, timeout)

    def put(self, path: str, data: object = None, timeout: float | None = 60.0) -> RouteOrAnswer:
        """Serve ``PUT path`` as a decorator; of a client: call it, *data* in the JSON body."""
        return self._verb("PUT", path, data, timeout)

    def patch(self, path: str, data: object = None, timeout: float | None = 60.0) -> RouteOrAnswer:
        """Serve ``PATCH path`` as a decorator; of a client: call it, *data* in the JSON body."""
        return self._verb("PATCH", path, data, timeout)

    def delete(self, path: str, data: object = None, timeout: float | None = 60.0) -> RouteOrAnswer:
        """Serve ``DELETE path`` as a decorator; of a client: call it, *data* in the query."""
        return self._verb("DELETE", path, data, timeout)

    # -- clients: an endpoint with an id, or an image. Where an event loop runs, what they give is awaited

    def run(self, input: object, *, webhook: str | None = None) -> EndpointJob:  # noqa: A002  the word on the wire
        """Submit a job to the endpoint of an id or an image.

        Args:
            input: The job's.
            webhook: Where the platform posts the result.

        Raises:
            CallError: It cannot be reached, or said no; there is no key.
        """
        job: EndpointJob = self._client("run").run(input, webhook)
        return job

    def runsync(self, input: object, timeout: float | None = 60.0) -> EndpointJob:  # noqa: A002  the word on the wire
        """Submit a job and wait for its end. One that failed does not raise: see its ``error``.

        Raises:
            CallTimeout: It had not ended after *timeout* seconds.
            CallError: As for ``run``.
        """
        job: EndpointJob = self._client("runsync").runsync(input, timeout)
        return job

    def cancel(self, job_id: str) -> EndpointJob:
        """Cancel a job."""
        job: EndpointJob = self._client("cancel").cancel(job_id)
        return job

    def health(self) -> Any:
        """How many jobs and workers it has, as its job API answers."""
        return self._client("health").health()

    def _client(self, verb: str) -> Client:
        if not self.is_client:
            raise CallError(
                f"{self!r}.{verb}() is for an endpoint with an id or an image",
                hint="call its function, or with .remote(…) its endpoint; in tests, flash_endpoint(NAME) has a client",
            )
        from flash.model.client import Client, Driver

        return Client(self._spec.name, self._spec.id, Driver(self._is_awaited))

    @staticmethod
    def _is_awaited() -> bool:
        return is_loop_running()

    def _verb(self, method: str, path: str, data: object, timeout: float | None) -> RouteOrAnswer:
        if self.is_client:
            answer: RouteOrAnswer = self._client(method.lower()).request(method, path, data, timeout)
            return answer
        if data is not None:
            raise DeclarationError(
                f"{self!r} has its routes here: {method} {path} takes no data",
                hint="to call a deployed endpoint, write Endpoint(id=…); in tests, flash_endpoint(NAME)",
            )
        return cast("RouteOrAnswer", self._route(method, path))

    def _route(self, method: str, path: str) -> Callable[[Callable[P, R]], EndpointFunction[P, R]]:
        checked = checked_path(path)
        if not self._spec.name:
            raise DeclarationError(f"an endpoint with routes needs a name: {method} {path}", hint="write name=…")
        if self._decorated is not None:
            raise DeclarationError(
                f"{self!r} runs {_described(self._decorated)} already: it cannot have the route {method} {path} too",
                hint="give the routes an Endpoint of their own",
            )
        if self._spec.scaler_type == ServerlessScalerType.QUEUE_DELAY.value:
            raise DeclarationError(
                f"{self!r} has the route {method} {path}: it has no queue to scale by",
                hint="leave scaler_type out, or write ServerlessScalerType.REQUEST_COUNT",
            )

        def decorate(function: Callable[P, R]) -> EndpointFunction[P, R]:
            _check_target(self, function)
            if isinstance(function, type):
                raise DeclarationError(f"{method} {path} of {self!r} is a class", hint="a route is a function")
            shape = (method, re.sub(_BRACES, "{}", checked))
            first = self._routes.get(shape)
            if first is not None:
                raise DeclarationError(
                    f"{self!r} has the route {method} {path} twice: {_described(first)} and {_described(function)}",
                    hint="give one of them another method or path",
                )
            here = Target(self._spec.name, function.__name__, route=(method, checked))
            self._routes[shape] = function
            wrapper = _marked(wrapped(function, here), Bound(here, function, self._spec))
            return cast("EndpointFunction[P, R]", wrapper)

        return decorate

    def _wrap_function(self, function: Callable[..., Any], target: Target) -> Callable[..., Any]:
        """What takes the place of a queue function or a method; a subclass may choose another."""
        return wrapped(function, target)

    def _wrap_class(self, kind: type, target: Target) -> None:
        for name in dir(kind):
            method = inspect.getattr_static(kind, name)
            if isinstance(method, _Method):  # of a base that is an endpoint itself
                method = method.function
            if not name.startswith("_") and inspect.isfunction(method):
                setattr(kind, name, _Method(method, replace(target, method=name), self._wrap_function))
        init = kind.__init__  # type: ignore[misc]  # the class's own, or a base's
        if inspect.isfunction(init):
            kind.__init__ = _init_here(init, target)  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------------------ Wrapping


class _Method:
    """A public method of an endpoint's class: bound to an instance, ``local`` and ``remote`` are bound too."""

    def __init__(
        self,
        function: Callable[..., Any],
        target: Target,
        wrap: Callable[[Callable[..., Any], Target], Callable[..., Any]],
    ) -> None:
        self.function = function
        self._target = target
        self._wrap = wrap
        self.__doc__ = function.__doc__

    def __get__(self, instance: object | None, owner: type) -> Callable[..., Any]:
        # a new wrapper for each access, as Python makes a new bound method
        if instance is None:
            return self._wrap(self.function, self._target)
        return self._wrap(self.function.__get__(instance, owner), self._target)


def _init_here(init: Callable[..., None], target: Target) -> Callable[..., None]:
    @wraps(init)
    def __init__(self: object, *args: object, **kwargs: object) -> None:  # noqa: N807
        if _elsewhere(target) is None:
            init(self, *args, **kwargs)

    return __init__


def _elsewhere(target: Target) -> Caller | None:
    caller = current_caller()
    return None if caller is None or caller.is_here(target) else caller


def _required_caller(target: Target) -> Caller:
    caller = current_caller()
    if caller is None:
        raise CallError(
            f"{_dotted(target)}.remote(): nothing is deployed or previewed that could be called",
            hint="leave .remote out to run it here; in tests, use the flash_endpoint fixture with --flash-preview",
        )
    return caller


def _dotted(target: Target) -> str:
    return target.function if target.method is None else f"{target.function}.{target.method}"


def _marked(wrapper: Callable[..., Any], mark: Bound) -> Callable[..., Any]:
    setattr(wrapper, _MARK, mark)
    return wrapper


Where: TypeAlias = "Callable[[Target], Caller | None]"
"""Who takes a call of a target; None: it runs here."""

Make: TypeAlias = "Callable[[Callable[..., Any], Target, Where], Callable[..., Any]]"
"""Makes the wrapper of a function."""


def plain(function: Callable[..., Any], target: Target, where: Where) -> Callable[..., Any]:
    """The wrapper of a ``def`` function that is no generator."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        caller = where(target)
        if caller is None:
            return function(*args, **kwargs)
        return caller.call(target, arguments_by_name(function, args, kwargs))

    return call


def wrapped(function: Callable[..., Any], target: Target, *, make_plain: Make = plain) -> Callable[..., Any]:
    """A wrapper of the same kind as *function*, with ``local`` and ``remote``."""
    make = make_plain
    if inspect.isasyncgenfunction(function):
        make = _async_generator
    elif inspect.iscoroutinefunction(function):
        make = _coroutine
    elif inspect.isgeneratorfunction(function):
        make = _generator
    wrapper = make(function, target, _elsewhere)
    # attributes of a function: no type describes them
    wrapper.local = function  # type: ignore[attr-defined]
    wrapper.remote = make(function, target, _required_caller)  # type: ignore[attr-defined]
    return wrapper


def _coroutine(function: Callable[..., Any], target: Target, where: Where) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        caller = where(target)
        if caller is None:
            return await function(*args, **kwargs)
        return await caller.acall(target, arguments_by_name(function, args, kwargs))

    return call


def _generator(function: Callable[..., Any], target: Target, where: Where) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        caller = where(target)
        if caller is None:
            return (yield from function(*args, **kwargs))
        # a generator's output, as an endpoint answers it, is the list
        return (yield from _chunks(caller.call(target, arguments_by_name(function, args, kwargs)), target))

    return call


def _async_generator(function: Callable[..., Any], target: Target, where: Where) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        caller = where(target)
        if caller is None:
            async with aclosing(function(*args, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            result = await caller.acall(target, arguments_by_name(function, args, kwargs))
            for chunk in _chunks(result, target):
                yield chunk

    return call


def _chunks(result: object, target: Target) -> Iterable[object]:
    if not isinstance(result, (list, tuple)):
        raise CallError(f"{_dotted(target)} of endpoint {target.endpoint!r} answered no list of chunks: {result!r:.80}")
    return result


def arguments_by_name(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call as its endpoint takes them: by name, without defaults.

    Raises:
        CallError: One has no name.
        TypeError: They do not fit the signature, as in any call.
    """
    signature = inspect.signature(function)
    arguments = signature.bind(*args, **kwargs).arguments
    named: dict[str, Any] = {}
    for name, value in arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            raise CallError(
                f"{function.__name__}(): what *{name} takes has no name, and an endpoint takes arguments by name",
                hint="give the function a parameter that takes a list",
            )
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[name] = value
    return named


# ------------------------------------------------------------------------------------------------------------ Checking

_BRACES: Final = r"\{[^{}]*\}"
_PARAMETER: Final = r"\{[A-Za-z_][A-Za-z0-9_]*(:path)?\}"


def checked_path(path: object) -> str:
    """A route's path, if it can be served.

    Raises:
        DeclarationError: It does not start with ``/``, is reserved, or has braces that are no path parameter.
    """
    if not isinstance(path, str):
        raise DeclarationError(f"a route's path is no string: {path!r}", hint='write @api.get("/path")')
    if not path.startswith("/"):
        raise DeclarationError(f"path {path!r} does not start with '/'", hint=f"write {'/' + path!r}")
    if path.rstrip("/") in RESERVED_PATHS:
        raise DeclarationError(f"path {path!r} is reserved", hint="/ping is the platform's; /execute is not served")
    if re.search(r"[\s?#]", path):
        raise DeclarationError(
            f"path {path!r} has a blank, '?' or '#'", hint="a parameter that is not in it is queried"
        )
    rest = re.sub(_PARAMETER, "", path)
    if "{" in rest or "}" in rest:
        raise DeclarationError(f"path {path!r} has braces that are no parameter", hint="write {name} or {name:path}")
    return path


def _check_target(endpoint: Endpoint, target: object) -> None:
    if endpoint.is_client:
        what = "a deployed endpoint" if endpoint.spec.id is not None else "an image"
        raise DeclarationError(
            f"{endpoint!r} stands for {what}, and runs no function of this project", hint="leave id and image out"
        )
    if not inspect.isfunction(target) and not isinstance(target, type):
        raise DeclarationError(f"{endpoint!r} decorates {target!r:.80}, which is no function and no class")
    first = bound(target)
    if first is not None:
        raise DeclarationError(
            f"{_described(target)} belongs to endpoint {first.target.endpoint!r} already, not to {endpoint!r}",
            hint="a function has one endpoint and one route",
        )


def _described(target: Callable[..., Any] | type) -> str:
    code = getattr(inspect.unwrap(target), "__code__", None)
    place = target.__module__ if code is None else f"{code.co_filename}:{code.co_firstlineno}"
    return f"{target.__name__!r} ({place})"


def _refuse_unknown(unknown: Mapping[str, object]) -> None:
    for keyword in unknown:
        known = [name for name in inspect.signature(Endpoint).parameters if name != "unknown"]
        raise DeclarationError(f"Endpoint has no parameter {keyword!r}", hint=did_you_mean(keyword, known))


def _as_name(given: object) -> str:
    """The legal name that is nearest to what was given."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", given if isinstance(given, str) else "")
    return re.sub(r"^[._-]+", "", words)[:63] or "…"


def _name(given: object) -> str | None:
    if given is None:
        return None
    if callable(given):
        raise DeclarationError("Endpoint is called before it decorates", hint='write @Endpoint(name="…")')
    if not isinstance(given, str) or re.fullmatch(_NAME, given) is None:
        raise DeclarationError(
            f"endpoint name {given!r} is not 1 to 63 of A-Z a-z 0-9 . _ -, the first a letter or digit",
            hint=f'write name="{_as_name(given)}"',
        )
    return given


def _id(given: object) -> str | None:
    filled = _filled("id", given)
    # it is a part of URLs
    if filled is not None and re.fullmatch(_ID, filled) is None:
        raise DeclarationError(f"id {filled!r} is no endpoint's id", hint="it has A-Z a-z 0-9 . _ - only")
    return filled


def _filled(label: str, given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip():
        raise DeclarationError(f"{label} {given!r} is no text")
    return given


def _whole(label: str, given: object, *, least: int, most: int | None = None) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < least or (most is not None and given > most):
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        raise DeclarationError(f"{label} {given!r} is not a whole number {bounds}")
    return given


def _flag(label: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise DeclarationError(f"{label} {given!r} is not True or False")
    return given


def _several(label: str, given: object) -> Sequence[Any]:
    """What was given as one or as several, as several."""
    if not isinstance(given, (list, tuple)):
        return [given]
    if not given:
        raise DeclarationError(f"{label} is an empty list", hint=f"leave {label} out, or name one")
    return given


def _texts(label: str, given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise DeclarationError(f"{label} {given!r} is no list", hint=f"write {label}=[…]")
    for text in given:
        if not isinstance(text, str) or not text.strip():
            raise DeclarationError(f"{label} has {text!r}, which is no name", hint=f'write {label}=["…"]')
    return tuple(given)


def _workers(given: object) -> tuple[int, int]:
    if given is None:
        return DEFAULT_WORKERS
    if not isinstance(given, (list, tuple)):
        return 0, _whole("workers", given, least=0)
    if len(given) != 2:
        raise DeclarationError(f"workers {given!r} is not a pair", hint="write workers=(least, most)")
    least, most = (_whole("workers", number, least=0) for number in given)
    if least > most:
        raise DeclarationError(
            f"workers {given!r}: the least is over the most", hint=f"write workers=({most}, {least})"
        )
    return least, most


def _centers(given: object, *, is_cpu: bool) -> tuple[DataCenter, ...]:
    if given is None:
        return ()
    centers = tuple(dict.fromkeys(data_center(one) for one in _several("datacenter", given)))
    for center in centers:
        if is_cpu and center not in CPU_DATACENTERS:
            allowed = ", ".join(sorted(other.value for other in CPU_DATACENTERS))
            raise DeclarationError(f"datacenter {center.value!r} has no CPU endpoints", hint=f"they run in {allowed}")
    return centers


def _volumes(given: object, centers: Sequence[DataCenter]) -> tuple[NetworkVolume, ...]:
    if given is None:
        return ()
    taken: dict[DataCenter, NetworkVolume] = {}
    for volume in _several("volume", given):
        if not isinstance(volume, NetworkVolume):
            raise DeclarationError(f"volume {volume!r} is no NetworkVolume", hint='write NetworkVolume(name="…")')
        if volume.datacenter in taken:
            raise DeclarationError(
                f"two volumes in data center {volume.datacenter.value!r}", hint="a worker mounts one: its data center's"
            )
        if centers and volume.datacenter not in centers:
            raise DeclarationError(
                f"volume {volume.name or volume.id!r} is in {volume.datacenter.value!r}, and the endpoint is not",
                hint=f"the endpoint runs in {', '.join(center.value for center in centers)}",
            )
        taken[volume.datacenter] = volume
    return tuple(taken.values())


def _env(given: object) -> tuple[tuple[str, str | Secret], ...]:
    # a value may be a secret: no message shows one
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise DeclarationError(f"env is a {type(given).__name__}, not a dict", hint='write env={"NAME": "value"}')
    for key, value in given.items():
        if not isinstance(key, str) or not key or "=" in key:
            raise DeclarationError(f"env has {key!r}, which is no variable's name")
        if not isinstance(value, (str, Secret)):
            raise DeclarationError(f"env {key!r} is a {type(value).__name__}, not a string", hint="write str(…)")
    return tuple((key, given[key]) for key in sorted(given))


def _scaler(given: ServerlessScalerType | str | None) -> str | None:
    return None if given is None else scaler_type(given).value


def _template(given: object, instances: Sequence[str] | None) -> PodTemplate | None:
    if given is None:
        return None
    if not isinstance(given, PodTemplate):
        raise DeclarationError(f"template {given!r} is no PodTemplate")
    limit = None if instances is None else container_disk_gb(instances)
    if limit is not None and (given.containerDiskInGb or 0) > limit:
        raise DeclarationError(
            f"template has a disk of {given.containerDiskInGb} GB, {', '.join(instances or ())} at most {limit} GB",
            hint="take a larger CPU instance, or leave containerDiskInGb out",
        )
    return given


def _cuda(given: CudaVersion | str | None, *, is_cpu: bool, is_gpu: bool) -> str | None:
    version = None if given is None else cuda_version(given)
    # the default cannot be told from the same version written out, which does no harm
    if is_cpu and version is not None and version is not CudaVersion.V12_8:
        raise DeclarationError(
            f"min_cuda_version {version.value!r} on a CPU endpoint", hint="leave it out, or use gpu="
        )
    return None if version is None or not is_gpu else version.value
