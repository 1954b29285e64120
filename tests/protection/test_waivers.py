"""Waivers let through what they name, where they name it, until they expire."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from flash.errors import SettingsError
from flash.protection.waivers import Waiver, apply_waivers, waivers_of

RULES = ("FLASH-C201", "FLASH-C202")
TODAY = date(2026, 11, 24)
GOOD: dict[str, Any] = {
    "rule": "FLASH-C202",
    "scope": "gpu_worker",
    "owner": "the vision team",
    "reason": "no caller outside of the app",
    "expires": date(2026, 12, 31),
}


def waiver(**changed: Any) -> Waiver:
    """A good one, but for that."""
    (found,) = waivers_of({"waiver": [{**GOOD, **changed}]}, rules=RULES, path="flash-waivers.toml")
    return found


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("gpu_worker", True),
        ("gpu_worker/infer", True),
        ("gpu_worker/*", True),
        ("*", True),
        ("gpu_*", True),
        ("*/infer", True),
        ("gpu_worker/other", False),
        ("gpu", False),
        ("cpu_worker", False),
    ],
)
def test_a_scope_is_an_endpoint_or_an_operation_of_it(scope: str, *, covered: bool) -> None:
    """Or a pattern of them."""
    assert waiver(scope=scope).covers("FLASH-C202", "gpu_worker/infer") is covered
    assert not waiver(scope=scope).covers("FLASH-C201", "gpu_worker/infer")


def test_a_waiver_counts_on_its_last_day_and_not_after_it() -> None:
    """An expired one covers nothing, and is named."""
    one = waiver()
    change = [("FLASH-C202", "gpu_worker/infer")]
    last = apply_waivers([one], change, environment="production", today=one.expires)
    assert (last.by, last.expired, last.unused) == ((one,), (), ())
    after = apply_waivers([one], change, environment="production", today=one.expires + timedelta(days=1))
    assert (after.by, after.expired, after.unused) == ((None,), (one,), ())


def test_a_waiver_that_covers_nothing_is_unused() -> None:
    """It would let through what nobody has thought of. One of another environment is neither used nor unused."""
    one, elsewhere = waiver(), waiver(environments=["staging"])
    found = apply_waivers([one, elsewhere], [("FLASH-C201", "gpu_worker/infer")], environment="production", today=TODAY)
    assert (found.by, found.unused, found.expired) == ((None,), (one,), ())
    there = apply_waivers([elsewhere], [("FLASH-C202", "gpu_worker/infer")], environment="staging", today=TODAY)
    assert there.by == (elsewhere,)


def test_one_waiver_covers_all_that_it_names() -> None:
    """And two that name the same are both used."""
    changes = [("FLASH-C202", "gpu_worker/infer"), ("FLASH-C202", "gpu_worker/train")]
    one, two = waivers_of({"waiver": [GOOD, {**GOOD, "scope": "*"}]}, rules=RULES, path="x")
    found = apply_waivers([one, two], changes, environment="production", today=TODAY)
    assert found.by == (one, one)
    assert found.unused == ()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rule": "FLASH-G007"}, "waiver 1: FLASH-G007 is a condition of the gate, which cannot be waived"),
        ({"rule": "FLASH-C999"}, "waiver 1: there is no rule 'FLASH-C999'"),
        ({"scope": ""}, "waiver 1 scope is ''"),
        ({"owner": None}, "waiver 1 has no owner"),
        ({"reason": 3}, "waiver 1 reason is 3"),
        ({"expires": None}, "waiver 1 has no day on which it expires"),
        ({"expires": "soon"}, "waiver 1 has no day on which it expires"),
        ({"until": date(2027, 1, 1)}, "waiver 1: there is no key 'until'"),
        ({"environments": "staging"}, "waiver 1: environments is no list of names"),
    ],
)
def test_what_is_wrong_with_a_waiver_is_said_by_its_number(table: dict[str, Any], said: str) -> None:
    """With the file, and how to mend it."""
    merged = {key: value for key, value in {**GOOD, **table}.items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        waivers_of({"waiver": [merged]}, rules=RULES, path="flash-waivers.toml")
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.path == "flash-waivers.toml"


@pytest.mark.parametrize("document", [{"waivers": []}, {"waiver": {}}, {"waiver": ["x"]}])
def test_a_file_of_something_else_is_refused(document: dict[str, Any]) -> None:
    """A waiver that is not read would be missed at the worst time."""
    with pytest.raises(SettingsError):
        waivers_of(document, rules=RULES, path="flash-waivers.toml")


def test_days_may_be_written_as_text() -> None:
    """As TOML has them, or in quotes."""
    assert waiver(expires="2026-12-31").expires == date(2026, 12, 31)
    assert waiver().as_json()["expires"] == "2026-12-31"
