from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from fakes_deploy import lb_resource, manifest, queue_resource
from hypothesis import given
from hypothesis import strategies as st

from flash.cloud.records import LiveEnvironment
from flash.deploy.inputs import Placement, endpoint_input
from flash.deploy.plan import Plan, plan
from flash.deploy.steps import (
    ACTIONS,
    CreateEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
    ReplaceEndpoint,
    UpdateEndpoint,
)
from flash.errors import DeployError, ManifestError, Refused
from flash.model.manifest import Manifest, Resource


def live(
    what: Manifest | None, ids: Mapping[str, str] | None = None, digest: str | None = "d1", build: str | None = "build0"
) -> LiveEnvironment:
    return LiveEnvironment(
        id="env1",
        name="prod",
        app_id="app1",
        active_build_id=None if what is None else build,
        manifest=None if what is None else what.model_copy(update={"digest": digest}),
        endpoints=ids if ids is not None else {name: f"id_{name}" for name in ([] if what is None else what.resources)},
    )


def told(steps: Plan) -> list[tuple[str, str, str]]:
    """Action, name and reasons of each step."""
    return [(step.action, step.name, step.reason) for step in steps.steps]


# ---------------------------------------------------------------------------------------------------------------------
# Laws

NAMES = st.sampled_from(["a", "b", "c", "lb_worker"])
RESOURCES = st.one_of(
    st.just(lb_resource()),
    st.builds(
        queue_resource,
        NAMES,
        gpu_ids=st.sampled_from(["AMPERE_16", "ADA_24,AMPERE_24,-NVIDIA L4", "ADA_32_PRO"]),
        gpu_count=st.integers(1, 2),
        workers_min=st.integers(0, 2),
        workers_max=st.integers(2, 4),
        flashboot=st.booleans(),
        env=st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
        network_volumes=st.lists(st.sampled_from([{"id": "v1"}, {"id": "v2"}]), max_size=2),
        template=st.sampled_from([None, {"containerDiskInGb": 20}, {"dockerArgs": "-x"}]),
        locations=st.sampled_from([None, "EU-RO-1", "US-CA-2,EU-RO-1"]),
    ),
    st.builds(queue_resource, NAMES, gpu_ids=st.none(), instance_ids=st.sampled_from([["cpu3c-1-2"], ["cpu5c-2-4"]])),
)
APPS = st.builds(
    lambda resources, fingerprint: Manifest(resources=resources, source_fingerprint=fingerprint),
    st.dictionaries(NAMES, RESOURCES, max_size=4),
    st.sampled_from(["f1", "f2"]),
)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(APPS)
def test_planning_what_is_live_changes_nothing(app: Manifest):
    """The same artifact, configured the same way."""
    assert plan(app, live(app), digest="d1").is_empty


@given(APPS, APPS)
def test_carried_out_there_is_nothing_left_to_do(before: Manifest, after: Manifest):
    """A plan leads from what is live to what is declared, and ends there."""
    first = plan(after, live(before), digest="d2")
    now = {step.name: step.id or "new" for step in first.steps if not isinstance(step, DeleteEndpoint)}
    assert set(now) == set(after.resources)
    assert plan(after, live(after, now, digest="d2"), digest="d2").is_empty


@given(APPS, APPS)
def test_there_is_one_step_for_each_name_on_either_side(before: Manifest, after: Manifest):
    """No more, no less; what is live keeps its id."""
    steps = plan(after, live(before), digest="d2").steps
    assert sorted(step.name for step in steps) == sorted({*before.resources, *after.resources})
    for step in steps:
        assert isinstance(step, CreateEndpoint) == (step.name not in before.resources)
        assert isinstance(step, DeleteEndpoint) == (step.name not in after.resources)
        assert step.id == (f"id_{step.name}" if step.name in before.resources else "")


@given(APPS, APPS, st.sampled_from(["d1", "d2"]))
def test_a_plan_survives_json(before: Manifest, after: Manifest, digest: str):
    """Nothing is lost on the way through a file."""
    made = plan(after, live(before), digest=digest, app="demo", environment="prod", notes=["mind the gap"])
    assert Plan.from_json(json.loads(json.dumps(made.as_json()))) == made


