"""What is counted while a new version is tried: by the platform, and by the tests that call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from flash.deploy.canary import Evidence
from flash.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.cloud.records import TrafficRecord

__all__ = ["Calls", "Count", "Seen", "Tally"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tests have seen since they began.

    Attributes:
        rounds: How often all of them have run.
        answers: Answers and failures among them, by endpoint and then by build; the empty string for an unknown one.
        blamed: Tests that failed although no answer was a failure, by endpoint and then by the build that is blamed.
        failure: The failure of a test that was seen last, as it was shown.
    """

    rounds: int = 0
    answers: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
    blamed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failure: str = ""


class Calls(Protocol):
    """The tests, which call the endpoints again and again."""

    def seen(self) -> Seen:
        """What they have seen so far.

        Raises:
            DeployError: They do not run any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers of a version so far, and tests that blame it although none of them was a failure."""

    answered: int = 0
    failed: int = 0
    blamed: int = 0

    def since(self, start: Tally) -> Evidence:
        """What came since then."""
        # a platform that was started again counts from the beginning
        answered = max(0, self.answered - start.answered)
        failed = max(0, self.failed - start.failed) + max(0, self.blamed - start.blamed)
        return Evidence(answered, min(answered, failed))


@dataclass(frozen=True, slots=True)
class Count:
    """All that was counted, at one moment.

    Attributes:
        platform: By the endpoints' ids; None where whatever answers is the new version, and only tests count.
        build_id: The new version's.
        ids: By name, of the endpoints that are judged.
    """

    seen: Seen
    platform: Mapping[str, Sequence[TrafficRecord]] | None
    build_id: str
    ids: Mapping[str, str]

    def new(self, name: str) -> Tally:
        """What the new version of an endpoint has done.

        Raises:
            DeployError: It is gone.
        """
        if self.platform is None:
            answers = self.seen.answers.get(name, {}).values()
            return Tally(
                sum(one.samples for one in answers),
                sum(one.failures for one in answers),
                sum(self.seen.blamed.get(name, {}).values()),
            )
        record = self._record(name)
        if record is None:
            raise DeployError(
                f"endpoint {name!r}: the version that was tried is gone",
                hint="somebody else has removed it; what is live was left as it is; run it again",
            )
        blamed = self.seen.blamed.get(name, {}).get(self.build_id, 0)
        return Tally(record.answered, record.failed, blamed)

    def old(self, name: str) -> Tally:
        """What the version that serves has done."""
        active = next((one for one in self._records(name) if one.state == "ACTIVE"), None)
        if active is None:
            return Tally()
        blamed = self.seen.blamed.get(name, {}).get(active.build_id or "", 0)
        return Tally(active.answered, active.failed, blamed)

    def tests(self, name: str, *, is_new: bool) -> Tally:
        """What the tests have seen themselves."""
        tally = Tally()
        for build, seen in self.seen.answers.get(name, {}).items():
            if (build == self.build_id) is is_new:
                blamed = self.seen.blamed.get(name, {}).get(build, 0)
                tally = Tally(tally.answered + seen.samples, tally.failed + seen.failures, tally.blamed + blamed)
        return tally

    def share(self, name: str) -> int:
        """Percent of its calls that the new version of an endpoint gets."""
        record = self._record(name)
        return 0 if record is None else record.share

    def _record(self, name: str) -> TrafficRecord | None:
        return next((one for one in self._records(name) if one.build_id == self.build_id), None)

    def _records(self, name: str) -> Sequence[TrafficRecord]:
        return () if self.platform is None else self.platform.get(self.ids[name], ())
