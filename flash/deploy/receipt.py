"""A receipt: what a test run saw of an artifact, as a statement that a later promotion can rely on. Pure.

It is an in-toto Statement whose subject is the artifact's sha256, wrapped in a DSSE envelope. The envelope carries the
payload's own sha256 too: that shows an accidental edit, and nothing more. Who made the receipt is shown by a signature
alone (``flash.deploy.signature``).

Source: in-toto Attestation Framework, "Statement layer specification v1", and DSSE, "envelope" and "protocol" v1.0.2,
read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NoReturn, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from flash.errors import ReceiptError
from flash.model.manifest import Manifest

__all__ = [
    "PAYLOAD_TYPE",
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "Believer",
    "GitState",
    "LockedDistribution",
    "Promoted",
    "Receipt",
    "Sealed",
    "Signature",
    "Signer",
    "is_receipt",
    "manifest_digest",
    "open_receipt",
    "pae",
    "seal",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "pytest-flash:receipt/v1"
"""A URI of our own scheme: the number changes when a reader of the one before would misunderstand."""
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

_LONGEST: Final = 64 * 2**20
_HINT: Final = "write a new one: pytest --flash-preview --flash-receipt=FILE"

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
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": f"{self.app}/artifact.tar.gz", "digest": {"sha256": self.digest}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }

    def payload(self) -> bytes:
        """The statement as canonical JSON: the same receipt gives the same bytes."""
        return _canonical(self.statement())


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of an envelope.

    Attributes:
        key_id: What the signer calls its key: a hint, not a proof.
    """

    key_id: str
    value: bytes


class Signer(Protocol):
    """A private key."""

    @property
    def key_id(self) -> str:
        """What its signatures are found by."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature of *message*."""
        ...


class Believer(Protocol):
    """A public key that is trusted."""

    @property
    def key_id(self) -> str:
        """What its signatures are found by."""
        ...

    def believes(self, message: bytes, signature: bytes) -> bool:
        """Whether its private half has signed *message*."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A receipt as it was read, with what speaks for it.

    Attributes:
        sha256: Of the payload; what the ledger remembers it by.
    """

    receipt: Receipt
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def sha256(self) -> str:
        """Of the payload."""
        return hashlib.sha256(self.payload).hexdigest()

    def check_signature(self, trusted: tuple[Believer, ...]) -> str:
        """The id of the trusted key that has signed it.

        Raises:
            ReceiptError: None of them has.
        """
        hint = "sign with FLASH_SIGNING_KEY where the receipt is written, and list its public key in receipt-keys"
        if not self.signatures:
            raise ReceiptError("the receipt is not signed, and receipt-keys asks for a signature", hint=hint)
        message = pae(PAYLOAD_TYPE, self.payload)
        for key in trusted:
            if any(key.believes(message, signature.value) for signature in self.signatures):
                return key.key_id
        known = {key.key_id for key in trusted}
        named = [signature.key_id for signature in self.signatures]
        if known.isdisjoint(named):
            raise ReceiptError(f"the receipt is signed by {_keys(named)}, which receipt-keys does not list", hint=hint)
        signer = _keys(sorted(known.intersection(named)))
        raise ReceiptError(f"the signature of {signer} does not fit: the receipt was changed after it", hint=_HINT)


def seal(receipt: Receipt, signer: Signer | None) -> str:
    """The receipt as a file's content: a DSSE envelope, signed where there is a *signer*."""
    payload = receipt.payload()
    signatures = []
    if signer is not None:
        value = signer.sign(pae(PAYLOAD_TYPE, payload))
        signatures.append({"keyid": signer.key_id, "sig": base64.b64encode(value).decode("ascii")})
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadSha256": hashlib.sha256(payload).hexdigest(),
        "signatures": signatures,
    }
    return json.dumps(envelope, indent=2) + "\n"


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def is_receipt(content: bytes) -> bool:
    """Whether it is an envelope of a statement, readable or not."""
    try:
        return bool(_json(content)["payloadType"] == PAYLOAD_TYPE)
    except (ReceiptError, KeyError):
        return False


