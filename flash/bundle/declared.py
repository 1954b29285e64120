"""An ``Endpoint(...)`` of the source while its functions are collected, and the rules of what may come together."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from flash.bundle.functions import function_of
from flash.bundle.modules import Definition, Module, Modules
from flash.errors import DeclarationError, DiscoveryError
from flash.model.app import DeclaredEndpoint, Location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.model.endpoint import Endpoint

__all__ = ["Declared", "FoundFunction", "check_served", "declaration_error", "located"]

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
    """An ``Endpoint(...)`` of the source.

    Attributes:
        variable: What it is assigned to, if it is.
        node: The call, where it was read and not evaluated.
    """

    endpoint: Endpoint
    module: Module
    location: Location
    variable: str | None = None
    node: ast.Call | None = None
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
            function_of(Definition(found.module, found.node), found.location, modules, owners=owners, route=found.route)
            for found in self.functions
        )
        return DeclaredEndpoint(spec=spec, functions=functions, location=self.location, variable=self.variable)


def check_served(declared: Sequence[Declared], module: Module) -> None:
    """Refuse, of what *module* declares, what would be lost, and what no worker could import.

    Raises:
        DiscoveryError: An endpoint has no function, or the file has no name to import it by.
    """
    if not declared:
        return
    for endpoint in declared:
        if not endpoint.functions and not endpoint.endpoint.is_client:
            raise DiscoveryError(
                f"{endpoint.endpoint!r} serves nothing",
                path=module.path,
                line=endpoint.location.line,
                hint=f"decorate a function with @{endpoint.variable or 'Endpoint(…)'}, or with one of its routes,"
                " in this file",
            )
    served = [endpoint for endpoint in declared if endpoint.endpoint.spec.id is None]
    folders = module.path.split("/")[:-1]
    has_dots = any("." in folder for folder in folders) or "." in PurePosixPath(module.path).stem
    if served and (module.name in ("", "__main__") or has_dots):
        raise DiscoveryError(
            "the file declares an endpoint, but no worker can import it under this name",
            path=module.path,
            line=served[0].location.line,
            hint="rename it: no dots in the names of files and folders, and no __init__.py or __main__.py at the top",
        )


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
