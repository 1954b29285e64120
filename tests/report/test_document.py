"""The document: what is written is read again, and nothing else is taken for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes_report import ALL, case, conditions, deployed, refused, rolled_back

from flash.errors import ManifestError
from flash.report.document import SCHEMA, Report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_what_is_written_is_read_again(make: type[Report]) -> None:
    """By way of JSON."""
    report = make()
    assert Report.parse(json.loads(json.dumps(report.as_json()))) == report


def test_the_schema_is_numbered_and_another_number_is_refused() -> None:
    """Whoever reads one says which it can read."""
    assert deployed().as_json()["schema"] == SCHEMA
    with pytest.raises(ManifestError, match="schema 2, this version reads 1") as caught:
        Report.parse({**deployed().as_json(), "schema": 2})
    assert caught.value.hint


def test_a_reader_skips_fields_that_it_does_not_know() -> None:
    """Fields are added within a schema."""
    assert Report.parse({**deployed().as_json(), "mood": "good"}) == deployed()


@pytest.mark.parametrize("data", [[], {"app": "demo"}, {**deployed().as_json(), "stages": [{"id": 1}]}])
def test_something_else_is_refused_with_the_field_that_is_wrong(data: object) -> None:
    """In one line."""
    with pytest.raises(ManifestError, match="is no report of a run"):
        Report.parse(data)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Also one that is no JSON."""
    path = tmp_path / "report.json"
    with pytest.raises(ManifestError, match="cannot read"):
        Report.read(path)
    path.write_text("<html>", encoding="utf-8")
    with pytest.raises(ManifestError, match="cannot read"):
        Report.read(path)
    path.write_text(json.dumps(refused().as_json()), encoding="utf-8")
    assert Report.read(path) == refused()


def test_what_is_in_the_way_and_what_failed_is_told_apart() -> None:
    """A condition that nobody judged is in nobody's way; a smoke test that failed is a failure."""
    assert [condition.code for condition in refused().in_the_way] == ["FLASH-G004"]
    unjudged = tuple(one.model_copy(update={"outcome": "not-judged"}) for one in conditions())
    assert refused(gate=unjudged).in_the_way == ()
    assert [one.outcome for one in rolled_back().failed] == ["failed"]
    assert [one.id for one in deployed(tests=(case("test_a.py::b", "error"),)).failed] == ["test_a.py::b"]
