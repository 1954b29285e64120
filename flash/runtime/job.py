"""What a handler and the worker that loads it agree on: jobs, chunks, and how a failure is told."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

from flash.errors import FlashError

__all__ = ["Chunks", "Handler", "Job", "Stream", "described", "logged"]

_log = logging.getLogger("flash.worker")

Job: TypeAlias = Mapping[str, Any]
Chunks: TypeAlias = "Iterator[object] | AsyncIterator[object]"
Handler: TypeAlias = "Callable[[Job], object] | Callable[[Job], Awaitable[object]]"
Stream: TypeAlias = "Callable[[Job], Chunks | None]"


def described(error: BaseException) -> str:
    """``Type: message`` on one line, as a caller sees a failure."""
    message = error.message if isinstance(error, FlashError) else str(error)
    return ": ".join(filter(None, [type(error).__name__, " ".join(message.split())]))


def logged(error: BaseException) -> str:
    """The same, with the traceback in the log.

    Raises:
        BaseException: *error* itself, where it is about the worker and not about the job.
    """
    if isinstance(error, (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)):
        raise error
    _log.error("%s", "".join(traceback.format_exception(error)).rstrip())
    return described(error)
