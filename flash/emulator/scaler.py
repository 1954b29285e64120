"""How many workers a version should have: one pure function over facts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import ceil

__all__ = ["Policy", "VersionFacts", "VersionState", "desired"]


class Policy(str, Enum):
    """How a platform scales: a preview has exactly one worker per version, whatever the endpoint says."""

    ONE = "one"
    SCALE = "scale"


class VersionState(str, Enum):
    """Where a version stands in its endpoint's life, spelled as in the schema."""

    STAGED = "STAGED"
    ACTIVE = "ACTIVE"
    PREVIOUS = "PREVIOUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the decision rests on.

    Attributes:
        workers: Running or starting, without those that drain.
        starting: Those of them that are not ready yet.
        expired: Those of them that have been idle for longer than the endpoint's idle timeout.
        queued: Jobs that wait, or requests that wait for a worker; without low-priority jobs.
        in_progress: Jobs or requests that are being worked on.
        oldest_wait_s: How long the oldest of the waiting has waited.
        scaler_value: Seconds of delay that are accepted, or requests per worker.
    """

    state: VersionState
    workers: int = 0
    starting: int = 0
    expired: int = 0
    queued: int = 0
    in_progress: int = 0
    oldest_wait_s: float = 0.0
    workers_min: int = 0
    workers_max: int = 1
    scales_by_requests: bool = False
    scaler_value: int = 4


def desired(facts: VersionFacts, policy: Policy) -> int:
    """The number of workers that a version should have.

    A replaced version keeps what it has, so that it can be put back at once; a staged one needs one to prove itself.
    """
    if facts.state is VersionState.PREVIOUS:
        return facts.workers
    if policy is Policy.ONE:
        return 1
    if facts.state is VersionState.STAGED:
        return max(1, min(facts.workers_min, facts.workers_max))
    load = facts.queued + facts.in_progress
    needed = max(1 if load else 0, facts.workers - facts.expired)
    if facts.scales_by_requests:
        needed = max(needed, ceil(load / max(1, facts.scaler_value)))
    elif facts.queued and facts.oldest_wait_s > facts.scaler_value and not facts.starting:
        # one at a time: the delay of the oldest job says nothing about how many would help
        needed = max(needed, facts.workers + 1)
    return min(max(needed, facts.workers_min), facts.workers_max)
