"""What the local platform remembers: apps, environments, uploads and builds. Endpoints are in ``versions``.

One transaction per mutation: a killed platform is on one side of each, never between.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from flash.emulator import limits
from flash.emulator.database import Database
from flash.emulator.record import AppRecord, BuildRecord, EnvironmentRecord, UploadRecord, VolumeRecord
from flash.emulator.versions import Versions
from flash.errors import NotFound, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["State", "timestamp"]

_BUILDS: Final = """
SELECT builds.id, builds.app_id, builds.object_key, uploads.sha256, builds.manifest AS text, builds.created_at
FROM builds JOIN uploads USING (object_key)
"""


class State:
    """The platform's memory, on disk or, with ``":memory:"``, for as long as it runs.

    Args:
        path: The file, or ``":memory:"``.
        clock: Seconds since 1970.
        new_id: Ids that match ``[a-z0-9]{14}``.

    Attributes:
        versions: The endpoints, their versions and templates.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._database = Database(path)
        self._clock = clock
        self._new_id = new_id
        self.versions = Versions(self._database, clock=clock, new_id=new_id)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -- apps ---------------------------------------------------------------------------------------------------------

    def create_app(self, name: str) -> AppRecord:
        """Make an app.

        Raises:
            PlatformError: The name is empty, or taken.
        """
        _check_name(name, "app")
        with self._database.transaction():
            if self.find_app(name) is not None:
                raise PlatformError(f"an app named {name!r} exists already", operation="createFlashApp")
            app_id = self._new_id()
            self._database.run("INSERT INTO apps VALUES (?, ?, ?)", app_id, name, self._now())
        return self.app(app_id)

    def apps(self) -> list[AppRecord]:
        """All apps, by name."""
        return [AppRecord(**row) for row in self._database.all("SELECT * FROM apps ORDER BY name")]

    def find_app(self, name: str) -> AppRecord | None:
        """The app of that name."""
        row = self._database.one("SELECT * FROM apps WHERE name = ?", name)
        return None if row is None else AppRecord(**row)

    def app(self, app_id: str) -> AppRecord:
        """The app with that id.

        Raises:
            NotFound: There is none.
        """
        row = self._database.one("SELECT * FROM apps WHERE id = ?", app_id)
        if row is None:
            raise NotFound("App not found", operation="flashApp")
        return AppRecord(**row)

    def delete_app(self, app_id: str) -> None:
        """Remove an app with all that belongs to it; nothing happens where there is none."""
        with self._database.transaction():
            for environment in self.environments(app_id):
                self.delete_environment(environment.id)
            self._database.run("DELETE FROM builds WHERE app_id = ?", app_id)
            self._database.run("DELETE FROM apps WHERE id = ?", app_id)

    # -- environments -------------------------------------------------------------------------------------------------

    def create_environment(self, app_id: str, name: str) -> EnvironmentRecord:
        """Make an environment.

        Raises:
            NotFound: There is no such app.
            PlatformError: The name is empty, or taken.
        """
        _check_name(name, "environment")
        with self._database.transaction():
            self.app(app_id)
            if self.find_environment(app_id, name) is not None:
                raise PlatformError(f"an environment named {name!r} exists already", operation="createFlashEnvironment")
            environment_id = self._new_id()
            self._database.run(
                "INSERT INTO environments VALUES (?, ?, ?, 'PENDING', NULL, ?)",
                environment_id,
                app_id,
                name,
                self._now(),
            )
        return self.environment(environment_id)

    def environments(self, app_id: str) -> list[EnvironmentRecord]:
        """An app's environments, by name."""
        rows = self._database.all("SELECT * FROM environments WHERE app_id = ? ORDER BY name", app_id)
        return [EnvironmentRecord(**row) for row in rows]

    def find_environment(self, app_id: str, name: str) -> EnvironmentRecord | None:
        """The environment of that name."""
        row = self._database.one("SELECT * FROM environments WHERE app_id = ? AND name = ?", app_id, name)
        return None if row is None else EnvironmentRecord(**row)

    def environment(self, environment_id: str) -> EnvironmentRecord:
        """The environment with that id.

        Raises:
            NotFound: There is none.
        """
        row = self._database.one("SELECT * FROM environments WHERE id = ?", environment_id)
        if row is None:
            raise NotFound("Environment not found", operation="flashEnvironment")
        return EnvironmentRecord(**row)

    def environment_name(self, environment_id: str) -> str:
        """The name of the environment with that id; empty where there is none."""
        row = self._database.one("SELECT name FROM environments WHERE id = ?", environment_id)
        return "" if row is None else str(row["name"])

    def delete_environment(self, environment_id: str) -> None:
        """Remove an environment with its endpoints; nothing happens where there is none."""
        with self._database.transaction():
            for endpoint in self.versions.endpoints(environment_id):
                self.versions.delete_endpoint(endpoint.id)
            self._database.run("DELETE FROM environments WHERE id = ?", environment_id)

    def activate(self, environment_id: str, build_id: str) -> EnvironmentRecord:
        """Make a build the environment's active one, and every version staged of it active, in one transaction.

        Raises:
            NotFound: There is no such environment or build.
            PlatformError: They belong to different apps.
        """
        with self._database.transaction():
            environment, build = self.environment(environment_id), self.build(build_id)
            if environment.app_id != build.app_id:
                raise PlatformError(
                    f"build {build_id!r} does not belong to the environment's app",
                    operation="deployBuildToEnvironment",
                )
            self._database.run(
                "UPDATE environments SET active_build_id = ?, state = 'DEPLOYED' WHERE id = ?",
                build_id,
                environment_id,
            )
            self.versions.activate(environment_id, build_id)
        return self.environment(environment_id)

    # -- uploads and builds -------------------------------------------------------------------------------------------

    def create_upload(self, app_id: str, size_bytes: int) -> UploadRecord:
        """Make a place for an artifact of exactly *size_bytes*.

        Raises:
            NotFound: There is no such app.
            PlatformError: The size is none, or over the platform's limit.
        """
        if not 0 < size_bytes <= limits.ARTIFACT_BYTES:
            raise PlatformError(
                f"tarballSize is {size_bytes}, it must lie between 1 and {limits.ARTIFACT_BYTES}",
                operation="prepareFlashArtifactUpload",
            )
        self.app(app_id)
        upload = UploadRecord(
            object_key=f"artifacts/{self._new_id()}.tar.gz",
            app_id=app_id,
            ticket=secrets.token_urlsafe(32),
            size_bytes=size_bytes,
            sha256=None,
            expires_at=self._clock() + limits.UPLOAD_URL_S,
        )
        self._database.run(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, NULL, ?)",
            upload.object_key,
            upload.app_id,
            upload.ticket,
            upload.size_bytes,
            upload.expires_at,
        )
        return upload

    def upload_for(self, ticket: str) -> UploadRecord:
        """The upload whose URL has that ticket, as long as it is valid.

        Raises:
            NotFound: There is none, or it has expired.
        """
        row = self._database.one("SELECT * FROM uploads WHERE ticket = ?", ticket)
        if row is None or row["expires_at"] <= self._clock():
            raise NotFound("upload not found, or its URL has expired", operation="upload", status=403)
        return UploadRecord(**row)

    def upload(self, object_key: str) -> UploadRecord:
        """The upload with that key.

        Raises:
            NotFound: There is none.
        """
        row = self._database.one("SELECT * FROM uploads WHERE object_key = ?", object_key)
        if row is None:
            raise NotFound("Upload not found", operation="finalizeFlashArtifactUpload")
        return UploadRecord(**row)

    def complete_upload(self, object_key: str, sha256: str) -> None:
        """All of it has arrived."""
        self._database.run("UPDATE uploads SET sha256 = ? WHERE object_key = ?", sha256, object_key)

    def references(self) -> tuple[set[str], set[str]]:
        """The uploads, and the digests of artifacts, that are still known."""
        rows = self._database.all("SELECT object_key, sha256 FROM uploads")
        return {row["object_key"] for row in rows}, {row["sha256"] for row in rows if row["sha256"]}

    def create_build(self, app_id: str, object_key: str, manifest: dict[str, Any]) -> BuildRecord:
        """Make a build of an upload; several may be made of one.

        Raises:
            NotFound: There is no such app or upload.
            PlatformError: The upload has not arrived, or is another app's.
        """
        with self._database.transaction():
            upload = self.upload(object_key)
            if upload.app_id != self.app(app_id).id:
                raise PlatformError("the upload belongs to another app", operation="finalizeFlashArtifactUpload")
            if upload.sha256 is None:
                raise PlatformError("the artifact has not arrived", operation="finalizeFlashArtifactUpload")
            build_id = self._new_id()
            self._database.run(
                "INSERT INTO builds (id, app_id, object_key, manifest, created_at) VALUES (?, ?, ?, ?, ?)",
                build_id,
                app_id,
                object_key,
                json.dumps(manifest),
                self._now(),
            )
        return self.build(build_id)

    def builds(self, app_id: str) -> list[BuildRecord]:
        """An app's builds, the newest first."""
        rows = self._database.all(f"{_BUILDS} WHERE builds.app_id = ? ORDER BY builds.number DESC", app_id)
        return [_build(row) for row in rows]

    def build(self, build_id: str) -> BuildRecord:
        """The build with that id.

        Raises:
            NotFound: There is none.
        """
        row = self._database.one(f"{_BUILDS} WHERE builds.id = ?", build_id)
        if row is None:
            raise NotFound("Build not found", operation="flashBuild")
        return _build(row)

    def update_manifest(self, build_id: str, manifest: dict[str, Any]) -> BuildRecord:
        """Replace a build's whole manifest.

        Raises:
            NotFound: There is no such build.
        """
        self._database.run("UPDATE builds SET manifest = ? WHERE id = ?", json.dumps(manifest), build_id)
        return self.build(build_id)

    # -- network volumes ----------------------------------------------------------------------------------------------

    def create_volume(self, name: str, size_gb: int, data_center: str) -> VolumeRecord:
        """Make a network volume. Names need not be unique, as on Runpod."""
        volume = VolumeRecord(id=self._new_id(), name=name, size_gb=size_gb, data_center=data_center)
        self._database.run("INSERT INTO volumes VALUES (?, ?, ?, ?)", volume.id, name, size_gb, data_center)
        return volume

    def volumes(self) -> list[VolumeRecord]:
        """All network volumes, by name."""
        return [VolumeRecord(**row) for row in self._database.all("SELECT * FROM volumes ORDER BY name, id")]

    def _now(self) -> str:
        return timestamp(self._clock())


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as ISO-8601 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _build(row: dict[str, Any]) -> BuildRecord:
    return BuildRecord(**row)


def _check_name(name: str, noun: str) -> None:
    if not name.strip() or len(name) > 255:
        raise PlatformError(f"{noun} name {name!r} must have between 1 and 255 characters", operation=noun)
