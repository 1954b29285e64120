"""What runs of tests and Flash itself write into a project: reports, plans, receipts. None of it is the project's.

If it shipped, a plan or a report beside the sources would make another artifact of them than the one that it speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["is_written_by_runs"]

_HEAD_BYTES: Final = 1024
_MARKS: Final[Mapping[str, tuple[bytes, ...]]] = {
    # reports and plans; receipts
    ".json": (
        b'"generator": "pytest-flash',
        b'"payloadType": "application/vnd.in-toto+json"',
        b'"name": "flash:generator"',
    ),
    ".html": (b'<meta name="generator" content="pytest-flash',),
    ".env": (b"FLASH_REPORT_OUTCOME=",),
    # JUnit XML; source: pytest 9.2
    ".xml": (b"<testsuites",),
}
"""What stands near the beginning of such files, by their suffix."""


def is_written_by_runs(path: str) -> bool:
    """Whether the file at *path* says so itself. One that cannot be read is told by whoever ships it."""
    # as text: most files of a project are asked, and few have such a suffix
    marks = _MARKS.get(path[path.rfind(".") :].lower())
    if marks is None:
        return False
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return any(mark in head for mark in marks)
