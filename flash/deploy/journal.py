"""The journal: what runs made on platforms, written before it is made, so that a killed run can be cleaned up.

One line of JSON an event, each on disk before the next step. It says what may be there; what is live is read from the
platform, never from here. Beside it lies a lock for each run that is not settled, held by the process that runs it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from flash.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flash.project import Project

__all__ = ["Journal", "Kind", "Pending"]

Kind = Literal["app", "environment", "upload", "build", "endpoint"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_held: Final[dict[str, FileLock]] = {}
"""The locks of this process's runs, by path: a run may end in another journal object than it began in."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that a run meant to make, and neither kept nor removed.

    Attributes:
        where: ``PLATFORM APP/ENVIRONMENT``.
        id: The platform's; None where the run ended before the platform had said.
    """

    run: str
    where: str
    kind: Kind
    name: str
    id: str | None


class Journal:
    """An append-only file of events.

    Shape: ``{"run": str, "event": "began", "where": str}``,
    ``{"run", "event": "intended" | "made" | "removed", "kind": str, "name": str, "id"?: str}``,
    ``{"run", "event": "settled"}``.
    """

    def __init__(self, path: Path, *, make_folder: Callable[[], object] | None = None) -> None:
        """The journal at *path*; reading makes nothing.

        Args:
            path: The file.
            make_folder: Makes the folder that it is in before something is written.
        """
        self._path = path
        self._make_folder = make_folder or partial(path.parent.mkdir, parents=True, exist_ok=True)

    @classmethod
    def of(cls, project: Project) -> Journal:
        """The journal of what is deployed from a project's folder."""
        # with the .gitignore: a file of Flash's own must not make the tree unclean
        return cls(project.flash_dir / "journal.jsonl", make_folder=project.make_flash_dir)

    def begin(self, where: str) -> str:
        """Begin a run; returns its name."""
        run = secrets.token_hex(6)
        self._make_folder()
        lock = self._lock(run)
        lock.acquire()
        _held[lock.lock_file] = lock
        self._append({"run": run, "event": "began", "where": where})
        return run

    def intended(self, run: str, kind: Kind, name: str) -> None:
        """Write down what is about to be made."""
        self._append({"run": run, "event": "intended", "kind": kind, "name": name})

    def made(self, run: str, kind: Kind, name: str, made_id: str) -> None:
        """Write down what the platform calls it."""
        self._append({"run": run, "event": "made", "kind": kind, "name": name, "id": made_id})

    def removed(self, run: str, kind: Kind, name: str) -> None:
        """Write down that it is gone."""
        self._append({"run": run, "event": "removed", "kind": kind, "name": name})

    def settled(self, run: str) -> None:
        """Write down that what the run made and did not remove is there to stay."""
        self._append({"run": run, "event": "settled"})
        lock = _held.pop(self._lock(run).lock_file, None)
        if lock is not None:
            lock.release()
        self._lock_path(run).unlink(missing_ok=True)

    def pending(self) -> tuple[Pending, ...]:
        """What runs that were never settled made, or were about to make, in the order of the journal.

        A last line that was torn by a crash is left out: what it was about had not begun.

        Raises:
            DeployError: Another line cannot be read.
        """
        found: dict[tuple[str, str, str], Pending] = {}
        where: dict[str, str] = {}
        for entry in self._entries():
            run, event = entry["run"], entry["event"]
            if event == "began":
                where[run] = entry["where"]
            elif event == "settled":
                found = {key: one for key, one in found.items() if one.run != run}
            else:
                key = (run, entry["kind"], entry["name"])
                if event == "removed":
                    found.pop(key, None)
                else:
                    found[key] = Pending(run, where.get(run, ""), entry["kind"], entry["name"], entry.get("id"))
        return tuple(found.values())

    def abandoned(self) -> tuple[Pending, ...]:
        """What is pending of runs whose processes are gone."""
        pending = self.pending()
        alive = {run for run in {one.run for one in pending} if self._is_alive(run)}
        return tuple(one for one in pending if one.run not in alive)

    def settle_dead(self, where: str) -> None:
        """Settle the runs there whose processes are gone: a later run has finished or undone what they left.

        The platform of this machine is the same one, whatever its port was.
        """
        for run in {one.run for one in self.abandoned() if _place(one.where) == _place(where)}:
            self.settled(run)

    def busy(self) -> frozenset[str]:
        """Where runs deploy whose processes are alive."""
        where = {entry["run"]: entry["where"] for entry in self._entries() if entry["event"] == "began"}
        return frozenset(place for run, place in where.items() if self._is_alive(run))

    def is_dead(self, run: str) -> bool:
        """Whether a run of this journal is known to have ended; False for one that it does not know."""
        return any(entry["run"] == run for entry in self._entries()) and not self._is_alive(run)

    def _is_alive(self, run: str) -> bool:
        if not self._lock_path(run).exists():
            return False
        lock = self._lock(run)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False

    def _lock(self, run: str) -> FileLock:
        # one thread may begin what another one settles
        return FileLock(self._lock_path(run), thread_local=False)

    def _lock_path(self, run: str) -> Path:
        return self._path.absolute().with_name(f"{self._path.name}.{run}.lock")

    def _entries(self) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DeployError(f"cannot read the journal: {error.strerror}", path=str(self._path)) from error
        # what follows the last line feed is empty, or torn
        return [self._entry(line, number) for number, line in enumerate(lines[:-1], start=1)]

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
            if entry["event"] in {"intended", "made", "removed"}:
                str(entry["kind"]), str(entry["name"])
            elif entry["event"] == "began":
                str(entry["where"])
            str(entry["run"])
        except (ValueError, KeyError, TypeError) as error:
            raise DeployError(
                "a line of the journal cannot be read",
                path=str(self._path),
                line=number,
                hint="remove the line; check with `flash env get` whether anything is left of the run it belonged to",
            ) from error
        else:
            return dict(entry)

    def _append(self, entry: dict[str, str]) -> None:
        self._make_folder()
        with self._path.open("a+b") as file:
            self._drop_torn_line(file.fileno())
            file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _drop_torn_line(self, descriptor: int) -> None:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(descriptor, whole)


def _place(where: str) -> tuple[str, str]:
    url, _, environment = where.rpartition(" ")
    host = urlsplit(url).hostname or ""
    return ("" if host in _LOOPBACK else url), environment
