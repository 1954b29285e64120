from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes_deploy import Clock, FakePlatform, artifact, manifest

from flash.cloud.records import AppRecord, LeaseRecord, Look
from flash.deploy import ledger, rollback
from flash.deploy.apply import Applied, Deployment, apply, finish
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.deploy.release import Release
from flash.deploy.staged import StagedRollout
from flash.errors import (
    Busy,
    DeployError,
    FlashError,
    NotAuthorized,
    PlatformError,
    PlatformUnreachable,
    Unverified,
    WorkerFailed,
)
from flash.model.manifest import Manifest

D1, D2 = "1" * 64, "2" * 64


class Scene:
    """A platform, a journal and a clock; deploys to ``production`` of ``demo``."""

    def __init__(self, folder: Path) -> None:
        self.platform = FakePlatform()
        self.journal = Journal(folder / "journal.jsonl")
        self.clock = Clock()
        self.lines: list[str] = []
        self.begun: list[Applied] = []

    @property
    def injected(self) -> dict[str, Any]:
        return {
            "control": self.platform,
            "rollout": StagedRollout(),
            "app": "demo",
            "environment": "production",
            "journal": self.journal,
            "report": self.lines.append,
            "clock": self.clock,
            "sleep": self.clock.sleep,
            "now": lambda: "2026-01-02T03:04:05Z",
            "who": "ada@host",
        }

    def apply(self, what: Manifest, digest: str = D1, **options: Any) -> Applied:
        live = self.platform.environment("demo", "production")
        release = Release.of(artifact(what, digest))
        applied = apply(plan(what, live, digest=digest), release, **{**self.injected, **options})
        self.begun.append(applied)
        return applied

    def deploy(self, what: Manifest, digest: str = D1, **options: Any) -> Deployment:
        self.applied = self.apply(what, digest, **options)
        return self.applied.deployment

    def finish(self) -> None:
        finish(self.applied)

    def keep(self, what: Manifest, digest: str = D1, **options: Any) -> Deployment:
        deployment = self.deploy(what, digest, **options)
        self.finish()
        return deployment

    def restore(self) -> str:
        return rollback.restore(self.applied)

    def remove(self) -> tuple[str, ...]:
        live = self.platform.environment("demo", "production")
        assert live is not None
        return rollback.remove(
            live,
            app="demo",
            control=self.platform,
            rollout=StagedRollout(),
            journal=self.journal,
            report=self.lines.append,
        )

    def entry(self, build_id: str) -> dict[str, Any]:
        """What the ledger says of a build."""
        return self.platform.ledger[build_id]["deployment"]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    for applied in scene.begun:
        applied.site.let_go()


def test_a_first_deployment_makes_app_environment_and_endpoints(scene: Scene):
    """In this order; nothing is activated before everything is healthy."""
    deployment = scene.deploy(manifest("lb_worker", "gpu"))
    assert scene.platform.calls == [
        "create_app",
        "create_environment",
        "acquire_lease",
        "upload",
        "finalize",
        "save_endpoint",
        "save_endpoint",
        "update_build_manifest",
        "activate",
    ]
    assert scene.platform.seen() == {
        "lb_worker": (deployment.endpoints[0].id, deployment.build_id),
        "gpu": (deployment.endpoints[1].id, deployment.build_id),
    }
    assert (deployment.previous, deployment.previous_build_id) == (None, None)
    assert (deployment.digest, deployment.app, deployment.environment) == (D1, "demo", "production")


def test_the_manifest_on_the_platform_knows_digest_and_urls(scene: Scene):
    """Endpoints find each other through it; the packed one knows neither."""
    deployment = scene.deploy(manifest("lb_worker", "gpu"))
    stored = scene.platform.ledger[deployment.build_id]
    assert stored["digest"] == D1
    assert stored["resources_endpoints"] == {endpoint.name: endpoint.url for endpoint in deployment.endpoints}
    assert deployment.endpoints[0].url == f"http://127.0.0.1:1/lb/{deployment.endpoints[0].id}"


def test_endpoint_ids_survive_redeployment(scene: Scene):
    """URLs are in other people's programs."""
    first = scene.keep(manifest("gpu"))
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert second.endpoints == first.endpoints
    assert (second.previous, second.previous_build_id) == (D1, first.build_id)
    assert scene.platform.seen()["gpu"][1] == second.build_id


def test_the_old_version_stays_beside_the_new_one_until_it_is_retired(scene: Scene):
    """So that it can be put back without a cold start."""
    first = scene.keep(manifest("gpu"))
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    (endpoint,) = scene.platform.endpoints.values()
    assert [(one.build_id, one.state) for one in endpoint.versions] == [
        (second.build_id, "ACTIVE"),
        (first.build_id, "PREVIOUS"),
    ]
    scene.finish()
    assert [one.state for one in endpoint.versions] == ["ACTIVE"]


