"""How a build becomes live: what every way has in common.

A rollout prepares a build beside what is live and waits until it is healthy there, makes it live, and afterwards stops
what it has replaced; or it removes what it prepared. ``staged`` does so on a platform that holds versions beside the
live ones, ``candidate`` on one that does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from flash.deploy.deployment import deployed_endpoints
from flash.deploy.plan import KeepEndpoint
from flash.deploy.secrets import NO_SECRETS, Secrets

if TYPE_CHECKING:
    from collections.abc import Collection

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LiveEnvironment
    from flash.deploy.journal import Journal
    from flash.deploy.plan import Plan
    from flash.deploy.release import Release
    from flash.model.manifest import DeploymentEntry, EntryState, Manifest

__all__ = ["HEALTHY_DEADLINE_S", "Build", "Hold", "Rollout", "Site", "TryBuild", "advanced"]

HEALTHY_DEADLINE_S: Final = 600.0
"""A cold start may have to fetch an image first. Source: the platform's own client shares it among all endpoints, read
2026-08."""


class Hold(Protocol):
    """An environment that nobody else deploys to."""

    def check(self) -> None:
        """Raise ``DeployError`` where it has been lost."""
        ...

    def release(self) -> None:
        """Let others in. A second call does nothing; never raises."""
        ...


@dataclass(slots=True, kw_only=True)
class Site:
    """Where a run deploys to, and what it works with.

    Attributes:
        run: The journal's name of the run: the label of everything that it makes.
        who: The run in words, for others who want to deploy there.
        report: Told what happens, a line each.
        clock: Seconds, from any zero; with *sleep*, the only time that anything waits for.
        now: The time of day for the ledger; shown, never compared.
        deadline_s: How long the workers may take to become healthy.
        secrets: The values of what the release has references to.
        hold: Keeps others away; None until it was asked for, and where nobody else can be.
    """

    control: ControlPlane
    app: str
    app_id: str
    environment: str
    environment_id: str
    journal: Journal
    run: str
    report: Callable[[str], None]
    who: str = ""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], str] = str
    deadline_s: float = HEALTHY_DEADLINE_S
    secrets: Secrets = NO_SECRETS
    hold: Hold | None = None

    @property
    def where(self) -> str:
        """The environment, as the journal names it."""
        return f"{self.control.address.api_url} {self.app}/{self.environment}"

    def check_hold(self) -> None:
        """Raise ``DeployError`` where the environment may be another's by now."""
        if self.hold is not None:
            self.hold.check()

    def let_go(self) -> None:
        """Let others in."""
        if self.hold is not None:
            self.hold.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build that is rolled out: a release, as the platform knows it, for one environment.

    Attributes:
        object_key: What it was made of; a candidate's own build is made of it too.
        entry: What the ledger says of it, as it was finalized.
        plan: What is to be done; the steps in ``plan.staged`` need workers of this build.
        known: Ids by name of the endpoints that the environment has already.
    """

    id: str
    object_key: str
    release: Release
    entry: DeploymentEntry
    plan: Plan
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The packed one."""
        return self.release.manifest

    @property
    def kept(self) -> dict[str, str]:
        """Ids by name of the endpoints that stay as they are."""
        return {step.name: step.id for step in self.plan.steps if isinstance(step, KeepEndpoint)}

    def manifest_json(self, site: Site, state: EntryState, ids: Mapping[str, str]) -> dict[str, Any]:
        """The manifest for the platform: with digest, ledger entry, and the URLs of the endpoints with those ids."""
        urls = {one.name: one.url for one in deployed_endpoints(self.manifest, ids, site.control.address)}
        return sent_manifest(
            self.release, self.entry.model_copy(update={"state": state}), urls={**self._foreign(), **urls}
        )

    def _foreign(self) -> dict[str, str]:
        return dict(self.manifest.resources_endpoints or {})


def sent_manifest(release: Release, entry: DeploymentEntry, *, urls: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What Finalize and updateFlashBuildManifest send of a release."""
    update: dict[str, Any] = {"digest": release.digest or None, "deployment": entry}
    if urls:
        update["resources_endpoints"] = dict(urls)
    return release.manifest.model_copy(update=update).as_json()


def advanced(manifest: Manifest, state: EntryState) -> Manifest | None:
    """A build's manifest with its entry of the ledger in *state*; None where it has none, or is there already."""
    order = ("staged", "activated", "verified", "rolled-back")
    entry = manifest.deployment
    if entry is None or order.index(entry.state) >= order.index(state):
        return None
    return manifest.model_copy(update={"deployment": entry.model_copy(update={"state": state})})


TryBuild = Callable[[Site, Build, Mapping[str, str]], None]
"""Tries a build beside the one that serves, which goes on where this raises. Ids are by endpoint."""


class Rollout(Protocol):
    """A way to make builds live. Every method raises ``FlashError`` that says why not."""

    def hold(self, site: Site, *, base_build_id: str | None) -> Hold:
        """Keep others away from the environment, which is there; takes over from a run that is dead.

        Raises:
            Busy: Somebody else deploys there; says who.
            DeployError: Something else is live than *base_build_id*.
        """
        ...

    def forgotten(self, control: ControlPlane, live: LiveEnvironment) -> Collection[str]:
        """Names of endpoints that dead runs made and that serve nobody: they go without being asked for.

        Asks only where the environment has endpoints that what is live does not.
        """
        ...

    def has_leftovers(self, control: ControlPlane, live: LiveEnvironment) -> bool:
        """Whether something lies beside what is live: of a dead run's, or of one that deploys there now."""
        ...

    def recover(self, site: Site, live: LiveEnvironment) -> None:
        """Remove what dead runs left beside what is live. The environment is held."""
        ...

    def prepare(self, site: Site, build: Build) -> Mapping[str, str]:
        """Make workers for each of ``build.plan.staged`` beside what is live, and wait until they are healthy.

        Journals what it makes before it makes it.

        Returns:
            Ids by name: of the endpoints whose new version waits, or of those that stand in for them.

        Raises:
            WorkerFailed: A worker died, or was not healthy in time.
        """
        ...

    def activate(self, site: Site, build: Build, prepared: Mapping[str, str]) -> Mapping[str, str]:
        """Make the build live; the entry of the ledger is advanced to *activated* together with the URLs.

        Returns:
            Ids by name of everything that serves: kept, updated and new.

        Raises:
            FlashError: It is not live; what was live before is.
        """
        ...

    def check(self, site: Site, build: Build, ids: Mapping[str, str]) -> None:
        """Look once more whether every endpoint that serves has a healthy worker of what is live.

        Raises:
            DeployError: It has not.
        """
        ...

    def retire(self, site: Site) -> None:
        """Stop what was replaced, once what is live was verified or put back; jobs are finished first."""
        ...

    def abandon(self, site: Site, created: Collection[str]) -> None:
        """Remove what was prepared and never activated; *created* are names of endpoints that were not there before."""
        ...
