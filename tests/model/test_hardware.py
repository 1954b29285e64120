"""The tables of the platform, and how a user's choice becomes the platform's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import DeclarationError
from flash.model import hardware
from flash.model.hardware import (
    GPU_MEMORY_GB,
    GPU_POOLS,
    CpuInstanceType,
    CudaVersion,
    DataCenter,
    GpuGroup,
    GpuType,
    NetworkVolume,
    PodTemplate,
    container_disk_gb,
    data_center,
    did_you_mean,
    gpu_ids,
    image_name,
    nearest,
    provided_by_image,
)

ALL_POOLS = "ADA_24,ADA_32_PRO,ADA_48_PRO,ADA_80_PRO,AMPERE_16,AMPERE_24,AMPERE_48,AMPERE_80,BLACKWELL_180,"
ALL_POOLS += "BLACKWELL_96,HOPPER_141"
GPUS = [*GpuGroup, *GpuType]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (GpuGroup.ANY, ALL_POOLS),
        (GpuType.ANY, ALL_POOLS),
        ("any", ALL_POOLS),
        ([GpuType.NVIDIA_L4, GpuGroup.ANY], ALL_POOLS),
        (GpuGroup.AMPERE_16, "AMPERE_16"),
        ("AMPERE_16", "AMPERE_16"),
        ([GpuGroup.HOPPER_141, GpuGroup.ADA_24, GpuGroup.ADA_24], "ADA_24,HOPPER_141"),
        (GpuType.NVIDIA_GEFORCE_RTX_4090, "ADA_24"),
        (GpuType.NVIDIA_A100_80GB_PCIe, "AMPERE_80,-NVIDIA A100-SXM4-80GB"),
        ("NVIDIA A100 80GB PCIe", "AMPERE_80,-NVIDIA A100-SXM4-80GB"),
        ("NVIDIA_A100_80GB_PCIe", "AMPERE_80,-NVIDIA A100-SXM4-80GB"),
        (
            [GpuType.NVIDIA_GEFORCE_RTX_4090, GpuType.NVIDIA_RTX_A5000],
            "ADA_24,AMPERE_24,-NVIDIA GeForce RTX 3090,-NVIDIA L4",
        ),
        ([GpuType.NVIDIA_A40, GpuType.NVIDIA_RTX_A6000], "AMPERE_48"),
        ([GpuGroup.AMPERE_24, GpuType.NVIDIA_L4], "AMPERE_24"),
    ],
    ids=repr,
)
def test_a_choice_of_gpus_becomes_pools_then_excluded_models(choice: GpuGroup, expected: str) -> None:
    """Pools are sorted; a pool chosen by some of its models excludes the others; a pool chosen as such does not."""
    assert gpu_ids(choice) == expected


@given(st.lists(st.sampled_from(GPUS), min_size=1))
def test_order_and_repetition_of_a_choice_do_not_matter(choice: list[GpuGroup | GpuType]) -> None:
    """The same set of GPUs gives the same string."""
    assert gpu_ids(choice) == gpu_ids([*reversed(choice), *choice])


@given(st.sets(st.sampled_from([gpu for gpu in GpuType if gpu is not GpuType.ANY]), min_size=1))
def test_what_a_choice_of_models_allows_is_that_choice(choice: set[GpuType]) -> None:
    """The pools less what is excluded are exactly the models that were chosen."""
    tokens = gpu_ids(list(choice)).split(",")
    excluded = {token[1:] for token in tokens if token.startswith("-")}
    pools = [GpuGroup(token) for token in tokens if not token.startswith("-")]
    allowed = {gpu for pool in pools for gpu in GPU_POOLS[pool] if gpu.value not in excluded}
    assert allowed == choice


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("AMPERE_61", "did you mean 'AMPERE_16'?"),
        ("A100", "NVIDIA A100 80GB PCIe"),
        ("ampere_16", "did you mean 'AMPERE_16'?"),
        ("NVIDIA RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("zzz", "did you mean"),
        ("NVIDIA L40S", "GpuGroup.ADA_48_PRO"),
    ],
)
def test_an_unknown_gpu_is_refused_with_the_nearest(word: str, expected: str) -> None:
    """The error has the word, and its hint a valid choice."""
    with pytest.raises(DeclarationError) as caught:
        gpu_ids(word)
    assert repr(word) in caught.value.message
    assert expected in caught.value.hint


@pytest.mark.parametrize("choice", [[], (), None, 16, CudaVersion.V12_8, [GpuGroup.ADA_24, None]])
def test_what_is_no_gpu_is_refused(choice: GpuGroup) -> None:
    """Nothing but GPUs, and at least one."""
    with pytest.raises(DeclarationError):
        gpu_ids(choice)


def test_every_model_is_in_exactly_one_pool() -> None:
    """The pools partition the models, and the platform's list has the memory of each."""
    listed = [gpu for pool in GPU_POOLS.values() for gpu in pool]
    assert sorted(listed) == sorted(gpu for gpu in GpuType if gpu is not GpuType.ANY)
    assert set(GPU_POOLS) == set(GpuGroup) - {GpuGroup.ANY}
    assert {gpu.value for gpu in listed} <= set(GPU_MEMORY_GB)


