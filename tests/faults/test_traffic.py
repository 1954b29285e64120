"""Users notice nothing: under constant load no request fails while versions are switched, forwards and back."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from flash.deploy.canary import Canary
from flash.deploy.tally import Calls, Seen
from flash.deploy.trial import Trial
from flash.errors import DeployError
from flash.model.manifest import Artifact
from flash.preview import building, history, local, promote
from flash.preview.session import Attachment
from flash.project import Project, load_project

pytestmark = pytest.mark.faults

_PATIENCE_S = 120.0
_ENOUGH = 60
"""Answers of each kind, before and after a switch."""
_THREADS = 2
"""For each kind of endpoint."""

PROJECT = """
[tool.flash]
app = "traffic"
python = "{python}"

[tool.flash.environments.production]
target = "local"
"""
APP = """
import time

from flash import Endpoint

api = Endpoint(name="balanced", cpu="cpu3c-1-2")


@Endpoint(name="queue", cpu="cpu3c-1-2")
def work(pause_ms: int = 0) -> str:
    time.sleep(pause_ms / 1000)
    return "{version}"


@api.post("/work")
def serve(pause_ms: int = 0) -> str:
    time.sleep(pause_ms / 1000)
    return "{version}"
"""


@pytest.fixture
def platform(home_of_tests: Path) -> Iterator[local.PlatformState]:
    """The user's platform, with real workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield local.start_platform(port, report=lambda _: None, wanted="process")
    local.stop_platform()


@dataclass(frozen=True)
class Site:
    """A project whose old version is live."""

    project: Project
    old: Artifact
    new: Artifact
    live: promote.Promotion
    platform: local.PlatformState

    def promote(self, artifact: Artifact, canary: UsersOnly | None = None) -> promote.Promotion:
        return _promote(self.project, artifact, canary)


@pytest.fixture
def site(tmp_path: Path, platform: local.PlatformState) -> Site:
    """Two builds of a project, the first of which is live."""
    root = tmp_path / "traffic"
    root.mkdir()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (root / "pyproject.toml").write_text(PROJECT.format(python=version), encoding="utf-8")
    project = load_project(root)
    built = []
    for name in ("old", "new"):
        (root / "app.py").write_text(APP.format(version=name), encoding="utf-8")
        artifact = building.build(project, report=lambda _: None, wanted="process")
        # the next build takes its place
        kept = artifact.path.with_name(f"{name}.tar.gz")
        kept.write_bytes(artifact.path.read_bytes())
        built.append(
            Artifact(
                path=kept,
                sha256=artifact.sha256,
                size_bytes=artifact.size_bytes,
                manifest=artifact.manifest,
                files=artifact.files,
            )
        )
    live = _promote(project, built[0])
    live.finish()
    return Site(project, built[0], built[1], live, platform)


def _promote(project: Project, artifact: Artifact, canary: UsersOnly | None = None) -> promote.Promotion:
    return promote.promote(
        project,
        artifact,
        environment="production",
        target="local",
        report=lambda _: None,
        allow_delete=True,
        canary=canary,
    )


class UsersOnly:
    """A canary without tests: what users call is enough. Given up at a step with that weight, if there is one."""

    canary = Canary(weights=(20, 60, 100), min_samples=30, max_samples=60, max_failure_rate=0.2)

    def __init__(self, give_up_at: int = 0) -> None:
        self.weights: list[int] = []
        self._give_up_at = give_up_at
        self._trial: Trial | None = None

    def skip(self, reason: str) -> None:
        raise AssertionError(reason)

    def run(self, attachment: Attachment, trial: Trial, conduct: Callable[[Calls], None]) -> None:
        self._trial = trial
        try:
            conduct(self)
        finally:
            self.weights = [step.weight for step in trial.steps]

    def seen(self) -> Seen:
        if self._give_up_at and self._trial is not None and len(self._trial.steps) == self._give_up_at:
            raise DeployError("given up")
        return Seen()


