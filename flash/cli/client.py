"""``flash client``: a typed Python client of the app, from what its endpoints accept and return."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.status import DONE
from flash.errors import BuildError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["CLIENT"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact", metavar="ARTIFACT", nargs="?", type=Path, help="the file (default: the project's last build)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: stdout)")
    add_project_options(parser, builds=False)


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.bundle import archive
    from flash.contract.client_code import client_code

    path = options.artifact
    if path is None:
        path = open_project(options).artifact_path
        if not path.is_file():
            raise BuildError("there is no artifact yet", hint="flash build makes it", path=str(path))
    artifact = archive.read(path)
    code = client_code(artifact.manifest)
    endpoints = [name for name, resource in artifact.manifest.resources.items() if resource.functions]
    if options.out is None:
        context.console.result(code.rstrip(), {"digest": artifact.sha256, "endpoints": endpoints, "code": code})
        return DONE
    options.out.write_text(code, encoding="utf-8")
    said = f"✓ {options.out}: a client of {', '.join(endpoints) or 'no endpoints'}; it needs httpx"
    context.console.result(said, {"digest": artifact.sha256, "endpoints": endpoints, "out": str(options.out)})
    return DONE


CLIENT = Command(
    _configure, _run, epilog="The same artifact gives the same client. Types are TypedDicts; values stay plain JSON."
)
