from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes_deploy import Clock, FakePlatform, artifact, manifest

from flash.deploy import rollback
from flash.deploy.apply import Deployment, apply, retire
from flash.deploy.journal import Journal
from flash.deploy.plan import plan
from flash.errors import DeployError, FlashError, NotAuthorized, PlatformError, PlatformUnreachable, WorkerFailed
from flash.model.manifest import Manifest

D1, D2 = "1" * 64, "2" * 64


class Scene:
    """A platform, a journal and a clock; deploys to ``production`` of ``demo``."""

    def __init__(self, folder: Path) -> None:
        self.platform = FakePlatform()
        self.journal = Journal(folder / "journal.jsonl")
        self.clock = Clock()
        self.lines: list[str] = []

    @property
    def injected(self) -> dict[str, Any]:
        return {"journal": self.journal, "report": self.lines.append, "clock": self.clock, "sleep": self.clock.sleep}

    def deploy(self, what: Manifest, digest: str = D1, **options: Any) -> Deployment:
        live = self.platform.environment("demo", "production")
        return apply(
            plan(what, live, digest=digest),
            artifact(what, digest),
            client=self.platform,
            app="demo",
            environment="production",
            **{**self.injected, **options},
        )

    def keep(self, what: Manifest, digest: str = D1) -> Deployment:
        deployment = self.deploy(what, digest)
        retire(deployment, client=self.platform, journal=self.journal)
        return deployment

    def restore(self, deployment: Deployment) -> str:
        return rollback.restore(deployment, client=self.platform, **self.injected)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_first_deployment_makes_app_environment_and_endpoints(scene: Scene):
    """In this order; nothing is activated before everything is healthy."""
    deployment = scene.deploy(manifest("lb_worker", "gpu"))
    assert scene.platform.calls == [
        "create_app",
        "create_environment",
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
    stored = scene.platform.builds[deployment.build_id]
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
    retire(second, client=scene.platform, journal=scene.journal)
    assert [one.state for one in endpoint.versions] == ["ACTIVE"]


def test_deploying_what_is_live_changes_nothing(scene: Scene):
    """It needs no upload either, and gives the same endpoints."""
    first = scene.keep(manifest("lb_worker", "gpu"))
    scene.platform.calls.clear()
    again = scene.deploy(manifest("lb_worker", "gpu"))
    assert scene.platform.calls == []
    assert (again.endpoints, again.build_id) == (first.endpoints, first.build_id)
    assert scene.restore(again) == f"build {first.build_id} (artifact 111111111111) is live in production again"


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
    lines: list[str] = []
    retire(second, scene.platform, journal=scene.journal, report=lines.append)
    assert set(scene.platform.seen()) == {"a"}
    assert lines == ["removed old"]


def test_only_deleting_needs_no_new_build(scene: Scene):
    """The artifact is the one that is live."""
    first = scene.keep(manifest("a"))
    scene.platform.endpoints["x"] = type(next(iter(scene.platform.endpoints.values())))(
        "x", "leftover", first.environment_id
    )
    second = scene.deploy(manifest("a"))
    retire(second, scene.platform, journal=scene.journal)
    assert second.build_id == first.build_id
    assert set(scene.platform.seen()) == {"a"}


def test_waiting_goes_on_until_every_endpoint_is_healthy(scene: Scene):
    """Long waits say what for."""
    scene.platform.unhealthy = {"a": 100, "b": 3}
    scene.deploy(manifest("a", "b"))
    assert scene.lines.index("b is healthy") < scene.lines.index("a is healthy")
    assert any(line.startswith("waiting for a (") for line in scene.lines)


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
        apply(
            stale,
            artifact(what, D1),
            client=scene.platform,  # type: ignore[arg-type]
            app="demo",
            environment="production",
            **scene.injected,
        )
    assert "run it again" in caught.value.hint


def test_a_platform_that_cannot_stage_versions_is_refused(scene: Scene):
    """An update there would apply at once."""
    unknown = 'Field "flashBuildId" is not defined by type "EndpointInput".'
    scene.platform.fails["save_endpoint"] = PlatformError(f"saveEndpoint: {unknown}")
    with pytest.raises(DeployError, match="candidate environments") as caught:
        scene.deploy(manifest("gpu"))
    assert "local" in caught.value.hint
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
    retire(deployment, scene.platform, journal=scene.journal)
    assert scene.journal.pending() == ()


def test_restoring_puts_the_previous_build_back_under_the_same_ids(scene: Scene):
    """What is live afterwards is what was live before."""
    first = scene.keep(manifest("gpu", "b"))
    before = scene.platform.seen()
    given = [one.versions[0].given for one in scene.platform.endpoints.values()]
    second = scene.deploy(manifest("gpu", "b", "new", fingerprint="f2"), D2)
    said = scene.restore(second)
    assert scene.platform.seen() == before
    assert said == f"build {first.build_id} (artifact 111111111111) is live in production again"
    assert [one.versions[0].given | {"id": None} for one in scene.platform.endpoints.values()] == [
        one | {"id": None} for one in given
    ]
    assert scene.platform.environment("demo", "production").active_build_id == first.build_id  # type: ignore[union-attr]
    assert [one.state for endpoint in scene.platform.endpoints.values() for one in endpoint.versions] == ["ACTIVE"] * 2
    assert scene.journal.pending() == ()


def test_restoring_keeps_endpoints_that_were_to_be_deleted(scene: Scene):
    """They were never touched."""
    scene.keep(manifest("a", "old"))
    before = scene.platform.seen()
    scene.restore(scene.deploy(manifest("a", fingerprint="f2"), D2))
    assert scene.platform.seen() == before


def test_restoring_a_first_deployment_leaves_nothing(scene: Scene):
    """Neither endpoints nor the environment that it made."""
    deployment = scene.deploy(manifest("gpu"))
    assert scene.restore(deployment) == "nothing is live in production, as before"
    assert (scene.platform.endpoints, scene.platform.environments) == ({}, {})
    assert scene.journal.pending() == ()


def test_restoring_a_first_deployment_keeps_an_environment_that_was_there(scene: Scene):
    """It is the user's."""
    app = scene.platform.create_app("demo")
    scene.platform.create_environment(app.id, "production")
    scene.restore(scene.deploy(manifest("gpu")))
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
        del scene.platform.builds[first.build_id]
    with pytest.raises(DeployError, match=f"previous build {first.build_id} could not be put back") as caught:
        scene.restore(second)
    assert second.build_id in caught.value.hint
    assert scene.platform.seen()["gpu"][1] == second.build_id


def test_removing_an_environment_removes_exactly_its_endpoints(scene: Scene):
    """Then the environment itself."""
    scene.keep(manifest("b", "a"))
    other = scene.platform.create_environment("app1", "staging")
    scene.platform.save_endpoint({"name": "a", "flashEnvironmentId": other.id, "flashBuildId": "build9"})
    live = scene.platform.environment("demo", "production")
    assert live is not None
    removed = rollback.remove(live, client=scene.platform, journal=scene.journal, report=scene.lines.append)  # type: ignore[arg-type]
    assert removed == ("a", "b")
    assert [one.environment_id for one in scene.platform.endpoints.values()] == [other.id]
    assert list(scene.platform.environments) == [other.id]
    assert scene.lines[-2:] == ["removed a", "removed b"]


def test_an_environment_that_cannot_be_removed_keeps_what_is_left(scene: Scene):
    """The error is the platform's."""
    scene.keep(manifest("a"))
    live = scene.platform.environment("demo", "production")
    scene.platform.fails["delete_endpoint"] = PlatformError("no")
    with pytest.raises(FlashError, match="no"):
        rollback.remove(live, client=scene.platform, journal=scene.journal, report=scene.lines.append)  # type: ignore[arg-type]
    assert set(scene.platform.seen()) == {"a"}
