"""What the operations of ``schema.graphql`` do, and how records look there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ariadne import MutationType, QueryType

from flash.emulator import views
from flash.emulator.traffic import Share
from flash.errors import FlashError, NotAuthorized, PlatformError
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

    from flash.emulator.access import Grant
    from flash.emulator.platform import Platform

    Info = GraphQLResolveInfo["Call"]

__all__ = ["MUTATIONS", "QUERIES", "Call"]

QUERIES: Final = QueryType()
MUTATIONS: Final = MutationType()


@dataclass(frozen=True, slots=True)
class Call:
    """What a resolver knows of its request.

    Attributes:
        grant: None where the operation needs no key.
        lease: What it shows of the lease of an environment; empty for nothing.
    """

    platform: Platform
    grant: Grant | None
    lease: str = ""

    def check_lease(self, environment_id: str | None, operation: str) -> None:
        """Refuse a change to an environment that somebody else deploys to."""
        state = self.platform.state
        name = "" if environment_id is None else state.environment_name(environment_id)
        self.platform.leases.check(environment_id, self.lease, name=name, operation=operation)

    def check_environment(self, environment_id: str | None) -> None:
        """Refuse a worker that asks about another environment than its own."""
        if self.grant is None or not self.grant.may_look_into(environment_id):
            raise NotAuthorized("this key does not open that environment", operation="flashEnvironment", status=403)


def _platform(info: Info) -> Platform:
    return info.context.platform


# -- queries ----------------------------------------------------------------------------------------------------------


@QUERIES.field("flashAppByName")
def _app_by_name(_: object, info: Info, *, flashAppName: str) -> views.View:  # noqa: N803  the wire's
    platform = _platform(info)
    app = platform.state.find_app(flashAppName)
    if app is None:
        # the peer takes an error with this text for "there is none", and crashes on null
        raise PlatformError("App not found", operation="flashAppByName")
    return views.app(platform, app)


@QUERIES.field("flashApp")
def _app(_: object, info: Info, *, flashAppId: str) -> views.View:  # noqa: N803  the wire's
    platform = _platform(info)
    return views.app(platform, platform.state.app(flashAppId))


@QUERIES.field("flashEnvironment")
def _environment(_: object, info: Info, *, flashEnvironmentId: str) -> views.View:  # noqa: N803  the wire's
    info.context.check_environment(flashEnvironmentId)
    platform = _platform(info)
    return views.environment(platform, platform.state.environment(flashEnvironmentId))


@QUERIES.field("flashEnvironmentByName")
def _environment_by_name(_: object, info: Info, *, input: dict[str, str]) -> views.View | None:  # noqa: A002  the wire's
    platform = _platform(info)
    environment = platform.state.find_environment(input["flashAppId"], input["name"])
    return None if environment is None else views.environment(platform, environment)


@QUERIES.field("flashBuild")
def _build(_: object, info: Info, *, flashBuildId: str) -> views.View:  # noqa: N803  the wire's
    platform, call = _platform(info), info.context
    build = platform.state.build(flashBuildId)
    if call.grant is not None and not call.grant.is_owner:
        environment_id = call.grant.environment_id or ""
        call.check_environment(environment_id)
        if platform.state.environment(environment_id).app_id != build.app_id:
            raise NotAuthorized("this key does not open that build", operation="flashBuild", status=403)
        return views.build(build, moved=(platform.base_url, platform.worker_url))

    async def problem(_info: object) -> str | None:
        try:
            await asyncio.to_thread(platform.artifacts.check, build.object_key, build.sha256)
        except PlatformError as error:
            return error.message
        return None

    return {**views.build(build), "flashProblem": problem}


@QUERIES.field("myself")
def _myself(_: object, info: Info) -> views.View:
    platform = _platform(info)
    return {
        "id": views.USER_ID,
        "flashApps": lambda _info: [views.app(platform, app) for app in platform.state.apps()],
        "endpoints": lambda _info: [views.endpoint(platform, each) for each in platform.state.versions.endpoints()],
        "endpoint": lambda _info, id: _endpoint(platform, id),  # noqa: A006  the wire's
        "networkVolumes": lambda _info: [views.volume(each) for each in platform.state.volumes()],
    }


def _endpoint(platform: Platform, endpoint_id: str) -> views.View | None:
    endpoint = platform.state.versions.find_endpoint(endpoint_id)
    return None if endpoint is None else views.endpoint(platform, endpoint)


@QUERIES.field("podTemplate")
def _template(_: object, info: Info, *, id: str) -> views.View | None:  # noqa: A002  the wire's
    template = _platform(info).state.versions.find_template(id)
    return None if template is None else views.template(template.id, template.body)


@QUERIES.field("gpuTypes")
def _gpu_types(_: object, _info: Info, *, input: dict[str, Any] | None = None) -> list[views.View]:  # noqa: A002  the wire's
    wanted = input or {}
    ids = wanted.get("ids") or ([wanted["id"]] if wanted.get("id") else [])
    # whatever one asks for is in stock here
    return [{"id": each, "lowestPrice": {"stockStatus": "HIGH"}} for each in ids]


@QUERIES.field("cpuFlavors")
def _cpu_flavors(_: object, _info: Info, *, input: dict[str, Any] | None = None) -> list[views.View]:  # noqa: A002  the wire's
    flavor = (input or {}).get("id")
    return [{"id": flavor, "specifics": {"stockStatus": "HIGH"}}] if flavor else []


@QUERIES.field("flashAuthRequestStatus")
def _auth_status(_: object, info: Info, *, flashAuthRequestId: str) -> views.View:  # noqa: N803  the wire's
    return _platform(info).logins.status(flashAuthRequestId)


# -- mutations --------------------------------------------------------------------------------------------------------


@MUTATIONS.field("createFlashAuthRequest")
def _create_auth_request(_: object, info: Info) -> views.View:
    return _platform(info).logins.create()


@MUTATIONS.field("createFlashApp")
def _create_app(_: object, info: Info, *, input: dict[str, str]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    return views.app(platform, platform.state.create_app(input["name"]))


@MUTATIONS.field("deleteFlashApp")
async def _delete_app(_: object, info: Info, *, flashAppId: str) -> bool:  # noqa: N803  the wire's
    platform = _platform(info)
    for environment in platform.state.environments(flashAppId):
        info.context.check_lease(environment.id, "deleteFlashApp")
    for environment in platform.state.environments(flashAppId):
        _forget_endpoints(platform, environment.id)
        platform.leases.forget(environment.id)
    platform.state.delete_app(flashAppId)
    await platform.fleet.dismiss()
    return True


@MUTATIONS.field("createFlashEnvironment")
def _create_environment(_: object, info: Info, *, input: dict[str, str]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    return views.environment(platform, platform.state.create_environment(input["flashAppId"], input["name"]))


@MUTATIONS.field("deleteFlashEnvironment")
async def _delete_environment(_: object, info: Info, *, flashEnvironmentId: str) -> bool:  # noqa: N803  the wire's
    platform = _platform(info)
    info.context.check_lease(flashEnvironmentId, "deleteFlashEnvironment")
    _forget_endpoints(platform, flashEnvironmentId)
    platform.state.delete_environment(flashEnvironmentId)
    platform.leases.forget(flashEnvironmentId)
    await platform.fleet.dismiss()
    return True


def _forget_endpoints(platform: Platform, environment_id: str) -> None:
    for endpoint in platform.state.versions.endpoints(environment_id):
        _drop(platform, endpoint.id)


def _drop(platform: Platform, endpoint_id: str) -> None:
    platform.queue.drop(endpoint_id)
    platform.rates.drop(endpoint_id)


@MUTATIONS.field("prepareFlashArtifactUpload")
def _prepare_upload(_: object, info: Info, *, input: dict[str, Any]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    upload = platform.state.create_upload(input["flashAppId"], input["tarballSize"])
    return views.upload(platform, upload)


@MUTATIONS.field("finalizeFlashArtifactUpload")
async def _finalize_upload(_: object, info: Info, *, input: dict[str, Any]) -> views.View:  # noqa: A002  the wire's
    platform, manifest = _platform(info), input["manifest"]
    upload = platform.state.upload(input["objectKey"])
    digest = Manifest.parse(manifest, where="the manifest").digest
    if digest is not None and upload.sha256 is not None and digest != upload.sha256:
        raise PlatformError(
            f"the manifest is of the artifact {digest}, what was uploaded is {upload.sha256}",
            operation="finalizeFlashArtifactUpload",
        )
    if upload.sha256 is not None:
        # checked also where it was unpacked long ago: a build says that its artifact is the one of that digest
        await asyncio.to_thread(platform.artifacts.admit, upload.object_key, upload.sha256)
    return views.build(platform.state.create_build(input["flashAppId"], upload.object_key, manifest))


@MUTATIONS.field("updateFlashBuildManifest")
def _update_manifest(_: object, info: Info, *, input: dict[str, Any]) -> views.View:  # noqa: A002  the wire's
    Manifest.parse(input["manifest"], where="the manifest")
    return views.build(_platform(info).state.update_manifest(input["flashBuildId"], input["manifest"]))


@MUTATIONS.field("deployBuildToEnvironment")
def _deploy(_: object, info: Info, *, input: dict[str, str]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    info.context.check_lease(input["flashEnvironmentId"], "deployBuildToEnvironment")
    environment = platform.state.activate(input["flashEnvironmentId"], input["flashBuildId"])
    platform.traffic.end(environment.id)
    platform.fleet.changed()
    return views.environment(platform, environment)


@MUTATIONS.field("retireFlashVersions")
def _retire(_: object, info: Info, *, flashEnvironmentId: str) -> int:  # noqa: N803  the wire's
    platform = _platform(info)
    info.context.check_lease(flashEnvironmentId, "retireFlashVersions")
    retired = platform.state.versions.retire(platform.state.environment(flashEnvironmentId).id)
    platform.fleet.changed()
    return retired


@MUTATIONS.field("setFlashTraffic")
def _set_traffic(_: object, info: Info, *, flashEnvironmentId: str, flashBuildId: str, percent: int) -> int:  # noqa: N803  the wire's
    platform = _platform(info)
    environment = platform.state.environment(flashEnvironmentId)
    info.context.check_lease(environment.id, "setFlashTraffic")
    held = platform.leases.of(environment.id)
    if held is None:
        raise PlatformError(
            f"a share of the traffic needs the lease of environment {environment.name!r}, and ends with it",
            operation="setFlashTraffic",
            hint="ask for it: acquireFlashLease",
        )
    if not 0 <= percent <= 100:
        raise PlatformError(f"percent is {percent}, it must lie between 0 and 100", operation="setFlashTraffic")
    if percent:
        platform.traffic.split(environment.id, Share(build_id=flashBuildId, percent=percent, lease_id=held.id))
    else:
        platform.traffic.end(environment.id)
    platform.fleet.changed()
    return platform.fleet.split_endpoints(environment.id)


@MUTATIONS.field("acquireFlashLease")
def _acquire_lease(_: object, info: Info, *, input: dict[str, Any]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    environment = platform.state.environment(input["flashEnvironmentId"])
    is_granted, held = platform.leases.acquire(environment.id, input["holder"], input["who"], input.get("takeOver"))
    return {
        "isGranted": is_granted,
        "lease": views.lease(platform, held, is_holder=is_granted),
        "environment": views.environment(platform, environment),
    }


@MUTATIONS.field("renewFlashLease")
def _renew_lease(_: object, info: Info, *, flashEnvironmentId: str, leaseId: str) -> bool:  # noqa: N803  the wire's
    return _platform(info).leases.renew(flashEnvironmentId, leaseId)


@MUTATIONS.field("releaseFlashLease")
def _release_lease(_: object, info: Info, *, flashEnvironmentId: str, leaseId: str) -> bool:  # noqa: N803  the wire's
    return _platform(info).leases.release(flashEnvironmentId, leaseId)


@MUTATIONS.field("saveEndpoint")
def _save_endpoint(_: object, info: Info, *, input: dict[str, Any]) -> views.View:  # noqa: A002  the wire's
    platform = _platform(info)
    for environment_id in platform.state.versions.environments_of(input):
        info.context.check_lease(environment_id, "saveEndpoint")
    endpoint, version = platform.state.versions.save(input)
    platform.fleet.changed()
    return views.endpoint(platform, endpoint, version)


@MUTATIONS.field("deleteEndpoint")
def _delete_endpoint(_: object, info: Info, *, id: str) -> bool:  # noqa: A002  the wire's
    platform = _platform(info)
    info.context.check_lease(platform.state.versions.endpoint(id).environment_id, "deleteEndpoint")
    platform.state.versions.delete_endpoint(id)
    _drop(platform, id)
    platform.fleet.changed()
    return True


@MUTATIONS.field("saveTemplate")
def _save_template(_: object, info: Info, *, input: dict[str, Any] | None = None) -> views.View:  # noqa: A002  the wire's
    if input is None:
        raise FlashError("saveTemplate needs an input")
    platform = _platform(info)
    for endpoint in platform.state.versions.users_of(input.get("id")):
        info.context.check_lease(endpoint.environment_id, "saveTemplate")
    template = platform.state.versions.save_template(input)
    platform.fleet.changed()
    return views.template(template.id, template.body)
