"""What the resource classes of older apps come to."""

from __future__ import annotations

from typing import Any

import pytest

from flash.errors import DeclarationError
from flash.model.endpoint import Endpoint, EndpointSpec
from flash.model.hardware import CpuInstanceType, CudaVersion, GpuGroup, NetworkVolume, ServerlessScalerType
from flash.model.older import OLDER_RESOURCES, OlderResource, endpoint_text, remote_use


def resource(kind: str = "LiveServerless", **given: Any) -> OlderResource:
    return OLDER_RESOURCES[kind](**{"name": "a", **given})


def spec(kind: str = "LiveServerless", **given: Any) -> EndpointSpec:
    return Endpoint(**resource(kind, **given).endpoint_keywords()).spec


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"gpus": [GpuGroup.ADA_24]}, {"gpu": GpuGroup.ADA_24}),
        ({"gpus": None, "imageName": ""}, {}),
        ({"instanceIds": [CpuInstanceType.CPU3C_1_2]}, {"cpu": "cpu3c-1-2"}),
        ({"workersMin": 1, "workersMax": 3}, {"workers": (1, 3)}),
        ({"workersMax": 3}, {"workers": 3}),
        ({"idleTimeout": 5, "executionTimeoutMs": 9, "gpuCount": 2, "flashboot": False}, None),
        ({"networkVolumeId": "v1"}, {"volume": NetworkVolume(id="v1")}),
        ({"networkVolume": NetworkVolume(name="v")}, {"volume": NetworkVolume(name="v")}),
        ({"networkVolumes": [NetworkVolume(name="v")]}, {"volume": NetworkVolume(name="v")}),
        ({"locations": "EU-RO-1, US-IL-1"}, {"datacenter": ["EU-RO-1", "US-IL-1"]}),
        ({"cudaVersions": [CudaVersion.V12_4, CudaVersion.V11_8]}, {"min_cuda_version": "11.8"}),
        ({"env": {"A": "1"}, "scalerValue": 7}, {"env": {"A": "1"}, "scaler_value": 7}),
    ],
)
def test_each_field_has_its_parameter_of_endpoint(given: dict[str, Any], written: dict[str, Any] | None) -> None:
    """The same configuration comes of both."""
    if written is None:
        written = {"idle_timeout": 5, "execution_timeout_ms": 9, "gpu_count": 2, "flashboot": False}
    assert spec(**given) == Endpoint(name="a", **written).spec


@pytest.mark.parametrize("kind", sorted(OLDER_RESOURCES))
def test_the_class_says_what_the_workers_are(kind: str) -> None:
    """CPU classes have an instance by default; the scaler of load-balanced ones is that of requests."""
    made = spec(kind, scalerType=ServerlessScalerType.QUEUE_DELAY)
    assert made.is_gpu is not kind.startswith("Cpu")
    assert made.instance_ids == (("cpu3g-2-8",) if kind.startswith("Cpu") else None)
    assert made.scaler_type == (None if "LoadBalancer" in kind else "QUEUE_DELAY")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "needs a name"),
        ({"workersMaxx": 1}, "has no field 'workersMaxx'.*\nhint: did you mean 'workersMax'"),
        ({"imageName": "me/mine:1"}, "imageName has no meaning here.*\nhint: .*image=…"),
        ({"python_version": "3.12"}, r"python_version.*\nhint: .*\[tool\.flash\]"),
        ({"templateId": "x"}, "templateId.*\nhint: .*PodTemplate"),
        ({"type": "LB"}, "type is 'LB'"),
    ],
)
def test_what_has_no_parameter_is_refused_with_what_to_write(given: dict[str, Any], message: str) -> None:
    """Nothing is dropped in silence."""
    with pytest.raises(DeclarationError, match=f"(?s){message}"):
        resource(**given)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("CpuLiveServerless", {"gpus": [GpuGroup.ANY]}, "a CPU endpoint has no gpus"),
        ("LiveServerless", {"networkVolumeId": "a", "networkVolume": NetworkVolume(name="b")}, "exclude each other"),
    ],
)
def test_fields_that_exclude_each_other_are_refused(kind: str, given: dict[str, Any], message: str) -> None:
    """As parameters of Endpoint that do."""
    with pytest.raises(DeclarationError, match=message):
        resource(kind, **given).endpoint_keywords()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resource_config": None}, "resource_config is None"),
        ({"resource_config": resource(), "dependancies": []}, "no parameter 'dependancies'.*\nhint: did you mean"),
        ({"resource_config": resource("LiveLoadBalancer")}, "method=None, path=None are no route"),
        ({"resource_config": resource("LiveLoadBalancer"), "method": "HEAD", "path": "/a"}, "are no route"),
    ],
)
def test_remote_says_what_is_wrong(arguments: dict[str, Any], message: str) -> None:
    """With what to write."""
    with pytest.raises(DeclarationError, match=f"(?s){message}"):
        remote_use(**arguments)


def test_an_endpoint_is_shown_as_one_would_write_it() -> None:
    """Without what may be a secret."""
    keywords = resource(gpus=[GpuGroup.ADA_24], env={"KEY": "hidden"}, workersMax=3).endpoint_keywords()
    assert endpoint_text(keywords) == "Endpoint(name='a', env={…}, workers=(0, 3), gpu=GpuGroup.ADA_24)"
