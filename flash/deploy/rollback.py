"""Back to what was live before: a deployment undone, a version of the ledger put back, an environment removed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from flash.deploy.apply import finish
from flash.deploy.deployment import is_deployable
from flash.deploy.drain import remove_endpoint
from flash.deploy.plan import CreateEndpoint, DeleteEndpoint, KeepEndpoint, Plan, UpdateEndpoint
from flash.deploy.release import Release
from flash.deploy.roll import advance, roll
from flash.deploy.rollout import Site
from flash.errors import DeployError, FlashError, PlatformError, Unverified, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import BuildRecord, LiveEnvironment
    from flash.deploy.apply import Applied
    from flash.deploy.deployment import Deployment
    from flash.deploy.journal import Journal
    from flash.deploy.plan import Step
    from flash.deploy.rollout import Build, Rollout

__all__ = ["keep", "remove", "restore", "verify"]


def restore(applied: Applied) -> str:
    """Put back what was live before a deployment; says what is live now, and how that is known.

    The previous version is rolled out as any is, in a build of its own, made of the artifact that the platform has. A
    first deployment is removed, with the environment if it made that.

    Raises:
        DeployError: The previous version could not be put back: the one that was to be undone is live still.
    """
    deployment, site = applied.deployment, applied.site
    if not deployment.run:
        return _nothing_to_do(deployment)
    try:
        if deployment.previous_build_id is None:
            return _remove_first(applied)
        if applied.build is None:
            site.journal.settled(site.run)
            return _nothing_to_do(deployment)
        return _put_back(applied, deployment.previous_build_id)
    finally:
        site.let_go()


def keep(applied: Applied, target: BuildRecord) -> str:
    """Keep a version of the ledger that was put back, once it is verified; says what is live now.

    Raises:
        DeployError: It is live, and not healthy. It stays: what was live before may be worse.
        Unverified: It was activated, and the platform does not say more.
    """
    deployment, site, build = applied.deployment, applied.site, applied.build
    try:
        if build is not None:
            verify(site, applied.rollout, build, {**build.kept, **deployment.staged})
        with _told(site):
            if build is not None and deployment.previous_build_id is not None:
                advance(site.control, deployment, "rolled-back", build_id=deployment.previous_build_id)
            finish(applied)
    finally:
        site.let_go()
    return _said(deployment, target.id)


def remove(
    live: LiveEnvironment,
    *,
    app: str,
    control: ControlPlane,
    rollout: Rollout,
    journal: Journal,
    report: Callable[[str], None],
    who: str = "",
) -> tuple[str, ...]:
    """Delete an environment's endpoints and then the environment, and nothing else; returns the endpoints' names.

    Raises:
        Busy: Somebody else deploys there.
        PlatformError: An endpoint could not be removed; the environment is there still.
    """
    run = journal.begin(f"{control.address.api_url} {app}/{live.name}")
    site = Site(
        control=control,
        app=app,
        app_id=live.app_id,
        environment=live.name,
        environment_id=live.id,
        journal=journal,
        run=run,
        report=report,
        who=who,
    )
    try:
        site.hold = rollout.hold(site, base_build_id=live.active_build_id)
        for name, endpoint_id in sorted(live.endpoints.items()):
            # who removes an environment wants it gone: what its workers do is finished, what waits is not begun
            remove_endpoint(name, endpoint_id, site, drained_within_s=0.0)
        control.delete_environment(live.id)
        journal.removed(run, "environment", live.name)
        journal.settled(run)
        journal.settle_dead(site.where)
    finally:
        site.let_go()
    return tuple(sorted(live.endpoints))


def _nothing_to_do(deployment: Deployment) -> str:
    digest = f" (artifact {deployment.previous[:12]})" if deployment.previous else ""
    return f"build {deployment.build_id}{digest} is live in {deployment.environment}, as before: nothing was changed"


def _remove_first(applied: Applied) -> str:
    deployment, site = applied.deployment, applied.site
    advance(site.control, deployment, "rolled-back")
    _delete(deployment.staged, site)
    if deployment.is_new_environment:
        site.control.delete_environment(deployment.environment_id)
        site.journal.removed(site.run, "environment", deployment.environment)
    now = site.control.environment(site.app, site.environment)
    left = set() if now is None else set(now.endpoints) & set(deployment.staged)
    if left:
        raise DeployError(
            f"{deployment.environment}: {', '.join(sorted(left))} could not be removed",
            hint=f"flash undeploy --env {deployment.environment} removes them",
        )
    site.journal.settled(site.run)
    return f"nothing is live in {deployment.environment}, as before"


def _put_back(applied: Applied, previous_build_id: str) -> str:
    deployment, site, rollout = applied.deployment, applied.site, applied.rollout
    try:
        previous = site.control.build(previous_build_id)
        if previous is None:
            raise DeployError(f"build {previous_build_id} is not there any more")
        release = Release.of_build(previous, action="rollback")
        plan = _plan(applied, release)
        site.secrets = site.secrets.turned_back()
        known = {**deployment.removed, **deployment.staged, **_kept(applied)}
        build, serving = roll(site, rollout, release, plan, known=known, previous_digest=deployment.digest or None)
    except Unverified:
        raise
    except FlashError as error:
        # what it has prepared serves nobody; what cannot be removed now, the next run removes
        with suppress(FlashError):
            rollout.abandon(site, ())
        raise DeployError(
            f"{deployment.environment}: the previous build {previous_build_id} could not be put back: {error.headline}",
            hint=f"build {deployment.build_id} is live still; deploy again to replace it",
            detail=error.detail if isinstance(error, WorkerFailed) else "",
        ) from error
    verify(site, rollout, build, serving)
    with _told(site):
        advance(site.control, deployment, "rolled-back")
        site.control.update_build_manifest(build.id, build.manifest_json(site, "verified", serving))
        rollout.retire(site)
        _delete({step.name: step.id for step in plan.steps if isinstance(step, DeleteEndpoint)}, site)
        site.journal.settled(site.run)
        site.journal.settle_dead(site.where)
    return _said(deployment, previous_build_id, build_id=build.id, digest=release.digest)


def verify(site: Site, rollout: Rollout, build: Build, serving: Mapping[str, str]) -> None:
    """Read back from the platform that a build is live, and that every endpoint is healthy.

    Raises:
        DeployError: It is not.
        Unverified: The platform does not say.
    """
    try:
        now = site.control.environment(site.app, site.environment)
    except FlashError as error:
        raise Unverified(
            f"{site.environment}: build {build.id} was put back, but whether it is live is not known: {error.headline}",
            hint="flash history shows it",
        ) from error
    if now is None or now.active_build_id != build.id:
        live = "nothing" if now is None else f"build {now.active_build_id or 'none'}"
        raise DeployError(
            f"{site.environment}: build {build.id} was made live, and {live} is", hint="look at it: flash history"
        )
    try:
        rollout.check(site, build, serving)
    except PlatformError as error:
        raise Unverified(
            f"{site.environment}: build {build.id} was put back and is live, but whether it is healthy is not known: "
            f"{error.headline}",
            hint="flash logs shows what its workers wrote",
        ) from error
    except FlashError as error:
        raise DeployError(
            f"{site.environment}: build {build.id} was put back and is live, but {error.headline}",
            hint="flash logs shows what its workers wrote; flash rollback N puts an older version back",
        ) from error


@contextmanager
def _told(site: Site) -> Iterator[None]:
    """What is live is live: what cannot be tidied up is told, and left to the next run."""
    try:
        yield
    except FlashError as error:
        site.report(f"! what was live before could not be tidied up: {error.headline}; the next deployment does")


def _said(deployment: Deployment, of_build: str, *, build_id: str = "", digest: str = "") -> str:
    digest = digest or deployment.digest
    artifact = f" (artifact {digest[:12]})" if digest else ""
    return (
        f"build {of_build}{artifact} is live in {deployment.environment} again, as build "
        f"{build_id or deployment.build_id}: read back, and healthy"
    )


def _kept(applied: Applied) -> dict[str, str]:
    return {} if applied.build is None else applied.build.kept


def _plan(applied: Applied, release: Release) -> Plan:
    """What undoes a deployment: only what it staged is staged again, and what it made goes."""
    deployment = applied.deployment
    ids = {**deployment.removed, **_kept(applied)}
    wanted = [name for name, resource in release.manifest.resources.items() if is_deployable(resource)]
    steps: list[Step] = []
    for name in wanted:
        if name in deployment.staged:
            steps.append(UpdateEndpoint(name, ("put back",), deployment.staged[name]))
        elif name in ids:
            steps.append(KeepEndpoint(name, ("was not changed",), ids[name]))
        else:
            steps.append(CreateEndpoint(name, ("it was live, and is gone",)))
    steps += [
        DeleteEndpoint(name, ("the deployment made it",), deployment.staged[name])
        for name in sorted(deployment.created)
        if name not in wanted
    ]
    return Plan(
        tuple(steps),
        release.digest,
        base_build_id=deployment.build_id,
        base_digest=deployment.digest or None,
        app=deployment.app,
        environment=deployment.environment,
        environment_id=deployment.environment_id,
    )


def _delete(endpoints: Mapping[str, str], site: Site) -> None:
    for name, endpoint_id in endpoints.items():
        site.control.delete_endpoint(endpoint_id)
        site.journal.removed(site.run, "endpoint", name)
