"""docs/contract.md says what the rules do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from flash.contract.rules import RULES
from flash.protection.waivers import waivers_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[2] / "docs/contract.md").read_text(encoding="utf-8")


def test_the_page_has_every_rule_as_it_is() -> None:
    """In the order of their ids, and no other."""
    rows = re.findall(r"^\| `(FLASH-C\d+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.id, rule.severity, rule.title, rule.why) for rule in RULES.values()]


def test_the_pages_waiver_can_be_used() -> None:
    """As it stands there."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (waiver,) = waivers_of(tomllib.loads(text), rules=tuple(RULES), path="flash-waivers.toml")
    assert waiver.covers("FLASH-C202", "gpu_worker/infer")
