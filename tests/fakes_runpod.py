"""Runpod as its contract describes it, behind ``respx``: real base URLs, strict, and it remembers what it was asked.

Documents are executed against ``flash/schema.graphql`` without the local platform's extensions; whatever is not in the
contract fails the test. What is not known of the real service can be switched.
"""

# ruff: noqa: A006, N803  the wire's names

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import respx
from fakes_cloud import Clock
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    execute,
    parse,
    validate,
    visit,
)

import flash
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.deploy import journal, rollback
from flash.deploy.apply import Applied, apply, finish
from flash.deploy.candidate import CandidateRollout
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.release import Release
from flash.model.manifest import Artifact, Manifest

KEY = "rpa_RUNPODRUNPODRUNPODRUNPOD"
RUNPOD = PlatformAddress(
    "https://api.runpod.io",
    "https://api.runpod.ai/v2",
    None,
    KEY,
    rest_url="https://rest.runpod.io/v1",
    hapi_url="https://hapi.runpod.net",
)
STORAGE = "https://storage.example"
NOON = 1_795_435_200.0
"""When every environment was made."""
SCHEMA = build_schema((Path(flash.__file__).parent / "schema.graphql").read_text(encoding="utf-8"))
WITHOUT_KEY = {"createFlashAuthRequest", "flashAuthRequestStatus"}
_OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")


@dataclass
class Endpoint:
    id: str
    given: dict[str, Any]
    workers: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.given["name"])


