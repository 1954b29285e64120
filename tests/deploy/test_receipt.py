"""Receipts: what is written, what is read back, and what is not believed."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from fakes_deploy import manifest
from fakes_receipt import DIGEST, edited, receipt
from hypothesis import given
from hypothesis import strategies as st

from flash.deploy.envelope import PAYLOAD_TYPE, pae
from flash.deploy.receipt import Receipt, is_receipt, manifest_digest, open_receipt, seal
from flash.errors import ReceiptError
from flash.model.manifest import Manifest


def test_it_is_an_in_toto_statement_about_the_artifact() -> None:
    """The subject is the digest; the rest is the predicate, in the spelling of the framework."""
    envelope = json.loads(seal(receipt(), None))
    assert (envelope["payloadType"], envelope["signatures"]) == ("application/vnd.in-toto+json", [])
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "demo/artifact.tar.gz", "digest": {"sha256": DIGEST}}]
    assert statement["predicateType"] == "pytest-flash:receipt/v1"
    assert sorted(statement["predicate"]) == [
        *("app", "environment", "fingerprint", "gate", "git", "hostWheels", "lock", "manifestSha256", "markers"),
        *("outcomes", "promoted", "python", "seeds", "sizeBytes", "versions", "waivers"),
    ]
    assert statement["predicate"]["waivers"] == []
    assert statement["predicate"]["promoted"]["objectKey"] == "object9"


def test_what_was_sealed_is_what_is_opened() -> None:
    """With the sha256 that the ledger remembers it by."""
    opened = open_receipt(seal(receipt(), None).encode())
    assert opened.receipt == receipt()
    assert opened.sha256 == hashlib.sha256(receipt().payload()).hexdigest()
    assert opened.envelope.signatures == ()


@given(
    st.builds(
        dict,
        app=st.text(),
        outcomes=st.dictionaries(st.text(), st.sampled_from(["passed", "skipped", "xfailed", "xpassed"])),
        seeds=st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.booleans(), st.text())),
        git=st.none(),
        environment=st.one_of(st.none(), st.text()),
    )
)
def test_any_receipt_survives_its_file(changes: dict[str, Any]) -> None:
    """Whatever characters a node id has."""
    assert open_receipt(seal(receipt(**changes), None).encode()).receipt == receipt(**changes)


def test_the_same_receipt_gives_the_same_bytes() -> None:
    """The order in which the outcomes came does not count."""
    backwards = dict(reversed(receipt().outcomes.items()))
    assert seal(receipt(outcomes=backwards), None) == seal(receipt(), None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "payloadType is missing"),
        (b'{"payloadType": NaN}', "NaN"),
        (b'{"payloadType": "text/plain"}', "payloadType is 'text/plain'"),
        (json.dumps({"payloadType": PAYLOAD_TYPE}).encode(), "has no payload"),
        (json.dumps({"payloadType": PAYLOAD_TYPE, "payload": "%"}).encode(), "not base64"),
        (json.dumps({"payloadType": PAYLOAD_TYPE, "payload": "e30="}).encode(), "was edited"),
    ],
)
def test_what_is_no_receipt_is_told_why(content: bytes, said: str) -> None:
    """One line, and how to get one."""
    with pytest.raises(ReceiptError, match=said) as caught:
        open_receipt(content)
    assert "--flash-receipt" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "no in-toto statement v1"),
        ({"predicateType": "pytest-flash:receipt/v2"}, "another kind or version"),
        ({"subject": []}, "not one artifact"),
        ({"subject": [{"digest": {"sha256": "a" * 64}}] * 2}, "not one artifact"),
        ({"subject": "x"}, "not one artifact"),
        ({"subject__0__digest__sha256": "short"}, "digest"),
        ({"predicate": None}, "predicate is none of ours"),
        ({"predicate__unknown": 1}, "unknown"),
        ({"predicate__outcomes": {"test_x": "failed"}}, "outcomes.test_x"),
        ({"predicate__sizeBytes": "many"}, "sizeBytes"),
    ],
)
def test_a_statement_that_is_none_of_ours_is_refused(changes: dict[str, Any], said: str) -> None:
    """Also where whoever wrote it has thought of the digest."""
    with pytest.raises(ReceiptError, match=said):
        open_receipt(edited(seal(receipt(), None), keep_digest=False, **changes))


@pytest.mark.parametrize("changes", [{"predicate__app": "other"}, {"subject__0__digest__sha256": "a" * 64}])
def test_an_edited_receipt_is_noticed(changes: dict[str, Any]) -> None:
    """The payload's own sha256 is beside it."""
    with pytest.raises(ReceiptError, match="it was edited"):
        open_receipt(edited(seal(receipt(), None), **changes))


def test_a_receipt_is_known_from_other_files() -> None:
    """So that a run replaces its own file, and nobody else's."""
    assert is_receipt(seal(receipt(), None).encode())
    assert not is_receipt(b"{}")
    assert not is_receipt(b"precious")


def test_what_is_signed_is_the_encoding_of_the_standard() -> None:
    """DSSE's own example."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_manifest_is_the_same_packed_and_finalized() -> None:
    """What a deployment adds to it does not count; what an endpoint is does."""
    packed = manifest("greeter", "lb_worker")
    sent = {**packed.as_json(), "digest": DIGEST, "resources_endpoints": {"greeter": "http://x"}}
    assert manifest_digest(Manifest.parse(json.loads(json.dumps(sent)))) == manifest_digest(packed)
    assert manifest_digest(manifest("greeter", workers_max=7)) != manifest_digest(manifest("greeter"))


def test_a_receipt_holds_no_outcome_that_the_gate_lets_not_through() -> None:
    """There is no receipt of a failure."""
    with pytest.raises(ValueError, match="outcomes"):
        Receipt(**{**receipt().model_dump(), "outcomes": {"test_x": "failed"}})
