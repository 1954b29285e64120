from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fakes_deploy import lb_resource, manifest, queue_resource
from graphql import build_schema, coerce_input_value
from hypothesis import given
from hypothesis import strategies as st

import flash
from flash.cloud.client import LiveEnvironment
from flash.deploy.plan import (
    CreateEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
    Placement,
    UpdateEndpoint,
    endpoint_input,
    plan,
)
from flash.model.manifest import Manifest, Resource

PLACEMENT = Placement(app="demo", environment="prod", environment_id="env1", build_id="build1", caller_key="rpa_SECRET")


def live(what: Manifest | None, ids: Mapping[str, str] | None = None, digest: str = "d1") -> LiveEnvironment:
    return LiveEnvironment(
        id="env1",
        name="prod",
        app_id="app1",
        active_build_id=None if what is None else "build0",
        manifest=None if what is None else what.model_copy(update={"digest": digest}),
        endpoints=ids if ids is not None else {name: f"id_{name}" for name in ([] if what is None else what.resources)},
    )


def variables(resource: Resource, name: str = "gpu") -> dict[str, str]:
    given = endpoint_input(name, resource, PLACEMENT, fingerprint="f1")
    return {entry["key"]: entry["value"] for entry in given["template"]["env"]}


NAMES = st.lists(st.sampled_from(["a", "b", "c", "lb_worker"]), unique=True)


@given(NAMES)
def test_a_plan_from_an_app_to_itself_is_empty(names: list[str]):
    """The same artifact is live already."""
    what = manifest(*names)
    assert plan(what, live(what), digest="d1").is_empty


@given(NAMES, NAMES)
def test_a_plan_leads_from_what_is_live_to_what_is_declared(before: list[str], after: list[str]):
    """Carried out, it leaves exactly the endpoints of the manifest."""
    steps = plan(manifest(*after), live(manifest(*before)), digest="d2").steps
    created = {step.name for step in steps if isinstance(step, CreateEndpoint)}
    deleted = {step.name for step in steps if isinstance(step, DeleteEndpoint)}
    assert (set(before) | created) - deleted == set(after)
    assert created.isdisjoint(before)
    assert deleted.isdisjoint(after)


def test_a_first_deployment_creates_everything():
    """There is no environment yet."""
    steps = plan(manifest("gpu"), None, digest="d1")
    assert steps.steps == (CreateEndpoint("gpu", "not there yet"),)
    assert steps.base_build_id is None


def test_new_code_updates_every_endpoint():
    """They share one artifact."""
    steps = plan(manifest("a", "b", fingerprint="f2"), live(manifest("a", "b")), digest="d2").steps
    assert steps == (UpdateEndpoint("a", "new code", "id_a"), UpdateEndpoint("b", "new code", "id_b"))


def test_the_same_code_in_another_artifact_is_an_update_too():
    """Its dependencies changed."""
    (step,) = plan(manifest("a"), live(manifest("a")), digest="d2").steps
    assert step == UpdateEndpoint("a", "new artifact", "id_a")


def test_a_changed_setting_is_shown_with_both_values():
    """In wire spelling, as the manifest has it."""
    (step,) = plan(manifest("a", workers_max=3), live(manifest("a", workers_max=2)), digest="d1").steps
    assert step == UpdateEndpoint("a", "workersMax 2 → 3", "id_a")


def test_a_setting_that_came_or_went_says_none():
    """An unset value is a value too."""
    (step,) = plan(manifest("a", locations="EU-RO-1"), live(manifest("a")), digest="d1").steps
    assert step.reason == "locations none → EU-RO-1"


def test_values_of_variables_are_never_in_a_plan():
    """They may be secrets."""
    text = plan(manifest("a", env={"TOKEN": "hunter2"}), live(manifest("a")), digest="d1").text()
    assert "env changed" in text
    assert "hunter2" not in text


def test_an_endpoint_that_was_never_activated_is_updated_under_its_id():
    """A killed run left it behind."""
    steps = plan(manifest("a"), live(None, {"a": "id_a"}), digest="d1").steps
    assert steps == (UpdateEndpoint("a", "there, but never activated", "id_a"),)


def test_an_endpoint_that_the_project_no_longer_declares_is_deleted():
    """Last, and by name."""
    steps = plan(manifest("a"), live(manifest("a"), {"z": "1", "a": "id_a", "m": "2"}), digest="d1").steps
    assert steps == (
        KeepEndpoint("a", "unchanged", "id_a"),
        DeleteEndpoint("m", "no longer in the project", "2"),
        DeleteEndpoint("z", "no longer in the project", "1"),
    )


def test_an_endpoint_that_lives_elsewhere_is_not_deployed():
    """A client by id calls what somebody else deployed; an image of somebody else's is ours to run."""
    by_id = queue_resource("a", client_mode=True, image_name="")
    by_image = queue_resource("b", client_mode=True, image_name="vllm/vllm:1")
    steps = plan(Manifest(resources={"a": by_id, "b": by_image}), None, digest="d1").steps
    assert [step.name for step in steps] == ["b"]


def test_a_plan_reads_as_text():
    """One line a step."""
    steps = plan(
        manifest("gpu_worker", "new", fingerprint="f2"),
        live(manifest("gpu_worker"), {"gpu_worker": "1", "old": "2"}),
        digest="d2",
    )
    assert steps.text() == (
        "~ update gpu_worker  new code\n"
        "+ create new         not there yet\n"
        "- delete old         no longer in the project"
    )


