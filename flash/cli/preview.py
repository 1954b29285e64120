"""``flash preview``: every endpoint on this machine until Ctrl+C. ``flash deploy --preview`` is the same."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_backend_option, add_project_options, open_project
from flash.cli.interrupts import interruptible
from flash.cli.status import DONE

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context
    from flash.preview.backend import Wanted
    from flash.project import Project

__all__ = ["PREVIEW", "preview"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_backend_option(parser)
    add_project_options(parser, builds=True)


def _run(options: argparse.Namespace, context: Context) -> int:
    return preview(open_project(options), options.backend, context)


def preview(project: Project, backend: Wanted, context: Context) -> int:
    """Build and serve, with the workers' logs, until Ctrl+C; a second one does not wait for what still runs."""
    from flash.cli import render

    console, services = context.console, context.services
    pipeline = services.pipeline(backend)
    # before the build: what cannot run is told at once
    if workers := pipeline.settle(project):
        console.progress(f"workers: {workers}")
    artifact = pipeline.build(project, report=console.progress)
    running = pipeline.start_preview(project, artifact, report=console.progress)
    with interruptible():
        try:
            with suppress(KeyboardInterrupt):
                attachment = running.attachment
                console.result(render.preview_text(attachment), render.preview_data(attachment))
                console.flush()
                names = {endpoint.id: endpoint.name for endpoint in attachment.endpoints}
                for name, line in services.follow(attachment.address, names, first=None):
                    console.progress(f"{name} | {line}")
        finally:
            console.progress("stopping; Ctrl+C again stops at once")
            running.close()
    console.progress("✓ Preview stopped")
    return DONE


PREVIEW = Command(
    _configure, _run, epilog="Ctrl+C once stops it in order, twice at once. `flash deploy --preview` is the same."
)
