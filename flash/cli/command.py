"""What every verb is made of: its options, its function, and what the function is given."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flash.cli.status import DONE, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flash.cli.console import Console
    from flash.cli.services import Services
    from flash.project import Project, TargetName

__all__ = [
    "Command",
    "Context",
    "add_backend_option",
    "add_environment_option",
    "add_project_options",
    "add_target_option",
    "open_project",
    "wanted_target",
]


@dataclass(frozen=True, slots=True)
class Context:
    """What a verb's function works with, beside its options."""

    console: Console
    services: Services


@dataclass(frozen=True, slots=True)
class Command:
    """A verb.

    Attributes:
        configure: Adds its options.
        run: Does it, and returns the exit status.
        epilog: Shown below the options in its help.
        checks_target: It has its target checked first, which tells what is odd about the hosts.
    """

    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Context], int]
    epilog: str = ""
    checks_target: bool = False

    def parser(self, name: str, summary: str) -> argparse.ArgumentParser:
        """What reads its arguments, and knows its help."""
        parser = _Parser(
            prog=f"flash {name}",
            description=summary[:1].upper() + summary[1:] + ".",
            epilog=self.epilog or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.configure(parser)
        parser.add_argument("--json", action="store_true", help="the result as JSON on stdout, progress on stderr")
        parser.add_argument("-h", "--help", action="store_true", help="show this and stop")
        return parser

    def main(
        self, name: str, summary: str, arguments: Sequence[str], console: Console, services: Services | None
    ) -> int:
        """Parse *arguments* and run.

        Raises:
            UsageError: They do not fit.
        """
        parser = self.parser(name, summary)
        if {"-h", "--help"} & set(arguments):
            console.text(parser.format_help().rstrip())
            return DONE
        options = parser.parse_args(arguments)
        if services is None:
            from flash.cli.services import RealServices

            services = RealServices()
        if not self.checks_target and hasattr(options, "target"):
            _tell_mixed_urls(options, console)
        return self.run(options, Context(console, services))


def _tell_mixed_urls(options: argparse.Namespace, console: Console) -> None:
    from flash.project import mixed_urls

    if wanted_target(options) != "local" and (note := mixed_urls()) is not None:
        console.progress(f"! {note}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", hint=f"{self.prog} --help lists the options")


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def add_project_options(parser: argparse.ArgumentParser, *, builds: bool) -> None:
    """Options that say which project; with *builds*, those that say what goes into its artifact too."""
    parser.add_argument("--root", type=Path, metavar="DIR", help="the project (default: found from here upwards)")
    parser.add_argument("--app", metavar="NAME", help="the app's name (default: from [tool.flash], else the folder's)")
    if builds:
        parser.add_argument(
            "--exclude",
            type=_names,
            action="extend",
            default=[],
            metavar="A,B",
            help="distributions to leave out of the artifact",
        )


def add_environment_option(parser: argparse.ArgumentParser) -> None:
    """``--env``."""
    parser.add_argument(
        "--env",
        metavar="NAME",
        help="the environment (default: the only one configured or existing; none: production; "
        "several: an error that lists them)",
    )


def add_target_option(parser: argparse.ArgumentParser) -> None:
    """``--target``."""
    parser.add_argument(
        "--target", choices=("runpod", "local"), help="where the environment lives (default: $FLASH_TARGET, settings)"
    )


def add_backend_option(parser: argparse.ArgumentParser) -> None:
    """``--backend``."""
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="what the workers of a preview or a local platform are (default: containers where they can be)",
    )


def open_project(options: argparse.Namespace) -> Project:
    """The project that *options* and the current folder name.

    Raises:
        SettingsError: Its settings cannot be read.
    """
    from flash.project import find_root, load_project

    here = Path.cwd()
    root = find_root(here, explicit=options.root, fallback=here)
    return load_project(root, app=options.app, exclude=tuple(getattr(options, "exclude", ())))


def wanted_target(options: argparse.Namespace) -> TargetName | None:
    """``--target``, else ``FLASH_TARGET``, else None: the settings decide.

    Raises:
        UsageError: ``FLASH_TARGET`` is neither ``runpod`` nor ``local``.
    """
    import os

    named: TargetName | None = options.target
    if named is not None:
        return named
    variable = os.environ.get("FLASH_TARGET", "").strip()
    if variable == "runpod":
        return "runpod"
    if variable == "local":
        return "local"
    if variable:
        raise UsageError(f"FLASH_TARGET is {variable!r}", hint="set it to 'runpod' or 'local'")
    return None
