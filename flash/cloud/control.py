"""What a deployment needs of a platform, as one protocol, and the records that it speaks in.

``flash.cloud.client.PlatformClient`` implements it over Runpod's GraphQL; another back end can follow. Queries are
tried again when the platform is passing through a bad moment. A mutation whose answer is not known is never just
repeated: the platform is looked at first, and what has happened is taken for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flash.cloud.address import PlatformAddress
    from flash.cloud.workers import WorkerView
    from flash.model.manifest import Manifest

__all__ = [
    "AppRecord",
    "BuildRecord",
    "ControlPlane",
    "EndpointRecord",
    "EndpointSettings",
    "EnvironmentRecord",
    "HealthRecord",
    "LeaseGrant",
    "LeaseRecord",
    "LiveEnvironment",
    "LoginRecord",
    "TemplateRecord",
    "VersionRecord",
    "VersionState",
]

VersionState = Literal["STAGED", "ACTIVE", "PREVIOUS"]


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """An environment as its app lists it.

    Attributes:
        created_at: The platform's time, ISO-8601; empty where it does not say.
        endpoints: Ids by name, where they were asked for.
    """

    id: str
    name: str
    active_build_id: str | None
    created_at: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppRecord:
    """An app and its environments.

    Attributes:
        builds: How many there are, where they were asked for.
    """

    id: str
    name: str
    environments: tuple[EnvironmentRecord, ...] = ()
    builds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """A build of an app: an artifact that the platform has, with a manifest.

    Attributes:
        object_key: What further builds can be made of.
        created_at: The platform's time, ISO-8601.
        manifest: None where there is none, or none that can be read.
    """

    id: str
    object_key: str
    created_at: str
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """An endpoint as the platform made it.

    Attributes:
        template_id: Of the template that it runs with, where the platform says.
    """

    id: str
    name: str
    template_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """What an update of an endpoint has to repeat.

    Attributes:
        kept: In the wire's spelling.
        has_workers: Whether it may have any.
    """

    id: str
    environment_id: str | None
    kept: Mapping[str, Any]
    has_workers: bool


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """A template.

    Attributes:
        given: What ``saveTemplate`` takes to leave it as it is, in the wire's spelling.
    """

    id: str
    given: Mapping[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables."""
        return {entry["key"]: entry["value"] for entry in self.given["env"]}


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A request for a key.

    Attributes:
        status: ``PENDING``, ``APPROVED``, ``CONSUMED``, ``DENIED`` or ``EXPIRED``; others may come.
        expires_at: ISO-8601, by the platform's clock, or None.
    """

    id: str
    status: str
    expires_at: str | None
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version of an endpoint, on a platform that stages versions.

    Attributes:
        workers: How many run.
        failure: Why it will not become healthy, else None.
        log_tail: The end of the log of the worker that failed, otherwise of the one started last.
    """

    build_id: str | None
    state: VersionState
    is_healthy: bool
    workers: int
    failure: str | None = None
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRecord:
    """What an endpoint has to do, and who does it; counts."""

    in_queue: int = 0
    in_progress: int = 0
    idle: int = 0
    initializing: int = 0
    ready: int = 0
    running: int = 0
    throttled: int = 0
    unhealthy: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether no job waits or is being worked on."""
        return self.in_queue == 0 and self.in_progress == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """Who deploys to an environment now. Only on platforms with leases.

    Attributes:
        id: Shown with every mutation; empty unless it is ours.
        holder: The run that holds it.
        who: That run in words.
        since: The platform's time, ISO-8601.
        expires_in_s: Until it ends by itself, on the platform's own clock: ours may be wrong.
    """

    id: str
    holder: str
    who: str
    since: str
    expires_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGrant:
    """The answer to who wants to deploy to an environment.

    Attributes:
        lease: The one that was granted, or the one that stands in the way.
        active_build_id: What was live at that moment.
    """

    is_granted: bool
    lease: LeaseRecord
    active_build_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEnvironment:
    """An environment as it is on the platform now.

    Attributes:
        active_build_id: None before the first deployment.
        manifest: The active build's, with the digest of its artifact where Flash deployed it. None where there is no
            active build, and where its manifest cannot be read.
        endpoints: Ids by name.
        problem: Why the manifest of the active build cannot be read.
        siblings: The app's other environments.
    """

    id: str
    name: str
    app_id: str
    active_build_id: str | None
    manifest: Manifest | None
    endpoints: Mapping[str, str]
    problem: str = ""
    siblings: tuple[EnvironmentRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """An app and one of its environments, in one look; either may be missing."""

    app: AppRecord | None
    live: LiveEnvironment | None


class ControlPlane(Protocol):
    """A platform's control plane, as far as deployments need it. Everything raises ``PlatformError``."""

    @property
    def address(self) -> PlatformAddress:
        """Where it is, and the key."""
        ...

    @property
    def workers(self) -> WorkerView:
        """What is asked beside GraphQL."""
        ...

    # -- apps and environments

    def find_app(self, name: str) -> AppRecord | None:
        """The app of that name with its environments and their endpoints, or None."""
        ...

    def create_app(self, name: str) -> AppRecord:
        """Make an app."""
        ...

    def look(self, app_name: str, environment_name: str) -> Look:
        """The app, and the environment with what is live in it."""
        ...

    def environment(self, app_name: str, environment_name: str) -> LiveEnvironment | None:
        """The environment with what is live in it, or None where app or environment are not there."""
        ...

    def create_environment(self, app_id: str, name: str) -> EnvironmentRecord:
        """Make an environment, with nothing in it."""
        ...

    def delete_environment(self, environment_id: str) -> None:
        """Delete an environment whose endpoints are gone. None is fine too."""
        ...

    # -- builds

    def upload(self, app_id: str, path: Path, report: Callable[[str], None]) -> str:
        """Upload an artifact; returns the object key under which builds can be made of it."""
        ...

    def finalize(self, app_id: str, object_key: str, manifest: Mapping[str, Any]) -> str:
        """Make a build of an upload and a manifest; returns the build's id.

        Raises:
            NotFound: The platform has no such upload any more.
        """
        ...

    def builds(self, app_id: str) -> tuple[BuildRecord, ...]:
        """All builds of an app, the newest first."""
        ...

    def build(self, build_id: str) -> BuildRecord | None:
        """One build, or None where it is not there."""
        ...

    def build_manifest(self, build_id: str) -> Manifest | None:
        """A build's manifest, or None where there is no such build, or it has none."""
        ...

    def update_build_manifest(self, build_id: str, manifest: Mapping[str, Any]) -> None:
        """Replace a build's manifest, all of it."""
        ...

    def activate(self, environment_id: str, build_id: str) -> None:
        """Make a build the active one; all versions staged of it go live together."""
        ...

    # -- endpoints

    def save_endpoint(self, endpoint_input: Mapping[str, Any]) -> EndpointRecord:
        """Create an endpoint, or, with an ``id`` in its input, update it."""
        ...

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint. One that is gone is fine too."""
        ...

    def endpoint_settings(self, endpoint_id: str) -> EndpointSettings | None:
        """What an update of the endpoint has to repeat, or None where it is gone."""
        ...

    def template(self, template_id: str) -> TemplateRecord | None:
        """A template, or None where there is none."""
        ...

    def save_template(self, given: Mapping[str, Any]) -> None:
        """Replace a template; the workers of the endpoints that use it are replaced, one after the other."""
        ...

    def health(self, endpoint_id: str) -> HealthRecord:
        """What a queue endpoint has to do, and who does it."""
        ...

    # -- extensions, only on platforms that have them

    def versions(self, endpoint_id: str) -> list[VersionRecord]:
        """The staged, active and replaced versions of an endpoint."""
        ...

    def environment_versions(self, environment_id: str) -> Mapping[str, tuple[VersionRecord, ...]]:
        """The same of all endpoints of an environment, by their ids, in one question."""
        ...

    def retire(self, environment_id: str) -> int:
        """Drain and stop versions that were replaced or never activated; returns how many."""
        ...

    def acquire_lease(self, environment_id: str, *, holder: str, who: str, take_over: str = "") -> LeaseGrant:
        """Ask for the lease of an environment; *take_over* names the holder whose lease may be taken.

        While this client holds one, its mutations show it. Asking again as the same holder renews it.
        """
        ...

    def renew_lease(self, environment_id: str) -> bool:
        """Hold it for another while; False where it is another's by now."""
        ...

    def release_lease(self, environment_id: str) -> None:
        """Give it back. One that has ended is fine too."""
        ...
