"""Back to what was live before: a deployment undone, an environment removed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flash.deploy.deployment import is_deployable
from flash.deploy.inputs import Placement
from flash.deploy.stage import HEALTHY_DEADLINE_S, await_healthy, stage
from flash.errors import DeployError, FlashError, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flash.cloud.client import LiveEnvironment, PlatformClient
    from flash.deploy.deployment import Deployment
    from flash.deploy.journal import Journal

__all__ = ["abandon", "remove", "restore"]


def abandon(
    live: LiveEnvironment,
    *,
    created: Collection[str],
    is_new_environment: bool,
    run: str,
    client: PlatformClient,
    journal: Journal,
) -> None:
    """Undo a deployment that was never activated; what was live before has been live all the time.

    *live* is the environment as it is now, so that an endpoint is found too whose creation was never answered;
    *created* are the names of the endpoints that the run made or tried to make.
    """
    made = {name: endpoint_id for name, endpoint_id in live.endpoints.items() if name in created}
    _delete(made, run=run, client=client, journal=journal)
    if is_new_environment:
        client.delete_environment(live.id)
        journal.removed(run, "environment", live.name)
    elif live.endpoints.keys() - made.keys():
        client.retire(live.id)
    journal.settled(run)


def restore(
    deployment: Deployment,
    *,
    client: PlatformClient,
    journal: Journal,
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    deadline_s: float = HEALTHY_DEADLINE_S,
) -> str:
    """Put back what was live before a deployment; says what is live now.

    The previous build is staged, made healthy and activated, as any build is; then the failed one is retired. A first
    deployment is removed, with the environment if it made that.

    Raises:
        DeployError: The previous build could not be put back: the one that was to be undone is live still.
    """
    if deployment.previous_build_id is None:
        _delete(deployment.staged, run=deployment.run, client=client, journal=journal)
        if deployment.is_new_environment:
            client.delete_environment(deployment.environment_id)
            journal.removed(deployment.run, "environment", deployment.environment)
        journal.settled(deployment.run)
        return f"nothing is live in {deployment.environment}, as before"
    build_id = deployment.previous_build_id
    if deployment.staged:
        try:
            _put_back(
                deployment, build_id, client=client, report=report, clock=clock, sleep=sleep, deadline_s=deadline_s
            )
        except FlashError as error:
            raise DeployError(
                f"{deployment.environment}: the previous build {build_id} could not be put back: {error.headline}",
                hint=f"build {deployment.build_id} is live still; deploy again to replace it",
                detail=error.detail if isinstance(error, WorkerFailed) else "",
            ) from error
        client.retire(deployment.environment_id)
        created = {name: deployment.staged[name] for name in deployment.created}
        _delete(created, run=deployment.run, client=client, journal=journal)
    journal.settled(deployment.run)
    digest = f" (artifact {deployment.previous[:12]})" if deployment.previous else ""
    return f"build {build_id}{digest} is live in {deployment.environment} again"


def remove(
    live: LiveEnvironment, *, client: PlatformClient, journal: Journal, report: Callable[[str], None]
) -> tuple[str, ...]:
    """Delete an environment's endpoints and then the environment, and nothing else; returns the endpoints' names."""
    run = journal.begin(f"{client.address.api_url} {live.name}")
    for name, endpoint_id in sorted(live.endpoints.items()):
        client.delete_endpoint(endpoint_id)
        journal.removed(run, "endpoint", name)
        report(f"removed {name}")
    client.delete_environment(live.id)
    journal.removed(run, "environment", live.name)
    journal.settled(run)
    return tuple(sorted(live.endpoints))


def _put_back(
    deployment: Deployment,
    build_id: str,
    *,
    client: PlatformClient,
    report: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    deadline_s: float,
) -> None:
    manifest = client.build_manifest(build_id)
    if manifest is None:
        raise DeployError(f"build {build_id} has no manifest")
    placement = Placement(
        app=deployment.app,
        environment=deployment.environment,
        environment_id=deployment.environment_id,
        build_id=build_id,
        caller_key=client.address.api_key,
    )
    wanted = {
        name: endpoint_id
        for name, endpoint_id in deployment.staged.items()
        if name in manifest.resources and is_deployable(manifest.resources[name])
    }
    for name, endpoint_id in wanted.items():
        stage(name, manifest, placement, client=client, endpoint_id=endpoint_id, report=report)
    await_healthy(wanted, build_id, client=client, report=report, clock=clock, sleep=sleep, deadline_s=deadline_s)
    client.activate(deployment.environment_id, build_id)


def _delete(endpoints: Mapping[str, str], *, run: str, client: PlatformClient, journal: Journal) -> None:
    for name, endpoint_id in endpoints.items():
        client.delete_endpoint(endpoint_id)
        journal.removed(run, "endpoint", name)