@pytest.mark.parametrize(
    ("instance_id", "vcpus", "memory_gb", "disk_gb"),
    [
        ("cpu3g-1-4", 1, 4, 10),
        ("cpu3g-2-8", 2, 8, 20),
        ("cpu3g-4-16", 4, 16, 40),
        ("cpu3g-8-32", 8, 32, 80),
        ("cpu3c-1-2", 1, 2, 10),
        ("cpu3c-2-4", 2, 4, 20),
        ("cpu3c-4-8", 4, 8, 40),
        ("cpu3c-8-16", 8, 16, 80),
        ("cpu5c-1-2", 1, 2, 15),
        ("cpu5c-2-4", 2, 4, 30),
        ("cpu5c-4-8", 4, 8, 60),
        ("cpu5c-8-16", 8, 16, 120),
    ],
)
def test_a_cpu_instance_has_the_sizes_of_its_id(instance_id: str, vcpus: int, memory_gb: int, disk_gb: int) -> None:
    """vCPUs, memory and the largest disk, as the platform lists them."""
    instance = hardware.cpu_instance(instance_id)
    assert (instance.vcpus, instance.memory_gb, instance.max_disk_gb) == (vcpus, memory_gb, disk_gb)
    assert hardware.cpu_instance(instance.name) is instance


def test_the_table_of_cpu_instances_is_complete() -> None:
    """Twelve, of which the test above has each."""
    assert len(CpuInstanceType) == 12


def test_an_unknown_cpu_is_refused_with_the_nearest() -> None:
    """The hint has a valid id."""
    with pytest.raises(DeclarationError, match=r"unknown CPU 'cpu3c-1-3'\nhint: did you mean 'cpu3c-1-2'\?"):
        hardware.cpu_instance("cpu3c-1-3")


def test_the_disk_is_what_all_instances_allow() -> None:
    """The smallest limit of the list, or 64 GB with a GPU."""
    assert container_disk_gb(None) == 64
    assert container_disk_gb(["cpu5c-4-8", "cpu3c-1-2"]) == 10


@pytest.mark.parametrize("word", ["EU-RO-1", " eu-ro-1 ", "eu_ro_1", "EU_RO_1", DataCenter.EU_RO_1], ids=repr)
def test_data_centers_are_read_leniently(word: str) -> None:
    """Case, blanks and underscores do not matter."""
    assert data_center(word) is DataCenter.EU_RO_1


@pytest.mark.parametrize(
    ("word", "expected"), [("EU-R0-1", "did you mean 'EU-RO-1'"), ("US-GA-2", "they run in US-CA-2")]
)
def test_an_unknown_data_center_is_refused(word: str, expected: str) -> None:
    """With the nearest, or, where the platform has it but Flash does not, with those that Flash has."""
    with pytest.raises(DeclarationError) as caught:
        data_center(word)
    assert expected in caught.value.hint


def test_no_data_center_is_both_for_flash_and_not() -> None:
    """The two tables are disjoint."""
    assert not {center.value for center in DataCenter} & hardware.OTHER_DATA_CENTERS


def test_cuda_versions_are_those_of_the_platform() -> None:
    """11.8, 12.0 to 12.9, 13.0."""
    expected = ["11.8", *(f"12.{minor}" for minor in range(10)), "13.0"]
    assert [version.value for version in CudaVersion] == expected
    assert hardware.cuda_version("12.4") is CudaVersion.V12_4
    with pytest.raises(DeclarationError, match=r"CUDA version '12\.11'"):
        hardware.cuda_version("12.11")


@pytest.mark.parametrize(
    ("is_gpu", "is_load_balanced", "expected"),
    [
        (True, False, "runpod/flash:py3.11-latest"),
        (False, False, "runpod/flash-cpu:py3.11-latest"),
        (True, True, "runpod/flash-lb:py3.11-latest"),
        (False, True, "runpod/flash-lb-cpu:py3.11-latest"),
    ],
)
def test_the_image_follows_hardware_kind_and_python(is_gpu: bool, is_load_balanced: bool, expected: str) -> None:
    """One repository for each of the four kinds, tagged with the Python version."""
    assert image_name(is_gpu=is_gpu, is_load_balanced=is_load_balanced, python_version="3.11") == expected


