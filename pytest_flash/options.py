"""Options, ini values and markers of the plugin, and where the project is. Standard library and pytest only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

__all__ = ["MARKERS", "Options", "add_options", "find_root", "is_flash_project", "looks_like_contract", "options_key"]

MARKERS: Final = (
    "flash_smoke: runs against the preview, and again against what was deployed",
    "flash_deployed_only: runs after promotion only, against what was deployed",
    "flash_preview_only: never runs against what was deployed",
    "flash_canary(weights, min_samples): runs against the preview, and calls a new version before it takes over",
    "flash_contract: a contract check of an endpoint's function; -m flash_contract selects them",
)


class Options(NamedTuple):
    """What was asked of the plugin. A named tuple, because every run of pytest pays for it: a dataclass costs more.

    Attributes:
        deploy: The environment to promote to, or None.
        plan: Whether to stop before the promotion, and show what it would change.
        planned: A plan that the promotion must be, or None.
        target: Overrides where that environment lives.
        backend: What workers are to be: ``auto``, ``docker`` or ``process``.
        exclude: Distributions to leave out of the artifact, on top of the settings.
        reports: Files to write what came of the run to; their endings say how.
        receipt: Where the receipt goes that a later promotion can use.
        attach: Where an already running preview or deployment is described: this run is a child of another one.
        owner_fd: The read end of a pipe whose end is the end of the run: this run is a child of the command line's.
        repeat_fd: The read end of a pipe: until its end, the tests of this child are run again and again.
        summary: Whether the block of deployed endpoints is printed.
    """

    preview: bool
    deploy: str | None
    plan: bool
    planned: Path | None
    target: str | None
    backend: Literal["auto", "docker", "process"]
    root: Path | None
    app: str | None
    exclude: tuple[str, ...]
    reports: tuple[Path, ...]
    receipt: Path | None
    allow_delete: bool
    attach: Path | None
    owner_fd: int | None
    repeat_fd: int | None
    summary: bool
    on_demand: bool

    @property
    def has_stages(self) -> bool:
        """Whether something is built and started whatever the tests ask for."""
        return self.attach is None and (self.preview or self.deploy is not None)

    @property
    def is_active(self) -> bool:
        """Whether the run uses the plugin for more than what every run gets."""
        return self.has_stages or self.attach is not None or self.on_demand

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """The options of a run.

        Raises:
            pytest.UsageError: A value that cannot be used.
        """
        given = config.option
        if given.flash_deploy is not None and not given.flash_deploy.strip():
            raise pytest.UsageError("--flash-deploy needs the name of an environment: --flash-deploy=production")
        _refuse_plans_of_nothing(given)
        here = config.invocation_params.dir
        reports = tuple(here / name for name in given.flash_report)
        for report in reports:
            if not report.parent.is_dir():
                raise pytest.UsageError(f"--flash-report: there is no folder {report.parent}")
        return cls(
            preview=given.flash_preview,
            deploy=given.flash_deploy,
            plan=given.flash_plan,
            planned=None if given.flash_planned is None else here / given.flash_planned,
            target=given.flash_target,
            backend=given.flash_backend,
            root=_explicit_root(given.flash_root, here),
            app=given.flash_app,
            exclude=tuple(name.strip() for part in given.flash_exclude for name in part.split(",") if name.strip()),
            reports=reports,
            receipt=_receipt(given, here),
            allow_delete=given.flash_allow_delete,
            attach=None if given.flash_attach is None else here / given.flash_attach,
            owner_fd=given.flash_owner_fd,
            repeat_fd=given.flash_repeat,
            summary=given.flash_summary,
            on_demand=bool(config.getini("flash_on_demand")),
        )


options_key = pytest.StashKey[Options]()


def add_options(parser: pytest.Parser) -> None:
    """Declare the options. Values are plain strings and booleans, because xdist sends them to its workers."""
    group = parser.getgroup("flash", "Flash: build, preview, check and deploy serverless endpoints")
    add = group.addoption
    add(
        "--flash-preview",
        action="store_true",
        default=False,
        help="build the project, start a preview of it, and run contract checks and tests against that",
    )
    add(
        "--flash-deploy",
        metavar="ENV",
        help="all that; then promote the tested artifact to ENV, run the smoke tests there, and roll back if they fail",
    )
    add(
        "--flash-plan",
        action="store_true",
        default=False,
        help="with --flash-deploy=ENV: all but the promotion; show what it would change, and stop",
    )
    add(
        "--flash-planned",
        metavar="FILE",
        help="with --flash-deploy=ENV: promote only what FILE says, which flash plan --out wrote",
    )
    add("--flash-target", choices=("runpod", "local"), help="where ENV lives; overrides FLASH_TARGET and the settings")
    add(
        "--flash-backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="what the workers of the preview, and of a local platform, are (default: containers where they can be)",
    )
    add("--flash-root", metavar="DIR", help="the project to build (default: found from the first path argument)")
    add("--flash-app", metavar="NAME", help="the app's name, instead of the one in [tool.flash]")
    add(
        "--flash-exclude",
        metavar="A,B",
        action="append",
        default=[],
        help="distributions to leave out of the artifact, on top of [tool.flash] exclude",
    )
    add(
        "--flash-report",
        metavar="FILE",
        action="append",
        default=[],
        help="write what came of the run to FILE: .json, .html, .md or .env; can be given more than once",
    )
    add(
        "--flash-receipt",
        metavar="FILE",
        help="write what the gate let through to FILE, for flash promote; needs --flash-preview or --flash-deploy",
    )
    add(
        "--flash-allow-delete",
        action="store_true",
        default=False,
        help="let the deployment remove endpoints that are live and no longer in the project",
    )
    # for children of ours, and for the command line
    add("--flash-attach", metavar="FILE", help=_HIDDEN)
    add("--flash-owner-fd", type=int, help=_HIDDEN)
    add("--flash-repeat", type=int, metavar="FD", help=_HIDDEN)
    add("--flash-no-summary", action="store_false", dest="flash_summary", default=True, help=_HIDDEN)
    parser.addini(
        "flash_on_demand",
        "build and start a preview when a test asks for it, without --flash-preview",
        type="bool",
        default=False,
    )


_HIDDEN: Final = "==SUPPRESS=="
"""``argparse.SUPPRESS``."""


def is_flash_project(folder: Path) -> bool:
    """Whether *folder* has a ``pyproject.toml`` with a table of ours. Reads text, because a TOML reader costs more."""
    try:
        return "[tool.flash" in (folder / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def find_root(paths: Iterable[str], *, here: Path, fallback: Path) -> Path:
    """The project's root: the nearest Flash project at or above the first path argument, else *fallback*.

    Args:
        paths: The path arguments, node ids included.
        here: The current folder, which counts where there is no path argument.
        fallback: pytest's rootdir.
    """
    start = here
    for argument in paths:
        candidate = here / argument.partition("::")[0]
        if candidate.exists():
            start = candidate
            break
    start = start.resolve()
    folders = (start, *start.parents)
    return next((folder for folder in folders if is_flash_project(folder)), fallback)


def looks_like_contract(argument: str) -> bool:
    """Whether a path argument is the node id of a contract check, as pytest prints it: it cannot be collected by it."""
    path, _, rest = argument.partition("::")
    return Path(path).name == "flash" and rest.startswith("contract[")


def _receipt(given: Any, here: Path) -> Path | None:
    if given.flash_receipt is None or given.flash_attach is not None:
        return None
    if not given.flash_preview and given.flash_deploy is None:
        raise pytest.UsageError(
            "--flash-receipt needs --flash-preview or --flash-deploy=ENV: a receipt is of a gated run"
        )
    path: Path = here / given.flash_receipt
    if not path.parent.is_dir():
        raise pytest.UsageError(f"--flash-receipt: there is no folder {path.parent}")
    return path


def _refuse_plans_of_nothing(given: argparse.Namespace) -> None:
    for option, value in (("--flash-plan", given.flash_plan), ("--flash-planned", given.flash_planned)):
        if value and given.flash_deploy is None:
            raise pytest.UsageError(f"{option} is about a promotion: add --flash-deploy=ENV")
    if given.flash_plan and given.flash_planned:
        raise pytest.UsageError("--flash-plan promotes nothing, and --flash-planned promotes: leave one of them out")


def _explicit_root(given: str | None, here: Path) -> Path | None:
    if given is None:
        return None
    root = (here / given).resolve()
    if not root.is_dir():
        raise pytest.UsageError(f"--flash-root: {given!r} is not a folder")
    return root
