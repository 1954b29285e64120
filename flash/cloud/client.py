"""The control plane, typed: apps, environments, builds and endpoints of one platform.

Every method is one or two operations of ``flash/cloud/operations.py``. Queries are tried again when the platform is
passing through a bad moment, mutations never: nobody knows whether the first one arrived.
"""

from __future__ import annotations

import functools
import random
import time
import weakref
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
from gql import Client, GraphQLRequest
from gql.client import SyncClientSession

from flash.cloud.answers import checked
from flash.cloud.control import (
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
    TemplateRecord,
    VersionRecord,
    VersionState,
)
from flash.cloud.operations import OPERATIONS
from flash.cloud.transport import KEY_HINT, GraphQLTransport, http_options
from flash.cloud.upload import check_artifact, put_artifact
from flash.cloud.workers import WorkerView
from flash.errors import NotAuthorized, NotFound, PlatformError, PlatformUnreachable
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from graphql import DocumentNode

    from flash.cloud.address import PlatformAddress

__all__ = [
    "AppRecord",
    "EndpointRecord",
    "EndpointSettings",
    "EnvironmentRecord",
    "LiveEnvironment",
    "PlatformClient",
    "TemplateRecord",
    "VersionRecord",
    "VersionState",
]

_ATTEMPTS: Final = 4
_LONGEST_PAUSE_S: Final = 15.0
_FIRST_DRAIN_S: Final = 1.0
_LONGEST_DRAIN_S: Final = 32.0
_PASSING: Final = (
    "try again later",
    "internal server error",
    "service unavailable",
    "too many requests",
    "temporarily unavailable",
)
"""Source: what the platform's own client tries again, read 2026-08."""


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
        self._http = httpx.Client(transport=transport, **http_options(address.api_url))
        self.workers = WorkerView(self._http, address)
        graphql = GraphQLTransport(self._http, address.graphql_url, address.api_key)
        self._session = SyncClientSession(Client(transport=graphql))
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
        """Make an app. Look first: names are unique, and the platform refuses a second."""
        return _app(self._ask("createFlashApp", input={"name": name})["createFlashApp"])

    def delete_app(self, app_id: str) -> None:
        """Delete an app; its environments go first. None is fine too."""
        try:
            self._ask("deleteFlashApp", flashAppId=app_id)
        except NotFound:
            return

    def environment(self, app_name: str, environment_name: str) -> LiveEnvironment | None:
        """The environment with what is live in it, or None where app or environment are not there.

        Raises:
            ManifestError: The manifest of its active build cannot be read.
        """
        app = self.find_app(app_name)
        if app is None:
            return None
        try:
            reply = self._ask("getFlashEnvironmentByName", input={"flashAppId": app.id, "name": environment_name})
        except NotFound:
            return None
        found = reply.get("flashEnvironmentByName")
        if found is None:
            return None
        build_id = found.get("activeBuildId") or None
        return LiveEnvironment(
            id=found["id"],
            name=found["name"],
            app_id=app.id,
            active_build_id=build_id,
            manifest=None if build_id is None else self.build_manifest(build_id),
            endpoints={endpoint["name"]: endpoint["id"] for endpoint in found["endpoints"] or ()},
        )

    def create_environment(self, app_id: str, name: str) -> EnvironmentRecord:
        """Make an environment, with nothing in it."""
        reply = self._ask("createFlashEnvironment", input={"flashAppId": app_id, "name": name})
        made = reply["createFlashEnvironment"]
        return EnvironmentRecord(id=made["id"], name=made["name"], active_build_id=None)

    def delete_environment(self, environment_id: str) -> None:
        """Delete an environment; its endpoints go first, with ``delete_endpoint``. None is fine too."""
        try:
            self._ask("deleteFlashEnvironment", flashEnvironmentId=environment_id)
        except NotFound:
            return

    # -- builds

    def upload(self, app_id: str, path: Path, report: Callable[[str], None]) -> str:
        """Upload an artifact; returns the object key under which builds can be made of it.

        Raises:
            DeployError: It is no artifact.
            ArtifactTooLarge: It is over what the platform takes.
        """
        size = check_artifact(path)
        reply = self._ask("PrepareArtifactUpload", input={"flashAppId": app_id, "tarballSize": size})
        place = reply["prepareFlashArtifactUpload"]
        put_artifact(path, place["uploadUrl"], client=self._http, report=report, sleep=self._sleep, jitter=self._jitter)
        return str(place["objectKey"])

    def finalize(self, app_id: str, object_key: str, manifest: Mapping[str, Any]) -> str:
        """Make a build of an upload and a manifest; returns the build's id."""
        given = {"flashAppId": app_id, "objectKey": object_key, "manifest": manifest}
        return str(self._ask("FinalizeArtifactUpload", input=given)["finalizeFlashArtifactUpload"]["id"])

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

    def update_build_manifest(self, build_id: str, manifest: Mapping[str, Any]) -> None:
        """Replace a build's manifest, all of it."""
        self._ask("updateFlashBuildManifest", input={"flashBuildId": build_id, "manifest": manifest})

    def activate(self, environment_id: str, build_id: str) -> None:
        """Make a build the active one; all versions staged of it go live together."""
        self._ask("deployBuildToEnvironment", input={"flashEnvironmentId": environment_id, "flashBuildId": build_id})

    # -- endpoints

    def save_endpoint(self, endpoint_input: Mapping[str, Any]) -> EndpointRecord:
        """Create an endpoint, or, with an ``id`` in its input, update it.

        Shape: ``EndpointInput`` of ``flash/schema.graphql``.
        """
        saved = self._ask("saveEndpoint", input=endpoint_input)["saveEndpoint"]
        return EndpointRecord(id=saved["id"], name=saved["name"], template_id=saved.get("templateId"))

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
        self._ask("saveTemplate", input=given)

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
        try:
            self._ask("deleteEndpoint", id=endpoint_id)
        except NotAuthorized:
            raise
        except PlatformError:
            if self.has_endpoint(endpoint_id):
                raise

    def versions(self, endpoint_id: str) -> list[VersionRecord]:
        """The staged, active and replaced versions of an endpoint. Only on platforms that stage.

        Raises:
            NotFound: There is no such endpoint.
        """
        return [
            VersionRecord(
                build_id=version["buildId"],
                state=version["state"],
                is_healthy=version["isHealthy"],
                workers=version["workers"],
                failure=version["failure"],
                log_tail=tuple(version["logTail"]),
            )
            for version in self._endpoint("getFlashVersions", endpoint_id)["flashVersions"]
        ]

    def retire(self, environment_id: str) -> int:
        """Drain and stop versions that were replaced or never activated; returns how many.

        Only on platforms that stage.
        """
        return int(self._ask("retireFlashVersions", flashEnvironmentId=environment_id)["retireFlashVersions"])

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
                if attempt >= attempts or not _is_passing(error):
                    raise
            self._sleep(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S) * (0.8 + 0.4 * self._jitter()))