class _Fields(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.extensions: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        field = self._types.get_field_def()
        if field is not None and "Extension of Flash" in (field.description or ""):
            self.extensions.add(node.name.value)


def extensions_in(text: str) -> set[str]:
    """The fields of a document that only Flash's own platform has: the schema marks them."""
    types = TypeInfo(SCHEMA)
    fields = _Fields(types)
    visit(parse(text), TypeInfoVisitor(types, fields))
    return fields.extensions


@cache
def document(text: str) -> DocumentNode:
    """A document that Runpod knows, and Flash's own platform too."""
    parsed = parse(text)
    assert validate(SCHEMA, parsed) == []
    assert extensions_in(text) == set(), text
    return parsed


def operation_of(text: str) -> str:
    """The name of its operation."""
    match = _OPERATION.search(text)
    assert match is not None
    assert document(text)
    return match[1]


class Runpod:
    """A platform in memory.

    Attributes:
        requests: All, in order.
        told: The same in words: the operation, or method and path.
        headers: Of each request.
        fails: By operation: what to answer instead, once; ``"OPERATION/lost"`` after it was carried out.
        log: What workers wrote, by worker.
        unhealthy: Names of endpoints whose workers fail.
        on: Called before an operation is carried out.
        is_cut_off: Whether nothing reaches it any more.
    """

    def __init__(self) -> None:
        self.apps: dict[str, str] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.builds: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.volumes: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.logins: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[httpx.Request] = []
        self.told: list[str] = []
        self.fails: dict[str, Any] = {}
        self.log: dict[str, list[str]] = {}
        self.unhealthy: set[str] = set()
        self.on: dict[str, Callable[[], None]] = {}
        self.is_cut_off = False
        # what is not verified
        self.upserts = False
        self.refuses_to_delete_with_workers = True
        self.stops_workers_after = 0
        self.tells_metrics = True
        self.tells_health = True
        self.takes_templates = True
        self.rolls = True
        self.has_unique_environments = True
        self.shows_templates = True
        self._count = 0

    # -- what tests look at

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The variables of every such operation; ``input`` alone where that is all."""
        found = []
        for told, request in zip(self.told, self.requests, strict=True):
            if told == operation:
                variables = json.loads(request.content)["variables"]
                found.append(variables["input"] if set(variables) == {"input"} else variables)
        return found

    def live(self, environment: str) -> dict[str, Endpoint]:
        """Endpoints by name."""
        ids = {one["id"] for one in self.environments.values() if one["name"] == environment}
        return {
            endpoint.name: endpoint
            for endpoint in self.endpoints.values()
            if endpoint.given["flashEnvironmentId"] in ids
        }

    def variables(self, environment: str, name: str) -> dict[str, str]:
        """The environment variables of an endpoint's workers."""
        template = self.templates[self.live(environment)[name].given["templateId"]]
        return {entry["key"]: entry["value"] for entry in template["env"]}

    @property
    def mutations(self) -> list[str]:
        """What changed something, in order."""
        heads = [json.loads(one.content)["query"] if "graphql" in one.url.path else "" for one in self.requests]
        return [
            told
            for told, head, request in zip(self.told, heads, self.requests, strict=True)
            if head.lstrip().startswith("mutation") or (not head and request.method != "GET")
        ]

    # -- answering

    @contextmanager
    def answering(self) -> Iterator[Runpod]:
        """Within the block, HTTP goes here, and nowhere else."""
        with respx.mock(assert_all_called=False, assert_all_mocked=True) as router:
            router.post("https://api.runpod.io/graphql").mock(side_effect=self._graphql)
            router.put(url__startswith=f"{STORAGE}/").mock(side_effect=self._upload)
            router.route(host="rest.runpod.io", path="/v1/networkvolumes").mock(side_effect=self._volumes)
            router.get(url__regex=r"https://api\.runpod\.ai/v2/\w+/(health|metrics)").mock(side_effect=self._workers)
            router.get(url__regex=r"https://\w+\.api\.runpod\.ai/ping").mock(side_effect=self._ping)
            router.get(url__regex=r"https://hapi\.runpod\.net/v1/pod/\w+/logs").mock(side_effect=self._logs)
            yield self

    def _note(self, told: str, request: httpx.Request) -> httpx.Response | None:
        self.told.append(told)
        self.requests.append(request)
        if told in self.on:
            self.on[told]()
        if self.is_cut_off:
            raise httpx.ConnectError("cut off")
        return self._failure(told)

    def _failure(self, told: str) -> httpx.Response | None:
        failure = self.fails.pop(told, None)
        if isinstance(failure, list):
            first, *rest = failure
            if rest:
                self.fails[told] = rest
            failure = first
        if isinstance(failure, BaseException):
            raise failure
        if isinstance(failure, httpx.Response):
            return failure
        if isinstance(failure, str):
            return httpx.Response(200, json={"errors": [{"message": failure}], "data": None})
        return None if failure is None else httpx.Response(200, json=failure)

    def _graphql(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert set(body) == {"query", "variables"}
        operation = operation_of(body["query"])
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"].startswith("pytest-flash/")
        if operation in WITHOUT_KEY:
            assert "authorization" not in request.headers
        elif request.headers.get("authorization") != f"Bearer {KEY}":
            self.told.append(operation)
            self.requests.append(request)
            return httpx.Response(401, json={"errors": [{"message": "Unauthorized"}]})
        failure = self._note(operation, request)
        if failure is not None:
            return failure
        result = execute(SCHEMA, document(body["query"]), root_value=self._root(), variable_values=body["variables"])
        assert isinstance(result, ExecutionResult)
        lost = self._failure(f"{operation}/lost")
        if lost is not None:
            return lost
        reply: dict[str, Any] = {"data": result.data}
        if result.errors:
            unexpected = [one for one in result.errors if not isinstance(one.original_error, GraphQLError)]
            assert not unexpected, unexpected
            reply["errors"] = [{"message": one.message} for one in result.errors]
        return httpx.Response(200, json=reply)

    def _upload(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        assert request.headers["content-type"] == "application/gzip"
        assert "transfer-encoding" not in request.headers
        content = request.read()
        assert request.headers["content-length"] == str(len(content))
        failure = self._note("PUT upload", request)
        if failure is None:
            self.uploads[request.url.path.lstrip("/")] = content
        return failure or httpx.Response(200)

    def _volumes(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        failure = self._note(f"{request.method} networkvolumes", request)
        if failure is not None:
            return failure
        if request.method == "GET":
            return httpx.Response(200, json=self.volumes)
        made = {"id": self._new("volume"), **json.loads(request.content)}
        assert set(made) == {"id", "name", "size", "dataCenterId"}
        self.volumes.append(made)
        return httpx.Response(200, json=made)

    def _workers(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        _, _, endpoint_id, what = request.url.path.split("/")
        failure = self._note(f"GET {what}", request)
        if failure is not None:
            return failure
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is None or not (self.tells_metrics if what == "metrics" else self.tells_health):
            return httpx.Response(404, json={"error": "not found"})
        workers = dict.fromkeys(("idle", "initializing", "ready", "running", "throttled", "unhealthy"), 0)
        if endpoint.name in self.unhealthy:
            workers["unhealthy"] = len(endpoint.workers)
        else:
            workers["ready"] = workers["idle"] = len(endpoint.workers)
        if what == "metrics":
            return httpx.Response(200, json={"readyWorkers": endpoint.workers, "workers": workers})
        jobs = dict.fromkeys(("completed", "failed", "inProgress", "inQueue", "retried"), 0)
        return httpx.Response(200, json={"jobs": jobs, "workers": workers})

    def _ping(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        failure = self._note("GET ping", request)
        endpoint = self.endpoints[request.url.host.partition(".")[0]]
        if failure is not None:
            return failure
        if endpoint.name in self.unhealthy or not (endpoint.workers or endpoint.given["workersMax"]):
            return httpx.Response(400, json={"error": "no workers available"})
        if not endpoint.workers:
            endpoint.workers = [self._new("worker")]
        return httpx.Response(200, json={"status": "healthy"})

    def _logs(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        worker = request.url.path.split("/")[3]
        failure = self._note("GET logs", request)
        if failure is not None:
            return failure
        return httpx.Response(200, json={"container": self.log.get(worker, []), "system": []})

    # -- the control plane

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _root(self) -> dict[str, Any]:
        return {
            "flashAppByName": lambda _info, flashAppName: self._app_by_name(flashAppName),
            "flashApp": lambda _info, flashAppId: self._app(flashAppId),
            "flashEnvironment": lambda _info, flashEnvironmentId: self._environment_by_id(flashEnvironmentId),
            "flashEnvironmentByName": lambda _info, input: self._environment_by_name(**input),
            "flashBuild": lambda _info, flashBuildId: self.builds.get(flashBuildId),
            "myself": {
                "id": "user",
                "flashApps": lambda _info: [self._app(one) for one in self.apps.values()],
                "endpoint": lambda _info, id: self._endpoint(id) if id in self.endpoints else None,
            },
            "podTemplate": lambda _info, id: self.templates.get(id) if self.shows_templates else None,
            "createFlashApp": lambda _info, input: self._create_app(input["name"]),
            "deleteFlashApp": lambda _info, flashAppId: self._delete_app(flashAppId),
            "createFlashEnvironment": lambda _info, input: self._create_environment(**input),
            "deleteFlashEnvironment": lambda _info, flashEnvironmentId: self._delete_environment(flashEnvironmentId),
            "prepareFlashArtifactUpload": lambda _info, input: self._prepare(),
            "finalizeFlashArtifactUpload": lambda _info, input: self._finalize(**input),
            "updateFlashBuildManifest": lambda _info, input: self._update_manifest(**input),
            "deployBuildToEnvironment": lambda _info, input: self._deploy(**input),
            "saveEndpoint": lambda _info, input: self._save_endpoint(dict(input)),
            "deleteEndpoint": lambda _info, id: self._delete_endpoint(id),
            "saveTemplate": lambda _info, input: self._save_template(dict(input)),
            "createFlashAuthRequest": lambda _info: self._create_login(),
            "flashAuthRequestStatus": lambda _info, flashAuthRequestId: self._login(flashAuthRequestId),
        }

    def _app_by_name(self, name: str) -> dict[str, Any]:
        if name not in self.apps:
            raise GraphQLError("App not found")
        return self._app(self.apps[name])

    def _app(self, app_id: str) -> dict[str, Any]:
        name = next(name for name, one in self.apps.items() if one == app_id)
        builds = [one for one in self.builds.values() if one["app"] == app_id]
        environments = [self._environment(one["id"]) for one in self.environments.values() if one["app"] == app_id]
        return {"id": app_id, "name": name, "flashEnvironments": environments, "flashBuilds": builds[::-1]}

    def _environment(self, environment_id: str) -> dict[str, Any]:
        found = self.environments[environment_id]
        endpoints = [one for one in self.endpoints.values() if one.given["flashEnvironmentId"] == environment_id]
        return {
            "id": environment_id,
            "name": found["name"],
            "state": "DEPLOYED" if found["active"] else "PENDING",
            "activeBuildId": found["active"],
            "createdAt": found["created"],
            "endpoints": [self._endpoint(one.id) for one in endpoints],
        }

    def _environment_by_id(self, environment_id: str) -> dict[str, Any]:
        if environment_id not in self.environments:
            raise GraphQLError("Environment not found")
        return self._environment(environment_id)

    def _environment_by_name(self, flashAppId: str, name: str) -> dict[str, Any] | None:
        for one in self.environments.values():
            if (one["app"], one["name"]) == (flashAppId, name):
                return self._environment(one["id"])
        return None

    def _create_app(self, name: str) -> dict[str, Any]:
        if name in self.apps:
            raise GraphQLError(f"an app named {name!r} already exists")
        self.apps[name] = self._new("app")
        return self._app(self.apps[name])

    def _delete_app(self, app_id: str) -> None:
        assert not [one for one in self.environments.values() if one["app"] == app_id]
        self.apps = {name: one for name, one in self.apps.items() if one != app_id}

    def _create_environment(self, flashAppId: str, name: str) -> dict[str, Any]:
        if self.has_unique_environments and self._environment_by_name(flashAppId, name):
            raise GraphQLError(f"an environment named {name!r} already exists")
        environment_id = self._new("env")
        self.environments[environment_id] = {
            "id": environment_id,
            "app": flashAppId,
            "name": name,
            "active": None,
            "created": "2026-11-23T12:00:00Z",
        }
        return self._environment(environment_id)

    def _delete_environment(self, environment_id: str) -> None:
        assert not [one for one in self.endpoints.values() if one.given["flashEnvironmentId"] == environment_id]
        self.environments.pop(environment_id, None)

    def _prepare(self) -> dict[str, Any]:
        key = self._new("object")
        return {"uploadUrl": f"{STORAGE}/{key}?signature=SIGNED", "objectKey": key, "expiresAt": "2026-11-23T13:00:00Z"}

    def _finalize(self, flashAppId: str, objectKey: str, manifest: dict[str, Any]) -> dict[str, Any]:
        build_id = self._new("build")
        self.builds[build_id] = {
            "id": build_id,
            "app": flashAppId,
            "objectKey": objectKey,
            "createdAt": "2026-11-23T12:00:00Z",
            "manifest": manifest,
        }
        return self.builds[build_id]

    def _update_manifest(self, flashBuildId: str, manifest: dict[str, Any]) -> dict[str, Any]:
        self.builds[flashBuildId]["manifest"] = manifest
        return self.builds[flashBuildId]

    def _deploy(self, flashEnvironmentId: str, flashBuildId: str) -> dict[str, Any]:
        self.environments[flashEnvironmentId]["active"] = flashBuildId
        return self._environment(flashEnvironmentId)

    def _endpoint(self, endpoint_id: str) -> dict[str, Any]:
        endpoint = self.endpoints[endpoint_id]
        return {"version": 1, **endpoint.given, "id": endpoint_id, "aiKey": "rpa_ENDPOINTENDPOINTENDPOINT"}

    def _save_endpoint(self, given: dict[str, Any]) -> dict[str, Any]:
        assert "flashBuildId" not in given
        endpoint_id = given.pop("id", None)
        if endpoint_id is None and self.upserts:
            known = [one for one in self.endpoints.values() if one.name == given["name"]]
            if known:
                endpoint_id = known[0].id
                given = {**given, "templateId": known[0].given["templateId"]}
                given.pop("template")
        template = given.pop("template", None)
        if endpoint_id is None:
            assert template is not None
            assert "templateId" not in given
            template_id = self._new("template")
            injected = [{"key": key, "value": "80"} for key in ("PORT", "PORT_HEALTH") if given["type"] == "LB"]
            self.templates[template_id] = {**template, "id": template_id, "env": [*template["env"], *injected]}
            endpoint_id = self._new("endpoint")
            self.endpoints[endpoint_id] = Endpoint(endpoint_id, {**given, "templateId": template_id})
        else:
            assert template is None, "a template goes with a new endpoint only"
            assert given["templateId"] in self.templates
            self.endpoints[endpoint_id].given.update(given)
        self._scale(self.endpoints[endpoint_id])
        return self._endpoint(endpoint_id)

    def _scale(self, endpoint: Endpoint) -> None:
        low, high = endpoint.given["workersMin"], endpoint.given["workersMax"]
        if self.stops_workers_after and len(endpoint.workers) > high:
            return
        endpoint.workers = endpoint.workers[:high]
        while len(endpoint.workers) < low:
            endpoint.workers.append(self._new("worker"))

    def _delete_endpoint(self, endpoint_id: str) -> None:
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is None:
            raise GraphQLError("Endpoint not found")
        if self.stops_workers_after:
            self.stops_workers_after -= 1
            if not self.stops_workers_after:
                endpoint.workers = []
        if self.refuses_to_delete_with_workers and (endpoint.workers or endpoint.given["workersMax"]):
            raise GraphQLError("scale the endpoint to zero workers first")
        del self.endpoints[endpoint_id]

    def _save_template(self, given: dict[str, Any]) -> dict[str, Any]:
        assert set(given) <= {
            "id",
            "name",
            "imageName",
            "containerDiskInGb",
            "dockerArgs",
            "env",
            "volumeInGb",
            "readme",
        }
        assert {"env", "volumeInGb"} <= set(given)
        template = self.templates[given["id"]]
        if self.takes_templates:
            template.update(given)
            for endpoint in self.endpoints.values():
                if endpoint.given["templateId"] == given["id"] and self.rolls:
                    endpoint.workers = [self._new("worker") for _ in endpoint.workers]
        return template

    def _create_login(self) -> dict[str, Any]:
        login_id = self._new("login")
        first = {"id": login_id, "status": "PENDING", "expiresAt": "2026-11-23T12:10:00Z", "apiKey": None}
        self.logins.setdefault(login_id, [])
        return first

    def _login(self, login_id: str) -> dict[str, Any]:
        answers = self.logins[login_id]
        pending = {"id": login_id, "status": "PENDING", "expiresAt": "2026-11-23T12:10:00Z", "apiKey": None}
        return {**pending, **(answers.pop(0) if answers else {})}


@dataclass
class Desk:
    """Somebody who deploys to the fake."""

    runpod: Runpod
    folder: Path
    clock: Clock = field(default_factory=Clock)
    now: float = NOON
    lines: list[str] = field(default_factory=list)
    deadline_s: float = 60.0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.client = PlatformClient(RUNPOD, sleep=self.clock.sleep, jitter=lambda: 0.5)
        self.journal = Journal(self.folder / "journal.jsonl")

    def artifact(self, what: Manifest, digest: str) -> Artifact:
        path = self.folder / f"{digest[:8]}.tar.gz"
        path.write_bytes(gzip.compress(digest.encode(), mtime=0))
        return Artifact(path=path, sha256=digest, size_bytes=path.stat().st_size, manifest=what, files=())

    def apply(self, what: Manifest, digest: str, *, environment: str = "production") -> Applied:
        rollout = CandidateRollout(now=lambda: self.now)
        live = self.client.environment("demo", environment)
        return apply(
            plan(what, live, digest=digest, app="demo", environment=environment),
            Release.of(self.artifact(what, digest)),
            control=self.client,
            rollout=rollout,
            app="demo",
            environment=environment,
            journal=self.journal,
            report=self.lines.append,
            clock=self.clock,
            sleep=self.clock.sleep,
            now=lambda: "2026-11-23T12:00:00Z",
            deadline_s=self.deadline_s,
        )

    def deploy(self, what: Manifest, digest: str, *, environment: str = "production") -> Applied:
        applied = self.apply(what, digest, environment=environment)
        finish(applied)
        return applied

    def remove(self, environment: str = "production") -> None:
        live = self.client.environment("demo", environment)
        assert live is not None
        rollback.remove(
            live,
            app="demo",
            control=self.client,
            rollout=CandidateRollout(now=lambda: self.now),
            journal=self.journal,
            report=self.lines.append,
        )


def end_runs() -> None:
    """The processes of all runs are gone."""
    for lock in list(journal._held.values()):
        lock.release()
    journal._held.clear()
