"""Promotion: the artifact that was tested goes live in an environment, on a local platform or on Runpod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flash import project as settings
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.deploy import rollback
from flash.deploy.apply import Deployment, finish
from flash.deploy.candidate import CandidateRollout
from flash.deploy.journal import Journal
from flash.deploy.release import Release
from flash.deploy.staged import StagedRollout
from flash.errors import NotFound, SettingsError
from flash.preview.local import check_start, find_platform, has_state, start_platform
from flash.preview.releasing import carry_out, who
from flash.preview.session import Attachment, attachment_of, local_address
from flash.preview.trial import trial_by

if TYPE_CHECKING:
    from flash.bundle.install import Report
    from flash.cloud.records import LiveEnvironment
    from flash.deploy.apply import Applied
    from flash.deploy.plan import Plan
    from flash.deploy.rollout import Rollout
    from flash.model.manifest import Artifact, GateWord
    from flash.preview.backend import Wanted
    from flash.preview.local import PlatformState
    from flash.preview.trial import CanaryTests
    from flash.project import Project, TargetName

__all__ = [
    "Promotion",
    "address",
    "check_target",
    "found",
    "promote",
    "promote_release",
    "rollout_of",
    "undeploy",
]


def address(
    project: Project, target: TargetName, *, start: bool, report: Report, wanted: Wanted = "auto"
) -> PlatformAddress:
    """Where *target* answers.

    A local target takes URL and key from the local platform's state and ignores ``RUNPOD_*``.

    Args:
        project: Whose ``.env`` may hold the key.
        target: ``runpod`` or ``local``.
        start: Start the local platform if none runs.
        report: Told when one is started.
        wanted: What the workers of a local platform are to be.

    Raises:
        SettingsError: Target runpod without a key.
        NotFound: Target local, no platform runs, and none is to be started.
        PortTaken: It was to be started, and somebody else listens on its port.
    """
    if target == "local":
        state = _start(project, report, wanted) if start else find_platform()
        if state is None:
            raise NotFound("no local platform runs", hint="start it: flash platform start")
        return local_address(state)
    key = settings.api_key(project)
    if key is None:
        raise SettingsError(
            "target 'runpod' needs an API key, and there is none",
            hint="export RUNPOD_API_KEY=your_api_key_here, or add it to your .env file",
        )
    api_url, data_url, lb_base_url = settings.runpod_urls()
    rest_url, hapi_url = settings.runpod_services()
    return PlatformAddress(api_url, data_url, lb_base_url, key, rest_url=rest_url, hapi_url=hapi_url)


def _start(project: Project, report: Report, wanted: Wanted) -> PlatformState:
    return start_platform(report=report, wanted=wanted, python_versions=(project.settings.python,))


def check_target(
    project: Project,
    environment: str,  # noqa: ARG001  the pipeline's: a target may have to look at it
    target: TargetName,
    *,
    report: Report,
    wanted: Wanted = "auto",
) -> None:
    """Ask the target something harmless, so that a wrong key is told before anything is built.

    A local platform on which nothing can be deployed yet is not started for that: the run may be refused.

    Raises:
        SettingsError, NotAuthorized, PlatformUnreachable, PortTaken: Why nothing can be deployed there.
    """
    if target == "local" and not has_state():
        check_start(wanted=wanted, python_versions=(project.settings.python,))
        return
    if target == "runpod" and (note := settings.mixed_urls()) is not None:
        report(f"! {note}")
    with PlatformClient(address(project, target, start=True, report=report, wanted=wanted)) as client:
        client.find_app(project.settings.app)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A deployment that is live and not yet verified; one of :meth:`finish` and :meth:`roll_back` ends it.

    Until then nobody else deploys to the environment, on platforms with leases.
    """

    deployment: Deployment
    attachment: Attachment
    is_local: bool
    applied: Applied
    client: PlatformClient
    plan: Plan

    def finish(self) -> None:
        """Keep it: the version before it is retired."""
        with self.client, self.applied.site.secrets.hidden():
            finish(self.applied)

    def roll_back(self, *, report: Report) -> str:
        """Put back what was live before, or remove a first deployment. Says what is live now."""
        secrets = self.applied.site.secrets
        self.applied.site.report = secrets.telling(report)
        with self.client, secrets.hidden():
            return rollback.restore(self.applied)


