"""The settings that protect an environment: what they give, and what is refused."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from flash.errors import SettingsError
from flash.project import load_project
from flash.protection.settings import Protection

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "let-me-through"
SHA256 = hashlib.sha256(TOKEN.encode()).hexdigest()


def protection(root: Path, text: str) -> Protection:
    (root / "pyproject.toml").write_text(f"[tool.flash.environments.production]\n{text}\n", encoding="utf-8")
    return load_project(root).settings.environments["production"].protection


def test_all_of_it_is_read(tmp_path: Path):
    """In the spelling of the documentation."""
    found = protection(
        tmp_path,
        f"""
        required-markers = ["flash_smoke", "golden"]
        branches = ["main", "release/*"]
        clean-tree = true
        approval-env = "DEPLOY_APPROVAL"
        approval-sha256 = "{SHA256.upper()}"
        timezone = "Europe/Berlin"
        freeze = [
            {{from = 2026-12-24, until = 2027-01-02T00:00:00Z, reason = "holidays"}},
            "Fri 16:00-Mon 08:00",
            {{weekly = "Wed 00:00-Wed 06:00", timezone = "UTC", reason = "backups"}},
        ]
        """,
    )
    assert found.required_markers == ("flash_smoke", "golden")
    assert found.branches == ("main", "release/*")
    assert found.clean_tree
    assert (found.approval_env, found.approval_sha256) == ("DEPLOY_APPROVAL", SHA256)
    assert [str(window) for window in found.freeze] == [
        "frozen from 2026-12-24T00:00+01:00 to 2027-01-02T00:00Z",
        "frozen every Fri 16:00-Mon 08:00 (Europe/Berlin)",
        "frozen every Wed 00:00-Wed 06:00 (UTC)",
    ]
    assert [window.reason for window in found.freeze] == ["holidays", "", "backups"]
    assert found.wants_checkout


def test_without_them_nothing_is_asked(tmp_path: Path):
    """Nobody has to approve, no window is open."""
    assert protection(tmp_path, 'target = "local"') == Protection()
    assert Protection().approval("x") == "not-asked"
    assert not Protection().wants_checkout


def test_a_token_approves_by_its_hash():
    """White space around it comes from files and CI systems."""
    wanted = Protection(approval_env="A", approval_sha256=SHA256)
    assert [wanted.approval(token) for token in (TOKEN, f" {TOKEN}\n", "other", "", " ", None, "\udcff")] == [
        *("given", "given", "wrong", "absent", "absent", "absent", "wrong")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('brances = ["main"]', "unknown key 'environments.production.brances'"),
        ('branches = "main"', "branches is 'main', which is no list of names"),
        ("clean-tree = 1", "environments.production.clean-tree is 1, which is not true or false"),
        ('required-markers = ["a and b"]', "'a and b', which is no name of a marker"),
        ('required-markers = ["flash_deployed_only"]', "whose tests run after the promotion"),
        ('approval-env = "A"', "has approval-env and no approval-sha256"),
        (f'approval-sha256 = "{SHA256}"', "has approval-sha256 and no approval-env"),
        (f'approval-env = "A B"\napproval-sha256 = "{SHA256}"', "approval-env is no name of a variable"),
        ('approval-env = "A"\napproval-sha256 = "secret"', "is no sha256 of 64 hexadecimal digits"),
        (f'approval-env = "A"\napproval-sha256 = "{hashlib.sha256(b"").hexdigest()}"', "that of an empty token"),
        ('freeze = "Fri 16:00-Mon 08:00"', "freeze is 'Fri 16:00-Mon 08:00', which is no list"),
        ("freeze = [7]", "freeze[0] is 7, which is no freeze window"),
        ('freeze = ["weekend"]', "freeze[0] is no freeze window: 'weekend' is not written like"),
        ('freeze = [{from = "2026-12-24"}]', "freeze[0] needs either weekly, or from and until"),
        ('freeze = [{weekly = "Fri 16:00-Mon 08:00", until = "2026"}]', "needs either weekly, or from and until"),
        ('freeze = [{form = "2026-12-24"}]', "unknown key 'environments.production.freeze[0].form'"),
        ('freeze = [{from = "x", until = "y"}]', "freeze[0] is no freeze window: 'x' is no date"),
        ('freeze = [{from = "2026-12-24", until = "2026-12-23"}]', "it ends before it begins"),
        ('freeze = [{weekly = "Fri 16:00-Mon 08:00", reason = 7}]', "freeze[0].reason is 7, which is no text"),
        ('timezone = "Mars"', "environments.production.timezone: there is no time zone 'Mars'"),
        ("timezone = 7", "environments.production.timezone is 7, which is no text"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_the_file(tmp_path: Path, text: str, message: str):
    """A misspelt protection protects nothing, so it is none in silence."""
    with pytest.raises(SettingsError) as caught:
        protection(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.path == str(tmp_path / "pyproject.toml")


def test_what_could_be_a_token_is_not_repeated(tmp_path: Path):
    """It may have been written there by mistake."""
    for text in (f'approval-env = "{TOKEN}"', f'approval-sha256 = "{TOKEN}"'):
        other = 'approval-sha256 = "x"' if "env" in text else 'approval-env = "A"'
        with pytest.raises(SettingsError) as caught:
            protection(tmp_path, f"{text}\n{other}")
        assert TOKEN not in str(caught.value)
