"""Which release may be promoted: what fits is taken from where it is, what does not is refused and told."""

from __future__ import annotations

from typing import Any

import pytest
from fakes_deploy import artifact, manifest
from fakes_receipt import DIGEST, GATE, key_pair, receipt

from flash.cloud.records import BuildRecord, LiveEnvironment
from flash.deploy.provenance import check_receipt, release_of_environment, release_of_receipt
from flash.deploy.receipt import Sealed, open_receipt, seal
from flash.deploy.signature import signing_key, trusted_keys
from flash.errors import ReceiptError, Refused
from flash.model.manifest import DeploymentEntry, Manifest

OTHER = "a" * 64


def sealed(**changes: Any) -> Sealed:
    """A receipt as it was read."""
    return open_receipt(seal(receipt(**changes), None).encode())


def entry(**changes: Any) -> DeploymentEntry:
    """What the ledger says of what staging runs."""
    given = {"run": "r", "environment": "staging", "action": "deploy", "state": "verified", "gate": "passed"}
    return DeploymentEntry(**{**given, "git": "c" * 40, **changes})


def told(evidence: str) -> dict[str, Any]:
    """A gate that has seen this."""
    return {**GATE, "conditions": [{"code": "FLASH-G001", "outcome": "pass", "evidence": [evidence]}]}


def build(
    build_id: str = "build9",
    object_key: str = "object9",
    digest: str | None = DIGEST,
    packed: Manifest | None = None,
    deployment: DeploymentEntry | None = None,
) -> BuildRecord:
    """A build of the app."""
    sent = (packed or manifest("greeter")).model_copy(
        update={"digest": digest, "deployment": deployment, "resources_endpoints": {"greeter": "http://x"}}
    )
    return BuildRecord(id=build_id, object_key=object_key, created_at="", manifest=sent)


def staging(found: BuildRecord | None) -> LiveEnvironment:
    """An environment that runs it."""
    return LiveEnvironment(
        id="env1",
        name="staging",
        app_id="app1",
        active_build_id=None if found is None else found.id,
        manifest=None if found is None else found.manifest,
        endpoints={},
    )


# -- the receipt itself


def test_a_receipt_of_this_app_whose_gate_passed_is_taken() -> None:
    """Without trusted keys nobody has to have signed it."""
    assert check_receipt(sealed(), app="demo", trusted=()) == ""
    # the gate has claimed less than there is
    assert check_receipt(sealed(gate=told("1 passed")), app="demo", trusted=()) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"app": "other"}, "about the app 'other'"),
        ({"gate": {**GATE, "outcome": "refused"}}, "its outcome is 'refused'"),
        ({"gate": {**GATE, "conditions": [{"code": "FLASH-G002", "outcome": "refused"}]}}, "FLASH-G002: refused"),
        ({"gate": {**GATE, "conditions": [{"code": "FLASH-G003", "outcome": "inconclusive"}]}}, "inconclusive"),
        ({"gate": {**GATE, "conditions": []}}, "no decision"),
        ({"gate": {}}, "no decision"),
        ({"gate": {**GATE, "digest": OTHER}}, "another artifact than its subject"),
        ({"digest": OTHER}, "another artifact than its subject"),
        ({"outcomes": {}}, "has counted 2 passed, its outcomes have 0"),
        ({"outcomes": {"test_a": "passed", "test_b": "skipped"}}, "has counted 2 passed, its outcomes have 1"),
        ({"outcomes": {}, "gate": {**GATE, "conditions": [{"code": "FLASH-G001", "outcome": "pass"}]}}, "counted 1"),
        ({"gate": told("the project has no tests of its own; 3 contract checks passed")}, "counted 3 passed"),
    ],
)
def test_a_receipt_of_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    """Another app, a gate that did not let it through, or one that has counted what the outcomes do not have."""
    with pytest.raises(ReceiptError, match=said) as caught:
        check_receipt(sealed(**changes), app="demo", trusted=())
    assert caught.value.hint


def test_a_trusted_key_has_to_have_signed_it() -> None:
    """Where one is configured."""
    private, public = key_pair()
    signed = open_receipt(seal(receipt(), signing_key(private)).encode())
    assert check_receipt(signed, app="demo", trusted=trusted_keys([public])).startswith("sha256:")
    with pytest.raises(ReceiptError, match="not signed"):
        check_receipt(sealed(), app="demo", trusted=trusted_keys([public]))


# -- where the bytes are


def test_the_bytes_are_the_platform_s_where_it_has_them() -> None:
    """Nothing is uploaded: a further build is made of the same upload."""
    release = release_of_receipt(sealed(), target="local", builds=[build()], artifact=None)
    assert (release.digest, release.object_key, release.artifact) == (DIGEST, "object9", None)
    assert release.manifest == manifest("greeter")
    assert (release.action, release.gate, release.git) == ("promote", "receipt", "c" * 40)
    assert release.receipt == sealed().sha256


