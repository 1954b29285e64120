"""What an artifact needs from the package index, what it leaves out, and who asked for it.

Requirements are those of the project's files (`flash.bundle.chosen`), which every endpoint gets, and
``dependencies=[…]`` of each endpoint. All endpoints share one set of distributions. What a worker's image ships is left
out where every endpoint that needs it has such an image; markers are judged for the target, never for the machine that
builds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flash.bundle.asked import Asked, asked_of_endpoints, merged, refuse_unbuilt
from flash.bundle.chosen import SOURCE_NAMES, choose
from flash.bundle.listed import REQUIREMENTS_NAME
from flash.bundle.needs import Needs, applies, target_environment
from flash.bundle.refused import refuse_pinned_pydantic, refuse_unhashed
from flash.bundle.wanted import Wanted
from flash.errors import BuildError, DependencyError
from flash.model.hardware import AUTO_EXCLUDED, provided_by_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.bundle.chosen import Chosen
    from flash.bundle.installed import Distribution
    from flash.bundle.locks import Lock
    from flash.model.app import App, DeclaredEndpoint

__all__ = ["REQUIREMENTS_NAME", "Requirements", "plan_requirements"]

_OURS: Final = {
    "pytest-flash": "Flash itself ships in every artifact",
    "runpod-flash": "Flash itself ships in every artifact",
}
_BY_GPU_IMAGE = "the GPU image ships it"
_BY_USER = "--exclude, or exclude in [tool.flash]"
_WITH_TORCH = "only torch needs it, which is left out"

_OF_TORCH: Final = re.compile(
    r"nvidia-(?:cublas|cuda-(?:cupti|nvrtc|runtime)|cudnn|cufft|cufile|curand|cusolver|cusparse|cusparselt|nccl|nvjitlink"
    r"|nvshmem|nvtx)(?:-cu\d+)?|cuda-(?:bindings|pathfinder|toolkit)|pytorch-triton"
)
"""What torch requires, its image has, and a list may name by itself. Source: metadata of torch 2.0 to 2.10."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What to install.

    Attributes:
        excluded: What is left out, whoever asks for it: normalised name to reason.
        provided: By endpoint: what it needs and its image ships.
        asked: Everything that was asked for and applies to the target.
        inapplicable: What was asked for and has a marker that does not hold for the target.
        constraints: What binds versions of what is needed, and asks for nothing.
        lock: What holds the versions of the project's dependencies, if something does.
        notes: Lines that the user should see, once it is settled.
        files: What was read for it, and what would be if it were there: another content may make another plan.
    """

    excluded: Mapping[str, str]
    provided: Mapping[str, tuple[str, ...]]
    asked: tuple[Asked, ...]
    inapplicable: tuple[Asked, ...]
    constraints: tuple[Asked, ...]
    lock: Lock | None
    notes: tuple[str, ...]
    files: tuple[Path, ...]
    _chosen: Chosen
    _app: App
    _environment: Mapping[str, str]
    _imports: Mapping[str, frozenset[str]]
    _unrooted: Mapping[str, str]

    @property
    def install(self) -> tuple[str, ...]:
        """Requirements for the installer, sorted."""
        return self.wanted().requirements

    def wanted(self, endpoint: str | None = None) -> Wanted:
        """What to install, for all endpoints or for one alone."""
        asked = [each for each in self.asked if endpoint is None or each.endpoint in (None, endpoint)]
        pins = [] if self.lock is None else self.lock.pins
        unrooted = [each for each in asked if each.name in self._unrooted]
        binding = (each for each in (*self.constraints, *pins, *unrooted) if each.name not in self.excluded)
        return Wanted(
            requirements=tuple(
                sorted({text for name, text in merged(asked) if name not in self.excluded.keys() | self._unrooted})
            ),
            python_version=self._environment["python_version"],
            constraints=tuple(
                sorted({each.text for each in binding if each.requirement.url or each.requirement.specifier})
            ),
            hashes_required=self._chosen.listed.hashes_required,
            excluded=tuple(sorted(self.excluded)),
            options=tuple(self._chosen.listed.options),
            folder=self._chosen.root,
            is_locked=self._is_locked(asked),
        )

    def _is_locked(self, asked: Iterable[Asked]) -> bool:
        if self.lock is None or not self.lock.hashed:
            return False
        names = {pin.name for pin in self.lock.pins}
        # with an extra, an endpoint may need what the project does not
        return all(
            each.name in self.excluded or (each.name in names and not (each.endpoint and each.requirement.extras))
            for each in asked
        )

    def endpoint_distributions(self, distributions: Sequence[Distribution]) -> dict[str, tuple[Distribution, ...]]:
        """By endpoint, what of *distributions* its workers may load, sorted by name.

        That is what it asks for, what the project's files ask for, what its modules import, with all that these need or
        may use where it is there, and what others find by its entry points.
        """
        needs = Needs(distributions, self._environment, may_use=True)
        known = {each.name: each for each in distributions}
        of_module: dict[str, set[str]] = {}
        for each in distributions:
            for module in (each.name, *(top.split(".")[0] for top in each.top_level)):
                of_module.setdefault(module, set()).add(each.name)
        plugins = [Requirement(each.name) for each in distributions if each.is_plugin]
        own = self._asked_by_endpoint()
        shared = needs.of([*own.get(None, ()), *plugins])

        def of(endpoint: DeclaredEndpoint) -> tuple[Distribution, ...]:
            imported = self._imports.get(endpoint.name, frozenset())
            modules = [Requirement(name) for module in imported for name in of_module.get(module, ())]
            names = shared | needs.of([*own.get(endpoint.name, ()), *modules])
            return tuple(known[name] for name in sorted(names & known.keys()))

        return {endpoint.name: of(endpoint) for endpoint in _built(self._app)}

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
        installed = {distribution.name for distribution in distributions}
        excluded = {name: reason for name, reason in self.excluded.items() if name in everything}
        excluded |= {name: reason for name, reason in self._unrooted.items() if name not in installed}
        notes = [
            *self._chosen.notes(self.lock),
            *self._about_unlocked(distributions),
            *self._about_markers(),
            *(
                f"nothing needs {name!r}, which is excluded{_whose(name, distributions)}"
                for name, reason in self.excluded.items()
                if name not in everything and reason == _BY_USER
            ),
        ]
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

    def _about_unlocked(self, distributions: Iterable[Distribution]) -> list[str]:
        """What no lock and no pin binds, where the rest of the project's dependencies is bound."""
        if self.lock is None:
            return []
        bound = {pin.name for pin in self.lock.pins}
        free = [f"{each.name} {each.version}" for each in distributions if each.name not in bound]
        return [f"not in {self.lock.path}, so chosen anew: {', '.join(free)}"] if free else []

    def _about_markers(self) -> list[str]:
        """One line for all: a list that another tool wrote may have many for other systems."""
        if not self.inapplicable:
            return []
        named = ", ".join(dict.fromkeys(f"{str(asked.requirement)!r} ({asked.by})" for asked in self.inapplicable))
        workers = f"Python {self._environment['python_version']} on Linux x86-64"
        return [f"left out, as its marker does not hold for the workers, {workers}: {named}"]

    def _needed_by_endpoint(self, distributions: Iterable[Distribution]) -> dict[str, set[str]]:
        needs = Needs(distributions, self._environment)
        own = self._asked_by_endpoint()
        shared = needs.of(own.get(None, ()))
        return {
            endpoint.name: shared | needs.of(own.get(endpoint.name, ())) | self._imports.get(endpoint.name, frozenset())
            for endpoint in _built(self._app)
        }

    def _asked_by_endpoint(self) -> dict[str | None, list[Requirement]]:
        found: dict[str | None, list[Requirement]] = {}
        for asked in self.asked:
            found.setdefault(asked.endpoint, []).append(asked.requirement)
        return found


