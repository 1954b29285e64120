"""A preview: a platform is started, an artifact deployed to it. And the file that tells others where it is."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final

from flash import project as settings
from flash.bundle import archive
from flash.bundle.claims import claimed_folder, remove_abandoned
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.cloud.jobs import EndpointClient
from flash.cloud.records import Look
from flash.deploy.apply import DeployedEndpoint, Deployment, apply
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.release import Release
from flash.deploy.secrets import Secrets, users_of
from flash.deploy.staged import StagedRollout
from flash.errors import ManifestError, NotFound, WorkerFailed
from flash.model.manifest import Artifact
from flash.preview.backend import PROCESSES, Backend
from flash.preview.bases import MAKING_PREFIX
from flash.preview.local import PlatformState, launch_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from flash.bundle.install import Report
    from flash.project import Project

__all__ = [
    "PREVIEW_ENVIRONMENT",
    "PREVIEW_PREFIX",
    "Attachment",
    "Preview",
    "local_address",
    "start_preview",
]

PREVIEW_ENVIRONMENT: Final = "preview"
PREVIEW_PREFIX: Final = "preview-"
"""Of the folders of running previews."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where a preview or a deployment is: what another process needs to use it.

    Attributes:
        previous: The digest that was live before, for a deployment.
        artifact_path: The artifact that runs there, where it is on this machine.
        backend: What its workers are: ``process``, ``docker`` or ``runpod``.
    """

    kind: Literal["preview", "deployment"]
    app: str
    environment: str
    digest: str
    previous: str | None
    address: PlatformAddress
    endpoints: tuple[DeployedEndpoint, ...]
    artifact_path: Path | None
    backend: str

    def write(self, path: Path) -> None:
        """Write it for another process of this user; it holds the key, so nobody else can read it."""
        data = {
            "kind": self.kind,
            "app": self.app,
            "environment": self.environment,
            "digest": self.digest,
            "previous": self.previous,
            "address": asdict(self.address),
            "endpoints": [asdict(endpoint) for endpoint in self.endpoints],
            "artifact_path": None if self.artifact_path is None else str(self.artifact_path),
            "backend": self.backend,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Attachment:
        """Read what :meth:`write` wrote.

        Raises:
            ManifestError: It is not there, or not one.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                kind=data["kind"],
                app=data["app"],
                environment=data["environment"],
                digest=data["digest"],
                previous=data["previous"],
                address=PlatformAddress(**data["address"]),
                endpoints=tuple(
                    DeployedEndpoint(**{**endpoint, "routes": tuple(endpoint["routes"])})
                    for endpoint in data["endpoints"]
                ),
                artifact_path=None if data["artifact_path"] is None else Path(data["artifact_path"]),
                backend=data["backend"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"cannot read the attachment file {path}: {error}") from error

    def platform(self) -> PlatformClient:
        """A client of the platform it is on."""
        return PlatformClient(self.address)

    def clients(self) -> dict[str, EndpointClient]:
        """A client for each endpoint, by name."""
        platform = self.platform()

        def client(endpoint: DeployedEndpoint) -> EndpointClient:
            return EndpointClient(
                endpoint.name,
                kind=endpoint.kind,
                url=endpoint.url,
                api_key=self.address.api_key,
                logs=lambda: platform.logs(endpoint.id),
                marks_empty=not self.address.stages,
            )

        return {endpoint.name: client(endpoint) for endpoint in self.endpoints}

    def artifact(self) -> Artifact:
        """The artifact that runs there.

        Raises:
            NotFound: It is on the platform, and not on this machine.
        """
        if self.artifact_path is None:
            raise NotFound(
                f"artifact {self.digest[:12]} is not on this machine",
                hint="it was promoted from what the platform has; build it for tests that look into it",
            )
        return archive.read(self.artifact_path)


@final
class Preview:
    """A running preview; a context manager, whose end stops it and its workers."""

    def __init__(self, attachment: Attachment, stack: ExitStack) -> None:
        self.attachment = attachment
        self._stack = stack

    @property
    def url(self) -> str:
        """The platform's origin."""
        return self.attachment.address.api_url

    def close(self) -> None:
        """Stop it. A second call does nothing."""
        self._stack.close()

    def __enter__(self) -> Preview:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def local_address(state: PlatformState) -> PlatformAddress:
    """The address of a local platform."""
    return PlatformAddress(
        api_url=state.url,
        data_url=f"{state.url}/v2",
        lb_base_url=f"{state.url}/lb",
        api_key=state.api_key,
        rest_url=f"{state.url}/v1",
        hapi_url=state.url,
        stages=True,
    )


def start_preview(project: Project, artifact: Artifact, *, report: Report, backend: Backend = PROCESSES) -> Preview:
    """Deploy an artifact to a platform of its own, and wait until every endpoint is healthy.

    A deployment like any other; only the platform lives no longer than the preview.

    Args:
        project: Whose it is.
        artifact: What to deploy.
        report: Told what happens, a line each.
        backend: What its workers are.

    Raises:
        WorkerFailed: A worker died while starting; the end of its log is in ``detail``.
        PreviewError: The platform did not start.
    """
    previews = settings.flash_home() / "previews"
    remove_abandoned(previews, PREVIEW_PREFIX)
    remove_abandoned(settings.flash_home() / "bases", MAKING_PREFIX)
    stack = ExitStack()
    try:
        home = stack.enter_context(claimed_folder(previews, PREVIEW_PREFIX))
        state = stack.enter_context(launch_platform(home / "platform", backend))
        address = local_address(state)
        client = stack.enter_context(PlatformClient(address))
        users = users_of(artifact.manifest)
        values = settings.known_secrets(project, users)
        missing = {name: endpoints for name, endpoints in users.items() if name not in values}
        for name, endpoints in missing.items():
            report(
                f"! the preview is without the secret {name!r} of {', '.join(endpoints)}: it is set neither in the"
                " environment nor in .env, so its variable is not set for the workers either"
            )
        secrets = Secrets.of(artifact.manifest, values)
        with secrets.hidden(), _blaming(missing):
            deployment = apply(
                plan(artifact.manifest, None, digest=artifact.sha256),
                Release.of(artifact),
                control=client,
                rollout=StagedRollout(),
                app=project.settings.app,
                environment=PREVIEW_ENVIRONMENT,
                journal=Journal(home / "journal.jsonl"),
                report=secrets.telling(report),
                look=Look(None, None),
                deadline_s=project.settings.start_timeout_s,
                is_shared=False,
                secrets=secrets,
            ).deployment
    except BaseException:
        stack.close()
        raise
    attachment = attachment_of(deployment, artifact.path, address, kind="preview", backend=state.backend)
    return Preview(attachment, stack)


@contextmanager
def _blaming(missing: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Where a worker fails that lacks secrets, say that first."""
    try:
        yield
    except WorkerFailed as error:
        names = [name for name, endpoints in missing.items() if error.endpoint in endpoints]
        if names:
            error.hint = (
                f"it has no {' and no '.join(names)}, which is set neither in the environment nor in .env: set it, to"
                " anything where the tests do not need it"
            )
        raise


def attachment_of(
    deployment: Deployment,
    artifact_path: Path | None,
    address: PlatformAddress,
    *,
    kind: Literal["preview", "deployment"],
    backend: str,
) -> Attachment:
    """Where *deployment* is."""
    return Attachment(
        kind=kind,
        app=deployment.app,
        environment=deployment.environment,
        digest=deployment.digest,
        previous=deployment.previous,
        address=address,
        endpoints=deployment.endpoints,
        artifact_path=artifact_path,
        backend=backend,
    )
