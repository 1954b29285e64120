"""Which endpoints a project declares, read from its source.

The user's code is never imported and never runs: the machine that builds needs none of its dependencies, and nothing
that a module does at import happens. The price is that arguments must be readable; `flash.bundle.evaluate` says what is.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TYPE_CHECKING

from flash.bundle.calls import calls_of
from flash.bundle.evaluate import Unreadable, evaluate
from flash.bundle.modules import (
    FLASH_NAMES,
    Definition,
    FlashName,
    Module,
    Modules,
    Value,
    read_module,
    read_modules,
)
from flash.bundle.sources import FLASHIGNORE, GITIGNORE
from flash.errors import BuildError, DeclarationError, DiscoveryError
from flash.model.app import App, DeclaredEndpoint, Function, Location
from flash.model.endpoint import HTTP_METHODS, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["app_of", "discover"]

_ENDPOINT: Final = FlashName("Endpoint")
_SHAPE = re.compile(r"\{[^{}]*\}")
_MOST_IGNORED: Final = 2000


def discover(root: Path, files: Iterable[str], *, app_name: str, ignored: Mapping[str, str] | None = None) -> App:
    """Read the endpoints that *files* of the project at *root* declare.

    Args:
        root: The project.
        files: What ships.
        app_name: Becomes the app's name.
        ignored: What does not ship, with the rule; named in the error if an endpoint is hidden there.

    Raises:
        BuildError: A top-level module takes Flash's own name.
        DiscoveryError: No endpoint, a syntax error, or a value that cannot be read.
        DeclarationError: An endpoint's definition is wrong, or two share a name.
    """
    modules = read_modules(root, files)
    return app_of(modules, root, app_name=app_name, ignored=ignored or {})


def app_of(modules: Modules, root: Path, *, app_name: str, ignored: Mapping[str, str]) -> App:
    """The same, of modules that are parsed already."""
    declared: list[_Declared] = []
    for module in modules:
        if _mentions_flash(module):
            declared += _Reader(module, modules).endpoints()
    if not declared:
        raise _nothing_found(root, ignored)
    owners = {function.key: function.name for endpoint in declared for function in endpoint.functions}
    return App(app_name, tuple(endpoint.finished(modules, owners) for endpoint in declared))


@dataclass(slots=True)
class _Found:
    """A function of an endpoint, before it is known what it calls."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    module: Module
    location: Location
    route: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def key(self) -> tuple[str, str]:
        return self.module.name, self.node.name


@dataclass(slots=True)
class _Declared:
    """An ``Endpoint(...)`` of the source."""

    endpoint: Endpoint
    module: Module
    location: Location
    variable: str | None = None
    functions: list[_Found] = field(default_factory=list)

    def add_function(self, found: _Found) -> None:
        """Let *found* be what this queue endpoint runs."""
        if self.endpoint.is_client:
            raise _declaration(
                f"{self.endpoint!r} has an id or an image, and runs no function of this project",
                found.location,
                hint="leave id and image out",
            )
        if self.functions:
            first = self.functions[0]
            raise _declaration(
                f"{self.endpoint!r} runs {first.name!r} ({first.location}) already, and cannot run {found.name!r} too",
                found.location,
                hint="one function an endpoint: give each an Endpoint with a name of its own",
            )
        self.functions.append(found)

    def add_route(self, found: _Found, method: str, path: object) -> None:
        """Let *found* answer *method* and *path*."""
        for other in self.functions:
            if other.route is None:
                raise _declaration(
                    f"{self.endpoint!r} runs {other.name!r} ({other.location}) already, and cannot have routes too",
                    found.location,
                    hint="give the routes an Endpoint of their own",
                )
        if self.endpoint.is_client:
            raise _declaration(
                f"{self.endpoint!r} has an id or an image, and routes no function of this project",
                found.location,
                hint="leave id and image out",
            )
        with _located(found.location):
            # the rules of a path are Endpoint's own
            getattr(self.endpoint, method.lower())(path)
        route = (method, str(path))
        for other in self.functions:
            if other.route is not None and _shape(other.route) == _shape(route):
                raise _declaration(
                    f"route '{method} {path}' of endpoint {self.endpoint.name!r} is declared twice,"
                    f" first at {other.location}",
                    found.location,
                    hint="give one of them another method or path",
                )
        if isinstance(found.node, ast.ClassDef):
            raise _declaration(f"route '{method} {path}' is a class", found.location, hint="a route is a function")
        found.route = route
        self.functions.append(found)

    def finished(self, modules: Modules, owners: Mapping[tuple[str, str], str]) -> DeclaredEndpoint:
        """The value that the app is made of."""
        with _located(self.location):
            spec = self.endpoint.spec_named(self.functions[0].name) if self.functions else self.endpoint.spec
        functions = tuple(_function(found, modules, owners) for found in self.functions)
        return DeclaredEndpoint(spec=spec, functions=functions, location=self.location, variable=self.variable)


