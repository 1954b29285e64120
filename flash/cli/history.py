"""``flash history`` and ``flash rollback``: the ledger of an environment, and back to a version of it.

Both ask the platform and need nothing of the checkout's but its settings: another machine shows and does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.command import (
    Command,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.status import DONE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from flash.cli.command import Context
    from flash.deploy.ledger import Line
    from flash.project import Project, TargetName

__all__ = ["HISTORY", "ROLLBACK"]

_SHORT = 12
_HEADINGS = ("N", "created", "action", "state", "gate", "artifact", "build", "commit", "")


def _configure_history(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _history(options: argparse.Namespace, context: Context) -> int:
    project, environment, target = _meant(options, context)
    lines = context.services.history(project, environment=environment, target=target)
    app = project.settings.app
    data = {
        "app": app,
        "environment": environment,
        "target": target,
        "versions": [_line_data(line) for line in lines],
    }
    context.console.result(_history_text(lines, f"{environment} of {app} on {target}"), data)
    return DONE


def _configure_rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "version",
        nargs="?",
        default="",
        metavar="N|DIGEST",
        help="how many versions back, or the beginning of a digest (default: the version before the live one)",
    )
    add_environment_option(parser)
    add_target_option(parser)
    parser.add_argument("--allow-delete", action="store_true", help="let endpoints go that the version does not have")
    add_project_options(parser, builds=False)


def _rollback(options: argparse.Namespace, context: Context) -> int:
    from flash.cli import render

    project, environment, target = _meant(options, context)
    done = context.services.roll_back(
        project,
        options.version,
        environment=environment,
        target=target,
        allow_delete=options.allow_delete,
        report=context.console.progress,
    )
    deployment = done.deployment
    data = {
        "app": deployment.app,
        "environment": environment,
        "target": target,
        "outcome": "rolled-back",
        "digest": deployment.digest or None,
        "build": deployment.build_id,
        "of_build": done.build.id,
        "previous_digest": deployment.previous,
        "previous_build": deployment.previous_build_id,
        "endpoints": [render.endpoint_data(endpoint) for endpoint in deployment.endpoints],
    }
    context.console.result(f"✓ {done.message}", data)
    return DONE


def _meant(options: argparse.Namespace, context: Context) -> tuple[Project, str, TargetName]:
    from flash.cli.environments import choose_live_environment
    from flash.project import target_of

    project = open_project(options)
    named = wanted_target(options)
    environment = choose_live_environment(project, options.env, named, context.services)
    return project, environment, target_of(project, environment, named)


# ---------------------------------------------------------------------------------------------------------------------
# Text and JSON


def _line_data(line: Line) -> dict[str, object]:
    entry = line.entry
    return {
        "number": line.number,
        "live": line.is_live,
        "build": line.build.id,
        "digest": line.digest or None,
        "created_at": line.build.created_at,
        "action": None if entry is None else entry.action,
        "state": None if entry is None else entry.state,
        "gate": None if entry is None else entry.gate,
        "receipt": None if entry is None else entry.receipt,
        "git": None if entry is None else entry.git,
        "run": None if entry is None else entry.run,
        "previous_build": None if entry is None else entry.previous_build_id,
        "previous_digest": None if entry is None else entry.previous_digest,
    }


def _history_text(lines: Sequence[Line], where: str) -> str:
    if not lines:
        return f"{where}: nothing was deployed yet"
    rows = [_HEADINGS, *map(_row, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    # a column that is empty throughout says nothing
    shown = [column for column in range(len(_HEADINGS)) if any(row[column] for row in rows[1:])]
    table = ["  " + "  ".join(f"{row[column]:<{widths[column]}}" for column in shown).rstrip() for row in rows]
    hint = [] if not any(line.number for line in lines) else ["", "  flash rollback N puts version N back"]
    return "\n".join([where, "", *table, *hint])


def _row(line: Line) -> tuple[str, ...]:
    entry = line.entry
    return (
        "-" if line.number is None else str(line.number),
        line.build.created_at,
        "not by Flash" if entry is None else entry.action,
        "" if entry is None else entry.state,
        "" if entry is None else entry.gate or "",
        line.digest[:_SHORT] or "unknown",
        line.build.id[:_SHORT],
        "" if entry is None else (entry.git or "")[:_SHORT],
        "live" if line.is_live else "",
    )


HISTORY = Command(
    _configure_history,
    _history,
    epilog="0 is live; what has no number was rolled back, or is the artifact of a later line",
)
ROLLBACK = Command(
    _configure_rollback,
    _rollback,
    epilog="exit status: 0 rolled back and verified, 1 refused or failed, 2 usage, 130 interrupted",
)
