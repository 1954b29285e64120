"""A deployment as its users see it: what is live where, and how to call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.cloud.address import PlatformAddress
    from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource

__all__ = ["DeployedEndpoint", "Deployment", "deployed_endpoints", "is_deployable", "tried_route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedEndpoint:
    """An endpoint that is live.

    Attributes:
        routes: ``POST /process``, in the order of definition; none for a queue.
        example: What *Try it* sends: a job (``{"input": …}``) for a queue; the arguments of ``tried_route`` for a
            load-balanced endpoint. None where no valid example is known.
    """

    name: str
    kind: Literal["queue", "load-balanced"]
    id: str
    url: str
    routes: tuple[str, ...] = ()
    example: Any = None

    def as_json(self) -> dict[str, Any]:
        """As JSON: ``{"name": str, "kind": str, "id": str, "url": str, "routes": [str], "example": any}``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "id": self.id,
            "url": self.url,
            "routes": list(self.routes),
            "example": self.example,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An artifact that was made live, and what is needed to keep it or to put back what was there before.

    Attributes:
        digest: The artifact's.
        previous_build_id: The build that was live before, or None at a first deployment.
        previous: Its artifact's digest, where it is known.
        endpoints: In the order of the manifest.
        staged: Ids by name of the endpoints that got a new version; those that it kept are not among them.
        created: Names among them that were not there before.
        removed: Ids by name of the endpoints that are live still, and go when the deployment is kept.
        is_new_environment: Whether it made the environment.
        run: The journal's name for it; empty where nothing had to be done.
        manifest: The build's, as the platform has it.
        object_key: What the platform made the build of, where that is known.
    """

    app: str
    environment: str
    environment_id: str
    digest: str
    build_id: str
    previous_build_id: str | None
    previous: str | None
    endpoints: tuple[DeployedEndpoint, ...]
    staged: Mapping[str, str]
    created: frozenset[str]
    removed: Mapping[str, str]
    is_new_environment: bool
    run: str
    manifest: Manifest | None = None
    object_key: str | None = None


def is_deployable(resource: Resource) -> bool:
    """Whether the platform is to run it: not an endpoint that is called by the id that it has elsewhere."""
    return not resource.client_mode or bool(resource.image_name)


def deployed_endpoints(
    manifest: Manifest, ids: Mapping[str, str], address: PlatformAddress
) -> tuple[DeployedEndpoint, ...]:
    """The endpoints of a manifest as users call them; those without an id are left out."""
    return tuple(
        _deployed_endpoint(name, resource, tuple(manifest.routes.get(name, {})), ids[name], address)
        for name, resource in manifest.resources.items()
        if name in ids
    )


def tried_route(routes: Iterable[str]) -> str | None:
    """The route that *Try it* shows: the first POST, else the first with a body, else the first."""
    known = list(routes)
    for methods in ({"POST"}, {"PUT", "PATCH"}):
        for route in known:
            if route.partition(" ")[0] in methods:
                return route
    return known[0] if known else None


def _deployed_endpoint(
    name: str, resource: Resource, routes: tuple[str, ...], endpoint_id: str, address: PlatformAddress
) -> DeployedEndpoint:
    is_load_balanced = resource.is_load_balanced
    return DeployedEndpoint(
        name=name,
        kind="load-balanced" if is_load_balanced else "queue",
        id=endpoint_id,
        url=address.endpoint_url(endpoint_id, is_load_balanced=is_load_balanced),
        routes=routes,
        example=_arguments(resource, routes) if is_load_balanced else _job(resource),
    )


def _job(resource: Resource) -> Any:
    if not resource.functions:
        return {"input": {}}
    entry = resource.functions[0]
    method = entry.class_methods[0] if entry.is_class and entry.class_methods else ""
    schema = entry.contract.get(method)
    example = None if schema is None else schema.example
    if not isinstance(example, dict):
        # nothing is known of it; the page's own example is as good as any
        example = {} if example is None else example
    elif len(entry.class_methods) > 1:
        example = {"method": method, **example}
    return {"input": example}


def _arguments(resource: Resource, routes: tuple[str, ...]) -> Any:
    tried = tried_route(routes)
    for entry in resource.functions:
        if f"{entry.http_method} {entry.http_path}" == tried:
            return _route_example(entry)
    return None


def _route_example(entry: FunctionEntry) -> Any:
    schema = entry.contract.get("")
    if schema is None:
        return None
    # the page's own body, where it is valid: it shows more than an empty one
    if schema.example == {} and (schema.parameter == "input" or _takes_anything(schema)):
        return {"input": {}}
    return schema.example


def _takes_anything(schema: CallSchema) -> bool:
    known = schema.input or {}
    is_open = known.get("additionalProperties", True) is True
    return known.get("type") == "object" and not known.get("properties") and is_open
