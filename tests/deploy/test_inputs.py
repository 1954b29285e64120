from __future__ import annotations

from typing import Any

import pytest
from fakes_deploy import lb_resource, queue_resource
from graphql import build_schema, coerce_input_value

import flash
from flash.deploy.inputs import Placement, endpoint_input
from flash.model.manifest import Resource

PLACEMENT = Placement(app="demo", environment="prod", environment_id="env1", build_id="build1", caller_key="rpa_SECRET")


def variables(resource: Resource, name: str = "gpu") -> dict[str, str]:
    given = endpoint_input(name, resource, PLACEMENT, fingerprint="f1")
    return {entry["key"]: entry["value"] for entry in given["template"]["env"]}


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
