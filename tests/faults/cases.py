"""Which request of which deployment meets which fault: the table, and how it is thinned out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faults.proxy import FAULTS

RECORDED: Final = Path(__file__).with_name("requests.json")
"""The requests of undisturbed runs, by scenario, as ``test_recorded.py`` writes them."""
SCENARIOS: Final = ("first", "redeploy", "rollback", "put-back", "runpod-first", "runpod-redeploy")
KILLS: Final = ("killed-before", "killed-after")
ONCE: Final = (*(name for name in FAULTS if name not in KILLS), "refused")
LASTING: Final = ("refused", "closed", "answer-lost", "silent", "401", "500", "html")
# what meets every request; of the rest, each request meets some, and each fault some requests
_ALWAYS: Final = frozenset({("closed", False), ("answer-lost", False)})
_SPREAD: Final = 8
_SPREAD_OF_ROLLING: Final = 24
IS_WHOLE: Final = os.environ.get("FAULTS") == "all"
"""Everything, in about an hour and a half, instead of a part that meets every request and uses every fault."""


@dataclass(frozen=True)
class Case:
    """One fault at one request of a scenario.

    Attributes:
        persists: Whether all requests after it meet it too.
        is_elsewhere: Whether the next run is from another checkout.
    """

    scenario: str
    at: str
    fault: str
    persists: bool = False
    is_elsewhere: bool = False

    @property
    def is_rolling(self) -> bool:
        """Whether endpoints are switched one after the other: Runpod has no other way."""
        return self.scenario.startswith("runpod")

    def __str__(self) -> str:
        lasting = "-from-there-on" if self.persists else ""
        elsewhere = "-then-elsewhere" if self.is_elsewhere else ""
        return f"{self.scenario}-{self.at}-{self.fault}{lasting}{elsewhere}"


def recorded() -> dict[str, list[str]]:
    """The requests by scenario."""
    return dict(json.loads(RECORDED.read_text(encoding="utf-8")))


def _kinds() -> list[tuple[str, bool]]:
    return [*((name, False) for name in ONCE), *((name, True) for name in LASTING)]


def faults() -> Iterator[Case]:
    """Faults that the deployer survives."""
    kinds = _kinds()
    turn = 0
    for scenario, requests in recorded().items():
        is_rolling = Case(scenario, "", "").is_rolling
        for at in requests:
            turn += 1
            for place, (fault, persists) in enumerate(kinds):
                is_always = (fault, persists) in _ALWAYS and not is_rolling
                is_its_turn = (place + turn) % (_SPREAD_OF_ROLLING if is_rolling else _SPREAD) == 0
                if IS_WHOLE or is_always or is_its_turn:
                    yield Case(scenario, at, fault, persists)


def kills() -> Iterator[Case]:
    """SIGKILL at each request, before and after it was heard; the next run in turns from here and from elsewhere."""
    for scenario, requests in recorded().items():
        is_rolling = Case(scenario, "", "").is_rolling
        for place, at in enumerate(requests):
            for turn, fault in enumerate(KILLS):
                is_elsewhere = not is_rolling and place % 3 == 0
                if IS_WHOLE or not is_rolling or place % 4 == 2 * turn:
                    yield Case(scenario, at, fault, is_elsewhere=is_elsewhere)
