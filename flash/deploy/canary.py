"""Whether a new version may take more of the traffic: confidence bounds on what it was seen to fail. Pure.

A version is let through only where its rate of failures is *shown* to be within what is allowed, and stopped only where
it is shown to be above. What is between the two is not enough data, which is not a pass.

Looking often finds something sooner or later. Each look of a step therefore spends half of what the looks before it
left of the risk, so that together they never spend more than was said; and because one step, or one endpoint, in the
way is enough to stop a good version, they share the risk of that among themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from flash.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Canary", "Decision", "Evidence", "decide", "lower_bound", "upper_bound"]

_HALVINGS: Final = 60
"""Of the unit interval: the bounds are exact to the last digit of a float."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of one version: how many calls were answered, and how many of those failed."""

    samples: int
    failures: int

    def __str__(self) -> str:
        return f"{self.failures} of {self.samples} failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How a version takes over: ``@pytest.mark.flash_canary(weights=[5, 25, 100], min_samples=200)``.

    Attributes:
        weights: Percent of the traffic that the new version gets, step by step, ending with all of it.
        min_samples: How many answers of the new version each step needs at least.
        max_samples: After how many a step that is not decided ends the attempt.
        max_failure_rate: What the new version may fail beyond what the old one is known to fail.
        confidence: How sure a decision has to be.
        timeout_s: After how many seconds a step that is not decided ends the attempt.

    Raises:
        SettingsError: A value that cannot be, or with which no version could ever pass.
    """

    weights: tuple[int, ...] = (5, 25, 100)
    min_samples: int = 200
    max_samples: int = 1600
    max_failure_rate: float = 0.02
    confidence: float = 0.95
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        steps = self.weights
        if (
            not steps
            or steps[-1] != 100
            or any(not 0 < step <= 100 for step in steps)
            or sorted(set(steps)) != [*steps]
        ):
            raise SettingsError(
                f"flash_canary: weights={[*steps]!r} are no steps",
                hint="percents of the traffic that grow and end with 100: weights=[5, 25, 100]",
            )
        if not 0 < self.min_samples <= self.max_samples:
            raise SettingsError(
                f"flash_canary: min_samples={self.min_samples!r} and max_samples={self.max_samples!r} do not fit",
                hint="min_samples is at least 1, and max_samples not less",
            )
        if not 0 < self.max_failure_rate < 1 or not 0.5 <= self.confidence < 1:
            raise SettingsError(
                f"flash_canary: max_failure_rate={self.max_failure_rate!r}, confidence={self.confidence!r}",
                hint="a rate between 0 and 1, and a confidence from 0.5 to below 1",
            )
        if not self.timeout_s > 0:
            raise SettingsError(
                f"flash_canary: timeout_s={self.timeout_s!r}", hint="seconds for each step, such as 600"
            )
        best = upper_bound(Evidence(self.max_samples, 0), self.pass_risk(self._last_look))
        if best > self.max_failure_rate:
            raise SettingsError(
                f"flash_canary: {self.max_samples} samples without a failure show no rate below {best:.2%}, "
                f"so that max_failure_rate={self.max_failure_rate!r} can never pass",
                hint="allow more samples, or a higher rate",
            )

    def look(self, samples: int) -> int | None:
        """Which look so many samples are enough for, counted from 1; None before the first.

        Looks are at *min_samples*, at twice and four times that, and so on, and at *max_samples*.
        """
        if samples < self.min_samples:
            return None
        if samples >= self.max_samples:
            return self._last_look
        return (samples // self.min_samples).bit_length()

    def wanted(self, samples: int) -> int:
        """How many samples the next look needs."""
        look = self.look(samples)
        return min(self.min_samples if look is None else self.min_samples * 2**look, self.max_samples)

    @property
    def _last_look(self) -> int:
        return 1 + math.ceil(math.log2(self.max_samples / self.min_samples))

    def pass_risk(self, look: int) -> float:
        """How likely a look may let a version through that fails more than is allowed."""
        return (1.0 - self.confidence) / 2.0**look

    def fail_risk(self, look: int, among: int = 1) -> float:
        """How likely a look may stop a version that fails no more than is allowed, one *among* so many."""
        return (1.0 - self.confidence) / len(self.weights) / among / 2.0**look


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step came to.

    Attributes:
        outcome: ``more-data`` asks for as many samples as :meth:`Canary.wanted` says; ``not-enough-data`` is the end.
        evidence: Why, in one line.
    """

    outcome: Literal["pass", "fail", "more-data", "not-enough-data"]
    evidence: str


