"""``flash platform start``, ``status``, ``env`` and ``stop``: the local platform that stays up."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING

from flash.cli.command import Command, add_backend_option
from flash.cli.status import DONE, FAILED
from flash.errors import NotFound, PortTaken

if TYPE_CHECKING:
    from flash.cli.command import Context
    from flash.preview.local import PlatformState

__all__ = ["ENV", "START", "STATUS", "STOP"]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 1 to 65535")
    return int(text)


def _configure_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, metavar="N", help="where it listens (default: its last port, else 8787)")
    add_backend_option(parser)
    parser.add_argument("--foreground", action="store_true", help="serve here, until Ctrl+C")


def _start(options: argparse.Namespace, context: Context) -> int:
    if options.foreground:
        return _serve(options, context)
    state = context.services.start_platform(
        options.port, backend=options.backend, report=context.console.progress, foreground=False
    )
    _show(state, context)
    return DONE


def _serve(options: argparse.Namespace, context: Context) -> int:
    running = context.services.find_platform()
    if running is not None:
        raise PortTaken(f"the local platform runs already, at {running.url}", hint="stop it first: flash platform stop")
    context.console.progress("serving the local platform; press Ctrl+C to stop it")
    # Ctrl+C is the way to end it, not an interruption of it
    with suppress(KeyboardInterrupt):
        context.services.start_platform(
            options.port, backend=options.backend, report=context.console.progress, foreground=True
        )
    context.console.result("✓ Local platform stopped", {"running": False})
    return DONE


def _status(_options: argparse.Namespace, context: Context) -> int:
    state = context.services.find_platform()
    _show(state, context)
    return FAILED if state is None else DONE


def _show(state: PlatformState | None, context: Context) -> None:
    from flash.cli import render

    context.console.result(render.platform_text(state), render.platform_data(state))


def _env(_options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render

    state = context.services.find_platform()
    if state is None:
        raise NotFound("no local platform runs", hint="start it: flash platform start")
    variables = render.platform_variables(state)
    context.console.result(render.exports(variables), variables)
    return DONE


def _stop(_options: argparse.Namespace, context: Context) -> int:
    stopped = context.services.stop_platform()
    text = "✓ Local platform stopped" if stopped else "No local platform runs"
    context.console.result(text, {"stopped": stopped})
    return DONE


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


START = Command(_configure_start, _start, epilog='then: eval "$(flash platform env)"')
STATUS = Command(_nothing, _status, epilog="exit status: 0 if it runs, 1 if it does not")
ENV = Command(_nothing, _env, epilog='in a shell: eval "$(flash platform env)"')
STOP = Command(
    _nothing,
    _stop,
    epilog="What is deployed there comes back with `flash platform start`; `flash undeploy` removes it.",
)
