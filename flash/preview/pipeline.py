"""From a project's sources to a deployment, as one protocol: the command line and the plugin are tested with others.

The real thing loads the rest of ``flash.preview`` when it is used, so that nobody pays for what is not done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from flash.bundle.install import Report
    from flash.cloud.records import LiveEnvironment
    from flash.deploy.deployment import Deployment
    from flash.deploy.plan import Plan
    from flash.model.app import App
    from flash.model.manifest import Artifact, GateWord
    from flash.preview.backend import Backend, Wanted
    from flash.preview.session import Attachment
    from flash.preview.trial import CanaryTests
    from flash.project import Project, TargetName

__all__ = ["Pipeline", "Preview", "Promotion", "RealPipeline"]


class Preview(Protocol):
    """A running preview."""

    @property
    def attachment(self) -> Attachment:
        """Where it is."""
        ...

    def close(self) -> None:
        """Stop it; a second call does nothing."""
        ...


class Promotion(Protocol):
    """A deployment that is live and not yet verified."""

    @property
    def deployment(self) -> Deployment:
        """What is live."""
        ...

    @property
    def attachment(self) -> Attachment:
        """Where it is."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether it is on the local platform."""
        ...

    @property
    def plan(self) -> Plan | None:
        """What it has changed, where that is known."""
        ...

    def finish(self) -> None:
        """Keep it."""
        ...

    def roll_back(self, *, report: Report) -> str:
        """Put back what was live before; says what is live now."""
        ...


class Pipeline(Protocol):
    """From sources to a deployment. Each step raises a :class:`flash.errors.FlashError` that says why it cannot."""

    @property
    def backend(self) -> str:
        """What a preview's workers will be: processes, unless :meth:`settle` has decided otherwise."""
        ...

    def settle(self, project: Project) -> str:
        """Decide what the workers will be; says what and why, or nothing where that goes without saying."""
        ...

    def discover(self, project: Project) -> App:
        """The endpoints that the sources declare."""
        ...

    def check_target(self, project: Project, environment: str, target: TargetName, *, report: Report) -> None:
        """Raise unless *target* can be deployed to."""
        ...

    def build(
        self, project: Project, *, report: Report, keep_build_dir: bool = False, upgrade: bool = False
    ) -> Artifact:
        """Build the artifact.

        *keep_build_dir* leaves the staged tree; *upgrade* asks the index for versions that nobody has pinned.
        """
        ...

    def start_preview(self, project: Project, artifact: Artifact, *, report: Report) -> Preview:
        """Serve the artifact on a platform of its own."""
        ...

    def look(self, project: Project, environment: str, target: TargetName) -> LiveEnvironment | None:
        """What is live in an environment; makes and starts nothing."""
        ...

    def plan(self, project: Project, artifact: Artifact, *, environment: str, target: TargetName) -> Plan:
        """What promoting the artifact would change; makes and starts nothing."""
        ...

    def promote(
        self,
        project: Project,
        artifact: Artifact,
        *,
        environment: str,
        target: TargetName,
        report: Report,
        allow_delete: bool,
        planned: Plan | None = None,
        gate: GateWord | None = None,
        git: str | None = None,
        canary: CanaryTests | None = None,
    ) -> Promotion:
        """Make the artifact live; where a plan is given, what it says and nothing else.

        The ledger remembers what let it through, and the commit. Where there are tests for that, it is tried first.
        """
        ...

    def attach(self, path: Path) -> Attachment:
        """Read what :meth:`Attachment.write` wrote."""
        ...


class RealPipeline:
    """The pipeline of ``flash.preview``.

    Args:
        wanted: What workers are to be.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._backend: Backend | None = None

    @property
    def backend(self) -> str:
        """What a preview's workers will be."""
        return "process" if self._backend is None else self._backend.name

    def settle(self, project: Project) -> str:
        """Decide what the workers will be."""
        from flash.preview.backend import choose

        self._backend = choose(self._wanted, (project.settings.python,))
        return str(self._backend)

    def discover(self, project: Project) -> App:
        """The endpoints that the sources declare."""
        from flash.preview import building

        return building.discover(project)

    def check_target(self, project: Project, environment: str, target: TargetName, *, report: Report) -> None:
        """Raise unless *target* can be deployed to."""
        from flash.preview import promote

        promote.check_target(project, environment, target, report=report, wanted=self._wanted)

    def build(
        self, project: Project, *, report: Report, keep_build_dir: bool = False, upgrade: bool = False
    ) -> Artifact:
        """Build the artifact.

        *keep_build_dir* leaves the staged tree; *upgrade* asks the index for versions that nobody has pinned.
        """
        from flash.preview import building

        return building.build(
            project, report=report, keep_build_dir=keep_build_dir, upgrade=upgrade, wanted=self._wanted
        )

    def start_preview(self, project: Project, artifact: Artifact, *, report: Report) -> Preview:
        """Serve the artifact on a platform of its own."""
        from flash.preview import session
        from flash.preview.backend import PROCESSES

        return session.start_preview(project, artifact, report=report, backend=self._backend or PROCESSES)

    def look(self, project: Project, environment: str, target: TargetName) -> LiveEnvironment | None:
        """What is live in an environment."""
        from flash.preview import planning

        return planning.look(project, environment, target)

    def plan(self, project: Project, artifact: Artifact, *, environment: str, target: TargetName) -> Plan:
        """What promoting the artifact would change."""
        from flash.preview import planning

        return planning.make_plan(
            project, artifact.manifest, digest=artifact.sha256, environment=environment, target=target
        )

    def promote(
        self,
        project: Project,
        artifact: Artifact,
        *,
        environment: str,
        target: TargetName,
        report: Report,
        allow_delete: bool,
        planned: Plan | None = None,
        gate: GateWord | None = None,
        git: str | None = None,
        canary: CanaryTests | None = None,
    ) -> Promotion:
        """Make the artifact live."""
        from flash.preview import promote

        return promote.promote(
            project,
            artifact,
            environment=environment,
            target=target,
            report=report,
            allow_delete=allow_delete,
            planned=planned,
            gate=gate,
            git=git,
            canary=canary,
            wanted=self._wanted,
        )

    def attach(self, path: Path) -> Attachment:
        """Read what :meth:`Attachment.write` wrote."""
        from flash.preview import session

        return session.Attachment.read(path)
