"""What a deployment needs of a platform, as one protocol; ``flash.cloud.records`` has what it speaks in.

``flash.cloud.client.PlatformClient`` implements it over Runpod's GraphQL; another back end can follow. Queries are
tried again when the platform is passing through a bad moment. A mutation whose answer is not known is never just
repeated: the platform is looked at first, and what has happened is taken for the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import (
        AppRecord,
        BuildRecord,
        EndpointRecord,
        EndpointSettings,
        EnvironmentRecord,
        HealthRecord,
        LeaseGrant,
        LiveEnvironment,
        Look,
        TemplateRecord,
        TrafficRecord,
        VersionRecord,
    )
    from flash.cloud.workers import WorkerView
    from flash.model.manifest import Manifest

__all__ = ["ControlPlane"]


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

    def create_environment(self, app_id: str, name: str, *, must_be_new: bool = False) -> EnvironmentRecord:
        """Make an environment, with nothing in it. One that is there is fine too, unless it *must_be_new*."""
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

    def set_traffic(self, environment_id: str, build_id: str, percent: int) -> int:
        """Give the versions staged of a build that many percent of the calls; returns how many endpoints are split.

        Ends with the lease of the environment, which this client must hold.
        """
        ...

    def traffic(self, environment_id: str) -> Mapping[str, tuple[TrafficRecord, ...]]:
        """What the versions of all endpoints of an environment answer, by the endpoints' ids."""
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
