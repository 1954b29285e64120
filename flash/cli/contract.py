"""``flash contract``: what an app promises its callers, and what a change of that breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flash.cli.command import Command, add_project_options, add_target_option, open_project, wanted_target
from flash.cli.status import DONE, FAILED
from flash.errors import BuildError, DeployError

if TYPE_CHECKING:
    import argparse

    from flash.cli.command import Context
    from flash.contract.change import Change
    from flash.contract.operations import Operation
    from flash.model.manifest import Manifest
    from flash.project import Project

__all__ = ["DIFF", "SHOW"]

_WHAT = "an artifact, a manifest, or the name of an environment, of which it is what is live"


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="ARTIFACT", nargs="?", help=f"{_WHAT} (default: the project's last build)")
    parser.add_argument("--openapi", action="store_true", help="print it as an OpenAPI 3.1 document")
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _configure_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help=_WHAT)
    parser.add_argument("new", metavar="NEW", nargs="?", help="likewise (default: the project's last build)")
    add_target_option(parser)
    add_project_options(parser, builds=False)


def _show(options: argparse.Namespace, context: Context) -> int:
    from flash.contract.operations import operations_of

    manifest = _manifest(options.what, open_project(options), options, context)
    if options.openapi:
        from flash.model.openapi import openapi

        document = openapi(manifest)
        context.console.result(json.dumps(document, indent=2, ensure_ascii=False), document)
        return DONE
    found = {name: operations_of(manifest, name) for name in manifest.resources}
    lines: list[str] = []
    for name, operations in found.items():
        kind = "load-balanced" if manifest.resources[name].is_load_balanced else "queue"
        lines.append(f"{name}  ({kind})")
        lines += [f"  {line}" for one in operations for line in _operation_lines(one)]
    data = {name: [_operation_data(one) for one in operations] for name, operations in found.items()}
    context.console.result("\n".join(lines) or "no endpoints", {"endpoints": data})
    return DONE


def _diff(options: argparse.Namespace, context: Context) -> int:
    from flash.contract.changes import compare_with_callers

    project = open_project(options)
    old = _manifest(options.old, project, options, context)
    new = _manifest(options.new, project, options, context)
    comparison = compare_with_callers(old, new)
    parts = (
        ("breaking", comparison.breaking),
        ("not compared", tuple(one for one in comparison.changes if one.severity == "unjudged")),
        ("to be known", comparison.notes),
    )
    lines = [line for title, changes in parts if changes for line in (f"{title}:", *map(_change_text, changes), "")]
    is_clean = not comparison.breaking and not comparison.unjudged
    counts = ", ".join(f"{len(changes)} {title}" for title, changes in parts if changes)
    context.console.result(
        "\n".join([*lines, counts or "nothing has changed for callers"]),
        {"is_compatible": is_clean, "changes": [one.as_json() for one in comparison.changes]},
    )
    return DONE if is_clean else FAILED


def _change_text(change: Change) -> str:
    callers = "".join(f"\n      called by {one}" for one in change.callers)
    return f"  {change.text}{callers}"


def _operation_lines(operation: Operation) -> list[str]:
    from flash.contract.reading import words

    schema = operation.schema
    if schema is None or schema.input is None:
        because = "" if schema is None or not schema.error else f": {schema.error}"
        return [f"{operation.name}  no types{because}"]
    result = "anything" if schema.output is None else words(schema.output)
    if schema.parameter is not None:
        return [f"{operation.name}({schema.parameter}: {words(schema.input)}) → {result}"]
    needed = set(schema.input.get("required", ()))
    given = [
        f"{name}{'' if name in needed else '?'}: {words(value)}"
        for name, value in schema.input.get("properties", {}).items()
    ]
    return [f"{operation.name}({', '.join(given)}) → {'stream of ' if operation.is_stream else ''}{result}"]


def _operation_data(operation: Operation) -> dict[str, Any]:
    schema = operation.schema
    return {
        "name": operation.name,
        "is_stream": operation.is_stream,
        "input": None if schema is None else schema.input,
        "output": None if schema is None else schema.output,
        "parameter": None if schema is None else schema.parameter,
        "error": None if schema is None else schema.error,
    }


def _manifest(given: str | None, project: Project, options: argparse.Namespace, context: Context) -> Manifest:
    """The manifest of an artifact, of a file, or of what is live.

    Raises:
        BuildError, ManifestError: It cannot be read.
        DeployError: Nothing that could be compared is live in that environment.
    """
    from flash.bundle import archive
    from flash.model.manifest import Manifest

    path = project.artifact_path if given is None else Path(given)
    if given is None and not path.is_file():
        raise BuildError("there is no artifact yet", hint="flash build makes it", path=str(path))
    if path.is_file():
        return Manifest.read(path) if path.suffix == ".json" else archive.read(path).manifest
    if given is None or "/" in given or path.suffix in {".gz", ".json"}:
        raise BuildError("there is no such file", path=str(path))
    return _live(given, project, options, context)


def _live(name: str, project: Project, options: argparse.Namespace, context: Context) -> Manifest:
    from flash.project import environment_name, target_of

    environment = environment_name(project, name)
    target = target_of(project, environment, wanted_target(options))
    live = context.services.pipeline("auto").look(project, environment, target)
    if live is None or live.manifest is None:
        because = "nothing is live there" if live is None or not live.problem else live.problem
        raise DeployError(
            f"environment {environment!r} has no contract to look at: {because}",
            hint="name an artifact or a manifest, or an environment that flash env list shows",
        )
    return live.manifest


SHOW = Command(_configure_show, _show)
DIFF = Command(
    _configure_diff,
    _diff,
    epilog="exit status: 0 nothing breaks, 1 something does or could not be compared, 2 usage",
)