@given(RESOURCES, RESOURCES)
def test_what_the_platform_would_be_told_the_same_is_kept(was: Resource, now: Resource):
    """Equal inputs, equal endpoints: no false drift; and what differs in its input is never kept."""
    place = Placement(app="demo", environment="prod", environment_id="env1", build_id="build1", caller_key="key")
    inputs = [_sorted(endpoint_input("a", one, place, fingerprint="f")) for one in (was, now)]
    made = plan(Manifest(resources={"a": now}), live(Manifest(resources={"a": was})), digest="d1")
    assert made.is_empty == (inputs[0] == inputs[1])


def _sorted(value: Any) -> Any:
    """The same without order, in lists and in lists in text."""
    if isinstance(value, dict):
        return {key: _sorted(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(one) for one in value), key=str)
    return sorted(value.split(",")) if isinstance(value, str) else value


# ---------------------------------------------------------------------------------------------------------------------
# Steps


def test_a_first_deployment_creates_everything():
    """There is no environment yet."""
    made = plan(manifest("gpu"), None, digest="d1", environment="prod")
    assert told(made) == [("create", "gpu", "not there yet")]
    assert (made.base_build_id, made.environment_id) == (None, None)


def test_an_endpoint_that_was_deleted_elsewhere_is_made_again():
    """The build that is live has it, and the environment has not."""
    assert told(plan(manifest("a"), live(manifest("a"), {}), digest="d1")) == [
        ("create", "a", "it was live, and is gone")
    ]


def test_new_code_updates_every_endpoint():
    """Where nothing is known of what each of them runs, they share one artifact."""
    made = plan(manifest("a", "b", fingerprint="f2"), live(manifest("a", "b")), digest="d2")
    assert told(made) == [("update", "a", "new code"), ("update", "b", "new code")]
    assert [step.id for step in made.steps] == ["id_a", "id_b"]


def test_the_same_code_in_another_artifact_is_an_update_too():
    """Its dependencies changed."""
    assert told(plan(manifest("a"), live(manifest("a")), digest="d2")) == [("update", "a", "new artifact")]


def test_an_endpoint_whose_workers_would_run_the_same_is_left_alone():
    """Its own fingerprint says so; the build changes all the same, so the plan is not empty."""

    def app(**fingerprints: str) -> Manifest:
        resources = {name: queue_resource(name, fingerprint=value) for name, value in fingerprints.items()}
        return Manifest(resources=resources, source_fingerprint=str(fingerprints))

    made = plan(app(a="1", b="3"), live(app(a="1", b="2")), digest="d2")
    assert told(made) == [("keep", "a", "unchanged"), ("update", "b", "new code")]
    untouched = plan(app(a="1"), live(app(a="1")), digest="d2")
    assert (untouched.kept, untouched.is_empty) == (("a",), False)
    assert "no endpoint would change; artifact d2 becomes the live one" in untouched.text()


def test_a_changed_setting_is_shown_with_both_values():
    """In wire spelling, as the manifest has it; each setting in a line of its own."""
    made = plan(manifest("a", workers_max=3, idle_timeout_s=5), live(manifest("a", workers_max=2)), digest="d1")
    assert made.steps[0].reasons == ("workersMax 2 → 3", "idleTimeout 60 → 5")
    assert isinstance(made.steps[0], UpdateEndpoint)


