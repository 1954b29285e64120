"""A version takes over only where it is shown to fail no more than is allowed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.deploy.canary import Canary, Decision, Evidence, decide, lower_bound, upper_bound
from flash.errors import SettingsError

NOTHING = Evidence(0, 0)


def binomial(k: int, n: int, rate: float) -> float:
    return math.comb(n, k) * rate**k * (1 - rate) ** (n - k)


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    samples = draw(st.integers(1, 400))
    return Evidence(samples, draw(st.integers(0, samples)))


@settings(deadline=None)
@given(seen=evidence(), risk=st.floats(0.001, 0.4))
def test_what_was_seen_lies_between_the_bounds(seen: Evidence, risk: float) -> None:
    """The bounds are about a rate that explains what was seen."""
    assert lower_bound(seen, risk) <= seen.failures / seen.samples <= upper_bound(seen, risk)


@settings(deadline=None)
@given(seen=evidence(), risk=st.floats(0.001, 0.2))
def test_less_risk_means_wider_bounds(seen: Evidence, risk: float) -> None:
    """Who wants to be surer says less."""
    assert upper_bound(seen, risk / 2) >= upper_bound(seen, risk)
    assert lower_bound(seen, risk / 2) <= lower_bound(seen, risk)


@settings(deadline=None)
@given(samples=st.integers(1, 60), rate=st.floats(0.01, 0.99), risk=st.sampled_from([0.01, 0.05, 0.2]))
def test_a_bound_is_wrong_no_more_often_than_its_risk(samples: int, rate: float, risk: float) -> None:
    """Over all that may be seen of a true rate, exactly: the coverage that Clopper and Pearson promise."""
    seen = [(k, binomial(k, samples, rate)) for k in range(samples + 1)]
    too_low = sum(chance for k, chance in seen if upper_bound(Evidence(samples, k), risk) < rate)
    too_high = sum(chance for k, chance in seen if lower_bound(Evidence(samples, k), risk) > rate)
    assert too_low <= risk + 1e-9
    assert too_high <= risk + 1e-9


@pytest.mark.parametrize(
    ("failures", "samples", "risk", "upper"),
    [
        (0, 200, 0.05, 1 - 0.05 ** (1 / 200)),
        (0, 1, 0.05, 0.95),
        # R: binom.test(2, 50, alternative = "less")$conf.int
        (2, 50, 0.05, 0.1206),
    ],
)
def test_bounds_are_those_of_the_tables(failures: int, samples: int, risk: float, upper: float) -> None:
    """Known values."""
    assert upper_bound(Evidence(samples, failures), risk) == pytest.approx(upper, abs=5e-5)


def test_no_failure_in_enough_samples_passes() -> None:
    """The defaults let a version through that never failed in the fewest samples."""
    assert decide(Canary(), Evidence(200, 0), NOTHING).outcome == "pass"


def test_too_few_samples_are_not_a_pass() -> None:
    """Nothing failed, and yet it is not known."""
    assert decide(Canary(), Evidence(199, 0), NOTHING) == Decision("more-data", "199 of 200 samples")
    assert decide(Canary(), Evidence(199, 0), NOTHING, is_over=True).outcome == "not-enough-data"


def test_a_version_that_clearly_fails_more_is_stopped_at_the_first_look() -> None:
    """More samples would be more users who see it."""
    assert decide(Canary(), Evidence(200, 40), NOTHING).outcome == "fail"


def test_what_is_not_decided_asks_for_more_and_ends() -> None:
    """Between the bounds there is neither a pass nor a failure."""
    canary = Canary()
    assert decide(canary, Evidence(200, 4), NOTHING).outcome == "more-data"
    assert decide(canary, Evidence(1600, 32), NOTHING).outcome == "not-enough-data"


def test_what_the_version_before_fails_is_not_the_new_ones_fault() -> None:
    """Half of the old version's calls failed, because callers send what is refused."""
    assert decide(Canary(), Evidence(200, 80), Evidence(4000, 2000)).outcome == "pass"
    assert decide(Canary(), Evidence(200, 80), Evidence(4, 2)).outcome == "fail"


@pytest.mark.parametrize(
    "given_",
    [
        {"weights": ()},
        {"weights": (5, 25)},
        {"weights": (25, 5, 100)},
        {"weights": (5, 5, 100)},
        {"weights": (0, 100)},
        {"min_samples": 0},
        {"min_samples": 400, "max_samples": 200},
        {"max_failure_rate": 0.0},
        {"confidence": 1.0},
        {"min_samples": 10, "max_samples": 20},
    ],
)
def test_a_canary_that_could_not_work_is_refused(given_: dict[str, object]) -> None:
    """Also one with which no version could ever pass."""
    with pytest.raises(SettingsError):
        Canary(**given_)  # type: ignore[arg-type]


@settings(deadline=None)
@given(minimum=st.integers(1, 500), factor=st.integers(1, 40))
def test_looks_come_at_doubling_counts_and_end(minimum: int, factor: int) -> None:
    """From the first to the last, each look wants more samples than the one before, and gets there."""
    canary = Canary(min_samples=minimum, max_samples=minimum * factor, max_failure_rate=0.999)
    samples, looks = 0, []
    while samples < canary.max_samples:
        samples = canary.wanted(samples)
        looks.append(canary.look(samples))
    assert looks == list(range(1, len(looks) + 1))
    assert samples == canary.max_samples


def test_looking_again_and_again_does_not_let_a_bad_version_through() -> None:
    """The risks of all looks together stay within what was said, whatever the looks before had seen."""
    canary = Canary(min_samples=200, max_samples=800)
    most = {
        samples: sum(decide(canary, Evidence(samples, k), NOTHING).outcome == "pass" for k in range(samples // 20))
        for samples in (200, 400, 800)
    }
    for rate in (0.0201, 0.022, 0.03, 0.1):
        passes = sum(binomial(k, samples, rate) for samples, count in most.items() for k in range(count))
        assert passes <= 1 - canary.confidence + 1e-9


def test_what_tests_see_stops_a_version_that_passes_over_all_calls() -> None:
    """Unless they see as much of the version before: then it is the tests."""
    canary = Canary()
    new, old = Evidence(1600, 8), Evidence(30_000, 150)
    assert decide(canary, new, old).outcome == "pass"
    assert decide(canary, new, old, tests=(Evidence(16, 8), Evidence(300, 0))).outcome == "fail"
    assert decide(canary, new, old, tests=(Evidence(16, 8), Evidence(300, 150))).outcome == "pass"
    assert decide(canary, new, old, tests=(NOTHING, NOTHING)).outcome == "pass"
