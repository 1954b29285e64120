"""Single requirements that no artifact can have, whatever else is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from flash.bundle.listed import REQUIREMENTS_NAME
from flash.errors import BuildError, DependencyError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from flash.bundle.asked import Asked

__all__ = ["refuse_pinned_pydantic", "refuse_unhashed"]


def refuse_pinned_pydantic(asked: Asked) -> None:
    """Flash in the worker needs pydantic 2; what allows it and something older is fine."""
    if asked.name != "pydantic" or not asked.requirement.specifier:
        return
    of_today = (Version(f"{major}.{minor}.{patch}") for major in (2, 3) for minor in range(60) for patch in range(20))
    if not any(asked.requirement.specifier.contains(version, prereleases=True) for version in of_today):
        raise BuildError(
            f"{str(asked.requirement)!r} of {asked.by} asks for pydantic below 2",
            path=asked.path,
            line=asked.line,
            hint="Flash in the worker needs pydantic 2: its pydantic.v1 module has the older interface",
        )


def refuse_unhashed(asked: Iterable[Asked], *, without: Collection[str]) -> None:
    """Where one line has a hash, all have to have one, as pip has it; but for *without*, which is not installed."""
    asked = list(asked)
    hashed = {each.name for each in asked if each.hashes}
    for each in asked:
        if each.name not in hashed and each.name not in without and "sha256=" not in (each.requirement.url or ""):
            raise DependencyError(
                f"{str(each.requirement)!r} ({each.by}) has no hash, and {REQUIREMENTS_NAME} asks for one",
                path=each.path,
                line=each.line,
                hint=f"add it to {REQUIREMENTS_NAME} with its hash, or take all hashes out",
            )
