"""docs/gate.md says what the gate does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from flash.deploy.gate import Surroundings, before_building
from flash.project import load_project
from flash.protection.settings import KEYS

PAGE = (Path(__file__).parents[2] / "docs/gate.md").read_text(encoding="utf-8")


def test_the_page_has_every_condition_and_every_setting() -> None:
    """Each in a table."""
    codes = [condition.code for condition in before_building(Surroundings()).conditions]
    assert re.findall(r"^\| `(FLASH-G\d+)` \|", PAGE, re.MULTILINE) == codes
    rows = "\n".join(re.findall(r"^\| (`[a-z].*?) \|", PAGE, re.MULTILINE))
    assert [key for key in KEYS if f"`{key}`" not in rows] == []


def test_the_pages_settings_can_be_used(tmp_path: Path) -> None:
    """As they stand there."""
    (settings,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    protection = load_project(tmp_path).settings.environments["production"].protection
    assert protection.branches == ("main", "release/*")
    assert len(protection.freeze) == 3


def test_the_pages_document_has_the_keys_of_a_real_one() -> None:
    """In their order."""
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    shown, real = json.loads(text), before_building(Surroundings()).as_json()
    assert list(shown) == list(real)
    assert list(shown["conditions"][0]) == list(real["conditions"][0])
