"""The tests of a canary: how they are run again and again in a child, what they note, and how their owner reads it."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from flash.deploy.canary import Evidence
from flash.deploy.tally import Seen
from pytest_flash.chronicle import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx

    from flash.cloud.exchange import Ask
    from flash.cloud.jobs import EndpointClient

__all__ = ["Notes", "Repeater", "notes_path"]

_BUILD: Final = "X-Flash-Build"
_TOLD_FAILURES: Final = 20
_TEXT_CHARACTERS: Final = 4000
_SERVER_ERROR: Final = 500
_JOB_PATHS: Final = ("/runsync", "/status/")
_ENDED: Final = {"COMPLETED": False, "FAILED": True, "TIMED_OUT": True}


def notes_path(attachment: Path) -> Path:
    """Where the child that is attached to *attachment* writes what its tests see, a line for each run of a test."""
    return attachment.with_suffix(".notes.jsonl")


# ---------------------------------------------------------------------------------------------------------------------
# In the child


class Repeater:
    """Runs the collected tests in turn until the other end of a pipe is closed, whatever comes of them.

    Args:
        clients: Those of the endpoints, by name; asked for once the tests begin.
        close: Closes them.
        descriptor: The pipe's read end.
        path: Where each run of a test is noted.
    """

    def __init__(
        self,
        clients: Callable[[], Mapping[str, EndpointClient]],
        close: Callable[[], None],
        *,
        descriptor: int,
        path: Path,
    ) -> None:
        try:
            os.set_inheritable(descriptor, False)  # noqa: FBT003  the standard library's own signature
        except OSError as error:
            raise pytest.UsageError(f"--flash-repeat: {descriptor} is no open file: {error.strerror}") from error
        self._clients = clients
        self._close = close
        self._descriptor = descriptor
        self._path = path
        self._ended = threading.Event()
        self._answers: dict[str, dict[str, Counter[bool]]] = {}
        self._jobs: set[str] = set()
        self._outcome = ""
        self._text = ""
        self._told = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """In place of pytest's own loop."""
        if session.config.option.collectonly or session.testsfailed or not session.items:
            return None
        threading.Thread(target=self._wait, name="flash-repeat", daemon=True).start()
        for name, client in self._clients().items():
            client.watch(self._watcher(name))
        items = session.items
        with self._path.open("a", encoding="utf-8", buffering=1) as notes:
            while not self._ended.is_set():
                for number, item in enumerate(items):
                    if self._ended.is_set():
                        break
                    self._begin()
                    # of one test, only the test itself is torn down between two runs
                    following = items[(number + 1) % len(items)] if len(items) > 1 else item.parent
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                    if session.shouldstop:
                        raise session.Interrupted(session.shouldstop)
                    notes.write(json.dumps(self._note(item, is_last=number == len(items) - 1)) + "\n")
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst phase of the test."""
        if report.failed:
            self._outcome, self._text = "failed", tell(report).text
        elif report.skipped and self._outcome != "failed":
            self._outcome = "skipped"

    def pytest_unconfigure(self) -> None:
        """Let go."""
        self._close()

    def _wait(self) -> None:
        while os.read(self._descriptor, 1):
            pass
        self._ended.set()

    def _begin(self) -> None:
        self._answers, self._outcome, self._text = defaultdict(lambda: defaultdict(Counter)), "passed", ""
        self._jobs.clear()

    def _note(self, item: pytest.Item, *, is_last: bool) -> dict[str, Any]:
        """Shape: ``{"id", "outcome", "is_last", "text", "answers": {endpoint: {build: [answers, failures]}}}``."""
        text = ""
        if self._outcome == "failed" and self._told < _TOLD_FAILURES:
            self._told += 1
            text = f"{item.nodeid}\n{self._text[-_TEXT_CHARACTERS:]}"
        answers = {
            name: {build: [seen[False] + seen[True], seen[True]] for build, seen in builds.items()}
            for name, builds in self._answers.items()
        }
        return {"id": item.nodeid, "outcome": self._outcome, "is_last": is_last, "text": text, "answers": answers}

    def _watcher(self, name: str) -> Callable[[Ask, httpx.Response], None]:
        def watch(ask: Ask, response: httpx.Response) -> None:
            is_failure = self._is_failure(ask, response)
            if is_failure is not None:
                self._answers[name][response.headers.get(_BUILD, "")][is_failure] += 1

        return watch

    def _is_failure(self, ask: Ask, response: httpx.Response) -> bool | None:
        """Whether an answer is a failure; None where it is no answer of a worker, or one that was counted already."""
        if ask.is_route:
            return response.status_code >= _SERVER_ERROR
        if not ask.path.startswith(_JOB_PATHS):
            return None
        try:
            job = response.json()
        except ValueError:
            return None
        if not isinstance(job, dict) or job.get("status") not in _ENDED or job.get("id") in self._jobs:
            return None
        self._jobs.add(str(job.get("id")))
        return _ENDED[job["status"]]


# ---------------------------------------------------------------------------------------------------------------------
# In its owner


class Notes:
    """What the child has noted so far.

    A test that fails blames the new build, if any answer that it got was that build's, else the builds that answered.
    Where one of those answers was a failure, that is counted already, and it is blamed no more.

    Args:
        path: Where the child writes.
        build_id: The new build; None where whatever answers is that.
    """

    def __init__(self, path: Path, build_id: str | None) -> None:
        self._path = path
        self._build_id = build_id
        self._offset = 0
        self._rounds = 0
        self._failure = ""
        self._answers: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self._blamed: dict[str, Counter[str]] = defaultdict(Counter)

    def read(self) -> Seen:
        """All of it; a line that is still being written comes the next time."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self._take(json.loads(line))
        return Seen(
            rounds=self._rounds,
            answers={
                name: {build: Evidence(seen["answers"], seen["failures"]) for build, seen in builds.items()}
                for name, builds in self._answers.items()
            },
            blamed={name: dict(builds) for name, builds in self._blamed.items()},
            failure=self._failure,
        )

    def _take(self, note: Mapping[str, Any]) -> None:
        self._rounds += bool(note["is_last"])
        self._failure = note["text"] or self._failure
        for name, builds in note["answers"].items():
            for build, (answers, failures) in builds.items():
                self._answers[name][build].update(answers=answers, failures=failures)
        if note["outcome"] == "failed":
            self._blame(note["answers"])

    def _blame(self, answers: Mapping[str, Mapping[str, tuple[int, int]]]) -> None:
        involved = {build for builds in answers.values() for build in builds}
        blamed = {self._build_id} if self._build_id in involved else involved
        of_blamed = [
            (name, build, failures)
            for name, builds in answers.items()
            for build, (_, failures) in builds.items()
            if build in blamed
        ]
        if not any(failures for _, _, failures in of_blamed):
            for name, build, _ in of_blamed:
                self._blamed[name][build] += 1
