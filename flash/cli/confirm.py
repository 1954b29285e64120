"""Asks before something goes that others may use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flash.cli.status import UsageError

if TYPE_CHECKING:
    import argparse

    from flash.cli.console import Console

__all__ = ["add_yes_option", "agreed"]


def add_yes_option(parser: argparse.ArgumentParser) -> None:
    """``--yes``."""
    parser.add_argument(
        "-y", "--yes", "--force", dest="yes", action="store_true", help="do not ask (only removing from Runpod asks)"
    )


def agreed(question: str, console: Console, *, command: str) -> bool:
    """Whether the user says yes to *question*; if not, that nothing was removed is said.

    Raises:
        UsageError: There is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{command}: there is nobody to ask", hint="add --yes to remove it without a question")
    console.progress(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    console.progress("nothing was removed")
    return False