def test_a_setting_that_came_or_went_says_none():
    """An unset value is a value too."""
    assert told(plan(manifest("a", locations="EU-RO-1"), live(manifest("a")), digest="d1")) == [
        ("update", "a", "locations none → EU-RO-1")
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"gpu_ids": "ADA_24"}, "gpuIds AMPERE_16 → ADA_24"),
        ({"gpu_count": 2}, "gpuCount 1 → 2"),
        ({"image_name": "runpod/flash:py3.13-latest"}, "imageName runpod/flash:py3.12-latest → "),
        ({"flashboot": False}, "flashboot yes → no"),
        ({"min_cuda_version": "12.8"}, "minCudaVersion none → 12.8"),
        ({"network_volumes": [{"id": "v1"}]}, "networkVolumes none → v1"),
        ({"template": {"containerDiskInGb": 20}}, "template.containerDiskInGb 64 → 20"),
        ({"template": {"dockerArgs": "--token hunter2"}}, "template.dockerArgs changed"),
        ({"gpu_ids": None, "instance_ids": ["cpu3c-1-2"]}, "instanceIds none → cpu3c-1-2"),
    ],
    ids=["GPU", "GPU count", "image", "FlashBoot", "CUDA", "volume", "disk", "command", "CPU for GPU"],
)
def test_what_workers_are_made_with_replaces_them(settings: dict[str, Any], reason: str):
    """Runpod makes them anew; the endpoint keeps its id."""
    (step,) = plan(manifest("a", **settings), live(manifest("a")), digest="d1").steps
    assert isinstance(step, ReplaceEndpoint)
    assert (step.id, step.is_other_type) == ("id_a", False)
    assert reason in step.reason
    assert "hunter2" not in step.reason


def test_another_type_of_endpoint_cannot_be_an_update():
    """A queue that becomes load-balanced answers at another URL."""
    balanced = Manifest(resources={"a": lb_resource()})
    (step,) = plan(balanced, live(manifest("a")), digest="d2").steps
    assert isinstance(step, ReplaceEndpoint)
    assert step.is_other_type
    assert step.reasons[0] == "type QB → LB"
    assert "give it another name" in plan(balanced, live(manifest("a")), digest="d2").text()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"TOKEN": "hunter2"}, "env: TOKEN added"),
        ({"TOKEN": "hunter1", "B": "hunter2"}, {"TOKEN": "hunter2"}, "env: TOKEN changed, B removed"),
    ],
)
def test_values_of_variables_are_never_in_a_plan(before: dict[str, str], after: dict[str, str], said: str):
    """They may be secrets; neither text nor JSON has them."""
    made = plan(manifest("a", env=after), live(manifest("a", env=before)), digest="d1")
    assert told(made) == [("update", "a", said)]
    assert "hunter" not in made.text() + json.dumps(made.as_json())


def test_an_endpoint_that_was_never_activated_is_updated_under_its_id():
    """A killed run left it behind, in a new environment or in one that serves."""
    for environment in (live(None, {"a": "id_a"}), live(manifest("b"), {"a": "id_a"})):
        (step, *_) = plan(manifest("a"), environment, digest="d1").steps
        assert (step.action, step.reason, step.id) == ("update", "there, but never activated", "id_a")


def test_a_live_manifest_that_cannot_be_read_is_replaced():
    """Somebody edited it; what it costs is not known."""
    environment = LiveEnvironment(
        id="env1",
        name="prod",
        app_id="app1",
        active_build_id="build0",
        manifest=None,
        endpoints={"a": "id_a"},
        problem="the manifest of build build0 is not a manifest",
    )
    made = plan(manifest("a"), environment, digest="d1")
    assert told(made) == [("update", "a", "there, but its build's manifest cannot be read")]
    assert made.notes == ("the manifest of build build0 is not a manifest: every endpoint is deployed anew",)
    assert made.cost_before.worst_case is None


def test_an_endpoint_that_the_project_no_longer_declares_is_deleted():
    """Last, and by name."""
    made = plan(manifest("a"), live(manifest("a"), {"z": "1", "a": "id_a", "m": "2"}), digest="d1")
    assert told(made) == [
        ("keep", "a", "unchanged"),
        ("delete", "m", "no longer in the project"),
        ("delete", "z", "no longer in the project"),
    ]
    assert [step.id for step in made.steps] == ["id_a", "2", "1"]
    assert made.deleted == ("m", "z")
    assert not made.is_empty


def test_an_endpoint_that_lives_elsewhere_is_not_deployed():
    """A client by id calls what somebody else deployed; an image of somebody else's is ours to run."""
    by_id = queue_resource("a", client_mode=True, image_name="")
    by_image = queue_resource("b", client_mode=True, image_name="vllm/vllm:1")
    steps = plan(Manifest(resources={"a": by_id, "b": by_image}), None, digest="d1").steps
    assert [step.name for step in steps] == ["b"]