def test_there_is_no_image_for_other_pythons() -> None:
    """The versions that there are stand in the hint."""
    with pytest.raises(DeclarationError, match=r"3\.10, 3\.11, 3\.12, 3\.13"):
        image_name(is_gpu=True, is_load_balanced=False, python_version="3.9")


def test_only_gpu_images_ship_numpy_and_torch() -> None:
    """The CPU images are plain Python."""
    assert provided_by_image(is_gpu=True) == {"torch", "torchvision", "torchaudio", "triton", "numpy"}
    assert provided_by_image(is_gpu=False) == frozenset()
    assert "numpy" not in hardware.AUTO_EXCLUDED


@pytest.mark.parametrize(
    ("word", "expected"), [("dependancies", "dependencies"), ("idle-timeout", "idle_timeout"), ("xyzzy", None)]
)
def test_nearest_is_the_choice_that_was_meant_or_none(word: str, expected: str | None) -> None:
    """Punctuation does not count, and what is far from everything has no neighbour."""
    assert nearest(word, ["dependencies", "idle_timeout", "name"]) == expected


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, unique=True), st.data())
def test_nearest_finds_a_choice_that_is_written_right(choices: list[str], data: st.DataObject) -> None:
    """What is a choice gets an answer; and without a cutoff anything does."""
    assert nearest(data.draw(st.sampled_from(choices)), choices, cutoff=0) in choices


def test_nearest_prefers_the_same_word_to_a_longer_one() -> None:
    """A choice that contains the word is no better than the word itself."""
    assert nearest("NVIDIA L4", ["NVIDIA L40", "NVIDIA L4"]) == "NVIDIA L4"


def test_a_hint_lists_the_choices_where_none_is_near() -> None:
    """All of them, in their order."""
    assert did_you_mean("xyzzy", ["name", "size"]) == "it is one of name, size"


def test_a_volume_has_the_platforms_defaults() -> None:
    """100 GB in EU-RO-1; the older spelling of the data center is read."""
    assert NetworkVolume(name="models") == NetworkVolume("models", size=100, datacenter=DataCenter.EU_RO_1)
    assert NetworkVolume(id="v1", dataCenterId="us-ca-2").datacenter is DataCenter.US_CA_2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "needs a name or an id"),
        ({"name": " "}, "name ' '"),
        ({"name": 3}, "name 3"),
        ({"id": ""}, "id ''"),
        ({"name": "v", "size": 9}, "size 9"),
        ({"name": "v", "size": 4097}, "size 4097"),
        ({"name": "v", "size": True}, "size True"),
        ({"name": "v", "size": "20"}, "size '20'"),
        ({"name": "v", "datacenter": "EU-RO-1", "dataCenterId": "EU-RO-1"}, "both"),
        ({"name": "v", "data_center": "EU-RO-1"}, "did you mean 'datacenter'"),
    ],
)
def test_a_wrong_volume_is_refused(arguments: dict[str, object], expected: str) -> None:
    """Name or id, a size in bounds, one data center, nothing unknown."""
    with pytest.raises(DeclarationError) as caught:
        NetworkVolume(**arguments)  # type: ignore[arg-type]
    assert expected in str(caught.value)


def test_a_template_keeps_the_platforms_spelling() -> None:
    """What is given is kept; variables become pairs; the rest is empty."""
    template = PodTemplate(containerDiskInGb=20, env=[{"key": "A", "value": "1"}], dockerArgs="--x")
    assert (template.containerDiskInGb, template.env, template.dockerArgs) == (20, (("A", "1"),), "--x")
    assert (template.config, template.imageName, template.advancedStart) == ({}, "", False)
    assert PodTemplate().containerDiskInGb is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"containerDiskInGb": 0}, "containerDiskInGb 0"),
        ({"containerDiskInGb": True}, "containerDiskInGb True"),
        ({"containerDiskGb": 3}, "did you mean 'containerDiskInGb'"),
        ({"ports": 80}, "ports 80"),
        ({"advancedStart": 1}, "advancedStart 1"),
        ({"config": []}, "config []"),
        ({"env": {"A": "1"}}, "env is a dict"),
        ({"env": [{"name": "A", "value": "1"}]}, "env[0] is no variable"),
        ({"env": [{"key": "A", "value": 1}]}, "env[0]: key and value are strings"),
    ],
)
def test_a_wrong_template_is_refused(arguments: dict[str, object], expected: str) -> None:
    """Each field has its type."""
    with pytest.raises(DeclarationError) as caught:
        PodTemplate(**arguments)  # type: ignore[arg-type]
    assert expected in str(caught.value)
