"""The control plane, typed: apps, environments, builds and endpoints of one platform.

Every method is one or two operations of ``flash/cloud/operations.py``. Queries are tried again when the platform is
passing through a bad moment. Mutations are not: where the answer is not known, the platform is looked at first.
"""

from __future__ import annotations

import functools
import random
import time
import weakref
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import httpx
from gql import Client, GraphQLRequest
from gql.client import SyncClientSession

from flash.cloud.answers import checked
from flash.cloud.changes import ANY, TAKEN, change, is_passing
from flash.cloud.operations import OPERATIONS
from flash.cloud.records import (
    AppRecord,
    BuildRecord,
    EndpointRecord,
    EndpointSettings,
    EnvironmentRecord,
    HealthRecord,
    LeaseGrant,
    LeaseRecord,
    LiveEnvironment,
    LoginRecord,
    Look,
    TemplateRecord,
    TrafficRecord,
    VersionRecord,
)
from flash.cloud.transport import KEY_HINT, GraphQLTransport, http_client
from flash.cloud.upload import check_artifact, put_artifact
from flash.cloud.workers import WorkerView
from flash.errors import ManifestError, NotAuthorized, NotFound, PlatformError, PlatformUnreachable
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from graphql import DocumentNode

    from flash.cloud.address import PlatformAddress

__all__ = ["PlatformClient"]

T = TypeVar("T")

_ATTEMPTS: Final = 4
_EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
"""What storages answer to a signed URL that is not valid any more."""
_COMPARED: Final = ("env", "imageName", "dockerArgs", "containerDiskInGb")
_LONGEST_PAUSE_S: Final = 15.0
_FIRST_DRAIN_S: Final = 1.0
_LONGEST_DRAIN_S: Final = 32.0


