"""Logging in to Runpod, as an exchange (contract §1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fakes_cloud import Clock
from fakes_runpod import KEY, RUNPOD, Runpod

from flash.cloud.auth import approval_url, log_in
from flash.cloud.client import PlatformClient
from flash.cloud.records import LoginRecord
from flash.errors import FlashError, NotAuthorized

NOON = 1_795_435_200.0
APPROVED = {"status": "APPROVED", "apiKey": KEY}


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod, which refuses a login with a key."""
    with Runpod().answering() as answering:
        yield answering


class User:
    """Somebody without a key, on a machine whose clock only sleeping moves."""

    def __init__(self, now: float = NOON) -> None:
        self.clock = Clock(now=now)
        self.shown: list[LoginRecord] = []

    def log_in(self, **options: Any) -> str:
        address = replace(RUNPOD, api_key="")
        with PlatformClient(address, sleep=self.clock.sleep, jitter=lambda: 0.5) as client:
            return log_in(client, show=self.shown.append, now=self.clock, sleep=self.clock.sleep, **options)


def test_the_key_is_waited_for_without_one(runpod: Runpod):
    """A request, then a look every two seconds; no header carries anything. The fake checks that."""
    runpod.logins["login1"] = [{}, {}, APPROVED]
    user = User()

    assert user.log_in() == KEY

    assert runpod.told == ["createFlashAuthRequest", *["flashAuthRequestStatus"] * 3]
    assert runpod.sent("flashAuthRequestStatus") == [{"flashAuthRequestId": "login1"}] * 3
    assert user.clock.slept == [2.0, 2.0]


def test_the_user_is_shown_where_to_approve_it(runpod: Runpod):
    """Before anything is waited for."""
    runpod.logins["login1"] = [APPROVED]
    user = User()
    user.log_in()
    (login,) = user.shown
    assert approval_url("https://console.runpod.io/", login) == "https://console.runpod.io/flash/login?request=login1"


def test_a_key_that_was_given_out_with_the_last_answer_counts(runpod: Runpod):
    """*Consumed* with a key is ours."""
    runpod.logins["login1"] = [{"status": "CONSUMED", "apiKey": KEY}]
    assert User().log_in() == KEY


@pytest.mark.parametrize(
    ("status", "said"),
    [("DENIED", "denied in the console"), ("EXPIRED", "expired before"), ("CONSUMED", "given out already")],
)
def test_a_login_that_ends_otherwise_names_its_status(status: str, said: str, runpod: Runpod):
    """And how to go on."""
    runpod.logins["login1"] = [{"status": status}]
    with pytest.raises(NotAuthorized, match=rf"{said}.*\({status}\)") as caught:
        User().log_in()
    assert "flash login" in caught.value.hint


@pytest.mark.parametrize("status", ["PENDING", "SOMETHING_NEW"])
def test_an_unknown_status_is_waited_through_until_time_is_up(status: str, runpod: Runpod):
    """Contract: anything unknown keeps polling."""
    runpod.logins["login1"] = [{"status": status}] * 100
    user = User()
    with pytest.raises(NotAuthorized, match=f"nobody approved it in time \\({status}\\)"):
        user.log_in(timeout_s=9.0)
    assert user.clock.slept == [2.0, 2.0, 2.0, 2.0, 1.0]


def test_the_platform_may_give_less_time(runpod: Runpod):
    """Ten minutes after noon it ends, whatever was asked for."""
    runpod.logins["login1"] = [{}] * 1000
    user = User(now=NOON + 590)
    with pytest.raises(NotAuthorized, match="in time"):
        user.log_in(timeout_s=3600.0)
    assert sum(user.clock.slept) == 10.0


@pytest.mark.parametrize("off_s", [-3600.0, 3600.0])
def test_a_clock_that_is_an_hour_off_does_not_end_it(off_s: float, runpod: Runpod):
    """An end that is over already is no end; the platform's own word is."""
    runpod.logins["login1"] = [{}, {}, APPROVED]
    assert User(now=NOON + off_s).log_in() == KEY


@pytest.mark.parametrize("expiry", [None, "", "soon", "2026-11-23T12:10:00"])
def test_an_end_that_is_missing_or_strange_does_not_matter(expiry: str | None, runpod: Runpod):
    """There is the user's own."""
    runpod.fails["createFlashAuthRequest"] = {
        "data": {"createFlashAuthRequest": {"id": "login1", "status": "PENDING", "expiresAt": expiry}}
    }
    runpod.logins["login1"] = [APPROVED]
    assert User().log_in() == KEY


@pytest.mark.parametrize(
    "answer", ["Auth request not found", {"data": {"flashAuthRequestStatus": None}}], ids=["error", "null"]
)
def test_a_login_that_the_platform_has_forgotten_is_over(answer: Any, runpod: Runpod):
    """Waiting longer would not help."""
    runpod.logins["login1"] = []
    runpod.fails["flashAuthRequestStatus"] = answer
    with pytest.raises(NotAuthorized, match="has forgotten it"):
        User().log_in()


@pytest.mark.parametrize("reply", [{"id": None, "status": "PENDING"}, {"status": "PENDING"}, None])
def test_a_login_without_an_id_cannot_be_waited_for(reply: Any, runpod: Runpod):
    """A clear error, and no traceback."""
    runpod.fails["createFlashAuthRequest"] = [{"data": {"createFlashAuthRequest": reply}}] * 9
    with pytest.raises(FlashError, match="createFlashAuthRequest"):
        User().log_in()


def test_a_key_that_no_header_can_carry_is_not_kept(runpod: Runpod):
    """It would fail with the first request, somewhere else."""
    runpod.logins["login1"] = [{"status": "APPROVED", "apiKey": "two\nlines"}]
    with pytest.raises(NotAuthorized) as caught:
        User().log_in()
    assert "two" not in str(caught.value)
