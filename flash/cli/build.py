"""``flash build``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.papers import STDOUT, Papers, add_paper_options, as_built
from flash.cli.status import DONE, UsageError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["BUILD"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_project_options(parser, builds=True)
    add_paper_options(parser)
    parser.add_argument(
        "--upgrade", action="store_true", help="ask the index again for versions that nobody has pinned (else daily)"
    )
    parser.add_argument("--keep-build-dir", action="store_true", help="leave .flash/.build/ for you to look at")


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render

    project = open_project(options)
    if STDOUT in (options.sbom, options.provenance):
        raise UsageError("flash build: stdout has its result", hint="name a file; or flash inspect --sbom -")
    if any(
        path and path.resolve().parent == project.flash_dir.resolve() for path in (options.sbom, options.provenance)
    ):
        project.make_flash_dir()
    pipeline = context.services.pipeline("auto")
    with closing(Papers(options.sbom, options.provenance, signs=True)) as papers:
        told = as_built(project) if papers.are_wanted else None
        artifact = pipeline.build(
            project,
            report=context.console.progress,
            keep_build_dir=options.keep_build_dir,
            upgrade=options.upgrade,
        )
    written: dict[str, str] = {}
    if papers.are_wanted:
        from flash.bundle import contents

        written = papers.write(contents.read(artifact.path), context.console, told)
    text = render.build_text(artifact, size_limit_mib=project.settings.size_limit_mib)
    context.console.result(text, {**render.build_data(artifact, app=project.settings.app), **written})
    return DONE


BUILD = Command(_configure, _run)