class PlatformClient(AbstractContextManager["PlatformClient"]):
    """A platform's control plane.

    Args:
        address: Where it is, and the key.
        transport: Answers instead of the network.
        sleep: Waits between attempts.
        jitter: A number from 0 to 1, to spread attempts.
        attempts: How often a query is sent at most.

    Attributes:
        workers: What is asked beside GraphQL.
    """

    def __init__(
        self,
        address: PlatformAddress,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        attempts: int = _ATTEMPTS,
    ) -> None:
        self.address = address
        self._sleep = sleep
        self._jitter = jitter
        self._attempts = attempts
        self._http = http_client(address.api_url, transport)
        self.workers = WorkerView(self._http, address)
        self._graphql = GraphQLTransport(self._http, address.graphql_url, address.api_key)
        self._session = SyncClientSession(Client(transport=self._graphql))
        self._lease_id = ""
        # a client that nobody closes must not be a ResourceWarning in the user's tests
        self._close = weakref.finalize(self, self._http.close)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._close()

    # -- who asks

    def check_key(self) -> None:
        """Ask the platform whether it accepts the key.

        Raises:
            NotAuthorized: There is none, or it does not.
            PlatformUnreachable: Nobody answers.
        """
        if not self.address.api_key:
            raise NotAuthorized("there is no API key", hint=KEY_HINT)
        if self._ask("getMyself").get("myself") is None:
            raise NotAuthorized("the platform knows nobody with this API key", operation="getMyself", hint=KEY_HINT)

    # -- apps and environments

    def apps(self) -> tuple[AppRecord, ...]:
        """All apps that the key can see."""
        return tuple(_app(app) for app in self._myself("getFlashApps")["flashApps"])

    def find_app(self, name: str) -> AppRecord | None:
        """The app of that name, or None."""
        try:
            app = self._ask("getFlashAppByName", flashAppName=name).get("flashAppByName")
        except NotFound:
            return None
        return None if app is None else _app(app)

    def create_app(self, name: str) -> AppRecord:
        """Make an app. Names are unique: one that is there already is the one that was meant."""

        def send() -> AppRecord:
            return _app(self._ask("createFlashApp", input={"name": name})["createFlashApp"])

        return self._change(send, lambda: self.find_app(name), refusals=TAKEN)

    def delete_app(self, app_id: str) -> None:
        """Delete an app; its environments go first. None is fine too."""
        try:
            self._ask("deleteFlashApp", flashAppId=app_id)
        except NotFound:
            return

    def look(self, app_name: str, environment_name: str) -> Look:
        """The app, and the environment with what is live in it, in two questions at most."""
        app = self.find_app(app_name)
        found = None if app is None else next((one for one in app.environments if one.name == environment_name), None)
        if app is None or found is None:
            return Look(app, None)
        problem, manifest = "", None
        if found.active_build_id is not None:
            try:
                manifest = self.build_manifest(found.active_build_id)
            except ManifestError as error:
                # whoever wrote it, what is live goes on serving, and can be deployed over
                problem = error.message
        live = LiveEnvironment(
            id=found.id,
            name=found.name,
            app_id=app.id,
            active_build_id=found.active_build_id,
            manifest=manifest,
            endpoints=found.endpoints,
            problem=problem,
            siblings=tuple(one for one in app.environments if one.id != found.id),
        )
        return Look(app, live)

    def environment(self, app_name: str, environment_name: str) -> LiveEnvironment | None:
        """The environment with what is live in it, or None where app or environment are not there."""
        return self.look(app_name, environment_name).live

    def create_environment(self, app_id: str, name: str, *, must_be_new: bool = False) -> EnvironmentRecord:
        """Make an environment, with nothing in it. Names are unique in an app.

        One that is there already is fine too, unless it *must_be_new*.
        """

        def send() -> EnvironmentRecord:
            reply = self._ask("createFlashEnvironment", input={"flashAppId": app_id, "name": name})
            made = reply["createFlashEnvironment"]
            return EnvironmentRecord(id=made["id"], name=made["name"], active_build_id=None)

        def look() -> EnvironmentRecord | None:
            try:
                reply = self._ask("getFlashEnvironmentByName", input={"flashAppId": app_id, "name": name})
            except NotFound:
                return None
            found = reply.get("flashEnvironmentByName")
            return None if found is None else _environment(found)

        return self._change(send, look, refusals=() if must_be_new else TAKEN)

    def delete_environment(self, environment_id: str) -> None:
        """Delete an environment; its endpoints go first, with ``delete_endpoint``. None is fine too."""

        def send() -> bool:
            self._ask("deleteFlashEnvironment", flashEnvironmentId=environment_id)
            return True

        with suppress(NotFound):
            self._change(send, lambda: self._environment(environment_id) is None or None)

    def _environment(self, environment_id: str) -> EnvironmentRecord | None:
        try:
            found = self._ask("getFlashEnvironment", flashEnvironmentId=environment_id).get("flashEnvironment")
        except NotFound:
            return None
        return None if found is None else _environment(found)

    # -- builds

    def upload(self, app_id: str, path: Path, report: Callable[[str], None]) -> str:
        """Upload an artifact; returns the object key under which builds can be made of it.

        Raises:
            DeployError: It is no artifact.
            ArtifactTooLarge: It is over what the platform takes.
        """
        size = check_artifact(path)
        try:
            return self._upload(app_id, path, size, report)
        except PlatformError as error:
            # the permission in the URL has ended, or never was: another one is free
            if error.status not in _EXPIRED or error.operation != "upload":
                raise
            report(f"{error.message}; asking for another upload URL")
        return self._upload(app_id, path, size, report)

    def _upload(self, app_id: str, path: Path, size_bytes: int, report: Callable[[str], None]) -> str:
        place = self._upload_place(app_id, size_bytes)
        put_artifact(path, place["uploadUrl"], client=self._http, report=report, sleep=self._sleep, jitter=self._jitter)
        return str(place["objectKey"])

    def _upload_place(self, app_id: str, size_bytes: int) -> dict[str, Any]:
        def send() -> dict[str, Any]:
            reply = self._ask("PrepareArtifactUpload", input={"flashAppId": app_id, "tarballSize": size_bytes})
            return cast("dict[str, Any]", reply["prepareFlashArtifactUpload"])

        # a place that nobody uploads to is nothing: there is nothing to look for
        return self._change(send, lambda: None)

    def finalize(self, app_id: str, object_key: str, manifest: Mapping[str, Any]) -> str:
        """Make a build of an upload and a manifest; returns the build's id."""
        given = {"flashAppId": app_id, "objectKey": object_key, "manifest": manifest}
        entry = manifest.get("deployment")

        def send() -> str:
            return str(self._ask("FinalizeArtifactUpload", input=given)["finalizeFlashArtifactUpload"]["id"])

        def look() -> str | None:
            # each run makes one build of each kind: its entry of the ledger says which one is ours
            ours = None if entry is None else (object_key, entry["run"], entry["action"])
            for build in () if ours is None else self.builds(app_id):
                found = None if build.manifest is None else build.manifest.deployment
                if found is not None and (build.object_key, found.run, found.action) == ours:
                    return build.id
            return None

        return self._change(send, look)

    def builds(self, app_id: str) -> tuple[BuildRecord, ...]:
        """All builds of an app, the newest first; a manifest that cannot be read is left out."""
        app = self._ask("getFlashBuilds", flashAppId=app_id).get("flashApp")
        return () if app is None else tuple(_build(build) for build in app["flashBuilds"] or ())

    def build(self, build_id: str) -> BuildRecord | None:
        """One build, or None where it is not there; a manifest that cannot be read is left out."""
        try:
            build = self._ask("getFlashBuild", input=build_id).get("flashBuild")
        except NotFound:
            return None
        return None if build is None else _build(build)

    def build_manifest(self, build_id: str) -> Manifest | None:
        """A build's manifest, or None where there is no such build, or it has none.

        Raises:
            ManifestError: It cannot be read.
        """
        try:
            build = self._ask("getFlashBuild", input=build_id).get("flashBuild")
        except NotFound:
            return None
        manifest = None if build is None else build.get("manifest")
        return None if manifest is None else Manifest.parse(manifest, where=f"the manifest of build {build_id}")

    def build_problem(self, build_id: str) -> str:
        """Why no further build can be made of the same artifact; empty where one can. Only on Flash's local platform.

        Raises:
            NotFound: There is no such build.
        """
        build = self._ask("getFlashBuildProblem", input=build_id).get("flashBuild")
        return "" if build is None else str(build.get("flashProblem") or "")

    def update_build_manifest(self, build_id: str, manifest: Mapping[str, Any]) -> None:
        """Replace a build's manifest, all of it."""

        def send() -> bool:
            self._ask("updateFlashBuildManifest", input={"flashBuildId": build_id, "manifest": manifest})
            return True

        def look() -> bool | None:
            found = self.build_manifest(build_id)
            return True if found is not None and found.as_json() == Manifest.parse(manifest).as_json() else None

        self._change(send, look)

    def activate(self, environment_id: str, build_id: str) -> None:
        """Make a build the active one; all versions staged of it go live together."""

        def send() -> bool:
            given = {"flashEnvironmentId": environment_id, "flashBuildId": build_id}
            self._ask("deployBuildToEnvironment", input=given)
            return True

        def look() -> bool | None:
            found = self._environment(environment_id)
            return True if found is not None and found.active_build_id == build_id else None

        self._change(send, look)

    # -- endpoints

    def save_endpoint(self, endpoint_input: Mapping[str, Any]) -> EndpointRecord:
        """Create an endpoint, or, with an ``id`` in its input, update it.

        Shape: ``EndpointInput`` of ``flash/schema.graphql``.
        """
        endpoint_id, environment_id = endpoint_input.get("id"), endpoint_input.get("flashEnvironmentId")

        def send() -> EndpointRecord:
            saved = self._ask("saveEndpoint", input=endpoint_input)["saveEndpoint"]
            return EndpointRecord(id=saved["id"], name=saved["name"], template_id=saved.get("templateId"))

        def look() -> EndpointRecord | None:
            # the same update once more changes nothing; a second endpoint would be one too many
            found = None if endpoint_id or not environment_id else self._environment(str(environment_id))
            made = None if found is None else found.endpoints.get(str(endpoint_input["name"]))
            settings = None if made is None else self.endpoint_settings(made)
            if settings is None:
                return None
            return EndpointRecord(settings.id, str(endpoint_input["name"]), settings.kept.get("templateId"))

        return self._change(send, look)

    def endpoint_settings(self, endpoint_id: str) -> EndpointSettings | None:
        """What an update of the endpoint has to repeat, or None where it is gone."""
        try:
            found = self._myself("getEndpointSettings", id=endpoint_id).get("endpoint")
        except NotFound:
            return None
        return None if found is None else _settings(found)

    def template(self, template_id: str) -> TemplateRecord | None:
        """A template, or None where there is none."""
        try:
            found = self._ask("getTemplate", id=template_id).get("podTemplate")
        except NotFound:
            return None
        return None if found is None else _template(found)

    def save_template(self, given: Mapping[str, Any]) -> None:
        """Replace a template; the workers of the endpoints that use it are replaced, one after the other.

        Shape: ``SaveTemplateInput`` of ``flash/schema.graphql``.
        """

        def send() -> bool:
            self._ask("saveTemplate", input=given)
            return True

        def look() -> bool | None:
            found = self.template(str(given["id"])) if given.get("id") else None
            return True if found is not None and all(found.given.get(key) == given[key] for key in _COMPARED) else None

        self._change(send, look)

    def has_endpoint(self, endpoint_id: str) -> bool:
        """Whether the endpoint is there."""
        try:
            return self._myself("getEndpoint", id=endpoint_id).get("endpoint") is not None
        except NotFound:
            return False

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint. One that is gone is fine too, also where the platform's answer got lost.

        On Runpod its workers go first, and it is deleted once they are gone.
        """
        if self.address.stages:
            self._delete_endpoint(endpoint_id)
            return
        found = self.endpoint_settings(endpoint_id)
        if found is None:
            return
        if found.has_workers:
            # source: Runpod docs, "Delete an endpoint", read 2026-08: both must be zero for it to work
            self.save_endpoint({**found.kept, "workersMin": 0, "workersMax": 0})
        pause_s = _FIRST_DRAIN_S
        while (refusal := self._refusal_to_delete(endpoint_id)) is not None:
            if pause_s > _LONGEST_DRAIN_S:
                raise PlatformError(
                    f"endpoint {endpoint_id!r} is not deleted, although it may have no workers: {refusal.message}",
                    operation=refusal.operation,
                    status=refusal.status,
                    hint="its workers may be stopping still: run the same command again in a few minutes",
                ) from refusal
            self._sleep(pause_s)
            pause_s *= 2

    def _refusal_to_delete(self, endpoint_id: str) -> PlatformError | None:
        try:
            self._delete_endpoint(endpoint_id)
        except (NotAuthorized, PlatformUnreachable):
            raise
        except PlatformError as error:
            return error
        return None

    def _delete_endpoint(self, endpoint_id: str) -> None:
        def send() -> bool:
            self._ask("deleteEndpoint", id=endpoint_id)
            return True

        self._change(send, lambda: None if self.has_endpoint(endpoint_id) else True, refusals=ANY)

    def health(self, endpoint_id: str) -> HealthRecord:
        """What a queue endpoint has to do, and who does it."""
        return self.workers.health(endpoint_id)

    # -- extensions of Flash's own platform

    def versions(self, endpoint_id: str) -> list[VersionRecord]:
        """The staged, active and replaced versions of an endpoint. Only on platforms that stage.

        Raises:
            NotFound: There is no such endpoint.
        """
        return [_version(version) for version in self._endpoint("getFlashVersions", endpoint_id)["flashVersions"]]

    def environment_versions(self, environment_id: str) -> dict[str, tuple[VersionRecord, ...]]:
        """The versions of all endpoints of an environment, by the endpoints' ids. Only on platforms that stage."""
        found = self._ask("getFlashEnvironmentVersions", flashEnvironmentId=environment_id).get("flashEnvironment")
        listed = [] if found is None else found["endpoints"]
        return {one["id"]: tuple(_version(version) for version in one["flashVersions"]) for one in listed}

    def retire(self, environment_id: str) -> int:
        """Drain and stop versions that were replaced or never activated; returns how many.

        Only on platforms that stage.
        """

        def send() -> int:
            return int(self._ask("retireFlashVersions", flashEnvironmentId=environment_id)["retireFlashVersions"])

        # what is retired once more is retired: there is nothing to look for
        return self._change(send, lambda: None)

    def set_traffic(self, environment_id: str, build_id: str, percent: int) -> int:
        """Give the versions staged of a build that many percent of the calls; returns how many endpoints are split.

        Only on platforms that can split, and only while this client holds the lease.
        """
        given = {"flashEnvironmentId": environment_id, "flashBuildId": build_id, "percent": percent}
        # what is set once more is set: there is nothing to look for
        return self._change(lambda: int(self._ask("setFlashTraffic", **given)["setFlashTraffic"]), lambda: None)

    def traffic(self, environment_id: str) -> dict[str, tuple[TrafficRecord, ...]]:
        """What the versions of all endpoints of an environment answer, by the endpoints' ids."""
        found = self._ask("getFlashTraffic", flashEnvironmentId=environment_id).get("flashEnvironment")
        listed = [] if found is None else found["endpoints"]
        return {one["id"]: tuple(_traffic(version) for version in one["flashVersions"]) for one in listed}

    def acquire_lease(self, environment_id: str, *, holder: str, who: str, take_over: str = "") -> LeaseGrant:
        """Ask for the lease of an environment; *take_over* names the holder whose lease may be taken.

        While this client holds one, its mutations show it. Asking again as the same holder renews it. Only on
        platforms with leases.
        """
        given = {"flashEnvironmentId": environment_id, "holder": holder, "who": who, "takeOver": take_over or None}

        def send() -> dict[str, Any]:
            return cast("dict[str, Any]", self._ask("acquireFlashLease", input=given)["acquireFlashLease"])

        # the same holder gets the same lease, however often it asks
        granted = self._change(send, lambda: None)
        lease = LeaseRecord(
            id=granted["lease"]["secret"] or "",
            holder=granted["lease"]["holder"],
            who=granted["lease"]["who"],
            since=granted["lease"]["since"],
            expires_in_s=float(granted["lease"]["expiresInS"]),
        )
        if granted["isGranted"]:
            self._lease_id = lease.id
            self._graphql.headers["Flash-Lease"] = lease.id
        return LeaseGrant(
            is_granted=granted["isGranted"],
            lease=lease,
            active_build_id=granted["environment"]["activeBuildId"] or None,
        )

    def renew_lease(self, environment_id: str) -> bool:
        """Hold it for another while; False where it is another's by now."""
        given = {"flashEnvironmentId": environment_id, "leaseId": self._lease_id}
        return bool(self._ask("renewFlashLease", **given)["renewFlashLease"])

    def release_lease(self, environment_id: str) -> None:
        """Give it back. One that has ended is fine too."""
        given = {"flashEnvironmentId": environment_id, "leaseId": self._lease_id}
        try:
            self._change(lambda: self._ask("releaseFlashLease", **given), lambda: None)
        finally:
            self._lease_id = ""
            self._graphql.headers.pop("Flash-Lease", None)

    def logs(self, endpoint_id: str, tail: int = 200) -> tuple[str, ...]:
        """The last lines that an endpoint's workers wrote. Only on Flash's local platform.

        Raises:
            NotFound: There is no such endpoint.
        """
        return tuple(self._endpoint("getFlashLogs", endpoint_id, tail=tail)["flashLogs"])

    # -- logging in, which needs no key

    def create_login(self) -> LoginRecord:
        """Ask for a key, which the user approves in the console."""
        return _login(self._ask("createFlashAuthRequest")["createFlashAuthRequest"])

    def login(self, login_id: str) -> LoginRecord:
        """Where such a request stands.

        Raises:
            NotFound: The platform knows no such request.
        """
        name = "flashAuthRequestStatus"
        found = self._ask("flashAuthRequestStatus", flashAuthRequestId=login_id).get(name)
        if found is None:
            raise NotFound(f"{name}: the platform knows nothing of this login", operation=name)
        return _login(found)

    # -- asking

    def _change(self, send: Callable[[], T], look: Callable[[], T | None], *, refusals: tuple[str, ...] = ()) -> T:
        return change(send, look, sleep=self._sleep, jitter=self._jitter, refusals=refusals)

    def _endpoint(self, name: str, endpoint_id: str, **variables: object) -> dict[str, Any]:
        endpoint = self._myself(name, id=endpoint_id, **variables).get("endpoint")
        if endpoint is None:
            raise NotFound(f"{name}: there is no endpoint {endpoint_id!r}", operation=name)
        return cast("dict[str, Any]", endpoint)

    def _myself(self, name: str, **variables: object) -> dict[str, Any]:
        myself = self._ask(name, **variables).get("myself")
        if myself is None:
            raise NotAuthorized("the platform knows nobody with this API key", operation=name, hint=KEY_HINT)
        return cast("dict[str, Any]", myself)

    def _ask(self, name: str, **variables: object) -> dict[str, Any]:
        request = GraphQLRequest(_document(name), variable_values=variables, operation_name=name)
        attempts = 1 if OPERATIONS[name].is_mutation else self._attempts
        attempt = 0
        while True:
            attempt += 1
            try:
                return checked(name, self._session.execute(request))
            except PlatformError as error:
                if attempt >= attempts or not is_passing(error):
                    raise
            self._sleep(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S) * (0.8 + 0.4 * self._jitter()))


