"""A new version is tried before it takes over: step by step with more of the calls, or alone where none can be split.

Every endpoint that changes has to show for itself that it fails no more than is allowed. What is counted is what the
platform has answered, to whomever; what the tests make of the answers comes on top.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from flash.deploy.canary import Decision, Evidence, decide
from flash.deploy.plan import CreateEndpoint
from flash.deploy.tally import Count
from flash.errors import DeployError, FlashError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.cloud.records import VersionRecord
    from flash.deploy.canary import Canary
    from flash.deploy.rollout import Build, Site
    from flash.deploy.tally import Calls

__all__ = ["CanaryStopped", "Judged", "Step", "Trial"]

_PAUSE_S: Final = 0.2
_TOLD_EVERY_S: Final = 10.0
_ROUNDS: Final = 2
"""After how many rounds of the tests an endpoint that nobody has called is taken for one that nobody calls."""
_NOTHING: Final = Evidence(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One endpoint in one step.

    Attributes:
        new: What its new version did in this step.
        old: What the version before it did in all steps so far.
    """

    name: str
    new: Evidence
    old: Evidence
    outcome: Literal["pass", "fail", "not-enough-data"]
    evidence: str

    def as_json(self) -> dict[str, Any]:
        """As JSON: ``{"name", "outcome", "evidence", "samples", "failures", "old_samples", "old_failures"}``."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "evidence": self.evidence,
            "samples": self.new.samples,
            "failures": self.new.failures,
            "old_samples": self.old.samples,
            "old_failures": self.old.failures,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, ended."""

    weight: int
    duration_s: float
    endpoints: tuple[Judged, ...]

    @property
    def outcome(self) -> Literal["pass", "fail", "not-enough-data"]:
        """The worst of its endpoints."""
        found = {one.outcome for one in self.endpoints}
        return "fail" if "fail" in found else "not-enough-data" if "not-enough-data" in found else "pass"

    def as_json(self) -> dict[str, Any]:
        """As JSON: ``{"weight", "outcome", "duration_s", "endpoints": […]}``."""
        return {
            "weight": self.weight,
            "outcome": self.outcome,
            "duration_s": round(self.duration_s, 3),
            "endpoints": [one.as_json() for one in self.endpoints],
        }

    def __str__(self) -> str:
        shown = "; ".join(f"{one.name} {one.outcome}: {one.evidence}" for one in self.endpoints)
        return f"{self.weight} %: {shown}"


class CanaryStopped(DeployError):
    """A new version was tried, and does not take over."""


