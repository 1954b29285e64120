"""Who needs what on the workers: markers, and the way from requirements to all that they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.bundle.installed import Distribution

__all__ = ["applies", "closure", "target_environment"]


def target_environment(python_version: str) -> dict[str, str]:
    """What markers are judged by: CPython on Linux x86-64, whatever runs this."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python_version}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python_version}.0",
        "python_version": python_version,
        "sys_platform": "linux",
    }


def applies(requirement: Requirement, environment: Mapping[str, str], extra: str = "") -> bool:
    """Whether the marker of *requirement* holds in *environment*, for who asked with *extra*."""
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})


def closure(
    roots: Iterable[Requirement],
    known: Mapping[str, Distribution],
    environment: Mapping[str, str],
    *,
    may_use: bool = False,
) -> set[str]:
    """Normalised names that *roots* need, directly and through the metadata of what was installed.

    Args:
        roots: What is asked for.
        known: What was installed, by normalised name.
        environment: What markers are judged by.
        may_use: Follow every extra: what a distribution can do without, it may use where it is there.
    """
    pending = [(str(canonicalize_name(root.name)), extra) for root in roots for extra in ("", *root.extras)]
    seen: set[tuple[str, str]] = set()
    while pending:
        name, extra = pending.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = known.get(name)
        for text in distribution.requires if distribution is not None else ():
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                # metadata of long ago: the installer could read it, and what it stands for is installed or is not
                continue
            if may_use or applies(requirement, environment, extra):
                pending += [(str(canonicalize_name(requirement.name)), each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen}
