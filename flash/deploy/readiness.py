"""Workers on a platform that shows no versions: waited for by what its job API and its gateway tell.

What can be told: how many workers of an endpoint are ready, which, and what a load-balanced one answers to ``/ping``.
Which build a worker runs cannot: so a new version has taken over once none of the workers from before is ready.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flash.errors import NotAuthorized, NotFound, PlatformError, PlatformUnreachable, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import HealthRecord
    from flash.deploy.rollout import Site

__all__ = ["Watched", "await_ready", "worker_count"]

_SHORTEST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_PAUSE_PART: Final = 0.1
_TOLD_EVERY_S: Final = 15.0
_BROKEN_LOOKS: Final = 3
"""One look may fall between two states of a worker that is being replaced."""
_LOGS: Final = "see its workers' logs in the console, or: flash logs"


@dataclass(slots=True, kw_only=True)
class Watched:
    """An endpoint that is waited for.

    Attributes:
        before: The workers that have to be gone.
        may_sleep: Whether it is fine to have no worker at all.
        seen: What it was the last time, for people.
        broken: How many looks in a row found nothing but unhealthy workers.
    """

    name: str
    id: str
    is_load_balanced: bool
    before: frozenset[str] = frozenset()
    may_sleep: bool = False
    seen: str = "nothing was seen of it"
    broken: int = field(default=0)


def worker_count(health: HealthRecord) -> int:
    """How many workers there are, in whatever state.

    The platform counts an idle worker as ready too: what counts is whether there is any.
    """
    return max(health.ready, health.idle + health.running) + health.initializing + health.throttled + health.unhealthy


def await_ready(watched: Iterable[Watched], site: Site) -> None:
    """Wait until each is ready.

    Raises:
        WorkerFailed: One has only workers that fail, or was not ready in time.
        NotAuthorized: The key does not open the job API.
    """
    waiting = list(watched)
    started_at = told_at = site.clock()
    while True:
        waiting = [one for one in waiting if not _is_ready(one, site)]
        if not waiting:
            return
        now = site.clock()
        if now - started_at >= site.deadline_s:
            first = waiting[0]
            raise _failed(first, f"not ready after {site.deadline_s:g} s: {first.seen}")
        if now - told_at >= _TOLD_EVERY_S:
            told_at = now
            what = "; ".join(f"{one.name}: {one.seen}" for one in waiting)
            site.report(f"waiting ({now - started_at:.0f} s): {what}")
        site.sleep(min(max(_SHORTEST_PAUSE_S, _PAUSE_PART * (now - started_at)), _LONGEST_PAUSE_S))


def _is_ready(one: Watched, site: Site) -> bool:
    try:
        if not (_has_worker(one, site.control) and _is_replaced(one, site.control)):
            return False
    except NotAuthorized:
        raise
    except (NotFound, PlatformUnreachable) as error:
        # what was just made is not known everywhere at once
        one.seen = error.message
        return False
    site.report(f"{one.name} is healthy")
    return True


def _has_worker(one: Watched, control: ControlPlane) -> bool:
    health = _health(one, control)
    if health is not None:
        is_ready = health.ready + health.idle + health.running > 0
        one.seen = _in_words(health)
        is_broken = health.unhealthy > 0 and not is_ready and health.initializing == 0
        one.broken = one.broken + 1 if is_broken else 0
        if one.broken >= _BROKEN_LOOKS:
            raise _failed(one, f"its workers fail: {one.seen}")
        if one.may_sleep and worker_count(health) == 0:
            return True
        if not one.is_load_balanced:
            return is_ready
    status = control.workers.ping(one.id)
    if status != 200:
        one.seen = f"/ping answers {status}" + (f", {_in_words(health)}" if health is not None else "")
    return status == 200


def _is_replaced(one: Watched, control: ControlPlane) -> bool:
    left = one.before.intersection(control.workers.ready(one.id)) if one.before else ()
    if left:
        one.seen = f"{len(left)} worker(s) of the version before are ready still"
    return not left


def _health(one: Watched, control: ControlPlane) -> HealthRecord | None:
    try:
        return control.health(one.id)
    except (NotAuthorized, PlatformUnreachable):
        raise
    except PlatformError:
        if not one.is_load_balanced:
            raise
        # that the job API knows load-balanced endpoints is not verified; /ping is what counts for them
        return None


def _in_words(health: HealthRecord) -> str:
    counts = {
        "ready": max(health.ready, health.idle + health.running),
        "initializing": health.initializing,
        "throttled": health.throttled,
        "unhealthy": health.unhealthy,
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no workers"


def _failed(one: Watched, why: str) -> WorkerFailed:
    hint = _LOGS
    if "throttled" in one.seen:
        hint = "there is no capacity for it: name more GPUs or data centers, gpu=[…], datacenter=[…]"
    elif "/ping answers 40" in one.seen:
        hint = "load-balanced hosts may not accept this key: what Runpod answers there was never verified"
    return WorkerFailed(f"endpoint {one.name!r}: {why}", endpoint=one.name, hint=hint)
