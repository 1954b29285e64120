"""``flash sweep``: removes what killed runs left behind, and nothing that is in use or somebody else's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_project_options, open_project
from flash.cli.confirm import add_yes_option, agreed
from flash.cli.status import DONE

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context

__all__ = ["SWEEP"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_project_options(parser, builds=False)
    add_yes_option(parser)


def _run(options: argparse.Namespace, context: Context) -> int:
    console = context.console

    def may_touch_runpod(what: str) -> bool:
        if options.yes:
            return True
        # what nobody agrees to stays, and is told: the rest goes all the same
        return sys.stdin.isatty() and agreed(f"Remove {what} from Runpod?", console, command="flash sweep")

    swept = context.services.sweep(open_project(options), may_touch_runpod=may_touch_runpod)
    for line in swept.left:
        console.progress(f"! left {line}")
    lines = [f"✓ Removed {what}" for what in swept.removed] or ["✓ Nothing was left behind"]
    console.result("\n".join(lines), {"removed": list(swept.removed), "left": list(swept.left)})
    return DONE


SWEEP = Command(
    _configure,
    _run,
    epilog="Folders and containers of dead previews and platforms on this machine, and what killed deployments of\n"
    "this project left in their environments.",
)
