"""The rollout of Flash's own platform: versions beside the live ones, which are switched in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.deploy.inputs import Placement
from flash.deploy.lease import acquire
from flash.deploy.plan import CreateEndpoint
from flash.deploy.stage import await_healthy, stage
from flash.errors import DeployError, FlashError, NotAuthorized, PlatformError, Unverified

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LiveEnvironment
    from flash.deploy.lease import Lease
    from flash.deploy.rollout import Build, Site

__all__ = ["StagedRollout"]


class StagedRollout:
    """Stages versions; ids of endpoints and URLs never change."""

    def hold(self, site: Site, *, base_build_id: str | None) -> Lease:
        """Take the environment's lease."""
        return acquire(site, base_build_id=base_build_id)

    def forgotten(self, control: ControlPlane, live: LiveEnvironment) -> frozenset[str]:
        """Endpoints that what is live does not have, and no version of which was ever activated."""
        in_use = set() if live.manifest is None else set(live.manifest.resources)
        strange = live.endpoints.keys() - in_use
        if not strange:
            return frozenset()
        found = control.environment_versions(live.id)
        return frozenset(
            name for name in strange if all(one.state != "ACTIVE" for one in found.get(live.endpoints[name], ()))
        )

    def has_leftovers(self, control: ControlPlane, live: LiveEnvironment) -> bool:
        """Whether an endpoint has a version that is not live."""
        return any(
            version.state != "ACTIVE"
            for versions in control.environment_versions(live.id).values()
            for version in versions
        )

    def recover(self, site: Site, live: LiveEnvironment) -> None:
        """Remove forgotten endpoints. Versions that were never activated go when this run's are retired."""
        for name in sorted(self.forgotten(site.control, live)):
            site.control.delete_endpoint(live.endpoints[name])
            site.report(f"removed {name}, which a run that is dead had made")

    def prepare(self, site: Site, build: Build) -> Mapping[str, str]:
        """Stage a version of each endpoint that changes, and wait until all are healthy."""
        placement = Placement(
            app=site.app,
            environment=site.environment,
            environment_id=site.environment_id,
            build_id=build.id,
            caller_key=site.control.address.api_key,
            secrets=site.secrets.now,
        )
        staged: dict[str, str] = {}
        for step in build.plan.staged:
            site.report(f"staging {step.name}")
            is_new = isinstance(step, CreateEndpoint)
            if is_new:
                site.journal.intended(site.run, "endpoint", step.name)
            record = stage(
                step.name,
                build.manifest,
                placement,
                control=site.control,
                endpoint_id=None if is_new else build.known[step.name],
                report=site.report,
            )
            staged[step.name] = record.id
            if is_new:
                site.journal.made(site.run, "endpoint", step.name, record.id)
        await_healthy(staged, build.id, site)
        return staged

    def activate(self, site: Site, build: Build, prepared: Mapping[str, str]) -> Mapping[str, str]:
        """Switch all staged versions together."""
        serving = {**build.kept, **prepared}
        site.check_hold()
        site.control.update_build_manifest(build.id, build.manifest_json(site, "activated", serving))
        try:
            site.control.activate(site.environment_id, build.id)
        except NotAuthorized:
            raise
        except PlatformError as error:
            # the answer may have got lost on its way: what is live is read from the platform
            if not _is_live(site, build, error):
                raise
        return serving

    def check(self, site: Site, build: Build, ids: Mapping[str, str]) -> None:
        """Every version that serves is healthy, and none of it waits to be activated."""
        found = site.control.environment_versions(site.environment_id)
        for name, endpoint_id in ids.items():
            active = next((one for one in found.get(endpoint_id, ()) if one.state == "ACTIVE"), None)
            if active is None or not active.is_healthy:
                why = "nothing of it is live" if active is None else active.failure or "no worker of it is healthy"
                raise DeployError(f"endpoint {name!r} of build {build.id}: {why}")

    def retire(self, site: Site) -> None:
        """Drain and stop every version that does not serve."""
        site.control.retire(site.environment_id)

    def abandon(self, site: Site, created: Collection[str]) -> None:
        """Remove the endpoints that were made, and every version beside the live ones."""
        now = site.control.environment(site.app, site.environment)
        if now is None:
            return
        made = {name: endpoint_id for name, endpoint_id in now.endpoints.items() if name in created}
        for name, endpoint_id in made.items():
            site.control.delete_endpoint(endpoint_id)
            site.journal.removed(site.run, "endpoint", name)
        if now.endpoints.keys() - made.keys():
            site.control.retire(now.id)


def _is_live(site: Site, build: Build, unanswered: PlatformError) -> bool:
    try:
        now = site.control.environment(site.app, site.environment)
    except FlashError as error:
        raise Unverified(
            f"whether build {build.id} is live in {site.environment} is not known: {unanswered.headline}",
            hint="flash history shows it; the next deployment finishes or undoes this one",
        ) from error
    return now is not None and now.active_build_id == build.id
