"""Deployments to Runpod, as exchanges: what is sent, in which order, and what is live afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_deploy import manifest
from fakes_runpod import KEY, NOON, RUNPOD, Desk, Runpod, end_runs

from flash.cloud.client import PlatformClient
from flash.deploy import leftovers, rollback
from flash.errors import Busy, DeployError, FlashError, NotAuthorized, WorkerFailed
from flash.model.manifest import Manifest

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod, as its contract describes it."""
    with Runpod().answering() as answering:
        yield answering


@pytest.fixture
def desk(runpod: Runpod, tmp_path: Path) -> Desk:
    """Somebody with a checkout."""
    return Desk(runpod, tmp_path / "desk")


def forget(runpod: Runpod) -> None:
    runpod.told.clear()
    runpod.requests.clear()


# -- the sequences


def test_a_first_deployment_is_tried_in_a_candidate_before_anything_is_made(desk: Desk, runpod: Runpod):
    """Contract 2.11, with a candidate environment before it and its removal after it."""
    desk.deploy(manifest("gpu_worker", "lb_worker"), ONE)

    assert runpod.mutations == [
        "createFlashApp",
        "createFlashEnvironment",
        "createFlashEnvironment",
        "PrepareArtifactUpload",
        "PUT upload",
        "FinalizeArtifactUpload",
        # the candidate
        "FinalizeArtifactUpload",
        "deployBuildToEnvironment",
        "saveEndpoint",
        "saveEndpoint",
        "updateFlashBuildManifest",
        # production
        "deployBuildToEnvironment",
        "saveEndpoint",
        "saveEndpoint",
        "updateFlashBuildManifest",
        # the candidate goes: workers first
        *("saveEndpoint", "deleteEndpoint") * 2,
        "updateFlashBuildManifest",
        "deleteFlashEnvironment",
    ]
    assert [one["name"] for one in runpod.sent("createFlashEnvironment")] == ["production", "production-candidate"]
    assert [one["name"] for one in runpod.environments.values()] == ["production"]
    assert set(runpod.live("production")) == {"gpu_worker", "lb_worker"}
    assert len(runpod.endpoints) == 2


def test_new_endpoints_are_sent_as_runpod_knows_them(desk: Desk, runpod: Runpod):
    """A template with a new endpoint, none of the local platform's extensions, workers as declared."""
    desk.deploy(manifest("gpu_worker", workers_max=3), ONE)

    candidate, live = runpod.sent("saveEndpoint")[:2]
    assert (candidate["workersMin"], candidate["workersMax"]) == (1, 1)
    assert (live["workersMin"], live["workersMax"]) == (0, 3)
    assert "flashBuildId" not in live
    assert set(live["template"]) >= {"name", "imageName", "env", "containerDiskInGb"}
    assert candidate["template"]["name"] != live["template"]["name"]
    assert candidate["flashEnvironmentId"] != live["flashEnvironmentId"]


def test_the_upload_is_not_repeated_for_production(desk: Desk, runpod: Runpod):
    """Both builds are made of one object; the ledger says what each is for."""
    desk.deploy(manifest("gpu_worker"), ONE)

    first, second = runpod.sent("FinalizeArtifactUpload")
    assert first["objectKey"] == second["objectKey"]
    assert {first["manifest"]["digest"], second["manifest"]["digest"]} == {ONE}
    assert [one["manifest"]["deployment"]["action"] for one in (first, second)] == ["deploy", "candidate"]
    assert len(runpod.uploads) == 1


