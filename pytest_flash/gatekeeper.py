"""What the gate knows without the tests: read once, before anything is built, so that it can refuse at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flash.deploy.gate import Surroundings, Verdict, before_building
from flash.preview.checkout import Checkout, read_checkout
from flash.preview.surroundings import surroundings
from flash.project import SIGNING_KEY, EnvironmentSettings, withhold
from flash.protection.freeze import frozen_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from flash.project import Project

__all__ = ["Gatekeeper", "is_dry"]

_DRY: Final = ("collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow")


def is_dry(option: object) -> bool:
    """Whether pytest was only asked to show something: nothing is built, run or deployed then."""
    return any(getattr(option, name, None) for name in _DRY)


class Gatekeeper:
    """Reads what surrounds a run.

    Args:
        environment: Where the run deploys to, or None.
        variables: This process's environment.
        now: The clock, with a time zone.

    Attributes:
        checkout: Of the project; None before :meth:`open`, and where there is none.
    """

    def __init__(self, environment: str | None, variables: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self.checkout: Checkout | None = None
        self._environment = environment
        self._variables = variables
        self._now = now
        self._project: Project | None = None
        self._first = Surroundings(environment=environment or "")
        self._put_back: Callable[[], None] | None = None

    def open(self, project: Project) -> Verdict:
        """Read everything, and judge what can be judged already.

        From now on, tests and child processes do not see the token of an approval.
        """
        self._project = project
        self.checkout = read_checkout(project.root, environment=self._variables)
        if self._environment is not None:
            self._first = surroundings(
                project, self._environment, variables=self._variables, now=self._now(), checkout=self.checkout
            )
            if self._first.approval_env:
                self._put_back = withhold(self._first.approval_env)
        return before_building(self._first)

    def surroundings(self) -> Surroundings:
        """What was read, and whether a freeze has begun since then."""
        if self._project is None or self._environment is None:
            return self._first
        settings = self._project.settings.environments.get(self._environment, EnvironmentSettings())
        return replace(self._first, frozen_by=frozen_by(settings.protection.freeze, self._now()))

    def child_environment(self) -> dict[str, str]:
        """The process's environment without the token, and without the key that signs receipts."""
        withheld = {self._first.approval_env, SIGNING_KEY}
        return {name: value for name, value in self._variables.items() if name not in withheld}

    def close(self) -> None:
        """Leave this process's environment as it was."""
        if self._put_back is not None:
            self._put_back()
            self._put_back = None
