"""The ledger of an environment, and back to a version of it. Neither needs anything of the checkout's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flash.cloud.client import PlatformClient
from flash.deploy import ledger, rollback
from flash.deploy.release import Release
from flash.preview.promote import address, found, rollout_of
from flash.preview.releasing import carry_out

if TYPE_CHECKING:
    from flash.bundle.install import Report
    from flash.cloud.records import BuildRecord
    from flash.deploy.deployment import Deployment
    from flash.project import Project, TargetName

__all__ = ["RolledBack", "doubt", "history", "roll_back"]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A version of the ledger that was put back.

    Attributes:
        build: The one that it was made of.
    """

    deployment: Deployment
    build: BuildRecord
    is_local: bool
    message: str


def roll_back(
    project: Project,
    wanted: str,
    *,
    environment: str,
    target: TargetName,
    report: Report,
    allow_delete: bool = False,
) -> RolledBack:
    """Put a version of the ledger back: the one before what is live, the *N*-th before it, or one by its digest.

    It is rolled out as any is, verified, and gets an entry of its own; nothing is built or uploaded.

    Raises:
        NotFound: There is no such environment or version.
        Refused: The digest means several; or an endpoint would go, and *allow_delete* is false.
        Busy: Somebody else deploys there.
        WorkerFailed: A worker of that version died; what was live is live still.
        DeployError: It is live, and not healthy.
    """
    app = project.settings.app
    with PlatformClient(address(project, target, start=False, report=report)) as client:
        rollout, look = rollout_of(client.address), client.look(app, environment)
        live = found(look.live, app, environment)
        build = ledger.target(client.builds(live.app_id), environment, live.active_build_id, wanted)
        release = Release.of_build(build, action="rollback")
        applied, _ = carry_out(
            project,
            release,
            look,
            client,
            rollout,
            environment=environment,
            target=target,
            report=report,
            allow_delete=allow_delete,
            allowed_by="--allow-delete",
        )
        with applied.site.secrets.hidden():
            message = rollback.keep(applied, build)
        if (said := doubt(build)) is not None:
            report(f"! {said}")
    return RolledBack(applied.deployment, build, target == "local", message)


def doubt(build: BuildRecord) -> str | None:
    """What speaks against a version that was put back. It is told, and no reason to refuse: a way back stays open."""
    entry = ledger.entry_of(build)
    if entry is None:
        return f"build {build.id} was not deployed by Flash: no gate has let it through"
    doubts = []
    if entry.state == "rolled-back":
        doubts.append("was rolled back itself before")
    if entry.gate == "ungated":
        doubts.append("went live without a gate (--no-gate)")
    return f"build {build.id}, which was put back, {' and '.join(doubts)}" if doubts else None


def history(project: Project, *, environment: str, target: TargetName) -> tuple[ledger.Line, ...]:
    """What was live in an environment, the newest first; asks the platform, and needs nothing of this machine's.

    Raises:
        NotFound: There is no such environment.
    """
    app = project.settings.app
    with PlatformClient(address(project, target, start=False, report=lambda _line: None)) as client:
        live = found(client.environment(app, environment), app, environment)
        return ledger.history(client.builds(live.app_id), environment, live.active_build_id)
