"""The ledger: which version was live when, read from an app's builds. Pure.

A build is made for one deployment, promotion or rollback, and is neither deleted nor used again. So the platform's list
of builds, each with its entry, is append-only, and survives checkouts, machines and killed runs. What is live is read
from the environment, never from an entry. No time is compared: order comes from the platform's list, and from which
build each one replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash.errors import NotFound, Refused, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flash.cloud.records import BuildRecord
    from flash.model.manifest import DeploymentEntry

__all__ = ["Line", "entry_of", "history", "lineage", "object_keys", "target", "unfinished"]

_NUMBER: Final = re.compile(r"\d{1,3}")
_NEGATIVE: Final = re.compile(r"-\d{1,3}")
_PREFIX: Final = re.compile(r"(sha256:)?([0-9a-f]{4,64})")
_HISTORY_HINT: Final = "flash history shows what there was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A version that is live, or was.

    Attributes:
        number: How far it lies back: ``flash rollback N`` puts it there. 0 is live; None for what is no version to go
            back to: it was rolled back itself, is the same artifact as a later line, or was never live.
        entry: None where something else than Flash deployed it.
    """

    number: int | None
    build: BuildRecord
    entry: DeploymentEntry | None
    is_live: bool

    @property
    def digest(self) -> str:
        """Of the artifact; empty where it is not known."""
        return (self.build.manifest.digest or "") if self.build.manifest is not None else ""


def entry_of(build: BuildRecord) -> DeploymentEntry | None:
    """What the ledger says of a build."""
    return None if build.manifest is None else build.manifest.deployment


def object_keys(builds: Iterable[BuildRecord], digest: str) -> tuple[str, ...]:
    """Where the platform has that artifact already, the newest upload first."""
    found = (build.object_key for build in builds if build.manifest is not None and build.manifest.digest == digest)
    return tuple(dict.fromkeys(found))


def lineage(builds: Sequence[BuildRecord], environment: str, live_build_id: str | None) -> Iterator[BuildRecord]:
    """What was live in an environment, from what is live back to the first, each once.

    Each entry says which build it replaced. Where something else deployed in between, it goes on with the next older
    build that was made for the environment and activated.

    Args:
        builds: All of the app, the newest first.
        environment: Its name.
        live_build_id: The active build.
    """
    by_id = {build.id: number for number, build in enumerate(builds)}
    seen: set[str] = set()
    current = live_build_id
    while current is not None and current in by_id and current not in seen:
        seen.add(current)
        number = by_id[current]
        yield builds[number]
        entry = entry_of(builds[number])
        if entry is not None:
            current = entry.previous_build_id
        else:
            older = (one.id for one in builds[number + 1 :] if _was_activated(one, environment) and one.id not in seen)
            current = next(older, None)


def history(builds: Sequence[BuildRecord], environment: str, live_build_id: str | None) -> tuple[Line, ...]:
    """The versions that were live in an environment, the newest first, numbered as ``flash rollback N`` counts."""
    lines: list[Line] = []
    known: set[str] = set()
    number = 0
    for build in lineage(builds, environment, live_build_id):
        entry = entry_of(build)
        line = Line(number=None, build=build, entry=entry, is_live=build.id == live_build_id)
        name = line.digest or build.id
        if line.is_live:
            line = Line(number=0, build=build, entry=entry, is_live=True)
        elif name not in known and not (entry is not None and entry.state == "rolled-back"):
            number += 1
            line = Line(number=number, build=build, entry=entry, is_live=False)
        # what was rolled back once is no version to go back to, unless it was deployed again since
        known.add(name)
        lines.append(line)
    return tuple(lines)


def target(builds: Sequence[BuildRecord], environment: str, live_build_id: str | None, wanted: str = "") -> BuildRecord:
    """The build whose version is to be put back.

    Args:
        builds: All of the app, the newest first.
        environment: Its name.
        live_build_id: The active build.
        wanted: How many versions back, or the beginning of a digest; empty for the version before the live one.

    Raises:
        NotFound: There is no such version.
        Refused: It is live, or the digest means several.
        SettingsError: It is neither a number nor the beginning of a digest.
    """
    lines = history(builds, environment, live_build_id)
    if not wanted or _NUMBER.fullmatch(wanted):
        return _numbered(lines, environment, int(wanted or "1"))
    if _NEGATIVE.fullmatch(wanted):
        raise SettingsError(
            f"{wanted} is no number of versions to go back: 1 is the version before the live one",
            hint=f"flash rollback {wanted.lstrip('-').lstrip('0') or '1'}; {_HISTORY_HINT}",
        )
    given = _PREFIX.fullmatch(wanted.lower())
    if given is None:
        raise SettingsError(
            f"{wanted!r} is neither a number of versions nor the beginning of a digest",
            hint=f"a digest has at least four of the characters 0-9 and a-f; {_HISTORY_HINT}",
        )
    return _with_digest(lines, builds, environment, given[2])


def unfinished(builds: Sequence[BuildRecord], environment: str, live_build_id: str | None) -> tuple[BuildRecord, ...]:
    """Builds made for an environment after the one that is live: of runs that died, or that are at work."""
    found = []
    for build in builds:
        if build.id == live_build_id:
            break
        entry = entry_of(build)
        if entry is not None and entry.environment == environment and entry.state in {"staged", "activated"}:
            found.append(build)
    return tuple(found)


def _was_activated(build: BuildRecord, environment: str) -> bool:
    entry = entry_of(build)
    return entry is not None and entry.environment == environment and entry.state != "staged"


def _numbered(lines: Sequence[Line], environment: str, number: int) -> BuildRecord:
    if number == 0:
        raise Refused(f"version 0 is what is live in {environment!r}", hint=_HISTORY_HINT)
    found = next((line.build for line in lines if line.number == number), None)
    if found is not None:
        return found
    there_are = max((line.number or 0 for line in lines), default=0)
    if there_are == 0:
        raise NotFound(
            f"there is nothing to roll {environment!r} back to: no other version was live before",
            hint="deploy another version instead",
        )
    raise NotFound(f"{environment!r} had {there_are} version(s) before the live one, not {number}", hint=_HISTORY_HINT)


def _with_digest(lines: Sequence[Line], builds: Sequence[BuildRecord], environment: str, prefix: str) -> BuildRecord:
    # what was live first; then what was made for the environment and activated, though the chain does not lead there
    candidates = [*(line.build for line in lines), *(one for one in builds if _was_activated(one, environment))]
    found: dict[str, BuildRecord] = {}
    for build in candidates:
        digest = "" if build.manifest is None else build.manifest.digest or ""
        if digest.startswith(prefix):
            found.setdefault(digest, build)
    if not found:
        raise NotFound(
            f"no version that was live in {environment!r} has a digest that begins with {prefix!r}",
            hint=f"{_HISTORY_HINT}; flash promote moves a version from another environment",
        )
    if len(found) > 1:
        raise Refused(
            f"{prefix!r} is the beginning of {len(found)} digests",
            reasons=sorted(found),
            hint="give more of it",
        )
    ((digest, build),) = found.items()
    if lines and lines[0].is_live and lines[0].digest == digest:
        raise Refused(f"artifact {digest[:12]} is live in {environment!r} already", hint=_HISTORY_HINT)
    return build