def test_deploying_what_is_live_changes_nothing(scene: Scene):
    """It needs no upload either, and gives the same endpoints."""
    first = scene.keep(manifest("lb_worker", "gpu"))
    scene.platform.calls.clear()
    again = scene.deploy(manifest("lb_worker", "gpu"))
    assert scene.platform.calls == []
    assert (again.endpoints, again.build_id) == (first.endpoints, first.build_id)
    assert scene.restore() == (
        f"build {first.build_id} (artifact 111111111111) is live in production, as before: nothing was changed"
    )


def test_a_missing_endpoint_is_staged_alone(scene: Scene):
    """Somebody deleted it; the others keep their version."""
    first = scene.keep(manifest("a", "b"))
    (gone,) = [one.id for one in first.endpoints if one.name == "b"]
    scene.platform.delete_endpoint(gone)
    second = scene.deploy(manifest("a", "b"))
    assert set(second.staged) == {"b"}
    assert scene.platform.seen()["a"] == (first.staged["a"], first.build_id)
    assert [endpoint.name for endpoint in second.endpoints] == ["a", "b"]


def test_an_endpoint_that_is_no_longer_declared_lives_until_the_deployment_is_kept(scene: Scene):
    """A deletion cannot be undone, so it comes last."""
    scene.keep(manifest("a", "old"))
    second = scene.deploy(manifest("a", fingerprint="f2"), D2)
    assert set(scene.platform.seen()) == {"a", "old"}
    assert second.removed
    scene.finish()
    assert set(scene.platform.seen()) == {"a"}
    assert scene.lines[-1] == "removed old"


def test_only_deleting_needs_no_new_build(scene: Scene):
    """The artifact is the one that is live."""
    first = scene.keep(manifest("a"))
    scene.platform.endpoints["x"] = type(next(iter(scene.platform.endpoints.values())))(
        "x", "leftover", first.environment_id
    )
    second = scene.deploy(manifest("a"))
    scene.finish()
    assert second.build_id == first.build_id
    assert set(scene.platform.seen()) == {"a"}


def test_waiting_goes_on_until_every_endpoint_is_healthy(scene: Scene):
    """Long waits say what for."""
    scene.platform.unhealthy = {"a": 100, "b": 3}
    scene.deploy(manifest("a", "b"))
    assert scene.lines.index("b is healthy") < scene.lines.index("a is healthy")
    assert any(line.startswith("waiting for a (") for line in scene.lines)


def test_a_worker_that_keeps_everybody_waiting_is_told_with_what_it_says(scene: Scene):
    """After half a minute, once: the end of its log, or that it has written nothing."""
    scene.platform.unhealthy = {"a": 10_000}
    scene.platform.log = ("loading the model", "50 %")
    with pytest.raises(WorkerFailed):
        scene.deploy(manifest("a"), deadline_s=60)
    told = [line for line in scene.lines if "the end of its log" in line]
    assert told == ["a is not healthy yet; the end of its log:\n    a wrote this\n    loading the model\n    50 %"]
    assert not any("the end of its log" in line for line in scene.lines[: scene.lines.index(told[0]) - 1])

    scene.platform.log = ()
    with pytest.raises(WorkerFailed, match="no worker was healthy after 60 s") as caught:
        scene.deploy(manifest("a"), deadline_s=60)
    (silent,) = [line for line in scene.lines if "written nothing" in line]
    assert re.fullmatch(r"a has written nothing since it was staged 3\d s ago: does its module wait.*", silent)
    assert "does the endpoint's module wait" in caught.value.hint


def test_a_worker_that_dies_fails_the_deployment_at_once(scene: Scene):
    """With the endpoint and the end of its log; at a first deployment nothing is left."""
    scene.platform.broken = {"gpu": "the worker exited with status 1"}
    with pytest.raises(WorkerFailed, match="'gpu': the worker exited with status 1") as caught:
        scene.deploy(manifest("lb_worker", "gpu"))
    assert caught.value.endpoint == "gpu"
    assert "gpu wrote this" in caught.value.detail
    assert scene.clock.slept == []
    assert (scene.platform.endpoints, scene.platform.environments) == ({}, {})
    assert scene.journal.pending() == ()


def test_a_worker_that_is_never_healthy_fails_the_deployment_in_time(scene: Scene):
    """After ten minutes, or what it is told."""
    scene.platform.unhealthy = {"gpu": 10_000}
    with pytest.raises(WorkerFailed, match="no worker was healthy after 30 s"):
        scene.deploy(manifest("gpu"), deadline_s=30)
    assert 30 <= scene.clock.now < 33


