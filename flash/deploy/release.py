"""What is rolled out: an artifact, wherever its bytes are, and what the ledger is to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flash.errors import DeployError

if TYPE_CHECKING:
    from flash.cloud.records import BuildRecord
    from flash.model.manifest import Action, Artifact, GateWord, Manifest

__all__ = ["Release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An artifact that is to be live.

    Attributes:
        manifest: The packed one, or what is known of it: without digest, URLs and ledger entry.
        digest: sha256 of the artifact; empty where nobody knows it, for a build that Flash did not make.
        artifact: The bytes, where they are on this machine.
        object_key: Where the platform has them already. It wins over uploading; where it turns out to be gone, and
            there is an artifact, that is uploaded.
        action: For the ledger, as the rest is.
        gate: What let it through.
        receipt: sha256 of the receipt's payload.
        git: The commit.
    """

    manifest: Manifest
    digest: str
    artifact: Artifact | None = None
    object_key: str | None = None
    action: Action = "deploy"
    gate: GateWord | None = None
    receipt: str | None = None
    git: str | None = None

    @classmethod
    def of(
        cls,
        artifact: Artifact,
        *,
        action: Action = "deploy",
        gate: GateWord | None = None,
        receipt: str | None = None,
        git: str | None = None,
    ) -> Release:
        """An artifact on this machine."""
        return cls(
            manifest=artifact.manifest,
            digest=artifact.sha256,
            artifact=artifact,
            action=action,
            gate=gate,
            receipt=receipt,
            git=git,
        )

    @classmethod
    def of_build(cls, build: BuildRecord, *, action: Action, gate: GateWord | None = None) -> Release:
        """What a build of the app was made of, without its bytes: the platform has them.

        Raises:
            DeployError: Its manifest cannot be read.
        """
        if build.manifest is None:
            raise DeployError(f"build {build.id} has no manifest that can be read", hint="deploy the version again")
        entry = build.manifest.deployment
        return cls(
            manifest=build.manifest.packed(),
            digest=build.manifest.digest or "",
            object_key=build.object_key,
            action=action,
            gate=gate or (None if entry is None else entry.gate),
            receipt=None if entry is None else entry.receipt,
            git=None if entry is None else entry.git,
        )