def test_a_redeployment_updates_endpoint_and_template_in_place(desk: Desk, runpod: Runpod):
    """``saveEndpoint`` with id and templateId, then ``saveTemplate``: contract 2.6 and 2.7."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = runpod.live("production")["gpu_worker"]
    forget(runpod)

    desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert runpod.live("production")["gpu_worker"].id == before.id
    assert runpod.mutations == [
        "createFlashEnvironment",
        "PrepareArtifactUpload",
        "PUT upload",
        "FinalizeArtifactUpload",
        "FinalizeArtifactUpload",
        "deployBuildToEnvironment",
        "saveEndpoint",
        "updateFlashBuildManifest",
        "deployBuildToEnvironment",
        "saveEndpoint",
        "saveTemplate",
        "updateFlashBuildManifest",
        "saveEndpoint",
        "deleteEndpoint",
        "updateFlashBuildManifest",
        "deleteFlashEnvironment",
    ]
    update = runpod.sent("saveEndpoint")[1]
    assert (update["id"], update["templateId"]) == (before.id, before.given["templateId"])
    assert "template" not in update
    (template,) = runpod.sent("saveTemplate")
    assert template["volumeInGb"] == 0
    assert runpod.variables("production", "gpu_worker")["_FLASH_SOURCE_FINGERPRINT"] == TWO


def test_variables_of_the_platform_are_echoed_and_those_of_the_user_are_replaced(desk: Desk, runpod: Runpod):
    """The platform injects ``PORT`` and ``PORT_HEALTH`` once: a template saved without them would break the worker."""
    what = manifest("lb_worker")
    what.resources["lb_worker"].env.update({"OLD": "1", "SAME": "1"})
    desk.deploy(what, ONE)
    again = manifest("lb_worker")
    again.resources["lb_worker"].env.update({"SAME": "2", "NEW": "3"})

    desk.deploy(again, TWO)

    variables = runpod.variables("production", "lb_worker")
    assert {"PORT": "80", "PORT_HEALTH": "80", "SAME": "2", "NEW": "3"}.items() <= variables.items()
    assert "OLD" not in variables


def test_the_key_reaches_only_endpoints_that_call_others(desk: Desk, runpod: Runpod):
    """Also where another client had given it to an endpoint."""
    what = manifest("caller", makes_remote_calls=True)
    what.resources["alone"] = manifest("alone").resources["alone"]
    desk.deploy(what, ONE)
    template = runpod.templates[runpod.live("production")["alone"].given["templateId"]]
    template["env"].append({"key": "RUNPOD_API_KEY", "value": KEY})

    desk.deploy(what, TWO)

    assert runpod.variables("production", "caller")["RUNPOD_API_KEY"] == KEY
    assert "RUNPOD_API_KEY" not in runpod.variables("production", "alone")
    assert KEY not in str([one["manifest"] for one in runpod.builds.values()])


def test_what_the_peer_has_deployed_is_taken_over_in_place(desk: Desk, runpod: Runpod):
    """Ids stay, the platform's variables stay, and the key that it gives to every endpoint goes."""
    desk.deploy(manifest("lb_worker"), ONE)
    endpoint = runpod.live("production")["lb_worker"]
    theirs = {"resource_type": "CpuLoadBalancerSlsResource", "is_load_balanced": True, "env": {"MINE": "1"}}
    build = runpod.builds[runpod.environments[env_id(runpod)]["active"]]
    build["manifest"] = {"version": "1.0", "generated_at": "2026", "resources": {"lb_worker": theirs}}
    variables = {"MINE": "1", "RUNPOD_API_KEY": KEY, "FLASH_MODULE_PATH": "x", "PORT": "80", "PORT_HEALTH": "80"}
    template = runpod.templates[endpoint.given["templateId"]]
    template["env"] = [{"key": key, "value": value} for key, value in variables.items()]
    what = manifest("lb_worker", fingerprint="f2")
    what.resources["lb_worker"].makes_remote_calls = False

    desk.deploy(what, TWO)

    assert runpod.live("production")["lb_worker"].id == endpoint.id
    now = runpod.variables("production", "lb_worker")
    assert {"PORT", "PORT_HEALTH"} <= now.keys()
    assert not {"MINE", "RUNPOD_API_KEY", "FLASH_MODULE_PATH"} & now.keys()


def test_an_unchanged_deployment_changes_nothing(desk: Desk, runpod: Runpod):
    """No candidate, no upload, no build."""
    desk.deploy(manifest("gpu_worker"), ONE)
    forget(runpod)

    desk.deploy(manifest("gpu_worker"), ONE)

    assert runpod.mutations == []


def test_only_what_changes_is_tried_and_rolled(desk: Desk, runpod: Runpod):
    """Endpoints that run the same code under the same settings are not touched."""
    desk.deploy(with_fingerprints(one="a", two="b"), ONE)
    forget(runpod)

    desk.deploy(with_fingerprints(one="a", two="c"), TWO)

    assert {one.get("name") for one in runpod.sent("saveEndpoint")} == {"two"}
    urls = runpod.builds[runpod.environments[env_id(runpod)]["active"]]["manifest"]["resources_endpoints"]
    assert set(urls) == {"one", "two"}


