"""Exit statuses, and the error that a wrong command line is."""

from __future__ import annotations

from typing import Final

from flash.errors import FlashError, SettingsError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "UsageError", "status_of"]

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


class UsageError(SettingsError):
    """The command line itself is wrong."""


def status_of(error: FlashError) -> int:
    """What a verb that ended with *error* exits with.

    >>> status_of(UsageError("no such option"))
    2
    """
    return USAGE if isinstance(error, SettingsError) else FAILED
