"""A plan is carried out: upload, stage beside the live version, wait until healthy, activate all at once.

Until the activation, which is one operation, users see the old version; any failure before it leaves nothing behind.
Looking comes before creating, so that a run that was killed can be run again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flash.deploy.deployment import DeployedEndpoint, Deployment, deployed_endpoints
from flash.deploy.inputs import Placement
from flash.deploy.plan import DeleteEndpoint, KeepEndpoint
from flash.deploy.rollback import abandon
from flash.deploy.stage import HEALTHY_DEADLINE_S, await_healthy, stage
from flash.errors import DeployError, FlashError, NotAuthorized, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.cloud.client import LiveEnvironment, PlatformClient
    from flash.deploy.journal import Journal
    from flash.deploy.plan import Plan
    from flash.model.manifest import Artifact

__all__ = ["DeployedEndpoint", "Deployment", "apply", "retire"]


def apply(
    plan: Plan,
    artifact: Artifact,
    *,
    client: PlatformClient,
    app: str,
    environment: str,
    journal: Journal,
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    deadline_s: float = HEALTHY_DEADLINE_S,
) -> Deployment:
    """Make an artifact live. The version before it keeps its workers until ``retire``.

    The plan is made of the artifact's manifest and of what is live. *report* is told what happens, a line each;
    *deadline_s* is how long the workers may take to become healthy.

    Raises:
        DeployError: The environment is not as it was when the plan was made, or the platform cannot stage versions.
        WorkerFailed: A worker of the new version died, or was not healthy in time.
        PlatformError: The platform said no.
    """
    live = client.environment(app, environment)
    base = None if live is None else live.active_build_id
    if base != plan.base_build_id:
        raise DeployError(
            f"environment {environment!r} has changed since the plan was made: build {base or 'none'} is live, "
            f"not {plan.base_build_id or 'none'}",
            hint="somebody else deployed meanwhile; run it again",
        )
    run = journal.begin(f"{client.address.api_url} {app}/{environment}")
    attempt = _Attempt(plan, artifact, client, app, environment, journal, report, run, live)
    if not plan.staged and live is not None and live.active_build_id is not None:
        report(f"artifact {plan.digest[:12]} is live in {environment} already")
        return attempt.deployment(live.id, live.active_build_id)
    try:
        environment_id = attempt.find_or_create_environment()
        build_id = attempt.build()
        attempt.stage(environment_id, build_id)
        await_healthy(
            attempt.staged, build_id, client=client, report=report, clock=clock, sleep=sleep, deadline_s=deadline_s
        )
        attempt.activate(environment_id, build_id)
    except BaseException:  # why: an interrupt too must leave what was live as it was, and nothing beside it
        attempt.abandon()
        raise
    report(f"build {build_id} is live in {environment}")
    return attempt.deployment(environment_id, build_id)


def retire(
    deployment: Deployment,
    client: PlatformClient,
    *,
    journal: Journal,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Keep a deployment: stop the version before it, and delete the endpoints that the project no longer declares."""
    client.retire(deployment.environment_id)
    for name, endpoint_id in deployment.removed.items():
        client.delete_endpoint(endpoint_id)
        journal.removed(deployment.run, "endpoint", name)
        report(f"removed {name}")
    journal.settled(deployment.run)


