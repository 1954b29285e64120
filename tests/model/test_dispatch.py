"""Who decides where a call goes."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator

import pytest
from fakes_model import RecordingCaller

from flash.model.dispatch import Caller, current_caller, override_caller, set_default_caller


@pytest.fixture
def default() -> Iterator[Caller]:
    """The process-wide caller, put back afterwards."""
    caller = RecordingCaller()
    previous = set_default_caller(caller)
    yield caller
    set_default_caller(previous)


def test_without_a_caller_there_is_none() -> None:
    """Every call runs here."""
    assert current_caller() is None


def test_setting_the_default_gives_the_one_before(default: Caller) -> None:
    """So that it can be put back."""
    other = RecordingCaller()
    assert set_default_caller(other) is default
    assert current_caller() is other
    assert set_default_caller(default) is other


def test_an_override_holds_for_its_block(default: Caller) -> None:
    """The inner one wins."""
    outer, inner = RecordingCaller(), RecordingCaller()
    with override_caller(outer):
        with override_caller(inner):
            assert current_caller() is inner
        assert current_caller() is outer
    assert current_caller() is default


def test_an_override_ends_when_its_block_fails(default: Caller) -> None:
    """The default holds again."""
    with pytest.raises(KeyError), override_caller(RecordingCaller()):
        raise KeyError
    assert current_caller() is default


def test_a_thread_has_the_default_and_not_the_override(default: Caller) -> None:
    """Threads do not inherit context variables, unless they are given the context."""
    seen: list[Caller | None] = []
    override = RecordingCaller()
    with override_caller(override):
        context = contextvars.copy_context()
        # a context of its own, whatever this interpreter's threads inherit
        bare = threading.Thread(target=contextvars.Context().run, args=(lambda: seen.append(current_caller()),))
        given = threading.Thread(target=context.run, args=(lambda: seen.append(current_caller()),))
        for thread in (bare, given):
            thread.start()
            thread.join()
    assert seen == [default, override]