def test_any_build_of_the_same_artifact_will_do() -> None:
    """The one that the receipt names may have been made on another platform."""
    elsewhere = build("build1", "object1")
    for target in ("local", "runpod"):
        assert release_of_receipt(sealed(), target=target, builds=[elsewhere], artifact=None).object_key == "object1"


def test_a_file_of_that_digest_will_do_where_the_platform_has_nothing() -> None:
    """It is uploaded then; where the platform has it, it is not."""
    file = artifact(manifest("greeter"), DIGEST)
    assert release_of_receipt(sealed(), target="local", builds=[], artifact=file).artifact is file
    assert release_of_receipt(sealed(), target="local", builds=[], artifact=file).object_key is None
    assert release_of_receipt(sealed(), target="local", builds=[build()], artifact=file).object_key == "object9"


def test_a_file_of_another_digest_is_refused() -> None:
    """One flipped byte is another digest."""
    with pytest.raises(ReceiptError, match=f"sha256 is {OTHER}"):
        release_of_receipt(sealed(), target="local", builds=[build()], artifact=artifact(manifest("greeter"), OTHER))


@pytest.mark.parametrize(
    ("builds", "said"),
    [
        ([], "neither here nor among the 0"),
        ([build(digest=OTHER, build_id="b", object_key="o")], "neither here nor among the 1"),
        ([build(digest=None, build_id="b", object_key="o")], "neither here"),
        ([BuildRecord(id="b", object_key="o", created_at="", manifest=None)], "neither here"),
        ([build(digest=OTHER)], f"is of the artifact {OTHER} by now"),
        ([build("new", digest=OTHER), build()], "build new, which the receipt names"),
        ([BuildRecord(id="build9", object_key="o", created_at="", manifest=None)], "artifact unknown by now"),
        ([build(packed=manifest("greeter", workers_max=9))], "another manifest than the one that was tested"),
    ],
)
def test_what_the_platform_has_not_or_has_changed_is_refused(builds: list[BuildRecord], said: str) -> None:
    """With the way out: the file that was tested."""
    with pytest.raises(ReceiptError, match=said) as caught:
        release_of_receipt(sealed(), target="local", builds=builds, artifact=None)
    assert "--artifact" in caught.value.hint


# -- from another environment


def test_what_is_verified_in_staging_moves() -> None:
    """With the receipt and the commit that its own entry names."""
    found = build(deployment=entry(receipt="e" * 64))
    release = release_of_environment(staging(found), "staging", source=[found], builds=[found], artifact=None)
    assert (release.digest, release.object_key, release.receipt) == (DIGEST, "object9", "e" * 64)
    assert (release.action, release.gate, release.git) == ("promote", "receipt", "c" * 40)
    assert release.manifest == manifest("greeter")


def test_another_platform_needs_the_bytes() -> None:
    """It has them already, or they are here."""
    found = build(deployment=entry())
    live = staging(found)
    with pytest.raises(ReceiptError, match="neither here nor among the 0"):
        release_of_environment(live, "staging", source=[found], builds=[], artifact=None)
    there = build("other", "other-object")
    assert release_of_environment(live, "staging", source=[found], builds=[there], artifact=None).object_key == (
        "other-object"
    )
    file = artifact(manifest("greeter"), DIGEST)
    assert release_of_environment(live, "staging", source=[found], builds=[], artifact=file).artifact is file
    other = artifact(manifest("greeter"), OTHER)
    with pytest.raises(ReceiptError, match=f"sha256 is {OTHER}"):
        release_of_environment(live, "staging", source=[found], builds=[], artifact=other)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "nothing is live in 'staging'"),
        (build(deployment=None), "no entry in the ledger"),
        (build(digest=None, deployment=entry()), "no entry in the ledger"),
        (build(deployment=entry(state="activated")), "not verified: the ledger says activated"),
        (build(deployment=entry(state="rolled-back")), "not verified"),
        (build(deployment=entry(gate="ungated")), "without the gate"),
        (build(deployment=entry(gate=None)), "without the gate"),
    ],
)
def test_what_is_not_verified_in_staging_stays_there(found: BuildRecord | None, said: str) -> None:
    """Nobody knows that it works."""
    with pytest.raises(Refused, match=said) as caught:
        release_of_environment(staging(found), "staging", source=[], builds=[], artifact=None)
    assert "--env staging" in caught.value.hint


def test_an_environment_that_is_not_there_has_nothing_to_promote() -> None:
    """It is told like an empty one."""
    with pytest.raises(Refused, match="nothing is live in 'staging'"):
        release_of_environment(None, "staging", source=[], builds=[], artifact=None)
