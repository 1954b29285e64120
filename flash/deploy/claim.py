"""The candidate environment as an advisory lease: who has made it, deploys.

A platform has one environment of a name. One that a killed run of this checkout has left is removed at once; one of
nobody knows whom once it is old enough; otherwise whoever finds it stays away. Nothing keeps other clients out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from flash.errors import Busy, DeployError, FlashError, ManifestError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.cloud.records import AppRecord, EnvironmentRecord
    from flash.deploy.rollout import Site

__all__ = [
    "ABANDONED_AFTER_S",
    "CandidateHold",
    "Unclaimed",
    "candidate_name",
    "claim",
    "find_app",
    "is_candidate",
]

ABANDONED_AFTER_S: Final = 3 * 3600.0
"""How old a candidate of nobody knows whom has to be to be taken over: no deployment takes so long, and a clock that is
an hour off does not matter."""
_SUFFIX: Final = "-candidate"


def candidate_name(environment: str) -> str:
    """The candidate's name.

    >>> candidate_name("production")
    'production-candidate'
    """
    return f"{environment}{_SUFFIX}"


@dataclass(slots=True)
class CandidateHold:
    """A candidate environment of this run: who has it, deploys.

    Attributes:
        id: The candidate environment's.
        run: The journal's name of what is made in it.
        endpoints: Ids by name of the endpoints in it.
    """

    site: Site
    id: str
    run: str
    endpoints: dict[str, str] = field(default_factory=dict)
    is_over: bool = False

    def check(self) -> None:
        """Raise where somebody has removed it."""
        app = self.site.control.find_app(self.site.app)
        if app is None or all(one.id != self.id for one in app.environments):
            raise DeployError(
                f"environment {candidate_name(self.site.environment)!r} of this run is gone: somebody else deploys "
                f"to {self.site.environment!r}",
                hint="what is live was left as it is; run it again",
            )

    def clear(self) -> None:
        """Remove its endpoints, which cost money: those that are there, for an answer may have got lost."""
        live = self.site.control.environment(self.site.app, candidate_name(self.site.environment))
        if live is None or live.id != self.id:
            return
        for name, endpoint_id in live.endpoints.items():
            self.site.control.delete_endpoint(endpoint_id)
            self.site.journal.removed(self.run, "endpoint", name)
        self.endpoints.clear()

    def release(self) -> None:
        """Remove it with its endpoints. Never raises: what stays is in the journal."""
        if self.is_over:
            return
        self.is_over = True
        name = candidate_name(self.site.environment)
        try:
            self.clear()
            self.site.control.delete_environment(self.id)
            self.site.journal.removed(self.run, "environment", name)
            self.site.journal.settled(self.run)
        except FlashError as error:
            self.site.report(
                f"! environment {name} could not be removed: {error.headline}; its workers cost money: "
                "the next deployment removes it, or: flash sweep"
            )


class Unclaimed:
    """Of an environment that is a candidate itself: it may be removed, and nothing else."""

    def check(self) -> None:
        """Nothing to be lost."""

    def release(self) -> None:
        """Nothing to be let go."""


def is_candidate(environment: str) -> bool:
    """Whether that is the name of a candidate."""
    return environment.endswith(_SUFFIX)


def claim(
    site: Site, *, base_build_id: str | None, now: Callable[[], float], abandoned_after_s: float = ABANDONED_AFTER_S
) -> CandidateHold:
    """Make the candidate environment of the site's environment; one that was abandoned is removed first.

    Raises:
        Busy: Somebody else deploys there.
        DeployError: Something else is live than *base_build_id*, or an environment of that name is no candidate.
    """
    name = candidate_name(site.environment)
    app = find_app(site)
    _check_base(app, site, base_build_id)
    for found in _named(app, name):
        _check_abandoned(found, site, now=now, abandoned_after_s=abandoned_after_s)
        _remove(found, site)
    where = f"{site.control.address.api_url} {site.app}/{name}"
    # whatever dead runs had made there is gone by now, or never was
    site.journal.settle_dead(where)
    run = site.journal.begin(where)
    site.journal.intended(run, "environment", name)
    try:
        made = site.control.create_environment(site.app_id, name, must_be_new=True)
    except PlatformError as error:
        site.journal.settled(run)
        others = _named(find_app(site), name)
        raise (_busy(others[0], site, abandoned_after_s) if others else error) from error
    site.journal.made(run, "environment", name, made.id)
    hold = CandidateHold(site, made.id, run)
    try:
        # whether the platform refuses a second environment of a name is not verified
        others = [one for one in _named(find_app(site), name) if one.id != made.id]
        if others:
            raise _busy(others[0], site, abandoned_after_s)
    except BaseException:  # why: nobody has been given it yet, so nobody else would remove it
        hold.release()
        raise
    return hold


def _check_abandoned(
    found: EnvironmentRecord, site: Site, *, now: Callable[[], float], abandoned_after_s: float
) -> None:
    where = f"{site.control.address.api_url} {site.app}/{found.name}"
    is_empty = found.active_build_id is None and not found.endpoints
    ids = {one.id for one in site.journal.abandoned() if one.where == where and one.kind == "environment"}
    # a run that was killed before the platform had answered may have made it, unless somebody uses it
    if found.id in ids or (None in ids and is_empty):
        site.report(f"environment {found.name} is of a run that was killed: it is removed")
        return
    age_s = _age_s(found, now())
    if age_s is None or age_s <= abandoned_after_s:
        raise _busy(found, site, abandoned_after_s)
    site.report(f"environment {found.name} is {age_s / 3600:.0f} h old, so nobody uses it: it is removed")


def _age_s(found: EnvironmentRecord, now: float) -> float | None:
    with suppress(ValueError):
        created = datetime.fromisoformat(found.created_at.replace("Z", "+00:00"))
        return now - (created if created.tzinfo else created.replace(tzinfo=timezone.utc)).timestamp()
    return None


def _busy(found: EnvironmentRecord, site: Site, abandoned_after_s: float) -> Busy:
    since = f" since {found.created_at}" if found.created_at else ""
    return Busy(
        f"somebody else deploys to {site.environment!r}{since}: there is an environment {found.name!r}",
        hint=f"wait until it is gone; if its run is dead: flash undeploy --env {found.name} "
        f"(after {abandoned_after_s / 3600:g} h, the next deployment removes it by itself)",
    )


def _check_base(app: AppRecord, site: Site, base_build_id: str | None) -> None:
    now = next((one for one in app.environments if one.id == site.environment_id), None)
    active = None if now is None else now.active_build_id
    if now is None or active != base_build_id:
        raise DeployError(
            f"environment {site.environment!r} has changed since the plan was made: build {active or 'none'} is live, "
            f"not {base_build_id or 'none'}",
            hint="somebody else deployed meanwhile; run it again",
        )


def find_app(site: Site) -> AppRecord:
    """The site's app.

    Raises:
        DeployError: It is gone.
    """
    app = site.control.find_app(site.app)
    if app is None:
        raise DeployError(f"app {site.app!r} is gone", hint="run it again")
    return app


def _named(app: AppRecord, name: str) -> list[EnvironmentRecord]:
    return [one for one in app.environments if one.name == name]


def _remove(found: EnvironmentRecord, site: Site) -> None:
    """Remove an abandoned candidate, if it is one.

    Raises:
        DeployError: It is somebody's environment that happens to have that name.
    """
    try:
        manifest = None if found.active_build_id is None else site.control.build_manifest(found.active_build_id)
    except ManifestError:
        manifest = None
    entry = None if manifest is None else manifest.deployment
    if found.active_build_id is not None and (entry is None or entry.action != "candidate"):
        raise DeployError(
            f"environment {found.name!r} is no candidate of Flash's, and deployments to {site.environment!r} need "
            "that name",
            hint="deploy what is in it to an environment of another name, and remove it: "
            f"flash undeploy --env {found.name}",
        )
    live = site.control.environment(site.app, found.name)
    if live is None or live.id != found.id:
        return
    for endpoint_id in live.endpoints.values():
        site.control.delete_endpoint(endpoint_id)
    site.control.delete_environment(found.id)
