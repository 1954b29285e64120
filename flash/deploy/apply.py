"""A plan is carried out: a build is made of the artifact, prepared beside what is live, and then made live at once.

Until the activation, which is one operation, users see the old version; any failure before it leaves nothing behind.
Looking comes before creating, so that a run that was killed can be run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from flash.deploy import ledger
from flash.deploy.claim import candidate_name
from flash.deploy.deployment import DeployedEndpoint, Deployment, deployed_endpoints
from flash.deploy.drain import remove_endpoint
from flash.deploy.lease import changed
from flash.deploy.plan import CreateEndpoint, DeleteEndpoint, KeepEndpoint
from flash.deploy.roll import advance, roll
from flash.deploy.rollout import HEALTHY_DEADLINE_S, Site
from flash.deploy.secrets import NO_SECRETS, Secrets
from flash.errors import FlashError

if TYPE_CHECKING:
    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LiveEnvironment, Look
    from flash.deploy.journal import Journal
    from flash.deploy.plan import Plan
    from flash.deploy.release import Release
    from flash.deploy.rollout import Build, Rollout, TryBuild

__all__ = ["Applied", "DeployedEndpoint", "Deployment", "apply", "finish", "time_of_day"]


def time_of_day() -> str:
    """Now, as the ledger shows it: ISO-8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Applied:
    """A deployment that is live, with what ends it: ``finish`` keeps it, ``rollback.restore`` undoes it.

    Attributes:
        build: None where what was to be deployed was live already.
    """

    deployment: Deployment
    site: Site
    rollout: Rollout
    build: Build | None


def apply(
    plan: Plan,
    release: Release,
    *,
    control: ControlPlane,
    rollout: Rollout,
    app: str,
    environment: str,
    journal: Journal,
    report: Callable[[str], None],
    look: Look | None = None,
    who: str = "",
    is_shared: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], str] = time_of_day,
    deadline_s: float = HEALTHY_DEADLINE_S,
    trial: TryBuild | None = None,
    secrets: Secrets = NO_SECRETS,
) -> Applied:
    """Make a release live. What was live before keeps its workers, and the environment is held, until it is ended.

    Args:
        plan: Made of the release's manifest and of what is live.
        release: What to deploy.
        control: The platform.
        rollout: How builds become live there.
        app: Made where it is missing.
        environment: Made where it is missing.
        journal: Of the project.
        report: Told what happens, a line each.
        look: What the plan was made of, where it was just looked at.
        who: Who deploys, for others who want to.
        is_shared: Whether others can be there too, now or later. A preview's platform is its own.
        clock: Seconds.
        sleep: Waits.
        now: The time of day.
        deadline_s: How long the workers may take to become healthy.
        trial: Tries the new version while the one before it serves; where it raises, that one goes on.
        secrets: The values of what the release has references to; nothing that is told has them in it.

    Raises:
        Busy: Somebody else deploys there.
        DeployError: The environment is not as it was when the plan was made.
        WorkerFailed: A worker of the new version died, or was not healthy in time.
        PlatformError: The platform said no.
    """
    look = look or control.look(app, environment)
    live = look.live
    base = None if live is None else live.active_build_id
    if base != plan.base_build_id:
        raise changed(environment, base, plan.base_build_id)
    if live is not None and live.problem:
        report(f"! {live.problem}: all of it is deployed anew")

    def site_of(run: str) -> Site:
        return Site(
            control=control,
            app=app,
            app_id="" if look.app is None else look.app.id,
            environment=environment,
            environment_id="" if live is None else live.id,
            journal=journal,
            run=run,
            report=report,
            who=who,
            clock=clock,
            sleep=sleep,
            now=now,
            deadline_s=deadline_s,
            secrets=secrets,
        )

    if live is not None and _is_live_already(plan, live):
        report(f"artifact {plan.digest[:12]} is live in {environment} already")
        return _kept(plan, release, live, site_of, control=control, rollout=rollout)
    run = journal.begin(site_of("").where)
    attempt = _Attempt(plan, release, site_of(run), rollout, live, has_builds=look.app is not None, is_shared=is_shared)
    try:
        attempt.find_or_create_environment()
        if is_shared:
            attempt.hold()
        build, serving = attempt.roll(trial)
    except BaseException:  # why: an interrupt too must leave what was live as it was, and nothing beside it
        attempt.abandon()
        raise
    report(f"build {build.id} is live in {environment}")
    return Applied(attempt.deployment(build, serving), attempt.site, rollout, build)


def finish(applied: Applied) -> None:
    """Keep a deployment: it is verified. What it has replaced is drained and stops, and so do endpoints that go."""
    deployment, site = applied.deployment, applied.site
    if not deployment.run:
        # nothing was left there, whatever the journal remembers of runs that are dead
        site.journal.settle_dead(site.where)
        site.journal.settle_dead(candidate_name(site.where))
        return
    try:
        advance(site.control, deployment, "verified")
        applied.rollout.retire(site)
        for name, endpoint_id in deployment.removed.items():
            remove_endpoint(name, endpoint_id, site)
        site.journal.settled(site.run)
        site.journal.settle_dead(site.where)
    finally:
        site.let_go()


def _is_live_already(plan: Plan, live: LiveEnvironment) -> bool:
    if plan.staged or live.active_build_id is None or live.manifest is None:
        return False
    return live.manifest.digest == plan.digest


