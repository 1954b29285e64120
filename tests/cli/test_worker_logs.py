"""An endpoint's logs out of those of its workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes_runpod import RUNPOD, Endpoint, Runpod

from flash.cli.services import RealServices
from flash.cli.worker_logs import WorkerLogs
from flash.errors import PlatformError, PlatformUnreachable


class Fleet:
    """Workers that come and go."""

    def __init__(self) -> None:
        self.workers: dict[str, list[str]] = {}
        self.logs = WorkerLogs(lambda _: list(self.workers), lambda worker: tuple(self.workers.get(worker, ())))

    def tail(self) -> list[str]:
        return list(self.logs.tail("endpoint"))


def test_lines_of_several_workers_come_one_after_the_other():
    """In the order in which they are asked."""
    fleet = Fleet()
    fleet.workers = {"a": ["a1", "a2"], "b": ["b1"]}
    assert fleet.tail() == ["a1", "a2", "b1"]


def test_what_was_seen_is_not_repeated_and_not_lost():
    """Also not when a worker goes, or forgets its first lines."""
    fleet = Fleet()
    fleet.workers = {"a": ["1", "2"]}
    fleet.tail()
    fleet.workers = {"a": ["2", "3"], "b": ["x"]}
    assert fleet.tail() == ["1", "2", "3", "x"]
    fleet.workers = {"b": ["x", "y"]}
    assert fleet.tail() == ["1", "2", "3", "x", "y"]


def test_a_moment_without_an_answer_does_not_end_it():
    """So many in a row do."""

    def nobody(_: str) -> tuple[str, ...]:
        raise PlatformUnreachable("nobody answers")

    logs = WorkerLogs(nobody, nobody, most_failures=3)
    assert [logs.tail("e1"), logs.tail("e1")] == [(), ()]
    with pytest.raises(PlatformUnreachable):
        logs.tail("e1")


def test_an_endpoint_without_workers_has_no_lines():
    """Nothing is made up."""
    assert Fleet().tail() == []


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod with an endpoint that has two workers."""
    with Runpod().answering() as answering:
        answering.endpoints["e1"] = Endpoint("e1", {"name": "gpu"}, ["w1", "w2"])
        answering.log = {"w1": ["one", "two"], "w2": ["three"]}
        yield answering


def test_the_logs_of_runpods_workers_are_asked_for_by_worker(runpod: Runpod):
    """Contract 5.4: ``/metrics`` for who is ready, then each one's log."""
    assert RealServices().logs(RUNPOD, "e1", 2) == ("two", "three")
    assert runpod.told == ["GET metrics", "GET logs", "GET logs"]


def test_runpods_logs_are_followed(runpod: Runpod):
    """With the endpoint's name."""
    lines = RealServices().follow(RUNPOD, {"e1": "gpu"}, first=None)
    assert [next(lines) for _ in range(3)] == [("gpu", "one"), ("gpu", "two"), ("gpu", "three")]


@pytest.mark.parametrize("missing", ["GET metrics", "GET logs"])
def test_logs_of_another_shape_are_an_error_that_says_so(missing: str, runpod: Runpod):
    """Contract 14.6: the shapes are those of the platform's own client, and were never verified."""
    runpod.fails[missing] = {"something": "else"}
    with pytest.raises(PlatformError, match="is not as expected") as caught:
        RealServices().logs(RUNPOD, "e1", 2)
    assert "docs/runpod.md" in caught.value.hint
