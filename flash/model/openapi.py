"""One OpenAPI 3.1 document for a whole app: what each endpoint accepts and answers, as HTTP clients see it.

A queue endpoint has ``POST …/runsync`` and ``/run``, which take ``{"input": …}``, and what follows a job; one that is
load-balanced has its routes. Where no URLs are known, paths begin with the endpoints' names. With URLs they are whole,
below one server wherever that can be: client generators know one base URL, and pass over servers of single paths.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from flash.errors import ManifestError
from flash.model.components import Components, Names
from flash.model.manifest import CallSchema, Manifest, Resource
from flash.model.openapi_parts import PARTS, answers
from flash.model.openapi_queue import Call, queue_paths
from flash.model.openapi_routes import Route, merged, shape

__all__ = ["OPENAPI_NAME", "openapi", "openapi_text"]

OPENAPI_NAME: Final = ".flash/openapi.json"
"""Where it lies in an artifact."""

_VERSION: Final = "3.1.1"
_UNPLACED: Final = (
    "No endpoint has a URL before it is deployed: here, paths begin with the endpoints' names. A local platform has a "
    "document with real paths at /flash/openapi.json."
)

Schema = dict[str, Any]
_Paths = Iterator[tuple[str, Schema]]


def openapi(
    manifest: Manifest, *, urls: Mapping[str, str] | None = None, endpoints: Collection[str] | None = None
) -> dict[str, Any]:
    """The document. The same manifest and URLs give the same one. It shares parts with the manifest: not to be changed.

    Args:
        manifest: What has no contract in it is described as taking and giving anything.
        urls: By endpoint, the URL that its paths are below. What has none is left out, unless there are no URLs at all.
        endpoints: Only these.

    Raises:
        ManifestError: Two endpoints with host names of their own have the same path, which no document has twice.
    """
    described = {
        name: resource
        for name, resource in manifest.resources.items()
        if resource.functions and (endpoints is None or name in endpoints) and (urls is None or name in urls)
    }
    components = Components(PARTS["schemas"])
    finishing = {name: _gathered(components, name, resource) for name, resource in described.items()}
    schemas = components.schemas()
    names = Names({*PARTS["schemas"], *schemas})
    places = {name: _Place.of(f"/{name}" if urls is None else urls[name]) for name in described}
    paths = _placed({name: finish(names) for name, finish in finishing.items()}, places)
    return {
        "openapi": _VERSION,
        "info": {
            "title": manifest.project_name or "app",
            "version": manifest.source_fingerprint[:12] or "0",
            **({"description": _UNPLACED} if urls is None else {}),
        },
        "servers": [{"url": _root(places) or "/"}],
        "security": [{"api_key": []}],
        "tags": [{"name": name, "description": _about(resource)} for name, resource in described.items()],
        "paths": paths,
        "components": {**PARTS, "schemas": dict(sorted({**PARTS["schemas"], **schemas, **names.schemas}.items()))},
    }


def openapi_text(document: Mapping[str, Any]) -> str:
    """A document as a file has it: on one line, as nobody reads thousands of endpoints, and indenting takes long."""
    return json.dumps(document, ensure_ascii=False, check_circular=False, separators=(",", ":")) + "\n"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an endpoint's paths are: below *path* at *origin*, which is empty where that is not known."""

    origin: str
    path: str

    @classmethod
    def of(cls, url: str) -> _Place:
        parts = urlsplit(url)
        return cls(f"{parts.scheme}://{parts.netloc}" if parts.netloc else "", parts.path.rstrip("/"))


def _root(places: Mapping[str, _Place]) -> str:
    """The origin of most endpoints; of the first one, where several have as many."""
    found = Counter(place.origin for place in places.values()).most_common(1)
    return found[0][0] if found else ""


def _placed(below: Mapping[str, _Paths], places: Mapping[str, _Place]) -> dict[str, Schema]:
    """All paths as the document has them."""
    root = _root(places)
    paths: dict[str, Schema] = {}
    owners: dict[str, str] = {}
    for name, items in below.items():
        place = places[name]
        for path, item in items:
            full = f"{place.path}{path}"
            other = owners.setdefault(shape(full), name)
            if full in paths or other != name:
                raise ManifestError(
                    f"endpoints {other!r} and {name!r} both have the path {full!r}, at host names of their own:"
                    " no document has a path twice",
                    hint="ask for a document of one of them",
                )
            paths[full] = item if place.origin == root else {"servers": [{"url": place.origin}], **item}
    return paths


def _gathered(components: Components, name: str, resource: Resource) -> Callable[[Names], _Paths]:
    """Gathers the schemas of an endpoint; what it returns gives the paths, once all have been gathered."""
    if resource.is_load_balanced:
        routes = [
            Route.of(components, entry, entry.contract.get("") or CallSchema(error="its schema is not known"))
            for entry in resource.functions
            if entry.http_method and entry.http_path
        ]
        return lambda names: _routes(names, name, routes)
    calls = []
    for entry in resource.functions:
        methods = list(entry.contract) or (entry.class_methods if entry.is_class else [""])
        calls += [Call.of(components, entry, method, is_only=len(methods) == 1) for method in methods]
    return lambda names: queue_paths(names, name, resource.functions[0].name, calls)


def _routes(names: Names, endpoint: str, routes: list[Route]) -> _Paths:
    items: dict[str, Schema] = {}
    known: dict[str, str] = {}
    for route in routes:
        path, renamed = merged(route.path, known)
        known[shape(path)] = path
        said = route.finish()
        for parameter in said.get("parameters", ()):
            if parameter["in"] == "path":
                parameter["name"] = renamed.get(parameter["name"], parameter["name"])
        operation = {"operationId": names.operation(endpoint, route.name), "tags": [endpoint], **said}
        items.setdefault(path, {})[route.verb] = operation
    if "/ping" not in items:
        items["/ping"] = {
            "get": {
                "operationId": names.operation(endpoint, "ping"),
                "tags": [endpoint],
                "summary": "Whether there is a worker",
                "responses": answers("200 401 404 502 503 504", routed=True),
            }
        }
    yield from items.items()


def _about(resource: Resource) -> str:
    kind = "Load-balanced" if resource.is_load_balanced else "Queue"
    return f"{kind} endpoint on {resource.gpu_ids or 'CPUs'}."
