"""Receipts of runs that nobody made, and keys made for a test."""

from __future__ import annotations

import base64
import json
from typing import Any

from fakes_deploy import manifest

from flash.deploy.receipt import (
    GitState,
    LockedDistribution,
    Promoted,
    Receipt,
    manifest_digest,
)

DIGEST = "d" * 64
GATE = {
    "outcome": "pass",
    "environment": "staging",
    "digest": DIGEST,
    "conditions": [
        {"code": "FLASH-G001", "title": "t", "outcome": "pass", "evidence": ["2 passed"], "remedy": "", "items": []}
    ],
    "notes": [],
}


def receipt(**changes: Any) -> Receipt:
    """A receipt of an app with one endpoint, deployed to staging."""
    given: dict[str, Any] = {
        "app": "demo",
        "digest": DIGEST,
        "size_bytes": 2**20,
        "fingerprint": "f1",
        "manifest_sha256": manifest_digest(manifest("greeter")),
        "python": "3.11",
        "environment": "staging",
        "outcomes": {"flash::contract[greeter]": "passed", "tests/test_greeter.py::test_it_greets": "passed"},
        "gate": GATE,
        "seeds": {"PYTHONHASHSEED": "0", "hypothesis": 7},
        "lock": [LockedDistribution(name="humanize", version="4.9.0", record_sha256="e" * 64)],
        "git": GitState(commit="c" * 40, branch="main", changed=[]),
        "versions": {"flash": "0.5", "python": "3.11.7", "pytest": "9.0"},
        "promoted": Promoted(environment="staging", target="local", build_id="build9", object_key="object9"),
    }
    return Receipt(**{**given, **changes})


def edited(content: str, *, keep_digest: bool = True, **changes: Any) -> bytes:
    """An envelope whose statement was changed by hand; with *keep_digest*, by somebody who forgot the digest."""
    envelope = json.loads(content)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = statement
        for folder in folders:
            place = place[int(folder)] if isinstance(place, list) else place[folder]
        place[last] = value
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    if not keep_digest:
        import hashlib

        envelope["payloadSha256"] = hashlib.sha256(payload).hexdigest()
    return json.dumps(envelope).encode()


def key_pair() -> tuple[bytes, str]:
    """A private key in PEM, and its public half as an OpenSSH line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()