@dataclass(slots=True)
class _Attempt:
    """One run of ``apply``: what it has made so far."""

    plan: Plan
    artifact: Artifact
    client: PlatformClient
    app: str
    environment: str
    journal: Journal
    report: Callable[[str], None]
    run: str
    live: LiveEnvironment | None
    app_id: str = ""
    environment_id: str | None = None
    staged: dict[str, str] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    activating: str | None = None

    def find_or_create_environment(self) -> str:
        if self.live is not None:
            self.app_id, self.environment_id = self.live.app_id, self.live.id
            return self.live.id
        found = self.client.find_app(self.app)
        if found is None:
            self.journal.intended(self.run, "app", self.app)
            found = self.client.create_app(self.app)
            self.journal.made(self.run, "app", self.app, found.id)
            self.report(f"created app {self.app}")
        self.app_id = found.id
        self.journal.intended(self.run, "environment", self.environment)
        made = self.client.create_environment(found.id, self.environment)
        self.journal.made(self.run, "environment", self.environment, made.id)
        self.environment_id = made.id
        self.report(f"created environment {self.environment}")
        return made.id

    def build(self) -> str:
        name = self.artifact.sha256
        self.journal.intended(self.run, "upload", name)
        object_key = self.client.upload(self.app_id, self.artifact.path, self.report)
        self.journal.made(self.run, "upload", name, object_key)
        self.journal.intended(self.run, "build", name)
        build_id = self.client.finalize(self.app_id, object_key, self._manifest_json())
        self.journal.made(self.run, "build", name, build_id)
        self.report(f"uploaded {self.artifact.size_bytes / 2**20:.1f} MiB as build {build_id}")
        return build_id

    def stage(self, environment_id: str, build_id: str) -> None:
        placement = Placement(
            app=self.app,
            environment=self.environment,
            environment_id=environment_id,
            build_id=build_id,
            caller_key=self.client.address.api_key,
        )
        known = {} if self.live is None else self.live.endpoints
        for step in self.plan.staged:
            self.report(f"staging {step.name}")
            is_new = step.name not in known
            if is_new:
                self.journal.intended(self.run, "endpoint", step.name)
                self.created.add(step.name)
            record = stage(
                step.name,
                self.artifact.manifest,
                placement,
                client=self.client,
                endpoint_id=known.get(step.name),
                report=self.report,
            )
            self.staged[step.name] = record.id
            if is_new:
                self.journal.made(self.run, "endpoint", step.name, record.id)

    def activate(self, environment_id: str, build_id: str) -> None:
        urls = {endpoint.name: endpoint.url for endpoint in self._endpoints()}
        self.client.update_build_manifest(build_id, {**self._manifest_json(), "resources_endpoints": urls})
        self.activating = build_id
        try:
            self.client.activate(environment_id, build_id)
        except NotAuthorized:
            raise
        except PlatformError:
            # the answer may have got lost on its way: what is live is read from the platform
            now = self.client.environment(self.app, self.environment)
            if now is None or now.active_build_id != build_id:
                raise

    def abandon(self) -> None:
        """Leave the environment as it was, unless the new version turns out to be live."""
        if self.environment_id is None:
            return
        try:
            now = self.client.environment(self.app, self.environment)
            if now is None:
                return
            if self.activating is not None and now.active_build_id == self.activating:
                self.report(f"! build {self.activating} is live; the next deployment retires the one before it")
                return
            abandon(
                now,
                created=self.created,
                is_new_environment=self.live is None,
                run=self.run,
                client=self.client,
                journal=self.journal,
            )
        except FlashError as error:
            # why it was abandoned is the error that matters; what is left is in the journal
            self.report(f"! the failed deployment could not be cleaned up: {error.headline}; the next one does")

    def deployment(self, environment_id: str, build_id: str) -> Deployment:
        before = None if self.live is None else self.live.manifest
        return Deployment(
            app=self.app,
            environment=self.environment,
            environment_id=environment_id,
            digest=self.plan.digest,
            build_id=build_id,
            previous_build_id=self.plan.base_build_id,
            previous=None if before is None else before.digest,
            endpoints=self._endpoints(),
            staged=dict(self.staged),
            created=frozenset(self.created),
            removed={step.name: step.id for step in self.plan.steps if isinstance(step, DeleteEndpoint)},
            is_new_environment=self.live is None,
            run=self.run,
        )

    def _endpoints(self) -> tuple[DeployedEndpoint, ...]:
        kept = {step.name: step.id for step in self.plan.steps if isinstance(step, KeepEndpoint)}
        return deployed_endpoints(self.artifact.manifest, {**kept, **self.staged}, self.client.address)

    def _manifest_json(self) -> dict[str, object]:
        return {**self.artifact.manifest.as_json(), "digest": self.artifact.sha256}
