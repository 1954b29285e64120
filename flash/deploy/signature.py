"""Ed25519 keys that sign receipts, and those that are trusted.

``cryptography`` is loaded when a key is used, never before: it is an extra, and most runs have no key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flash.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SigningKey", "TrustedKey", "signing_key", "trusted_keys"]

_MAKE = "make one: ssh-keygen -t ed25519 -N '' -f flash-receipts"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; neither ``repr`` nor ``str`` shows it."""

    key_id: str
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """A signature of *message*, 64 bytes."""
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key."""

    key_id: str
    _key: Ed25519PublicKey = field(repr=False)

    def believes(self, message: bytes, signature: bytes) -> bool:
        """Whether its private half has signed *message*."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def signing_key(content: bytes) -> SigningKey:
    """The private key in a PEM text, PKCS #8's or OpenSSH's.

    Raises:
        SettingsError: It is none, it is no Ed25519 key, it has a passphrase, or the extra is missing.
    """
    _check_extra()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in content else load_pem_private_key
    try:
        key = load(content, password=None)
    except TypeError as error:
        raise SettingsError("the signing key has a passphrase", hint=f"use a key without one; {_MAKE}") from error
    except (ValueError, UnsupportedAlgorithm):
        # not chained: what the parser says may quote what it read
        raise SettingsError("the signing key is no private key in PEM", hint=_MAKE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"the signing key is no Ed25519 key but {type(key).__name__.lstrip('_')}", hint=_MAKE)
    return SigningKey(_key_id(key.public_key()), key)


def trusted_keys(lines: Iterable[str]) -> tuple[TrustedKey, ...]:
    """Public keys as settings have them: an OpenSSH line (``ssh-ed25519 AAAA…``) or a PEM text each.

    Raises:
        SettingsError: One is none of these, or the extra is missing.
    """
    given = tuple(lines)
    if not given:
        return ()
    _check_extra()
    return tuple(_trusted(line.strip()) for line in given)


def _trusted(line: str) -> TrustedKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    shown = f"{line[:24]}…"
    if "PRIVATE KEY" in line:
        raise SettingsError(
            "receipt-keys has a private key in it",
            hint="take it out and make another one: whoever reads the repository has it; list the public one",
        )
    load = load_ssh_public_key if line.startswith("ssh-") else load_pem_public_key
    try:
        key = load(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"receipt-keys: {shown!r} is no public key", hint='write the line of a .pub file: "ssh-ed25519 AAAA…"'
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"receipt-keys: {shown!r} is no Ed25519 key", hint=_MAKE)
    return TrustedKey(_key_id(key), key)


def _key_id(key: Ed25519PublicKey) -> str:
    return f"sha256:{hashlib.sha256(key.public_bytes_raw()).hexdigest()}"


def _check_extra() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "signing and checking signatures needs the extra 'sign'", hint="pip install 'pytest-flash[sign]'"
        ) from error
