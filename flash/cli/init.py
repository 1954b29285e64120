"""``flash init``: a project that passes its tests at once, copied from ``flash/cli/skeleton``. Never overwrites."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.cli.command import Command
from flash.cli.status import DONE
from flash.errors import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from flash.cli.command import Context

__all__ = ["INIT", "SKELETON", "skeleton_files"]

SKELETON: Final = Path(__file__).parent / "skeleton"
"""A project like any other; its name and its Python are what a new one changes."""

_NAME: Final = "skeleton"
_PYTHON: Final = "3.11"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="NAME", type=Path, help="the folder to make, and the app's name; . for here")


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.project import app_name_of

    folder = options.folder.expanduser().resolve()
    app, python = app_name_of(folder), _python(context)
    files = skeleton_files(app, python)
    _refuse_conflicts(folder, files)
    _write(folder, files)
    is_here = folder == Path.cwd().resolve()
    where = "here" if is_here else f"in {options.folder}"
    lines = [
        f"✓ Created app {app} {where}",
        "",
        *(f"  {name}" for name in files),
        "",
        "Next:",
        *([] if is_here else [f"  cd {shlex.quote(str(options.folder))}"]),
        "  pytest --flash-preview            # build it, run it here, test it",
        "  pytest --flash-deploy=staging     # all that, then deploy what passed",
    ]
    data = {"app": app, "folder": str(folder), "python": python, "files": list(files)}
    context.console.result("\n".join(lines), data)
    return DONE


def skeleton_files(app: str, python: str) -> dict[str, str]:
    """What a new project consists of: text by relative path.

    Args:
        app: Its name.
        python: Its workers' Python.
    """
    files = {}
    for path in sorted(SKELETON.rglob("*")):
        name = path.relative_to(SKELETON)
        # tests of the skeleton itself leave folders of their own
        if path.is_file() and not {"__pycache__", ".flash", ".pytest_cache", ".hypothesis"} & set(name.parts):
            files[name.as_posix()] = path.read_text(encoding="utf-8")
    settings = files["pyproject.toml"]
    settings = settings.replace(f'app = "{_NAME}"', f'app = "{app}"', 1)
    files["pyproject.toml"] = settings.replace(f'python = "{_PYTHON}"', f'python = "{python}"', 1)
    files["README.md"] = files["README.md"].replace(f"# {_NAME}\n", f"# {app}\n", 1)
    return files


def _python(context: Context) -> str:
    from flash.model.hardware import DEFAULT_PYTHON, PYTHON_VERSIONS

    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running in PYTHON_VERSIONS:
        return running
    context.console.progress(f"! workers have no Python {running}, which runs here; theirs will be {DEFAULT_PYTHON}")
    return DEFAULT_PYTHON


def _refuse_conflicts(folder: Path, files: Mapping[str, str]) -> None:
    """Raise where something is in the way, before anything is written.

    Raises:
        Refused: Files that are there already, or files where folders are to be.
    """
    in_the_way = [name for name in files if os.path.lexists(folder / name)]
    parents = {folder, *((folder / name).parent for name in files)}
    in_the_way += [str(path) for path in parents if os.path.lexists(path) and not path.is_dir()]
    if in_the_way:
        raise Refused(
            f"{len(in_the_way)} of the files are there already, and nothing was written",
            reasons=sorted(in_the_way),
            hint="choose another NAME, or move them away",
        )


def _write(folder: Path, files: Mapping[str, str]) -> None:
    written: list[Path] = []
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # x: what came into being since we looked is not overwritten either
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except BaseException:
        for path in written:
            with suppress(OSError):
                path.unlink()
        raise


INIT = Command(_configure, _run, epilog="Nothing is overwritten: where a file is in the way, nothing is written.")
