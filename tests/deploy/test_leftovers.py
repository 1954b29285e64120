"""What a killed deployment left, and what is in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_deploy import Clock, FakePlatform, artifact, manifest

from flash.cloud.records import LeaseRecord
from flash.deploy import leftovers
from flash.deploy.apply import apply, finish
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.release import Release
from flash.deploy.staged import StagedRollout
from flash.errors import Busy, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from flash.deploy.apply import Applied
    from flash.deploy.deployment import Deployment
    from flash.deploy.leftovers import Leftovers
    from flash.model.manifest import Manifest

D1, D2 = "1" * 64, "2" * 64


class Killed(BaseException):
    """The process is gone: nothing is cleaned up."""


class Scene:
    """A platform, and runs on it, each with a journal of its own; some are killed."""

    def __init__(self, folder: Path) -> None:
        self.platform = FakePlatform()
        self.folder = folder

    def deploy(self, what: Manifest, digest: str = D1, *, journal: Journal | None = None) -> Applied:
        live = self.platform.environment("demo", "production")
        clock = Clock()
        return apply(
            plan(what, live, digest=digest),
            Release.of(artifact(what, digest)),
            control=self.platform,
            rollout=StagedRollout(),
            app="demo",
            environment="production",
            journal=journal or Journal(self.folder / "other.jsonl"),
            report=lambda _: None,
            clock=clock,
            sleep=clock.sleep,
        )

    def kept(self, what: Manifest, digest: str = D1) -> Deployment:
        applied = self.deploy(what, digest)
        finish(applied)
        return applied.deployment

    def killed(
        self, what: Manifest, at: str, monkeypatch: pytest.MonkeyPatch, digest: str = D1
    ) -> tuple[Journal, Callable[[], Leftovers]]:
        """A run that was killed at that operation; its journal, and a look at what it left."""
        journal = Journal(self.folder / f"{at.replace('/', '-')}.jsonl")
        self.platform.fails[at] = Killed()
        with monkeypatch.context() as patch:
            patch.setattr("flash.deploy.apply._Attempt.abandon", lambda _: None)
            with pytest.raises(Killed):
                self.deploy(what, digest, journal=journal)
        del self.platform.fails[at]
        return journal, lambda: leftovers.look(journal.pending(), client=self.platform)  # type: ignore[arg-type]

    def clear(self, found: Leftovers, journal: Journal) -> None:
        (run,) = {one.run for one in journal.pending()}
        leftovers.clear(found, run, client=self.platform, journal=journal)  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("at", ["upload", "finalize/lost", "save_endpoint", "save_endpoint/lost", "activate"])
def test_a_first_deployment_that_was_killed_leaves_nothing(
    scene: Scene, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was killed; afterwards its journal is settled."""
    journal, look = scene.killed(manifest("gpu", "cpu"), at, monkeypatch)
    found = look()
    assert found.has_environment
    scene.clear(found, journal)
    assert (scene.platform.endpoints, scene.platform.environments) == ({}, {})
    assert journal.pending() == ()


def test_what_is_live_stays_as_it_is(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the endpoint goes that the killed run added, and the versions that it staged."""
    scene.kept(manifest("gpu"))
    before = scene.platform.seen()
    journal, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "activate", monkeypatch, D2)
    found = look()
    assert found.names == ("endpoint new of demo/production", "versions of demo/production that are not live")
    scene.clear(found, journal)
    assert scene.platform.seen() == before
    assert [one.state for one in scene.platform.endpoints[before["gpu"][0]].versions] == ["ACTIVE"]


def test_a_run_that_was_killed_after_its_activation_is_finished(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new version is live and stays; the one before it is retired."""
    scene.kept(manifest("gpu"))
    journal, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "activate/lost", monkeypatch, D2)
    seen = scene.platform.seen()
    found = look()
    assert found.names == ("versions of demo/production that are not live",)
    scene.clear(found, journal)
    assert scene.platform.seen() == seen
    assert all(len(one.versions) == 1 for one in scene.platform.endpoints.values())


def test_what_a_later_deployment_uses_is_not_left_over(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the killed run made it."""
    journal, look = scene.killed(manifest("gpu"), "activate", monkeypatch)
    scene.kept(manifest("gpu"))
    seen = scene.platform.seen()
    found = look()
    assert (found.names, found.left) == ((), "")
    scene.clear(found, journal)
    assert scene.platform.seen() == seen
    assert journal.pending() == ()


def test_versions_that_may_be_anothers_stay(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retiring is for all of an environment at once."""
    scene.kept(manifest("gpu"))
    _, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "save_endpoint/lost", monkeypatch, D2)
    scene.killed(manifest("gpu", fingerprint="f3"), "activate", monkeypatch, "3" * 64)
    found = look()
    assert not found.has_versions
    assert found.left == "versions that are not live may be another deployment's"


def test_an_environment_that_is_gone_took_everything_with_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is only the journal to settle."""
    journal, look = scene.killed(manifest("gpu"), "upload", monkeypatch)
    scene.platform.environments.clear()
    scene.clear(look(), journal)
    assert journal.pending() == ()


def test_a_live_build_that_nobody_can_read_keeps_everything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any endpoint may be in use."""
    scene.kept(manifest("gpu"))
    _, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "activate", monkeypatch, D2)
    monkeypatch.setattr(scene.platform, "build_manifest", lambda _: None)
    found = look()
    assert (found.names, "no manifest" in found.left) == ((), True)


def test_a_platform_that_stages_no_versions_has_none_to_leave(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runpod; but where nobody answers, nothing is decided."""
    scene.kept(manifest("gpu"))
    _, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "activate", monkeypatch, D2)

    def refuse(_: str) -> None:
        raise error

    monkeypatch.setattr(scene.platform, "environment_versions", refuse)
    error: PlatformError = PlatformError("Cannot query field 'flashVersions'")
    assert look().names == ("endpoint new of demo/production",)
    error = PlatformUnreachable("nobody answers")
    with pytest.raises(PlatformUnreachable):
        look()


def test_nothing_is_swept_where_somebody_deploys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform with leases, that is known; afterwards the lease is given back."""
    scene.kept(manifest("gpu"))
    journal, look = scene.killed(manifest("gpu", "new", fingerprint="f2"), "activate", monkeypatch, D2)
    found = look()
    (run,) = {one.run for one in journal.pending()}
    theirs = LeaseRecord(id="", holder="r9", who="ada@host", since="2026-01-01T00:00:00Z", expires_in_s=0.0)
    scene.platform.lease = replace(theirs, expires_in_s=20.0)
    scene.platform.renews = True
    with pytest.raises(Busy, match="being deployed to by ada@host"):
        scene.clear(found, journal)
    assert {one.run for one in journal.pending()} == {run}
    scene.platform.lease = None
    scene.clear(found, journal)
    assert journal.pending() == ()
    assert scene.platform.held is None
