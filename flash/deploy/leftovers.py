"""What a killed deployment left on a platform, found from its journal and from what is live there, and removed.

Only what such a run made and nobody uses now: an endpoint that a live build has is in use, whoever made it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flash.deploy.lease import acquire
from flash.deploy.rollout import Site
from flash.errors import NotAuthorized, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.cloud.client import PlatformClient
    from flash.cloud.records import LiveEnvironment, VersionRecord
    from flash.deploy.journal import Journal, Pending

__all__ = ["Leftovers", "clear", "look"]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is to go, and what cannot be decided.

    Attributes:
        app: Where they are.
        environment: Where in it.
        environment_id: Of that environment; None where it is gone, and so is everything in it.
        endpoints: Ids by name.
        has_environment: Whether the environment itself is left over.
        has_versions: Whether versions of its endpoints are.
        left: What stays, with the reason.
        active_build_id: What was live when it was looked at.
    """

    app: str
    environment: str
    environment_id: str | None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    has_environment: bool = False
    has_versions: bool = False
    left: str = ""
    active_build_id: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What is to go, in words."""
        where = f"{self.app}/{self.environment}"
        return (
            *(f"endpoint {name} of {where}" for name in sorted(self.endpoints)),
            *([f"environment {where}"] if self.has_environment else []),
            *([f"versions of {where} that are not live"] if self.has_versions else []),
        )


def look(run: Sequence[Pending], *, client: PlatformClient) -> Leftovers:
    """What a run that is dead has left.

    Args:
        run: What its journal says is pending, at least one thing.
        client: The platform that it deployed to.
    """
    app, _, environment = run[0].where.rpartition(" ")[2].partition("/")
    live = client.environment(app, environment)
    if live is None:
        return Leftovers(app, environment, None)
    if live.active_build_id is not None and live.manifest is None:
        return Leftovers(app, environment, live.id, left="what is live there has no manifest, so all may be in use")
    entry = None if live.manifest is None else live.manifest.deployment
    is_candidate = entry is not None and entry.action == "candidate"
    in_use = set() if live.manifest is None or is_candidate else set(live.manifest.resources)
    made = {one.name: one.id for one in run if one.kind == "endpoint"}
    doomed = {
        name: endpoint_id
        for name, endpoint_id in live.endpoints.items()
        if name in made and name not in in_use and made[name] in {None, endpoint_id}
    }
    serves_nobody = live.active_build_id is None or is_candidate
    is_empty = serves_nobody and live.endpoints.keys() == doomed.keys()
    if is_empty and any(one.kind == "environment" for one in run):
        return Leftovers(app, environment, live.id, doomed, has_environment=True, active_build_id=live.active_build_id)
    builds = {one.id for one in run if one.kind == "build"}
    has_versions, left = _versions(live, doomed, builds, client)
    return Leftovers(
        app,
        environment,
        live.id,
        doomed,
        has_versions=has_versions,
        left=left,
        active_build_id=live.active_build_id,
    )


def clear(
    leftovers: Leftovers, run: str, *, client: PlatformClient, journal: Journal, who: str = "flash sweep"
) -> None:
    """Remove them, and settle the run.

    Raises:
        Busy: Somebody deploys there now.
    """
    lease = None
    if client.address.stages and leftovers.environment_id is not None and leftovers.names:
        site = Site(
            control=client,
            app=leftovers.app,
            app_id="",
            environment=leftovers.environment,
            environment_id=leftovers.environment_id,
            journal=journal,
            run=run,
            report=lambda _line: None,
            who=who,
        )
        lease = acquire(site, base_build_id=leftovers.active_build_id)
    try:
        _clear(leftovers, run, client=client, journal=journal)
    finally:
        if lease is not None:
            lease.release()


def _clear(leftovers: Leftovers, run: str, *, client: PlatformClient, journal: Journal) -> None:
    for name, endpoint_id in sorted(leftovers.endpoints.items()):
        client.delete_endpoint(endpoint_id)
        journal.removed(run, "endpoint", name)
    if leftovers.environment_id is not None and leftovers.has_environment:
        client.delete_environment(leftovers.environment_id)
        journal.removed(run, "environment", leftovers.environment)
    if leftovers.environment_id is not None and leftovers.has_versions:
        client.retire(leftovers.environment_id)
    journal.settled(run)


def _versions(
    live: LiveEnvironment, doomed: Mapping[str, str], builds: set[str | None], client: PlatformClient
) -> tuple[bool, str]:
    """Whether versions beside the live ones are the run's; and if they are not, that."""
    if not client.address.stages:
        # a platform that stages no versions has none to leave
        return False, ""
    found: list[VersionRecord] = []
    try:
        listed = client.environment_versions(live.id)
        for name, endpoint_id in live.endpoints.items():
            if name not in doomed:
                found += listed.get(endpoint_id, ())
    except (NotAuthorized, PlatformUnreachable):
        raise
    except PlatformError:
        # a platform that stages no versions has none to leave
        return False, ""
    staged = {version.build_id for version in found if version.state == "STAGED"}
    has_replaced = any(version.state == "PREVIOUS" for version in found)
    if not staged and not has_replaced:
        return False, ""
    # retiring is for all of an environment at once
    if staged <= builds and (not has_replaced or live.active_build_id in builds):
        return True, ""
    return False, "versions that are not live may be another deployment's"
