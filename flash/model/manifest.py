"""``flash_manifest.json``: the only reader and the only writer of it.

Wire spelling (``imageName``, ``workersMax``) is the fields' aliases; Python spelling is used everywhere else.
Manifests of ``runpod-flash`` of both generations are read too: keys that they lack have defaults, keys that we do not
know are kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from flash.errors import ManifestError
from flash.model.calls import CallEdge
from flash.model.wire import Wire, indented

__all__ = [
    "MANIFEST_NAME",
    "SETS_FOLDER",
    "Action",
    "Artifact",
    "CallSchema",
    "DeploymentEntry",
    "EntryState",
    "FunctionEntry",
    "GateWord",
    "Manifest",
    "Resource",
]

MANIFEST_NAME: Final = "flash_manifest.json"

SETS_FOLDER: Final = "_flash/sets/"
"""Where an artifact has sets of distributions of endpoints' own, each in a folder named for its content."""

Action = Literal["deploy", "promote", "rollback", "candidate"]
EntryState = Literal["staged", "activated", "verified", "rolled-back"]
GateWord = Literal["passed", "receipt", "ungated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSchema(Wire):
    """What a function or method accepts and returns.

    Attributes:
        input: JSON Schema 2020-12 of the job's ``input`` object, or of a route's arguments by name.
        output: JSON Schema of the result; None where there is no annotation.
        untyped: Parameters without a type that can be generated, ``return`` for a missing return type.
        example: The smallest valid input, or None where none could be made.
        parameter: The one parameter whose value the whole input is; None where the input has a key for each.
        error: Why there is no schema, where there is none.
    """

    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    untyped: list[str] = field(default_factory=list)
    example: Any = None
    parameter: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEntry(Wire):
    """A function, class or route of a resource."""

    name: str
    module: str
    is_async: bool = False
    is_class: bool = False
    is_generator: bool = False
    class_methods: list[str] = field(default_factory=list)
    http_method: str | None = None
    http_path: str | None = None
    contract: dict[str, CallSchema] = field(default_factory=dict)
    """By method name for a class; ``{"": schema}`` for a function or route. Empty until the artifact is described."""
    calls: list[CallEdge] = field(default_factory=list)
    """What it calls of other endpoints, as its source and that of what it uses say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Wire):
    """One endpoint configuration."""

    spelling: ClassVar[dict[str, str]] = {
        "image_name": "imageName",
        "gpu_ids": "gpuIds",
        "gpu_count": "gpuCount",
        "instance_ids": "instanceIds",
        "workers_min": "workersMin",
        "workers_max": "workersMax",
        "idle_timeout_s": "idleTimeout",
        "execution_timeout_ms": "executionTimeoutMs",
        "scaler_type": "scalerType",
        "scaler_value": "scalerValue",
        "min_cuda_version": "minCudaVersion",
        "network_volumes": "networkVolumes",
    }

    resource_type: str = "Endpoint"
    is_load_balanced: bool = False
    functions: list[FunctionEntry] = field(default_factory=list)
    image_name: str = ""
    gpu_ids: str | None = None
    gpu_count: int = 1
    instance_ids: list[str] | None = None
    workers_min: int = 0
    workers_max: int = 1
    idle_timeout_s: int = 60
    execution_timeout_ms: int = 0
    scaler_type: str = "QUEUE_DELAY"
    scaler_value: int = 4
    flashboot: bool = True
    locations: str | None = None
    min_cuda_version: str | None = None
    max_concurrency: int = 1
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] | None = None
    """By variable, the name of the secret that it gets at deployment: a reference, never the value. None for none."""
    network_volumes: list[dict[str, Any]] = field(default_factory=list)
    template: dict[str, Any] | None = None
    handler_file: str | None = None
    makes_remote_calls: bool = True
    calls_by_id: bool = False
    """Whether it calls endpoints by their ids, also those of other environments."""
    client_mode: bool = False
    target_python_version: str | None = None
    provided: list[str] = field(default_factory=list)
    """Distributions that the endpoint declares or imports, and that its image ships: left out of the artifact."""
    packages: str | None = None
    """The folder of the artifact with distributions of its own, which come before those at the top; None for none."""
    fingerprint: str = ""
    """sha256 over what its workers may run or read; empty where that is not known."""

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        """A volume as ``runpod-flash`` writes one; source: its manifests, 1.21.0, read 2026-08."""
        secrets = data.get("secrets")
        if secrets is not None and not _are_references(secrets):
            del data["secrets"]
        if not (data.get("networkVolumes") or data.get("network_volumes")):
            if isinstance(data.get("networkVolume"), dict):
                data["networkVolumes"] = [data["networkVolume"]]
            elif data.get("networkVolumeId"):
                data["networkVolumes"] = [{"id": data["networkVolumeId"]}]
        return data

    @property
    def is_gpu(self) -> bool:
        """Whether its workers have a GPU."""
        return self.gpu_ids is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentEntry(Wire):
    """An entry of the ledger: what a build was made for. Builds are never used twice, so each has one.

    Attributes:
        run: The journal's name of the run.
        state: Only ever advances.
        at: ISO-8601 in UTC, by the clock of whoever deployed; shown, never compared.
        previous_build_id: What was live before.
        previous_digest: Of its artifact.
        gate: What let it through.
        receipt: sha256 of the receipt's payload.
        git: The commit.
        removed: Names of endpoints that go with it: whoever deployed has agreed to that.
    """

    run: str
    environment: str
    action: Action
    state: EntryState = "staged"
    at: str = ""
    previous_build_id: str | None = None
    previous_digest: str | None = None
    gate: GateWord | None = None
    receipt: str | None = None
    git: str | None = None
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Wire):
    """The manifest: a superset of the page's, without ``generated_at``.

    Attributes:
        routes: By load-balanced resource, ``{"POST /process": "process"}``.
        source_fingerprint: sha256 over the project files that ship.
        excluded: Distributions left out of the artifact, with the reason.
        digest: sha256 of the artifact. Never in the packed manifest; sent with it when a build is finalized.
        deployment: The ledger's entry. Never in the packed manifest either.
    """

    version: str = "1.0"
    python_version: str = "3.12"
    project_name: str = ""
    generated_at: str = field(default="", metadata={"is_written": False})
    resources: dict[str, Resource] = field(default_factory=dict)
    function_registry: dict[str, str] = field(default_factory=dict)
    routes: dict[str, dict[str, str]] = field(default_factory=dict)
    source_fingerprint: str = ""
    excluded: dict[str, str] = field(default_factory=dict)
    resources_endpoints: dict[str, str] | None = None
    digest: str | None = None
    deployment: DeploymentEntry | None = None

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        """An entry that somebody edited, or a later Flash wrote, must not keep the rest from being read."""
        if "deployment" in data:
            try:
                data["deployment"] = DeploymentEntry.of(data["deployment"])
            except ManifestError:
                del data["deployment"]
        return data

    def having(self, folder: str) -> tuple[str, ...]:
        """The endpoints with distributions of their own in *folder*, sorted; of the artifact's top, none."""
        return tuple(sorted(name for name, one in self.resources.items() if folder and one.packages == folder))

    def packed(self) -> Manifest:
        """Without what only a build's manifest has: digest, URLs, and the ledger's entry."""
        return replace(self, digest=None, resources_endpoints=None, deployment=None)

    @classmethod
    def parse(cls, data: object, *, where: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest from decoded JSON.

        Raises:
            ManifestError: It is not one; names the first field that is wrong.
        """
        try:
            return cls.of(data)
        except ManifestError as error:
            raise ManifestError(f"{where} is not a manifest: {error.message}") from error

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest from a file.

        Raises:
            ManifestError: There is no such file, it is no JSON, or it is no manifest.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ManifestError(f"cannot read {path}: {error}") from error
        return cls.parse(data, where=str(path))

    def text(self) -> str:
        """The file's content. The same manifest gives the same text."""
        return indented(self.as_json()) + "\n"


def _are_references(value: object) -> bool:
    # what others mean by it is no reference of ours
    return isinstance(value, dict) and all(isinstance(one, str) for pair in value.items() for one in pair)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built artifact. Its digest is its identity.

    Attributes:
        path: The ``.tar.gz``.
        sha256: 64 hexadecimal digits.
        files: What is in it, as sorted relative POSIX paths.
    """

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest
    files: tuple[str, ...]
