"""Plans of a project: what is live is looked at, and nothing is made or started. And plans that were kept in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from flash.cloud.client import PlatformClient
from flash.deploy.plan import Plan, plan
from flash.deploy.secrets import Secrets, live_values, users_of
from flash.deploy.stock_images import unsupported_on_runpod
from flash.errors import DeployError, NotFound
from flash.preview.promote import address, rollout_of
from flash.preview.receipts import is_like_the_workers
from flash.preview.releasing import remembered
from flash.project import known_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flash.cloud.records import LiveEnvironment
    from flash.model.manifest import Manifest
    from flash.project import Project, TargetName

__all__ = ["look", "make_plan", "read_plan", "runpod_notes", "write_plan"]

_HOST_WHEELS: Final = (
    "previews on this machine run wheels of its own, not those for the workers: the gate lets nothing pass "
    "without accept-host-wheels = true"
)
_NO_PLATFORM: Final = (
    "no local platform runs, so nothing is live there: what it served before it was stopped is not looked at"
)


def look(project: Project, environment: str, target: TargetName) -> LiveEnvironment | None:
    """What is live; None where there is no such environment, no such app, or no local platform that runs.

    Raises:
        SettingsError: Target runpod without a key.
        PlatformError: The platform said no, or does not answer.
    """
    return _look(project, environment, target)[0]


def make_plan(project: Project, manifest: Manifest, *, digest: str, environment: str, target: TargetName) -> Plan:
    """What deploying the artifact of that manifest and *digest* would change.

    Raises:
        SettingsError: Target runpod without a key.
        PlatformError: The platform said no, or does not answer.
    """
    live, is_running, before = _look(project, environment, target)
    users = users_of(manifest)
    values = known_secrets(project, users)
    notes = [] if is_running else [_NO_PLATFORM]
    notes += [
        f"secret {name!r} of {', '.join(users[name])} is not set here: whether its value has changed is not known, and"
        " a deployment needs it"
        for name in users
        if name not in values
    ]
    if target == "runpod":
        notes += runpod_notes(project, manifest, environment, has_own_wheels=not is_like_the_workers())
    return plan(
        manifest,
        live,
        digest=digest,
        app=project.settings.app,
        environment=environment,
        target=target,
        notes=notes,
        rotated=Secrets.of(manifest, values, before=before).changed,
    )


def runpod_notes(project: Project, manifest: Manifest, environment: str, *, has_own_wheels: bool) -> list[str]:
    """What people should know before they deploy to Runpod.

    Args:
        project: Whose environment.
        manifest: The artifact's.
        environment: Where it would go.
        has_own_wheels: Whether previews here run other wheels than the workers do.
    """
    settings = project.settings.environments.get(environment)
    accepts = settings is not None and settings.accept_host_wheels
    return [*unsupported_on_runpod(manifest), *([_HOST_WHEELS] if has_own_wheels and not accepts else [])]


def _look(
    project: Project, environment: str, target: TargetName
) -> tuple[LiveEnvironment | None, bool, Mapping[str, Mapping[str, str]]]:
    """What is live, whether there is a platform at all, and the values of secrets that are live."""
    try:
        where = address(project, target, start=False, report=_unheard)
    except NotFound:
        return None, False, {}
    with PlatformClient(where) as client:
        live = client.environment(project.settings.app, environment)
        return remembered(live, client, rollout_of(where)), True, live_values(live, client)


def read_plan(path: Path) -> Plan:
    """Read what :func:`write_plan` wrote.

    Raises:
        DeployError: It cannot be read, or is no plan.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeployError(
            f"cannot read the plan: {error.strerror}", path=str(path), hint=f"make one: flash plan --out {path}"
        ) from error
    except ValueError as error:
        raise DeployError(
            f"that is no plan: {error}", path=str(path), hint=f"make one: flash plan --out {path}"
        ) from error
    try:
        return Plan.from_json(data)
    except DeployError as error:
        raise DeployError(error.message, path=str(path), hint=f"make one: flash plan --out {path}") from error


def write_plan(made: Plan, path: Path) -> None:
    """Write a plan for ``flash deploy --plan`` and for programs.

    Raises:
        DeployError: The file cannot be written.
    """
    try:
        path.write_text(json.dumps(made.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DeployError(f"cannot write the plan: {error.strerror}", path=str(path)) from error


def _unheard(line: str) -> None:
    """Nothing is started, so nothing is reported."""
