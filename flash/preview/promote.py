"""Promotion: the artifact that was tested goes live in an environment, on a local platform or on Runpod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flash import project as settings
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.deploy import rollback
from flash.deploy.apply import Deployment, apply, retire
from flash.deploy.journal import Journal
from flash.deploy.plan import DeleteEndpoint, plan
from flash.errors import NotFound, Refused, SettingsError
from flash.preview.local import find_platform, start_platform
from flash.preview.session import Attachment, attachment_of, local_address

if TYPE_CHECKING:
    from pathlib import Path

    from flash.bundle.install import Report
    from flash.deploy.plan import Plan
    from flash.model.manifest import Artifact
    from flash.preview.backend import Wanted
    from flash.preview.local import PlatformState
    from flash.project import Project, TargetName

__all__ = ["Promotion", "address", "check_target", "promote", "undeploy"]


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
    project: Project, environment: str, target: TargetName, *, report: Report, wanted: Wanted = "auto"
) -> None:
    """Ask the target something harmless, so that a wrong key is told before anything is built.

    Raises:
        SettingsError, NotAuthorized, PlatformUnreachable, PortTaken: Why nothing can be deployed there.
    """
    with PlatformClient(address(project, target, start=True, report=report, wanted=wanted)) as client:
        client.environment(project.settings.app, environment)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A deployment that is live and not yet verified; one of :meth:`finish` and :meth:`roll_back` ends it."""

    deployment: Deployment
    attachment: Attachment
    is_local: bool
    journal_path: Path

    def finish(self) -> None:
        """Keep it: the version before it is retired."""
        with PlatformClient(self.attachment.address) as client:
            retire(self.deployment, client=client, journal=Journal(self.journal_path))

    def roll_back(self, *, report: Report) -> str:
        """Put back what was live before, or remove a first deployment. Says what is live now."""
        with PlatformClient(self.attachment.address) as client:
            return rollback.restore(self.deployment, client=client, journal=Journal(self.journal_path), report=report)


def promote(
    project: Project,
    artifact: Artifact,
    *,
    environment: str,
    target: TargetName,
    report: Report,
    allow_delete: bool = False,
    planned: Plan | None = None,
    wanted: Wanted = "auto",
) -> Promotion:
    """Make *artifact* live in *environment*; what was live before can still be put back.

    Where *planned* is given, what it says is done, and nothing else.

    Raises:
        Refused: An endpoint that is live is not in the artifact, and *allow_delete* is false; or the plan no longer
            fits. Nothing has been touched.
        WorkerFailed: A worker of the new version died; the old version is live still.
        PlatformError: The platform said no; the old version is live still.
    """
    journal_path = project.flash_dir / "journal.jsonl"
    backend = _start(project, report, wanted).backend if target == "local" else "runpod"
    where = address(project, target, start=True, report=report, wanted=wanted)
    with PlatformClient(where) as client:
        live = client.environment(project.settings.app, environment)
        app = project.settings.app
        steps = plan(artifact.manifest, live, digest=artifact.sha256, app=app, environment=environment)
        if planned is not None:
            planned.check(live, app=app, environment=environment, now=steps)
        doomed = [step.name for step in steps.steps if isinstance(step, DeleteEndpoint)]
        if doomed and not allow_delete:
            raise Refused(
                f"environment {environment!r} would lose {len(doomed)} endpoint(s)",
                reasons=[f"{name!r} is live and no longer in the project" for name in doomed],
                hint="allow it with --flash-allow-delete (flash deploy --allow-delete)",
            )
        deployment = apply(
            steps,
            artifact,
            client=client,
            app=project.settings.app,
            environment=environment,
            journal=Journal(journal_path),
            report=report,
        )
    attachment = attachment_of(deployment, artifact, where, kind="deployment", backend=backend)
    return Promotion(deployment, attachment, target == "local", journal_path)


def undeploy(project: Project, *, environment: str, target: TargetName, report: Report) -> tuple[str, ...]:
    """Remove an environment with its endpoints, and nothing else.

    Returns:
        The names of the endpoints removed.

    Raises:
        NotFound: There is no such environment.
    """
    with PlatformClient(address(project, target, start=False, report=report)) as client:
        live = client.environment(project.settings.app, environment)
        if live is None:
            raise NotFound(
                f"app {project.settings.app!r} has no environment {environment!r}",
                hint="flash env list shows those that there are",
            )
        rollback.remove(live, client=client, journal=Journal(project.flash_dir / "journal.jsonl"), report=report)
        return tuple(sorted(live.endpoints))