def with_fingerprints(**fingerprints: str) -> Manifest:
    what = manifest(*fingerprints)
    for name, fingerprint in fingerprints.items():
        what.resources[name].fingerprint = fingerprint
    return what


def env_id(runpod: Runpod, name: str = "production") -> str:
    return next(one["id"] for one in runpod.environments.values() if one["name"] == name)


def test_a_number_of_workers_is_changed_without_replacing_any(desk: Desk, runpod: Runpod):
    """Runpod docs: worker counts are rolling; the template stays as it is."""
    desk.deploy(with_fingerprints(one="a"), ONE)
    again = with_fingerprints(one="a")
    again.resources["one"].workers_max = 5
    forget(runpod)

    desk.deploy(again, TWO)

    assert "saveTemplate" not in runpod.told
    assert runpod.live("production")["one"].given["workersMax"] == 5


def test_two_environments_never_share_an_endpoint(desk: Desk, runpod: Runpod):
    """The peer moves production's endpoints to staging."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = runpod.live("production")["gpu_worker"].id

    desk.deploy(manifest("gpu_worker"), ONE, environment="staging")

    assert runpod.live("production")["gpu_worker"].id == before
    assert runpod.live("staging")["gpu_worker"].id != before


# -- failures


def test_what_is_not_healthy_in_the_candidate_never_reaches_production(desk: Desk, runpod: Runpod):
    """Nothing of production is touched, and the candidate is gone."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.unhealthy.add("gpu_worker")
    forget(runpod)

    with pytest.raises(WorkerFailed, match="'gpu_worker': its workers fail: 1 unhealthy"):
        desk.deploy(manifest("gpu_worker"), TWO)

    assert snapshot(runpod) == before


def snapshot(runpod: Runpod) -> Any:
    """What users of production see."""
    return (
        [one["name"] for one in runpod.environments.values()],
        runpod.builds[runpod.environments[env_id(runpod)]["active"]]["manifest"]["digest"],
        {name: (one.id, one.given) for name, one in runpod.live("production").items()},
        {name: runpod.variables("production", name) for name in runpod.live("production")},
    )


@pytest.mark.parametrize(
    "failing",
    [
        "deployBuildToEnvironment",
        "saveEndpoint",
        "saveTemplate",
        "getTemplate",
        "updateFlashBuildManifest",
    ],
)
def test_a_failure_while_production_is_rolled_puts_everything_back(failing: str, desk: Desk, runpod: Runpod):
    """Build, settings and templates are what they were, and the candidate is gone."""
    desk.deploy(manifest("gpu_worker", "lb_worker", workers_max=2), ONE)
    before = snapshot(runpod)
    # the first is the candidate's, the second production's, the third puts back
    armed = iter([{}, {failing: "quota exceeded"}, {}])

    def arm() -> None:
        runpod.fails.update(next(armed))

    runpod.on["deployBuildToEnvironment"] = arm
    with pytest.raises(FlashError, match="quota exceeded"):
        desk.deploy(manifest("gpu_worker", "lb_worker", fingerprint="f2", workers_max=4), TWO)
    runpod.on.clear()

    assert snapshot(runpod) == before


