"""Whether a module that cannot be imported where an artifact is built may be imported by a worker.

A worker has what a build has not: what its image ships and what was excluded from the artifact, a GPU, volumes, a
network of its own, the variables of its platform. Everything else would happen there too, and is told at once.
"""

from __future__ import annotations

import sys
import traceback
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.errors import BuildError
from flash.model.hardware import AUTO_EXCLUDED, IMAGE_DISTRIBUTIONS, provided_by_image
from flash.runtime.job import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.model.manifest import Manifest, Resource

__all__ = ["failure", "has_excuse"]

_SHIPPED: Final = frozenset(
    name.replace("-", "_") for name in (*AUTO_EXCLUDED, *provided_by_image(is_gpu=True), *IMAGE_DISTRIBUTIONS)
)
"""Modules that images ship, which are called as their distributions are."""

_DRIVEN: Final = frozenset(
    {
        *("bitsandbytes", "ctranslate2", "cupy", "jax", "llama_cpp", "numba", "onnxruntime", "paddle", "pycuda"),
        *("pynvml", "tensorflow", "tensorrt", "torch", "triton", "vllm"),
    }
)
"""Modules that ask for a GPU's driver, often as they are imported."""

_OF_A_WORKER: Final = ("FLASH_", "RUNPOD_")


def has_excuse(error: Exception, resource: Resource, manifest: Manifest) -> bool:
    """Whether importing a module of *resource* may raise *error* here and not in a worker."""
    if isinstance(error, ModuleNotFoundError):
        return _may_be_shipped(error.name or "", manifest)
    if isinstance(error, ImportError):
        # a name that a Python module lacks; else a shared library, or a library that misses another one
        return error.path is None or not error.path.endswith(".py")
    if isinstance(error, (SyntaxError, NameError)):
        return False
    if any(isinstance(each, (OSError, MemoryError)) for each in _chain(error)):
        return True
    if isinstance(error, KeyError) and str(error.args[0] if error.args else "").startswith(_OF_A_WORKER):
        return True
    return resource.is_gpu and not _DRIVEN.isdisjoint(sys.modules)


def failure(endpoint: str, error: Exception, root: Path) -> BuildError:
    """What to tell of an *error* without excuse, with the innermost place in the project's own files."""
    path, line = _place(error, root)
    return BuildError(
        f"endpoint {endpoint!r} cannot be imported: {described(error)}".replace(f"{root}/", ""),
        path=path,
        line=line,
        hint=_hint(error),
        detail=_shown(error, root) if error.__traceback__ is not None else "",
    )


def _may_be_shipped(module: str, manifest: Manifest) -> bool:
    # a distribution that the user has excluded may have modules of any name
    by_user = manifest.excluded.keys() - AUTO_EXCLUDED.keys() - provided_by_image(is_gpu=True)
    return module.partition(".")[0] in _SHIPPED or bool(by_user)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _hint(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            "list what has it in dependencies=[…], and import it inside the endpoint function; "
            "if it is a module of the project, see what hides it (flash inspect)"
        )
    if isinstance(error, (ImportError, SyntaxError, NameError)):
        return "correct it; a worker would raise it too"
    return (
        "a worker would raise it too: correct it, declare in env={…} what it needs, or move the work into the function"
    )


def _place(error: Exception, root: Path) -> tuple[str | None, int | None]:
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    foreign = {"flash", *packages_distributions()}
    for filename, line in reversed(places):
        file = Path(filename)
        if not file.is_relative_to(root):
            continue
        within = file.relative_to(root)
        if within.parts[0].removesuffix(".py") not in foreign:
            return within.as_posix(), line
    return None, None


def _shown(error: Exception, root: Path) -> str:
    """The traceback from the project's first frame on, with paths as the user writes them."""
    ours, trace = root / "flash", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(root) and not file.is_relative_to(ours):
            break
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return "".join(lines).rstrip().replace(f"{root}/", "")
