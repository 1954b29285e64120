"""What of a project's code an endpoint's worker runs, as far as that can be told by names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from flash.bundle.audit.statements import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.audit.statements import Unit
    from flash.model.app import DeclaredEndpoint

__all__ = ["Reach"]


class Reach:
    """Follows one endpoint from its functions through the project.

    The top level of a module runs when it is imported. A function runs if it is the endpoint's own, or if something
    that runs names it; one that nothing names may run all the same. What another endpoint's function does happens in
    that one's workers.

    Args:
        endpoint: Whose worker.
        units: Those of every module, by its name, the top level first.
        functions: Module and name of the functions of all endpoints.
    """

    def __init__(
        self,
        endpoint: DeclaredEndpoint,
        units: Mapping[str, list[Unit]],
        functions: frozenset[tuple[str, str]],
    ) -> None:
        self._units = units
        self._functions = functions
        self._own = {(function.module, function.name) for function in endpoint.functions}
        self._called = {
            (function.module, function.name, method) for function in endpoint.functions for method in function.methods
        }
        self._modules: dict[str, Level] = {}
        self._named: dict[str, Level] = {}
        self._known_as: dict[str, list[Unit]] = defaultdict(list)
        self._inside: dict[Unit, list[Unit]] = defaultdict(list)
        self._pending: list[Unit] = []
        self.levels: dict[Unit, Level] = {}
        for function in endpoint.functions:
            self._load(function.module, Level.CERTAIN)
        while self._pending:
            unit = self._pending.pop()
            self._visit(unit, min(self._modules[unit.module], self._level(unit)))

    def _load(self, name: str, level: Level) -> None:
        """Note that module *name* is imported, and with it the packages that it is in."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            module = ".".join(parts[:count])
            known = self._modules.get(module, Level.GUARDED)
            if module not in self._units or known >= level:
                continue
            self._modules[module] = level
            top, *functions = self._units[module]
            if known is Level.GUARDED:
                for unit in functions:
                    for name_of_it in {unit.name, unit.owner} - {""}:
                        self._known_as[name_of_it].append(unit)
                        self._known_as[f"{module}:{name_of_it}"].append(unit)
                    if unit.parent is not None:
                        self._inside[unit.parent].append(unit)
            self._pending += [*functions, top]

    def _visit(self, unit: Unit, level: Level) -> None:
        """Note that *unit* runs, and what that brings about."""
        if level is Level.GUARDED or self.levels.get(unit, Level.GUARDED) >= level:
            return
        self.levels[unit] = level
        self._pending += self._inside[unit]
        for name in unit.mentions:
            if self._named.get(name, Level.GUARDED) < level:
                self._named[name] = level
                self._pending += self._known_as.get(name, ())
        for site in unit.sites:
            inside = min(level, site.level)
            if inside is not Level.GUARDED:
                self._load(site.module, inside)
                if site.name:
                    self._load(f"{site.module}.{site.name}", inside)

    def _level(self, unit: Unit) -> Level:
        """How sure it is that a unit runs, its module being imported."""
        if not unit.name:
            return Level.CERTAIN
        if self._is_of_others(unit):
            return Level.GUARDED
        if not self._is_defined(unit):
            return Level.GUARDED
        if self._is_own(unit):
            return Level.CERTAIN
        owner = self._naming(unit.module, unit.owner) if unit.owner else Level.CERTAIN
        return owner if unit.is_implicit else min(owner, self._naming(unit.module, unit.name))

    def _naming(self, module: str, name: str) -> Level:
        """How sure it is that something that runs names *name* of *module*."""
        names = self._named
        return max(names.get(name, Level.MAYBE), names.get(f"{module}:{name}", Level.MAYBE))

    def _is_defined(self, unit: Unit) -> bool:
        return unit.parent is None or not unit.parent.name or unit.parent in self.levels

    def _is_own(self, unit: Unit) -> bool:
        if unit.parent is not None and unit.parent.name:
            return False
        if not unit.owner:
            return (unit.module, unit.name) in self._own
        is_called = unit.is_implicit or (unit.module, unit.owner, unit.name) in self._called
        return is_called and (unit.module, unit.owner) in self._own

    def _is_of_others(self, unit: Unit) -> bool:
        """Whether it, or what it is defined in, is a function or class of another endpoint."""
        current: Unit | None = unit
        while current is not None:
            key = (current.module, current.owner or current.name)
            if current.name and key in self._functions and key not in self._own:
                return True
            current = current.parent
        return False
