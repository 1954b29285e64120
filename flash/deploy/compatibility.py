"""The gate's condition on contracts: whether those who rely on what is live can go on when it is replaced. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from flash.contract.rules import DELETIONS
from flash.deploy.decision import Condition

if TYPE_CHECKING:
    from flash.contract.change import Change
    from flash.protection.waivers import Waiver

__all__ = ["Compatibility", "JudgedChange", "Live", "judge_compatibility"]

Live = Literal["not-asked", "nothing", "compared", "unreadable"]
"""``not-asked``: no environment is named. ``nothing``: there is nobody to rely on anything yet."""

_NAMED: Final = 3
_REMEDY: Final = (
    "keep the old way beside the new one until nobody uses it (expand and contract); or waive the rule in "
    "flash-waivers.toml; or allow it: --flash-allow-breaking, or flash deploy --allow-breaking"
)
_UNKNOWN: Final = (
    "see what is named; where you know that no caller breaks, waive it in flash-waivers.toml, or allow it: "
    "--flash-allow-breaking, or flash deploy --allow-breaking"
)


@dataclass(frozen=True, slots=True)
class JudgedChange:
    """A change, and what lets it through.

    Attributes:
        change: What has changed.
        waiver: Of the project, that covers it.
        is_allowed: Whether ``--flash-allow-breaking`` lets it through.
    """

    change: Change
    waiver: Waiver | None = None
    is_allowed: bool = False

    @property
    def is_asked_elsewhere(self) -> bool:
        """Whether it is a deletion, which needs ``--flash-allow-delete``: it is told there, and not twice."""
        return self.change.rule in DELETIONS

    @property
    def stands_in_the_way(self) -> bool:
        """Whether nothing lets it through."""
        is_harmless = self.change.severity == "note" or self.is_asked_elsewhere
        return not (is_harmless or self.is_allowed or self.waiver is not None)

    @property
    def lines(self) -> str:
        """The change with its callers, for lists."""
        callers = f"; called by {', '.join(self.change.callers)}" if self.change.callers else ""
        return f"{self.change.text}{callers}"

    def as_json(self) -> dict[str, Any]:
        """As :meth:`Change.as_json <flash.contract.change.Change.as_json>`, and what lets it through.

        That is ``"outcome"``: ``refused``, ``inconclusive``, ``waived``, ``allowed``, ``note``, or ``deletion``, which
        is asked for elsewhere; and ``"waiver"``: its fields, or null.
        """
        return {
            **self.change.as_json(),
            "outcome": self._outcome,
            "waiver": None if self.waiver is None else self.waiver.as_json(),
        }

    @property
    def _outcome(self) -> str:
        if self.change.severity == "note":
            return "note"
        if self.is_asked_elsewhere:
            return "deletion"
        if self.waiver is not None:
            return "waived"
        if self.is_allowed:
            return "allowed"
        return "refused" if self.change.severity == "breaking" else "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """What is live against what is to take its place.

    Attributes:
        environment: Where.
        live: Whether there was anything to compare with, and could be.
        problem: Why it could not.
        changes: Those that there are.
        is_allowed: Whether the user says ``--flash-allow-breaking``.
        expired: Waivers that count no more.
        unused: Waivers that cover nothing.
    """

    environment: str = ""
    live: Live = "not-asked"
    problem: str = ""
    changes: tuple[JudgedChange, ...] = ()
    is_allowed: bool = False
    expired: tuple[Waiver, ...] = ()
    unused: tuple[Waiver, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """What passes, and has to be said: a line each."""
        found = []
        for one in self.changes:
            if one.waiver is not None:
                by = f"{one.waiver.owner}: {one.waiver.reason}; until {one.waiver.expires}"
                found.append(f"waived: {one.change.text} ({by})")
            elif one.is_allowed:
                found.append(f"allowed by --flash-allow-breaking: {one.change.text}")
            elif one.change.severity == "note":
                found.append(f"changed: {one.change.text}")
        return tuple(found)


def judge_compatibility(given: Compatibility) -> Condition:
    """FLASH-G014."""
    code, title = "FLASH-G014", "nothing that callers rely on breaks"
    where = repr(given.environment)
    if given.expired:
        said = [f"{one.name} expired after {one.expires}, owner: {one.owner}" for one in given.expired]
        remedy = "mend what it waives, or have it renewed: flash-waivers.toml"
        return Condition(code, title, "refused", _named(said), remedy, tuple(said))
    if given.live == "not-asked":
        return Condition(code, title, "pass", "no environment is named: a promotion compares with what is live there")
    if given.live == "nothing":
        return Condition(code, title, "pass", f"nothing is live in {where}")
    if given.live == "unreadable":
        if given.is_allowed:
            return Condition(code, title, "pass", f"allowed by --flash-allow-breaking: {given.problem}")
        return Condition(code, title, "inconclusive", given.problem, _UNKNOWN)
    if given.unused:
        said = [f"{one.name} covers nothing, owner: {one.owner}" for one in given.unused]
        remedy = "take it out of flash-waivers.toml, or name the environments that it is for: environments = […]"
        return Condition(code, title, "refused", _named(said), remedy, tuple(said))
    return _compared(given, code, title)


def _compared(given: Compatibility, code: str, title: str) -> Condition:
    open_ = [one for one in given.changes if one.stands_in_the_way]
    breaking = [one for one in open_ if one.change.severity == "breaking"]
    if breaking:
        evidence = f"{_count(len(breaking), 'breaking change')}: {_named([one.change.text for one in breaking])}"
        return Condition(code, title, "refused", evidence, _REMEDY, tuple(one.lines for one in open_))
    if open_:
        evidence = f"not compared: {_named([one.change.text for one in open_])}"
        return Condition(code, title, "inconclusive", evidence, _UNKNOWN, tuple(one.lines for one in open_))
    waived = sum(one.waiver is not None for one in given.changes)
    allowed = sum(one.is_allowed and one.waiver is None for one in given.changes)
    parts = [
        *([f"{_count(waived, 'change')} waived"] if waived else []),
        *([f"{_count(allowed, 'change')} allowed by --flash-allow-breaking"] if allowed else []),
    ]
    evidence = "; ".join(parts) or f"no breaking change to what is live in {given.environment!r}"
    return Condition(code, title, "pass", evidence)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(lines: list[str]) -> str:
    more = len(lines) - _NAMED
    return "; ".join(lines[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