@functools.cache
def _document(name: str) -> DocumentNode:
    return GraphQLRequest(OPERATIONS[name].text).document


def _environment(found: Mapping[str, Any]) -> EnvironmentRecord:
    return EnvironmentRecord(
        id=found["id"],
        name=found["name"],
        active_build_id=found.get("activeBuildId") or None,
        created_at=found.get("createdAt") or "",
        endpoints={endpoint["name"]: endpoint["id"] for endpoint in found.get("endpoints") or ()},
    )


def _build(found: Mapping[str, Any]) -> BuildRecord:
    manifest = None
    if found.get("manifest") is not None:
        with suppress(ManifestError):
            manifest = Manifest.parse(found["manifest"], where=f"the manifest of build {found['id']}")
    return BuildRecord(
        id=found["id"],
        object_key=found["objectKey"],
        created_at=found.get("createdAt") or "",
        manifest=manifest,
    )


def _version(version: Mapping[str, Any]) -> VersionRecord:
    return VersionRecord(
        build_id=version["buildId"],
        state=version["state"],
        is_healthy=version["isHealthy"],
        workers=version["workers"],
        failure=version["failure"],
        log_tail=tuple(version["logTail"]),
    )


def _traffic(version: Mapping[str, Any]) -> TrafficRecord:
    return TrafficRecord(
        build_id=version["buildId"],
        state=version["state"],
        share=version["share"],
        answered=version["answered"],
        failed=version["failed"],
    )


