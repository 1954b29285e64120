"""docs/secrets.md names what is looked for, and shows what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_deploy import manifest
from fakes_secrets import assigned_values, known_shapes

from flash.bundle.secret_kinds import KINDS
from flash.bundle.secrets import MARK, Secrets
from flash.errors import SecretFound
from flash.preview.describer import declared_environment

PAGE = (Path(__file__).parents[2] / "docs/secrets.md").read_text(encoding="utf-8")
WORDS = (
    "key",
    "token",
    "secret",
    "webhook",
    "API key",
    "access key",
    "OAuth secret",
    "storage key",
    "client secret",
    "signature",
)


def test_every_kind_is_named() -> None:
    """By whose it is."""
    text = " ".join(PAGE.split()).lower()
    whose = {kind.name.partition(" ")[2] for kind in KINDS}
    for word in sorted(WORDS, key=len, reverse=True):
        whose = {name.removesuffix(f" {word}") for name in whose}
    assert sorted(name for name in whose if name.lower() not in text) == []


def test_the_error_is_as_shown(tmp_path: Path) -> None:
    """But for the fingerprints."""
    (tmp_path / "config").mkdir()
    (tmp_path / "app.py").write_text(f"\n\n\nS = '{known_shapes()['a Slack token']}'\n")
    (tmp_path / "config/app.toml").write_text(f"[auth]\nclient_secret = '{assigned_values()['client_secret']}'\n")
    secrets = Secrets(())
    secrets.look_into(tmp_path, ["app.py", "config/app.toml"])
    with pytest.raises(SecretFound) as caught:
        secrets.refuse()
    shown = " ".join(PAGE.split())
    error = caught.value
    assert f"✗ {error.headline} hint: {error.hint} app.py:4: a Slack token allow-secrets" in shown
    for line in error.detail.splitlines():
        assert " ".join(line.split()).rpartition(":")[0] in shown


def test_the_words_for_people_are_those_of_the_code() -> None:
    """The comment, and what stands in while an artifact is described."""
    assert f"`# {MARK}`" in PAGE
    declared = declared_environment(manifest("gpu", secrets={"TOKEN": "HF_TOKEN"}), ["gpu"])
    assert f"`{declared['TOKEN']}`" in PAGE
