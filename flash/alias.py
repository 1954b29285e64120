"""The module ``runpod_flash``: existing apps move without an edit.

It is a module of its own, with the public names of ``runpod-flash`` 1.21.0. What Flash has is the very same object; its
``Endpoint`` is a subclass that keeps the older calling convention, and ``@remote`` makes one; what works another way
says so when it is used. Nothing of ours contains a folder of that name. Submodules that we lack come from an installed
one.
"""

from __future__ import annotations

import sys
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from weakref import WeakKeyDictionary

from flash.errors import DeclarationError
from flash.model import endpoint, hardware, older
from flash.model.dispatch import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.model.dispatch import Target

__all__ = ["NAME", "OlderEndpoint", "find_spec", "module", "take_over"]

NAME: Final = "runpod_flash"
"""What the module is imported as."""


class OlderEndpoint(endpoint.Endpoint):
    """``Endpoint`` as older apps call it.

    A plain ``def`` function or method gives an awaitable where an event loop runs in the calling thread, and its value
    elsewhere: alike here and remotely. Functions of other kinds, and routes, are as with :class:`flash.Endpoint`. What
    is asked of an endpoint with an id or an image is awaited, always.
    """

    def _wrap_function(self, function: Callable[..., Any], target: Target) -> Callable[..., Any]:
        return endpoint.wrapped(function, target, make_plain=_awaitable_in_loop)

    @staticmethod
    def _is_awaited() -> bool:
        return True


# users meet the name in messages and tracebacks
OlderEndpoint.__name__ = OlderEndpoint.__qualname__ = "Endpoint"


def _awaitable_in_loop(function: Callable[..., Any], target: Target, where: endpoint.Where) -> Callable[..., Any]:
    now = endpoint.plain(function, target, where)

    async def later(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        caller = where(target)
        if caller is None:
            return function(*args, **kwargs)
        return await caller.acall(target, endpoint.arguments_by_name(function, args, kwargs))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return later(args, kwargs) if running_loop() is not None else now(*args, **kwargs)

    return call


# ------------------------------------------------------------------------------------------- What came before Endpoint


def remote(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """The decorator that came before ``Endpoint``: ``@remote(resource_config=LiveServerless(…), dependencies=[…])``.

    Raises:
        DeclarationError: An argument is unknown, or they do not go together.
    """
    use = older.remote_use(*args, **kwargs)
    if use.resource is None:
        return lambda target: target
    keywords = use.endpoint_keywords()
    if use.route is None:
        return OlderEndpoint(**keywords)
    served = _served.get(use.resource)
    if served is None:
        served = _served[use.resource] = OlderEndpoint(**keywords)
    method, path = use.route
    return cast("Callable[[Any], Any]", getattr(served, method.lower())(path))


_served: Final[WeakKeyDictionary[older.OlderResource, OlderEndpoint]] = WeakKeyDictionary()
"""The endpoints of load-balanced resources, which several functions share."""


# ----------------------------------------------------------------------------------------- Names that work another way


class _Replaced(type):
    """A class that is there to be imported and asked about; making or using one is an error with a hint."""

    hint: str

    def __new__(mcs, name: str, hint: str) -> _Replaced:
        kind = super().__new__(mcs, name, (), {"__module__": NAME, "__doc__": f"Not in Flash: {hint}."})
        kind.hint = hint
        return kind

    def __init__(cls, name: str, _hint: str) -> None:
        super().__init__(name, (), {})

    def __call__(cls, *_args: object, **_kwargs: object) -> NoReturn:
        raise DeclarationError(f"{cls.__name__} of runpod_flash has no meaning here", hint=cls.hint)

    def __getattr__(cls, name: str) -> NoReturn:
        # what tools look for on any class, they look for under such names
        if name.startswith("_") or name == "hint":
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        raise DeclarationError(f"{cls.__name__}.{name} of runpod_flash has no meaning here", hint=cls.hint)


_JOB: Final = "EndpointJob"
_COMMAND: Final = "declare endpoints with Endpoint, and let `flash deploy` create and update them"


def _names() -> dict[str, object]:
    """The public names of ``runpod-flash`` 1.21.0, read 2026-08."""
    return {
        **older.OLDER_RESOURCES,
        "CPU_DATACENTERS": hardware.CPU_DATACENTERS,
        "CpuInstanceType": hardware.CpuInstanceType,
        "CudaVersion": hardware.CudaVersion,
        "DEFAULT_WORKERS_MAX": endpoint.DEFAULT_WORKERS[1],
        "DEFAULT_WORKERS_MIN": endpoint.DEFAULT_WORKERS[0],
        "DataCenter": hardware.DataCenter,
        "Endpoint": OlderEndpoint,
        "FlashApp": _Replaced("FlashApp", _COMMAND),
        "GpuGroup": hardware.GpuGroup,
        "GpuType": hardware.GpuType,
        "NetworkVolume": hardware.NetworkVolume,
        "PodTemplate": hardware.PodTemplate,
        "ResourceManager": _Replaced("ResourceManager", _COMMAND),
        "ServerlessScalerType": hardware.ServerlessScalerType,
        "ServerlessType": hardware.ServerlessType,
        "remote": remote,
    }


# ---------------------------------------------------------------------------------------------------------- The module


class _Loader:
    """Hands out the one module, whoever finds it."""

    @staticmethod
    def create_module(_spec: ModuleSpec) -> ModuleType:
        return module()

    @staticmethod
    def exec_module(_module: ModuleType) -> None:
        """It is complete already."""


def find_spec() -> ModuleSpec:
    """What a finder on ``sys.meta_path`` answers for :data:`NAME`."""
    # of the loader protocol, the two methods that the import system calls
    return ModuleSpec(NAME, _Loader, is_package=True)  # type: ignore[arg-type]


_module: ModuleType | None = None


def module() -> ModuleType:
    """The module ``runpod_flash``: the same one each time."""
    global _module  # noqa: PLW0603  a module exists once in a process
    if _module is None:
        made = ModuleType(NAME, __doc__)
        names = _names()
        every = sorted([*names, _JOB])
        made.__dict__.update(names, __all__=every, __getattr__=_attribute, __package__=NAME)
        made.__spec__ = find_spec()
        _module = made
    return _module


def take_over() -> ModuleType:
    """Make it what ``import runpod_flash`` gives, also where another was imported before."""
    sys.modules[NAME] = module()
    return module()


def _attribute(name: str) -> object:
    """What is loaded on demand; where submodules lie, and those that were imported from there before a take-over."""
    if name == _JOB:
        from flash.model.client import EndpointJob

        return EndpointJob
    if name == "__path__":
        installed = PathFinder.find_spec(NAME, sys.path)
        return [] if installed is None else list(installed.submodule_search_locations or [])
    submodule = sys.modules.get(f"{NAME}.{name}")
    if submodule is None:
        raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
    return submodule