def rollout_of(address: PlatformAddress) -> Rollout:
    """How builds become live on a platform."""
    return StagedRollout() if address.stages else CandidateRollout()


def promote(
    project: Project,
    artifact: Artifact,
    *,
    environment: str,
    target: TargetName,
    report: Report,
    allow_delete: bool = False,
    planned: Plan | None = None,
    gate: GateWord | None = None,
    git: str | None = None,
    canary: CanaryTests | None = None,
    wanted: Wanted = "auto",
) -> Promotion:
    """Make an artifact of this machine live in *environment*; see :func:`promote_release`."""
    return promote_release(
        project,
        Release.of(artifact, gate=gate, git=git),
        environment=environment,
        target=target,
        report=report,
        allow_delete=allow_delete,
        planned=planned,
        canary=canary,
        wanted=wanted,
    )


def promote_release(
    project: Project,
    release: Release,
    *,
    environment: str,
    target: TargetName,
    report: Report,
    allow_delete: bool = False,
    planned: Plan | None = None,
    canary: CanaryTests | None = None,
    wanted: Wanted = "auto",
) -> Promotion:
    """Make a release live in *environment*; what was live before can still be put back.

    Where *planned* is given, what it says is done, and nothing else. Where *canary* is, the new version is tried first.

    Raises:
        CanaryStopped: It was tried, and did not show that it may take over; the old version is live still.
        Refused: An endpoint that is live is not in the artifact, and *allow_delete* is false; or the plan no longer
            fits. Nothing has been touched.
        Busy: Somebody else deploys there.
        WorkerFailed: A worker of the new version died; the old version is live still.
        PlatformError: The platform said no; the old version is live still.
    """
    backend = _start(project, report, wanted).backend if target == "local" else "runpod"
    client = PlatformClient(address(project, target, start=True, report=report, wanted=wanted))
    try:
        rollout = rollout_of(client.address)
        look = client.look(project.settings.app, environment)
        applied, steps = carry_out(
            project,
            release,
            look,
            client,
            rollout,
            environment=environment,
            target=target,
            report=report,
            allow_delete=allow_delete,
            planned=planned,
            trial=None if canary is None else trial_by(canary, look, client.address, backend),
        )
    except BaseException:
        client.close()
        raise
    artifact_path = None if release.artifact is None else release.artifact.path
    attachment = attachment_of(applied.deployment, artifact_path, client.address, kind="deployment", backend=backend)
    return Promotion(applied.deployment, attachment, target == "local", applied, client, steps)


def undeploy(project: Project, *, environment: str, target: TargetName, report: Report) -> tuple[str, ...]:
    """Remove an environment with its endpoints, and nothing else.

    Returns:
        The names of the endpoints removed.

    Raises:
        NotFound: There is no such environment.
        Busy: Somebody deploys there.
    """
    app = project.settings.app
    with PlatformClient(address(project, target, start=False, report=report)) as client:
        live = found(client.environment(app, environment), app, environment)
        return rollback.remove(
            live,
            app=app,
            control=client,
            rollout=rollout_of(client.address),
            journal=Journal.of(project),
            report=report,
            who=who("undeploy"),
        )


def found(live: LiveEnvironment | None, app: str, environment: str) -> LiveEnvironment:
    """The environment, which must be there.

    Raises:
        NotFound: It is not.
    """
    if live is None:
        raise NotFound(
            f"app {app!r} has no environment {environment!r}", hint="flash env list shows those that there are"
        )
    return live
