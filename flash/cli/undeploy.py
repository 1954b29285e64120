"""``flash undeploy`` and ``flash env delete``. They ask before anything goes from Runpod, not on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.command import (
    Command,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.confirm import add_yes_option, agreed
from flash.cli.status import DONE, FAILED

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["DELETE", "UNDEPLOY"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    _configure_rest(parser)


def _configure_delete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", metavar="NAME", help="the environment")
    _configure_rest(parser)


def _configure_rest(parser: argparse.ArgumentParser) -> None:
    add_target_option(parser)
    add_project_options(parser, builds=False)
    add_yes_option(parser)


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli.environments import choose_live_environment
    from flash.project import target_of

    project = open_project(options)
    named = wanted_target(options)
    environment = choose_live_environment(project, options.env, named, context.services)
    target = target_of(project, environment, named)
    question = f"Remove environment {environment!r} of {project.settings.app!r}?"
    # what is on this machine can be deployed again in seconds; what is on Runpod may be somebody's production
    if target == "runpod" and not options.yes and not agreed(question, context.console, command="flash undeploy"):
        return FAILED
    removed = context.services.undeploy(
        project, environment=environment, target=target, report=context.console.progress
    )
    names = ", ".join(removed) or "it had no endpoints"
    context.console.result(
        f"✓ Undeployed {environment}: {names}",
        {"app": project.settings.app, "environment": environment, "removed": list(removed)},
    )
    return DONE


UNDEPLOY = Command(_configure, _run)
DELETE = Command(_configure_delete, _run, epilog="the same as `flash undeploy --env NAME`")
