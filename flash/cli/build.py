"""``flash build``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.status import DONE

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["BUILD"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_project_options(parser, builds=True)
    parser.add_argument("--keep-build-dir", action="store_true", help="leave .flash/.build/ for you to look at")


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render

    project = open_project(options)
    pipeline = context.services.pipeline("auto")
    artifact = pipeline.build(project, report=context.console.progress, keep_build_dir=options.keep_build_dir)
    text = render.build_text(artifact, size_limit_mib=project.settings.size_limit_mib)
    context.console.result(text, render.build_data(artifact, app=project.settings.app))
    return DONE


BUILD = Command(_configure, _run)
