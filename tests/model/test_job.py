"""A job's states and what a status reply says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flash.model.job import TRANSITIONS, JobReply, JobState

FINAL = {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT}


def test_every_state_has_its_transitions() -> None:
    """And only the ended ones have none."""
    assert set(TRANSITIONS) == set(JobState)
    assert {state for state in JobState if state.is_final} == FINAL


def test_a_job_completes_only_where_it_runs() -> None:
    """A worker that died gives it back to the queue."""
    sources = {state for state, following in TRANSITIONS.items() if JobState.COMPLETED in following}
    assert sources == {JobState.IN_PROGRESS}
    assert JobState.IN_QUEUE in TRANSITIONS[JobState.IN_PROGRESS]


@given(st.data())
def test_no_legal_history_goes_on_after_its_end(data: st.DataObject) -> None:
    """Whatever happens, an ended job stays as it ended."""
    state = JobState.IN_QUEUE
    for _ in range(20):
        if state.is_final:
            assert TRANSITIONS[state] == frozenset()
            return
        state = data.draw(st.sampled_from(sorted(TRANSITIONS[state])))


def test_a_reply_is_read_in_wire_spelling() -> None:
    """What is absent is None, what is unknown is kept."""
    reply = JobReply.model_validate(
        {"id": "j1", "status": "COMPLETED", "output": {"a": 1}, "delayTime": 5, "executionTime": 7, "new": True}
    )
    assert (reply.output, reply.delay_time_ms, reply.execution_time_ms, reply.worker_id) == ({"a": 1}, 5, 7, None)
    assert reply.is_final
    assert reply.model_dump(by_alias=True)["new"] is True


@pytest.mark.parametrize("data", [{}, {"id": "j"}, {"id": "j", "status": "DONE"}])
def test_a_reply_without_id_or_known_state_is_none(data: dict[str, str]) -> None:
    """Nothing is assumed."""
    with pytest.raises(ValidationError):
        JobReply.model_validate(data)
