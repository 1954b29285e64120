"""Finding what an artifact holds: its manifest, its handler files, the user's functions."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import flash
from flash.errors import ManifestError
from flash.model.endpoint import bound
from flash.model.manifest import MANIFEST_NAME, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["HANDLER_MODULE", "artifact_manifest", "artifact_root", "handler_path", "load_file", "original"]

HANDLER_MODULE: Final = "flash_handler"
"""What a handler file is imported as: an endpoint's name need not be an identifier."""


def artifact_root() -> Path:
    """The folder of the unpacked artifact: where the package ``flash`` lies, or the working directory."""
    beside = Path(flash.__file__).resolve().parent.parent
    return beside if (beside / MANIFEST_NAME).is_file() else Path.cwd()


def artifact_manifest() -> Manifest:
    """The manifest that was packed into the artifact.

    Raises:
        ManifestError: There is none, or it cannot be read.
    """
    return Manifest.read(artifact_root() / MANIFEST_NAME)


def handler_path(root: Path, endpoint: str, manifest: Manifest | None = None) -> Path:
    """The handler file of an endpoint.

    Raises:
        ManifestError: There is no such file in the artifact.
    """
    resource = None if manifest is None else manifest.resources.get(endpoint)
    named = None if resource is None else resource.handler_file
    path = (root / (named or f"handler_{endpoint}.py")).resolve()
    if path.parent != root.resolve() or not path.is_file():
        raise ManifestError(
            f"the artifact has no handler for endpoint {endpoint!r}: {path.name} is not in {root}",
            hint="FLASH_RESOURCE_NAME is the endpoint's name, spelled as in the manifest",
        )
    return path


def load_file(path: Path) -> ModuleType:
    """Run a handler file once per process, whatever its name; the running program itself is not run again."""
    for name in ("__main__", HANDLER_MODULE):
        loaded = sys.modules.get(name)
        started = getattr(loaded, "__file__", None)
        if loaded is not None and started is not None and Path(started).resolve() == path.resolve():
            return loaded
    spec = importlib.util.spec_from_file_location(HANDLER_MODULE, path)
    if spec is None or spec.loader is None:
        raise ManifestError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[HANDLER_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[HANDLER_MODULE]
        raise
    return module


def original(module: str, function: str) -> Any:
    """The user's function or class, without what the decorator put around it.

    Raises:
        ManifestError: The module has no such name.
        Exception: Whatever importing the user's module raises.
    """
    with _outside_loop():
        found = importlib.import_module(module)
    try:
        decorated = getattr(found, function)
    except AttributeError as error:
        raise ManifestError(
            f"module {module!r} has no {function!r}, which the manifest says it has",
            hint="build the artifact again",
        ) from error
    mark = bound(decorated)
    return decorated if mark is None else mark.function


@contextmanager
def _outside_loop() -> Iterator[None]:
    """Let the block run as if no event loop did: uvicorn imports applications in its own, and a module may run another.

    ``asyncio.run(...)`` at the top of a module works where the module is built, and where a queue worker imports it.
    """
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)