def test_an_empty_plan_says_so():
    """With the artifact that is live."""
    what = manifest("a")
    assert plan(what, live(what, digest="d" * 64), digest="d" * 64).text() == (
        "nothing would change: artifact dddddddddddd is live"
    )


@pytest.mark.parametrize(
    "resource",
    [
        queue_resource("gpu", min_cuda_version="12.8", locations="EU-RO-1", network_volumes=[{"id": "v1"}]),
        queue_resource("cpu", gpu_ids=None, instance_ids=["cpu3c-1-2"], network_volumes=[{"id": "a"}, {"id": "b"}]),
        lb_resource(),
    ],
    ids=["gpu", "cpu", "load-balanced"],
)
def test_inputs_are_valid_against_the_schema(resource: Resource):
    """The local platform executes the same schema."""
    from pathlib import Path

    schema = build_schema((Path(flash.__file__).parent / "schema.graphql").read_text(encoding="utf-8"))
    given: Any = endpoint_input("x", resource, PLACEMENT, fingerprint="f1", endpoint_id="id1")
    assert coerce_input_value(given, schema.type_map["EndpointInput"]) == given


def test_a_gpu_endpoint_has_its_hardware_and_the_full_disk():
    """Values as the platform's own client sends them."""
    given = endpoint_input("gpu", queue_resource("gpu", workers_max=3), PLACEMENT, fingerprint="f1")
    assert (given["type"], given["scalerType"], given["workersMax"]) == ("QB", "QUEUE_DELAY", 3)
    assert (given["gpuIds"], given["gpuCount"], given["flashBootType"]) == ("AMPERE_16", 1, "FLASHBOOT")
    assert given["template"]["containerDiskInGb"] == 64
    assert given["flashBuildId"] == "build1"
    assert "instanceIds" not in given
    assert "id" not in given


def test_a_cpu_endpoint_has_its_instances_and_their_disk():
    """And nothing of GPUs."""
    resource = queue_resource("cpu", gpu_ids=None, instance_ids=["cpu3c-1-2"], flashboot=False)
    given = endpoint_input("cpu", resource, PLACEMENT, fingerprint="f1")
    assert given["instanceIds"] == ["cpu3c-1-2"]
    assert given["template"]["containerDiskInGb"] == 10
    assert not {"gpuIds", "gpuCount", "allowedCudaVersions", "flashBootType"} & given.keys()


def test_a_load_balanced_endpoint_scales_by_requests():
    """The platform takes no other scaler for it."""
    resource = lb_resource().model_copy(update={"scaler_type": "QUEUE_DELAY"})
    given = endpoint_input("lb", resource, PLACEMENT, fingerprint="f1")
    assert (given["type"], given["scalerType"]) == ("LB", "REQUEST_COUNT")


def test_a_template_of_the_users_is_kept():
    """Its variables come first, the endpoint's own over them."""
    resource = queue_resource(
        "gpu",
        template={"containerDiskInGb": 20, "dockerArgs": "-x", "env": [{"key": "A", "value": "1"}]},
        env={"A": "2", "B": "3"},
    )
    template = endpoint_input("gpu", resource, PLACEMENT, fingerprint="f1")["template"]
    assert (template["containerDiskInGb"], template["dockerArgs"]) == (20, "-x")
    assert variables(resource)["A"] == "2"
    assert variables(resource)["B"] == "3"


def test_workers_are_told_who_they_are():
    """The platform's variables win over the user's of the same name."""
    found = variables(queue_resource("gpu", env={"MINE": "1", "FLASH_APP": "stolen"}))
    assert found == {
        "MINE": "1",
        "FLASH_APP": "demo",
        "FLASH_ENV": "prod",
        "FLASH_RESOURCE_NAME": "gpu",
        "FLASH_ENDPOINT_TYPE": "qb",
        "_FLASH_SOURCE_FINGERPRINT": "f1",
    }
    assert variables(lb_resource())["FLASH_ENDPOINT_TYPE"] == "lb"


def test_only_endpoints_that_call_others_get_the_key():
    """Never an image of somebody else's."""
    caller = queue_resource("gpu", makes_remote_calls=True)
    foreign = queue_resource("gpu", makes_remote_calls=True, client_mode=True)
    assert variables(caller)["RUNPOD_API_KEY"] == "rpa_SECRET"
    assert variables(caller)["FLASH_ENVIRONMENT_ID"] == "env1"
    assert "RUNPOD_API_KEY" not in variables(queue_resource("gpu"))
    assert variables(foreign) == {}


def test_without_a_key_there_is_none_to_give():
    """An empty one would hide that it is missing."""
    resource = queue_resource("gpu", makes_remote_calls=True)
    placement = Placement(app="demo", environment="prod", environment_id="env1", build_id="build1")
    given = endpoint_input("gpu", resource, placement, fingerprint="f1")
    assert "RUNPOD_API_KEY" not in [entry["key"] for entry in given["template"]["env"]]


def test_the_same_endpoint_of_the_same_build_has_the_same_input():
    """So that putting a build back asks for what was there before."""
    first, second = (endpoint_input("gpu", queue_resource("gpu"), PLACEMENT, fingerprint="f1") for _ in range(2))
    assert first == second
