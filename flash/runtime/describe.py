"""What each function accepts and returns: ``python -m flash.runtime.describe OUT.json [endpoint ...]``.

Runs in the staged tree, before it is packed, in the base environment of the target Python. It imports the user's
modules and reads signatures; it constructs no class, serves nothing and calls nothing. What cannot be imported here but
perhaps by a worker, as a library that only the image has, is reported as untyped with the reason; what could never be
served is a failure.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash.errors import BuildError, FlashError, ManifestError
from flash.model.manifest import CallSchema
from flash.model.schema import call_schema
from flash.model.signature import public_methods
from flash.runtime import loading
from flash.runtime.excuses import failure, has_excuse
from flash.runtime.job import described

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from flash.model.manifest import FunctionEntry, Manifest, Resource

__all__ = ["describe", "main"]

# longer than anybody waits for it: who started it may be gone, and a module may never end
_END_S: Final = 300.0
_SOURCE_FOLDER: Final = "src"
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_TRUNC


def describe(manifest: Manifest, endpoints: Collection[str] = ()) -> dict[str, dict[str, dict[str, CallSchema]]]:
    """The schemas of every function: endpoint, function, method, where the method of a function is ``""``.

    Args:
        manifest: What there is to describe.
        endpoints: Only these; all by default.

    Raises:
        BuildError: A module raises when it is imported, and would in a worker.
    """
    return {
        name: {entry.name: _entry_schemas(name, entry, resource, manifest) for entry in resource.functions}
        for name, resource in manifest.resources.items()
        if not endpoints or name in endpoints
    }


def main(end_s: float = _END_S) -> None:
    """Describe the tree in the working directory and write the file that the first argument names.

    It holds ``{"endpoints": …}``, or ``{"failure": …}`` with the attributes of an error.

    Args:
        end_s: Seconds after which the process ends, whatever it does.
    """
    faulthandler.dump_traceback_later(end_s, exit=True)
    out, *endpoints = sys.argv[1:]
    root = loading.artifact_root()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    manifest = loading.artifact_manifest()
    if any(_lies_in_source_folder(root, module) for module in _top_level(manifest)):
        # last, as handlers put it
        sys.path.append(str(root / _SOURCE_FOLDER))
    sys.addaudithook(_copying_before_writing(root))
    import flash.alias

    flash.alias.take_over()
    target = Path(out)
    part = target.with_name(f"{target.name}.part")
    part.write_text(json.dumps(_data(manifest, endpoints), ensure_ascii=False), encoding="utf-8")
    part.replace(target)


def _copying_before_writing(root: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook: files of the tree may be links to the user's own, which importing a module does not change."""
    inside = f"{root.resolve()}{os.sep}"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
        given = arguments[0] if opens or event in {"os.chmod", "os.truncate", "os.utime"} else None
        if not isinstance(given, (str, bytes, os.PathLike)):
            return
        path = Path(os.path.realpath(os.fsdecode(given)))
        if str(path).startswith(inside) and path.is_file() and path.stat().st_nlink > 1:
            copied = path.with_name(f"{path.name}.copied")
            shutil.copy2(path, copied)
            copied.replace(path)

    return hook


def _top_level(manifest: Manifest) -> set[str]:
    """The first parts of the names of all modules with endpoints."""
    return {entry.module.partition(".")[0] for resource in manifest.resources.values() for entry in resource.functions}


def _lies_in_source_folder(root: Path, first: str) -> bool:
    """Whether a top-level module is imported from ``src`` instead of from the root."""

    def is_in(folder: Path) -> bool:
        return (folder / first).is_dir() or (folder / f"{first}.py").is_file()

    return not is_in(root) and is_in(root / _SOURCE_FOLDER)


def _data(manifest: Manifest, endpoints: Collection[str]) -> dict[str, Any]:
    try:
        schemas = describe(manifest, endpoints)
    except BuildError as error:
        told = {name: getattr(error, name) for name in ("message", "hint", "path", "line", "detail")}
        return {"failure": told}
    return {
        "endpoints": {
            endpoint: {
                function: {
                    method: schema.model_dump(mode="json", by_alias=True, exclude_none=True)
                    for method, schema in methods.items()
                }
                for function, methods in functions.items()
            }
            for endpoint, functions in schemas.items()
        }
    }


def _entry_schemas(
    endpoint: str, entry: FunctionEntry, resource: Resource, manifest: Manifest
) -> dict[str, CallSchema]:
    try:
        target = loading.original(entry.module, entry.name)
        functions = public_methods(target) if isinstance(target, type) else {"": target}
    except ManifestError as error:
        return {name: CallSchema(error=f"untyped: {error.message}") for name in entry.class_methods or [""]}
    # one that exits ends this too: it could never serve
    except Exception as error:  # why: importing the user's module may raise anything
        if not has_excuse(error, resource, manifest):
            raise failure(endpoint, error, loading.artifact_root()) from error
        return {name: CallSchema(error=f"untyped: {described(error)}") for name in entry.class_methods or [""]}
    schemas: dict[str, CallSchema] = {}
    for name, function in functions.items():
        try:
            schemas[name] = call_schema(function)
        except FlashError as error:  # noqa: PERF203  each function fails on its own
            schemas[name] = CallSchema(error=f"untyped: {error.message}")
    return schemas


if __name__ == "__main__":
    main()
