"""``flash login``: a key from the console, without typing or copying one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from flash.cli.command import Command
from flash.cli.status import DONE

if TYPE_CHECKING:
    from flash.cli.command import Context

__all__ = ["LOGIN"]

_TIMEOUT_S: Final = 600.0


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-open", action="store_true", help="show the address, open no browser")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="S",
        default=_TIMEOUT_S,
        help=f"how long you may take to approve it (default: {_TIMEOUT_S:g} s)",
    )


def _run(options: argparse.Namespace, context: Context) -> int:
    import os

    from flash.project import console_url, save_key

    console = console_url()

    def show(url: str) -> None:
        context.console.progress(f"Approve this login in your browser:\n\n  {url}\n\nwaiting; press Ctrl+C to stop")
        if not options.no_open and not context.services.open_browser(url):
            context.console.progress("! no browser could be opened: open the address yourself")

    file = save_key(context.services.log_in(console, show=show, timeout_s=options.timeout))
    if os.environ.get("RUNPOD_API_KEY", "").strip():
        context.console.progress("! RUNPOD_API_KEY is set in this shell, and wins over the login: unset it")
    context.console.result(f"✓ Logged in; the key is in {file}", {"file": str(file)})
    return DONE


LOGIN = Command(
    _configure,
    _run,
    epilog="RUNPOD_API_KEY, and the one in a project's .env, win over the login.",
)
