"""``flash logs``: what the workers of an environment wrote, from the platform that runs them."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from flash.cli.command import (
    Command,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.interrupts import interruptible
from flash.cli.status import DONE
from flash.errors import NotAuthorized, NotFound, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flash.cli.command import Context
    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import LiveEnvironment
    from flash.project import Project, TargetName

__all__ = ["LOGS"]

_TAIL: Final = 100


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the endpoint (default: all of them)")
    add_environment_option(parser)
    add_target_option(parser)
    parser.add_argument(
        "--tail", type=_count, metavar="N", default=_TAIL, help=f"how many lines of each endpoint (default: {_TAIL})"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what they write, until Ctrl+C")
    add_project_options(parser, builds=False)


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli.environments import choose_live_environment
    from flash.project import target_of

    project, services = open_project(options), context.services
    named = wanted_target(options)
    environment = choose_live_environment(project, options.env, named, services)
    target = target_of(project, environment, named)
    address = services.address(project, target)
    live = services.environment(project, address, environment)
    if live is None:
        raise NotFound(
            f"app {project.settings.app!r} has no environment {environment!r} on target {target!r}",
            hint="flash env list shows those that there are",
        )
    endpoints = _chosen(options.name, live.endpoints, environment)
    hide = _hiding(project, live)
    if options.follow:
        return _follow(address, endpoints, target, options.tail, context, hide)
    found = {
        name: [hide(line) for line in _tail(address, endpoint_id, target, options.tail, context)]
        for name, endpoint_id in endpoints
    }
    shown = [_labelled(name, line, len(endpoints)) for name, lines in found.items() for line in lines]
    if target == "runpod":
        _explain_nothing({name: endpoint_id for name, endpoint_id in endpoints if not found[name]}, context)
    data = {
        "app": project.settings.app,
        "environment": environment,
        "endpoints": [{"name": name, "lines": lines} for name, lines in found.items()],
    }
    if shown or context.console.as_json:
        context.console.result("\n".join(shown), data)
    return DONE


def _hiding(project: Project, live: LiveEnvironment) -> Callable[[str], str]:
    """What takes the values of secrets out of a line, as far as they are known here: workers may print them."""
    from flash.deploy.secrets import Secrets, users_of
    from flash.project import known_secrets

    if live.manifest is None:
        return str
    return Secrets.of(live.manifest, known_secrets(project, users_of(live.manifest))).hide


def _chosen(name: str | None, endpoints: Mapping[str, str], environment: str) -> list[tuple[str, str]]:
    """Names and ids of the endpoints that were asked for."""
    if name is None:
        return sorted(endpoints.items())
    if name in endpoints:
        return [(name, endpoints[name])]
    from flash.model.hardware import nearest

    close = nearest(name, endpoints)
    raise NotFound(
        f"environment {environment!r} has no endpoint {name!r}",
        hint=f"did you mean {close!r}?" if close else f"there are: {', '.join(sorted(endpoints)) or 'none'}",
    )


def _explain_nothing(endpoints: Mapping[str, str], context: Context) -> None:
    from flash.project import console_url

    for name, endpoint_id in endpoints.items():
        context.console.progress(
            f"! {name}: no lines: Runpod gives the logs of workers that run now, and none of it does, or it wrote "
            f"nothing; older ones are at {console_url()}/serverless/user/endpoint/{endpoint_id}"
        )


def _tail(
    address: PlatformAddress, endpoint_id: str, target: TargetName, tail: int, context: Context
) -> tuple[str, ...]:
    try:
        return context.services.logs(address, endpoint_id, tail)
    except (NotAuthorized, NotFound, PlatformUnreachable):
        raise
    except PlatformError as error:
        raise _without_logs(error, target) from error


def _without_logs(error: PlatformError, target: TargetName) -> PlatformError:
    """How Runpod gives logs was never verified: what it answers otherwise is told, with where they are to be seen."""
    if target == "local":
        return error
    from flash.project import console_url

    return PlatformError(
        f"workers' logs cannot be had from Runpod: {error.message}",
        operation=error.operation,
        hint=f"see them in the console: {console_url()}/serverless",
    )


def _follow(
    address: PlatformAddress,
    endpoints: list[tuple[str, str]],
    target: TargetName,
    tail: int,
    context: Context,
    hide: Callable[[str], str],
) -> int:
    names = {endpoint_id: name for name, endpoint_id in endpoints}
    # Ctrl+C is the way to end it, not an interruption of it
    with suppress(KeyboardInterrupt), interruptible():
        for name, written in _lines(address, names, target, tail, context):
            line = hide(written)
            if context.console.as_json:
                context.console.text(json.dumps({"endpoint": name, "line": line}, ensure_ascii=False))
            else:
                context.console.text(_labelled(name, line, len(names)))
            context.console.flush()
    return DONE


def _lines(
    address: PlatformAddress, names: Mapping[str, str], target: TargetName, tail: int, context: Context
) -> Iterator[tuple[str, str]]:
    try:
        yield from context.services.follow(address, names, first=tail)
    except (NotAuthorized, NotFound, PlatformUnreachable):
        raise
    except PlatformError as error:
        raise _without_logs(error, target) from error


def _labelled(name: str, line: str, endpoints: int) -> str:
    return line if endpoints == 1 else f"{name} | {line}"


LOGS = Command(_configure, _run, epilog='With --json, --follow prints one object a line: {"endpoint", "line"}.')