class _Reader:
    """Reads one module."""

    def __init__(self, module: Module, modules: Modules) -> None:
        self.module = module
        self.modules = modules

    def endpoints(self) -> list[_Declared]:
        """What this module declares, in the order of its lines. Endpoints known by id only are not part of it."""
        declared: list[_Declared] = []
        variables: dict[str, _Declared] = {}
        for statement in self.module.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                declared += self._decorated(statement, variables)
            elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
                assigned = self._assigned(statement)
                if assigned is not None:
                    declared.append(assigned)
                    if assigned.variable is not None:
                        variables[assigned.variable] = assigned
        self._refuse_nested()
        for endpoint in declared:
            if not endpoint.functions and not endpoint.endpoint.is_client:
                raise DiscoveryError(
                    f"{endpoint.endpoint!r} serves nothing",
                    path=self.module.path,
                    line=endpoint.location.line,
                    hint=f"decorate a function with @{endpoint.variable or 'Endpoint(…)'}, or with one of its routes,"
                    " in this file",
                )
        served = [endpoint for endpoint in declared if endpoint.endpoint.spec.id is None]
        if served:
            self._check_importable(served[0].location)
        return served

    def _assigned(self, statement: ast.Assign | ast.AnnAssign | ast.Expr) -> _Declared | None:
        call = statement.value
        if not isinstance(call, ast.Call) or not self._is_endpoint(call.func):
            return None
        targets = [] if isinstance(statement, ast.Expr) else _targets(statement)
        variable = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None
        return _Declared(self._endpoint(call), self.module, self._at(call), variable)

    def _decorated(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, variables: Mapping[str, _Declared]
    ) -> Iterator[_Declared]:
        uses = 0
        for decorator in node.decorator_list:
            found = _Found(node, self.module, Location(self.module.path, node.lineno))
            if isinstance(decorator, ast.Call) and self._is_endpoint(decorator.func):
                declared = _Declared(self._endpoint(decorator), self.module, self._at(decorator))
                declared.add_function(found)
                uses += 1
                yield declared
            elif self._is_endpoint(decorator):
                raise _declaration(
                    f"@{ast.unparse(decorator)} on {node.name!r} is not called",
                    self._at(decorator),
                    hint=f'write @{ast.unparse(decorator)}(name="…")',
                )
            elif isinstance(decorator, ast.Name) and decorator.id in variables:
                variables[decorator.id].add_function(found)
                uses += 1
            else:
                uses += self._routed(found, decorator, variables)
        if uses > 1:
            raise _declaration(
                f"{node.name!r} is decorated for {uses} endpoints or routes",
                Location(self.module.path, node.lineno),
                hint="a function has one endpoint and one route: write a second function that calls it",
            )

    def _routed(self, found: _Found, decorator: ast.expr, variables: Mapping[str, _Declared]) -> int:
        """1 if *decorator* makes *found* a route, else 0."""
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            return 0
        owner, method = decorator.func.value, decorator.func.attr.upper()
        if isinstance(owner, ast.Name) and owner.id in variables:
            if method not in HTTP_METHODS:
                raise _declaration(
                    f"{ast.unparse(decorator.func)} is no route",
                    self._at(decorator),
                    hint=f"routes are {', '.join(name.lower() for name in HTTP_METHODS)}",
                )
            variables[owner.id].add_route(found, method, self._path(decorator))
            return 1
        meaning = self.modules.meaning(self.module, owner)
        if (
            isinstance(meaning, Value)
            and meaning.module is not self.module
            and isinstance(meaning.node, ast.Call)
            and _is_endpoint(self.modules, meaning.module, meaning.node.func)
        ):
            raise DiscoveryError(
                f"{found.name!r} is a route of an Endpoint from {meaning.module.path}",
                path=self.module.path,
                line=decorator.lineno,
                hint="declare an endpoint's routes in the file that makes it; they may call functions of other files",
            )
        return 0

    def _path(self, decorator: ast.Call) -> Any:
        given = [*decorator.args, *(word.value for word in decorator.keywords if word.arg == "path")]
        if len(given) != 1 or len(decorator.args) + len(decorator.keywords) != 1:
            raise _declaration(
                f"{ast.unparse(decorator)} does not name one path", self._at(decorator), hint='write @api.get("/path")'
            )
        return evaluate(given[0], self.module, self.modules)

    def _endpoint(self, call: ast.Call) -> Endpoint:
        positional = [evaluate(argument, self.module, self.modules) for argument in call.args]
        keywords: dict[str, Any] = {}
        for keyword in call.keywords:
            value = evaluate(keyword.value, self.module, self.modules)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict):
                keywords.update(value)
            else:
                raise Unreadable(self.module, keyword.value, "it is no dict")
        with _located(self._at(call)):
            try:
                return Endpoint(*positional, **keywords)
            except TypeError as error:
                raise DeclarationError(
                    f"Endpoint: {error}", hint="only the name may stand first; all others are keywords"
                ) from error

    def _refuse_nested(self) -> None:
        """An endpoint inside a function or class would exist only once that has run."""
        top = {id(statement) for statement in self.module.body}
        for statement in self.module.body:
            for node in ast.walk(statement):
                if id(node) in top or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    continue
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and self._is_endpoint(decorator.func):
                        raise DiscoveryError(
                            f"endpoint function {node.name!r} is inside another function or class",
                            path=self.module.path,
                            line=node.lineno,
                            hint="move it to the top level of the module, where a worker can import it",
                        )

    def _check_importable(self, location: Location) -> None:
        name = self.module.name
        folders = self.module.path.split("/")[:-1]
        if not name or any("." in folder for folder in folders) or "." in Path(self.module.path).stem:
            raise DiscoveryError(
                "the file declares an endpoint, but no worker can import it under this name",
                path=location.path,
                line=location.line,
                hint="rename it: no dots in the names of files and folders, and no __init__.py at the top",
            )

    def _is_endpoint(self, node: ast.expr) -> bool:
        return _is_endpoint(self.modules, self.module, node)

    def _at(self, node: ast.expr) -> Location:
        return Location(self.module.path, node.lineno)


