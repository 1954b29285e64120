"""Logs of workers: one file each, read from the end."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["WorkerLogs"]

_TAIL_BYTES: Final = 256 * 1024
_KEPT: Final = 200
_WORKER_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class WorkerLogs:
    """The folder with the workers' logs.

    Args:
        redact: Takes secrets out of what is shown: a worker may have printed its environment.
    """

    def __init__(self, folder: Path, *, redact: Callable[[str], str] = lambda text: text) -> None:
        self._folder = folder
        self._redact = redact
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, endpoint_name: str, worker_id: str) -> Path:
        """Where a worker's log lies."""
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", endpoint_name)
        return self._folder / f"{safe}-{worker_id}.log"

    def of_worker(self, worker_id: str, tail: int) -> list[str] | None:
        """The last lines of a worker's log, also of one that is gone; None where there is no such worker."""
        if not _WORKER_ID.fullmatch(worker_id):
            return None
        found = next(iter(self._folder.glob(f"*-{worker_id}.log")), None)
        return None if found is None else self.tail([found], tail)

    def tail(self, paths: Sequence[Path], lines: int) -> list[str]:
        """The last lines of several logs, as if they were one."""
        collected: list[str] = []
        for path in reversed(paths):
            if len(collected) >= lines:
                break
            collected = [*_last_lines(path), *collected]
        return [self._redact(line) for line in collected[max(0, len(collected) - max(0, lines)) :]]

    def sweep(self) -> None:
        """Remove what a killed platform's workers left, and all but the newest logs."""
        for home in self._folder.glob("*.home"):
            shutil.rmtree(home, ignore_errors=True)
        by_age = sorted(self._folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in by_age[_KEPT:]:
            path.unlink(missing_ok=True)


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - _TAIL_BYTES)
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return []
    lines = data.decode("utf-8", errors="replace").splitlines()
    # the first line of a part is rarely a whole one
    return lines[1:] if start else lines
