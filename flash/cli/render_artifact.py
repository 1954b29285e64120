"""What is in an artifact, as text and as the JSON of ``--json``. Pure, like ``flash.cli.render``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.cli.render import counted, kind, serves, size_text, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flash.bundle.contents import Contents, Part
    from flash.model.manifest import Resource

__all__ = ["contents_data", "contents_text"]

_WIDEST: Final = 30


def contents_text(contents: Contents) -> str:
    """What ``flash inspect`` shows."""
    artifact, manifest = contents.artifact, contents.artifact.manifest
    lines = [
        str(artifact.path),
        "",
        f"  app       {manifest.project_name or '-'}",
        f"  sha256    {artifact.sha256}",
        f"  size      {size_text(artifact.size_bytes)}, unpacked {size_text(contents.unpacked_bytes)}",
        f"  files     {len(contents.sizes)}",
        f"  python    {manifest.python_version}",
        "",
        "Endpoints:",
        *table(
            (name, kind(one), _short(_hardware(one)), _workers(one), serves(one))
            for name, one in manifest.resources.items()
        ),
        "",
        "Project:",
        *_parts(contents.project),
        "",
        "Made by the build:",
        *_parts((contents.generated, contents.runtime)),
    ]
    if contents.distributions:
        lines += ["", f"Distributions ({len(contents.distributions)}):", *_parts(contents.distributions)]
    if manifest.excluded:
        lines += ["", "Left out:", *table(sorted(manifest.excluded.items()))]
    return "\n".join(lines)


def contents_data(contents: Contents) -> dict[str, object]:
    """The same as JSON."""
    artifact, manifest = contents.artifact, contents.artifact.manifest
    return {
        "artifact": str(artifact.path),
        "app": manifest.project_name,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "unpacked_bytes": contents.unpacked_bytes,
        "files": len(contents.sizes),
        "python": manifest.python_version,
        "endpoints": [
            {
                "name": name,
                "kind": kind(one),
                "hardware": _hardware(one),
                "workers": [one.workers_min, one.workers_max],
                "functions": [function.name for function in one.functions],
                "routes": list(manifest.routes.get(name, {})),
            }
            for name, one in manifest.resources.items()
        ],
        "project": [_data(part) for part in contents.project],
        "generated": _data(contents.generated),
        "runtime": _data(contents.runtime),
        "distributions": [{**_data(part), "version": part.version} for part in contents.distributions],
        "excluded": dict(manifest.excluded),
    }


def _hardware(resource: Resource) -> str:
    if resource.gpu_ids is not None:
        return resource.gpu_ids if resource.gpu_count == 1 else f"{resource.gpu_count} x {resource.gpu_ids}"
    return ",".join(resource.instance_ids or ()) or "-"


def _short(hardware: str) -> str:
    first, *others = hardware.split(",")
    return hardware if len(hardware) <= _WIDEST else f"{first} and {len(others)} more"


def _workers(resource: Resource) -> str:
    return f"{resource.workers_min}-{resource.workers_max} workers"


def _parts(parts: Iterable[Part]) -> list[str]:
    return table(
        (f"{part.name} {part.version}".rstrip(), size_text(part.size_bytes), counted(part.files, "file"))
        for part in parts
    )


def _data(part: Part) -> dict[str, object]:
    return {"name": part.name, "files": part.files, "size_bytes": part.size_bytes}