def test_an_import_that_fails_says_where_imports_belong(scene: Scene):
    """As the page does under 'Troubleshooting'."""
    scene.platform.broken = {"gpu": "the worker exited with status 1"}
    scene.platform.log = ("ModuleNotFoundError: No module named 'requests'",)
    with pytest.raises(WorkerFailed) as caught:
        scene.deploy(manifest("gpu"))
    assert "inside the endpoint function" in caught.value.hint
    assert caught.value.headline.endswith(": ModuleNotFoundError: No module named 'requests'")


def test_what_a_worker_wrote_last_is_a_reason_only_where_it_is_one(scene: Scene):
    """The end of a traceback is; a line of its log is not."""
    scene.platform.broken = {"gpu": "the worker exited with status 3"}
    scene.platform.log = ("loading an Error model: 3 %",)
    with pytest.raises(WorkerFailed) as caught:
        scene.deploy(manifest("gpu"))
    assert caught.value.headline == "endpoint 'gpu': the worker exited with status 3"
    assert caught.value.hint


def test_a_worker_that_could_not_be_started_has_the_platforms_hint_and_no_other(scene: Scene):
    """There is no log to look at."""
    reason = "the worker could not be started: image x/y:1 is not here\nhint: docker pull x/y:1\nand this is why"
    scene.platform.broken, scene.platform.log = {"gpu": reason}, ()
    with pytest.raises(WorkerFailed) as caught:
        scene.deploy(manifest("gpu"))
    assert str(caught.value) == f"endpoint 'gpu': {reason}"
    assert caught.value.hint == "docker pull x/y:1"


def test_a_worker_that_dies_without_a_word_has_no_log_to_be_sent_to(scene: Scene):
    """As one whose module calls ``sys.exit``."""
    scene.platform.broken, scene.platform.log = {"gpu": "the worker exited with status 3"}, ()
    with pytest.raises(WorkerFailed) as caught:
        scene.deploy(manifest("gpu"))
    assert caught.value.hint == "it wrote nothing: does the endpoint's module wait, or exit, when it is imported?"


