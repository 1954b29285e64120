"""``flash app list``, ``get``, ``create`` and ``delete``: one app at a time, never everything of an account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from flash.cli.command import Command, add_project_options, add_target_option, open_project, wanted_target
from flash.cli.confirm import add_yes_option, agreed
from flash.cli.status import DONE, FAILED
from flash.errors import NotFound, SettingsError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context
    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import AppRecord
    from flash.project import Project, TargetName

__all__ = ["CREATE", "DELETE", "GET", "LIST"]

_DELETE: Final = "flash app delete"


class Place(NamedTuple):
    """A platform that answers."""

    target: TargetName
    address: PlatformAddress


def _configure_list(parser: argparse.ArgumentParser) -> None:
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _configure_one(parser: argparse.ArgumentParser) -> None:
    # where `--app` is for other verbs
    parser.add_argument("app", metavar="NAME", help="the app")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the project whose key is used (default: found from here)"
    )
    add_target_option(parser)


def _configure_delete(parser: argparse.ArgumentParser) -> None:
    _configure_one(parser)
    add_yes_option(parser)


def _list(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render_apps

    project = open_project(options)
    found = [
        (place.target, app)
        for place in _places(project, wanted_target(options), context)
        for app in sorted(context.services.apps(place.address), key=lambda app: app.name)
    ]
    context.console.result(
        render_apps.apps_text(found), {"apps": [render_apps.app_data(target, app) for target, app in found]}
    )
    return DONE


def _get(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render_apps

    project = open_project(options)
    found = [(place.target, app) for place, app in _holders(project, wanted_target(options), context)]
    context.console.result(
        "\n\n".join(render_apps.app_text(target, app) for target, app in found),
        {"app": project.settings.app, "platforms": [render_apps.app_data(target, app) for target, app in found]},
    )
    return DONE


def _create(options: argparse.Namespace, context: Context) -> int:
    project = open_project(options)
    places = _places(project, wanted_target(options), context)
    if len(places) > 1:
        raise _ambiguous(project, [place.target for place in places])
    context.services.create_app(project, places[0].address)
    app = project.settings.app
    context.console.result(f"✓ Created app {app} on {places[0].target}", {"app": app, "target": places[0].target})
    return DONE


def _delete(options: argparse.Namespace, context: Context) -> int:
    project = open_project(options)
    app = project.settings.app
    holders = _holders(project, wanted_target(options), context)
    if len(holders) > 1:
        raise _ambiguous(project, [place.target for place, _ in holders])
    ((place, record),) = holders
    names = ", ".join(environment.name for environment in record.environments) or "no environments"
    question = f"Remove app {app!r} with all that is deployed in it ({names})?"
    if place.target == "runpod" and not options.yes and not agreed(question, context.console, command=_DELETE):
        return FAILED
    removed = context.services.delete_app(project, place.address, report=context.console.progress)
    context.console.result(
        f"✓ Removed app {app}: {', '.join(removed) or 'it had no environments'}",
        {"app": app, "target": place.target, "removed": list(removed)},
    )
    return DONE


def _places(project: Project, named: TargetName | None, context: Context) -> list[Place]:
    """The platforms that can be asked; the one that was *named* has to be one.

    Raises:
        SettingsError: There is none, or no key for the one that was named.
        NotFound: The local platform was named, and does not run.
    """
    from flash.cli.environments import possible_targets

    asked = [_place(project, target, named, context) for target in possible_targets(project, named, context.services)]
    places = [place for place in asked if place is not None]
    if not places:
        raise SettingsError(
            "there is no platform to ask: no API key, and no local platform runs",
            hint="set RUNPOD_API_KEY, or start the local one: flash platform start",
        )
    return places


def _place(project: Project, target: TargetName, named: TargetName | None, context: Context) -> Place | None:
    try:
        return Place(target, context.services.address(project, target))
    except (SettingsError, NotFound) as error:
        if named is not None:
            raise
        context.console.progress(f"! {target} was not asked: {error.message}")
        return None


def _holders(project: Project, named: TargetName | None, context: Context) -> list[tuple[Place, AppRecord]]:
    """The platforms that have the app.

    Raises:
        NotFound: None has.
    """
    places = _places(project, named, context)
    asked = [(place, context.services.find_app(project, place.address)) for place in places]
    found = [(place, app) for place, app in asked if app is not None]
    if not found:
        where = " or ".join(place.target for place in places)
        raise NotFound(
            f"there is no app {project.settings.app!r} on {where}", hint="flash app list shows those that there are"
        )
    return found


def _ambiguous(project: Project, targets: list[TargetName]) -> SettingsError:
    return SettingsError(
        f"app {project.settings.app!r} could be meant on {' and on '.join(targets)}", hint=f"say --target {targets[0]}"
    )


LIST = Command(_configure_list, _list)
GET = Command(_configure_one, _get)
CREATE = Command(_configure_one, _create)
DELETE = Command(_configure_delete, _delete, epilog="Nothing but that app's own endpoints and environments goes.")
