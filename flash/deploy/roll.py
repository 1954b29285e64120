"""The one way to make a release live, whatever for: make a build of it, prepare that, activate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flash.deploy.plan import DeleteEndpoint
from flash.deploy.rollout import Build, advanced, sent_manifest
from flash.errors import DeployError, NotFound
from flash.model.manifest import DeploymentEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flash.cloud.control import ControlPlane
    from flash.deploy.deployment import Deployment
    from flash.deploy.plan import Plan
    from flash.deploy.release import Release
    from flash.deploy.rollout import Rollout, Site, TryBuild
    from flash.model.manifest import EntryState

__all__ = ["advance", "roll"]


def advance(control: ControlPlane, deployment: Deployment, state: EntryState, *, build_id: str | None = None) -> None:
    """Advance the entry of a build, else of the deployment's own; nothing where it has none or is there already."""
    wanted = build_id or deployment.build_id
    manifest = deployment.manifest if wanted == deployment.build_id else control.build_manifest(wanted)
    now = None if manifest is None else advanced(manifest, state)
    if now is not None:
        control.update_build_manifest(wanted, now.as_json())


def roll(
    site: Site,
    rollout: Rollout,
    release: Release,
    plan: Plan,
    *,
    known: Mapping[str, str],
    object_keys: Collection[str] = (),
    previous_digest: str | None = None,
    trial: TryBuild | None = None,
) -> tuple[Build, Mapping[str, str]]:
    """Make a build of a release and make it live; the environment is there, and held.

    Args:
        site: Where.
        rollout: How.
        release: What.
        plan: What is to be done.
        known: Ids by name of the endpoints that the environment has.
        object_keys: Where the platform has the artifact, as far as its ledger knows.
        previous_digest: Of what is live.
        trial: Tries what was prepared before it is activated; given its ids by name. Raises where it must not be.

    Returns:
        The build, and the ids by name of everything that serves.
    """
    entry = DeploymentEntry(
        run=site.run,
        environment=site.environment,
        action=release.action,
        at=site.now(),
        previous_build_id=plan.base_build_id,
        previous_digest=previous_digest,
        gate=release.gate,
        receipt=release.receipt,
        git=release.git,
        removed=[step.name for step in plan.steps if isinstance(step, DeleteEndpoint)],
    )
    build_id, object_key = _finalized(site, release, entry, object_keys)
    build = Build(id=build_id, object_key=object_key, release=release, entry=entry, plan=plan, known=known)
    prepared = rollout.prepare(site, build)
    if trial is not None:
        trial(site, build, prepared)
    return build, rollout.activate(site, build, prepared)


def _finalized(site: Site, release: Release, entry: DeploymentEntry, object_keys: Collection[str]) -> tuple[str, str]:
    """Make a build, of what the platform has where it has it; returns its id, and the key that it was made of."""
    name = release.digest or "an artifact of unknown digest"
    manifest = sent_manifest(release, entry)
    for key in [release.object_key] if release.object_key is not None else object_keys:
        site.journal.intended(site.run, "build", name)
        build_id = _made_of(site, key, manifest)
        if build_id is not None:
            site.journal.made(site.run, "build", name, build_id)
            site.report(f"artifact {name[:12]} is on the platform already: build {build_id}")
            return build_id, key
    if release.artifact is None:
        raise DeployError(
            f"the platform does not have the artifact {name[:12]}, and neither has this machine",
            hint="deploy it from a checkout where it can be built",
        )
    site.journal.intended(site.run, "upload", name)
    key = site.control.upload(site.app_id, release.artifact.path, site.report)
    site.journal.made(site.run, "upload", name, key)
    site.journal.intended(site.run, "build", name)
    build_id = site.control.finalize(site.app_id, key, manifest)
    site.journal.made(site.run, "build", name, build_id)
    site.report(f"uploaded {release.artifact.size_bytes / 2**20:.1f} MiB as build {build_id}")
    return build_id, key


def _made_of(site: Site, object_key: str, manifest: Mapping[str, Any]) -> str | None:
    try:
        return site.control.finalize(site.app_id, object_key, manifest)
    except NotFound:
        # the ledger knows what there was, not what is there still
        return None
