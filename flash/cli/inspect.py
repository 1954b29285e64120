"""``flash inspect``: what is in an artifact, by what brought it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.status import DONE
from flash.errors import BuildError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["INSPECT"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact", metavar="ARTIFACT", nargs="?", type=Path, help="the file (default: the project's last build)"
    )
    add_project_options(parser, builds=False)


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.bundle import contents
    from flash.cli import render_artifact

    path = options.artifact
    if path is None:
        path = open_project(options).artifact_path
        if not path.is_file():
            raise BuildError("there is no artifact yet", hint="flash build makes it", path=str(path))
    found = contents.read(path)
    context.console.result(render_artifact.contents_text(found), render_artifact.contents_data(found))
    return DONE


INSPECT = Command(_configure, _run, epilog="Sizes of files are unpacked ones.")
