"""Apps on a platform, beyond what a deployment does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cloud.client import PlatformClient
from flash.deploy import rollback
from flash.deploy.journal import Journal
from flash.errors import NotFound, Refused
from flash.preview.promote import rollout_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import AppRecord
    from flash.project import Project

__all__ = ["create_app", "create_environment", "delete_app"]


def create_app(project: Project, address: PlatformAddress) -> AppRecord:
    """Make the project's app, with nothing in it.

    Raises:
        Refused: It is there already.
    """
    name = project.settings.app
    with PlatformClient(address) as client:
        if client.find_app(name) is not None:
            raise Refused(f"app {name!r} is there already", hint=f"flash app get {name} shows it")
        return client.create_app(name)


def create_environment(project: Project, address: PlatformAddress, environment: str) -> None:
    """Make an environment, with nothing in it, and the app if it is not there.

    Raises:
        Refused: It is there already.
    """
    name = project.settings.app
    with PlatformClient(address) as client:
        app = client.find_app(name) or client.create_app(name)
        if any(known.name == environment for known in app.environments):
            raise Refused(
                f"app {name!r} has an environment {environment!r} already", hint=f"flash env get {environment} shows it"
            )
        client.create_environment(app.id, environment)


def delete_app(project: Project, address: PlatformAddress, *, report: Callable[[str], None]) -> tuple[str, ...]:
    """Remove the project's app: the endpoints of each of its environments, the environments, the app; nothing else.

    Returns:
        The environments that went.

    Raises:
        NotFound: There is no such app.
        PlatformError: An endpoint could not be removed; the app is there still.
    """
    name = project.settings.app
    with PlatformClient(address) as client:
        app = client.find_app(name)
        if app is None:
            raise NotFound(f"there is no app {name!r}", hint="flash app list shows those that there are")
        journal = Journal.of(project)
        removed = []
        for known in app.environments:
            live = client.environment(name, known.name)
            if live is not None:
                rollback.remove(
                    live, app=name, control=client, rollout=rollout_of(address), journal=journal, report=report
                )
                removed.append(known.name)
        client.delete_app(app.id)
        return tuple(removed)
