"""Each request of a deployment to Runpod goes wrong in turn: production is one version, and the next run converges.

Against the fake of the exchanges (``fakes_runpod``): what the real one does with a candidate is not known, but that we
put everything back is ours. A run that is cut off can put nothing back; for that, only the next one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_deploy import manifest
from fakes_runpod import Desk, Runpod, end_runs

from flash.errors import FlashError

pytestmark = pytest.mark.faults

ONE, TWO = "1" * 64, "2" * 64
FINGERPRINT = "_FLASH_SOURCE_FINGERPRINT"


class Faulty(Runpod):
    """Something goes wrong with the request of that number.

    Attributes:
        answered: How many have come since it was armed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answered = 0
        self._at = 0
        self._fault: Callable[[str, bool], httpx.Response | None] = lambda *_: None

    def arm(self, at: int, fault: str) -> None:
        self.answered, self._at, self._fault = 0, at, getattr(self, f"_{fault}")

    def _note(self, told: str, request: httpx.Request) -> httpx.Response | None:
        self.answered += 1
        if self._at and self.answered >= self._at:
            answer = self._fault(told, request.url.path == "/graphql")
            if answer is not None:
                self.told.append(told)
                self.requests.append(request)
                return answer
        return super()._note(told, request)

    def _refused(self, _told: str, is_graphql: bool) -> httpx.Response | None:
        if self.answered != self._at:
            return None
        return httpx.Response(200, json={"errors": [{"message": "no"}]}) if is_graphql else httpx.Response(400)

    def _broken(self, _told: str, _is_graphql: bool) -> httpx.Response | None:
        return httpx.Response(500, text="oops") if self.answered == self._at else None

    def _lost(self, told: str, _is_graphql: bool) -> None:
        if self.answered == self._at:
            self.fails[f"{told}/lost"] = httpx.ConnectError("lost")

    def _interrupted(self, _told: str, _is_graphql: bool) -> None:
        if self.answered == self._at:
            raise KeyboardInterrupt

    def _cut(self, _told: str, _is_graphql: bool) -> None:
        raise httpx.ConnectError("cut off")


def served(runpod: Runpod) -> set[Any]:
    """The versions that production says or serves; nothing where there is none."""
    live = [one for one in runpod.environments.values() if one["name"] == "production"]
    active = {runpod.builds[one["active"]]["manifest"]["digest"] for one in live if one["active"]}
    return active | {runpod.variables("production", name)[FINGERPRINT] for name in runpod.live("production")}


def outcome(folder: Path, at: int, fault: str, *, is_first: bool) -> tuple[list[str], int]:
    """What is wrong after that fault, and how many requests there were."""
    runpod = Faulty()
    with runpod.answering():
        desk = Desk(runpod, folder)
        if not is_first:
            desk.deploy(manifest("one", "lb_worker"), ONE)
        again = manifest("one", "lb_worker", fingerprint="f2")
        runpod.arm(at, fault)
        # the error is told to the user; what counts is what is there
        with suppress(FlashError, KeyboardInterrupt):
            desk.deploy(again, TWO)
        requests = runpod.answered
        runpod.arm(0, "cut")
        runpod.fails.clear()
        wrong = []
        if fault != "cut" and len(served(runpod)) > 1:
            wrong.append(f"{fault} at {at}: production is of {sorted(served(runpod))}")
        end_runs()
        desk.deploy(again, TWO)
        if served(runpod) != {TWO} or len(runpod.endpoints) != 2 or len(runpod.environments) != 1:
            wrong.append(f"{fault} at {at}: the next run has not converged")
    return wrong, requests


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
@pytest.mark.parametrize("fault", ["refused", "broken", "lost", "interrupted", "cut"])
def test_production_is_one_version_whatever_goes_wrong(fault: str, *, is_first: bool, tmp_path: Path) -> None:
    """At each request in turn."""
    wrong, requests = outcome(tmp_path / "0", 0, fault, is_first=is_first)
    assert requests > 30
    for at in range(1, requests + 1):
        wrong += outcome(tmp_path / str(at), at, fault, is_first=is_first)[0]
    assert wrong == []
