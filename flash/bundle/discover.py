"""Which endpoints a project declares, read from its source.

The user's code is never imported and never runs: the machine that builds needs none of its dependencies, and nothing
that a module does at import happens. The price is that arguments must be readable; `flash.bundle.evaluate` says what
is.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.declared import Declared, FoundFunction, declaration_error, located
from flash.bundle.evaluate import Unreadable, evaluate
from flash.bundle.modules import (
    FLASH_NAMES,
    FlashName,
    Module,
    Modules,
    Value,
    read_module,
    read_modules,
)
from flash.bundle.sources import FLASHIGNORE, GITIGNORE
from flash.errors import BuildError, DeclarationError, DiscoveryError
from flash.model.app import App, Location
from flash.model.endpoint import HTTP_METHODS, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["app_of", "discover"]

_ENDPOINT: Final = FlashName("Endpoint")
_REMOTE: Final = FlashName("remote")
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
    declared: list[Declared] = []
    for module in modules:
        declared += _Reader(module, modules).endpoints()
    if not declared:
        raise _nothing_found(root, ignored)
    owners = {function.key: function.name for endpoint in declared for function in endpoint.functions}
    return App(app_name, tuple(endpoint.finished(modules, owners) for endpoint in declared))


class _Reader:
    """Reads one module."""

    def __init__(self, module: Module, modules: Modules) -> None:
        self.module = module
        self.modules = modules

    def endpoints(self) -> list[Declared]:
        """What this module declares, in the order of its lines. Endpoints known by id only are not part of it."""
        declared: list[Declared] = []
        variables: dict[str, Declared] = {}
        for statement in self.module.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                declared += self._decorated(statement, variables)
            elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
                assigned = self._assigned(statement)
                if assigned is not None:
                    declared.append(assigned)
                    if assigned.variable is not None:
                        variables[assigned.variable] = assigned
        if "Endpoint" in self.module.source:
            # the walk costs as much as parsing, and few files have any
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

    def _assigned(self, statement: ast.Assign | ast.AnnAssign | ast.Expr) -> Declared | None:
        call = statement.value
        if not isinstance(call, ast.Call) or not self._is_endpoint(call.func):
            return None
        targets = [] if isinstance(statement, ast.Expr) else _targets(statement)
        variable = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None
        return Declared(self._endpoint(call), self.module, self._at(call), variable)

    def _decorated(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, variables: Mapping[str, Declared]
    ) -> Iterator[Declared]:
        uses = 0
        for decorator in node.decorator_list:
            found = FoundFunction(node, self.module, Location(self.module.path, node.lineno))
            if isinstance(decorator, ast.Call) and self._is_endpoint(decorator.func):
                declared = Declared(self._endpoint(decorator), self.module, self._at(decorator))
                declared.add_function(found)
                uses += 1
                yield declared
            elif self._is_endpoint(decorator):
                raise declaration_error(
                    f"@{ast.unparse(decorator)} on {node.name!r} is not called",
                    self._at(decorator),
                    hint=f'write @{ast.unparse(decorator)}(name="…")',
                )
            elif isinstance(decorator, ast.Name) and decorator.id in variables:
                variables[decorator.id].add_function(found)
                uses += 1
            else:
                self._refuse_older(decorator)
                self._refuse_foreign(node.name, decorator)
                uses += self._routed(found, decorator, variables)
        if uses > 1:
            raise declaration_error(
                f"{node.name!r} is decorated for {uses} endpoints or routes",
                Location(self.module.path, node.lineno),
                hint="a function has one endpoint and one route: write a second function that calls it",
            )

    def _routed(self, found: FoundFunction, decorator: ast.expr, variables: Mapping[str, Declared]) -> int:
        """1 if *decorator* makes *found* a route, else 0."""
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            return 0
        owner, method = decorator.func.value, decorator.func.attr.upper()
        if isinstance(owner, ast.Name) and owner.id in variables:
            if method not in HTTP_METHODS:
                raise declaration_error(
                    f"{ast.unparse(decorator.func)} is no route",
                    self._at(decorator),
                    hint=f"routes are {', '.join(name.lower() for name in HTTP_METHODS)}",
                )
            variables[owner.id].add_route(found, method, self._path(decorator))
            return 1
        return 0

    def _refuse_foreign(self, name: str, decorator: ast.expr) -> None:
        """An endpoint of another file: its manifest entry would depend on what that file is imported by."""
        parts = [decorator.func] if isinstance(decorator, ast.Call) else [decorator]
        parts += [part.value for part in parts if isinstance(part, ast.Attribute)]
        for part in parts:
            meaning = self.modules.meaning(self.module, part)
            if (
                isinstance(meaning, Value)
                and meaning.module is not self.module
                and _makes_endpoint(meaning, self.modules)
            ):
                raise DiscoveryError(
                    f"{name!r} is decorated with an Endpoint of {meaning.module.path}",
                    path=self.module.path,
                    line=decorator.lineno,
                    hint="decorate in the file that makes the endpoint; its functions may call those of other files",
                )

    def _refuse_older(self, decorator: ast.expr) -> None:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if self.modules.meaning(self.module, called) == _REMOTE:
            raise DiscoveryError(
                "@remote(resource_config=…) of older apps is not read",
                path=self.module.path,
                line=decorator.lineno,
                hint='write @Endpoint(name="…", gpu=GpuGroup.…), or cpu=… for a CPU endpoint',
            )

    def _path(self, decorator: ast.Call) -> Any:
        given = [*decorator.args, *(word.value for word in decorator.keywords if word.arg == "path")]
        if len(given) != 1 or len(decorator.args) + len(decorator.keywords) != 1:
            raise declaration_error(
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
        with located(self._at(call)):
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


def _is_endpoint(modules: Modules, module: Module, node: ast.expr) -> bool:
    return modules.meaning(module, node) == _ENDPOINT


def _makes_endpoint(value: Value, modules: Modules) -> bool:
    return isinstance(value.node, ast.Call) and _is_endpoint(modules, value.module, value.node.func)


def _mentions_flash(module: Module) -> bool:
    return any(name in module.source for name in FLASH_NAMES)


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


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
