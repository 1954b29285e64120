"""The reference pages say what the code does: options and their help, fixtures, markers, patterns."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flash.bundle import sources
from flash.cli.main import VERBS, _load
from flash.report import document
from pytest_flash import fixtures
from pytest_flash.options import MARKERS, add_options

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
CLI, FIXTURES, FILES, REPORTS = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("cli", "fixtures", "files", "reports")
)


def section(page: str, title: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {title!r}"
    return found[1]


def rows(text: str) -> list[str]:
    """The rows of the tables in it, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line for number, line in enumerate(lines) if not is_head(lines, number)]


def is_head(lines: list[str], number: int) -> bool:
    return set(lines[number]) <= set("| -:") or (number + 1 < len(lines) and set(lines[number + 1]) <= set("| -:"))


# ---------------------------------------------------------------------------------------------------------------------
# cli.md


def options_of(verb: str) -> list[str]:
    """A verb's arguments and options, as rows; ``--json`` and ``--help``, which all have, are told once."""
    parser = _load(VERBS[verb]).parser(verb, VERBS[verb].summary)
    actions = [action for action in parser._actions if not {"--json", "-h"} & set(action.option_strings)]
    return [f"| `{spelled(action)}` | {action.help} |" for action in actions]


def spelled(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = str(action.metavar or "|".join(map(str, action.choices or ())))
    if not names:
        return f"[{value}]" if action.nargs == "?" else value
    return f"{names} {value}"


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_has_every_option_of_every_command(verb: str) -> None:
    """With the help that ``--help`` shows; nothing that is not there."""
    text = section(CLI, f"`flash {verb}`")
    assert rows(text) == [escaped(row) for row in options_of(verb)]
    assert text.lstrip().startswith(VERBS[verb].summary[:1].upper() + VERBS[verb].summary[1:])


def escaped(row: str) -> str:
    """Bars within the first cell do not end it."""
    first, end, rest = row.removeprefix("| ").partition("` | ")
    return "| " + first.replace("|", "\\|") + end + rest


def test_the_page_has_no_other_command() -> None:
    """In the order of the help."""
    assert re.findall(r"^### `flash (.*)`$", CLI, re.MULTILINE) == list(VERBS)


# ---------------------------------------------------------------------------------------------------------------------
# fixtures.md


def fixtures_of_the_plugin() -> Iterator[tuple[str, str]]:
    """Names and first lines of documentation."""
    for node in ast.parse(inspect.getsource(fixtures)).body:
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(one) for one in node.decorator_list):
            yield node.name, (ast.get_docstring(node) or "").partition("\n")[0]


class Recorder:
    """Stands in for pytest's parser."""

    def __init__(self) -> None:
        self.options: list[str] = []
        self.ini: list[str] = []

    def getgroup(self, *_: str) -> Recorder:
        return self

    def addoption(self, name: str, *, help: str, **given: Any) -> None:  # noqa: A002  pytest's
        value = given.get("metavar") or r"\|".join(given.get("choices", ()))
        if help != argparse.SUPPRESS:
            self.options.append(f"| `{name}{f'={value}' if value else ''}` | {help} |")

    def addini(self, name: str, help: str, **_: Any) -> None:  # noqa: A002  pytest's
        self.ini.append(f"| `{name}` | {help} |")


def test_the_page_has_every_fixture() -> None:
    """With the first line of what ``pytest --fixtures`` shows."""
    assert rows(section(FIXTURES, "Fixtures")) == [f"| `{name}` | {doc} |" for name, doc in fixtures_of_the_plugin()]


def test_the_page_has_every_option_ini_value_and_marker() -> None:
    """With the help that ``pytest --help`` and ``--markers`` show."""
    recorder = Recorder()
    add_options(recorder)  # type: ignore[arg-type]
    assert rows(section(FIXTURES, "Options")) == recorder.options
    assert rows(section(FIXTURES, "Ini values")) == recorder.ini
    markers = [marker.partition(": ") for marker in MARKERS]
    assert rows(section(FIXTURES, "Markers")) == [f"| `{name}` | {doc} |" for name, _, doc in markers]


# ---------------------------------------------------------------------------------------------------------------------
# files.md


@pytest.mark.parametrize(
    ("title", "patterns"),
    [("The built-in list", sources._BUILT_IN_PATTERNS), ("What never ships", sources._SECRET_PATTERNS)],
)
def test_the_page_has_every_pattern(title: str, patterns: tuple[str, ...]) -> None:
    """Each in backticks, in the list's order."""
    listed = section(FILES, title).partition("\n\n")[2]
    assert tuple(re.findall(r"`([^`]+)`", listed)) == patterns


# ---------------------------------------------------------------------------------------------------------------------
# reports.md


@pytest.mark.parametrize(
    ("title", "models"),
    [
        ("The document", ["Report"]),
        ("`error`", ["Failure"]),
        ("`artifact`", ["Artifact"]),
        ("`lock`", ["Lock", "Distribution"]),
        ("`git`", ["Git"]),
        ("`stages`", ["Stage"]),
        ("`gate`", ["Condition"]),
        ("`endpoints`", ["Endpoint"]),
        ("`contract`, `tests`, `smoke`", ["Case"]),
        ("`canary`", ["CanaryStep", "CanaryEndpoint"]),
        ("`logs`", ["Log"]),
        ("`rollback`", ["Rollback"]),
    ],
)
def test_the_page_has_every_field_of_a_report(title: str, models: list[str]) -> None:
    """With what the code says of it."""
    expected = [
        f"| `{field.alias or name}` | {field.description} |"
        for model in models
        for name, field in getattr(document, model).model_fields.items()
    ]
    assert rows(section(REPORTS, title)) == expected


def test_the_page_forgets_no_part_of_a_report() -> None:
    """Each model has a place in the page."""
    assert set(re.findall(r"^### `(\w+)`", REPORTS, re.MULTILINE)) <= set(document.Report.model_fields)
    assert len(document.__all__) == 14 + 1
