"""What Runpod's own worker images do not do, of what an artifact asks for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flash.model.manifest import Manifest

__all__ = ["unsupported_on_runpod"]


def unsupported_on_runpod(manifest: Manifest) -> tuple[str, ...]:
    """Notes on endpoints that will do less on Runpod than in a preview, a line each.

    Source: the queue worker of Runpod's images, ``runpod-workers/flash``, read 2026-08: it calls the handler itself,
    one job at a time, and takes its result as it is.
    """
    notes = []
    for name, resource in manifest.resources.items():
        if resource.is_load_balanced or resource.client_mode:
            continue
        streams = sorted(entry.name for entry in resource.functions if entry.is_generator)
        if streams:
            notes.append(
                f"{name}: {', '.join(streams)} yields, and Runpod's images do not stream: "
                "callers get the whole list at the end"
            )
        if resource.max_concurrency > 1:
            notes.append(
                f"{name}: max_concurrency={resource.max_concurrency} has no effect with Runpod's images: "
                "a worker takes one job at a time"
            )
    return tuple(notes)