@functools.cache
def _document(name: str) -> DocumentNode:
    return GraphQLRequest(OPERATIONS[name].text).document


def _is_passing(error: PlatformError) -> bool:
    if isinstance(error, PlatformUnreachable) or (error.status is not None and 500 <= error.status <= 599):
        return True
    return any(words in error.message.lower() for words in _PASSING)


def _app(data: Mapping[str, Any]) -> AppRecord:
    return AppRecord(
        id=data["id"],
        name=data["name"],
        environments=tuple(
            EnvironmentRecord(
                id=one["id"],
                name=one["name"],
                active_build_id=one.get("activeBuildId") or None,
                created_at=one.get("createdAt") or "",
            )
            for one in data.get("flashEnvironments") or ()
        ),
        builds=len(data.get("flashBuilds") or ()),
    )


def _login(found: Mapping[str, Any]) -> LoginRecord:
    return LoginRecord(found["id"], str(found["status"]), found.get("expiresAt"), found.get("apiKey") or None)


def _settings(found: Mapping[str, Any]) -> EndpointSettings:
    repeated = ("id", "name", "templateId", "gpuIds", "instanceIds")
    return EndpointSettings(
        id=found["id"],
        environment_id=found.get("flashEnvironmentId"),
        kept={key: found[key] for key in repeated if found.get(key)},
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
