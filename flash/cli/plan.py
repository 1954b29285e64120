"""``flash plan``: what a deployment or a promotion would change. Nothing is made, and no platform is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flash.cli.command import (
    Command,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.promote import add_release_options, find_release
from flash.cli.status import DONE, FAILED, UsageError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context
    from flash.deploy.plan import Plan
    from flash.project import Project, TargetName

__all__ = ["PLAN"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    add_target_option(parser)
    add_release_options(parser, is_required=False)
    add_project_options(parser, builds=True)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="keep the plan, as JSON: flash deploy --plan FILE does what it says"
    )
    parser.add_argument(
        "--expect-no-changes", action="store_true", help="exit with status 1 unless the plan is empty: to watch drift"
    )


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli.environments import choose_environment
    from flash.preview.planning import write_plan
    from flash.project import target_of

    console, services = context.console, context.services
    project = open_project(options)
    named = wanted_target(options)
    environment = choose_environment(project, options.env, named, services)
    target = target_of(project, environment, named)
    if options.receipt is None and options.source is None:
        made = _of_sources(project, environment, target, options, context)
    else:
        made = _of_release(project, environment, target, options, context)
    if options.out is not None:
        write_plan(made, options.out)
        console.progress(f"the plan is in {options.out}")
    console.result(made.text(), made.as_json())
    if options.expect_no_changes and not made.is_empty:
        console.progress("✗ the plan is not empty")
        return FAILED
    return DONE


def _of_sources(
    project: Project, environment: str, target: TargetName, options: argparse.Namespace, context: Context
) -> Plan:
    if options.artifact is not None:
        raise UsageError("flash plan: --artifact belongs to --receipt or --from", hint="leave it out: one is built")
    pipeline = context.services.pipeline("auto")
    # a wrong key is told before anything is built
    pipeline.look(project, environment, target)
    artifact = pipeline.build(project, report=context.console.progress)
    return pipeline.plan(project, artifact, environment=environment, target=target)


def _of_release(
    project: Project, environment: str, target: TargetName, options: argparse.Namespace, context: Context
) -> Plan:
    # without a platform there is nothing to promote, and none is started to find that out
    context.services.address(project, target)
    release = find_release(options, project, environment, target, context).release
    return context.services.plan_release(project, release, environment=environment, target=target)


PLAN = Command(
    _configure,
    _run,
    epilog="exit status: 0 whatever the plan says; with --expect-no-changes, 1 unless it is empty. 2 usage.",
)
