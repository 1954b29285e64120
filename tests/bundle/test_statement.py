"""Where an artifact comes from, as a statement that can be signed."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes_artifact import demo, packed

from flash.bundle import contents
from flash.bundle.statement import declarations, payload_of, problems_of, statement_of
from flash.deploy.envelope import Envelope, read_envelope
from flash.deploy.signature import signing_key, trusted_keys
from flash.errors import ReceiptError
from flash.preview.checkout import Checkout

if TYPE_CHECKING:
    from pathlib import Path

    from flash.bundle.contents import Contents


@pytest.fixture
def found(tmp_path: Path) -> Contents:
    """What is in an artifact."""
    return contents.read(packed(tmp_path / "artifact.tar.gz", demo()))


def by_name(stated: dict[str, Any]) -> dict[str, Any]:
    """What went into it."""
    return {one["name"]: one for one in stated["predicate"]["buildDefinition"]["resolvedDependencies"]}


def test_it_is_shaped_as_slsa_has_it(found: Contents) -> None:
    """About the artifact's bytes; the builder is the Flash that is in it."""
    stated = statement_of(found, settings={"exclude": ["scipy"]})
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["subject"] == [{"name": "artifact.tar.gz", "digest": {"sha256": found.artifact.sha256}}]
    assert stated["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = stated["predicate"]["buildDefinition"]
    assert definition["buildType"] == "urn:pytest-flash:build:v1"
    assert definition["externalParameters"] == {
        "app": "demo",
        "python": "3.12",
        "platform": "x86_64-manylinux_2_28",
        "settings": {"exclude": ["scipy"]},
    }
    assert definition["internalParameters"] == {"leftOut": {"torch": "every image ships it"}, "statedBy": "build"}
    assert stated["predicate"]["runDetails"]["builder"] == {
        "id": "urn:pytest-flash:builder:local",
        "version": {"pytest-flash": "0.1.0"},
    }


def test_everything_that_went_in_is_named_with_its_digest(found: Contents) -> None:
    """Distributions by package URL, the project's files, Flash's own, locks, and the commit."""
    checkout = Checkout(commit="ab" * 20, branch="main", is_dirty=True, changed=("b.py", "a.py"))
    told = by_name(statement_of(found, declared={"uv.lock": "12" * 32}, source=checkout))
    six = next(one for one in found.shipped if one.name == "six")
    assert list(told) == ["checkout", "uv.lock", "project files", "flash/", "left_pad-1.2.0", "six-1.17.0"]
    assert told["six-1.17.0"] == {
        "name": "six-1.17.0",
        "uri": "pkg:pypi/six@1.17.0",
        "digest": {"dirHash": six.tree_sha256},
        "annotations": {"files": 3, "recordSha256": six.record_sha256},
    }
    assert told["checkout"] == {
        "name": "checkout",
        "digest": {"gitCommit": "ab" * 20},
        "annotations": {"branch": "main", "changed": ["a.py", "b.py"], "isDirty": True},
    }
    assert told["uv.lock"]["digest"] == {"sha256": "12" * 32}
    assert told["project files"]["annotations"] == {"files": 3, "sourceFingerprint": "cd" * 32}


def test_what_is_not_known_is_not_said(found: Contents) -> None:
    """Of an artifact that somebody else has built."""
    definition = statement_of(found)["predicate"]["buildDefinition"]
    assert "settings" not in definition["externalParameters"]
    assert definition["internalParameters"]["statedBy"] == "inspection"
    assert "checkout" not in by_name(statement_of(found))
    clean = Checkout(commit="ab" * 20, branch=None)
    assert by_name(statement_of(found, source=clean))["checkout"]["annotations"] == {"isDirty": False}


def test_the_same_arguments_give_the_same_bytes(found: Contents) -> None:
    """So that two builds of one commit can be compared by it."""
    one, other = (statement_of(found, settings={}, byproducts={"b": "1", "a": "2"}) for _ in range(2))
    assert payload_of(one) == payload_of(other)
    assert [each["name"] for each in one["predicate"]["runDetails"]["byproducts"]] == ["a", "b"]


def test_files_that_say_what_is_installed_are_found(tmp_path: Path) -> None:
    """At the project's top."""
    (tmp_path / "uv.lock").write_text("version = 1\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("six\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").mkdir()
    assert declarations(tmp_path) == {
        "requirements.txt": hashlib.sha256(b"six\n").hexdigest(),
        "uv.lock": hashlib.sha256(b"version = 1\n").hexdigest(),
    }


def test_the_envelope_of_receipts_signs_it(found: Contents) -> None:
    """One kind of envelope and of key for both; neither is taken for the other."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    text = Envelope.of(payload_of(statement_of(found)), signing_key(pem)).text()
    envelope = read_envelope(text.encode())
    assert envelope.check_signature(trusted_keys([public.decode()])).startswith("sha256:")
    assert problems_of(json.loads(envelope.payload), found) == ()
    from flash.deploy.receipt import open_receipt

    with pytest.raises(ReceiptError, match="a statement of another kind"):
        open_receipt(text.encode())


def test_a_statement_is_about_one_artifact(found: Contents, tmp_path: Path) -> None:
    """Another one of the same project is another subject."""
    other = contents.read(packed(tmp_path / "other.tar.gz", demo(**{"new.py": ""})))
    [problem] = problems_of(statement_of(found), other)
    assert problem.startswith("it is about another artifact")


def test_what_a_statement_says_can_be_looked_up(found: Contents) -> None:
    """Whoever wrote it: the artifact has the files."""
    stated = statement_of(found)
    told = by_name(stated)
    told["six-1.17.0"]["digest"]["dirHash"] = "0" * 64
    stated["predicate"]["buildDefinition"]["resolvedDependencies"].append(
        {"name": "x", "digest": {"dirHash": "1" * 64}}
    )
    problems = problems_of(stated, found)
    assert [problem.split(":")[0] for problem in problems] == [
        "it says of 'six-1.17.0' what is not so",
        "it says of 'x' what is not so",
    ]


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"_type": 1},
        {"_type": "https://in-toto.io/Statement/v1", "predicateType": "pytest-flash:receipt/v1"},
        {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1"},
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [1, {"digest": 2}, {"digest": {"sha256": 3}}],
            "predicate": [],
        },
    ],
    ids=["empty", "type", "receipt", "bare", "odd"],
)
def test_what_is_no_provenance_is_said_to_be_none(found: Contents, stated: dict[str, Any]) -> None:
    """Never a traceback."""
    assert problems_of(stated, found)


def test_any_checkout_will_do(found: Contents) -> None:
    """It is given, not read."""
    own = SimpleNamespace(commit="ef" * 20, branch=None, is_dirty=False, changed=())
    assert by_name(statement_of(found, source=own))["checkout"]["digest"] == {"gitCommit": "ef" * 20}
