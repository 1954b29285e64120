"""``flash undeploy``. Asks before it removes anything from Runpod, and nothing on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flash.cli.command import (
    Command,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.status import DONE, FAILED, UsageError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["UNDEPLOY"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    add_target_option(parser)
    add_project_options(parser, builds=False)
    parser.add_argument(
        "-y", "--yes", "--force", dest="yes", action="store_true", help="do not ask (only removing from Runpod asks)"
    )


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli.environments import choose_live_environment
    from flash.project import target_of

    project = open_project(options)
    named = wanted_target(options)
    environment = choose_live_environment(project, options.env, named, context.services)
    target = target_of(project, environment, named)
    question = f"Remove environment {environment!r} of {project.settings.app!r}?"
    # what is on this machine can be deployed again in seconds; what is on Runpod may be somebody's production
    if target == "runpod" and not options.yes and not _agreed(question, context):
        context.console.progress("nothing was removed")
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


def _agreed(question: str, context: Context) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("flash undeploy: there is nobody to ask", hint="add --yes to remove it without a question")
    context.console.progress(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


UNDEPLOY = Command(_configure, _run)