def decide(
    canary: Canary,
    new: Evidence,
    old: Evidence,
    *,
    tests: tuple[Evidence, Evidence] | None = None,
    among: int = 1,
    is_over: bool = False,
) -> Decision:
    """Whether a step passes. To be asked once at each look, when :meth:`Canary.wanted` samples are there.

    Args:
        canary: What was asked for.
        new: Of the new version, since the step began.
        old: Of the version before it, in all steps.
        tests: The part of both that tests have looked at, where users have called too: users' calls, whose answers
            nobody looks at, must not hide what only tests see.
        among: How many versions are looked at side by side. One that is stopped stops all.
        is_over: No more samples will come.
    """
    look = canary.look(new.samples)
    if look is None:
        missing = f"{new.samples} of {canary.min_samples} samples"
        return Decision("not-enough-data" if is_over else "more-data", missing)
    risk = canary.fail_risk(look, among if tests is None else 2 * among)
    at_most = upper_bound(new, canary.pass_risk(look))
    at_least = lower_bound(new, risk)
    # what the old version is known to fail is not the new one's fault; on top of it, or no version like it could pass
    known = lower_bound(old, canary.pass_risk(look)) if old.samples else 0.0
    allowed = known + canary.max_failure_rate
    whose = f"{allowed:.2%} allowed" + (f", as the version before fails {known:.2%}" if known >= 0.0001 else "")
    if tests is not None:
        of_new, of_old = tests
        accepted = canary.max_failure_rate + (lower_bound(of_old, canary.pass_risk(look)) if of_old.samples else 0.0)
        of_tests = lower_bound(of_new, risk)
        if of_tests > accepted:
            return Decision(
                "fail", f"{of_new} of the tests' own calls: at least {of_tests:.2%}, {accepted:.2%} allowed"
            )
    if at_most <= allowed:
        return Decision("pass", f"{new}: at most {at_most:.2%}, {whose}")
    if at_least > allowed:
        return Decision("fail", f"{new}: at least {at_least:.2%}, {whose}")
    undecided = f"{new}: between {at_least:.2%} and {at_most:.2%}, {whose}"
    return Decision("not-enough-data" if is_over or new.samples >= canary.max_samples else "more-data", undecided)


def upper_bound(seen: Evidence, risk: float) -> float:
    """The rate of failures that is exceeded with a probability of at most *risk* (Clopper and Pearson 1934).

    >>> round(upper_bound(Evidence(200, 0), 0.05), 4)
    0.0149
    """
    if seen.failures >= seen.samples:
        return 1.0
    return _where(lambda rate: _at_most(seen.failures, seen.samples, rate) <= risk)


def lower_bound(seen: Evidence, risk: float) -> float:
    """The rate of failures that is undercut with a probability of at most *risk*.

    >>> round(lower_bound(Evidence(200, 10), 0.05), 4)
    0.0274
    """
    if seen.failures <= 0:
        return 0.0
    return _where(lambda rate: 1.0 - _at_most(seen.failures - 1, seen.samples, rate) > risk)


def _where(holds_above: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds_above(middle) else (middle, high)
    return high


def _at_most(failures: int, samples: int, rate: float) -> float:
    """The probability of at most so many failures, at a rate strictly between 0 and 1."""
    log_of_one = math.log(rate), math.log1p(-rate)
    all_ways = math.lgamma(samples + 1)
    terms = (
        math.exp(
            all_ways
            - math.lgamma(k + 1)
            - math.lgamma(samples - k + 1)
            + k * log_of_one[0]
            + (samples - k) * log_of_one[1]
        )
        for k in range(failures + 1)
    )
    return min(1.0, math.fsum(terms))
