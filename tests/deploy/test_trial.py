"""A version takes over only after every endpoint that changes has shown, at every step, that it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fakes_deploy import Clock, FakePlatform, artifact, manifest

from flash.cloud.records import TrafficRecord
from flash.deploy.apply import Applied, apply, finish
from flash.deploy.canary import Canary, Evidence
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.release import Release
from flash.deploy.staged import StagedRollout
from flash.deploy.tally import Seen
from flash.deploy.trial import CanaryStopped, Trial
from flash.errors import DeployError, PlatformError

CANARY = Canary(timeout_s=60)


class Splitting(FakePlatform):
    """Between two looks, each endpoint that somebody calls gets so many calls, and they are split exactly.

    Attributes:
        calls_by: How many calls come between two looks, by endpoint; else ``rate``.
        fails_by: What part of its answers fail, by endpoint and build: the newest is ``new``.
        shares: What was asked for, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = 400
        self.calls_by: dict[str, int] = {}
        self.fails_by: dict[tuple[str, str], float] = {}
        self.shares: list[int] = []
        self.share = 0
        self.dropped = False
        self.refuses: PlatformError | None = None
        self._answers: dict[tuple[str, str], int] = {}

    def set_traffic(self, environment_id: str, build_id: str, percent: int) -> int:
        if self.refuses is not None:
            raise self.refuses
        self.shares.append(percent)
        self.share, self.dropped = percent, False
        return 1

    def traffic(self, environment_id: str) -> Mapping[str, tuple[TrafficRecord, ...]]:
        found = {}
        for endpoint in self.endpoints.values():
            count = self.calls_by.get(endpoint.name, self.rate)
            records = []
            for version in endpoint.versions:
                is_new = version.state == "STAGED"
                share = (0 if self.dropped else self.share) if is_new else 100 - self.share
                key = (endpoint.name, "new" if is_new else "old")
                self._answers[key] = self._answers.get(key, 0) + count * share // 100
                answered = self._answers[key]
                records.append(
                    TrafficRecord(
                        build_id=version.build_id,
                        state=version.state,  # type: ignore[arg-type]
                        share=share,
                        answered=answered,
                        failed=int(answered * self.fails_by.get(key, 0.0)),
                    )
                )
            found[endpoint.id] = tuple(records)
        return found


@dataclass
class Tests:
    """Tests that have seen what they are told."""

    __test__ = False

    now: Callable[[], Seen] = Seen

    def seen(self) -> Seen:
        return self.now()


@dataclass
class Scene:
    """A platform with the first version of an app live."""

    folder: Path
    platform: Splitting = field(default_factory=Splitting)
    clock: Clock = field(default_factory=Clock)
    lines: list[str] = field(default_factory=list)
    tests: Tests = field(default_factory=Tests)
    canary: Canary = CANARY
    splits: bool = True
    trial: Trial | None = None

    def deploy(self, *names: str, digest: str = "1", tried: bool = False, **settings: Any) -> Applied:
        what = manifest(*names, fingerprint=digest, **settings)
        live = self.platform.environment("demo", "production")

        def run(site: Any, build: Any, prepared: Any) -> None:
            self.trial = Trial(site, build, prepared, self.canary, splits=self.splits)
            self.trial.conduct(self.tests)

        return apply(
            plan(what, live, digest=digest * 64),
            Release.of(artifact(what, digest * 64)),
            control=self.platform,
            rollout=StagedRollout(),
            app="demo",
            environment="production",
            journal=Journal(self.folder / "journal.jsonl"),
            report=self.lines.append,
            clock=self.clock,
            sleep=self.clock.sleep,
            trial=run if tried else None,
        )

    def try_second(self, *names: str) -> None:
        self.deploy(*names, digest="2", tried=True)

    @property
    def steps(self) -> list[tuple[int, str]]:
        assert self.trial is not None
        return [(step.weight, step.outcome) for step in self.trial.steps]

    def serving(self) -> set[str]:
        return {str(digest)[0] for _, digest in self.platform.serving().values()}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    finish(made.deploy("gpu", "cpu"))
    return made


