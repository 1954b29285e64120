"""Which share of an environment's calls a staged build gets, and how its answers are counted. In memory.

A share lives no longer than the lease under which it was set: whoever set it is dead then, and nobody must be left on a
version that is still being tried. No lease outlives its platform's end, and so no share does either.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from flash.emulator.leases import Leases

__all__ = ["Answers", "Share", "Traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a staged build gets.

    Attributes:
        percent: Of the calls from outside, from 1 to 100.
        lease_id: Of the lease that it ends with.
    """

    build_id: str
    percent: int
    lease_id: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What a version has answered since it was first called: results, and those of them that were failures."""

    answered: int = 0
    failed: int = 0


class Traffic:
    """The shares of a platform, by environment, and the answers of its versions.

    Args:
        leases: Whose end is the end of a share.
        draw: Where in each row of calls those lie that go to the staged build.
    """

    def __init__(self, leases: Leases, draw: Random) -> None:
        self._leases = leases
        self._random = draw
        self._shares: dict[str, Share] = {}
        self._rows: dict[str, tuple[Share, list[bool]]] = {}
        self._answers: dict[str, Counter[bool]] = defaultdict(Counter)

    def split(self, environment_id: str, share: Share) -> None:
        """Give a build its share, instead of the one before."""
        self._shares[environment_id] = share

    def end(self, environment_id: str) -> None:
        """All calls go to what serves."""
        self._shares.pop(environment_id, None)

    def shares(self) -> dict[str, Share]:
        """Those that hold, by environment; one whose lease has ended is dropped, for good."""
        for environment_id, share in list(self._shares.items()):
            held = self._leases.of(environment_id)
            if held is None or held.id != share.lease_id:
                del self._shares[environment_id]
        return dict(self._shares)

    def draws(self, endpoint_id: str, share: Share) -> bool:
        """Whether the next call of that endpoint goes to the staged build.

        Exact over each row of calls, such as 1 of 20; which one it is, is drawn. Every twentieth would always be the
        same one of a caller's who has something else to ask each time, and asks it in the same order.
        """
        of_share, row = self._rows.get(endpoint_id, (None, []))
        if of_share != share or not row:
            common = gcd(share.percent, 100)
            length, chosen = 100 // common, share.percent // common
            row = [False] * length
            for place in self._random.sample(range(length), chosen):
                row[place] = True
            self._rows[endpoint_id] = (share, row)
        return row.pop()

    def note(self, version_id: str, *, is_failure: bool) -> None:
        """A version has answered."""
        self._answers[version_id][is_failure] += 1

    def answers(self, version_id: str) -> Answers:
        """What a version has answered."""
        seen = self._answers.get(version_id, Counter())
        return Answers(seen[True] + seen[False], seen[True])

    def keep_only(self, version_ids: Collection[str], endpoint_ids: Collection[str]) -> None:
        """Forget what is no more."""
        for version_id in self._answers.keys() - set(version_ids):
            del self._answers[version_id]
        for endpoint_id in self._rows.keys() - set(endpoint_ids):
            del self._rows[endpoint_id]
