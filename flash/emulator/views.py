"""Records as the schema's types show them. What costs something is computed only where it is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flash.emulator import limits
from flash.emulator.state import timestamp

if TYPE_CHECKING:
    from flash.emulator.leases import Held
    from flash.emulator.platform import Platform
    from flash.emulator.record import (
        AppRecord,
        BuildRecord,
        EndpointRecord,
        EnvironmentRecord,
        UploadRecord,
        VersionRecord,
        VolumeRecord,
    )

__all__ = ["USER_ID", "View", "app", "build", "endpoint", "environment", "lease", "template", "upload", "volume"]

# values may be functions of the resolve info: the executor calls them where the field is selected
View = dict[str, Any]

USER_ID: Final = "local"


def app(platform: Platform, record: AppRecord) -> View:
    """An ``App``."""
    state = platform.state
    return {
        "id": record.id,
        "name": record.name,
        "flashEnvironments": lambda _info: [environment(platform, each) for each in state.environments(record.id)],
        "flashBuilds": lambda _info: [build(each) for each in state.builds(record.id)],
    }


def environment(platform: Platform, record: EnvironmentRecord) -> View:
    """An ``Environment``."""
    versions = platform.state.versions

    def volumes(_info: object) -> list[View]:
        shown = [versions.shown(each.id) for each in versions.endpoints(record.id)]
        ids = {volume for version in shown if version is not None for volume in _volume_ids(version.config)}
        known = {each.id: volume(each) for each in platform.state.volumes()}
        return [known.get(each, {"id": each, "name": each}) for each in sorted(ids)]

    def artifact(_info: object) -> View | None:
        if record.active_build_id is None:
            return None
        active = platform.state.build(record.active_build_id)
        return {
            "objectKey": active.object_key,
            "downloadUrl": f"{platform.base_url}/{active.object_key}",
            "expiresAt": timestamp(platform.clock() + limits.UPLOAD_URL_S),
        }

    return {
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "flashAppId": record.app_id,
        "activeBuildId": record.active_build_id,
        "createdAt": record.created_at,
        "endpoints": lambda _info: [endpoint(platform, each) for each in versions.endpoints(record.id)],
        "networkVolumes": volumes,
        "activeArtifact": artifact,
        "flashLease": lambda _info: None if (held := platform.leases.of(record.id)) is None else lease(platform, held),
    }


def lease(platform: Platform, held: Held, *, is_holder: bool = False) -> View:
    """A ``FlashLease``; its secret is its holder's."""
    return {
        "secret": held.id if is_holder else None,
        "holder": held.holder,
        "who": held.who,
        "since": timestamp(held.since),
        "expiresInS": max(0.0, held.until - platform.clock()),
    }


def volume(record: VolumeRecord) -> View:
    """A ``NetworkVolume``."""
    return {"id": record.id, "name": record.name, "size": record.size_gb, "dataCenterId": record.data_center}


def build(record: BuildRecord, *, moved: tuple[str, str] | None = None) -> View:
    """A ``Build``; *moved* are the platform's address as its deployer wrote it down, and as who asks reaches it."""

    def manifest(_info: object) -> dict[str, Any]:
        found = record.manifest
        urls = found.get("resources_endpoints")
        if moved is None or not isinstance(urls, dict):
            return found
        here, there = moved
        reached = {name: there + url.removeprefix(here) for name, url in urls.items() if url.startswith(f"{here}/")}
        return {**found, "resources_endpoints": {**urls, **reached}}

    return {
        "id": record.id,
        "objectKey": record.object_key,
        "createdAt": record.created_at,
        "manifest": manifest,
    }


def upload(platform: Platform, record: UploadRecord) -> View:
    """An ``ArtifactUpload``: its URL is its own key."""
    return {
        "uploadUrl": f"{platform.base_url}/upload/{record.ticket}",
        "objectKey": record.object_key,
        "expiresAt": timestamp(record.expires_at),
    }


def template(template_id: str, body: dict[str, Any]) -> View:
    """A ``PodTemplate``."""
    return {"env": [], **body, "id": template_id}


def endpoint(platform: Platform, record: EndpointRecord, version: VersionRecord | None = None) -> View:
    """An ``Endpoint`` with the configuration of *version*, or of the one that serves."""
    versions, fleet = platform.state.versions, platform.fleet
    shown = version or versions.shown(record.id)
    config = {} if shown is None else shown.config
    active = versions.active(record.id)

    def flash_versions(_info: object) -> list[View]:
        return [
            {
                "buildId": each.build_id,
                "state": each.state.value,
                "isHealthy": view.is_healthy,
                "workers": view.workers,
                "failure": view.failure,
                "logTail": view.log_tail,
                "share": fleet.share_of(each),
                "answered": answers.answered,
                "failed": answers.failed,
            }
            for each in versions.of(record.id)
            for view, answers in [(fleet.view(each), platform.traffic.answers(each.id))]
        ]

    return {
        "type": "QB",
        **config,
        "id": record.id,
        "name": record.name,
        "userId": USER_ID,
        "version": record.revision,
        "flashEnvironmentId": record.environment_id,
        "activeBuildid": None if active is None else active.build_id,
        "templateId": record.template_id,
        "template": lambda _info: template(record.template_id, {} if shown is None else shown.template),
        "flashVersions": flash_versions,
        "flashLogs": lambda _info, tail=200: [] if shown is None else fleet.log_lines(shown, tail),
    }


def _volume_ids(config: dict[str, Any]) -> list[str]:
    several = [str(each["networkVolumeId"]) for each in config.get("networkVolumeIds") or []]
    single = config.get("networkVolumeId")
    return several or ([str(single)] if single else [])
