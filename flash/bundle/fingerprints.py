"""What an endpoint is made of, as one number: a deployment leaves alone what has the same.

It may change too often, never too seldom: what cannot be told to be nobody's business is everybody's.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flash.bundle.handlers import handler_name
from flash.bundle.requirements import REQUIREMENTS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.bundle.layers import Member
    from flash.bundle.modules import Modules
    from flash.model.app import App, DeclaredEndpoint

__all__ = ["endpoint_fingerprints", "source_fingerprint"]


def source_fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """The sha256 over paths and content digests of the project's own files."""
    return _sha256(part.encode("utf-8") for file in sorted(files) for part in file)


def endpoint_fingerprints(
    app: App,
    modules: Modules,
    *,
    own: Mapping[str, Member],
    files: Mapping[str, str],
    distributions: Mapping[str, Iterable[str]],
    contents: Mapping[str, str],
    python_version: str,
) -> dict[str, str]:
    """By endpoint, the sha256 over everything that its workers may run or read.

    That is its handler, the modules that it imports of the project, all files of the project that are no modules, the
    distributions that it may load, and Flash's own part. A module that imports what cannot be read in it may import
    every module and every distribution.

    Args:
        app: What is declared.
        modules: The project's.
        own: What the artifact holds besides distributions, by path.
        files: The project's own, with the digests of their contents.
        distributions: By endpoint, the files of the distributions that it may load.
        contents: By path, what tells the content of a distribution's file.
        python_version: The workers'.
    """
    by_path = {module.path for module in modules}
    runtime = sorted(path for path in own if path.startswith("flash/"))
    others = sorted(path for path in files if path not in by_path and path != REQUIREMENTS_NAME)
    shared = _sha256(
        (
            python_version.encode(),
            *(part for path in runtime for part in (path.encode(), _content(own[path]))),
            *(part.encode("utf-8") for path in others for part in (path, files[path])),
        )
    )
    # endpoints of one module have the same, and so have those that need the same distributions
    of_modules: dict[tuple[str, ...], bytes] = {}
    of_distributions: dict[tuple[str, ...], bytes] = {}

    def of(endpoint: DeclaredEndpoint) -> str:
        imported = modules.closure(function.module for function in endpoint.functions)
        is_open = not endpoint.functions or any(module.is_dynamic for module in imported)
        paths = tuple(sorted(by_path if is_open else {module.path for module in imported}))
        if paths not in of_modules:
            of_modules[paths] = _digest(part for path in paths for part in (path, files.get(path, "")))
        loaded = tuple(sorted(contents if is_open else distributions.get(endpoint.name, ())))
        if loaded not in of_distributions:
            of_distributions[loaded] = _digest(part for path in loaded for part in (path, contents.get(path, "")))
        handler = own.get(handler_name(endpoint.name))
        return _sha256(
            (
                shared.encode(),
                b"" if handler is None else _content(handler),
                of_modules[paths],
                of_distributions[loaded],
            )
        )

    return {endpoint.name: of(endpoint) for endpoint in app}


def _content(member: Member) -> bytes:
    """Of what is generated, or our own: it is small, and in memory."""
    return member.content if isinstance(member.content, bytes) else member.content.read_bytes()


def _digest(parts: Iterable[str]) -> bytes:
    return _sha256(part.encode("utf-8", "surrogateescape") for part in parts).encode()


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