def test_an_interrupt_while_production_is_rolled_puts_everything_back(desk: Desk, runpod: Runpod):
    """Ctrl+C is no reason to leave two versions."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.fails["saveTemplate"] = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert snapshot(runpod) == before


def test_a_first_deployment_that_fails_in_production_leaves_nothing(desk: Desk, runpod: Runpod):
    """Not even the environment."""
    # the candidate's, production's, and the candidate's workers go
    failures = iter([{}, {"saveEndpoint": "no capacity"}, {}, {}])
    runpod.on["saveEndpoint"] = lambda: runpod.fails.update(next(failures))
    with pytest.raises(FlashError, match="no capacity") as caught:
        desk.deploy(manifest("gpu_worker"), ONE)
    runpod.on.clear()

    assert "name more GPUs" in caught.value.hint
    assert runpod.environments == {}
    assert runpod.endpoints == {}


def test_what_cannot_be_put_back_says_what_is_live(desk: Desk, runpod: Runpod):
    """Two failures, both told."""
    desk.deploy(manifest("gpu_worker"), ONE)
    runpod.fails["saveTemplate"] = "quota exceeded"
    runpod.on["saveTemplate"] = lambda: runpod.fails.update({"deployBuildToEnvironment": "out of order"})
    with pytest.raises(DeployError, match=r"failed .*quota exceeded.* could not be put back entirely: .*out of order"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)


def test_a_run_that_was_killed_half_way_is_finished_by_the_next(desk: Desk, runpod: Runpod, tmp_path: Path):
    """The digest is active already, and yet nothing is taken for granted."""
    desk.deploy(manifest("one", "two"), ONE)
    lives = iter([False, True, *[True] * 100])

    def die() -> None:
        # from the second template on, nothing of this run arrives: it can undo nothing either
        runpod.is_cut_off = next(lives)

    runpod.on["saveTemplate"] = die
    again = manifest("one", "two", fingerprint="f2")
    with pytest.raises(DeployError, match="could not be put back"):
        desk.deploy(again, TWO)
    runpod.on.clear()
    runpod.is_cut_off = False
    assert {runpod.variables("production", name)["_FLASH_SOURCE_FINGERPRINT"] for name in ("one", "two")} == {ONE, TWO}

    later = Desk(runpod, tmp_path / "later", now=NOON + 4 * 3600)
    later.deploy(again, TWO)

    assert {runpod.variables("production", name)["_FLASH_SOURCE_FINGERPRINT"] for name in ("one", "two")} == {TWO}
    assert [one["name"] for one in runpod.environments.values()] == ["production"]


# -- rolling back, and removing


def test_a_rollback_puts_the_build_before_back_without_a_candidate(desk: Desk, runpod: Runpod):
    """It was healthy when it was live: a candidate would keep the broken one live for longer."""
    desk.deploy(manifest("gpu_worker"), ONE)
    applied = desk.apply(manifest("gpu_worker", fingerprint="f2"), TWO)
    forget(runpod)

    said = rollback.restore(applied)

    assert "is live in production again" in said
    assert runpod.variables("production", "gpu_worker")["_FLASH_SOURCE_FINGERPRINT"] == ONE
    assert "PUT upload" not in runpod.told
    assert [one["name"] for one in runpod.environments.values()] == ["production"]


def test_a_first_deployment_is_undone_by_removing_it(desk: Desk, runpod: Runpod):
    """Nothing was there before."""
    applied = desk.apply(manifest("gpu_worker"), ONE)

    rollback.restore(applied)

    assert (runpod.environments, runpod.endpoints) == ({}, {})


def test_undeploying_stops_workers_first_and_touches_nothing_else(desk: Desk, runpod: Runpod):
    """Scoped to the environment: another one of the same app, and what no app has, stay."""
    desk.deploy(manifest("gpu_worker", "lb_worker"), ONE)
    desk.deploy(manifest("gpu_worker"), ONE, environment="staging")
    staging = runpod.live("staging")["gpu_worker"].id
    forget(runpod)

    desk.remove()

    assert list(runpod.endpoints) == [staging]
    assert [one["name"] for one in runpod.environments.values()] == ["staging"]
    assert [(one["workersMin"], one["workersMax"]) for one in runpod.sent("saveEndpoint")] == [(0, 0)] * 2
    told = [one for one in runpod.told if one in {"saveEndpoint", "deleteEndpoint"}]
    assert told == ["saveEndpoint", "deleteEndpoint"] * 2


# -- who deploys


def test_a_candidate_of_somebody_else_keeps_others_away(desk: Desk, runpod: Runpod, tmp_path: Path):
    """It is the lease; the message says since when, and what to do."""
    desk.deploy(manifest("gpu_worker"), ONE)
    desk.apply(manifest("gpu_worker", fingerprint="f2"), TWO)
    before = snapshot(runpod)

    other = Desk(runpod, tmp_path / "other", now=NOON + 3600)
    with pytest.raises(Busy, match=r"since 2026-11-23T12:00:00Z: there is an environment 'production-candidate'"):
        other.deploy(manifest("gpu_worker", fingerprint="f3"), "3" * 64)

    assert snapshot(runpod) == before


def test_a_candidate_that_is_old_is_taken_over(desk: Desk, runpod: Runpod, tmp_path: Path):
    """Whoever made it, with its endpoints; a clock that is an hour off does not matter."""
    desk.deploy(manifest("gpu_worker"), ONE)
    desk.apply(manifest("gpu_worker", fingerprint="f2"), TWO)

    other = Desk(runpod, tmp_path / "other", now=NOON + 4 * 3600)
    other.deploy(manifest("gpu_worker", fingerprint="f3"), "3" * 64)

    assert [one["name"] for one in runpod.environments.values()] == ["production"]
    assert runpod.variables("production", "gpu_worker")["_FLASH_SOURCE_FINGERPRINT"] == "3" * 64


def test_a_candidate_of_a_killed_run_of_this_checkout_is_taken_over_at_once(desk: Desk, runpod: Runpod):
    """The journal knows that nobody waits for it."""
    desk.deploy(manifest("gpu_worker"), ONE)
    made = desk.client.create_environment(runpod.apps["demo"], "production-candidate")
    kill_run(desk, made.id)

    desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert made.id not in runpod.environments
    assert desk.journal.pending() == ()


def kill_run(desk: Desk, environment_id: str) -> None:
    run = desk.journal.begin("https://api.runpod.io demo/production-candidate")
    desk.journal.intended(run, "environment", "production-candidate")
    desk.journal.made(run, "environment", "production-candidate", environment_id)
    end_runs()


def test_a_run_that_was_killed_before_it_made_its_candidate_is_settled(desk: Desk, runpod: Runpod):
    """There is nothing to remove, and nothing to remember."""
    desk.deploy(manifest("gpu_worker"), ONE)
    run = desk.journal.begin("https://api.runpod.io demo/production-candidate")
    desk.journal.intended(run, "environment", "production-candidate")
    end_runs()

    desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert desk.journal.pending() == ()


def test_a_run_that_was_killed_after_its_candidate_was_gone_is_settled(desk: Desk, runpod: Runpod):
    """Also by a deployment that has nothing to do."""
    desk.deploy(manifest("gpu_worker"), ONE)
    run = desk.journal.begin("https://api.runpod.io demo/production-candidate")
    desk.journal.intended(run, "environment", "production-candidate")
    desk.journal.made(run, "environment", "production-candidate", "gone")
    end_runs()
    forget(runpod)

    desk.deploy(manifest("gpu_worker"), ONE)

    assert desk.journal.pending() == ()
    assert runpod.mutations == []


def test_a_candidate_of_a_killed_run_is_swept(desk: Desk, runpod: Runpod):
    """With its endpoints, although a build is active in it; what is live is not touched."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.on["GET health"] = lambda: setattr(runpod, "is_cut_off", True)
    with pytest.raises(FlashError):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)
    runpod.on.clear()
    runpod.fails.clear()
    runpod.is_cut_off = False
    end_runs()
    assert len(runpod.endpoints) == 2

    runs = {one.run for one in desk.journal.abandoned()}
    for run in runs:
        found = leftovers.look([one for one in desk.journal.abandoned() if one.run == run], client=desk.client)
        leftovers.clear(found, run, client=desk.client, journal=desk.journal)

    assert snapshot(runpod) == before
    assert len(runpod.endpoints) == 1
    assert desk.journal.pending() == ()