def test_a_good_version_passes_every_step_and_is_activated(scene: Scene):
    """It has the share of the last step until then."""
    scene.try_second("gpu", "cpu")
    assert scene.steps == [(5, "pass"), (25, "pass"), (100, "pass")]
    assert scene.platform.shares == [5, 25, 100]
    assert scene.serving() == {"2"}
    assert scene.lines[-1].startswith("build ")
    assert "5 %: gpu pass: 0 of 200 failed: at most 1.83%, 2.00% allowed; cpu pass: " in "\n".join(scene.lines)


def test_a_version_that_fails_is_stopped_at_the_first_step(scene: Scene):
    """The other endpoint is told as far as it came; nothing is activated, and nobody is left on it."""
    scene.platform.fails_by["gpu", "new"] = 0.3
    with pytest.raises(CanaryStopped, match=r"the canary failed at 5 %: gpu: 60 of 200 failed: at least") as stopped:
        scene.try_second("gpu", "cpu")
    assert scene.steps == [(5, "fail")]
    assert scene.platform.shares == [5, 0]
    assert scene.serving() == {"1"}
    assert all(len(one.versions) == 1 for one in scene.platform.endpoints.values())
    assert scene.platform.held is None
    assert stopped.value.hint == "the end of the new version's log shows what it did"
    assert "-- the new version's log of gpu --\ngpu wrote this" in stopped.value.detail


def test_what_the_version_before_fails_too_is_not_the_new_ones_fault(scene: Scene):
    """Both fail one call in ten; neither more."""
    for version in ("old", "new"):
        scene.platform.fails_by["gpu", version] = 0.1
    scene.canary = replace(CANARY, max_samples=6400, timeout_s=600)
    scene.try_second("gpu")
    assert {outcome for _, outcome in scene.steps} == {"pass"}


def test_too_few_calls_are_not_enough_data_which_is_no_pass(scene: Scene):
    """It ends after its time."""
    scene.platform.rate = 20
    scene.canary = replace(CANARY, timeout_s=1)
    with pytest.raises(CanaryStopped, match=r"has not enough data at 5 %: gpu: .* of 200 samples in 1 s"):
        scene.try_second("gpu")
    assert scene.platform.shares == [5, 0]
    assert scene.serving() == {"1"}


def test_what_stays_between_the_bounds_ends_after_so_many_samples(scene: Scene):
    """A version that fails just about what is allowed is neither let through nor shown to be bad."""
    scene.platform.fails_by["gpu", "new"] = 0.02
    scene.canary = replace(CANARY, timeout_s=6000)
    with pytest.raises(CanaryStopped, match="has not enough data at 5 %: gpu: 32 of 1600 failed: between"):
        scene.try_second("gpu")


def test_an_endpoint_that_nobody_calls_is_told_at_once(scene: Scene):
    """Not after ten minutes."""
    scene.platform.calls_by["cpu"] = 0
    scene.tests.now = lambda: Seen(rounds=2, answers={"gpu": {}})
    with pytest.raises(CanaryStopped, match=r"cpu: .*no test that is marked flash_canary calls it"):
        scene.try_second("gpu", "cpu")
    assert scene.clock.now < CANARY.timeout_s


