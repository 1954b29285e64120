"""The state's tables, and how they are opened.

SQLite in WAL mode, one process at a time: the lock is the operating system's and ends with the process, so a killed
platform leaves nothing to clean up. Readable by its owner only, because templates may hold a caller's key.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Database"]

_VERSION: Final = 2
_TABLES: Final = """
CREATE TABLE apps (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL
);
CREATE TABLE environments (
    id TEXT PRIMARY KEY, app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE, name TEXT NOT NULL,
    state TEXT NOT NULL, active_build_id TEXT, created_at TEXT NOT NULL, UNIQUE (app_id, name)
);
CREATE TABLE uploads (
    object_key TEXT PRIMARY KEY, app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE, ticket TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL, sha256 TEXT, expires_at REAL NOT NULL
);
CREATE TABLE builds (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    object_key TEXT NOT NULL REFERENCES uploads, manifest TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE templates (
    id TEXT PRIMARY KEY, body TEXT NOT NULL
);
CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, environment_id TEXT REFERENCES environments ON DELETE CASCADE,
    template_id TEXT NOT NULL REFERENCES templates, revision INTEGER NOT NULL
);
CREATE TABLE versions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints ON DELETE CASCADE, build_id TEXT, state TEXT NOT NULL,
    config TEXT NOT NULL, template TEXT NOT NULL, changed_at REAL NOT NULL
);
CREATE UNIQUE INDEX one_active_version ON versions (endpoint_id) WHERE state = 'ACTIVE';
CREATE INDEX versions_of_endpoint ON versions (endpoint_id);
CREATE INDEX endpoints_of_environment ON endpoints (environment_id);
"""
_VOLUMES: Final = """
CREATE TABLE volumes (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, size_gb INTEGER NOT NULL, data_center TEXT NOT NULL
);
"""
# by the version that a file has, what brings it to the present one
_STEPS: Final = {0: _TABLES + _VOLUMES, 1: _VOLUMES}


class Database:
    """An open state file, or one in memory.

    Raises:
        PreviewError: Another process has it open, or another version of Flash made it.
    """

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(_private(path), isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise PreviewError(
                f"cannot open the platform's state {str(path)!r}: {error}",
                hint="is another local platform running with the same folder?",
            ) from error

    def close(self) -> None:
        """Close the file; another process may open it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, or none of them."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:  # why: whatever ended the block, half of it must not stay
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def run(self, statement: str, *values: object) -> int:
        """Execute a statement; returns how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def one(self, query: str, *values: object) -> dict[str, Any] | None:
        """The first row, or None."""
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else dict(row)

    def all(self, query: str, *values: object) -> list[dict[str, Any]]:
        """All rows."""
        return [dict(row) for row in self._connection.execute(query, values)]

    def _prepare(self, path: Path | str) -> None:
        # takes the lock: with the exclusive mode it is kept until the connection is closed
        self._connection.execute("BEGIN IMMEDIATE")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute("COMMIT")
        if version in _STEPS:
            self._connection.executescript(f"BEGIN; {_STEPS[version]} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            self._connection.close()
            raise PreviewError(
                f"the platform's state {str(path)!r} has format {version}, this Flash knows {_VERSION}",
                hint="stop the local platform, and move that file away: what is deployed locally is then forgotten",
            )


def _private(path: Path | str) -> str:
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return str(path)
