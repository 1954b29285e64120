"""docs/runpod.md: what is not verified has a guard, and each guard a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/runpod.md").read_text(encoding="utf-8")
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
ROWS = [line for line in PAGE.partition("## What is not verified")[2].splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", [row for row in ROWS if not set(row) <= set("| -")])
def test_each_thing_that_is_not_known_has_a_guard_with_a_test(row: str) -> None:
    """The test that the page names."""
    unknown, guard, shown = (cell.strip() for cell in row.strip("| ").split(" | "))
    named = re.findall(r"`(test_\w+)`", shown)

    assert unknown
    assert guard
    assert named
    assert set(named) <= TESTS


def test_everything_that_the_contract_leaves_open_is_in_the_list() -> None:
    """Ten things, and what was found since."""
    assert len([row for row in ROWS if not set(row) <= set("| -")]) >= 10