def test_a_test_that_fails_over_good_answers_blames_the_version_that_gave_them(scene: Scene):
    """A wrong answer is a failure too, and is of the build whose worker gave it."""

    def seen() -> Seen:
        staged = next(one.build_id for one in scene.platform.endpoints.values() for one in one.versions)
        looks = scene.platform._answers.get(("gpu", "new"), 0)
        return Seen(blamed={"gpu": {staged: looks // 2}}, failure="assert 'Howdy' == 'Hello'")

    scene.tests.now = seen
    with pytest.raises(CanaryStopped, match="failed at 5 %: gpu: ") as stopped:
        scene.try_second("gpu")
    assert "assert 'Howdy' == 'Hello'" in stopped.value.detail


def test_users_whose_answers_nobody_looks_at_do_not_hide_what_tests_see(scene: Scene):
    """One call in a hundred is a test's, and each of those is wrong."""

    def seen() -> Seen:
        staged = next(one.build_id for one in scene.platform.endpoints.values() for one in one.versions)
        own = scene.platform._answers.get(("gpu", "new"), 0) // 100
        return Seen(answers={"gpu": {staged: Evidence(own, 0)}}, blamed={"gpu": {staged: own}})

    scene.tests.now = seen
    with pytest.raises(CanaryStopped, match="failed at 5 %: gpu: 2 of 2 failed of the tests' own calls: at least"):
        scene.try_second("gpu")


def test_kept_endpoints_take_no_part(scene: Scene):
    """What did not change needs to show nothing."""
    scene.platform.calls_by["cpu"] = 0
    before = manifest("gpu", "cpu")
    same = before.resources["cpu"]
    scene.lines.clear()
    what = manifest("gpu", "cpu", workers_max=7)
    what.resources["cpu"] = same

    def run(site: Any, build: Any, prepared: Any) -> None:
        trial = Trial(site, build, prepared, CANARY, splits=True)
        assert set(trial.judged) <= set(prepared)
        assert set(trial.judged).isdisjoint(build.kept)

    live = scene.platform.environment("demo", "production")
    apply(
        plan(what, live, digest="2" * 64),
        Release.of(artifact(what, "2" * 64)),
        control=scene.platform,
        rollout=StagedRollout(),
        app="demo",
        environment="production",
        journal=Journal(scene.folder / "journal.jsonl"),
        report=scene.lines.append,
        clock=scene.clock,
        sleep=scene.clock.sleep,
        trial=run,
    )


def test_new_endpoints_have_nothing_to_be_split_with(scene: Scene):
    """They are healthy, and nobody calls them yet."""
    scene.platform.calls_by["new"] = 0
    scene.try_second("gpu", "cpu", "new")
    assert scene.trial is not None
    assert set(scene.trial.judged) == {"gpu", "cpu"}
    assert scene.serving() == {"2"}


def test_a_share_that_the_platform_has_dropped_is_asked_for_again(scene: Scene):
    """Such as one of a version whose only worker was replaced."""
    looks = []

    def seen() -> Seen:
        looks.append(1)
        if len(looks) == 5:
            scene.platform.dropped = True
        return Seen()

    scene.tests.now = seen
    scene.try_second("gpu")
    assert scene.platform.shares == [5, 5, 25, 100]


def test_a_platform_that_cannot_split_is_told(scene: Scene):
    """An older one, which goes on as it was."""
    scene.platform.refuses = PlatformError("Cannot query field 'setFlashTraffic' on type 'Mutation'.", operation="x")
    with pytest.raises(DeployError, match="this platform cannot split calls") as refused:
        scene.try_second("gpu")
    assert "flash platform stop" in refused.value.hint
    assert scene.serving() == {"1"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DeployError("the tests ended with status 3")])
def test_whatever_ends_the_trial_leaves_nobody_on_the_new_version(scene: Scene, error: BaseException):
    """Ctrl+C as well."""
    looks = []

    def seen() -> Seen:
        looks.append(1)
        if len(looks) == 4:
            raise error
        return Seen()

    scene.tests.now = seen
    with pytest.raises(type(error)):
        scene.try_second("gpu")
    assert scene.platform.shares == [5, 0]
    assert scene.serving() == {"1"}
    assert all(len(one.versions) == 1 for one in scene.platform.endpoints.values())


@pytest.mark.parametrize(("part", "outcome"), [(0.0, "pass"), (0.5, "fail")])
def test_a_candidate_is_judged_by_what_its_tests_have_seen(scene: Scene, part: float, outcome: str):
    """One step, of all that they have called; no calls of anybody else's."""
    scene.splits = False
    looks = []

    def seen() -> Seen:
        looks.append(1)
        samples = 100 * (len(looks) - 1)
        return Seen(answers={"gpu": {"": Evidence(samples, int(samples * part))}})

    scene.tests.now = seen
    if outcome == "fail":
        with pytest.raises(CanaryStopped, match="the canary failed as a candidate: gpu: 100 of 200 failed"):
            scene.try_second("gpu")
    else:
        scene.try_second("gpu")
    assert scene.steps == [(100, outcome)]
    assert scene.platform.shares == []


def test_a_step_is_plain_data(scene: Scene):
    """For the report."""
    scene.try_second("gpu")
    assert scene.trial is not None
    step = scene.trial.steps[0].as_json()
    (endpoint,) = step.pop("endpoints")
    assert {key: step[key] for key in ("weight", "outcome")} == {"weight": 5, "outcome": "pass"}
    assert endpoint["name"] == "gpu"
    assert (endpoint["samples"], endpoint["failures"]) == (200, 0)