# ---------------------------------------------------------------------------------------------------------------------
# Deployed by somebody else

PEERS = """
{"version": "1.0", "python_version": "3.12", "generated_at": "2026-01-01T00:00:00.000000Z", "project_name": "demo",
 "resources": {
  "cpu": {"resource_type": "CpuLiveServerless", "file_path": "cpu.py", "local_path_prefix": "/cpu",
   "module_path": "cpu",
   "functions": [{"name": "hello", "module": "cpu", "is_async": true, "is_class": false}],
   "is_load_balanced": false, "is_live_resource": true, "config_variable": null, "makes_remote_calls": false,
   "imageName": "runpod/flash-cpu:py3.12-latest", "instanceIds": ["cpu3c-1-2"], "workersMin": 0, "workersMax": 1,
   "idleTimeout": 60, "scalerType": "QUEUE_DELAY", "scalerValue": 4, "env": {"_FLASH_SOURCE_FINGERPRINT": "0"},
   "template": {"containerDiskInGb": 10, "dockerArgs": "", "startScript": "", "advancedStart": false,
    "containerRegistryAuthId": ""},
   "handler_file": "handler_cpu.py", "target_python_version": "3.12", "endpoint_id": "e1", "aiKey": "rpa_hunter2"},
  "gpu": {"resource_type": "LiveServerless", "is_load_balanced": false, "is_live_resource": true,
   "functions": [{"name": "greet", "module": "gpu", "is_async": true, "is_class": false}],
   "imageName": "runpod/flash:py3.12-latest", "gpuIds": "AMPERE_16", "workersMin": 0, "workersMax": 1,
   "idleTimeout": 60, "scalerType": "QUEUE_DELAY", "scalerValue": 4, "minCudaVersion": "12.8",
   "makes_remote_calls": false, "networkVolume": {"id": "v1", "name": "models", "size": 100},
   "template": {"containerDiskInGb": 64, "dockerArgs": ""}, "aiKey": "rpa_hunter2"}},
 "function_registry": {"hello": "cpu", "greet": "gpu"}, "source_fingerprint": "0",
 "resources_endpoints": {"cpu": "https://api.runpod.ai/v2/e1"}}
"""
"""As ``runpod-flash`` 1.21.0 leaves one on the platform."""


def test_what_another_tool_deployed_is_taken_over_in_place():
    """Nothing of how it spells the same endpoints is a difference; only what they run is not ours yet."""
    ours = Manifest(
        resources={
            "cpu": queue_resource(
                "cpu", gpu_ids=None, instance_ids=["cpu3c-1-2"], image_name="runpod/flash-cpu:py3.12-latest"
            ),
            "gpu": queue_resource("gpu", min_cuda_version="12.8", network_volumes=[{"id": "v1"}]),
        }
    )
    made = plan(ours, live(Manifest.parse(json.loads(PEERS)), digest=None), digest="d1")
    assert told(made) == [
        ("update", "cpu", "what it runs was not deployed by Flash"),
        ("update", "gpu", "what it runs was not deployed by Flash"),
    ]
    assert "hunter2" not in json.dumps(made.as_json())


def test_the_manifest_of_the_older_generation_is_planned_too():
    """It names little: the rest is what its tool deployed by default."""
    older = Manifest.parse(
        {"resources": {"lb_worker": {"resource_type": "lb_worker", "functions": [{"name": "process", "module": "lb"}]}}}
    )
    (step,) = plan(manifest("lb_worker"), live(older, digest=None), digest="d1").steps
    assert isinstance(step, ReplaceEndpoint)


# ---------------------------------------------------------------------------------------------------------------------
# Whether it still fits


def planned(environment: LiveEnvironment | None = None) -> Plan:
    return plan(manifest("a", "b"), environment, digest="d2", app="demo", environment="prod")


BASE = live(manifest("a", "old"))