def test_an_environment_that_only_has_the_name_of_a_candidate_is_not_touched(desk: Desk, runpod: Runpod):
    """However old it is."""
    desk.deploy(manifest("gpu_worker"), ONE)
    made = desk.client.create_environment(runpod.apps["demo"], "production-candidate")
    desk.client.activate(made.id, runpod.environments[env_id(runpod)]["active"])
    desk.now += 24 * 3600

    with pytest.raises(DeployError, match="is no candidate of Flash's"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert made.id in runpod.environments


def test_the_name_of_a_candidate_cannot_be_deployed_to(desk: Desk, runpod: Runpod):
    """The next deployment to the environment would remove it."""
    with pytest.raises(DeployError, match="is kept for what Flash tries out"):
        desk.deploy(manifest("gpu_worker"), ONE, environment="production-candidate")


# -- what is not verified, and its guards (contract 14)


def test_a_platform_that_takes_endpoints_of_one_name_for_one_is_noticed_and_put_right(desk: Desk, runpod: Runpod):
    """Contract 14.1: an endpoint is looked for first; one that is made must not be another one."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.upserts = True

    with pytest.raises(DeployError, match="changed the live one"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert snapshot(runpod) == before


def test_workers_that_are_slow_to_stop_are_waited_for(desk: Desk, runpod: Runpod):
    """Contract 14.2: workers go to zero first, and the deletion is repeated while they stop."""
    desk.deploy(manifest("gpu_worker", workers_min=1), ONE)
    runpod.stops_workers_after = 3
    forget(runpod)

    desk.remove()

    assert runpod.endpoints == {}
    assert runpod.told.count("deleteEndpoint") == 3


def test_workers_that_never_stop_are_an_error_that_says_so(desk: Desk, runpod: Runpod):
    """The environment is there still."""
    desk.deploy(manifest("gpu_worker", workers_min=1), ONE)
    runpod.stops_workers_after = 1000

    with pytest.raises(FlashError, match="is not deleted, although it may have no workers"):
        desk.remove()

    assert "production" in [one["name"] for one in runpod.environments.values()]


def test_a_second_environment_of_one_name_is_noticed(desk: Desk, runpod: Runpod, tmp_path: Path):
    """That the platform refuses it is inferred."""
    desk.deploy(manifest("gpu_worker"), ONE)
    runpod.has_unique_environments = False

    def somebody() -> None:
        runpod.on.clear()
        runpod._create_environment(runpod.apps["demo"], "production-candidate")

    runpod.on["createFlashEnvironment"] = somebody
    with pytest.raises(Busy):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert len([one for one in runpod.environments.values() if one["name"] == "production-candidate"]) == 1


def test_workers_that_do_not_take_the_new_version_are_noticed(desk: Desk, runpod: Runpod):
    """Contract 14.4: until none of the workers from before is ready, nothing is live; then all is put back."""
    desk.deploy(manifest("gpu_worker", workers_min=1), ONE)
    before = snapshot(runpod)
    runpod.rolls = False

    with pytest.raises(WorkerFailed, match="of the version before are ready still"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2", workers_min=1), TWO)

    assert snapshot(runpod) == before


def test_a_template_that_is_not_stored_is_noticed(desk: Desk, runpod: Runpod):
    """Its variables force the rolling release: they are read back."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.takes_templates = False

    with pytest.raises(DeployError, match="has not taken the new version"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert snapshot(runpod) == before


def test_a_template_that_is_not_shown_stops_the_deployment_before_it_begins(desk: Desk, runpod: Runpod):
    """What cannot be put back is not changed."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.shows_templates = False

    with pytest.raises(DeployError, match="does not show its template"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    runpod.shows_templates = True
    assert snapshot(runpod) == before


def test_workers_that_cannot_be_told_apart_are_restarted(desk: Desk, runpod: Runpod):
    """Contract 14.6: without ``/metrics``, stopping all is the one way to be sure."""
    desk.deploy(manifest("gpu_worker", workers_min=1), ONE)
    (worker,) = runpod.live("production")["gpu_worker"].workers
    runpod.tells_metrics = runpod.rolls = False

    desk.deploy(manifest("gpu_worker", fingerprint="f2", workers_min=1), TWO)

    (other,) = runpod.live("production")["gpu_worker"].workers
    assert other != worker
    assert any("does not say which workers are ready" in line for line in desk.lines)


def test_a_platform_that_tells_nothing_of_workers_is_not_deployed_to(desk: Desk, runpod: Runpod):
    """Nobody could know what became of it."""
    desk.deploy(manifest("gpu_worker"), ONE)
    before = snapshot(runpod)
    runpod.tells_metrics = runpod.tells_health = False

    with pytest.raises(DeployError, match="tells nothing of its workers"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)

    assert snapshot(runpod) == before


def test_an_endpoint_that_another_client_has_moved_is_not_updated(desk: Desk, runpod: Runpod):
    """The peer gives production's endpoints to staging: what the platform says now counts."""
    desk.deploy(manifest("gpu_worker"), ONE)
    endpoint = runpod.live("production")["gpu_worker"]

    def moved() -> None:
        endpoint.given["flashEnvironmentId"] = "elsewhere"

    runpod.on["getEndpointSettings"] = moved
    with pytest.raises(DeployError, match="belongs to environment 'elsewhere'"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)


def test_an_endpoint_cannot_become_load_balanced_in_place(desk: Desk, runpod: Runpod):
    """Told before anything is made."""
    desk.deploy(manifest("gpu_worker"), ONE)
    again = manifest("lb_worker")
    again = again.model_copy(update={"resources": {"gpu_worker": again.resources["lb_worker"]}})
    before = snapshot(runpod)

    with pytest.raises(DeployError, match="Runpod cannot do that in place"):
        desk.deploy(again, TWO)

    assert snapshot(runpod) == before


def test_a_load_balanced_host_that_answers_otherwise_is_told(desk: Desk, runpod: Runpod):
    """Contract 14.7: only 200 is healthy, and what else came is in the message."""
    runpod.fails["GET ping"] = [httpx.Response(401)] * 100

    with pytest.raises(WorkerFailed, match="/ping answers 401"):
        desk.deploy(manifest("lb_worker"), ONE)

    assert runpod.environments == {}


def test_no_capacity_is_told_as_such(desk: Desk, runpod: Runpod):
    """Throttled workers wait for a machine."""
    workers = {"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 1, "unhealthy": 0}
    runpod.fails["GET health"] = [{"jobs": {}, "workers": workers}] * 100

    with pytest.raises(WorkerFailed, match="1 throttled") as caught:
        desk.deploy(manifest("gpu_worker"), ONE)

    assert "there is no capacity" in caught.value.hint


# -- network volumes (contract 2.9)


def with_volume(**volume: Any) -> Manifest:
    return manifest("gpu_worker", network_volumes=[volume])


def test_a_network_volume_is_found_by_name_and_data_center(desk: Desk, runpod: Runpod):
    """Of those of that name, the one that is there."""
    here = {"id": "v1", "name": "models", "size": 100, "dataCenterId": "EU-RO-1"}
    runpod.volumes = [{**here, "id": "v0", "dataCenterId": "US-TX-3"}, here]

    desk.deploy(with_volume(name="models", size=100, dataCenterId="EU-RO-1"), ONE)

    assert {one.get("networkVolumeId") for one in runpod.sent("saveEndpoint")} == {"v1"}
    assert "POST networkvolumes" not in runpod.told


def test_a_network_volume_that_is_not_there_is_made_once(desk: Desk, runpod: Runpod):
    """For the candidate and for production, and it stays."""
    desk.deploy(with_volume(name="models", size=50, dataCenterId="EU-RO-1"), ONE)

    (made,) = runpod.volumes
    assert made == {"id": made["id"], "name": "models", "size": 50, "dataCenterId": "EU-RO-1"}
    assert runpod.told.count("POST networkvolumes") == 1


def test_a_network_volume_with_an_id_needs_no_question(desk: Desk, runpod: Runpod):
    """The REST API is not asked at all."""
    desk.deploy(with_volume(id="v7"), ONE)

    assert not [one for one in runpod.told if "networkvolumes" in one]
    assert {one.get("networkVolumeId") for one in runpod.sent("saveEndpoint")} == {"v7"}


def test_network_volumes_of_one_name_are_told_apart_by_the_user(desk: Desk, runpod: Runpod):
    """Data is not put onto one of them by chance."""
    here = {"name": "models", "size": 100, "dataCenterId": "EU-RO-1"}
    runpod.volumes = [{**here, "id": "v1"}, {**here, "id": "v2"}]

    with pytest.raises(DeployError, match="there are 2 network volumes 'models'"):
        desk.deploy(with_volume(name="models", dataCenterId="EU-RO-1"), ONE)


# -- keys


def test_a_key_that_may_only_read_changes_nothing(desk: Desk, runpod: Runpod):
    """The first mutation is refused, and the message says what kind of key is needed."""
    runpod.fails["createFlashApp"] = httpx.Response(403, json={"errors": [{"message": f"key {KEY} is read-only"}]})

    with pytest.raises(NotAuthorized, match="the API key may not do this") as caught:
        desk.deploy(manifest("gpu_worker"), ONE)

    assert "make one that may write" in caught.value.hint
    assert KEY not in str(caught.value)
    assert runpod.mutations == ["createFlashApp"]


def test_a_key_that_ends_half_way_is_told_with_what_is_left(desk: Desk, runpod: Runpod):
    """Nothing can be put back with it."""
    desk.deploy(manifest("gpu_worker"), ONE)
    desk.client = PlatformClient(replace(RUNPOD, api_key=KEY), sleep=desk.clock.sleep, jitter=lambda: 0.5)
    runpod.fails["saveTemplate"] = httpx.Response(401)
    runpod.on["saveTemplate"] = lambda: runpod.fails.update({"deployBuildToEnvironment": httpx.Response(401)})
    with pytest.raises(DeployError, match="could not be put back entirely"):
        desk.deploy(manifest("gpu_worker", fingerprint="f2"), TWO)
