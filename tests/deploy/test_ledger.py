"""The ledger: what was live when, and which version is meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.cloud.records import BuildRecord
from flash.deploy import ledger
from flash.errors import NotFound, Refused, SettingsError
from flash.model.manifest import DeploymentEntry, Manifest


def build(build_id: str, digest: str | None, previous: str | None = None, **entry: Any) -> BuildRecord:
    """A build for production; without a digest, one that others made."""
    made = None
    if digest is not None:
        usual = {"run": f"run of {build_id}", "environment": "production", "action": "deploy", "state": "verified"}
        made = DeploymentEntry(**{**usual, **entry}, previous_build_id=previous)
    full = None if digest is None else digest * 64 if len(digest) == 1 else digest
    manifest = Manifest(digest=full, deployment=made)
    return BuildRecord(id=build_id, object_key=f"key of {digest}", created_at="", manifest=manifest)


def numbered(builds: list[BuildRecord], live: str | None) -> list[tuple[str, int | None]]:
    return [(line.build.id, line.number) for line in ledger.history(builds, "production", live)]


THREE = [build("b3", "3", "b2"), build("b2", "2", "b1"), build("b1", "1")]


def test_versions_are_counted_from_the_live_one() -> None:
    """Each entry says which build it replaced."""
    assert numbered(THREE, "b3") == [("b3", 0), ("b2", 1), ("b1", 2)]
    assert numbered(THREE, None) == []


def test_what_is_live_comes_from_the_environment_not_from_the_order() -> None:
    """The newest build need not be live."""
    assert numbered(THREE, "b2") == [("b2", 0), ("b1", 1)]


def test_a_build_that_was_never_live_is_no_version() -> None:
    """Its run died before the activation, or it was another environment's, or a candidate's."""
    builds = [
        build("b5", "5", "b3", state="staged"),
        build("b4", "4", "b3", state="activated"),
        build("c3", "3", action="candidate", environment="production-candidate"),
        build("s1", "8", environment="staging"),
        *THREE,
    ]
    assert numbered(builds, "b3") == [("b3", 0), ("b2", 1), ("b1", 2)]


def test_what_was_rolled_back_is_no_version_to_go_back_to() -> None:
    """Nor is the same artifact again further down."""
    builds = [
        build("r2", "2", "b3", action="rollback"),
        build("b3", "3", "b2", state="rolled-back"),
        *THREE[1:],
    ]
    assert numbered(builds, "r2") == [("r2", 0), ("b3", None), ("b2", None), ("b1", 1)]


def test_rolling_back_again_and_again_goes_further_and_further() -> None:
    """It does not come back to what it left."""
    builds = [
        build("r1", "1", "r2", action="rollback"),
        build("r2", "2", "b3", action="rollback", state="rolled-back"),
        build("b3", "3", "b2", state="rolled-back"),
        *THREE[1:],
    ]
    assert [number for _, number in numbered(builds, "r1")] == [0, None, None, None, None]
    with pytest.raises(NotFound, match="nothing to roll 'production' back to"):
        ledger.target(builds, "production", "r1")


def test_a_version_that_was_deployed_again_after_its_rollback_counts_again() -> None:
    """It has been verified since."""
    builds = [build("b5", "5", "b4"), build("b4", "3", "b3"), build("b3", "3", "b2", state="rolled-back"), *THREE[1:]]
    assert numbered(builds, "b5") == [("b5", 0), ("b4", 1), ("b3", None), ("b2", 2), ("b1", 3)]


def test_what_others_deployed_in_between_hides_nothing() -> None:
    """Their builds say nothing; it goes on with the next older one that was made for the environment."""
    builds = [build("b4", "4", "x"), build("x", None), build("s", "8", environment="staging"), *THREE]
    assert numbered(builds, "b4") == [("b4", 0), ("x", 1), ("b3", 2), ("b2", 3), ("b1", 4)]


def test_the_version_before_is_meant_by_default() -> None:
    """Or so many before."""
    assert ledger.target(THREE, "production", "b3").id == "b2"
    assert ledger.target(THREE, "production", "b3", "2").id == "b1"


@pytest.mark.parametrize("wanted", ["2222", "sha256:2222", "2" * 64])
def test_a_version_is_meant_by_the_beginning_of_its_digest(wanted: str) -> None:
    """At least four characters: shorter ones could be numbers."""
    assert ledger.target(THREE, "production", "b3", wanted).id == "b2"


def test_one_that_was_rolled_back_can_be_named_by_its_digest() -> None:
    """Who asks for it by name means it."""
    builds = [build("r2", "2", "b3", action="rollback"), build("b3", "3", "b2", state="rolled-back"), *THREE[1:]]
    assert ledger.target(builds, "production", "r2", "3333").id == "b3"


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [
        ("0", Refused, "is what is live"),
        ("3", NotFound, "had 2 version\\(s\\) before the live one, not 3"),
        ("3333", Refused, "333333333333 is live in 'production' already"),
        ("4444", NotFound, "no version that was live in 'production' has a digest that begins with '4444'"),
        ("xyz", SettingsError, "neither a number"),
        ("-1", SettingsError, "^-1 is no number of versions to go back"),
        ("", None, ""),
    ],
)
def test_what_cannot_be_meant_says_why(wanted: str, kind: type[Exception] | None, words: str) -> None:
    """With a hint."""
    if kind is None:
        assert ledger.target(THREE, "production", "b3", wanted).id == "b2"
        return
    with pytest.raises(kind, match=words) as caught:
        ledger.target(THREE, "production", "b3", wanted)
    assert caught.value.hint  # type: ignore[attr-defined]


def test_the_beginning_of_two_digests_means_neither() -> None:
    """Both are named."""
    builds = [build("b3", "3", "b2"), build("b2", "ab12" + "0" * 60, "b1"), build("b1", "ab12" + "1" * 60)]
    with pytest.raises(Refused, match="the beginning of 2 digests") as caught:
        ledger.target(builds, "production", "b3", "ab12")
    assert [reason[:5] for reason in caught.value.reasons] == ["ab120", "ab121"]


def test_an_environment_where_nothing_was_live_has_nothing_to_go_back_to() -> None:
    """Before the first deployment, and after it."""
    for live in (None, "b1"):
        with pytest.raises(NotFound, match="nothing to roll 'production' back to"):
            ledger.target(THREE, "production", live)


def test_uploads_are_found_by_digest_the_newest_first() -> None:
    """Each once."""
    builds = [build("b2", "1"), BuildRecord(id="b1", object_key="older", created_at="", manifest=THREE[2].manifest)]
    assert ledger.object_keys([*builds, *builds], "1" * 64) == ("key of 1", "older")
    assert ledger.object_keys(builds, "2" * 64) == ()


def test_builds_after_the_live_one_are_of_runs_that_died_or_are_at_work() -> None:
    """They say what they meant to do."""
    builds = [build("b5", "5", state="staged"), build("b4", "4", state="activated"), build("x", None), *THREE]
    assert [one.id for one in ledger.unfinished(builds, "production", "b3")] == ["b5", "b4"]


@given(
    st.lists(
        st.tuples(st.sampled_from("1234"), st.sampled_from(["verified", "rolled-back", "activated"])),
        min_size=1,
        max_size=12,
    )
)
def test_every_number_is_another_artifact_and_none_is_skipped(deployments: list[tuple[str, str]]) -> None:
    """Whatever was deployed in whatever order."""
    builds: list[BuildRecord] = []
    for number, (digest, state) in enumerate(deployments):
        builds.insert(0, build(f"b{number}", digest, f"b{number - 1}" if number else None, state=state))
    lines = ledger.history(builds, "production", builds[0].id)
    numbers = [line.number for line in lines if line.number is not None]
    assert numbers == list(range(len(numbers)))
    digests = [line.digest for line in lines if line.number is not None]
    assert len(set(digests)) == len(digests)
    assert [line.build.id for line in lines] == [one.id for one in builds]
