"""Values to text, and to the JSON of ``--json``. Pure: no clock, no terminal, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash.deploy.summary import deployed_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.cli.report import Condition, Report
    from flash.deploy.deployment import DeployedEndpoint
    from flash.model.manifest import Artifact, Resource
    from flash.preview.local import PlatformState
    from flash.preview.session import Attachment

__all__ = [
    "EnvironmentRow",
    "build_data",
    "build_text",
    "counted",
    "endpoint_data",
    "environment_text",
    "environments_text",
    "exports",
    "gate_text",
    "kind",
    "platform_data",
    "platform_text",
    "platform_variables",
    "preview_data",
    "preview_text",
    "report_data",
    "serves",
    "size_text",
    "table",
]

_MIB: Final = 2**20
_KIB: Final = 2**10


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """An environment in a list.

    Attributes:
        build: The build that is live, or None where nothing is.
        digest: Its artifact's, or None where something else than Flash deployed it.
        is_configured: Whether ``[tool.flash.environments]`` names it.
    """

    name: str
    target: str
    build: str | None
    digest: str | None
    endpoints: int
    is_configured: bool


def size_text(size_bytes: int) -> str:
    """A size in the unit that reads best.

    >>> size_text(1536), size_text(3 * 2**20)
    ('1.5 KiB', '3.0 MiB')
    """
    if size_bytes < _KIB:
        return f"{size_bytes} B"
    if size_bytes < _MIB:
        return f"{size_bytes / _KIB:.1f} KiB"
    return f"{size_bytes / _MIB:.1f} MiB"


# ---------------------------------------------------------------------------------------------------------------------
# flash build


def build_text(artifact: Artifact, *, size_limit_mib: int) -> str:
    """What ``flash build`` made."""
    manifest = artifact.manifest
    distributions = _distributions(artifact.files)
    lines = [
        "✓ Build Complete",
        "",
        f"  artifact  {artifact.path}",
        f"  sha256    {artifact.sha256}",
        f"  size      {size_text(artifact.size_bytes)} of {size_limit_mib} MiB",
        f"  files     {len(artifact.files)}",
        f"  python    {manifest.python_version}",
        "",
        "Endpoints:",
        *table((name, kind(resource), serves(resource)) for name, resource in manifest.resources.items()),
    ]
    if distributions:
        lines += ["", f"Distributions ({len(distributions)}):", *table(distributions.items())]
    if manifest.excluded:
        lines += ["", "Left out:", *table(sorted(manifest.excluded.items()))]
    return "\n".join(lines)


def build_data(artifact: Artifact, *, app: str) -> dict[str, object]:
    """The same as JSON."""
    manifest = artifact.manifest
    return {
        "app": app,
        "artifact": str(artifact.path),
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "files": len(artifact.files),
        "python": manifest.python_version,
        "endpoints": [
            {"name": name, "kind": kind(resource), "routes": list(manifest.routes.get(name, {}))}
            for name, resource in manifest.resources.items()
        ],
        "distributions": [
            {"name": name, "version": version} for name, version in _distributions(artifact.files).items()
        ],
        "excluded": dict(manifest.excluded),
    }


def kind(resource: Resource) -> str:
    """``queue`` or ``load-balanced``."""
    return "load-balanced" if resource.is_load_balanced else "queue"


def serves(resource: Resource) -> str:
    """What it serves: routes, functions, or an image."""
    if not resource.functions:
        return resource.image_name
    return ", ".join(
        f"{function.http_method} {function.http_path}" if function.http_method else function.name
        for function in resource.functions
    )


def _distributions(files: Iterable[str]) -> dict[str, str]:
    """Names and versions of the distributions that lie at the top, from the folders of their metadata."""
    found: dict[str, str] = {}
    for path in files:
        folder, _, file = path.partition("/")
        if file == "METADATA" and folder.endswith(".dist-info"):
            name, _, version = folder.removesuffix(".dist-info").partition("-")
            found[name.replace("_", "-").lower()] = version
    return dict(sorted(found.items()))


# ---------------------------------------------------------------------------------------------------------------------
# flash deploy, flash env


def gate_text(conditions: Sequence[Condition]) -> str:
    """The conditions that stand in the way, each with what was seen and what would change it."""
    lines: list[str] = []
    for condition in conditions:
        lines.append(f"{condition.code} {condition.title}: {condition.outcome}")
        lines += [f"  {line}" for line in condition.evidence]
        if condition.remedy:
            lines.append(f"  hint: {condition.remedy}")
    return "\n".join(lines)


def report_data(report: Report) -> dict[str, object]:
    """The result of ``flash deploy --json``."""
    return {
        "app": report.app,
        "environment": report.environment,
        "digest": report.digest,
        "outcome": report.outcome,
        "gate": [{"code": condition.code, "outcome": condition.outcome} for condition in report.gate],
        "endpoints": [endpoint_data(endpoint) for endpoint in report.endpoints],
    }


def endpoint_data(endpoint: DeployedEndpoint) -> dict[str, object]:
    """One endpoint as JSON."""
    return {
        "name": endpoint.name,
        "kind": endpoint.kind,
        "id": endpoint.id,
        "url": endpoint.url,
        "routes": list(endpoint.routes),
    }


def environment_text(
    name: str,
    *,
    app: str,
    target: str,
    build: str | None,
    digest: str | None,
    endpoints: Sequence[DeployedEndpoint],
) -> str:
    """What is live in an environment."""
    lines = [
        f"{app} / {name}",
        "",
        f"  target  {target}",
        f"  build   {build or '- (nothing is live)'}",
        f"  digest  {_digest(build, digest)}",
    ]
    if endpoints:
        lines += ["", "Endpoints:"]
    for endpoint in endpoints:
        lines.append(f"  {endpoint.url}  ({endpoint.name})")
        for route in endpoint.routes:
            method, _, path = route.partition(" ")
            lines.append(f"    {method:<6} {path}")
    return "\n".join(lines)


def environments_text(rows: Sequence[EnvironmentRow], *, app: str) -> str:
    """The app's environments, one a line."""
    if not rows:
        return f"{app} has no environment yet; `flash deploy --env NAME` makes one"
    cells = [
        (
            row.name,
            row.target,
            _digest(row.build, row.digest)[:12],
            _live(row),
            "" if row.is_configured else "not in [tool.flash]",
        )
        for row in rows
    ]
    return "\n".join([f"Environments of {app}:", *table(cells)])