@dataclass(slots=True)
class Trial:
    """One attempt of a new version.

    Args:
        build: The new one, prepared beside what is live.
        prepared: Ids by name of the endpoints that wait, or of those that stand in for them.
        splits: Whether the platform can give a part of the calls to what waits. Else it is called by the tests alone,
            and they count its answers.

    Attributes:
        steps: Those that have ended.
    """

    site: Site
    build: Build
    prepared: Mapping[str, str]
    canary: Canary
    splits: bool
    steps: list[Step] = field(default_factory=list)
    _failure: str = ""

    @property
    def judged(self) -> dict[str, str]:
        """Ids by name of the endpoints that are judged: where calls are split, those that had a version before."""
        new = {step.name for step in self.build.plan.steps if isinstance(step, CreateEndpoint)} if self.splits else ()
        return {name: endpoint_id for name, endpoint_id in self.prepared.items() if name not in new}

    def conduct(self, calls: Calls) -> None:
        """Go through the steps. Afterwards the new version still has the share of the last one.

        Raises:
            CanaryStopped: A step was not passed; nobody is sent to the new version any more.
            FlashError: The trial could not go on, with the same effect.
        """
        if not self.splits:
            self.canary = replace(self.canary, weights=(100,))
        try:
            first = self._count(calls)
            for weight in self.canary.weights:
                step = self._step(weight, first, calls)
                self.steps.append(step)
                self.site.report(str(step))
                if step.outcome != "pass":
                    raise self._stopped(step)
        except BaseException:  # why: whoever stops it leaves nobody on a version that was not let through
            self._take_back()
            raise

    # -- one step

    def _step(self, weight: int, first: Count, calls: Calls) -> Step:
        site, began = self.site, self.site.clock()
        self._share(weight)
        site.report(f"{weight} % of the calls go to the new version" if self.splits else "the candidate is called")
        start = told = self._count(calls)
        told_at = began
        waiting = {name: self.canary.wanted(0) for name in self.judged}
        ended: dict[str, Judged] = {}
        while True:
            site.check_hold()
            now = self._count(calls)
            self._restore(weight, now)
            seconds = site.clock() - began
            for name, wanted in list(waiting.items()):
                new, old = now.new(name).since(start.new(name)), now.old(name).since(first.old(name))
                tests = (
                    (
                        now.tests(name, is_new=True).since(start.tests(name, is_new=True)),
                        now.tests(name, is_new=False).since(first.tests(name, is_new=False)),
                    )
                    if self.splits
                    else None
                )
                decision = self._decision(name, new, old, tests, wanted, seconds, now)
                if decision.outcome == "more-data":
                    waiting[name] = max(wanted, self.canary.wanted(new.samples) if new.samples >= wanted else wanted)
                else:
                    del waiting[name]
                    ended[name] = Judged(
                        name=name, new=new, old=old, outcome=decision.outcome, evidence=decision.evidence
                    )
            if not waiting or any(one.outcome != "pass" for one in ended.values()):
                # one that is stopped stops all: the others are told as far as they came
                for name, wanted in waiting.items():
                    new, old = now.new(name).since(start.new(name)), now.old(name).since(first.old(name))
                    cut = f"{new}: {new.samples} of {wanted} samples when it was stopped"
                    ended[name] = Judged(name=name, new=new, old=old, outcome="not-enough-data", evidence=cut)
                return Step(weight=weight, duration_s=seconds, endpoints=tuple(ended[name] for name in self.judged))
            if site.clock() - told_at >= _TOLD_EVERY_S and now != told:
                told_at, told = site.clock(), now
                parts = (f"{name} {now.new(name).since(start.new(name)).samples}/{waiting[name]}" for name in waiting)
                site.report(f"{weight} %: {', '.join(parts)} samples ({seconds:.0f} s)")
            site.sleep(_PAUSE_S)

    def _decision(
        self,
        name: str,
        new: Evidence,
        old: Evidence,
        tests: tuple[Evidence, Evidence] | None,
        wanted: int,
        seconds: float,
        now: Count,
    ) -> Decision:
        if new.samples >= wanted:
            return decide(self.canary, new, old, tests=tests, among=len(self.judged))
        missing = f"{new}: {new.samples} of {wanted} samples"
        if seconds >= self.canary.timeout_s:
            return Decision("not-enough-data", f"{missing} in {self.canary.timeout_s:g} s")
        is_called = new.samples + old.samples > 0 or name in now.seen.answers
        if now.seen.rounds >= _ROUNDS and not is_called:
            return Decision("not-enough-data", f"{missing}: no test that is marked flash_canary calls it")
        return Decision("more-data", missing)

    # -- what is counted

    def _count(self, calls: Calls) -> Count:
        seen = calls.seen()
        self._failure = seen.failure
        if not self.splits:
            return Count(seen, None, self.build.id, self.judged)
        return Count(seen, self.site.control.traffic(self.site.environment_id), self.build.id, self.judged)

    # -- shares

    def _share(self, percent: int) -> None:
        if not self.splits:
            return
        try:
            self.site.control.set_traffic(self.site.environment_id, self.build.id, percent)
        except PlatformError as error:
            if "setFlashTraffic" in error.message and "lease" not in error.message:
                raise DeployError(
                    "this platform cannot split calls between two versions",
                    hint="is it a local platform of another version of Flash? start it again: flash platform stop",
                    detail=error.message,
                ) from error
            raise

    def _restore(self, weight: int, now: Count) -> None:
        """Ask for the share again where the platform has dropped it; without the lease, it refuses."""
        if self.splits and any(now.share(name) != weight for name in self.judged):
            self._share(weight)

    def _take_back(self) -> None:
        # where the platform cannot be reached, it does so itself when the lease ends
        with suppress(FlashError):
            self._share(0)

    def _log(self, name: str) -> str:
        """The end of the new version's log, which goes with it; empty where the platform has none to give."""
        if not self.splits:
            return ""
        found: Sequence[VersionRecord] = ()
        with suppress(FlashError):
            found = self.site.control.environment_versions(self.site.environment_id).get(self.judged[name], ())
        tail = next((one.log_tail for one in found if one.build_id == self.build.id), ())
        return "\n".join((f"\n-- the new version's log of {name} --", *tail)) if tail else ""

    def _stopped(self, step: Step) -> CanaryStopped:
        worst = [one for one in step.endpoints if one.outcome == step.outcome]
        what = "failed" if step.outcome == "fail" else "has not enough data"
        told = "; ".join(f"{one.name}: {one.evidence}" for one in worst)
        logs = [log for one in worst if step.outcome == "fail" and (log := self._log(one.name))]
        hint = (
            "let the tests that are marked flash_canary call each endpoint that changes, or allow more time: "
            "flash_canary(timeout_s=…)"
        )
        if step.outcome == "fail":
            hint = (
                "the end of the new version's log shows what it did" if logs else "docs/canary.md says what is counted"
            )
        where = f"at {step.weight} %" if self.splits else "as a candidate"
        return CanaryStopped(
            f"the canary {what} {where}: {told}",
            hint=hint,
            detail="\n".join((*map(str, self.steps), *(("", self._failure) if self._failure else ()), *logs)),
        )
