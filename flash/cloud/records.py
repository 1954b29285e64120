"""What a platform tells of itself, as values. Ids and times are the platform's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.manifest import Manifest

__all__ = [
    "AppRecord",
    "BuildRecord",
    "EndpointRecord",
    "EndpointSettings",
    "EnvironmentRecord",
    "HealthRecord",
    "LeaseGrant",
    "LeaseRecord",
    "LiveEnvironment",
    "LoginRecord",
    "Look",
    "TemplateRecord",
    "TrafficRecord",
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
class TrafficRecord:
    """What one version of an endpoint is asked and answers, on a platform that can split the calls.

    Attributes:
        share: Percent of the endpoint's calls that it gets.
        answered: Its answers since the platform was started.
        failed: Those of them that are failures.
    """

    build_id: str | None
    state: VersionState
    share: int
    answered: int
    failed: int


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