def _digest(build: str | None, digest: str | None) -> str:
    if digest is not None:
        return digest
    return "-" if build is None else "unknown"


def _live(row: EnvironmentRow) -> str:
    if row.build is None:
        return "nothing is live"
    return counted(row.endpoints, "endpoint")


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "build"), counted(2, "build")
    ('1 build', '2 builds')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def preview_text(attachment: Attachment) -> str:
    """Where a preview serves, and how to call it."""
    _, _, endpoints = deployed_block(attachment, is_local=False).partition("\n\n")
    return "\n".join(
        [
            "✓ Preview is running",
            "",
            "  It has a key of its own. In the shell where you try it:",
            f"    {exports({'RUNPOD_API_KEY': attachment.address.api_key})}",
            "",
            endpoints,
            "",
            "Press Ctrl+C to stop.",
        ]
    )


def preview_data(attachment: Attachment) -> dict[str, object]:
    """The same as JSON."""
    return {
        "app": attachment.app,
        "environment": attachment.environment,
        "digest": attachment.digest,
        "outcome": "serving",
        "url": attachment.address.api_url,
        "api_key": attachment.address.api_key,
        "endpoints": [endpoint_data(endpoint) for endpoint in attachment.endpoints],
    }


# ---------------------------------------------------------------------------------------------------------------------
# flash platform


def platform_text(state: PlatformState | None) -> str:
    """Whether the local platform runs."""
    if state is None:
        return "No local platform runs; start it: flash platform start"
    return "\n".join(
        [
            "✓ Local platform runs",
            "",
            f"  url      {state.url}",
            f"  workers  {state.backend}",
            f"  pid      {state.pid}",
            "",
            '  eval "$(flash platform env)" points clients at it',
        ]
    )


def platform_data(state: PlatformState | None) -> dict[str, object]:
    """The same as JSON; without the key, which ``flash platform env`` prints."""
    if state is None:
        return {"running": False}
    return {"running": True, "url": state.url, "backend": state.backend, "pid": state.pid}


def platform_variables(state: PlatformState) -> dict[str, str]:
    """What clients read to find the platform: the key, and every base URL.

    Source: platform contract §1.1. All hosts are given, because clients warn where only some are.
    """
    return {
        "RUNPOD_API_KEY": state.api_key,
        "RUNPOD_API_BASE_URL": state.url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{state.url}/v2",
        "RUNPOD_REST_API_URL": f"{state.url}/v1",
        "RUNPOD_HAPI_URL": state.url,
        "RUNPOD_CONSOLE_URL": state.url,
        "FLASH_LB_BASE_URL": f"{state.url}/lb",
    }


def exports(variables: Mapping[str, str]) -> str:
    """Lines for a POSIX shell.

    >>> print(exports({"KEY": "it's"}))
    export KEY='it'"'"'s'
    """
    return "\n".join(f"export {name}={_quoted(value)}" for name, value in variables.items())


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\"'\"'") + "'"


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, columns aligned, two spaces between."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
