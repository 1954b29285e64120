"""Endpoints and their versions: staged beside the live one, active, or replaced and kept until they are retired.

An endpoint's id outlives its versions. A version whose row is gone is nobody's: its workers drain and stop.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flash.emulator.provision import resource_of
from flash.emulator.record import EndpointRecord, TemplateRecord, VersionRecord
from flash.emulator.scaler import VersionState
from flash.errors import NotFound, PlatformError
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.emulator.database import Database

__all__ = ["Versions"]

_DEFAULTS: Final[dict[str, Any]] = {
    "type": "QB",
    "scalerType": "QUEUE_DELAY",
    "scalerValue": 4,
    "workersMin": 0,
    "workersMax": 1,
    "workersPFBTarget": 0,
    "workersStandby": 0,
    "idleTimeout": 60,
    "executionTimeoutMs": 0,
}
_CHOICES: Final = {"type": ("QB", "LB"), "scalerType": ("QUEUE_DELAY", "REQUEST_COUNT")}
# what a running worker has been started with; everything else applies to it as it runs
# (Runpod docs, Flash, "Update endpoints", 2026-08: worker counts, scaler and time-outs are rolling)
_FIXED_AT_START: Final = ("type", "gpuIds", "gpuCount", "instanceIds", "networkVolumeId", "networkVolumeIds",
                          "minCudaVersion", "allowedCudaVersions", "flashBootType")  # fmt: skip
_TEMPLATE_AT_START: Final = ("imageName", "dockerArgs", "containerDiskInGb")
_SELECT: Final = "SELECT id, endpoint_id, build_id, state, config, template, changed_at FROM versions"
_IN_ORDER: Final = "ORDER BY CASE state WHEN 'STAGED' THEN 0 WHEN 'ACTIVE' THEN 1 ELSE 2 END, number DESC"


class Versions:
    """The part of the state that is about endpoints."""

    def __init__(self, database: Database, *, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    # -- reading ------------------------------------------------------------------------------------------------------

    def endpoints(self, environment_id: str | None = None) -> list[EndpointRecord]:
        """All endpoints, or an environment's, by name."""
        if environment_id is None:
            rows = self._database.all("SELECT * FROM endpoints ORDER BY name, id")
        else:
            rows = self._database.all(
                "SELECT * FROM endpoints WHERE environment_id = ? ORDER BY name, id", environment_id
            )
        return [EndpointRecord(**row) for row in rows]

    def find_endpoint(self, endpoint_id: str) -> EndpointRecord | None:
        """The endpoint with that id."""
        row = self._database.one("SELECT * FROM endpoints WHERE id = ?", endpoint_id)
        return None if row is None else EndpointRecord(**row)

    def endpoint(self, endpoint_id: str) -> EndpointRecord:
        """The endpoint with that id.

        Raises:
            NotFound: There is none.
        """
        endpoint = self.find_endpoint(endpoint_id)
        if endpoint is None:
            raise NotFound("Endpoint not found", operation="endpoint", status=404)
        return endpoint

    def all(self) -> list[VersionRecord]:
        """Every version of every endpoint."""
        return [_version(row) for row in self._database.all(f"{_SELECT} ORDER BY number")]

    def of(self, endpoint_id: str) -> list[VersionRecord]:
        """An endpoint's versions: staged, active, replaced; the newest first."""
        rows = self._database.all(f"{_SELECT} WHERE endpoint_id = ? {_IN_ORDER}", endpoint_id)
        return [_version(row) for row in rows]

    def active(self, endpoint_id: str) -> VersionRecord | None:
        """The version that serves."""
        row = self._database.one(f"{_SELECT} WHERE endpoint_id = ? AND state = 'ACTIVE'", endpoint_id)
        return None if row is None else _version(row)

    def shown(self, endpoint_id: str) -> VersionRecord | None:
        """The version whose configuration stands for the endpoint: the one that serves, or else the newest."""
        return self.active(endpoint_id) or next(iter(self.of(endpoint_id)), None)

    def find_template(self, template_id: str) -> TemplateRecord | None:
        """The template with that id."""
        row = self._database.one("SELECT * FROM templates WHERE id = ?", template_id)
        return None if row is None else TemplateRecord(id=row["id"], body=json.loads(row["body"]))

    def environments_of(self, given: dict[str, Any]) -> set[str]:
        """The environments that saving an endpoint would change: where it is, and where it goes."""
        found = None if given.get("id") is None else self.find_endpoint(given["id"])
        named = {given.get("flashEnvironmentId"), None if found is None else found.environment_id}
        return {environment_id for environment_id in named if environment_id is not None}

    def users_of(self, template_id: str | None) -> list[EndpointRecord]:
        """The endpoints that run with a template."""
        rows = self._database.all("SELECT * FROM endpoints WHERE template_id = ?", template_id)
        return [EndpointRecord(**row) for row in rows]

    # -- writing ------------------------------------------------------------------------------------------------------

    def save(self, given: dict[str, Any]) -> tuple[EndpointRecord, VersionRecord]:
        """Create or update an endpoint from the wire's ``EndpointInput``.

        Without an id, an endpoint of that name in that environment is updated: Runpod's own behaviour is not known, and
        names must be unique for endpoints to find each other.

        Raises:
            NotFound: An id, environment, build or template that is not there.
            PlatformError: A value that cannot be.
        """
        config = {key: value for key, value in given.items() if value is not None}
        endpoint_id, template = config.pop("id", None), config.pop("template", None)
        template_id, build_id = config.pop("templateId", None), config.pop("flashBuildId", None)
        environment_id, name = config.pop("flashEnvironmentId", None), config.pop("name", None)
        with self._database.transaction():
            endpoint = self._endpoint_to_save(endpoint_id, environment_id, name)
            if template is None and template_id is not None and template_id != endpoint.template_id:
                template = self._template(template_id).body
            if build_id is not None:
                version = self._stage(endpoint, build_id, config, template)
            else:
                version = self._apply(endpoint, config, template)
        return self.endpoint(endpoint.id), version

    def save_template(self, body: dict[str, Any]) -> TemplateRecord:
        """Create or replace a template; endpoints that use it run with it at once.

        Raises:
            NotFound: An id that is not there.
        """
        body = {key: value for key, value in body.items() if value is not None}
        template_id = body.pop("id", None)
        with self._database.transaction():
            if template_id is None:
                return TemplateRecord(id=self._insert_template(body), body=body)
            merged = {**self._template(template_id).body, **body}
            self._database.run("UPDATE templates SET body = ? WHERE id = ?", json.dumps(merged), template_id)
            for row in self._database.all("SELECT * FROM endpoints WHERE template_id = ?", template_id):
                if self.active(row["id"]) is not None:
                    self._apply(EndpointRecord(**row), {}, merged)
        return TemplateRecord(id=template_id, body=merged)

    def activate(self, environment_id: str, build_id: str) -> None:
        """Every version staged of that build becomes active; what it replaces becomes previous."""
        staged = self._database.all(
            f"{_SELECT} WHERE state = 'STAGED' AND build_id = ? AND endpoint_id IN"  # noqa: S608  constants
            " (SELECT id FROM endpoints WHERE environment_id = ?)",
            build_id,
            environment_id,
        )
        with self._database.transaction():
            for version in map(_version, staged):
                self._database.run(
                    "UPDATE versions SET state = 'PREVIOUS' WHERE endpoint_id = ? AND state = 'ACTIVE'",
                    version.endpoint_id,
                )
                self._set_state(version, VersionState.ACTIVE)
                self._database.run(
                    "UPDATE templates SET body = ? WHERE id = (SELECT template_id FROM endpoints WHERE id = ?)",
                    json.dumps(version.template),
                    version.endpoint_id,
                )
                self._bump(version.endpoint_id)

    def retire(self, environment_id: str) -> int:
        """Remove every version that does not serve; returns how many."""
        return self._database.run(
            "DELETE FROM versions WHERE state != 'ACTIVE' AND endpoint_id IN"
            " (SELECT id FROM endpoints WHERE environment_id = ?)",
            environment_id,
        )

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint with its versions and template.

        Raises:
            NotFound: There is none.
        """
        with self._database.transaction():
            endpoint = self.endpoint(endpoint_id)
            self._database.run("DELETE FROM endpoints WHERE id = ?", endpoint_id)
            self._database.run(
                "DELETE FROM templates WHERE id = ? AND id NOT IN (SELECT template_id FROM endpoints)",
                endpoint.template_id,
            )

    # -- how ----------------------------------------------------------------------------------------------------------

    def _endpoint_to_save(
        self, endpoint_id: str | None, environment_id: str | None, name: str | None
    ) -> EndpointRecord:
        if environment_id is not None and not self._exists("environments", environment_id):
            raise NotFound("Environment not found", operation="saveEndpoint")
        if endpoint_id is not None:
            found: EndpointRecord | None = self.endpoint(endpoint_id)
        elif not name:
            raise PlatformError("a new endpoint needs a name", operation="saveEndpoint")
        elif environment_id is not None:
            found = next((known for known in self.endpoints(environment_id) if known.name == name), None)
        else:
            found = None
        if found is None:
            new = EndpointRecord(
                id=self._new_id(),
                name=str(name),
                environment_id=environment_id,
                template_id=self._insert_template({"env": []}),
                revision=0,
            )
            self._database.run(
                "INSERT INTO endpoints VALUES (?, ?, ?, ?, ?)",
                new.id,
                new.name,
                new.environment_id,
                new.template_id,
                new.revision,
            )
            return new
        self._database.run(
            "UPDATE endpoints SET name = ?, environment_id = ? WHERE id = ?",
            name or found.name,
            environment_id or found.environment_id,
            found.id,
        )
        return self.endpoint(found.id)

    def _stage(
        self, endpoint: EndpointRecord, build_id: str, given: dict[str, Any], template: dict[str, Any] | None
    ) -> VersionRecord:
        if not self._exists("builds", build_id):
            raise NotFound("Build not found", operation="saveEndpoint")
        shown = self.shown(endpoint.id)
        kind = {} if shown is None else {"type": shown.config["type"]}
        config = _checked({**_DEFAULTS, **kind, **given})
        versions = self.of(endpoint.id)
        same_build = [version for version in versions if version.build_id == build_id]
        for version in same_build:
            if _runs_as(version, config, template):
                if version.state is VersionState.PREVIOUS:
                    self._set_state(version, VersionState.STAGED)
                return self._version(version.id)
        for version in versions:
            # what is put back is a build of its own, and its workers would run what these run
            if (
                version.state is VersionState.PREVIOUS
                and _runs_as(version, config, template)
                and self._is_same_code(endpoint, version, build_id)
            ):
                self._database.run("UPDATE versions SET build_id = ? WHERE id = ?", build_id, version.id)
                self._set_state(version, VersionState.STAGED)
                return self._version(version.id)
        for version in same_build:
            if version.state is VersionState.STAGED:
                self._database.run("DELETE FROM versions WHERE id = ?", version.id)
        if template is None:
            template = shown.template if shown is not None else self._template(endpoint.template_id).body
        return self._insert(endpoint.id, build_id, VersionState.STAGED, config, template)

    def _apply(self, endpoint: EndpointRecord, given: dict[str, Any], template: dict[str, Any] | None) -> VersionRecord:
        active, shown = self.active(endpoint.id), self.shown(endpoint.id)
        config = _checked({**_DEFAULTS, **(shown.config if shown is not None else {}), **given})
        if template is None:
            template = self._template(endpoint.template_id).body if active is None else active.template
        self._database.run("UPDATE templates SET body = ? WHERE id = ?", json.dumps(template), endpoint.template_id)
        row = self._database.one("SELECT active_build_id FROM environments WHERE id = ?", endpoint.environment_id)
        build_id = None if row is None else row["active_build_id"]
        if (
            active is not None
            and active.build_id == build_id
            and all(active.config.get(key) == config.get(key) for key in _FIXED_AT_START)
            and _same_template(active.template, template)
        ):
            self._database.run(
                "UPDATE versions SET config = ?, template = ? WHERE id = ?",
                json.dumps(config),
                json.dumps(template),
                active.id,
            )
            return self._version(active.id)
        if active is not None:
            self._database.run("DELETE FROM versions WHERE id = ?", active.id)
        self._bump(endpoint.id)
        return self._insert(endpoint.id, build_id, VersionState.ACTIVE, config, template)

    def _insert(
        self,
        endpoint_id: str,
        build_id: str | None,
        state: VersionState,
        config: dict[str, Any],
        template: dict[str, Any],
    ) -> VersionRecord:
        version_id = self._new_id()
        self._database.run(
            "INSERT INTO versions (id, endpoint_id, build_id, state, config, template, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            version_id,
            endpoint_id,
            build_id,
            state.value,
            json.dumps(config),
            json.dumps(template),
            self._clock(),
        )
        return self._version(version_id)

    def _insert_template(self, body: dict[str, Any]) -> str:
        template_id = self._new_id()
        self._database.run("INSERT INTO templates VALUES (?, ?)", template_id, json.dumps(body))
        return template_id

    def _template(self, template_id: str) -> TemplateRecord:
        template = self.find_template(template_id)
        if template is None:
            raise NotFound("Template not found", operation="podTemplate")
        return template

    def _version(self, version_id: str) -> VersionRecord:
        row = self._database.one(f"{_SELECT} WHERE id = ?", version_id)
        if row is None:
            raise NotFound("Version not found", operation="saveEndpoint")
        return _version(row)

    def _set_state(self, version: VersionRecord, state: VersionState) -> None:
        self._database.run(
            "UPDATE versions SET state = ?, changed_at = ? WHERE id = ?", state.value, self._clock(), version.id
        )

    def _bump(self, endpoint_id: str) -> None:
        self._database.run("UPDATE endpoints SET revision = revision + 1 WHERE id = ?", endpoint_id)

    def _is_same_code(self, endpoint: EndpointRecord, version: VersionRecord, build_id: str) -> bool:
        """Whether two builds are the same bytes, and say the same of that endpoint."""
        if version.build_id is None:
            return False
        try:
            return self._code(endpoint, version, version.build_id) == self._code(endpoint, version, build_id)
        except NotFound:
            return False

    def _code(self, endpoint: EndpointRecord, version: VersionRecord, build_id: str) -> tuple[object, ...]:
        """What a worker of that endpoint would be started from."""
        row = self._database.one(
            "SELECT uploads.sha256, builds.manifest FROM builds JOIN uploads USING (object_key) WHERE builds.id = ?",
            build_id,
        )
        if row is None:
            raise NotFound("Build not found", operation="saveEndpoint")
        manifest = Manifest.parse(json.loads(row["manifest"]))
        return row["sha256"], manifest.python_version, *resource_of(manifest, endpoint, version)

    def _exists(self, table: str, row_id: str) -> bool:
        return self._database.one(f"SELECT 1 FROM {table} WHERE id = ?", row_id) is not None  # noqa: S608  constants


def _version(row: dict[str, Any]) -> VersionRecord:
    return VersionRecord(
        **{
            **row,
            "state": VersionState(row["state"]),
            "config": json.loads(row["config"]),
            "template": json.loads(row["template"]),
        }
    )


def _runs_as(version: VersionRecord, config: dict[str, Any], template: dict[str, Any] | None) -> bool:
    return version.config == config and (template is None or _same_template(version.template, template))


def _same_template(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def at_start(body: dict[str, Any]) -> tuple[object, ...]:
        env = sorted((str(entry["key"]), str(entry["value"])) for entry in body.get("env") or [])
        return (env, *(body.get(key) or None for key in _TEMPLATE_AT_START))

    return at_start(one) == at_start(other)


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    for key, allowed in _CHOICES.items():
        if config[key] not in allowed:
            raise PlatformError(
                f"{key} is {config[key]!r}, it must be {' or '.join(allowed)}", operation="saveEndpoint"
            )
    for key in ("workersMin", "workersMax", "executionTimeoutMs"):
        if config[key] < 0:
            raise PlatformError(f"{key} is {config[key]}, it must not be negative", operation="saveEndpoint")
    if config["workersMin"] > config["workersMax"]:
        raise PlatformError(
            f"workersMin is {config['workersMin']}, more than workersMax, {config['workersMax']}",
            operation="saveEndpoint",
        )
    if not 1 <= config["idleTimeout"] <= 3600:
        raise PlatformError(
            f"idleTimeout is {config['idleTimeout']}, it must lie between 1 and 3600 s", operation="saveEndpoint"
        )
    return config