def _app(data: Mapping[str, Any]) -> AppRecord:
    return AppRecord(
        id=data["id"],
        name=data["name"],
        environments=tuple(_environment(one) for one in data.get("flashEnvironments") or ()),
        builds=len(data.get("flashBuilds") or ()),
    )


def _login(found: Mapping[str, Any]) -> LoginRecord:
    return LoginRecord(found["id"], str(found["status"]), found.get("expiresAt"), found.get("apiKey") or None)


def _settings(found: Mapping[str, Any]) -> EndpointSettings:
    kept = {key: value for key, value in found.items() if value is not None}
    if kept.pop("networkVolumeIds", None):
        several = found["networkVolumeIds"]
        kept["networkVolumeIds"] = [{k: v for k, v in one.items() if v is not None} for one in several]
        # the two exclude each other
        kept.pop("networkVolumeId", None)
    return EndpointSettings(
        id=found["id"],
        environment_id=found.get("flashEnvironmentId"),
        kept=kept,
        has_workers=found.get("workersMin") != 0 or found.get("workersMax") != 0,
    )


def _template(found: Mapping[str, Any]) -> TemplateRecord:
    given = {
        "id": found["id"],
        # the schema asks for these, and does not promise to give them
        "name": found.get("name") or "",
        "imageName": found.get("imageName") or "",
        "containerDiskInGb": found.get("containerDiskInGb") or 0,
        "dockerArgs": found.get("dockerArgs") or "",
        "env": [dict(entry) for entry in found.get("env") or ()],
        "volumeInGb": 0,
    }
    return TemplateRecord(found["id"], {**given, "readme": found["readme"]} if found.get("readme") else given)