def test_a_plan_fits_what_it_was_made_of():
    """With an environment, and without one."""
    planned(BASE).check(BASE, app="demo", environment="prod", now=planned(BASE))
    planned(None).check(None, app="demo", environment="prod")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (live(manifest("a", "old"), build="build9"), "build build9 is live, not build0"),
        (live(manifest("a", "old"), {"a": "id_a"}), "endpoint 'old' is gone"),
        (live(manifest("a", "old"), {"a": "x", "old": "id_old"}), "endpoint 'a' was made anew"),
        (live(manifest("a", "old"), {"a": "id_a", "old": "id_old", "b": "1"}), "endpoint 'b' came"),
        (None, "environment 'prod' is gone"),
    ],
    ids=["another build", "an endpoint went", "an endpoint made anew", "an endpoint came", "no environment"],
)
def test_a_plan_that_no_longer_fits_is_refused_with_what_changed(now: LiveEnvironment | None, said: str):
    """Before anything is done."""
    assert not planned(BASE).fits(now)
    with pytest.raises(Refused, match="the plan no longer fits") as refused:
        planned(BASE).check(now, app="demo", environment="prod", now=planned(now))
    assert said in refused.value.reasons
    assert "flash plan --env prod" in refused.value.hint


def test_a_plan_for_an_environment_that_came_meanwhile_is_refused():
    """It said that everything would be made."""
    assert planned(None).misfits(live(None)) == ("environment 'prod' was made",)


def test_a_plan_is_for_one_artifact() -> None:
    """Whoever looked at it has agreed to that, and to nothing else."""
    other = plan(manifest("a", "b"), BASE, digest="d3")
    with pytest.raises(Refused) as refused:
        planned(BASE).check(BASE, app="demo", environment="prod", now=other)
    assert refused.value.reasons == ("the artifact is d3, the plan's is d2",)


@pytest.mark.parametrize("there", [("demo", "staging"), ("other", "prod")], ids=["another environment", "another app"])
def test_a_plan_is_for_one_environment(there: tuple[str, str]) -> None:
    """Of one app."""
    app, environment = there
    with pytest.raises(Refused) as refused:
        planned(BASE).check(BASE, app=app, environment=environment)
    assert refused.value.reasons == (f"it is for 'prod' of 'demo', not {environment!r} of {app!r}",)


def test_a_plan_that_was_edited_is_refused() -> None:
    """The steps of a file are compared with what would be done."""
    data = planned(BASE).as_json()
    data["steps"] = [step for step in data["steps"] if step["action"] != "delete"]
    data["steps"][0]["action"] = "keep"
    edited = Plan.from_json(data)
    with pytest.raises(Refused) as refused:
        edited.check(live(manifest("a"), {"a": "id_a"}), app="demo", environment="prod", now=planned(BASE))
    assert refused.value.reasons == (
        "endpoint 'a': the plan says keep, it would be update",
        "endpoint 'old': the plan says nothing, it would be delete",
    )


def test_a_plan_of_another_format_is_told() -> None:
    """With how to make one."""
    with pytest.raises(DeployError, match=r"that is no plan: its format is not 1") as error:
        Plan.from_json({**planned(BASE).as_json(), "format": 2})
    assert error.value.hint == "make one: flash plan --out FILE"


@pytest.mark.parametrize("name", ["cpu", "gpu"])
@given(st.data())
def test_a_manifest_edited_by_hand_is_planned_or_told(name: str, data: st.DataObject) -> None:
    """Whatever stands in a field of what is live: there is a plan, or the manifest is no manifest."""
    edited = json.loads(PEERS)
    place = data.draw(st.sampled_from([edited, edited["resources"][name], edited["resources"][name]["template"]]))
    keys = {*place, "env", "networkVolumes", "locations", "gpuIds", "digest", "template", "flashboot", "gpuCount"}
    place[data.draw(st.sampled_from(sorted(keys)))] = data.draw(JSON)
    with suppress(ManifestError):
        before = Manifest.parse(edited)
        made = plan(manifest(name), live(before, {name: "id"}, digest=before.digest), digest="d1")
        assert [step.name for step in made.steps] == [name]
        assert made.text()
        assert Plan.from_json(json.loads(json.dumps(made.as_json()))) == made


