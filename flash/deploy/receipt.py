"""A receipt: what a test run saw of an artifact, as a statement that a later promotion can rely on. Pure.

It is an in-toto Statement whose subject is the artifact's sha256, in an envelope (``flash.deploy.envelope``).

Source: in-toto Attestation Framework, "Statement layer specification v1", read 2026-11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from flash.deploy.envelope import HINT, Envelope, Signer, is_envelope, read_envelope, read_json, shown
from flash.errors import ReceiptError
from flash.model.intoto import STATEMENT_TYPE, canonical, statement
from flash.model.manifest import Manifest

__all__ = [
    "PREDICATE_TYPE",
    "GitState",
    "LockedDistribution",
    "Promoted",
    "Receipt",
    "Sealed",
    "is_receipt",
    "manifest_digest",
    "open_receipt",
    "seal",
]

PREDICATE_TYPE: Final = "pytest-flash:receipt/v1"
"""A URI of our own scheme: the number changes when a reader of the one before would misunderstand."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NodeOutcome = Literal["passed", "skipped", "xfailed", "xpassed"]
"""Failures and errors are not among them: the gate lets none through, so there is no receipt of them."""


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
    )


class GitState(_Part):
    """The checkout that was tested.

    Attributes:
        branch: None where no branch was checked out.
        changed: Files that differed from the commit.
    """

    commit: str
    branch: str | None = None
    changed: list[str] = Field(default_factory=list)


class LockedDistribution(_Part):
    """A distribution in the artifact.

    Attributes:
        record_sha256: Of its ``RECORD``, which lists the sha256 of each of its files; None where it has none. That of
            the wheel it came from is not known: installers do not tell.
    """

    name: str
    version: str
    record_sha256: Sha256 | None = None


class Promoted(_Part):
    """Where the run itself deployed the artifact.

    Attributes:
        object_key: The platform's name of the uploaded bytes: a hint, which a promotion checks.
    """

    environment: str
    target: Literal["local", "runpod"]
    build_id: str
    object_key: str | None = None


class Receipt(_Part):
    """What a run saw.

    Attributes:
        digest: sha256 of the artifact.
        fingerprint: sha256 over the project's files that ship.
        manifest_sha256: Of the packed manifest, as ``manifest_digest`` has it.
        python: The workers' interpreter.
        environment: What the gate was judged for; None: for none, so that a promotion judges what is about its own.
        outcomes: By node id, contract checks included.
        host_wheels: Whether the preview ran wheels of the machine that tested, instead of the artifact's own.
        markers: Node ids by the name of a marker, so that a promotion can judge what its environment requires.
        gate: The gate's decision document.
        seeds: What made the run's random choices.
        waivers: What was let through on purpose.
        lock: By name.
        versions: Of what tested: ``flash``, ``python``, ``pytest``.
    """

    app: str
    digest: Sha256
    size_bytes: int
    fingerprint: str
    manifest_sha256: Sha256
    python: str
    environment: str | None = None
    outcomes: dict[str, NodeOutcome]
    host_wheels: bool = False
    markers: dict[str, list[str]] = Field(default_factory=dict)
    gate: dict[str, Any]
    seeds: dict[str, str | int | bool | None] = Field(default_factory=dict)
    waivers: list[dict[str, Any]] = Field(default_factory=list)
    lock: list[LockedDistribution] = Field(default_factory=list)
    git: GitState | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    promoted: Promoted | None = None

    def statement(self) -> dict[str, Any]:
        """The in-toto statement.

        Shape: ``{"_type", "subject": [{"name", "digest": {"sha256"}}], "predicateType", "predicate": {…}}``; in the
        predicate, the fields of this class in camel case, without the digest.
        """
        predicate = self.model_dump(mode="json", by_alias=True, exclude={"digest"})
        return statement(
            subject=f"{self.app}/artifact.tar.gz",
            sha256=self.digest,
            predicate_type=PREDICATE_TYPE,
            predicate=predicate,
        )

    def payload(self) -> bytes:
        """The statement as canonical JSON: the same receipt gives the same bytes."""
        return canonical(self.statement())


@dataclass(frozen=True, slots=True)
class Sealed:
    """A receipt as it was read, with what speaks for it."""

    receipt: Receipt
    envelope: Envelope

    @property
    def sha256(self) -> str:
        """Of the payload; what the ledger remembers it by."""
        return self.envelope.sha256


def seal(receipt: Receipt, signer: Signer | None) -> str:
    """The receipt as a file's content, signed where there is a *signer*."""
    return Envelope.of(receipt.payload(), signer).text()


def is_receipt(content: bytes) -> bool:
    """Whether it is a receipt's file, readable or not."""
    return is_envelope(content)


def open_receipt(content: bytes) -> Sealed:
    """Read a receipt; signatures are left to ``Envelope.check_signature``.

    Raises:
        ReceiptError: It is none, of another format or version, or its payload is not what was written.
    """
    envelope = read_envelope(content)
    return Sealed(_receipt_of(read_json(envelope.payload)), envelope)


def _receipt_of(statement: Mapping[str, Any]) -> Receipt:
    if statement.get("_type") != STATEMENT_TYPE:
        raise ReceiptError(f"its payload is no in-toto statement v1: _type {shown(statement.get('_type'))}", hint=HINT)
    kind = statement.get("predicateType")
    if kind != PREDICATE_TYPE:
        raise ReceiptError(
            f"it is a statement of another kind or version: predicateType {shown(kind)}, known is {PREDICATE_TYPE!r}",
            hint="a newer Flash may have written it: update this one, or write it again with this one",
        )
    subject, predicate = statement.get("subject"), statement.get("predicate")
    try:
        [artifact] = subject if isinstance(subject, list) else []
        digest = artifact["digest"]["sha256"]
    except (ValueError, TypeError, KeyError) as error:
        raise ReceiptError("its subject is not one artifact with a sha256", hint=HINT) from error
    if not isinstance(predicate, Mapping) or "digest" in predicate:
        raise ReceiptError("its predicate is none of ours", hint=HINT)
    try:
        return Receipt.model_validate({**predicate, "digest": digest})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the predicate"
        raise ReceiptError(f"its predicate cannot be read: {field}: {first['msg']}", hint=HINT) from error


def manifest_digest(manifest: Manifest) -> str:
    """sha256 of a packed manifest, however it came.

    Neither what a deployment adds to it counts, nor what is as it is by default: a later Flash may know more settings.
    """
    packed = manifest.packed()
    data = packed.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return hashlib.sha256(canonical(data)).hexdigest()
