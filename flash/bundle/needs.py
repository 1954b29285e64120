"""Who needs what on the workers: markers, and the way from requirements to all that they bring."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.bundle.installed import Distribution

__all__ = ["Needs", "applies", "target_environment"]


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


class Needs:
    """What brings what, of the distributions that were installed: read once, asked for many endpoints.

    Args:
        distributions: What was installed.
        environment: What markers are judged by.
        may_use: Follow every extra: what a distribution can do without, it may use where it is there.
    """

    def __init__(
        self, distributions: Iterable[Distribution], environment: Mapping[str, str], *, may_use: bool = False
    ) -> None:
        self._known = {each.name: each for each in distributions}
        self._environment = environment
        self._may_use = may_use
        self._holding: dict[tuple[str, str], bool] = {}
        self._steps: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._reached: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, roots: Iterable[Requirement]) -> set[str]:
        """Normalised names that *roots* need, directly and through the metadata of what was installed."""
        return {name for root in roots for node in _nodes(root) for name in self._from(node)}

    def _from(self, node: tuple[str, str]) -> frozenset[str]:
        if node not in self._reached:
            pending, seen = [node], {node}
            while pending:
                for step in self._next(pending.pop()):
                    if step not in seen:
                        seen.add(step)
                        pending.append(step)
            self._reached[node] = frozenset(name for name, _ in seen)
        return self._reached[node]

    def _next(self, node: tuple[str, str]) -> list[tuple[str, str]]:
        if node not in self._steps:
            name, extra = node
            self._steps[node] = [
                step
                for requirement in self._required_by(name)
                if self._may_use or self._applies(requirement, extra)
                for step in _nodes(requirement)
            ]
        return self._steps[node]

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        # the same few markers are all over a tree
        key = (str(requirement.marker or ""), extra)
        if key not in self._holding:
            self._holding[key] = applies(requirement, self._environment, extra)
        return self._holding[key]

    def _required_by(self, name: str) -> list[Requirement]:
        distribution = self._known.get(name)
        lines = (_read(text) for text in (distribution.requires if distribution is not None else ()))
        return [requirement for requirement in lines if requirement is not None]


@lru_cache(maxsize=2**14)
def _read(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        # metadata of long ago: the installer could read it, and what it stands for is installed or is not
        return None


def _nodes(requirement: Requirement) -> list[tuple[str, str]]:
    name = str(canonicalize_name(requirement.name))
    return [(name, extra) for extra in ("", *requirement.extras)]
