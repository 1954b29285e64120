"""What the local platform keeps: rows of its state, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flash.emulator.scaler import VersionState

__all__ = [
    "AppRecord",
    "BuildRecord",
    "EndpointRecord",
    "EnvironmentRecord",
    "TemplateRecord",
    "UploadRecord",
    "VersionRecord",
    "VolumeRecord",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRecord:
    """An app: environments and builds hang off it."""

    id: str
    name: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRecord:
    """An environment of an app."""

    id: str
    app_id: str
    name: str
    state: str
    active_build_id: str | None
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord:
    """A place for an artifact.

    Attributes:
        ticket: The secret part of its URL, which needs no key.
        sha256: Of what arrived; None until all of it did.
        expires_at: Seconds on the platform's clock; later the URL is not taken any more.
    """

    object_key: str
    app_id: str
    ticket: str
    size_bytes: int
    sha256: str | None
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """An artifact with a manifest.

    Attributes:
        text: The manifest as it is kept: of a list of builds, few are read.
    """

    id: str
    app_id: str
    object_key: str
    sha256: str
    text: str
    created_at: str

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest."""
        manifest: dict[str, Any] = json.loads(self.text)
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRecord:
    """A template, in the wire's spelling."""

    id: str
    body: dict[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables."""
        return environment_of(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """An endpoint: an id that outlives its versions."""

    id: str
    name: str
    environment_id: str | None
    template_id: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One configuration and build of an endpoint.

    Attributes:
        build_id: None where the endpoint belongs to no environment, or that has no active build: nothing can run.
        config: The endpoint's input without its template, in the wire's spelling.
        template: The template as this version runs with it.
        changed_at: When it was staged or activated last, on the platform's clock.
    """

    id: str
    endpoint_id: str
    build_id: str | None
    state: VersionState
    config: dict[str, Any] = field(default_factory=dict)
    template: dict[str, Any] = field(default_factory=dict)
    changed_at: float = 0.0

    @property
    def is_load_balanced(self) -> bool:
        """Whether it serves HTTP routes rather than a queue."""
        return bool(self.config.get("type") == "LB")

    @property
    def env(self) -> dict[str, str]:
        """Its template's environment variables."""
        return environment_of(self.template)

    def number(self, key: str, default: int) -> int:
        """A number of its configuration."""
        value = self.config.get(key)
        return default if value is None else int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecord:
    """A network volume."""

    id: str
    name: str
    size_gb: int
    data_center: str


def environment_of(template: dict[str, Any]) -> dict[str, str]:
    """The environment variables of a template, which lists them as key and value."""
    return {str(entry["key"]): str(entry["value"]) for entry in template.get("env") or []}
