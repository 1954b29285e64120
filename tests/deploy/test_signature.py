"""Who made a receipt: Ed25519 keys in the forms that people have them in."""

from __future__ import annotations

import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fakes_receipt import edited, key_pair, receipt

from flash.deploy.receipt import open_receipt, seal
from flash.deploy.signature import signing_key, trusted_keys
from flash.errors import ReceiptError, SettingsError


def test_a_signed_receipt_names_the_key_that_is_trusted() -> None:
    """Whichever of several it is."""
    private, public = key_pair()
    _, other = key_pair()
    opened = open_receipt(seal(receipt(), signing_key(private)).encode())
    assert opened.envelope.check_signature(trusted_keys([other, public])) == signing_key(private).key_id


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8),
        (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH),
    ],
)
def test_keys_of_openssl_and_of_openssh_are_read(
    encoding: serialization.Encoding, form: serialization.PrivateFormat
) -> None:
    """Both halves."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signer = signing_key(private)
    assert [one.key_id for one in trusted_keys([pem.decode()])] == [signer.key_id]
    assert trusted_keys([pem.decode()])[0].believes(b"message", signer.sign(b"message"))


def test_an_unsigned_receipt_is_refused_where_keys_are_configured() -> None:
    """A digest beside the payload is not a signature."""
    _, public = key_pair()
    with pytest.raises(ReceiptError, match="not signed") as caught:
        open_receipt(seal(receipt(), None).encode()).envelope.check_signature(trusted_keys([public]))
    assert "FLASH_SIGNING_KEY" in caught.value.hint


def test_somebody_else_s_signature_is_refused() -> None:
    """And named, so that a key that was replaced is recognised."""
    private, _ = key_pair()
    _, public = key_pair()
    signer = signing_key(private)
    with pytest.raises(ReceiptError, match="receipt-keys does not list") as caught:
        open_receipt(seal(receipt(), signer).encode()).envelope.check_signature(trusted_keys([public]))
    assert signer.key_id[:19] in caught.value.message


def test_a_signed_receipt_that_was_edited_with_care_is_refused() -> None:
    """The digest fits, the signature does not."""
    private, public = key_pair()
    changed = edited(seal(receipt(), signing_key(private)), keep_digest=False, subject__0__digest__sha256="a" * 64)
    with pytest.raises(ReceiptError, match="changed after it"):
        open_receipt(changed).envelope.check_signature(trusted_keys([public]))


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _private(key: Ed25519PrivateKey | rsa.RSAPrivateKey, passphrase: bytes = b"") -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def test_a_signing_key_that_is_none_is_told_without_a_word_of_it() -> None:
    """It may be a secret of another kind."""
    for content, said in (
        (b"hunter2", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (_private(_rsa()), "no Ed25519 key"),
        (_private(Ed25519PrivateKey.generate(), b"secret"), "passphrase"),
    ):
        with pytest.raises(SettingsError, match=said) as caught:
            signing_key(content)
        assert "hunter2" not in str(caught.value)


def test_a_trusted_key_that_is_none_is_told() -> None:
    """A private key in the settings above all."""
    rsa_line = _rsa().public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private, _ = key_pair()
    for line, said in (
        ("ssh-ed25519 AAAA", "no public key"),
        ("nonsense", "no public key"),
        (rsa_line.decode(), "no Ed25519 key"),
        (private.decode(), "a private key"),
    ):
        with pytest.raises(SettingsError, match=said):
            trusted_keys([line])


def test_no_representation_shows_a_key() -> None:
    """Tracebacks with locals are read by many."""
    private, _ = key_pair()
    assert "PRIVATE" not in repr(signing_key(private))
    assert "_key" not in repr(signing_key(private))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a key is used."""
    _, public = key_pair()
    assert trusted_keys([]) == ()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(SettingsError, match="extra 'sign'"):
        trusted_keys([public])
