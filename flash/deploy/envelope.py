"""The envelope of a receipt: DSSE, with the payload's own sha256 beside it. Pure.

That sha256 shows an accidental edit, and nothing more. Who made the receipt is shown by a signature alone; the keys are
those of ``flash.deploy.signature``.

Source: DSSE, "envelope" and "protocol" v1.0.2, read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from flash.errors import ReceiptError

__all__ = [
    "HINT",
    "PAYLOAD_TYPE",
    "Believer",
    "Envelope",
    "Signature",
    "Signer",
    "is_envelope",
    "pae",
    "read_envelope",
    "read_json",
    "shown",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
HINT: Final = "write a new one: pytest --flash-preview --flash-receipt=FILE"

_LONGEST: Final = 64 * 2**20


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
class Envelope:
    """A payload, and what speaks for it."""

    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def of(cls, payload: bytes, signer: Signer | None) -> Envelope:
        """Around a payload, signed where there is a *signer*."""
        if signer is None:
            return cls(payload)
        return cls(payload, (Signature(signer.key_id, signer.sign(pae(PAYLOAD_TYPE, payload))),))

    @property
    def sha256(self) -> str:
        """Of the payload."""
        return hashlib.sha256(self.payload).hexdigest()

    def text(self) -> str:
        """A file's content.

        Shape: ``{"payloadType", "payload": base64, "payloadSha256", "signatures": [{"keyid", "sig": base64}]}``
        """
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadSha256": self.sha256,
            "signatures": [
                {"keyid": one.key_id, "sig": base64.b64encode(one.value).decode("ascii")} for one in self.signatures
            ],
        }
        return json.dumps(envelope, indent=2) + "\n"

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
        raise ReceiptError(f"the signature of {signer} does not fit: the receipt was changed after it", hint=HINT)


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def is_envelope(content: bytes) -> bool:
    """Whether it is an envelope of a statement, readable or not."""
    try:
        return bool(read_json(content)["payloadType"] == PAYLOAD_TYPE)
    except (ReceiptError, KeyError):
        return False


def read_envelope(content: bytes) -> Envelope:
    """Read an envelope; signatures are left to ``Envelope.check_signature``.

    Raises:
        ReceiptError: It is none, or its payload is not what was written.
    """
    envelope = read_json(content)
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise ReceiptError(
            f"it is no receipt: its payloadType is {shown(envelope.get('payloadType'))}, not {PAYLOAD_TYPE!r}",
            hint=HINT,
        )
    payload = _decoded(envelope.get("payload"), "payload")
    digest = hashlib.sha256(payload).hexdigest()
    if envelope.get("payloadSha256") != digest:
        raise ReceiptError(
            f"it was edited: its payload has the sha256 {digest[:12]}…, not {shown(envelope.get('payloadSha256'))}",
            hint=HINT,
        )
    return Envelope(payload, _signatures(envelope.get("signatures")))


def read_json(content: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ReceiptError: It is none.
    """
    if len(content) > _LONGEST:
        raise ReceiptError(f"it has {len(content)} bytes, more than any receipt", hint=HINT)
    try:
        data = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ReceiptError("it is no JSON: it is not UTF-8", hint=HINT) from error
    except (ValueError, RecursionError) as error:
        raise ReceiptError(f"it is no JSON: {error}", hint=HINT) from error
    if not isinstance(data, dict):
        raise ReceiptError("it is no JSON object", hint=HINT)
    return data


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _signatures(given: object) -> tuple[Signature, ...]:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise ReceiptError("its signatures are no list of objects", hint=HINT)
    return tuple(Signature(_key_name(one.get("keyid")), _decoded(one.get("sig"), "a signature")) for one in given)


def _key_name(given: object) -> str:
    return given if isinstance(given, str) and given.isprintable() and given else "an unnamed key"


def _decoded(given: object, what: str) -> bytes:
    if not isinstance(given, str):
        raise ReceiptError(f"it has no {what}", hint=HINT)
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReceiptError(f"it was edited: {what} is not base64", hint=HINT) from error


def shown(value: object) -> str:
    """A value in an error's line, whatever it is."""
    return "missing" if value is None else repr(value)[:80]


def _keys(ids: list[str]) -> str:
    return ", ".join(f"key {one[:19]}…" if one.startswith("sha256:") else one for one in ids)