def open_receipt(content: bytes) -> Sealed:
    """Read a receipt; signatures are left to ``Sealed.check_signature``.

    Raises:
        ReceiptError: It is none, of another format or version, or its payload is not what was written.
    """
    envelope = _json(content)
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise ReceiptError(
            f"it is no receipt: its payloadType is {_shown(envelope.get('payloadType'))}, not {PAYLOAD_TYPE!r}",
            hint=_HINT,
        )
    payload = _decoded(envelope.get("payload"), "payload")
    digest = hashlib.sha256(payload).hexdigest()
    if envelope.get("payloadSha256") != digest:
        raise ReceiptError(
            f"it was edited: its payload has the sha256 {digest[:12]}…, not {_shown(envelope.get('payloadSha256'))}",
            hint=_HINT,
        )
    return Sealed(_receipt_of(_json(payload)), payload, _signatures(envelope.get("signatures")))


def _receipt_of(statement: Mapping[str, Any]) -> Receipt:
    if statement.get("_type") != STATEMENT_TYPE:
        raise ReceiptError(
            f"its payload is no in-toto statement v1: _type {_shown(statement.get('_type'))}", hint=_HINT
        )
    kind = statement.get("predicateType")
    if kind != PREDICATE_TYPE:
        raise ReceiptError(
            f"it is a statement of another kind or version: predicateType {_shown(kind)}, known is {PREDICATE_TYPE!r}",
            hint="a newer Flash may have written it: update this one, or write it again with this one",
        )
    subject, predicate = statement.get("subject"), statement.get("predicate")
    try:
        [artifact] = subject if isinstance(subject, list) else []
        digest = artifact["digest"]["sha256"]
    except (ValueError, TypeError, KeyError) as error:
        raise ReceiptError("its subject is not one artifact with a sha256", hint=_HINT) from error
    if not isinstance(predicate, Mapping) or "digest" in predicate:
        raise ReceiptError("its predicate is none of ours", hint=_HINT)
    try:
        return Receipt.model_validate({**predicate, "digest": digest})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the predicate"
        raise ReceiptError(f"its predicate cannot be read: {field}: {first['msg']}", hint=_HINT) from error


def manifest_digest(manifest: Manifest) -> str:
    """sha256 of a packed manifest, however it came.

    Neither what a deployment adds to it counts, nor what is as it is by default: a later Flash may know more settings.
    """
    packed = manifest.packed()
    data = packed.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return hashlib.sha256(_canonical(data)).hexdigest()


def _canonical(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _json(content: bytes) -> dict[str, Any]:
    if len(content) > _LONGEST:
        raise ReceiptError(f"it has {len(content)} bytes, more than any receipt", hint=_HINT)
    try:
        data = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ReceiptError("it is no JSON: it is not UTF-8", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise ReceiptError(f"it is no JSON: {error}", hint=_HINT) from error
    if not isinstance(data, dict):
        raise ReceiptError("it is no JSON object", hint=_HINT)
    return data


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _signatures(given: object) -> tuple[Signature, ...]:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise ReceiptError("its signatures are no list of objects", hint=_HINT)
    return tuple(Signature(_shown_key(one.get("keyid")), _decoded(one.get("sig"), "a signature")) for one in given)


def _shown_key(given: object) -> str:
    return given if isinstance(given, str) and given.isprintable() and given else "an unnamed key"


def _decoded(given: object, what: str) -> bytes:
    if not isinstance(given, str):
        raise ReceiptError(f"it has no {what}", hint=_HINT)
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReceiptError(f"it was edited: {what} is not base64", hint=_HINT) from error


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:80]


def _keys(ids: list[str]) -> str:
    return ", ".join(f"key {one[:19]}…" if one.startswith("sha256:") else one for one in ids)
