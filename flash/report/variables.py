"""A report as variables: GitLab's dotenv reports, and anything else that sources a file of ``NAME=value``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flash.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.report.document import Report

__all__ = ["as_dotenv", "variables"]


_MOST: Final = 20
"""What every GitLab takes; more, and the job fails.

Source: GitLab docs, "CI/CD artifacts reports types", ``artifacts:reports:dotenv``, read 2026-11."""


def variables(report: Report) -> Iterator[tuple[str, str]]:
    """Names and values, each value one line; endpoints beyond what GitLab takes are left out.

    >>> from flash.report.document import Report
    >>> dict(variables(Report(app="demo", environment="staging", outcome="deployed")))["FLASH_REPORT_OUTCOME"]
    'deployed'
    """
    yield "FLASH_REPORT_OUTCOME", report.outcome
    yield "FLASH_REPORT_APP", _flat(report.app)
    yield "FLASH_REPORT_ENVIRONMENT", _flat(report.environment or "")
    yield "FLASH_REPORT_DIGEST", report.digest or ""
    yield "FLASH_REPORT_PREVIOUS_DIGEST", report.previous_digest or ""
    for number, endpoint in enumerate(report.endpoints[: _MOST - 6]):
        if number == 0:
            yield "FLASH_REPORT_URL", _flat(endpoint.url)
        name = re.sub(r"[^A-Z0-9]+", "_", endpoint.name.upper()).strip("_")
        yield f"FLASH_REPORT_URL_{name}", _flat(endpoint.url)


def as_dotenv(report: Report) -> str:
    """A line each: GitLab reads neither quotes nor values of several lines."""
    return "".join(f"{name}={value}\n" for name, value in variables(report))


def _flat(text: str) -> str:
    return " ".join(printable(text).split())