@dataclass
class Load:
    """Requests without end, from threads, each counted under the phase that it began and ended in.

    Attributes:
        phase: What goes on meanwhile.
        answers: How often each kind of endpoint answered what, by phase.
        failures: Answers that were none.
    """

    urls: dict[str, str]
    key: str
    phase: str = "before"
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_over: bool = False

    def __enter__(self) -> Load:  # noqa: PYI034  Python 3.10 has no Self
        ask: dict[str, Callable[[httpx.Client, int], str]] = {"queue": self._job, "balanced": self._request}
        self._threads = [
            threading.Thread(target=self._run, args=(kind, asking, number), daemon=True)
            for kind, asking in ask.items()
            for number in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def _run(self, kind: str, ask: Callable[[httpx.Client, int], str], number: int) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(headers=headers, timeout=_PATIENCE_S, trust_env=False) as client:
            count = 0
            while not self.is_over:
                count += 1
                phase = self.phase
                # some take long enough to be under way while versions are switched, and drained
                pause_ms = 300 if number == 0 and count % 5 == 0 else 0
                try:
                    answer = ask(client, pause_ms)
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    answer = f"failed: {error!r}"
                with self.changed:
                    # one that was under way at a change may have met either side of it
                    self.answers[phase if phase == self.phase else f"from {phase} on", kind, answer] += 1
                    if answer not in {"old", "new"}:
                        self.failures.append(f"{phase}, {kind}: {answer}")
                    self.changed.notify_all()

    def _job(self, client: httpx.Client, pause_ms: int) -> str:
        reply = client.post(f"{self.urls['queue']}/runsync", json={"input": {"pause_ms": pause_ms}})
        reply.raise_for_status()
        return str(reply.json()["output"])

    def _request(self, client: httpx.Client, pause_ms: int) -> str:
        reply = client.post(f"{self.urls['balanced']}/work", json={"pause_ms": pause_ms})
        reply.raise_for_status()
        return str(reply.json())

    def enter(self, phase: str) -> None:
        """Requests that begin from now on are of this phase."""
        self.phase = phase

    def until_enough(self) -> None:
        """Wait until each kind has answered often enough in this phase."""

        def is_enough() -> bool:
            seen = [
                sum(count for (phase, kind, _), count in self.answers.items() if (phase, kind) == (self.phase, one))
                for one in ("queue", "balanced")
            ]
            return min(seen) >= _ENOUGH or bool(self.failures)

        with self.changed:
            assert self.changed.wait_for(is_enough, _PATIENCE_S), self.answers

    def seen(self, phase: str) -> dict[str, set[str]]:
        """What each kind answered in a phase."""
        found: dict[str, set[str]] = {"queue": set(), "balanced": set()}
        for (at, kind, answer), count in self.answers.items():
            if at == phase and count:
                found[kind].add(answer)
        return found


def _load(site: Site) -> Load:
    urls = {endpoint.name: endpoint.url for endpoint in site.live.deployment.endpoints}
    return Load(urls, site.platform.api_key)


ONLY_OLD = {"queue": {"old"}, "balanced": {"old"}}
ONLY_NEW = {"queue": {"new"}, "balanced": {"new"}}


def test_no_request_fails_during_a_promotion(site: Site) -> None:
    """The old version answers, then the new one; nobody else, and nobody is turned away."""
    with _load(site) as load:
        load.until_enough()
        load.enter("promotion")
        promotion = site.promote(site.new)
        load.enter("promoted")
        load.until_enough()
        load.enter("retirement")
        promotion.finish()
        load.enter("after")
        load.until_enough()

    assert load.failures == []
    assert load.seen("before") == ONLY_OLD
    assert load.seen("promoted") == load.seen("after") == ONLY_NEW


def test_no_request_fails_during_a_rollback(site: Site) -> None:
    """The new version answers, then the old one again, as smoothly as it came."""
    promotion = site.promote(site.new)
    with _load(site) as load:
        load.until_enough()
        load.enter("rollback")
        said = promotion.roll_back(report=lambda _: None)
        load.enter("after")
        load.until_enough()

    assert load.failures == []
    assert load.seen("before") == ONLY_NEW
    assert load.seen("after") == ONLY_OLD
    assert site.old.sha256[:12] in said


def test_no_request_fails_while_an_older_version_of_the_ledger_is_put_back(site: Site) -> None:
    """``flash rollback`` loses no traffic either."""
    site.promote(site.new).finish()
    with _load(site) as load:
        load.until_enough()
        load.enter("rollback")
        history.roll_back(
            site.project, "1", environment="production", target="local", report=lambda _: None, allow_delete=True
        )
        load.enter("after")
        load.until_enough()

    assert load.failures == []
    assert load.seen("before") == ONLY_NEW
    assert load.seen("after") == ONLY_OLD


def test_no_request_fails_during_a_canary(site: Site) -> None:
    """Both versions answer, the new one more and more; whatever is under way when its share changes is answered too."""
    canary = UsersOnly()
    with _load(site) as load:
        load.until_enough()
        load.enter("canary")
        promotion = site.promote(site.new, canary)
        load.enter("promoted")
        load.until_enough()
        promotion.finish()
        load.enter("after")
        load.until_enough()

    assert load.failures == []
    assert canary.weights == [20, 60, 100]
    assert load.seen("before") == ONLY_OLD
    assert load.seen("canary") == {"queue": {"old", "new"}, "balanced": {"old", "new"}}
    assert load.seen("promoted") == load.seen("after") == ONLY_NEW


def test_no_request_fails_when_a_canary_is_given_up(site: Site) -> None:
    """The old version answers alone again, as if nothing had been."""
    canary = UsersOnly(give_up_at=2)
    with _load(site) as load:
        load.until_enough()
        load.enter("canary")
        with pytest.raises(DeployError, match="given up"):
            site.promote(site.new, canary)
        load.enter("after")
        load.until_enough()

    assert load.failures == []
    assert canary.weights == [20, 60]
    assert load.seen("canary") == {"queue": {"old", "new"}, "balanced": {"old", "new"}}
    assert load.seen("before") == load.seen("after") == ONLY_OLD
