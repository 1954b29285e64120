"""Which endpoints a project declares.

They are read from the source: the machine that builds needs none of the project's dependencies, and nothing that a
module does at import happens. Only a module whose declarations cannot be read, as its arguments are worked out when it
runs, is imported, in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.declared import check_served
from flash.bundle.evaluation import evaluate_modules
from flash.bundle.factories import Factories
from flash.bundle.merged import evaluated
from flash.bundle.modules import FLASH_NAMES, Modules, read_module, read_modules
from flash.bundle.parsing import content_of, uncollected
from flash.bundle.reader import Reader
from flash.bundle.sources import BUILT_IN, FLASHIGNORE, GITIGNORE, NEVER, TESTS
from flash.errors import BuildError, DeclarationError, DiscoveryError
from flash.model.app import App

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from flash.bundle.declared import Declared
    from flash.bundle.evaluation import Evaluate
    from flash.bundle.modules import Module

__all__ = ["app_of", "discover"]

_MOST_IGNORED: Final = 2000
_OLDEST: Final = "tetra_rp"


def discover(
    root: Path,
    files: Iterable[str],
    *,
    app_name: str,
    ignored: Mapping[str, str] | None = None,
    evaluate: Evaluate = evaluate_modules,
) -> App:
    """Read the endpoints that *files* of the project at *root* declare.

    Args:
        root: The project.
        files: What ships.
        app_name: Becomes the app's name.
        ignored: What does not ship, with the rule; named in the error if an endpoint is hidden there.
        evaluate: Imports modules that cannot be read, in a process of their own.

    Raises:
        BuildError: A top-level module takes Flash's own name.
        DiscoveryError: No endpoint, a syntax error, or a value that can neither be read nor worked out.
        DeclarationError: An endpoint's definition is wrong, or two share a name.
    """
    modules = read_modules(root, files)
    return app_of(modules, root, app_name=app_name, ignored=ignored or {}, evaluate=evaluate)


def app_of(
    modules: Modules,
    root: Path,
    *,
    app_name: str,
    ignored: Mapping[str, str],
    evaluate: Evaluate = evaluate_modules,
) -> App:
    """The same, of modules that are parsed already."""
    with uncollected():
        return _app_of(modules, root, app_name, ignored, evaluate)


def _app_of(modules: Modules, root: Path, app_name: str, ignored: Mapping[str, str], evaluate: Evaluate) -> App:
    declared: list[Declared] = []
    notes: list[str] = []
    factories = Factories(modules)
    readers = [Reader(module, modules, factories) for module in modules]
    for reader in readers:
        reader.read()
    unread = [reader.module for reader in readers if reader.unread]
    evaluations = evaluate(root, unread, modules) if unread else {}
    notes += _notes_on_notebooks(modules, root)
    for reader in readers:
        found = evaluated(reader, evaluations[reader.module.name]) if reader.unread else reader.declared
        check_served(found, reader.module)
        # endpoints known by id only are not part of the app
        declared += [endpoint for endpoint in found if endpoint.endpoint.spec.id is None]
        notes += reader.notes
    if not declared:
        raise _nothing_found(modules, root, ignored)
    owners = {function.key: function.name for endpoint in declared for function in endpoint.functions}
    return App(app_name, tuple(endpoint.finished(modules, owners) for endpoint in declared), tuple(notes))


def _notes_on_notebooks(modules: Modules, root: Path) -> Iterator[str]:
    for path in modules.notebooks:
        content = content_of(root, path)
        if b"Endpoint(" in content and any(f"{name} import".encode() in content for name in FLASH_NAMES):
            yield f"{path}: endpoints in a notebook are not read: write them into a module"


def _mentions_flash(module: Module) -> bool:
    return any(name in module.source for name in FLASH_NAMES)


def _nothing_found(modules: Modules, root: Path, ignored: Mapping[str, str]) -> DiscoveryError:
    message = "no endpoint found: no function is decorated with @Endpoint(...)"
    for module in modules:
        first = next((number for number, line in enumerate(module.source.splitlines(), 1) if _OLDEST in line), None)
        if first is not None:
            return DiscoveryError(
                f"no endpoint found: {_OLDEST} is what runpod_flash was called before",
                path=module.path,
                line=first,
                hint=f"import from runpod_flash instead of {_OLDEST}",
            )
    for path in _ignored_files(root, ignored):
        rule = next(rule for hidden, rule in ignored.items() if path == hidden or path.startswith(hidden))
        if _declares(root, path):
            overridden = f"if it should ship, write !/{path} into {FLASHIGNORE}, or change the rule"
            return DiscoveryError(
                f"{message}, except in {path}, which is hidden: {rule}",
                hint="move it to where it ships" if rule.startswith(NEVER) else overridden,
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
        elif hidden.endswith("/") and (rule.endswith((GITIGNORE, FLASHIGNORE)) or _holds_tests(hidden, rule)):
            found = sorted(file.relative_to(root).as_posix() for file in (root / hidden).rglob("*.py"))
        else:
            continue
        for path in found:
            count += 1
            if count > _MOST_IGNORED:
                return
            yield path


def _holds_tests(folder: str, rule: str) -> bool:
    """Whether it is one of the folders whose names say what is in them, and no environment or cache."""
    return rule == TESTS or (rule == BUILT_IN and folder.rstrip("/").rpartition("/")[2] == "tests")


def _declares(root: Path, path: str) -> bool:
    try:
        module = read_module(root, path)
        if not _mentions_flash(module):
            return False
        modules = Modules([module])
        reader = Reader(module, modules, Factories(modules))
        reader.read()
    except DeclarationError:
        return True
    except BuildError:
        # a file that cannot be read holds no endpoint that could have been found
        return False
    return bool(reader.declared or reader.unread)
