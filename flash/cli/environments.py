"""``flash env list``, ``get`` and ``create``, from what is live; and which environment a bare command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, add_target_option, open_project, wanted_target
from flash.cli.status import DONE
from flash.errors import NotFound, SettingsError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context
    from flash.cli.render import EnvironmentRow
    from flash.cli.services import Services
    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import LiveEnvironment
    from flash.project import Project, TargetName

__all__ = ["CREATE", "GET", "LIST", "choose_environment", "choose_live_environment", "possible_targets"]


# ---------------------------------------------------------------------------------------------------------------------
# Which environment


def choose_environment(project: Project, given: str | None, target: TargetName | None, services: Services) -> str:
    """The environment that a command means: the one given, else the only one; production where there is none.

    What exists counts where none is configured. *target* overrides where the environments live.

    Raises:
        SettingsError: There are several, or the name is wrong.
    """
    from flash.project import environment_name, target_of

    if given is not None or project.settings.environments:
        return environment_name(project, given)
    where = target_of(project, environment_name(project, None), target)
    return environment_name(project, None, existing=[live.name for live in _existing(project, where, services)])


def choose_live_environment(project: Project, given: str | None, target: TargetName | None, services: Services) -> str:
    """The same, where a bare command means the only one that exists, however many are configured.

    Raises:
        SettingsError: There are several, or the name is wrong.
    """
    from flash.project import environment_name, target_of

    if given is not None:
        return environment_name(project, given)
    existing = [
        live.name
        for where in possible_targets(project, target, services)
        for live in _existing(project, where, services)
        if target_of(project, live.name, target) == where
    ]
    return existing[0] if len(existing) == 1 else environment_name(project, None, existing=existing)


def possible_targets(project: Project, named: TargetName | None, services: Services) -> list[TargetName]:
    """The platforms that may hold environments of this app, in a fixed order."""
    from flash.project import api_key

    if named is not None:
        return [named]
    configured = {settings.target for settings in project.settings.environments.values()}
    has_key = api_key(project) is not None
    runs_local = services.find_platform() is not None
    asked: list[tuple[TargetName, bool]] = [("local", runs_local), ("runpod", has_key)]
    return [target for target, is_there in asked if is_there or target in configured]


def _existing(project: Project, target: TargetName, services: Services) -> tuple[LiveEnvironment, ...]:
    address = _address(project, target, services)
    return () if address is None else services.environments(project, address)


def _address(project: Project, target: TargetName, services: Services) -> PlatformAddress | None:
    """Where *target* answers; None where it is a local platform and none runs: nothing is there."""
    try:
        return services.address(project, target)
    except NotFound:
        return None


# ---------------------------------------------------------------------------------------------------------------------
# flash env list


def _configure_list(parser: argparse.ArgumentParser) -> None:
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _list(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render

    project = open_project(options)
    app = project.settings.app
    rows = _rows(project, wanted_target(options), context)
    data = [
        {
            "name": row.name,
            "target": row.target,
            "build": row.build,
            "digest": row.digest,
            "endpoints": row.endpoints,
            "configured": row.is_configured,
        }
        for row in rows
    ]
    context.console.result(render.environments_text(rows, app=app), {"app": app, "environments": data})
    return DONE


def _rows(project: Project, named: TargetName | None, context: Context) -> list[EnvironmentRow]:
    from flash.cli.render import EnvironmentRow

    configured = {name: settings.target for name, settings in project.settings.environments.items()}
    rows: dict[tuple[str, str], EnvironmentRow] = {}
    asked: set[str] = set()
    for target in possible_targets(project, named, context.services):
        try:
            address = _address(project, target, context.services)
            if address is None or address.api_url in asked:
                # with `flash platform env`, "runpod" is the local platform, which is listed already
                continue
            asked.add(address.api_url)
            existing = context.services.environments(project, address)
        except SettingsError as error:
            if named is not None:
                raise
            context.console.progress(f"! {target} was not asked: {error.message}")
            existing = ()
        for live in existing:
            is_configured = live.name in configured and configured[live.name] in {None, target}
            digest = None if live.manifest is None else live.manifest.digest
            build = live.active_build_id
            rows[live.name, target] = EnvironmentRow(
                live.name, target, build, digest, len(live.endpoints), is_configured
            )
    for name, configured_target in configured.items():
        if named is not None and configured_target not in {None, named}:
            continue
        if not any(row_name == name for row_name, _ in rows):
            where = configured_target or named or "-"
            rows[name, where] = EnvironmentRow(name, where, None, None, 0, is_configured=True)
    return [rows[key] for key in sorted(rows)]


# ---------------------------------------------------------------------------------------------------------------------
# flash env get


def _configure_get(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the environment")
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _get(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render
    from flash.deploy.deployment import deployed_endpoints
    from flash.project import environment_name, target_of

    project = open_project(options)
    app = project.settings.app
    name = environment_name(project, options.name)
    target = target_of(project, name, wanted_target(options))
    address = context.services.address(project, target)
    live = context.services.environment(project, address, name)
    if live is None:
        raise NotFound(
            f"app {app!r} has no environment {name!r} on target {target!r}",
            hint=f"flash env list shows those that there are; flash deploy --env {name} makes it",
        )
    endpoints = () if live.manifest is None else deployed_endpoints(live.manifest, live.endpoints, address)
    digest = None if live.manifest is None else live.manifest.digest
    context.console.result(
        render.environment_text(
            name, app=app, target=target, build=live.active_build_id, digest=digest, endpoints=endpoints
        ),
        {
            "app": app,
            "environment": name,
            "target": target,
            "digest": digest,
            "build": live.active_build_id,
            "endpoints": [render.endpoint_data(endpoint) for endpoint in endpoints],
        },
    )
    return DONE


# ---------------------------------------------------------------------------------------------------------------------
# flash env create


def _create(options: argparse.Namespace, context: Context) -> int:
    from flash.project import environment_name, target_of

    project = open_project(options)
    name = environment_name(project, options.name)
    target = target_of(project, name, wanted_target(options))
    context.services.create_environment(project, context.services.address(project, target), name)
    app = project.settings.app
    context.console.result(
        f"✓ Created environment {name} of {app} on {target}", {"app": app, "environment": name, "target": target}
    )
    return DONE


LIST = Command(_configure_list, _list)
GET = Command(_configure_get, _get)
CREATE = Command(_configure_get, _create, epilog="A deployment makes its environment itself; this makes an empty one.")
