"""The operations of an app, as its manifest has them: what can be called, and how. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flash.model.manifest import CallSchema, FunctionEntry, Manifest

__all__ = ["Operation", "operations_of"]

_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:[a-z]+)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that is called: a queue's function, a method of its class, or a route.

    Attributes:
        function: The function's or class's name.
        method: Of a class, else empty.
        verb: Of a route, else empty.
        path: Likewise.
        schema: What it takes and gives; None where the manifest does not say.
        is_stream: Whether it gives its result piece by piece. Of methods that is not known, and their types tell.
    """

    function: str
    method: str = ""
    verb: str = ""
    path: str = ""
    schema: CallSchema | None = None
    is_stream: bool = False

    @property
    def name(self) -> str:
        """As waivers and reports call it: the function, ``Class.method``, or the route ``POST /process``."""
        if self.path:
            return f"{self.verb} {self.path}"
        return f"{self.function}.{self.method}" if self.method else self.function

    @property
    def shape(self) -> str:
        """The path as HTTP sees it: what a part is called is nothing to callers."""
        return _PARAMETER.sub(lambda match: f"{{{match[2] or ''}}}", self.path)

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """The names of the parts of the path, in their order."""
        return tuple(match[1] for match in _PARAMETER.finditer(self.path))


def operations_of(manifest: Manifest, endpoint: str) -> tuple[Operation, ...]:
    """The operations of one endpoint, in the order of their declaration; an image of somebody else's has none."""
    resource = manifest.resources[endpoint]
    routes = {name: route for route, name in manifest.routes.get(endpoint, {}).items()}
    if resource.is_load_balanced:
        return tuple(_route(entry, routes) for entry in resource.functions)
    return tuple(one for entry in resource.functions for one in _jobs(entry))


def _jobs(entry: FunctionEntry) -> Iterator[Operation]:
    if not entry.is_class:
        yield Operation(function=entry.name, schema=entry.contract.get(""), is_stream=entry.is_generator)
        return
    for method in dict.fromkeys([*entry.class_methods, *filter(None, entry.contract)]):
        yield Operation(function=entry.name, method=method, schema=entry.contract.get(method))


def _route(entry: FunctionEntry, routes: Mapping[str, str]) -> Operation:
    verb, path = entry.http_method, entry.http_path
    if not verb or not path:
        # as older manifests have it
        verb, _, path = routes.get(entry.name, "").partition(" ")
    return Operation(
        function=entry.name,
        verb=verb.upper(),
        path=path,
        schema=entry.contract.get(""),
        is_stream=entry.is_generator,
    )
