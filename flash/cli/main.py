"""From ``argv`` to an exit status: finds the verb, loads its module, turns errors into one line and a hint.

There is no catch-all: an exception that is neither a ``FlashError`` nor the operating system's is a bug, and its
traceback is shown.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from flash import __version__
from flash.cli.console import Console
from flash.cli.status import DONE, FAILED, INTERRUPTED, USAGE, UsageError, status_of
from flash.errors import FlashError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flash.cli.command import Command
    from flash.cli.services import Services

__all__ = ["VERBS", "Verb", "main"]


class Verb(NamedTuple):
    """A row of the table of verbs.

    Attributes:
        home: ``module:OBJECT``, a ``Command``; loaded when the verb is used.
        summary: One line of help, without a full stop.
    """

    home: str
    summary: str


VERBS: Final = {
    "init": Verb("flash.cli.init:INIT", "make a project that passes its tests at once"),
    "build": Verb("flash.cli.build:BUILD", "package the project into .flash/artifact.tar.gz"),
    "inspect": Verb("flash.cli.inspect:INSPECT", "show what is in an artifact, and how large it is"),
    "preview": Verb("flash.cli.preview:PREVIEW", "serve every endpoint on this machine until Ctrl+C"),
    "plan": Verb("flash.cli.plan:PLAN", "show what a deployment would change, and what that would cost"),
    "deploy": Verb("flash.cli.deploy:DEPLOY", "build, test and deploy; with --preview, serve it here instead"),
    "promote": Verb("flash.cli.promote:PROMOTE", "make what was tested before live elsewhere, without a new build"),
    "history": Verb("flash.cli.history:HISTORY", "show which versions were live in an environment"),
    "rollback": Verb("flash.cli.history:ROLLBACK", "put an earlier version of an environment back"),
    "undeploy": Verb("flash.cli.undeploy:UNDEPLOY", "remove an environment and its endpoints"),
    "login": Verb("flash.cli.login:LOGIN", "get an API key for Runpod from the console, and keep it"),
    "logs": Verb("flash.cli.logs:LOGS", "show what the workers of an environment wrote"),
    "app list": Verb("flash.cli.apps:LIST", "list the apps"),
    "app get": Verb("flash.cli.apps:GET", "show an app and its environments"),
    "app create": Verb("flash.cli.apps:CREATE", "make an app, with nothing in it"),
    "app delete": Verb("flash.cli.apps:DELETE", "remove an app, its environments and their endpoints"),
    "env list": Verb("flash.cli.environments:LIST", "list the app's environments"),
    "env get": Verb("flash.cli.environments:GET", "show what is live in an environment"),
    "env create": Verb("flash.cli.environments:CREATE", "make an environment, with nothing in it"),
    "env delete": Verb("flash.cli.undeploy:DELETE", "remove an environment and its endpoints"),
    "platform start": Verb("flash.cli.platform:START", "start the local platform"),
    "platform status": Verb("flash.cli.platform:STATUS", "show whether the local platform runs, and where"),
    "platform env": Verb("flash.cli.platform:ENV", "print shell lines that point clients at the local platform"),
    "platform stop": Verb("flash.cli.platform:STOP", "stop the local platform"),
    "sweep": Verb("flash.cli.sweep:SWEEP", "remove what killed runs left behind"),
}


def main(argv: Sequence[str] | None = None, services: Services | None = None) -> int:
    """Run ``flash ARGV`` and return its exit status.

    Args:
        argv: The arguments; else those of this process.
        services: What the verbs work through; else the real thing.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Read before anything is parsed, so that a wrong command line is reported in the form that was asked for.
    console = Console(as_json="--json" in arguments)
    try:
        return _reported(arguments, console, services)
    except BrokenPipeError:
        # Whoever read our output has gone. Without this the interpreter complains again while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED


def _reported(arguments: list[str], console: Console, services: Services | None) -> int:
    try:
        status = _run(arguments, console, services)
        console.flush()
    except FlashError as error:
        console.failure(error)
        return status_of(error)
    except KeyboardInterrupt:
        console.progress("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        where = None if error.filename is None else str(error.filename)
        console.failure(FlashError(error.strerror or str(error), path=where))
        return FAILED
    return status


def _run(arguments: list[str], console: Console, services: Services | None) -> int:
    if not arguments:
        console.progress(_help())
        return USAGE
    if arguments[0] in {"-h", "--help"}:
        console.text(_help())
        return DONE
    if arguments[0] in {"-V", "--version"}:
        console.text(f"flash {__version__}")
        return DONE
    name = _verb_name(arguments)
    if name is None:
        console.text(_help(arguments[0]))
        return DONE
    from flash.cli.interrupts import terminable

    verb = VERBS[name]
    with terminable():
        return _load(verb).main(name, verb.summary, arguments[len(name.split()) :], console, services)


def _verb_name(arguments: list[str]) -> str | None:
    """The verb that *arguments* begin with; None where help on a group of verbs is wanted.

    Raises:
        UsageError: There is no such verb.
    """
    first = arguments[0]
    if first in VERBS:
        return first
    group = [name.split()[1] for name in VERBS if name.startswith(f"{first} ")]
    if not group:
        raise _unknown(first, sorted({name.split()[0] for name in VERBS}), prefix="flash")
    second = arguments[1] if len(arguments) > 1 else ""
    if second in {"-h", "--help"}:
        return None
    if second in group:
        return f"{first} {second}"
    raise _unknown(second, group, prefix=f"flash {first}")


def _unknown(word: str, known: Sequence[str], *, prefix: str) -> UsageError:
    from flash.model.hardware import nearest

    if not word or word.startswith("-"):
        return UsageError(f"{prefix}: a command is missing", hint=f"one of: {', '.join(known)}")
    suggestion = nearest(word, known)
    hint = f"did you mean `{prefix} {suggestion}`?" if suggestion else f"one of: {', '.join(known)}"
    return UsageError(f"{prefix}: there is no command {word!r}", hint=hint)


def _help(group: str = "") -> str:
    shown = {name: verb.summary for name, verb in VERBS.items() if name.startswith(group)}
    width = max(map(len, shown))
    return "\n".join(
        [
            f"usage: flash {group} COMMAND [options]".replace("  ", " "),
            "",
            "Deploy Python functions as the last stage of a test run.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {summary}" for name, summary in shown.items()),
            "",
            "`flash COMMAND --help` lists a command's options; `flash --version` prints the version.",
        ]
    )


def _load(verb: Verb) -> Command:
    from importlib import import_module

    module, _, attribute = verb.home.partition(":")
    command: Command = getattr(import_module(module), attribute)
    return command
