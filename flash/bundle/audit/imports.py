"""The audit of what a project's code imports: for each endpoint, against what its workers will have."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from flash.bundle.audit.findings import Finding, ordered
from flash.bundle.audit.images import brought_along, modules_of_image
from flash.bundle.audit.installed import Importable
from flash.bundle.audit.local import Local
from flash.bundle.audit.reach import Reach
from flash.bundle.audit.resolve import Cause, Missing, Resolver
from flash.bundle.audit.statements import Level, Site, Unit, units_of
from flash.bundle.audit.targets import Target

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

    from flash.bundle.audit.wheels import Shipped
    from flash.bundle.modules import Module, Modules
    from flash.model.app import App, DeclaredEndpoint

__all__ = ["audit_imports", "imported_names"]

_BROUGHT: Final = "import-undeclared"
_PLATFORM: Final = "x86_64-manylinux_2_28"
_MOST_NAMED: Final = 3
# Scripts of tools that run on a developer's machine, in every second repository.
_OF_TOOLS: Final = frozenset({"conftest.py", "fabfile.py", "noxfile.py", "setup.py", "tasks.py", "manage.py"})


class _Lack(NamedTuple):
    """An import that does not find what it asks for in what ships."""

    unit: Unit
    site: Site
    missing: Missing


@dataclass(slots=True)
class _Found:
    """The endpoints that reach such an import, by what comes of it."""

    certain: list[DeclaredEndpoint] = field(default_factory=list)
    possible: list[DeclaredEndpoint] = field(default_factory=list)
    served: list[DeclaredEndpoint] = field(default_factory=list)


def audit_imports(
    app: App,
    modules: Modules,
    *,
    distributions: Sequence[Shipped],
    provided: Mapping[str, Collection[str]],
    excluded: Mapping[str, str],
    ignored: Mapping[str, str],
    python_version: str,
    files: Collection[str] = (),
    platform: str = _PLATFORM,
) -> tuple[Finding, ...]:
    """Check every import of the project's code against what ships, what images provide and the standard library.

    Args:
        app: What is declared.
        modules: The project's.
        distributions: What ships beside them.
        provided: By endpoint, what its image has besides what the tables say: distributions or modules.
        excluded: What was left out, by normalised name, with the reason.
        ignored: What of the project does not ship, by path, with the rule.
        python_version: The workers'.
        files: All files of the project that ship.
        platform: As uv spells it.
    """
    local = Local(modules, files, ignored, Target(python_version, platform))
    resolver = Resolver(local, _importable(distributions), excluded, python_version)
    units = {module.name: units_of(module, python_version) for module in modules}
    images = {modules_of_image(each.spec.is_gpu, frozenset(provided.get(each.name, ()))) for each in app}
    # following every endpoint through the project is for those few imports that some image does not serve
    lacks = [lack for lack in _lacks(units, resolver) if not all(_is_among(lack.missing, image) for image in images)]
    if not lacks:
        return ()
    found, reached = _by_endpoint(app, units, lacks, provided)
    paths = {module.name: module for module in modules}
    findings = [_about(lack, found[lack], paths[lack.unit.module]) for lack in lacks if lack in found]
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        # the same of several lines of a file is told of the first
        if finding is not None:
            key = (finding.path, finding.message)
            first[key] = min(first.get(key, finding), finding, key=lambda one: one.line or 0)
    return ordered([*first.values(), *_about_unreached(lacks, reached, paths, app, provided)])


def imported_names(modules: Modules, python_version: str) -> Container[str]:
    """Dotted names that some module of the project imports and does not do without, looked for when one is asked for.

    Args:
        modules: The project's.
        python_version: The workers'.
    """
    return _Names(modules, python_version)


class _Names:
    def __init__(self, modules: Modules, python_version: str) -> None:
        self._modules = modules
        self._python_version = python_version
        self._names: frozenset[str] | None = None

    def __contains__(self, name: object) -> bool:
        if self._names is None:
            self._names = frozenset(self._all())
        return name in self._names

    def _all(self) -> Iterator[str]:
        for module in self._modules:
            for unit in units_of(module, self._python_version):
                for site in unit.sites:
                    if site.level is not Level.GUARDED:
                        yield site.module
                        yield f"{site.module}.{site.name}"


def _importable(distributions: Iterable[Shipped]) -> Importable:
    tops = [
        top
        for distribution in distributions
        if not distribution.files
        for top in getattr(distribution, "top_level", ())
    ]
    return Importable((path for distribution in distributions for path in distribution.files), tops)


def _lacks(units: Mapping[str, list[Unit]], resolver: Resolver) -> Iterator[_Lack]:
    for each in units.values():
        for unit in each:
            for site in unit.sites:
                missing = resolver.missing(site) if site.level is not Level.GUARDED else None
                if missing is not None:
                    yield _Lack(unit, site, missing)


def _by_endpoint(
    app: App,
    units: Mapping[str, list[Unit]],
    lacks: Sequence[_Lack],
    provided: Mapping[str, Collection[str]],
) -> tuple[dict[_Lack, _Found], set[str]]:
    """What comes of each import in the workers that reach it, and the modules that any worker may import."""
    found: dict[_Lack, _Found] = defaultdict(_Found)
    reached: set[str] = set()
    functions = frozenset((function.module, function.name) for endpoint in app for function in endpoint.functions)
    by_unit: dict[Unit, list[_Lack]] = defaultdict(list)
    for lack in lacks:
        by_unit[lack.unit].append(lack)
    for endpoint in app:
        image = modules_of_image(endpoint.spec.is_gpu, frozenset(provided.get(endpoint.name, ())))
        levels = Reach(endpoint, units, functions).levels
        for unit, level in levels.items():
            reached.add(unit.module)
            for lack in by_unit.get(unit, ()):
                outcome = found[lack]
                if _is_among(lack.missing, image):
                    outcome.served.append(endpoint)
                elif min(level, lack.site.level) is Level.CERTAIN:
                    outcome.certain.append(endpoint)
                else:
                    outcome.possible.append(endpoint)
    return found, reached


def _is_among(missing: Missing, modules: Collection[str]) -> bool:
    if missing.is_ours:
        return False
    parts = missing.name.split(".")
    return any(".".join(parts[:count]) in modules for count in range(1, len(parts) + 1))


def _about(lack: _Lack, found: _Found, module: Module) -> Finding | None:
    missing, is_certain = lack.missing, bool(found.certain)
    if not is_certain and (found.served or missing.may_be_there):
        # meant for those who have it; or left out on purpose, and nobody is certain to need it
        return None
    endpoints = found.certain or found.possible
    code, why = missing.cause.value, missing.why
    if all(_is_among(missing, brought_along(endpoint.spec.is_gpu)) for endpoint in endpoints):
        code, why = _BROUGHT, "which its image has only as long as something else there needs it"
    return Finding(
        code,
        f"{_named(endpoints, may=not is_certain)} {missing.name!r}, {why}",
        module.path,
        lack.site.line,
        hint=missing.hint,
        is_error=is_certain and not missing.may_be_there,
    )


def _named(endpoints: Sequence[DeclaredEndpoint], *, may: bool = False) -> str:
    verb = "may import" if may else "imports" if len(endpoints) == 1 else "import"
    names = [repr(endpoint.name) for endpoint in endpoints]
    if len(names) == 1:
        return f"endpoint {names[0]} {verb}"
    if len(names) <= _MOST_NAMED:
        return f"endpoints {', '.join(names[:-1])} and {names[-1]} {verb}"
    return f"endpoints {', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more {verb}"


def _about_unreached(
    lacks: Iterable[_Lack],
    reached: Collection[str],
    modules: Mapping[str, Module],
    app: App,
    provided: Mapping[str, Collection[str]],
) -> Iterator[Finding]:
    """One warning for each name that only modules import which no endpoint does: scripts, as a rule."""
    somewhere: set[str] = set()
    for endpoint in app:
        is_gpu = endpoint.spec.is_gpu
        somewhere |= modules_of_image(is_gpu, frozenset(provided.get(endpoint.name, ()))) | brought_along(is_gpu)
    first: dict[str, _Lack] = {}
    for lack in lacks:
        module = modules[lack.unit.module]
        is_top = not lack.unit.name and lack.site.level is Level.CERTAIN
        if is_top and lack.unit.module not in reached and module.path.rpartition("/")[2] not in _OF_TOOLS:
            if lack.missing.may_be_there or _is_among(lack.missing, somewhere):
                continue
            known = first.get(lack.missing.name)
            if known is None or _place(lack, modules) < _place(known, modules):
                first[lack.missing.name] = lack
    for name, lack in first.items():
        path, line = _place(lack, modules)
        yield Finding(
            lack.missing.cause.value,
            f"it imports {name!r}, {lack.missing.why}; no endpoint imports this module",
            path,
            line,
            hint=lack.missing.hint if lack.missing.cause is Cause.IGNORED else "list the file in .flashignore",
            is_error=False,
        )


def _place(lack: _Lack, modules: Mapping[str, Module]) -> tuple[str, int]:
    return modules[lack.unit.module].path, lack.site.line
