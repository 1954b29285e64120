"""Apps as text, and as the JSON of ``--json``. Pure, like ``flash.cli.render``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.render import counted, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flash.cloud.records import AppRecord

__all__ = ["app_data", "app_text", "apps_text"]


def apps_text(found: Sequence[tuple[str, AppRecord]]) -> str:
    """Apps, one a line."""
    if not found:
        return "There is no app yet; `flash deploy` makes one"
    rows = [
        (app.name, target, counted(len(app.environments), "environment"), counted(app.builds, "build"))
        for target, app in found
    ]
    return "\n".join(["Apps:", *table(rows)])


def app_text(target: str, app: AppRecord) -> str:
    """An app on one platform."""
    lines = [app.name, "", f"  target  {target}", f"  id      {app.id}", f"  builds  {app.builds}"]
    if app.environments:
        rows = [(one.name, one.active_build_id or "nothing is live") for one in app.environments]
        lines += ["", "Environments:", *table(rows)]
    return "\n".join(lines)


def app_data(target: str, app: AppRecord) -> dict[str, object]:
    """The same as JSON."""
    return {
        "name": app.name,
        "target": target,
        "id": app.id,
        "builds": app.builds,
        "environments": [{"name": one.name, "build": one.active_build_id} for one in app.environments],
    }
