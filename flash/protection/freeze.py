"""Times in which nothing may be deployed: once, from one moment to another, or every week. Values; no clock of its own.

Every message of a :class:`ValueError` raised here completes the sentence "… is no freeze window: ".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Once", "Weekly", "frozen_by", "moment", "once", "weekly", "zone"]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINUTES_OF_DAY: Final = 24 * 60
_MINUTES_OF_WEEK: Final = 7 * _MINUTES_OF_DAY
_WEEKLY: Final = re.compile(r"([A-Za-z]+)\s+(\d{1,2}):(\d{2})\s*(?:-|to)\s*([A-Za-z]+)\s+(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class Once:
    """From *start* to before *until*.

    Attributes:
        start: With a time zone, as *until*.
    """

    start: datetime
    until: datetime
    reason: str = ""

    def covers(self, now: datetime) -> bool:
        """Whether *now*, which has a time zone, lies in it."""
        return self.start <= now < self.until

    def ends(self, now: datetime) -> datetime:  # noqa: ARG002  the other kind asks for it
        """When it is over."""
        return self.until

    def __str__(self) -> str:
        return f"frozen from {_text(self.start)} to {_text(self.until)}"


@dataclass(frozen=True, slots=True)
class Weekly:
    """Every week, by the clock on the wall in *zone*: from *start* to before *until*, over the end of the week too.

    Attributes:
        start: In minutes since Monday 00:00, as *until*.
        words: As it was written.
    """

    start: int
    until: int
    zone: tzinfo
    words: str
    reason: str = ""

    def covers(self, now: datetime) -> bool:
        """Whether *now*, which has a time zone, lies in it."""
        minute = self._minute(now)
        if self.start < self.until:
            return self.start <= minute < self.until
        return minute >= self.start or minute < self.until

    def ends(self, now: datetime) -> datetime:
        """When the one that covers *now* is over."""
        wall = now.astimezone(self.zone).replace(tzinfo=None, second=0, microsecond=0)
        left = (self.until - self._minute(now)) % _MINUTES_OF_WEEK
        return (wall + timedelta(minutes=left)).replace(tzinfo=self.zone)

    def _minute(self, now: datetime) -> int:
        wall = now.astimezone(self.zone)
        return wall.weekday() * _MINUTES_OF_DAY + wall.hour * 60 + wall.minute

    def __str__(self) -> str:
        return f"frozen every {self.words} ({self.zone})"


def frozen_by(windows: Iterable[Once | Weekly], now: datetime) -> str:
    """The window that *now* lies in, in words; of several, the one that ends last. Empty where there is none."""
    found = [window for window in windows if window.covers(now)]
    if not found:
        return ""
    window = max(found, key=lambda one: one.ends(now))
    end = "" if isinstance(window, Once) else f", until {_text(window.ends(now))}"
    return f"{window}{end}{f': {window.reason}' if window.reason else ''}"


def zone(name: str) -> tzinfo:
    """The time zone *name*, such as ``Europe/Berlin`` or ``UTC``.

    Raises:
        ValueError: There is none.
    """
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def moment(given: object, default: tzinfo) -> datetime:
    """A moment: a date with or without a time, as TOML has them or as ISO 8601 text; *default* where it has no zone.

    Raises:
        ValueError: It is none.
    """
    if isinstance(given, str):
        text = given.strip()
        try:
            # before Python 3.11, Z is not understood
            given = datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in {"Z", "z"} else text)
        except ValueError:
            raise ValueError(f"{text!r} is no date with a time, such as 2026-12-24T00:00Z") from None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day)  # noqa: DTZ001  it gets its zone below
    if not isinstance(given, datetime):
        raise ValueError(f"{given!r} is no date with a time, such as 2026-12-24T00:00Z")  # noqa: TRY004  a setting
    return given if given.tzinfo is not None else given.replace(tzinfo=default)


def once(start: object, until: object, where: tzinfo, reason: str = "") -> Once:
    """A window from one moment to another; *where* is the time zone of those that have none.

    Raises:
        ValueError: They are none, or in the wrong order.
    """
    window = Once(moment(start, where), moment(until, where), reason)
    if window.until <= window.start:
        raise ValueError("it ends before it begins")
    return window


def weekly(given: object, where: tzinfo, reason: str = "") -> Weekly:
    """A weekly window, from ``Fri 16:00-Mon 08:00``.

    Raises:
        ValueError: It is not written like that.
    """
    match = None if not isinstance(given, str) else _WEEKLY.fullmatch(given.strip())
    if match is None or not isinstance(given, str):
        raise ValueError(f'{given!r} is not written like "Fri 16:00-Mon 08:00"')
    parts = match.groups()
    start, until = (_minute_of_week(*parts[at : at + 3]) for at in (0, 3))
    if start == until:
        raise ValueError(f"{given!r} begins when it ends")
    return Weekly(start, until, where, given.strip(), reason)


def _minute_of_week(day: str, hours: str, minutes: str) -> int:
    found = [number for number, name in enumerate(_DAYS) if day.title()[:3] == name and _is_day(day)]
    if not found:
        raise ValueError(f"{day!r} is no day: they are {', '.join(_DAYS)}")
    hour, minute = int(hours), int(minutes)
    if minute > 59 or hour * 60 + minute > _MINUTES_OF_DAY:
        raise ValueError(f"{hours}:{minutes} is no time of a day")
    return (found[0] * _MINUTES_OF_DAY + hour * 60 + minute) % _MINUTES_OF_WEEK


_FULL: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _is_day(day: str) -> bool:
    return day.lower() in {name.lower() for name in _DAYS} or day.lower() in _FULL


def _text(when: datetime) -> str:
    text = when.isoformat(timespec="minutes")
    return text.replace("+00:00", "Z")
