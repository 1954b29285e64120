"""``flash_manifest.json``: the only reader and the only writer of it.

Wire spelling (``imageName``, ``workersMax``) is the fields' aliases; Python spelling is used everywhere else.
Manifests of ``runpod-flash`` of both generations are read too: keys that they lack have defaults, keys that we do not
know are kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import to_json

from flash.errors import ManifestError

__all__ = [
    "MANIFEST_NAME",
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

Action = Literal["deploy", "promote", "rollback", "candidate"]
EntryState = Literal["staged", "activated", "verified", "rolled-back"]
GateWord = Literal["passed", "receipt", "ungated"]


class _Wire(BaseModel):
    # platforms, other tools and people write numbers for text, and null for what is not set
    model_config = ConfigDict(populate_by_name=True, extra="allow", coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: object) -> object:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class CallSchema(_Wire):
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
    untyped: list[str] = Field(default_factory=list)
    example: Any = None
    parameter: str | None = None
    error: str | None = None


class FunctionEntry(_Wire):
    """A function, class or route of a resource."""

    name: str
    module: str
    is_async: bool = False
    is_class: bool = False
    is_generator: bool = False
    class_methods: list[str] = Field(default_factory=list)
    http_method: str | None = None
    http_path: str | None = None
    contract: dict[str, CallSchema] = Field(default_factory=dict)
    """By method name for a class; ``{"": schema}`` for a function or route. Empty until the artifact is described."""


class Resource(_Wire):
    """One endpoint configuration."""

    resource_type: str = "Endpoint"
    is_load_balanced: bool = False
    functions: list[FunctionEntry] = Field(default_factory=list)
    image_name: str = Field(default="", alias="imageName")
    gpu_ids: str | None = Field(default=None, alias="gpuIds")
    gpu_count: int = Field(default=1, alias="gpuCount")
    instance_ids: list[str] | None = Field(default=None, alias="instanceIds")
    workers_min: int = Field(default=0, alias="workersMin")
    workers_max: int = Field(default=1, alias="workersMax")
    idle_timeout_s: int = Field(default=60, alias="idleTimeout")
    execution_timeout_ms: int = Field(default=0, alias="executionTimeoutMs")
    scaler_type: str = Field(default="QUEUE_DELAY", alias="scalerType")
    scaler_value: int = Field(default=4, alias="scalerValue")
    flashboot: bool = True
    locations: str | None = None
    min_cuda_version: str | None = Field(default=None, alias="minCudaVersion")
    max_concurrency: int = 1
    env: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, str] | None = None
    """By variable, the name of the secret that it gets at deployment: a reference, never the value. None for none."""
    network_volumes: list[dict[str, Any]] = Field(default_factory=list, alias="networkVolumes")
    template: dict[str, Any] | None = None
    handler_file: str | None = None
    makes_remote_calls: bool = True
    calls_by_id: bool = False
    """Whether it calls endpoints by their ids, also those of other environments."""
    client_mode: bool = False
    target_python_version: str | None = None
    provided: list[str] = Field(default_factory=list)
    """Distributions that the endpoint declares or imports, and that its image ships: left out of the artifact."""
    fingerprint: str = ""
    """sha256 over what its workers may run or read; empty where that is not known."""

    @field_validator("secrets", mode="before")
    @classmethod
    def _references(cls, value: object) -> object:
        # what others mean by it is no reference of ours
        is_ours = isinstance(value, dict) and all(isinstance(one, str) for pair in value.items() for one in pair)
        return value if is_ours else None

    @model_validator(mode="before")
    @classmethod
    def _one_volume_is_a_list(cls, data: object) -> object:
        # as ``runpod-flash`` writes one; source: its manifests, 1.21.0, read 2026-08
        if not isinstance(data, dict) or data.get("networkVolumes") or data.get("network_volumes"):
            return data
        if isinstance(data.get("networkVolume"), dict):
            return {**data, "networkVolumes": [data["networkVolume"]]}
        if data.get("networkVolumeId"):
            return {**data, "networkVolumes": [{"id": data["networkVolumeId"]}]}
        return data

    @property
    def is_gpu(self) -> bool:
        """Whether its workers have a GPU."""
        return self.gpu_ids is not None


class DeploymentEntry(_Wire):
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
    removed: list[str] = Field(default_factory=list)


class Manifest(_Wire):
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
    generated_at: str = Field(default="", exclude=True)
    resources: dict[str, Resource] = Field(default_factory=dict)
    function_registry: dict[str, str] = Field(default_factory=dict)
    routes: dict[str, dict[str, str]] = Field(default_factory=dict)
    source_fingerprint: str = ""
    excluded: dict[str, str] = Field(default_factory=dict)
    resources_endpoints: dict[str, str] | None = None
    digest: str | None = None
    deployment: DeploymentEntry | None = None

    @field_validator("deployment", mode="before")
    @classmethod
    def _readable(cls, value: object) -> object:
        # an entry that somebody edited, or a later Flash wrote, must not keep the rest from being read
        if value is None or isinstance(value, DeploymentEntry):
            return value
        try:
            return DeploymentEntry.model_validate(value)
        except ValidationError:
            return None

    def packed(self) -> Manifest:
        """Without what only a build's manifest has: digest, URLs, and the ledger's entry."""
        return self.model_copy(update={"digest": None, "resources_endpoints": None, "deployment": None})

    @classmethod
    def parse(cls, data: object, *, where: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest from decoded JSON.

        Raises:
            ManifestError: It is not one; names the first field that is wrong.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ManifestError(f"{where} is not a manifest: {field}: {first['msg']}") from error

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

    def as_json(self) -> dict[str, Any]:
        """The manifest as JSON types, wire spelling, without what is unset."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return data

    def text(self) -> str:
        """The file's content. The same manifest gives the same text."""
        # json's own takes ten times as long to indent
        return to_json(self.as_json(), indent=2).decode("utf-8") + "\n"


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
