"""``flash-waivers.toml``: what somebody lets through, for a reason, and not for ever. Values; no clock of its own.

Only what contracts say can be waived. The conditions of the gate cannot: whether the artifact is the one that was
tested is nothing that anybody may let pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from flash.errors import SettingsError

__all__ = ["WAIVERS_NAME", "Waived", "Waiver", "apply_waivers", "waivers_of"]

WAIVERS_NAME: Final = "flash-waivers.toml"
"""At the project's root."""

_KEYS: Final = ("rule", "scope", "environments", "owner", "reason", "expires")
_EXAMPLE: Final = (
    'write [[waiver]] with rule = "FLASH-C202", scope = "gpu_worker/*", owner = "…", reason = "…", expires = 2027-01-31'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One entry of the file.

    Attributes:
        number: Its place in the file, from 1.
        rule: The id of the rule that is waived.
        scope: An endpoint, or ``endpoint/operation``; a pattern as the shell has them.
        owner: Who answers for it.
        reason: Why.
        expires: The last day on which it counts, in UTC.
        environments: Where alone it counts; everywhere, where there are none.
    """

    number: int
    rule: str
    scope: str
    owner: str
    reason: str
    expires: date
    environments: tuple[str, ...] = ()

    def covers(self, rule: str, scope: str) -> bool:
        """Whether it is about that rule in ``endpoint/operation``."""
        endpoint = scope.partition("/")[0]
        return self.rule == rule and (fnmatchcase(scope, self.scope) or fnmatchcase(endpoint, self.scope))

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"waiver {self.number} ({self.rule} in {self.scope})"

    def as_json(self) -> dict[str, Any]:
        """``{"rule", "scope", "owner", "reason", "expires": "2027-01-31", "environments": [str]}``."""
        return {
            "rule": self.rule,
            "scope": self.scope,
            "owner": self.owner,
            "reason": self.reason,
            "expires": self.expires.isoformat(),
            "environments": list(self.environments),
        }


@dataclass(frozen=True, slots=True)
class Waived:
    """What waivers let through.

    Attributes:
        by: The waiver that covers each change, in their order; None where there is none.
        expired: Waivers that count no more.
        unused: Those that cover nothing.
    """

    by: tuple[Waiver | None, ...]
    expired: tuple[Waiver, ...]
    unused: tuple[Waiver, ...]


def apply_waivers(
    waivers: Iterable[Waiver], changes: Iterable[tuple[str, str]], *, environment: str, today: date
) -> Waived:
    """Hold changes against waivers.

    Args:
        waivers: Those of the file.
        changes: Rule and ``endpoint/operation`` of each change that would break somebody, or could not be judged.
        environment: Where it goes.
        today: In UTC.
    """
    here = [one for one in waivers if not one.environments or environment in one.environments]
    valid = [one for one in here if today <= one.expires]
    found = list(changes)
    used = {one.number for one in valid for rule, scope in found if one.covers(rule, scope)}
    return Waived(
        by=tuple(next((one for one in valid if one.covers(rule, scope)), None) for rule, scope in found),
        expired=tuple(one for one in here if today > one.expires),
        unused=tuple(one for one in valid if one.number not in used),
    )


def waivers_of(document: Mapping[str, Any], *, rules: Collection[str], path: str) -> tuple[Waiver, ...]:
    """Read the file's content, decoded.

    Args:
        document: The whole.
        rules: The ids that can be waived.
        path: For messages.

    Raises:
        SettingsError: Names the waiver that is wrong, and how.
    """
    given = document.get("waiver", [])
    unknown = [key for key in document if key != "waiver"]
    if unknown or not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        what = f"{unknown[0]!r} is no key of it" if unknown else "waiver is no list of tables"
        raise SettingsError(what, path=path, hint=_EXAMPLE)
    return tuple(_waiver(one, number, rules, path) for number, one in enumerate(given, start=1))


def _waiver(table: Mapping[str, Any], number: int, rules: Collection[str], path: str) -> Waiver:
    texts: dict[str, str] = {}
    for key in table:
        if key not in _KEYS:
            raise SettingsError(
                f"waiver {number}: there is no key {key!r}", path=path, hint=f"the keys are {', '.join(_KEYS)}"
            )
    for key in ("rule", "scope", "owner", "reason"):
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            what = f"has no {key}" if value is None else f"{key} is {value!r}, which is no text"
            raise SettingsError(f"waiver {number} {what}", path=path, hint=_EXAMPLE)
        texts[key] = value.strip()
    if texts["rule"].startswith("FLASH-G"):
        raise SettingsError(
            f"waiver {number}: {texts['rule']} is a condition of the gate, which cannot be waived",
            path=path,
            hint="waive rules of contracts, FLASH-C…; mend what the condition names",
        )
    if texts["rule"] not in rules:
        raise SettingsError(
            f"waiver {number}: there is no rule {texts['rule']!r} that breaks anybody",
            path=path,
            hint="docs/contract.md lists them; notes need no waiver",
        )
    return Waiver(
        number=number,
        **texts,
        expires=_day(table.get("expires"), number, path),
        environments=_environments(table.get("environments", []), number, path),
    )


def _day(given: object, number: int, path: str) -> date:
    if isinstance(given, str):
        try:
            given = date.fromisoformat(given.strip())
        except ValueError:
            given = None
    if not isinstance(given, date) or isinstance(given, datetime):
        raise SettingsError(
            f"waiver {number} has no day on which it expires",
            path=path,
            hint="write expires = 2027-01-31: the last day on which it counts",
        )
    return given


def _environments(given: object, number: int, path: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise SettingsError(
            f"waiver {number}: environments is no list of names", path=path, hint='write environments = ["staging"]'
        )
    return tuple(given)
