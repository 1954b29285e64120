"""``flash inspect``: what is in an artifact, by what brought it, and what differs from another one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.papers import Papers, add_paper_options
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
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--tree", action="store_true", help="show the files, those of a distribution as one line")
    shown.add_argument("--diff", type=Path, metavar="OTHER", help="show what has changed since the artifact OTHER")
    shown.add_argument(
        "--verify", type=Path, metavar="FILE", help="check that the provenance statement in FILE is about it, and true"
    )
    add_paper_options(parser)
    add_project_options(parser, builds=False)


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.bundle import contents
    from flash.cli import render_artifact, render_difference

    papers = Papers(options.sbom, options.provenance, signs=False)
    path = options.artifact
    if path is None:
        path = open_project(options).artifact_path
        if not path.is_file():
            raise BuildError("there is no artifact yet", hint="flash build makes it", path=str(path))
    found = contents.read(path)
    written = papers.write(found, context.console)
    if papers.takes_stdout:
        return DONE
    width = _width()
    if options.diff is not None:
        from flash.bundle.difference import difference

        change = difference(contents.read(options.diff), found)
        names = (str(options.diff), str(path))
        text = render_difference.difference_text(change, *names, width=width)
        data = render_difference.difference_data(change, *names)
    elif options.verify is not None:
        from flash.cli.verification import verified

        text, data = verified(options, found)
    elif options.tree:
        text, data = render_artifact.tree_text(found, width=width), render_artifact.tree_data(found)
    else:
        text, data = render_artifact.contents_text(found, width=width), render_artifact.contents_data(found)
    context.console.result(text, {**data, **written})
    return DONE


def _width() -> int | None:
    """Of the terminal that somebody looks at; what is piped has the lines that it needs."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


INSPECT = Command(
    _configure,
    _run,
    epilog="Packed sizes are exact to some kilobytes. Nothing is unpacked to disk.",
)
