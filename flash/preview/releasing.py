"""A release is planned against what is live, and that is done: what deploying and rolling back share."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from flash.deploy.apply import apply
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.secrets import Secrets, live_values, users_of
from flash.errors import Refused
from flash.project import secret_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.install import Report
    from flash.cloud.client import PlatformClient
    from flash.cloud.records import LiveEnvironment, Look
    from flash.deploy.apply import Applied
    from flash.deploy.plan import Plan
    from flash.deploy.release import Release
    from flash.deploy.rollout import Rollout, TryBuild
    from flash.project import Project, TargetName

__all__ = ["carry_out", "plan_release", "remembered", "who"]


def carry_out(
    project: Project,
    release: Release,
    look: Look,
    client: PlatformClient,
    rollout: Rollout,
    *,
    environment: str,
    target: TargetName,
    report: Report,
    allow_delete: bool,
    allowed_by: str = "flash deploy --allow-delete, or pytest --flash-allow-delete",
    planned: Plan | None = None,
    trial: TryBuild | None = None,
) -> tuple[Applied, Plan]:
    """Plan *release* against what was seen of an environment, and do that; deploying and rolling back share it.

    Args:
        project: Whose app it is, and whose journal is kept.
        release: What goes live.
        look: What *client* has seen of the environment.
        client: Where to.
        rollout: How.
        environment: Its name.
        target: What kind of platform it is.
        report: Takes lines for the user.
        allow_delete: Whether endpoints may go.
        allowed_by: The option that lets them go, for the hint.
        planned: What alone may be done, where something may.
        trial: Tries the new version before it takes over.

    Raises:
        FlashError: As :func:`promote_release` has them.
    """
    secrets = _secrets(project, release, look.live, client)
    with secrets.hidden():
        app = project.settings.app
        steps = plan_release(
            release, look.live, client, rollout, app=app, environment=environment, rotated=secrets.changed
        )
        if planned is not None:
            live = remembered(look.live, client, rollout)
            planned.check(live, app=app, environment=environment, target=target, now=steps)
        _check_deletions(steps, look.live, environment=environment, allow_delete=allow_delete, by=allowed_by)
        applied = apply(
            steps,
            release,
            control=client,
            rollout=rollout,
            app=app,
            environment=environment,
            journal=Journal.of(project),
            report=secrets.telling(report),
            look=look,
            deadline_s=project.settings.start_timeout_s,
            who=who(release.action),
            trial=trial,
            secrets=secrets,
        )
        return applied, steps


def _secrets(project: Project, release: Release, live: LiveEnvironment | None, client: PlatformClient) -> Secrets:
    """The values of the release's secrets, before anything is changed.

    A way back stays open: what is put back may keep the values that are live.

    Raises:
        SettingsError: One is not set here.
    """
    before = live_values(live, client)
    kept: dict[str, str] = {}
    if release.action == "rollback" and live is not None and live.manifest is not None:
        for endpoint, values in before.items():
            references = live.manifest.resources[endpoint].secrets or {}
            kept |= {references[variable]: value for variable, value in values.items()}
    values = secret_values(project, users_of(release.manifest), otherwise=kept)
    return Secrets.of(release.manifest, values, before=before)


def remembered(live: LiveEnvironment | None, client: PlatformClient, rollout: Rollout) -> LiveEnvironment | None:
    """What is live, as plans see it: what a dead run has left is no endpoint that somebody would miss."""
    if live is None or not (forgotten := rollout.forgotten(client, live)):
        return live
    endpoints = {name: endpoint_id for name, endpoint_id in live.endpoints.items() if name not in forgotten}
    return replace(live, endpoints=endpoints)


def plan_release(
    release: Release,
    live: LiveEnvironment | None,
    client: PlatformClient,
    rollout: Rollout,
    *,
    app: str,
    environment: str,
    rotated: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """What making a release live would change; what dead runs have left is not counted."""
    live = remembered(live, client, rollout)
    return plan(release.manifest, live, digest=release.digest, app=app, environment=environment, rotated=rotated)


def _check_deletions(
    steps: Plan,
    live: LiveEnvironment | None,
    *,
    environment: str,
    allow_delete: bool,
    by: str,
) -> None:
    """Refuse to delete endpoints, unless that is allowed, or was when what is live was deployed.

    Raises:
        Refused: Names them.
    """
    entry = None if live is None or live.manifest is None else live.manifest.deployment
    # who deployed what is live has agreed to that, and was stopped before it was done
    agreed = set() if entry is None else set(entry.removed)
    doomed = [name for name in steps.deleted if name not in agreed]
    if doomed and not allow_delete:
        raise Refused(
            f"environment {environment!r} would lose {len(doomed)} endpoint{'' if len(doomed) == 1 else 's'}",
            reasons=[f"{name!r} is live and no longer in the project" for name in doomed],
            hint=f"allow it with {by}",
        )


def who(action: str) -> str:
    """This run in words, for others who want to deploy there."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # a container's user need not have a name
        user = "somebody"
    return f"{user}@{socket.gethostname()} (flash {action}, process {os.getpid()})"
