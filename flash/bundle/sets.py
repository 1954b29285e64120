"""Which endpoints share a set of distributions: all of them, but for those that contradict one another.

The common set has what the project's files ask for and what all endpoints ask for that contradict nobody. Those that do
contradict each other have whole sets of their own, as few as there can be where they are put together in the order of
their names: two that agree share one. What contradicts the project's files is nobody's to have, and an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flash.bundle.contradictions import ONE_SET, Contradictions, refuse_contradictions
from flash.errors import DependencyError
from flash.model.app import App
from flash.model.manifest import SETS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from flash.bundle.installed import Distribution
    from flash.bundle.requirements import Requirements
    from flash.bundle.trees import DistributionSet
    from flash.bundle.wanted import Wanted

__all__ = ["EndpointSet", "EndpointSets", "endpoint_sets"]

_HASH_LENGTH: Final = 16

Plan = Callable[[App, tuple[str, ...]], "Requirements"]
"""What to install for the endpoints of an app, and what to ship besides."""

Install = Callable[["Wanted"], "DistributionSet"]


@dataclass(frozen=True, slots=True)
class EndpointSet:
    """What was installed for some endpoints.

    Attributes:
        endpoints: Their names.
        requirements: What they need, and what is left out.
        wanted: What was installed.
        found: What came of it.
    """

    endpoints: tuple[str, ...]
    requirements: Requirements
    wanted: Wanted
    found: DistributionSet


@dataclass(frozen=True)
class EndpointSets:
    """All sets of an artifact.

    Attributes:
        sets: The common one first, if there is one.
        why: What contradicts what, a line each.
    """

    sets: tuple[EndpointSet, ...]
    why: tuple[str, ...] = ()

    @cached_property
    def folders(self) -> dict[str, str]:
        """By endpoint with a set of its own, where that lies."""
        return {name: each.found.folder for each in self.sets for name in each.endpoints if each.found.folder}

    @cached_property
    def installed(self) -> tuple[DistributionSet, ...]:
        """What ships, each once: endpoints that do not share a set may have come to equal ones."""
        return tuple({each.found.folder: each.found for each in self.sets}.values())

    @property
    def common(self) -> DistributionSet | None:
        """What lies at the artifact's top, if anything does."""
        return next((found for found in self.installed if not found.folder), None)

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """All of them, with their files where they lie in an artifact."""
        return tuple(
            each
            if not found.folder
            else replace(each, files=tuple(f"{found.folder}{file}" for file in each.files), top_level=())
            for found in self.installed
            for each in found.distributions
        )

    @property
    def weighed(self) -> tuple[Distribution, ...]:
        """The same, for a table of what is large."""
        return tuple(
            replace(one, version=f"{one.version} in {found.folder}") if found.folder else one
            for found in self.installed
            for one in found.distributions
        )

    @cached_property
    def contents(self) -> Mapping[str, str]:
        """By path in an artifact, what tells the content of a distribution's file."""
        if len(self.installed) == 1:
            return self.installed[0].contents
        return {path: identity for found in self.installed for path, identity in found.contents.items()}

    @cached_property
    def requirements(self) -> Requirements:
        """Of all endpoints: what is left out, what images provide, what the user should know."""
        parts = [each.requirements for each in self.sets]
        return replace(
            parts[0],
            excluded={name: reason for part in parts for name, reason in part.excluded.items()},
            provided={name: names for part in parts for name, names in part.provided.items()},
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """What was read to know what to install, and what would be if it were there."""
        return tuple(dict.fromkeys(file for each in self.sets for file in each.requirements.files))

    @property
    def fresh_until(self) -> float | None:
        """When the first of them is asked for again, in seconds since the epoch; None: never."""
        times = [each.found.fresh_until for each in self.sets if each.found.fresh_until is not None]
        return min(times, default=None)

    @property
    def trees(self) -> dict[str, Path | None]:
        """By endpoint, where its distributions lie unpacked."""
        return {name: each.found.tree for each in self.sets for name in each.endpoints}

    def about(self) -> Iterator[str]:
        """What the user should know, where there is more than one set."""
        yield from (f"{line}: each has distributions of its own" for line in self.why)
        for found in self.installed:
            if found.folder:
                names = ", ".join(sorted(name for name, folder in self.folders.items() if folder == found.folder))
                yield f"{found.folder} has {len(found.distributions)}, for {names}"

    def loadable(self) -> dict[str, tuple[str, ...]]:
        """By endpoint, the files of the distributions that its workers may load: see `Requirements`."""
        found: dict[str, tuple[str, ...]] = {}
        for each in self.sets:
            own = {one.name for one in each.found.distributions}
            common = () if self.common is None or each.found is self.common else self.common.distributions
            beside = [one for one in common if one.name not in own]
            everything = (*each.found.distributions, *beside)
            files = {
                one.name: tuple(f"{each.found.folder if one.name in own else ''}{file}" for file in one.files)
                for one in everything
            }
            for name, distributions in each.requirements.endpoint_distributions(everything).items():
                found[name] = tuple(file for one in distributions for file in files[one.name])
        return found

    def visible(self, endpoint: str) -> tuple[str, ...]:
        """The paths of all files that workers of *endpoint* find; besides its own set, those at the artifact's top."""
        own = self._paths.get(self.folders.get(endpoint, ""), ())
        return own if endpoint not in self.folders else (*own, *self._paths.get("", ()))

    @cached_property
    def _paths(self) -> dict[str, tuple[str, ...]]:
        return {found.folder: tuple(found.contents) for found in self.installed}


def endpoint_sets(app: App, *, plan: Plan, install: Install, is_one: bool) -> EndpointSets:
    """Install what *app* needs.

    Args:
        app: What is declared.
        plan: Decides what that is, for all endpoints or for some.
        install: Installs it.
        is_one: Whether all endpoints are to share one set.

    Raises:
        DependencyError: It cannot be installed, or contradicts itself: within what one endpoint gets, or, where they
            are to share one set, between two.
    """
    whole = plan(app, ())
    if is_one:
        refuse_contradictions(whole)
    known = Contradictions(whole)
    done: dict[tuple[str, ...], EndpointSet] = {}
    while True:
        groups = known.groups()
        try:
            # those that may fail come first: nothing of the others is installed in vain
            for names in sorted(groups, key=known.is_common):
                if names not in done:
                    is_all = len(groups) == 1
                    part = app if is_all else _part(app, names)
                    done[names] = _installed(names, part, whole if is_all else plan(part, ()), plan, install)
        except _FailedError as failure:
            has_learnt = known.learn(names, failure.requirements, failure.error)
            if is_one or not has_learnt:
                error = failure.requirements.blame(failure.error)
                error.hint = ONE_SET if has_learnt else error.hint
                raise error from failure.error
            continue
        return EndpointSets(tuple(_settled(_placed([done[names] for names in groups], known))), known.lines)


class _FailedError(DependencyError):
    """The installer's error, and what it was asked to install."""

    def __init__(self, requirements: Requirements, error: DependencyError) -> None:
        super().__init__(error.message)
        self.requirements = requirements
        self.error = error


def _part(app: App, names: Collection[str]) -> App:
    return App(app.name, tuple(endpoint for endpoint in app if endpoint.name in names))


def _installed(
    names: tuple[str, ...], app: App, requirements: Requirements, plan: Plan, install: Install
) -> EndpointSet:
    besides: tuple[str, ...] = ()
    while True:
        refuse_contradictions(requirements)
        wanted = requirements.wanted()
        try:
            found = install(wanted)
        except DependencyError as error:
            raise _FailedError(requirements, error) from error
        # known only now, from what was installed: the CPU image of one endpoint lacks what GPU images ship
        lacking = requirements.lacking(found.distributions)
        if not lacking:
            return EndpointSet(names, requirements, wanted, found)
        besides = (*besides, *lacking)
        requirements = plan(app, besides)


def _placed(sets: Iterable[EndpointSet], known: Contradictions) -> Iterator[EndpointSet]:
    for each in sets:
        is_own = bool(each.found.files) and not known.is_common(each.endpoints)
        yield replace(each, found=replace(each.found, folder=_folder(each.found))) if is_own else each


def _folder(found: DistributionSet) -> str:
    digest = hashlib.sha256(json.dumps(sorted(found.files.items())).encode())
    return f"{SETS_FOLDER}{digest.hexdigest()[:_HASH_LENGTH]}/"


def _settled(sets: Iterable[EndpointSet]) -> Iterator[EndpointSet]:
    sets = list(sets)
    needed = {name for each in sets for name in each.requirements.needed(each.found.distributions)}
    for each in sets:
        settled = each.requirements.settled(each.found.distributions, elsewhere=needed)
        yield replace(each, requirements=settled)
