"""The rollout of Runpod, which holds one version of an endpoint: a candidate environment proves the build first.

``ENV-candidate`` has the same endpoints from the same upload, with a worker each. Once they are healthy, the build
becomes the environment's active one, and its endpoints are brought to it in place, one after the other; a failure in
between puts build, settings and templates back. That the platform has one environment of a name makes the candidate the
lease too: whoever finds one that is not abandoned stays away. It is advisory: nothing keeps other clients out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flash.deploy.claim import (
    ABANDONED_AFTER_S,
    CandidateHold,
    Unclaimed,
    candidate_name,
    claim,
    find_app,
    is_candidate,
)
from flash.deploy.inputs import endpoint_input
from flash.deploy.live_endpoint import created_input, look
from flash.deploy.readiness import Watched, await_ready
from flash.deploy.rolling import Roll, fingerprint_of, placement
from flash.deploy.rollout import sent_manifest
from flash.deploy.steps import ReplaceEndpoint
from flash.deploy.volumes import with_volume_ids
from flash.errors import DeployError, FlashError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LiveEnvironment
    from flash.deploy.rollout import Build, Site
    from flash.model.manifest import Manifest

__all__ = ["CandidateRollout"]


class CandidateRollout:
    """Proves a build in an environment of its own, then rolls the live one.

    Args:
        now: Seconds since 1970, for the age of candidates of others.
        abandoned_after_s: How old one has to be to be taken over.
    """

    def __init__(self, *, now: Callable[[], float] = time.time, abandoned_after_s: float = ABANDONED_AFTER_S) -> None:
        self._now = now
        self._abandoned_after_s = abandoned_after_s

    # -- who deploys

    def hold(self, site: Site, *, base_build_id: str | None) -> CandidateHold | Unclaimed:
        """Make the candidate environment; one that was abandoned is removed first."""
        if is_candidate(site.environment):
            return Unclaimed()
        return claim(site, base_build_id=base_build_id, now=self._now, abandoned_after_s=self._abandoned_after_s)

    def forgotten(self, control: ControlPlane, live: LiveEnvironment) -> Collection[str]:  # noqa: ARG002  the protocol's
        """None: whether anybody calls an endpoint that what is live does not have is not known."""
        return ()

    def has_leftovers(self, control: ControlPlane, live: LiveEnvironment) -> bool:  # noqa: ARG002  the protocol's
        """Whether there is a candidate, or what is live was never rolled to the end."""
        name = candidate_name(live.name)
        return any(one.name == name for one in live.siblings) or _is_half_rolled(live.manifest)

    def recover(self, site: Site, live: LiveEnvironment) -> None:
        """Nothing: abandoned candidates went when the environment was held, and a plan repeats what was half rolled."""

    # -- beside what is live

    def prepare(self, site: Site, build: Build) -> Mapping[str, str]:
        """Make each endpoint that changes in the candidate environment, and wait until all are healthy.

        A build that is put back was healthy when it was live: for that, none is made.
        """
        if is_candidate(site.environment):
            raise DeployError(
                f"environment name {site.environment!r} is kept for what Flash tries out",
                hint="choose a name that does not end in -candidate",
            )
        _check_types(build)
        if build.entry.action == "rollback":
            return {}
        hold = _candidate(site)
        name = candidate_name(site.environment)
        # what could not be put back is told before anything is made
        before = [look(step.name, build.known[step.name], site) for step in build.plan.staged if step.id]
        manifest = with_volume_ids(build.manifest, site.control, site.report)
        entry = build.entry.model_copy(update={"action": "candidate", "environment": name, "removed": []})
        site.journal.intended(hold.run, "build", build.release.digest)
        build_id = site.control.finalize(site.app_id, build.object_key, sent_manifest(build.release, entry))
        site.journal.made(hold.run, "build", build.release.digest, build_id)
        site.control.activate(hold.id, build_id)
        where = placement(site, build_id, environment=name, environment_id=hold.id)
        for step in build.plan.staged:
            site.report(f"trying {step.name} in {name}")
            given = endpoint_input(
                step.name, manifest.resources[step.name], where, fingerprint=fingerprint_of(manifest, step.name, build)
            )
            site.journal.intended(hold.run, "endpoint", step.name)
            made = site.control.save_endpoint({**created_input(given), "workersMin": 1, "workersMax": 1})
            if made.id in build.known.values():
                # whether the platform takes endpoints of one name for one is not verified
                await_ready([endpoint.put_back(site) for endpoint in before if endpoint.id == made.id], site)
                raise DeployError(
                    f"the platform has not made endpoint {step.name!r} in {name}, but changed the live one, {made.id}, "
                    "which was put back",
                    hint="candidate environments cannot work there: please report it (docs/runpod.md)",
                )
            site.journal.made(hold.run, "endpoint", step.name, made.id)
            hold.endpoints[step.name] = made.id
        # they find each other as they will when they are live
        serving = {**build.kept, **hold.endpoints}
        urls = build.manifest_json(site, "staged", serving).get("resources_endpoints", {})
        site.control.update_build_manifest(build_id, sent_manifest(build.release, entry, urls=urls))
        await_ready(
            [
                Watched(name=one, id=endpoint_id, is_load_balanced=manifest.resources[one].is_load_balanced)
                for one, endpoint_id in hold.endpoints.items()
            ],
            site,
        )
        return dict(hold.endpoints)

    # -- what is live

    def activate(self, site: Site, build: Build, prepared: Mapping[str, str]) -> Mapping[str, str]:
        """Make the build the active one, and bring each endpoint to it; put everything back where that fails."""
        site.check_hold()
        live = site.control.environment(site.app, site.environment)
        if live is None or live.active_build_id != build.plan.base_build_id:
            raise DeployError(
                f"environment {site.environment!r} has changed since the plan was made",
                hint="somebody else deployed meanwhile; what is live was left as it is; run it again",
            )
        manifest = with_volume_ids(build.manifest, site.control, site.report)
        before = {
            step.name: look(step.name, live.endpoints[step.name], site)
            for step in build.plan.staged
            if step.name in live.endpoints
        }
        roll = Roll(site, build, manifest, live, before, candidates=frozenset(prepared.values()))
        try:
            serving = roll.forward()
        except BaseException as error:  # why: an interrupt too must not leave the environment between two versions
            roll.back(error)
            raise
        try:
            _candidate(site).clear()
        except FlashError as error:
            site.report(f"! a candidate's endpoint is not removed yet: {error.headline}")
        return serving

    def check(self, site: Site, build: Build, ids: Mapping[str, str]) -> None:
        """What is active is the build, and each endpoint has a worker, or is asleep."""
        app = find_app(site)
        active = next((one.active_build_id for one in app.environments if one.id == site.environment_id), None)
        if active != build.id:
            raise DeployError(f"build {active or 'none'} is live in {site.environment!r}, not {build.id}")
        await_ready(
            [
                Watched(
                    name=name,
                    id=endpoint_id,
                    is_load_balanced=build.manifest.resources[name].is_load_balanced,
                    may_sleep=build.manifest.resources[name].workers_min == 0,
                )
                for name, endpoint_id in ids.items()
            ],
            site,
        )

    def retire(self, site: Site) -> None:
        """Nothing but the candidate: what was replaced in place is gone already."""
        if site.hold is not None:
            site.hold.release()

    def abandon(self, site: Site, created: Collection[str]) -> None:
        """Remove the candidate, and the endpoints that were made in the environment itself."""
        if site.hold is not None:
            site.hold.release()
        now = site.control.environment(site.app, site.environment)
        if now is None:
            return
        in_use = set() if now.manifest is None else set(now.manifest.resources)
        for name, endpoint_id in now.endpoints.items():
            if name in created and name not in in_use:
                site.control.delete_endpoint(endpoint_id)
                site.journal.removed(site.run, "endpoint", name)


def _check_types(build: Build) -> None:
    for step in build.plan.staged:
        if isinstance(step, ReplaceEndpoint) and step.is_other_type:
            raise DeployError(
                f"endpoint {step.name!r} would become queue-based or load-balanced, which it was not: Runpod cannot do "
                "that in place",
                hint="give it another name: the new one is made, and the old one goes with --flash-allow-delete",
            )


def _is_half_rolled(manifest: Manifest | None) -> bool:
    entry = None if manifest is None else manifest.deployment
    return entry is not None and entry.state == "staged"


def _candidate(site: Site) -> CandidateHold:
    if not isinstance(site.hold, CandidateHold):
        raise DeployError(f"environment {site.environment!r} is not held by this run", hint="run it again")
    return site.hold
