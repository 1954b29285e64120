"""No secret is in a report, however it was printed."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from fakes_report import case, deployed, failed
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.report.document import Log
from flash.report.redaction import redacted, secrets_of

SECRET = 'rpa_"0123\\456789 ü'


@pytest.mark.parametrize(
    "name",
    ["RUNPOD_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "api_key", "NPM_AUTH", "GITHUB_TOKENS"],
)
def test_names_that_say_so_are_secrets(name: str) -> None:
    """In any case."""
    assert secrets_of({name: "0123456789"}) == ("0123456789",)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOME", "/home/user"), ("MONKEY", "0123456789"), ("KEYBOARD", "german-latin1"), ("API_KEY", "short")],
)
def test_other_names_and_short_values_are_none(name: str, value: str) -> None:
    """A report without its ordinary words helps nobody."""
    assert secrets_of({name: value}) == ()


def test_a_path_to_a_secret_is_none() -> None:
    """What is there is not printed by naming it."""
    assert secrets_of({"SSH_KEY": "/home/user/.ssh/id_ed25519", "GPG_KEY": "~/.gnupg/key"}) == ()


@pytest.mark.parametrize(
    "spelled", [SECRET, repr(SECRET)[1:-1], json.dumps(SECRET)[1:-1], quote(SECRET, safe="")], ids=str
)
def test_a_secret_is_taken_out_wherever_it_stands(spelled: str) -> None:
    """In messages, tests, logs, keys and examples; quoted, escaped, or part of a URL."""
    said = f"got {spelled}!"
    log = Log(endpoint="gpu_worker", of="x", lines=("fine", said))
    report = failed(logs=(log,), tests=(case(f"t.py::t[{spelled}]", text=said),), untyped={said: said}, notes=(said,))
    clean = redacted(report, [SECRET])
    assert spelled not in json.dumps(clean.as_json(), ensure_ascii=False)
    assert clean.logs[0].lines == ("fine", "got ***!")
    assert clean.tests[0].id == "t.py::t[***]"


def test_each_line_of_a_key_that_has_several_is_taken_out() -> None:
    """As a log has it, line by line."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
    clean = redacted(deployed(notes=("MIIEvQIBADANBg", "kqhkiG9w0BAQEF of it")), [key])
    assert clean.notes == ("***", "*** of it")


def test_the_longer_of_two_secrets_goes_first() -> None:
    """Or its end would be left over."""
    assert redacted(deployed(notes=("0123456789abc",)), ["01234567", "0123456789abc"]).notes == ("***",)


def test_nothing_to_hide_changes_nothing() -> None:
    """Nor does a value that is too short to be told from a word."""
    report = deployed()
    assert redacted(report, []) is report
    assert redacted(report, ["", "   ", "pass"]) == report


@settings(deadline=None)
@given(st.text(min_size=8), st.text(), st.text())
def test_no_text_around_a_secret_keeps_it(secret: str, before: str, after: str) -> None:
    """Whatever stands there."""
    if len(secret.strip()) >= 8:
        assert secret.strip() not in redacted(deployed(notes=(before + secret + after,)), [secret]).notes[0]
