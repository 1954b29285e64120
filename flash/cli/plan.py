"""``flash plan``: what a deployment would change. Nothing is made on the platform, and none is started."""

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
from flash.cli.status import DONE, FAILED

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["PLAN"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    add_target_option(parser)
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
    pipeline = services.pipeline("auto")
    # a wrong key is told before anything is built
    pipeline.look(project, environment, target)
    artifact = pipeline.build(project, report=console.progress)
    made = pipeline.plan(project, artifact, environment=environment, target=target)
    if options.out is not None:
        write_plan(made, options.out)
        console.progress(f"the plan is in {options.out}")
    console.result(made.text(), made.as_json())
    if options.expect_no_changes and not made.is_empty:
        console.progress("✗ the plan is not empty")
        return FAILED
    return DONE


PLAN = Command(
    _configure,
    _run,
    epilog="exit status: 0 whatever the plan says; with --expect-no-changes, 1 unless it is empty. 2 usage.",
)
