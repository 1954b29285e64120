"""What each function accepts and returns: ``python -m flash.runtime.describe OUT.json [endpoint ...]``.

Runs in the staged tree, before it is packed, in the base environment of the target Python. It imports the user's
modules and reads signatures; it constructs no class, serves nothing and calls nothing. What cannot be imported here, as
a library that only the image has, is reported as untyped with the reason: describing never fails a build.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.errors import FlashError
from flash.model.manifest import CallSchema
from flash.model.schema import call_schema
from flash.model.signature import public_methods
from flash.runtime import loading
from flash.runtime.job import described

if TYPE_CHECKING:
    from collections.abc import Collection

    from flash.model.manifest import FunctionEntry, Manifest

__all__ = ["describe", "main"]

# longer than anybody waits for it: who started it may be gone, and a module may never end
_END_S: Final = 300.0


def describe(manifest: Manifest, endpoints: Collection[str] = ()) -> dict[str, dict[str, dict[str, CallSchema]]]:
    """The schemas of every function: endpoint, function, method, where the method of a function is ``""``.

    Args:
        manifest: What there is to describe.
        endpoints: Only these; all by default.
    """
    return {
        name: {entry.name: _entry_schemas(entry) for entry in resource.functions}
        for name, resource in manifest.resources.items()
        if not endpoints or name in endpoints
    }


def main(end_s: float = _END_S) -> None:
    """Describe the tree in the working directory and write the file that the first argument names.

    Args:
        end_s: Seconds after which the process ends, whatever it does.
    """
    faulthandler.dump_traceback_later(end_s, exit=True)
    out, *endpoints = sys.argv[1:]
    root = str(loading.artifact_root())
    if root not in sys.path:
        sys.path.insert(0, root)
    import flash.alias

    flash.alias.take_over()
    schemas = describe(loading.artifact_manifest(), endpoints)
    data = {
        endpoint: {
            function: {
                method: schema.model_dump(mode="json", by_alias=True, exclude_none=True)
                for method, schema in methods.items()
            }
            for function, methods in functions.items()
        }
        for endpoint, functions in schemas.items()
    }
    target = Path(out)
    part = target.with_name(f"{target.name}.part")
    part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(target)


def _entry_schemas(entry: FunctionEntry) -> dict[str, CallSchema]:
    try:
        target = loading.original(entry.module, entry.name)
        functions = public_methods(target) if isinstance(target, type) else {"": target}
    # one that exits ends this too: it could never serve
    except Exception as error:  # noqa: BLE001  # why: importing the user's module may raise anything
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
