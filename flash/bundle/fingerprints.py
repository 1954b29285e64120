"""What an endpoint is made of, as one number: a deployment leaves alone what has the same.

It may change too often, never too seldom: what cannot be told to be nobody's business is everybody's.
"""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING, Final

from flash.bundle import archive
from flash.bundle.handlers import handler_name
from flash.bundle.requirements import REQUIREMENTS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from flash.bundle.modules import Modules
    from flash.model.app import App, DeclaredEndpoint

__all__ = ["endpoint_fingerprints", "source_fingerprint"]

_DYNAMIC: Final = frozenset(
    {
        "__import__",
        "eval",
        "exec",
        "import_module",
        "iter_modules",
        "load_module",
        "run_module",
        "run_path",
        "spec_from_file_location",
        "walk_packages",
    }
)
"""Names by which a module reaches others that cannot be read in it."""


def source_fingerprint(folder: Path, files: Iterable[str]) -> str:
    """The sha256 over names and contents of the project's own files.

    Each is preceded by its length in eight bytes, big-endian. Source: platform contract §4.6.
    """
    return _sha256(part for path in files for part in (path.encode("utf-8"), (folder / path).read_bytes()))


def endpoint_fingerprints(
    app: App,
    modules: Modules,
    *,
    files: Iterable[str],
    staging: Path,
    distributions: Mapping[str, str],
    python_version: str,
) -> dict[str, str]:
    """By endpoint, the sha256 over everything that its workers may run or read.

    That is its handler, the modules that it imports of the project, all files of the project that are no modules, every
    distribution, and Flash's own part. A module that imports what cannot be read in it may import every module.

    Args:
        app: What is declared.
        modules: The project's.
        files: The project's own, relative to it.
        staging: The tree that will be packed, with all but the manifest and the distributions.
        distributions: By path, what tells the content of each of their files.
        python_version: The workers'.
    """
    by_path = {module.path: module for module in modules}
    dynamic = {module.path for module in by_path.values() if _is_dynamic(module.tree)}
    contents = {path: hashlib.sha256((staging / path).read_bytes()).digest() for path in files}
    shared = _sha256(_shared(staging, distributions, python_version))

    def of(endpoint: DeclaredEndpoint) -> str:
        imported = {module.path for module in modules.closure(function.module for function in endpoint.functions)}
        if not endpoint.functions or not imported.isdisjoint(dynamic):
            imported = set(by_path)
        handler = staging / handler_name(endpoint.name)
        parts = [shared.encode(), handler.read_bytes() if handler.exists() else b""]
        for path, digest in contents.items():
            if path in imported or path not in by_path:
                parts += [path.encode("utf-8"), digest]
        return _sha256(parts)

    return {endpoint.name: of(endpoint) for endpoint in app}


def _shared(staging: Path, distributions: Mapping[str, str], python_version: str) -> Iterable[bytes]:
    """What every worker has: the interpreter, Flash's own part, and the distributions."""
    yield python_version.encode()
    yield (staging / REQUIREMENTS_NAME).read_bytes()
    for path in archive.members(staging / "flash"):
        yield path.encode("utf-8")
        yield (staging / "flash" / path).read_bytes()
    for path, identity in sorted(distributions.items()):
        yield path.encode("utf-8")
        yield identity.encode()


def _is_dynamic(tree: ast.Module) -> bool:
    return any(_last_name(node) in _DYNAMIC for node in ast.walk(tree))


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.alias):
        return node.name
    return node.attr if isinstance(node, ast.Attribute) else ""


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