@given(JSON, st.data())
def test_what_is_no_plan_is_told(junk: Any, data: st.DataObject) -> None:
    """Whatever a file holds: it is a plan, or an error of ours, and nothing else."""
    whole = planned(BASE).as_json()
    place = data.draw(st.sampled_from([whole, whole["base"], whole["steps"][0], whole["steps"][0]["cost"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = junk
    for what in (whole, junk):
        with suppress(DeployError):
            Plan.from_json(what)


# ---------------------------------------------------------------------------------------------------------------------
# As text and as JSON


def test_a_plan_reads_as_text():
    """Aligned, the summary below, then what it costs; reasons in lines of their own."""
    app = manifest("gpu_worker", "new", fingerprint="f2", workers_max=3)
    app.resources["gpu_worker"].gpu_ids = "ADA_24"
    made = plan(
        app, live(manifest("gpu_worker", "old"), digest="a" * 64), digest="d" * 64, app="demo", notes=["mind the gap"]
    )
    assert made.text().split("\n") == [
        "plan for prod of demo, where build build0 (artifact aaaaaaaaaaaa) is live",
        "",
        "  ± replace  gpu_worker  gpuIds AMPERE_16 → ADA_24",
        "                         workersMax 1 → 3",
        "                         new code",
        "                         its workers are made anew",
        "  + create   new         not there yet",
        "  - delete   old         no longer in the project",
        "                         goes only with --allow-delete",
        "",
        "1 to create, 1 to replace, 1 to delete; artifact dddddddddddd",
        "",
        "US dollars an hour on Runpod, by its list prices of 2026-06-08 (disks and volumes are not in them):",
        "              idle  all workers busy",
        "  gpu_worker  0.00  3.35 (was 0.58)",
        "  new         0.00  1.73 (was 0.00)",
        "  old         0.00  0.00 (was 0.58)",
        "  in total    0.00  5.08 (was 1.15)",
        "",
        "! mind the gap",
    ]


def test_a_price_that_is_not_known_is_unknown_in_text_and_null_in_json():
    """And so is the sum; a plan never guesses."""
    made = plan(manifest("gpu", "lb_worker"), None, digest="d1", environment="prod")
    assert made.text().split("\n")[-4:] == [
        "  gpu        0.00  0.58",
        "  lb_worker  0.00  unknown",
        "  in total   0.00  unknown",
        "  unknown: there is no published price for CPU workers",
    ]
    data = made.as_json()
    assert data["cost"] == {"idle_per_hour": 0.0, "worst_case_per_hour": None, "unknown": ["CPU workers"]}
    assert data["prices"]["as_of"] == "2026-06-08"
    assert (made.idle_per_hour, made.worst_case_per_hour) == (0.0, None)


def test_an_empty_plan_says_so():
    """With the artifact that is live."""
    what = manifest("a")
    made = plan(what, live(what, digest="d" * 64), digest="d" * 64)
    assert made.text().endswith("\n\nnothing would change: artifact dddddddddddd is live")


def test_json_counts_every_action():
    """Also those that there are none of."""
    data = plan(manifest("a"), None, digest="d1", app="demo", environment="prod").as_json()
    assert data["summary"] == {**{kind.action: 0 for kind in ACTIONS}, "create": 1}
    assert (data["app"], data["environment"], data["digest"], data["is_empty"]) == ("demo", "prod", "d1", False)
    assert (data["steps"][0]["action"], data["steps"][0]["id"]) == ("create", None)


def test_what_a_manifest_of_others_holds_does_not_reach_the_terminal():
    """Neither in the name of an endpoint nor in a value, which cannot make up lines of a plan either."""
    hostile = "\x1b[2J\n= keep  nothing"
    before = live(manifest("a", image_name=hostile, env={hostile: "1"}), {"a": "1", hostile: "2"})
    text = plan(manifest("a"), before, digest="d1").text()
    assert "\x1b" not in text
    assert "imageName \ufffd[2J\ufffd= keep  nothing → " in text


def test_kept_endpoints_count_in_what_it_costs():
    """The total is the environment's, not that of the changes."""
    made = plan(manifest("a", "b"), live(manifest("a")), digest="d1")
    assert [type(step) for step in made.steps] == [KeepEndpoint, CreateEndpoint]
    assert (made.worst_case_per_hour, float(made.cost_before.worst_case or 0)) == (1.152, 0.576)
