"""An app: the endpoints that one project declares, and the rules that span them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flash.errors import DeclarationError

if TYPE_CHECKING:
    from flash.model.endpoint import EndpointSpec

__all__ = ["App", "DeclaredEndpoint", "Function", "Location"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something stands in the project.

    Attributes:
        path: Relative to the project's root, with forward slashes.
        line: Counted from 1.
    """

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function, class or route of an endpoint, as its source declares it.

    Attributes:
        module: Dotted, as the artifact's root on ``sys.path`` imports it.
        methods: The public methods of a class, in the order of their definition; empty for a function.
        http_method: ``GET`` … ``DELETE`` for a route of a load-balanced endpoint, else None.
        http_path: The route's path, path parameters in braces.
        calls: Names of functions in this project that its body calls, sorted.
        clients: ``id`` and ``image``, sorted: as what it knows endpoints that it calls and this project does not build.
    """

    name: str
    module: str
    location: Location
    is_async: bool = False
    is_generator: bool = False
    is_class: bool = False
    methods: tuple[str, ...] = ()
    http_method: str | None = None
    http_path: str | None = None
    calls: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()

    @property
    def route(self) -> str | None:
        """``"POST /process"``, or None for a function of a queue endpoint."""
        return None if self.http_method is None else f"{self.http_method} {self.http_path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEndpoint:
    """An endpoint and what it serves.

    Attributes:
        spec: Its configuration, validated; ``spec.name`` is never None here.
        functions: One for a queue endpoint; the routes, in the order of their definition, for a load-balanced one;
            none for an external image.
        variable: The module-level name of an ``api = Endpoint(...)`` object, or None for a decorator.
    """

    spec: EndpointSpec
    functions: tuple[Function, ...]
    location: Location
    variable: str | None = None

    @property
    def name(self) -> str:
        """The endpoint's name, unique in its app."""
        return self.spec.name

    @property
    def is_load_balanced(self) -> bool:
        """Whether it serves HTTP routes rather than a queue."""
        return any(function.http_method is not None for function in self.functions)

    @property
    def routes(self) -> dict[str, str]:
        """``{"POST /process": "process"}``, in the order of definition."""
        return {function.route: function.name for function in self.functions if function.route is not None}


@dataclass(frozen=True, slots=True)
class App:
    """Endpoints with unique names.

    Attributes:
        notes: What the user should know about how they were read.

    Raises:
        DeclarationError: Two endpoints, two functions or two routes of one endpoint share a name. The message names
            both places.
    """

    name: str
    endpoints: tuple[DeclaredEndpoint, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        by_name: dict[str, DeclaredEndpoint] = {}
        functions: dict[str, Function] = {}
        for endpoint in self.endpoints:
            first = by_name.setdefault(endpoint.name, endpoint)
            if first is not endpoint:
                raise DeclarationError(
                    f"endpoint {endpoint.name!r} is declared twice, first at {first.location}",
                    hint="each queue function needs an endpoint name of its own; routes share one Endpoint object",
                    path=endpoint.location.path,
                    line=endpoint.location.line,
                )
            routes: dict[str, Function] = {}
            for function in endpoint.functions:
                _claim(functions, function.name, function, "function")
                if function.route is not None:
                    _claim(routes, function.route, function, "route")

    def __iter__(self) -> Iterator[DeclaredEndpoint]:
        return iter(self.endpoints)

    def __getitem__(self, name: str) -> DeclaredEndpoint:
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        raise KeyError(name)

    def makes_remote_calls(self, endpoint: DeclaredEndpoint) -> bool:
        """Whether a function of *endpoint* calls another endpoint: of this app, or by its id."""
        if any(function.clients for function in endpoint.functions):
            return True
        called = {call for function in endpoint.functions for call in function.calls}
        called -= {function.name for function in endpoint.functions}
        return bool(called) and any(function.name in called for other in self.endpoints for function in other.functions)

    def calls_by_id(self, endpoint: DeclaredEndpoint) -> bool:
        """Whether a function of *endpoint* calls endpoints by their ids, wherever those are."""
        return any("id" in function.clients for function in endpoint.functions)


def _claim(taken: dict[str, Function], key: str, function: Function, noun: str) -> None:
    first = taken.setdefault(key, function)
    if first is not function:
        raise DeclarationError(
            f"{noun} {key!r} is declared twice, first at {first.location}",
            hint=f"a {noun} is found by its name from every endpoint: give one of them another",
            path=function.location.path,
            line=function.location.line,
        )
