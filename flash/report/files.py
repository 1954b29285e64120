"""A report in a file, whose ending says how it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from flash.report.document import Report

__all__ = ["rendered", "write_file"]


def write_file(report: Report, path: Path) -> None:
    """Write it.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(rendered(report, path.suffix), encoding="utf-8")


def rendered(report: Report, suffix: str) -> str:
    """``.html``, ``.md`` or ``.env``; JSON for anything else."""
    suffix = suffix.lower()
    if suffix == ".html":
        from flash.report.page import as_page

        return as_page(report)
    if suffix == ".md":
        from flash.report.markdown import as_markdown

        return as_markdown(report)
    if suffix == ".env":
        from flash.report.variables import as_dotenv

        return as_dotenv(report)
    return json.dumps(report.as_json(), indent=2) + "\n"
