"""What counts as a difference between two configurations of an endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from fakes_deploy import queue_resource

from flash.deploy.compare import changes
from flash.model.manifest import Manifest, Resource

CPU = {
    "resource_type": "CpuLiveServerless",
    "is_load_balanced": False,
    "imageName": "runpod/flash-cpu:py3.12-latest",
    "instanceIds": ["cpu3c-1-2", "cpu3g-2-8"],
    "workersMin": 0,
    "workersMax": 1,
    "idleTimeout": 60,
    "scalerType": "QUEUE_DELAY",
    "scalerValue": 4,
    "env": {"A": "1", "B": "2"},
    "networkVolumes": [{"id": "v1"}, {"id": "v2"}],
    "locations": "EU-RO-1,US-CA-2",
    "makes_remote_calls": False,
}


def resource(**changed: Any) -> Resource:
    data = {**CPU, **changed}
    return Manifest.parse({"resources": {"a": {key: one for key, one in data.items() if one is not ...}}}).resources[
        "a"
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"workersMin": None, "scalerType": None, "executionTimeoutMs": None, "template": None, "flashboot": None},
        {"workersMin": ..., "workersMax": ..., "idleTimeout": ..., "scalerType": ..., "scalerValue": ...},
        {"workersMax": "1", "idleTimeout": "60", "scalerValue": "4", "executionTimeoutMs": "0"},
        {"instanceIds": ["cpu3g-2-8", "cpu3c-1-2"], "networkVolumes": [{"id": "v2"}, {"id": "v1"}]},
        {"env": {"B": 2, "A": "1"}, "locations": " us-ca-2, EU_RO_1 "},
        {"gpuCount": 1, "gpuIds": None, "minCudaVersion": ""},
        {"template": {"containerDiskInGb": "10", "dockerArgs": None, "startScript": "", "advancedStart": False}},
        {"template": {"env": [{"key": "A", "value": "0"}, "junk", {"value": "no key"}]}},
        {"env": {"A": "1", "B": "2", "_FLASH_SOURCE_FINGERPRINT": "f", "FLASH_APP": "demo", "FLASH_ENV": "prod"}},
        {"networkVolumes": [{"id": "v1", "name": "models", "size": 100}, {"id": "v2", "dataCenterId": "EU-RO-1"}]},
        {"file_path": "a.py", "is_live_resource": True, "config_variable": None, "endpoint_id": "e", "aiKey": "rpa_x"},
    ],
    ids=[
        "null is the default",
        "absent is the default",
        "numbers as text",
        "order of lists",
        "order and types of variables, spelling of locations",
        "what a CPU endpoint has no use for",
        "a template that says what goes without saying",
        "variables of a template under the endpoint's own",
        "the platform's own variables",
        "what else is known of a volume",
        "keys of other tools",
    ],
)
def test_what_platforms_normalise_is_no_difference(changed: dict[str, Any]) -> None:
    """Nor is what another tool adds to a manifest."""
    assert changes(resource(**changed), resource()) == ()
    assert changes(resource(), resource(**changed)) == ()


def test_one_volume_in_the_spelling_of_others_is_that_volume() -> None:
    """``runpod-flash`` writes an object or an id where there is one."""
    ours = resource(networkVolumes=[{"id": "v1"}])
    assert changes(resource(networkVolumes=..., networkVolume={"id": "v1", "name": "models"}), ours) == ()
    assert changes(resource(networkVolumes=..., networkVolumeId="v1"), ours) == ()


def test_gpu_lists_are_compared_as_sets() -> None:
    """Exclusions included."""
    one, other = (
        "ADA_24,AMPERE_24,-NVIDIA L4,-NVIDIA GeForce RTX 3090",
        "AMPERE_24, ADA_24,-NVIDIA GeForce RTX 3090,-NVIDIA L4",
    )
    assert changes(queue_resource("a", gpu_ids=one), queue_resource("a", gpu_ids=other)) == ()


def test_an_instance_that_nobody_knows_is_compared_all_the_same() -> None:
    """A newer platform, or a typing error of somebody who edited the manifest."""
    (change, *_) = changes(resource(instanceIds=["cpu9z-1-2"]), resource(instanceIds=["cpu3c-1-2"]))
    assert (change.text, change.effect) == ("instanceIds cpu9z-1-2 → cpu3c-1-2", "workers")


def test_calling_other_endpoints_is_a_setting() -> None:
    """Its workers get the key then, or no longer."""
    (change,) = changes(resource(), resource(makes_remote_calls=True))
    assert (change.text, change.effect) == ("makes_remote_calls no → yes", "rolling")


def test_a_key_of_the_users_own_is_theirs() -> None:
    """Only where the platform gives one is it the platform's."""
    own = {"A": "1", "B": "2", "RUNPOD_API_KEY": "mine"}
    assert [change.text for change in changes(resource(), resource(env=own))] == ["env: RUNPOD_API_KEY added"]
    calls = {"makes_remote_calls": True}
    assert changes(resource(**calls), resource(**calls, env=own)) == ()
