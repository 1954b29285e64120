"""What an artifact needs from the package index, what it leaves out, and who asked for it.

Requirements are the root's ``requirements.txt``, which every endpoint gets, and ``dependencies=[…]`` of each endpoint.
All endpoints share one set of distributions. What a worker's image ships is left out where every endpoint that needs it
has such an image; markers are judged for the target, never for the machine that builds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from flash.bundle.asked import REQUIREMENTS_NAME, read_asked
from flash.errors import BuildError, DependencyError
from flash.model.hardware import AUTO_EXCLUDED, provided_by_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from flash.bundle.asked import Asked
    from flash.bundle.install import Distribution
    from flash.model.app import App, DeclaredEndpoint

__all__ = ["REQUIREMENTS_NAME", "Requirements", "plan_requirements"]

_OURS: Final = {
    "pytest-flash": "Flash itself ships in every artifact",
    "runpod-flash": "Flash itself ships in every artifact",
}
_BY_GPU_IMAGE = "the GPU image ships it"
_BY_USER = "--exclude, or exclude in [tool.flash]"
_LEAST_PYDANTIC = 2


@dataclass(frozen=True, slots=True)
class Requirements:
    """What to install.

    Attributes:
        install: Requirements for the installer, sorted.
        excluded: What is left out, whoever asks for it: normalised name to reason.
        provided: By endpoint: what it needs and its image ships.
        asked: Everything that was asked for and applies to the target.
        inapplicable: What was asked for and has a marker that does not hold for the target.
        notes: Lines that the user should see, once it is settled.
    """

    install: tuple[str, ...]
    excluded: Mapping[str, str]
    provided: Mapping[str, tuple[str, ...]]
    asked: tuple[Asked, ...]
    inapplicable: tuple[Asked, ...]
    notes: tuple[str, ...]
    _app: App
    _environment: Mapping[str, str]
    _imports: Mapping[str, frozenset[str]]

    def lacking(self, distributions: Iterable[Distribution]) -> dict[str, str]:
        """What was left out because GPU images ship it, and a CPU endpoint turns out to need: name to endpoint."""
        found: dict[str, str] = {}
        needed = self._needed_by_endpoint(distributions)
        for endpoint in self._app:
            for name in needed.get(endpoint.name, ()):
                if self.excluded.get(name) == _BY_GPU_IMAGE and name not in AUTO_EXCLUDED and not endpoint.spec.is_gpu:
                    found.setdefault(name, endpoint.name)
        return found

    def settled(self, distributions: Sequence[Distribution]) -> Requirements:
        """The same, knowing what was installed, and so what is needed indirectly and what by nobody."""
        needed = self._needed_by_endpoint(distributions)
        everything = {name for names in needed.values() for name in names}
        provided = {
            endpoint.name: tuple(
                sorted(needed[endpoint.name] & provided_by_image(endpoint.spec.is_gpu) & self.excluded.keys())
            )
            for endpoint in _built(self._app)
        }
        excluded = {name: reason for name, reason in self.excluded.items() if name in everything}
        notes = [
            *self._about_markers(),
            *(
                f"nothing needs {name!r}, which is excluded"
                for name, reason in self.excluded.items()
                if name not in everything and reason == _BY_USER
            ),
        ]
        installed = {distribution.name for distribution in distributions}
        for endpoint in _built(self._app):
            if endpoint.spec.is_gpu:
                continue
            here = needed[endpoint.name]
            bundled = sorted(here & installed & (provided_by_image(is_gpu=True) - AUTO_EXCLUDED.keys()))
            missing = sorted(here & excluded.keys() & AUTO_EXCLUDED.keys())
            if bundled:
                notes.append(f"bundled {', '.join(bundled)}: the image of CPU endpoint {endpoint.name!r} has none")
            if missing:
                notes.append(
                    f"endpoint {endpoint.name!r} needs {', '.join(missing)}, which neither its CPU image nor the"
                    f" artifact has; bundle = {json.dumps(missing)} in [tool.flash] ships it"
                )
        return replace(self, excluded=excluded, provided=provided, notes=tuple(notes))

    def blame(self, error: DependencyError) -> DependencyError:
        """*error* of an installer, with the requirements that it speaks of and who asked for them."""
        text = error.detail or error.message
        guilty = [asked for asked in self.asked if _mentions(text, asked.name)]
        if not guilty:
            return error
        first = guilty[0]
        named = " and ".join(dict.fromkeys(f"{str(asked.requirement)!r} ({asked.by})" for asked in guilty))
        reason = error.message.removeprefix("cannot install the dependencies: ")
        return DependencyError(
            f"cannot install {named}: {reason}", hint=error.hint, path=first.path, line=first.line, detail=error.detail
        )

    def _about_markers(self) -> list[str]:
        """One line for all: a list that another tool wrote may have many for other systems."""
        if not self.inapplicable:
            return []
        named = ", ".join(dict.fromkeys(f"{str(asked.requirement)!r} ({asked.by})" for asked in self.inapplicable))
        workers = f"Python {self._environment['python_version']} on Linux x86-64"
        return [f"left out, as its marker does not hold for the workers, {workers}: {named}"]

    def _needed_by_endpoint(self, distributions: Iterable[Distribution]) -> dict[str, set[str]]:
        known = {distribution.name: distribution for distribution in distributions}
        return {
            endpoint.name: _closure(
                [asked.requirement for asked in self.asked if asked.endpoint in (None, endpoint.name)],
                known,
                self._environment,
            )
            | self._imports.get(endpoint.name, frozenset())
            for endpoint in _built(self._app)
        }


def plan_requirements(
    app: App,
    root: Path,
    *,
    exclude: Sequence[str] = (),
    bundle: Sequence[str] = (),
    python_version: str,
    imports: Mapping[str, frozenset[str]] | None = None,
) -> Requirements:
    """Decide what to install for *app*.

    Args:
        app: What the project declares.
        root: The project, whose ``requirements.txt`` is read if it has one.
        exclude: Distributions to leave out besides.
        bundle: Distributions to ship although they would be left out.
        python_version: The target's.
        imports: By endpoint, the top-level names that its modules import.

    Raises:
        DependencyError: A line or an entry is no requirement, with its place.
        BuildError: A name is both excluded and bundled, or pydantic is pinned below 2.
    """
    environment = _target_environment(python_version)
    everything = tuple(read_asked(app, root))
    asked = tuple(each for each in everything if _applies(each.requirement, environment))
    plan = Requirements(
        install=(),
        excluded={},
        provided={},
        asked=asked,
        inapplicable=tuple(each for each in everything if each not in asked),
        notes=(),
        _app=app,
        _environment=environment,
        _imports=imports or {},
    )
    wanted = {str(canonicalize_name(name.strip())) for name in bundle}
    unwanted = {str(canonicalize_name(name.strip())) for name in exclude}
    both = sorted(wanted & unwanted)
    if both:
        raise BuildError(f"{both[0]!r} is both excluded and bundled", hint="leave it out of one of the two")
    excluded = {**_OURS, **AUTO_EXCLUDED}
    needed = plan._needed_by_endpoint(())
    for name in _by_gpu_images_only(app):
        if not any(name in needed[endpoint.name] for endpoint in _built(app) if not endpoint.spec.is_gpu):
            excluded[name] = _BY_GPU_IMAGE
    for name in wanted:
        excluded.pop(name, None)
    excluded |= {name: excluded.get(name, _BY_USER) for name in sorted(unwanted)}
    for each in asked:
        _refuse_old_pydantic(each)
    install = sorted({str(each.requirement) for each in asked if each.name not in excluded})
    return replace(plan, install=tuple(install), excluded=excluded)


def _by_gpu_images_only(app: App) -> frozenset[str]:
    """What GPU images ship and CPU images may need, if *app* has an endpoint with such an image."""
    if not any(endpoint.spec.is_gpu for endpoint in _built(app)):
        return frozenset()
    return provided_by_image(is_gpu=True) - AUTO_EXCLUDED.keys()


def _built(app: App) -> list[DeclaredEndpoint]:
    """The endpoints that run this artifact."""
    return [endpoint for endpoint in app if not endpoint.spec.is_client]


def _target_environment(python_version: str) -> dict[str, str]:
    """What markers are judged by: CPython on Linux x86-64."""
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


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})


def _closure(
    roots: Iterable[Requirement], known: Mapping[str, Distribution], environment: Mapping[str, str]
) -> set[str]:
    """Names that *roots* need, directly and through the metadata of what was installed."""
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
            if _applies(requirement, environment, extra):
                pending += [(str(canonicalize_name(requirement.name)), each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen}


def _refuse_old_pydantic(asked: Asked) -> None:
    if asked.name != "pydantic" or not asked.requirement.specifier:
        return
    of_today = (Version(f"{major}.{minor}.{patch}") for major in (2, 3) for minor in range(60) for patch in range(20))
    if not any(asked.requirement.specifier.contains(version, prereleases=True) for version in of_today):
        raise BuildError(
            f"{str(asked.requirement)!r} of {asked.by} asks for pydantic below {_LEAST_PYDANTIC}",
            path=asked.path,
            line=asked.line,
            hint="Flash in the worker needs pydantic 2: its pydantic.v1 module has the older interface",
        )


def _mentions(text: str, name: str) -> bool:
    pattern = re.escape(name).replace(r"\-", "[-_.]")
    return re.search(rf"(?<![\w.-]){pattern}(?![\w-])", text, re.IGNORECASE) is not None