def plan_requirements(
    app: App,
    root: Path,
    *,
    exclude: Sequence[str] = (),
    bundle: Sequence[str] = (),
    python_version: str,
    imports: Mapping[str, frozenset[str]] | None = None,
    dependency_group: str | None = None,
) -> Requirements:
    """Decide what to install for *app*.

    Args:
        app: What the project declares.
        root: The project, whose files say what all endpoints need.
        exclude: Distributions to leave out besides.
        bundle: Distributions to ship although they would be left out.
        python_version: The target's.
        imports: By endpoint, the top-level names that its modules import.
        dependency_group: The group of ``pyproject.toml`` that takes the place of other files.

    Raises:
        DependencyError: A line or an entry is no requirement, or cannot be installed without building it; a lock is out
            of date; with its place.
        BuildError: A name is both excluded and bundled, or pydantic is pinned below 2.
    """
    environment = target_environment(python_version)
    wanted, unwanted = _names(bundle), _names(exclude)
    both = sorted(wanted & unwanted)
    if both:
        raise BuildError(f"{both[0]!r} is both excluded and bundled", hint="leave it out of one of the two")
    excluded = {name: reason for name, reason in {**_OURS, **AUTO_EXCLUDED}.items() if name not in wanted}
    excluded |= {name: excluded.get(name, _BY_USER) for name in sorted(unwanted)}
    chosen = choose(root, group=dependency_group)
    lock = chosen.lock(excluded=excluded, environment=environment) if chosen.is_lock_alone else None
    everything = (
        *(chosen.listed.asked if lock is None else (*lock.pins, *lock.left_out)),
        *asked_of_endpoints(app, root),
    )
    apply = [applies(each.requirement, environment) for each in everything]
    asked = tuple(each for each, holds in zip(everything, apply, strict=True) if holds)
    plan = Requirements(
        excluded=excluded,
        provided={},
        asked=asked,
        inapplicable=tuple(each for each, holds in zip(everything, apply, strict=True) if not holds),
        constraints=tuple(each for each in chosen.listed.constraints if applies(each.requirement, environment)),
        lock=None,
        notes=(),
        files=(),
        _chosen=chosen,
        _app=app,
        _environment=environment,
        _imports=imports or {},
        _unrooted={},
    )
    needed = plan._needed_by_endpoint(())
    for name in _by_gpu_images_only(app) - wanted:
        if not any(name in needed[endpoint.name] for endpoint in _built(app) if not endpoint.spec.is_gpu):
            excluded.setdefault(name, _BY_GPU_IMAGE)
    without_torch = "torch" in excluded and any(each.name == "torch" for each in asked)
    lock = chosen.lock(excluded=excluded, environment=environment)
    plan = replace(
        plan,
        excluded=excluded,
        lock=lock,
        # one that comes to be there changes the plan too
        files=tuple(dict.fromkeys((*chosen.listed.files, *(root.resolve() / name for name in SOURCE_NAMES)))),
        _unrooted={
            each.name: _WITH_TORCH
            for each in asked
            if without_torch and each.endpoint is None and each.name not in wanted and _OF_TORCH.fullmatch(each.name)
        },
    )
    for each in (*asked, *plan.constraints):
        if each.name not in excluded:
            refuse_unbuilt(each)
    for each in asked:
        refuse_pinned_pydantic(each)
    if chosen.listed.hashes_required:
        refuse_unhashed(asked, without=excluded.keys() | plan._unrooted)
    return plan


def _names(given: Iterable[str]) -> set[str]:
    return {str(canonicalize_name(name.strip())) for name in given}


def _whose(name: str, distributions: Iterable[Distribution]) -> str:
    """Whose module has the *name*, where somebody named the module in place of the distribution."""
    modules = {name, name.replace("-", "_")}
    owners = [each.name for each in distributions if modules & {top.split(".")[0] for top in each.top_level}]
    return f"; {' and '.join(owners)} has a module of that name: is that meant?" if owners else ""


def _by_gpu_images_only(app: App) -> frozenset[str]:
    """What GPU images ship and CPU images may need, if *app* has an endpoint with such an image."""
    if not any(endpoint.spec.is_gpu for endpoint in _built(app)):
        return frozenset()
    return provided_by_image(is_gpu=True) - AUTO_EXCLUDED.keys()


def _built(app: App) -> list[DeclaredEndpoint]:
    """The endpoints that run this artifact."""
    return [endpoint for endpoint in app if not endpoint.spec.is_client]


def _mentions(text: str, name: str) -> bool:
    pattern = re.escape(name).replace(r"\-", "[-_.]")
    return re.search(rf"(?<![\w.-]){pattern}(?![\w-])", text, re.IGNORECASE) is not None
