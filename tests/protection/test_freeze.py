"""Freeze windows: which moments they cover, and how they are written."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.protection.freeze import frozen_by, moment, once, weekly, zone

UTC = timezone.utc
BERLIN = zone("Europe/Berlin")
CHRISTMAS = once("2026-12-24T00:00Z", "2027-01-02T00:00Z", UTC, "nobody is there")
WEEKEND = weekly("Fri 16:00-Mon 08:00", BERLIN)


def at(text: str) -> datetime:
    return moment(text, UTC)


def test_a_window_covers_its_first_moment_and_not_its_last():
    """As all intervals here."""
    assert [CHRISTMAS.covers(at(text)) for text in ("2026-12-23T23:59Z", "2026-12-24T00:00Z")] == [False, True]
    assert [CHRISTMAS.covers(at(text)) for text in ("2027-01-01T23:59Z", "2027-01-02T00:00Z")] == [True, False]


@pytest.mark.parametrize(
    ("when", "covered"),
    [
        ("2026-11-27T15:59+01:00", False),
        ("2026-11-27T16:00+01:00", True),
        ("2026-11-29T12:00+01:00", True),
        ("2026-11-30T07:59+01:00", True),
        ("2026-11-30T08:00+01:00", False),
        ("2026-11-27T15:00Z", True),
        # in summer, Berlin is two hours ahead
        ("2026-07-03T14:00Z", True),
        ("2026-07-03T13:59Z", False),
    ],
)
def test_a_weekly_window_goes_by_the_clock_on_the_wall(when: str, *, covered: bool):
    """Of its own time zone, summer and winter, over the end of the week."""
    assert WEEKEND.covers(at(when)) is covered


def test_a_weekly_window_within_a_day_covers_no_other_day():
    """The other order than over a week's end."""
    window = weekly("wed 9:00 to Wednesday 17:30", UTC)
    assert window.covers(at("2026-11-25T09:00Z"))
    assert not window.covers(at("2026-11-25T17:30Z"))
    assert not window.covers(at("2026-11-26T10:00Z"))
    assert weekly("Sat 00:00-Sun 24:00", UTC).covers(at("2026-11-29T23:59Z"))


@given(st.integers(0, 10**7))
def test_a_weekly_window_and_the_rest_of_the_week_cover_each_moment_once(minutes: int):
    """No moment is in both or in none."""
    now = at("2020-01-01") + timedelta(minutes=minutes)
    assert WEEKEND.covers(now) is not weekly("Mon 08:00-Fri 16:00", BERLIN).covers(now)
    if WEEKEND.covers(now):
        end = WEEKEND.ends(now)
        assert not WEEKEND.covers(end)
        assert now < end <= now + timedelta(hours=65)


def test_the_evidence_names_the_window_its_end_and_its_reason():
    """Of several that are open, the one that ends last."""
    now = at("2026-12-25T12:00Z")
    assert frozen_by((), now) == ""
    assert frozen_by((WEEKEND,), at("2026-11-25T12:00Z")) == ""
    assert frozen_by((WEEKEND, CHRISTMAS), at("2026-12-26T12:00Z")) == (
        "frozen from 2026-12-24T00:00Z to 2027-01-02T00:00Z: nobody is there"
    )
    assert frozen_by((WEEKEND,), at("2026-12-26T12:00Z")) == (
        "frozen every Fri 16:00-Mon 08:00 (Europe/Berlin), until 2026-12-28T08:00+01:00"
    )


def test_moments_are_read_as_toml_and_people_write_them():
    """What has no time zone gets the settings' one."""
    expected = datetime(2026, 12, 24, tzinfo=UTC)
    assert moment("2026-12-24T00:00Z", BERLIN) == expected
    assert moment("2026-12-24 01:00+01:00", UTC) == expected
    assert moment("2026-12-24", UTC) == moment(date(2026, 12, 24), UTC) == moment(expected, BERLIN) == expected
    assert moment("2026-12-24T01:00", BERLIN) == expected


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", 7, None, True])
def test_what_is_no_moment_is_refused(text: object):
    """With an example of one."""
    with pytest.raises(ValueError, match=r"is no date with a time, such as 2026-12-24T00:00Z"):
        moment(text, UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weekend", "is not written like"),
        (7, "is not written like"),
        ("Fri 16:00", "is not written like"),
        ("Fro 16:00-Mon 08:00", "'Fro' is no day"),
        ("Friyay 16:00-Mon 08:00", "'Friyay' is no day"),
        ("Fri 25:00-Mon 08:00", "25:00 is no time of a day"),
        ("Fri 16:75-Mon 08:00", "16:75 is no time of a day"),
        ("Fri 16:00-Fri 16:00", "begins when it ends"),
    ],
)
def test_what_is_no_weekly_window_is_refused(text: object, message: str):
    """What is wrong with it is told."""
    with pytest.raises(ValueError, match=message):
        weekly(text, UTC)


def test_a_window_does_not_end_before_it_begins_and_a_zone_exists():
    """Both are misspelt."""
    with pytest.raises(ValueError, match="ends before it begins"):
        once("2026-12-24", "2026-12-24", UTC)
    with pytest.raises(ValueError, match="no time zone 'Europe/Berlim'"):
        zone("Europe/Berlim")
    assert zone("utc") is UTC