def _kept(
    plan: Plan,
    release: Release,
    live: LiveEnvironment,
    site_of: Callable[[str], Site],
    *,
    control: ControlPlane,
    rollout: Rollout,
) -> Applied:
    """What was to be deployed is live. Only what an earlier run has not finished, or what goes, is left to do."""
    entry = None if live.manifest is None else live.manifest.deployment
    is_finished = entry is None or entry.state in {"verified", "rolled-back"}
    removed = {step.name: step.id for step in plan.steps if isinstance(step, DeleteEndpoint)}
    site = site_of("")
    if removed or not is_finished or rollout.has_leftovers(control, live):
        run = site.journal.begin(site.where)
        site = site_of(run)
        try:
            site.hold = rollout.hold(site, base_build_id=live.active_build_id)
            rollout.recover(site, live)
        except BaseException:
            site.let_go()
            site.journal.settled(run)
            raise
    kept = {step.name: step.id for step in plan.steps if isinstance(step, KeepEndpoint)}
    deployment = Deployment(
        app=site.app,
        environment=site.environment,
        environment_id=live.id,
        digest=plan.digest,
        build_id=live.active_build_id or "",
        previous_build_id=live.active_build_id,
        previous=None if live.manifest is None else live.manifest.digest,
        endpoints=deployed_endpoints(release.manifest, kept, control.address),
        staged={},
        created=frozenset(),
        removed=removed,
        is_new_environment=False,
        run=site.run,
        manifest=live.manifest,
    )
    return Applied(deployment, site, rollout, None)


@dataclass(slots=True)
class _Attempt:
    """One run of ``apply``: what it has made so far."""

    plan: Plan
    release: Release
    site: Site
    rollout: Rollout
    live: LiveEnvironment | None
    has_builds: bool
    is_shared: bool

    def find_or_create_environment(self) -> None:
        site = self.site
        if self.live is not None:
            site.app_id, site.environment_id = self.live.app_id, self.live.id
            return
        if not site.app_id:
            site.journal.intended(site.run, "app", site.app)
            site.app_id = site.control.create_app(site.app).id
            site.journal.made(site.run, "app", site.app, site.app_id)
            site.report(f"created app {site.app}")
        site.journal.intended(site.run, "environment", site.environment)
        site.environment_id = site.control.create_environment(site.app_id, site.environment).id
        site.journal.made(site.run, "environment", site.environment, site.environment_id)
        site.report(f"created environment {site.environment}")

    def hold(self) -> None:
        self.site.hold = self.rollout.hold(self.site, base_build_id=self.plan.base_build_id)
        if self.live is not None:
            self.rollout.recover(self.site, self.live)

    def roll(self, trial: TryBuild | None) -> tuple[Build, Mapping[str, str]]:
        before = None if self.live is None else self.live.manifest
        keys: tuple[str, ...] = ()
        if self.has_builds and self.release.object_key is None and self.release.digest:
            keys = ledger.object_keys(self.site.control.builds(self.site.app_id), self.release.digest)
        return roll(
            self.site,
            self.rollout,
            self.release,
            self.plan,
            known={step.name: step.id for step in self.plan.steps if step.id},
            object_keys=keys,
            previous_digest=None if before is None else before.digest,
            trial=trial,
        )

    @property
    def _created(self) -> frozenset[str]:
        return frozenset(step.name for step in self.plan.steps if isinstance(step, CreateEndpoint))

    def abandon(self) -> None:
        """Leave the environment as it was, unless the new version turns out to be live."""
        site = self.site
        try:
            self._abandon()
        except FlashError as error:
            # why it was abandoned is the error that matters; what is left is in the journal
            site.report(f"! the failed deployment could not be cleaned up: {error.headline}; the next one does")
        finally:
            site.let_go()

    def _abandon(self) -> None:
        site = self.site
        now = site.control.environment(site.app, site.environment)
        if now is None:
            site.journal.settled(site.run)
            return
        entry = None if now.manifest is None else now.manifest.deployment
        if entry is not None and entry.run == site.run:
            site.report(f"! build {now.active_build_id} is live; the next deployment retires the one before it")
            return
        is_ours = site.hold is not None or not self.is_shared
        if is_ours:
            self.rollout.abandon(site, self._created)
        # what is live is what was just read: somebody else may have deployed since the plan was made
        what = "nothing" if now.active_build_id is None else f"build {now.active_build_id}"
        if now.active_build_id == self.plan.base_build_id:
            site.report(f"{what} is live in {site.environment}, as before")
        else:
            whose = "" if entry is None else ": somebody else's"
            site.report(f"{what} is live in {site.environment}{whose}")
        if self.live is None:
            if not site.environment_id:
                # whether it was made is not known, or it is somebody else's: the journal remembers
                return
            if now.active_build_id is None and (is_ours or not now.endpoints):
                site.control.delete_environment(now.id)
                site.journal.removed(site.run, "environment", now.name)
        site.journal.settled(site.run)

    def deployment(self, build: Build, serving: Mapping[str, str]) -> Deployment:
        site, before = self.site, None if self.live is None else self.live.manifest
        state = build.entry.model_copy(update={"state": "activated"})
        urls = {one.name: one.url for one in deployed_endpoints(build.manifest, serving, site.control.address)}
        return Deployment(
            app=site.app,
            environment=site.environment,
            environment_id=site.environment_id,
            digest=self.release.digest,
            build_id=build.id,
            object_key=build.object_key,
            previous_build_id=self.plan.base_build_id,
            previous=None if before is None else before.digest,
            endpoints=deployed_endpoints(build.manifest, serving, site.control.address),
            staged={step.name: serving[step.name] for step in self.plan.staged},
            created=self._created,
            removed={step.name: step.id for step in self.plan.steps if isinstance(step, DeleteEndpoint)},
            is_new_environment=self.live is None,
            run=site.run,
            manifest=build.manifest.model_copy(
                update={"digest": self.release.digest or None, "deployment": state, "resources_endpoints": urls}
            ),
        )