def _function(found: _Found, modules: Modules, owners: Mapping[tuple[str, str], str]) -> Function:
    node = found.node
    method, path = found.route or (None, None)
    is_class = isinstance(node, ast.ClassDef)
    methods = tuple(_methods(Definition(found.module, node), modules)) if is_class else ()
    if is_class and not methods:
        raise _declaration(
            f"class {node.name!r} has no public method to call",
            found.location,
            hint="give it a method whose name does not start with an underscore",
        )
    return Function(
        name=node.name,
        module=found.module.name,
        location=found.location,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_generator=not isinstance(node, ast.ClassDef) and _yields(node),
        is_class=is_class,
        methods=methods,
        http_method=method,
        http_path=path,
        calls=calls_of(Definition(found.module, node), modules, owners),
    )


def _methods(definition: Definition, modules: Modules, depth: int = 20) -> dict[str, None]:
    """Public methods, those of base classes in the project first, in the order of their definition."""
    names: dict[str, None] = {}
    node = definition.node
    if not isinstance(node, ast.ClassDef) or depth == 0:
        return names
    for base in node.bases:
        meaning = modules.meaning(definition.module, base)
        if isinstance(meaning, Definition):
            names |= _methods(meaning, modules, depth - 1)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not statement.name.startswith("_"):
            # a property, a static method: not what an instance is called for
            decorators = {each.id for each in statement.decorator_list if isinstance(each, ast.Name)}
            if not decorators & {"property", "cached_property", "staticmethod", "classmethod"}:
                names[statement.name] = None
    return names


def _yields(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return False


def _is_endpoint(modules: Modules, module: Module, node: ast.expr) -> bool:
    return modules.meaning(module, node) == _ENDPOINT


def _mentions_flash(module: Module) -> bool:
    # an endpoint may come through a module of the project that re-exports Endpoint, so its name counts too
    return "Endpoint" in module.source or any(name in module.source for name in FLASH_NAMES)


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _shape(route: tuple[str, str]) -> tuple[str, str]:
    return route[0], _SHAPE.sub("{}", route[1])


def _declaration(message: str, location: Location, *, hint: str) -> DeclarationError:
    return DeclarationError(message, hint=hint, path=location.path, line=location.line)


class _located:  # noqa: N801  used like a function
    """Gives a `DeclarationError` from inside the block its place in the user's source."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, DeclarationError) and error.path is None:
            error.path, error.line = self._location.path, self._location.line


def _nothing_found(root: Path, ignored: Mapping[str, str]) -> DiscoveryError:
    message = "no endpoint found: no function is decorated with @Endpoint(...)"
    for path in _ignored_files(root, ignored):
        rule = next(rule for hidden, rule in ignored.items() if path == hidden or path.startswith(hidden))
        if _declares(root, path):
            return DiscoveryError(
                f"{message}, except in {path}, which is hidden: {rule}",
                hint=f"if it should ship, write !/{path} into {FLASHIGNORE}, or change the rule",
            )
    return DiscoveryError(
        message, hint="decorate a function at the top level of a module: from flash import Endpoint; @Endpoint(name=…)"
    )


def _ignored_files(root: Path, ignored: Mapping[str, str]) -> Iterator[str]:
    """Python files that a user's rule or the built-in list hides; environments and caches are not looked into."""
    count = 0
    for hidden, rule in ignored.items():
        if hidden.endswith(".py"):
            found = [hidden]
        elif hidden.endswith("/") and rule.endswith((GITIGNORE, FLASHIGNORE)):
            found = sorted(file.relative_to(root).as_posix() for file in (root / hidden).rglob("*.py"))
        else:
            continue
        for path in found:
            count += 1
            if count > _MOST_IGNORED:
                return
            yield path


def _declares(root: Path, path: str) -> bool:
    try:
        module = read_module(root, path)
        return bool(_mentions_flash(module) and _Reader(module, Modules([module])).endpoints())
    except DeclarationError:
        return True
    except BuildError:
        # a file that cannot be read holds no endpoint that could have been found
        return False