STEPS = ["upload", "finalize", "save_endpoint", "update_build_manifest", "activate"]
INTERRUPTS: list[BaseException] = [PlatformUnreachable("down"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", INTERRUPTS, ids=["unreachable", "interrupt"])
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_leaves_what_was_live(scene: Scene, step: str, error: BaseException):
    """Also an interrupt; nothing stays beside it, and the next deployment goes through."""
    first = scene.keep(manifest("gpu"))
    before = scene.platform.seen()
    scene.platform.fails[step] = error
    with pytest.raises(type(error)):
        scene.deploy(manifest("gpu", "new", fingerprint="f2"), D2)
    assert scene.platform.seen() == before
    assert [one.state for endpoint in scene.platform.endpoints.values() for one in endpoint.versions] == ["ACTIVE"]
    assert scene.platform.environment("demo", "production").active_build_id == first.build_id  # type: ignore[union-attr]
    assert scene.journal.pending() == ()

    del scene.platform.fails[step]
    assert scene.deploy(manifest("gpu", "new", fingerprint="f2"), D2).previous == D1


@pytest.mark.parametrize("step", ["create_environment", *STEPS])
def test_a_first_deployment_that_fails_leaves_no_environment(scene: Scene, step: str):
    """Only the app, which others may share."""
    scene.platform.fails[step] = PlatformUnreachable("down")
    with pytest.raises(PlatformUnreachable):
        scene.deploy(manifest("gpu"))
    assert (scene.platform.endpoints, scene.platform.environments) == ({}, {})


def test_an_endpoint_whose_creation_was_never_answered_is_found_and_removed(scene: Scene):
    """What is there is read from the platform."""
    scene.keep(manifest("gpu"))
    scene.platform.fails["save_endpoint/lost"] = PlatformUnreachable("down")
    with pytest.raises(PlatformUnreachable):
        scene.deploy(manifest("new", "gpu", fingerprint="f2"), D2)
    assert set(scene.platform.seen()) == {"gpu"}


def test_an_activation_whose_answer_got_lost_is_an_activation(scene: Scene):
    """What is live is read from the platform."""
    scene.platform.fails["activate/lost"] = PlatformUnreachable("down")
    deployment = scene.deploy(manifest("gpu"))
    assert scene.platform.seen()["gpu"][1] == deployment.build_id


def test_an_activation_with_a_key_that_was_taken_away_is_none(scene: Scene):
    """A refusal is an answer."""
    scene.platform.fails["activate"] = NotAuthorized("no")
    with pytest.raises(NotAuthorized):
        scene.deploy(manifest("gpu"))


def test_an_interrupt_just_after_the_activation_does_not_take_the_new_version_down(scene: Scene):
    """It is live; the next deployment retires the one before it."""
    scene.keep(manifest("gpu"))
    scene.platform.fails["activate/lost"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        scene.deploy(manifest("gpu", "new", fingerprint="f2"), D2)
    live = scene.platform.environment("demo", "production")
    assert live is not None
    assert {build for _, build in scene.platform.seen().values()} == {live.active_build_id}
    assert any("is live" in line for line in scene.lines)


def test_an_environment_that_somebody_removed_meanwhile_needs_no_clean_up(scene: Scene):
    """The error is the one that stopped the deployment."""
    scene.platform.fails["upload"] = PlatformError("no")
    scene.platform.upload_hook = scene.platform.environments.clear
    with pytest.raises(PlatformError, match="no"):
        scene.deploy(manifest("gpu"))
    assert "delete_environment" not in scene.platform.calls


def test_the_app_of_another_environment_is_used(scene: Scene):
    """Environments share it."""
    scene.platform.create_app("demo")
    scene.deploy(manifest("gpu"))
    assert scene.platform.calls.count("create_app") == 1


def test_a_clean_up_that_fails_does_not_hide_why_it_was_needed(scene: Scene):
    """It is reported, and stays in the journal."""
    scene.platform.fails |= {"finalize": PlatformError("no"), "delete_environment": PlatformUnreachable("down")}
    with pytest.raises(PlatformError, match="no"):
        scene.deploy(manifest("gpu"))
    assert any("could not be cleaned up: down" in line for line in scene.lines)
    assert [(one.kind, one.name) for one in scene.journal.pending()][:2] == [
        ("app", "demo"),
        ("environment", "production"),
    ]


def test_an_environment_that_changed_since_the_plan_is_left_alone(scene: Scene):
    """Somebody else deployed meanwhile."""
    what = manifest("gpu")
    stale = plan(what, None, digest=D1)
    scene.keep(what)
    with pytest.raises(DeployError, match="has changed since the plan was made") as caught:
        apply(stale, Release.of(artifact(what, D1)), **scene.injected)
    assert "run it again" in caught.value.hint


def test_a_platform_that_cannot_stage_versions_is_refused(scene: Scene):
    """An update there would apply at once."""
    unknown = 'Field "flashBuildId" is not defined by type "EndpointInput".'
    scene.platform.fails["save_endpoint"] = PlatformError(f"saveEndpoint: {unknown}")
    with pytest.raises(DeployError, match="cannot stage a version") as caught:
        scene.deploy(manifest("gpu"))
    assert "flash platform stop" in caught.value.hint
    assert scene.platform.environments == {}


def test_an_existing_environment_without_anything_live_is_used(scene: Scene):
    """`flash env create` made it; a failure leaves it there."""
    app = scene.platform.create_app("demo")
    scene.platform.create_environment(app.id, "production")
    scene.platform.broken = {"gpu": "died"}
    with pytest.raises(WorkerFailed):
        scene.deploy(manifest("gpu"))
    assert len(scene.platform.environments) == 1
    assert scene.platform.endpoints == {}


def test_volumes_without_an_id_are_not_dropped_in_silence(scene: Scene):
    """The report says that they are not attached."""
    scene.deploy(manifest("gpu", network_volumes=[{"name": "models", "size": 10}]))
    assert any("'models' is not attached" in line for line in scene.lines)


def test_every_creation_is_in_the_journal_before_it_is_made(scene: Scene):
    """And is settled when the deployment is kept."""
    deployment = scene.deploy(manifest("gpu"))
    pending = scene.journal.pending()
    assert [(one.kind, one.name) for one in pending] == [
        ("app", "demo"),
        ("environment", "production"),
        ("upload", D1),
        ("build", D1),
        ("endpoint", "gpu"),
    ]
    assert {one.where for one in pending} == {"http://127.0.0.1:1 demo/production"}
    assert pending[-1].id == deployment.staged["gpu"]
    scene.finish()
    assert scene.journal.pending() == ()


def test_restoring_puts_the_previous_build_back_under_the_same_ids(scene: Scene):
    """What is live afterwards is what was live before."""
    first = scene.keep(manifest("gpu", "b"))
    before = scene.platform.serving()
    given = [one.versions[0].given for one in scene.platform.endpoints.values()]
    second = scene.deploy(manifest("gpu", "b", "new", fingerprint="f2"), D2)
    said = scene.restore()
    assert scene.platform.serving() == before
    live = scene.platform.environment("demo", "production")
    assert live is not None
    assert said == (
        f"build {first.build_id} (artifact 111111111111) is live in production again, as build {live.active_build_id}: "
        "read back, and healthy"
    )
    assert live.active_build_id != second.build_id
    changing = {"id": None, "flashBuildId": None, "template": None}
    assert [one.versions[0].given | changing for one in scene.platform.endpoints.values()] == [
        one | changing for one in given
    ]
    assert [one.state for endpoint in scene.platform.endpoints.values() for one in endpoint.versions] == ["ACTIVE"] * 2
    assert scene.journal.pending() == ()


def test_restoring_keeps_endpoints_that_were_to_be_deleted(scene: Scene):
    """They were never touched."""
    scene.keep(manifest("a", "old"))
    before = scene.platform.serving()
    scene.deploy(manifest("a", fingerprint="f2"), D2)
    scene.restore()
    assert scene.platform.serving() == before


def test_restoring_a_first_deployment_leaves_nothing(scene: Scene):
    """Neither endpoints nor the environment that it made."""
    scene.deploy(manifest("gpu"))
    assert scene.restore() == "nothing is live in production, as before"
    assert (scene.platform.endpoints, scene.platform.environments) == ({}, {})
    assert scene.journal.pending() == ()


def test_restoring_a_first_deployment_keeps_an_environment_that_was_there(scene: Scene):
    """It is the user's."""
    app = scene.platform.create_app("demo")
    scene.platform.create_environment(app.id, "production")
    scene.deploy(manifest("gpu"))
    scene.restore()
    assert scene.platform.endpoints == {}
    assert len(scene.platform.environments) == 1


@pytest.mark.parametrize("failure", ["broken", "activate", "manifest"])
def test_a_build_that_cannot_be_put_back_leaves_the_new_one_live_and_says_so(scene: Scene, failure: str):
    """The message names both builds."""
    first = scene.keep(manifest("gpu"))
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    if failure == "broken":
        scene.platform.broken = {"gpu": "died"}
    elif failure == "activate":
        scene.platform.fails["activate"] = PlatformError("no")
    else:
        del scene.platform.ledger[first.build_id]
    with pytest.raises(DeployError, match=f"previous build {first.build_id} could not be put back") as caught:
        scene.restore()
    assert second.build_id in caught.value.hint
    assert scene.platform.seen()["gpu"][1] == second.build_id


def test_removing_an_environment_removes_exactly_its_endpoints(scene: Scene):
    """Then the environment itself."""
    scene.keep(manifest("b", "a"))
    other = scene.platform.create_environment("app1", "staging")
    scene.platform.save_endpoint({"name": "a", "flashEnvironmentId": other.id, "flashBuildId": "build9"})
    removed = scene.remove()
    assert removed == ("a", "b")
    assert [one.environment_id for one in scene.platform.endpoints.values()] == [other.id]
    assert list(scene.platform.environments) == [other.id]
    assert scene.lines[-2:] == ["removed a", "removed b"]


def test_an_environment_that_cannot_be_removed_keeps_what_is_left(scene: Scene):
    """The error is the platform's."""
    scene.keep(manifest("a"))
    scene.platform.fails["delete_endpoint"] = PlatformError("no")
    with pytest.raises(FlashError, match="no"):
        scene.remove()
    assert set(scene.platform.seen()) == {"a"}


# -- the ledger


def test_the_ledger_says_what_each_build_was_made_for(scene: Scene):
    """Staged when it is finalized, activated with its URLs, verified when it is kept."""
    first = scene.keep(manifest("gpu"))
    states: list[str] = []
    scene.platform.upload_hook = lambda: None
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    states.append(scene.entry(second.build_id)["state"])
    scene.finish()
    entry = scene.entry(second.build_id)
    assert [*states, entry["state"]] == ["activated", "verified"]
    assert entry == {
        "run": second.run,
        "environment": "production",
        "action": "deploy",
        "state": "verified",
        "at": "2026-01-02T03:04:05Z",
        "previous_build_id": first.build_id,
        "previous_digest": D1,
        "removed": [],
    }
    assert scene.platform.ledger[second.build_id]["resources_endpoints"]


def test_a_build_that_was_never_activated_stays_staged_in_the_ledger(scene: Scene):
    """The ledger forgets nothing."""
    scene.platform.broken = {"gpu": "died"}
    with pytest.raises(WorkerFailed):
        scene.deploy(manifest("gpu"))
    assert [one["deployment"]["state"] for one in scene.platform.ledger.values()] == ["staged"]


def test_a_rollback_is_an_entry_too_and_marks_what_it_undid(scene: Scene):
    """Made of the same upload; nothing is sent again."""
    first = scene.keep(manifest("gpu"))
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    scene.restore()
    live = scene.platform.environment("demo", "production")
    assert live is not None
    assert live.active_build_id is not None
    entry = scene.entry(live.active_build_id)
    assert (entry["action"], entry["state"], entry["previous_build_id"]) == ("rollback", "verified", second.build_id)
    assert scene.entry(second.build_id)["state"] == "rolled-back"
    assert scene.platform.object_keys[live.active_build_id] == scene.platform.object_keys[first.build_id]
    assert len(scene.platform.uploads) == 2


# -- what the platform has is not sent again


def test_an_artifact_that_the_platform_has_is_not_sent_again(scene: Scene):
    """It is found by its digest, also after the environment went on to another."""
    scene.keep(manifest("gpu"))
    scene.keep(manifest("gpu", fingerprint="f2"), D2)
    again = scene.keep(manifest("gpu"))
    assert len(scene.platform.uploads) == 2
    assert any("is on the platform already" in line for line in scene.lines)
    assert scene.platform.serving()["gpu"][1] == D1
    assert again.build_id not in {None, again.previous_build_id}


def test_an_artifact_that_the_platform_has_lost_is_sent_again(scene: Scene):
    """The ledger knows what there was, not what is there still."""
    scene.keep(manifest("gpu"))
    scene.keep(manifest("gpu", fingerprint="f2"), D2)
    scene.platform.objects.clear()
    scene.keep(manifest("gpu"))
    assert len(scene.platform.uploads) == 3


def test_an_artifact_that_nobody_has_any_more_cannot_be_deployed(scene: Scene):
    """And what is live stays."""
    scene.keep(manifest("gpu"))
    before = scene.platform.seen()
    release = Release(manifest=manifest("gpu", fingerprint="f2"), digest=D2, object_key="gone")
    live = scene.platform.environment("demo", "production")
    with pytest.raises(DeployError, match="does not have the artifact 222222222222"):
        apply(plan(release.manifest, live, digest=D2), release, **scene.injected)
    assert scene.platform.seen() == before


# -- one at a time


def held(expires_in_s: float = 20.0, holder: str = "another-run") -> LeaseRecord:
    return LeaseRecord(
        id="", holder=holder, who="bob@host (flash deploy)", since="2026-01-01T00:00:00Z", expires_in_s=expires_in_s
    )


def test_a_deployment_holds_its_environment_until_it_is_ended(scene: Scene):
    """Kept or undone."""
    scene.deploy(manifest("gpu"))
    assert scene.platform.held is not None
    scene.finish()
    assert scene.platform.held is None
    scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    scene.restore()
    assert scene.platform.held is None


@pytest.mark.parametrize("step", STEPS)
def test_a_deployment_that_fails_lets_others_in(scene: Scene, step: str):
    """At whatever step."""
    scene.keep(manifest("gpu"))
    scene.platform.fails[step] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert scene.platform.held is None


def test_somebody_elses_deployment_is_not_disturbed(scene: Scene):
    """It is named, and nothing has been touched; whether it lives is seen within seconds."""
    scene.keep(manifest("gpu"))
    scene.platform.calls.clear()
    scene.platform.lease, scene.platform.renews = held(), True
    with pytest.raises(Busy, match=r"deployed to by bob@host \(flash deploy\), since 2026-01-01") as caught:
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert "20 s" in caught.value.hint
    assert scene.platform.calls == []
    assert scene.clock.now < 10
    assert scene.journal.pending() == ()


def test_a_lease_that_nobody_renews_is_taken_over_when_it_ends(scene: Scene):
    """Its holder is dead, on whatever machine it was."""
    scene.keep(manifest("gpu"))
    scene.platform.lease = held(expires_in_s=5.0)
    assert scene.deploy(manifest("gpu", fingerprint="f2"), D2).previous == D1


def test_the_lease_of_a_run_that_the_journal_knows_to_be_dead_is_taken_over_at_once(scene: Scene):
    """Nobody waits for it."""
    scene.keep(manifest("gpu"))
    run = scene.journal.begin("http://127.0.0.1:1 demo/production")
    scene.journal.settled(run)
    scene.platform.lease = held(holder=f"{run} ")
    scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert scene.clock.now == 0
    assert any("is dead: taking over" in line for line in scene.lines)


def test_an_environment_that_changes_while_the_lease_is_waited_for_is_left_alone(scene: Scene):
    """The plan was made of what was live before."""
    scene.keep(manifest("gpu"))
    environment = next(iter(scene.platform.environments.values()))
    scene.platform.lease = held(expires_in_s=2.0)
    scene.clock.sleep = lambda _: environment.update(active="build99")  # type: ignore[method-assign]
    scene.platform.ledger["build99"] = {}
    scene.platform.object_keys["build99"] = "x"
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert scene.platform.held is None


# -- what dead runs left


def test_an_endpoint_that_a_dead_run_made_goes(scene: Scene):
    """It serves nobody: no version of it was ever activated."""
    first = scene.keep(manifest("gpu"))
    scene.platform.save_endpoint({"name": "x", "flashEnvironmentId": first.environment_id, "flashBuildId": "build1"})
    live = scene.platform.environment("demo", "production")
    assert live is not None
    assert StagedRollout().forgotten(scene.platform, live) == {"x"}
    scene.keep(manifest("gpu", fingerprint="f2"), D2)
    assert set(scene.platform.seen()) == {"gpu"}


def test_a_run_that_was_stopped_after_its_activation_is_finished_by_the_next(scene: Scene):
    """Also where that deploys the same: what it replaced is retired, and the ledger says verified."""
    scene.keep(manifest("gpu"))
    second = scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    scene.applied.site.let_go()
    again = scene.keep(manifest("gpu", fingerprint="f2"), D2)
    assert again.build_id == second.build_id
    assert scene.entry(second.build_id)["state"] == "verified"
    assert [one.state for one in next(iter(scene.platform.endpoints.values())).versions] == ["ACTIVE"]


def test_versions_that_a_dead_run_staged_go_although_nothing_changes(scene: Scene):
    """The next run cleans up behind it."""
    first = scene.keep(manifest("gpu"))
    (endpoint,) = scene.platform.endpoints.values()
    given = {"id": endpoint.id, "name": "gpu", "flashEnvironmentId": first.environment_id, "flashBuildId": "build77"}
    scene.platform.save_endpoint(given)
    scene.keep(manifest("gpu"))
    assert [one.state for one in endpoint.versions] == ["ACTIVE"]


# -- endpoints that go


def test_an_endpoint_that_goes_finishes_its_jobs_first(scene: Scene):
    """After the new version is live."""
    first = scene.keep(manifest("a", "old"))
    scene.platform.busy[first.staged["old"]] = 40
    second = scene.deploy(manifest("a", fingerprint="f2"), D2)
    assert scene.platform.busy[second.removed["old"]] == 40
    scene.finish()
    assert scene.platform.busy[second.removed["old"]] == 0
    assert any(line.startswith("waiting for ") and line.endswith("of old (10 s)") for line in scene.lines)
    assert "old" not in scene.platform.seen()


def test_an_endpoint_whose_jobs_never_end_goes_all_the_same(scene: Scene):
    """After the longest that a job may take; the report says so."""
    first = scene.keep(manifest("a", "old"))
    scene.platform.busy[first.staged["old"]] = 10**9
    scene.deploy(manifest("a", fingerprint="f2"), D2)
    scene.finish()
    assert "old" not in scene.platform.seen()
    assert any("removed with" in line and "not done after 600 s" in line for line in scene.lines)


# -- few questions


def test_a_live_build_that_cannot_be_read_is_deployed_over(scene: Scene):
    """Whoever wrote its manifest: what is live goes on serving until then."""
    scene.keep(manifest("gpu"))
    live = scene.platform.environment("demo", "production")
    assert live is not None
    unreadable = replace(live, manifest=None, problem="the manifest of build b is not a manifest: resources")
    what = manifest("gpu", fingerprint="f2")
    look = Look(AppRecord("app1", "demo"), unreadable)
    apply(plan(what, unreadable, digest=D2), Release.of(artifact(what, D2)), look=look, **scene.injected)
    assert scene.platform.serving()["gpu"][1] == D2
    assert any("is not a manifest" in line for line in scene.lines)


def test_a_preview_asks_for_no_lease_and_for_no_ledger(scene: Scene):
    """Its platform is its own."""
    scene.deploy(manifest("gpu"), is_shared=False, look=Look(None, None))
    assert "acquire_lease" not in scene.platform.calls
    assert "builds" not in scene.platform.questions


def test_a_key_that_may_only_read_changes_nothing(scene: Scene):
    """The first mutation tells."""
    first = scene.keep(manifest("gpu"))
    before = scene.platform.seen()
    scene.platform.calls.clear()
    scene.platform.fails["acquire_lease"] = NotAuthorized("the API key may not do this", hint="use another")
    with pytest.raises(NotAuthorized):
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert scene.platform.seen() == before
    assert scene.platform.calls == ["acquire_lease"]
    assert scene.lines[-1] == f"build {first.build_id} is live in production, as before"
    assert scene.journal.pending() == ()


@pytest.mark.parametrize("step", ["finalize", "save_endpoint"])
def test_a_platform_without_room_says_so_and_the_old_version_is_live(scene: Scene, step: str):
    """Quota, capacity, an artifact that it does not take."""
    first = scene.keep(manifest("gpu"))
    scene.platform.fails[step] = PlatformError("Max workers must not exceed your quota (5)", hint="lower workers")
    with pytest.raises(PlatformError, match="quota"):
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    assert scene.lines[-1] == f"build {first.build_id} is live in production, as before"
    assert scene.platform.serving()["gpu"][1] == D1


def test_who_comes_second_is_told_what_is_live_now(scene: Scene):
    """And not what was when the plan was made."""
    scene.keep(manifest("gpu"))
    live = scene.platform.environment("demo", "production")
    what = manifest("gpu", fingerprint="f3")
    late = plan(what, live, digest="3" * 64)
    theirs = scene.keep(manifest("gpu", fingerprint="f2"), D2)
    look = Look(AppRecord("app1", "demo"), live)
    with pytest.raises(DeployError, match=f"build {theirs.build_id} is live, not"):
        apply(late, Release.of(artifact(what, "3" * 64)), look=look, **scene.injected)
    assert scene.lines[-1] == f"build {theirs.build_id} is live in production: somebody else's"
    assert not any("as before" in line for line in scene.lines)


def test_what_cannot_be_read_back_is_not_said_to_be_live(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """Neither the new version nor the old one."""
    scene.keep(manifest("gpu"))
    scene.platform.fails["activate/lost"] = PlatformUnreachable("down")
    look = scene.platform.environment

    def environment(app: str, name: str) -> Any:
        if "activate" in scene.platform.calls[-1:]:
            raise PlatformUnreachable("down")
        return look(app, name)

    monkeypatch.setattr(scene.platform, "environment", environment)
    with pytest.raises(Unverified, match=r"whether build \w+ is live in production is not known: down"):
        scene.deploy(manifest("gpu", fingerprint="f2"), D2)


def test_a_rollback_that_cannot_be_read_back_is_not_said_to_be_live(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """It was activated, and more is not known."""
    scene.keep(manifest("gpu"))
    scene.deploy(manifest("gpu", fingerprint="f2"), D2)

    def environment(app: str, name: str) -> None:
        raise PlatformUnreachable("down")

    monkeypatch.setattr(scene.platform, "environment", environment)
    with pytest.raises(Unverified, match="was put back, but whether it is live is not known: down"):
        scene.restore()
    assert scene.platform.serving()["gpu"][1] == D1
    assert scene.platform.held is None


def test_a_rollback_to_what_is_not_healthy_says_so(scene: Scene):
    """It was, until it was made live."""
    scene.keep(manifest("gpu"))
    scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    looks = iter([True, False])
    healthy = scene.platform.environment_versions

    def versions(environment_id: str) -> Any:
        if not next(looks, False):
            scene.platform.broken = {"gpu": "the worker exited with status 1"}
        return healthy(environment_id)

    scene.platform.environment_versions = versions  # type: ignore[method-assign]
    with pytest.raises(DeployError, match=r"was put back and is live, but endpoint 'gpu'.* exited with status 1"):
        scene.restore()


def test_what_cannot_be_tidied_up_does_not_make_a_rollback_fail(scene: Scene):
    """What is live is live; the next run does the rest."""
    scene.keep(manifest("gpu"))
    scene.deploy(manifest("gpu", fingerprint="f2"), D2)
    scene.platform.fails["retire"] = PlatformUnreachable("down")
    assert "read back, and healthy" in scene.restore()
    assert any("could not be tidied up: down" in line for line in scene.lines)


def test_a_wrong_clock_changes_nothing_but_what_is_shown(scene: Scene):
    """Order and age are the platform's."""
    scene.keep(manifest("gpu"), now=lambda: "2039-01-01T00:00:00Z")
    second = scene.keep(manifest("gpu", fingerprint="f2"), D2, now=lambda: "1970-01-01T00:00:00Z")
    found = ledger.target(scene.platform.builds("app1"), "production", second.build_id)
    assert found.manifest is not None
    assert found.manifest.digest == D1


def test_a_version_of_the_ledger_is_put_back_and_kept(scene: Scene):
    """Verified; what it replaced is marked, and does not count any more."""
    scene.keep(manifest("gpu"))
    second = scene.keep(manifest("gpu", fingerprint="f2"), D2)
    live = scene.platform.environment("demo", "production")
    target = ledger.target(scene.platform.builds("app1"), "production", second.build_id)
    release = Release.of_build(target, action="rollback")
    applied = apply(plan(release.manifest, live, digest=release.digest), release, **scene.injected)
    said = rollback.keep(applied, target)
    assert said == (
        f"build {target.id} (artifact 111111111111) is live in production again, as build "
        f"{applied.deployment.build_id}: read back, and healthy"
    )
    assert scene.entry(second.build_id)["state"] == "rolled-back"
    assert scene.entry(applied.deployment.build_id)["state"] == "verified"
    lines = ledger.history(scene.platform.builds("app1"), "production", applied.deployment.build_id)
    assert [line.number for line in lines] == [0, None, None]
    assert len(scene.platform.uploads) == 2
    assert scene.platform.held is None
