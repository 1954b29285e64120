"""An ``Endpoint(...)`` of the source while its functions are collected, and the rules of what may come together."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.bundle.functions import function_of
from flash.bundle.modules import Definition, Module, Modules
from flash.errors import DeclarationError
from flash.model.app import DeclaredEndpoint, Location

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.endpoint import Endpoint

__all__ = ["Declared", "FoundFunction", "declaration_error", "located"]

_SHAPE: Final = re.compile(r"\{[^{}]*\}")


@dataclass(slots=True)
class FoundFunction:
    """A function of an endpoint, before it is known what it calls."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    module: Module
    location: Location
    route: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """As it is called in its module."""
        return self.node.name

    @property
    def key(self) -> tuple[str, str]:
        """Its module and name, which no other function has."""
        return self.module.name, self.node.name


@dataclass(slots=True)
class Declared:
    """An ``Endpoint(...)`` of the source."""

    endpoint: Endpoint
    module: Module
    location: Location
    variable: str | None = None
    functions: list[FoundFunction] = field(default_factory=list)

    def add_function(self, found: FoundFunction) -> None:
        """Let *found* be what this queue endpoint runs."""
        if self.endpoint.is_client:
            raise declaration_error(
                f"{self.endpoint!r} has an id or an image, and runs no function of this project",
                found.location,
                hint="leave id and image out",
            )
        if self.functions:
            first = self.functions[0]
            raise declaration_error(
                f"{self.endpoint!r} runs {first.name!r} ({first.location}) already, and cannot run {found.name!r} too",
                found.location,
                hint="one function an endpoint: give each an Endpoint with a name of its own",
            )
        self.functions.append(found)

    def add_route(self, found: FoundFunction, method: str, path: object) -> None:
        """Let *found* answer *method* and *path*."""
        for other in self.functions:
            if other.route is None:
                raise declaration_error(
                    f"{self.endpoint!r} runs {other.name!r} ({other.location}) already, and cannot have routes too",
                    found.location,
                    hint="give the routes an Endpoint of their own",
                )
        if self.endpoint.is_client:
            raise declaration_error(
                f"{self.endpoint!r} has an id or an image, and routes no function of this project",
                found.location,
                hint="leave id and image out",
            )
        with located(found.location):
            # the rules of a path are Endpoint's own
            getattr(self.endpoint, method.lower())(path)
        route = (method, str(path))
        for other in self.functions:
            if other.route is not None and _shape(other.route) == _shape(route):
                raise declaration_error(
                    f"route '{method} {path}' of endpoint {self.endpoint.name!r} is declared twice,"
                    f" first at {other.location}",
                    found.location,
                    hint="give one of them another method or path",
                )
        if isinstance(found.node, ast.ClassDef):
            raise declaration_error(f"route '{method} {path}' is a class", found.location, hint="a route is a function")
        found.route = route
        self.functions.append(found)

    def finished(self, modules: Modules, owners: Mapping[tuple[str, str], str]) -> DeclaredEndpoint:
        """The value that the app is made of."""
        with located(self.location):
            spec = self.endpoint.spec_named(self.functions[0].name) if self.functions else self.endpoint.spec
        functions = tuple(
            function_of(Definition(self.module, found.node), found.location, modules, owners=owners, route=found.route)
            for found in self.functions
        )
        return DeclaredEndpoint(spec=spec, functions=functions, location=self.location, variable=self.variable)


def _shape(route: tuple[str, str]) -> tuple[str, str]:
    return route[0], _SHAPE.sub("{}", route[1])


def declaration_error(message: str, location: Location, *, hint: str) -> DeclarationError:
    """A `DeclarationError` with its place."""
    return DeclarationError(message, hint=hint, path=location.path, line=location.line)


class located:  # noqa: N801  used like a function
    """Gives a `DeclarationError` from inside the block its place in the user's source."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, DeclarationError) and error.path is None:
            error.path, error.line = self._location.path, self._location.line
