"""How many workers: the laws of one pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flash.emulator.scaler import Policy, VersionFacts, VersionState, desired


@st.composite
def facts(draw: st.DrawFn) -> VersionFacts:
    """Any facts that can be."""
    workers = draw(st.integers(0, 8))
    maximum = draw(st.integers(0, 6))
    return VersionFacts(
        state=draw(st.sampled_from(VersionState)),
        workers=workers,
        starting=draw(st.integers(0, workers)),
        expired=draw(st.integers(0, workers)),
        queued=draw(st.integers(0, 30)),
        in_progress=draw(st.integers(0, 30)),
        oldest_wait_s=draw(st.floats(0, 100)),
        workers_min=draw(st.integers(0, maximum)),
        workers_max=maximum,
        scales_by_requests=draw(st.booleans()),
        scaler_value=draw(st.integers(0, 10)),
    )


@given(facts())
def test_the_number_stays_within_the_endpoints_bounds(known: VersionFacts) -> None:
    """Of a version that serves, never fewer than the minimum nor more than the maximum."""
    wanted = desired(known, Policy.SCALE)
    if known.state is VersionState.ACTIVE:
        assert known.workers_min <= wanted <= known.workers_max


@given(facts())
def test_a_preview_has_one_worker_per_version(known: VersionFacts) -> None:
    """Whatever the endpoint says; a replaced version keeps what it has."""
    wanted = desired(known, Policy.ONE)
    assert wanted == (known.workers if known.state is VersionState.PREVIOUS else 1)


@given(facts())
def test_work_is_never_left_without_a_worker(known: VersionFacts) -> None:
    """As long as there may be one."""
    if known.state is VersionState.ACTIVE and known.workers_max and (known.queued or known.in_progress):
        assert desired(known, Policy.SCALE) >= 1


@given(facts())
def test_a_staged_version_has_a_worker_to_prove_itself(known: VersionFacts) -> None:
    """Also where the minimum is none."""
    if known.state is VersionState.STAGED:
        assert desired(known, Policy.SCALE) >= 1


def test_idle_workers_are_kept_until_their_time_is_over() -> None:
    """Scaling down waits for the idle timeout; by requests it adds as many as are needed."""
    idle = VersionFacts(state=VersionState.ACTIVE, workers=3, workers_max=5)
    assert desired(idle, Policy.SCALE) == 3
    assert desired(VersionFacts(state=VersionState.ACTIVE, workers=3, expired=2, workers_max=5), Policy.SCALE) == 1
    busy = VersionFacts(
        state=VersionState.ACTIVE, workers=1, queued=9, workers_max=5, scales_by_requests=True, scaler_value=2
    )
    assert desired(busy, Policy.SCALE) == 5
