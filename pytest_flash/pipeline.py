"""What the stages do, as one protocol: so that the plugin can be tested without processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from flash.cloud.address import PlatformAddress
    from flash.cloud.jobs import EndpointClient
    from flash.deploy.deployment import Deployment
    from flash.model.app import App
    from flash.model.manifest import Artifact
    from flash.preview.backend import Backend, Wanted
    from flash.project import Project, TargetName

__all__ = ["Attachment", "Pipeline", "Preview", "Promotion", "RealPipeline", "Report", "pipeline_key"]

Report = Callable[[str], None]


class Attachment(Protocol):
    """Where a preview or a deployment is; see :class:`flash.preview.session.Attachment`."""

    @property
    def kind(self) -> str:
        """``preview`` or ``deployment``."""
        ...

    @property
    def app(self) -> str:
        """The app's name."""
        ...

    @property
    def environment(self) -> str:
        """The environment's name."""
        ...

    @property
    def digest(self) -> str:
        """The artifact's sha256."""
        ...

    @property
    def previous(self) -> str | None:
        """The digest that was live before."""
        ...

    @property
    def backend(self) -> str:
        """What the workers are."""
        ...

    @property
    def address(self) -> PlatformAddress:
        """The platform's."""
        ...

    def clients(self) -> Mapping[str, EndpointClient]:
        """A client for each endpoint."""
        ...

    def artifact(self) -> Artifact:
        """What runs there."""
        ...

    def write(self, path: Path) -> None:
        """Write it for another process."""
        ...


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
        """What a preview's workers will be."""
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

    def build(self, project: Project, *, report: Report) -> Artifact:
        """Build the artifact."""
        ...

    def start_preview(self, project: Project, artifact: Artifact, *, report: Report) -> Preview:
        """Serve the artifact on a platform of its own."""
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
    ) -> Promotion:
        """Make the artifact live."""
        ...

    def attach(self, path: Path) -> Attachment:
        """Read what :meth:`Attachment.write` wrote."""
        ...


class RealPipeline:
    """The pipeline of ``flash.preview``, loaded when it is used.

    Args:
        wanted: What workers are to be.
    """

    def __init__(self, wanted: Wanted = "auto") -> None:
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
        from flash.preview import session

        return session.discover(project)

    def check_target(self, project: Project, environment: str, target: TargetName, *, report: Report) -> None:
        """Raise unless *target* can be deployed to."""
        from flash.preview import promote

        promote.check_target(project, environment, target, report=report, wanted=self._wanted)

    def build(self, project: Project, *, report: Report) -> Artifact:
        """Build the artifact."""
        from flash.preview import session

        return session.build(project, report=report, wanted=self._wanted)

    def start_preview(self, project: Project, artifact: Artifact, *, report: Report) -> Preview:
        """Serve the artifact on a platform of its own."""
        from flash.preview import session
        from flash.preview.backend import PROCESSES

        return session.start_preview(project, artifact, report=report, backend=self._backend or PROCESSES)

    def promote(
        self,
        project: Project,
        artifact: Artifact,
        *,
        environment: str,
        target: TargetName,
        report: Report,
        allow_delete: bool,
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
            wanted=self._wanted,
        )

    def attach(self, path: Path) -> Attachment:
        """Read what :meth:`Attachment.write` wrote."""
        from flash.preview import session

        return session.Attachment.read(path)


pipeline_key = pytest.StashKey[Pipeline]()
"""Set by tests of the plugin in ``pytest_configure``; the real one is used otherwise."""
