"""The stage that tries a new version, as the pipeline and the report see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.errors import DeployError
from pytest_flash.report import Skip, StageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from flash.deploy.canary import Canary
    from flash.deploy.tally import Calls
    from flash.deploy.trial import Step, Trial
    from flash.preview.session import Attachment
    from pytest_flash.report import StageReporter

__all__ = ["CanaryStage"]


class CanaryStage:
    """``flash::canary[ENV]``: tells the pipeline how a new version is tried, and the report what came of it.

    Args:
        repeated: Runs the tests again and again against what is attached; they are told the new build, unless whatever
            answers is that.
        keep: Told the steps that have ended.

    Attributes:
        canary: What the tests ask for.
        failure: Why the version was not let through; None where it was, or was not tried.
        note: What people should know of how it was tried; empty where it went as they asked.
    """

    def __init__(
        self,
        environment: str,
        canary: Canary,
        reporter: StageReporter,
        *,
        repeated: Callable[[Attachment, str | None], AbstractContextManager[Calls]],
        keep: Callable[[tuple[Step, ...]], None],
    ) -> None:
        self.canary = canary
        self.failure: StageFailed | None = None
        self.note = ""
        self._name = f"canary[{environment}]"
        self._reporter = reporter
        self._repeated = repeated
        self._keep = keep

    @property
    def reason(self) -> StageFailed:
        """Why the version was not let through, where it was not."""
        return self.failure or StageFailed(DeployError("the canary did not pass"))

    def skip(self, reason: str) -> None:
        """There is nothing to try."""
        self.note = f"no canary: {reason}"
        self._reporter.run(self._name, lambda: Skip(reason))

    def run(self, attachment: Attachment, trial: Trial, conduct: Callable[[Calls], None]) -> None:
        """Try it, with the tests running."""
        if not trial.splits:
            self.note = "canary: the candidate was called by the tests alone, because this platform cannot split calls"

        def work() -> str:
            build_id = trial.build.id if trial.splits else None
            try:
                with self._repeated(attachment, build_id) as calls:
                    conduct(calls)
            finally:
                steps = tuple(trial.steps)
                self._keep(steps)
                told = self._reporter.told.setdefault(f"flash::{self._name}", [])
                told += [(f"flash.canary.{step.weight}", str(step).partition(": ")[2]) for step in steps]
            how = "passed" if trial.splits else "passed as a candidate: users' calls were not split"
            return "\n".join((f"{_and(f'{step.weight} %' for step in steps)} {how}", *map(str, steps)))

        try:
            self._reporter.run(self._name, work, str)
        except StageFailed as error:
            self.failure = error
            raise


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
