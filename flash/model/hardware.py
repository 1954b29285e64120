"""What an endpoint can run on: GPUs, CPUs, data centers, disks, base images and what is baked into them.

Tables of the platform, as its clients spell them; nothing here asks the platform. A value that is not in a table is
refused with the nearest one that is.

Sources, unless a table names another: the public enumerations of ``runpod-flash`` 1.21.0, and Runpod docs, "GPU types"
and "Serverless CPU types", read 2026-08.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from flash.errors import DeclarationError

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "AUTO_EXCLUDED",
    "CPU_DATACENTERS",
    "DEFAULT_PYTHON",
    "GPU_DISK_GB",
    "GPU_MEMORY_GB",
    "GPU_POOLS",
    "IMAGE_DISTRIBUTIONS",
    "OTHER_DATA_CENTERS",
    "PYTHON_VERSIONS",
    "WORKER_STATES",
    "CpuInstanceType",
    "CudaVersion",
    "DataCenter",
    "GpuGroup",
    "GpuType",
    "NetworkVolume",
    "PodTemplate",
    "ServerlessScalerType",
    "ServerlessType",
    "container_disk_gb",
    "cpu_instance",
    "cuda_version",
    "data_center",
    "did_you_mean",
    "gpu_ids",
    "image_name",
    "nearest",
    "provided_by_image",
    "scaler_type",
]

_Member = TypeVar("_Member", bound=Enum)


def nearest(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The one of *choices* that *word* was probably meant to be, or None.

    Case, spaces, hyphens and underscores do not count. With ``cutoff=0`` there is always an answer, unless there are no
    choices.

    Example:
        >>> nearest("dependancies", ["dependencies", "datacenter"])
        'dependencies'
    """
    from difflib import SequenceMatcher

    words = _words(word)
    plain = "".join(words)
    best: tuple[float, str] | None = None
    for choice in choices:
        others = _words(choice)
        other = "".join(others)
        closeness = SequenceMatcher(None, plain, other).ratio()
        # "A100" and "RTX 4090" are parts of long names that resemble others more
        if len(plain) > 2 and (plain in other or set(words) <= set(others)):
            closeness = 0.9 + 0.1 * closeness
        if closeness >= cutoff and (best is None or closeness > best[0]):
            best = (closeness, choice)
    return None if best is None else best[1]


def did_you_mean(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str:
    """A hint: the nearest of *choices*, or all of them where none is near.

    Example:
        >>> did_you_mean("colour", ["color", "size"])
        "did you mean 'color'?"
    """
    known = list(choices)
    close = nearest(word, known, cutoff=cutoff)
    return f"it is one of {', '.join(known)}" if close is None else f"did you mean {close!r}?"


def _words(text: str) -> list[str]:
    return text.casefold().replace("_", " ").replace("-", " ").split()


def _member(kind: type[_Member], given: object, noun: str) -> _Member:
    """The member of *kind* that is *given*, or has it as its value or name."""
    if isinstance(given, kind):
        return given
    if not isinstance(given, str) or isinstance(given, Enum):
        raise DeclarationError(f"{noun} {given!r} is no {kind.__name__}", hint=f"write {kind.__name__}.NAME")
    for member in kind:
        if given in (member.value, member.name):
            return member
    raise DeclarationError(
        f"unknown {noun} {given!r}", hint=did_you_mean(given, (str(member.value) for member in kind), cutoff=0)
    )


# ---------------------------------------------------------------------------------------------------------------- GPUs


class GpuGroup(str, Enum):
    """A pool of GPUs of one generation and memory size. ``ANY`` stands for all of them."""

    ANY = "any"
    ADA_24 = "ADA_24"
    ADA_32_PRO = "ADA_32_PRO"
    ADA_48_PRO = "ADA_48_PRO"
    ADA_80_PRO = "ADA_80_PRO"
    AMPERE_16 = "AMPERE_16"
    AMPERE_24 = "AMPERE_24"
    AMPERE_48 = "AMPERE_48"
    AMPERE_80 = "AMPERE_80"
    HOPPER_141 = "HOPPER_141"
    BLACKWELL_96 = "BLACKWELL_96"
    BLACKWELL_180 = "BLACKWELL_180"


class GpuType(str, Enum):
    """One model of GPU. ``ANY`` stands for all of them."""

    ANY = "any"
    NVIDIA_GEFORCE_RTX_4090 = "NVIDIA GeForce RTX 4090"
    NVIDIA_GEFORCE_RTX_5090 = "NVIDIA GeForce RTX 5090"
    NVIDIA_RTX_6000_ADA_GENERATION = "NVIDIA RTX 6000 Ada Generation"
    NVIDIA_H100_80GB_HBM3 = "NVIDIA H100 80GB HBM3"
    NVIDIA_RTX_A4000 = "NVIDIA RTX A4000"
    NVIDIA_RTX_A4500 = "NVIDIA RTX A4500"
    NVIDIA_RTX_4000_ADA_GENERATION = "NVIDIA RTX 4000 Ada Generation"
    NVIDIA_RTX_2000_ADA_GENERATION = "NVIDIA RTX 2000 Ada Generation"
    NVIDIA_RTX_A5000 = "NVIDIA RTX A5000"
    NVIDIA_L4 = "NVIDIA L4"
    NVIDIA_GEFORCE_RTX_3090 = "NVIDIA GeForce RTX 3090"
    NVIDIA_A40 = "NVIDIA A40"
    NVIDIA_RTX_A6000 = "NVIDIA RTX A6000"
    NVIDIA_A100_80GB_PCIe = "NVIDIA A100 80GB PCIe"
    NVIDIA_A100_SXM4_80GB = "NVIDIA A100-SXM4-80GB"
    NVIDIA_H200 = "NVIDIA H200"
    NVIDIA_RTX_PRO_6000_BLACKWELL_SERVER_EDITION = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
    NVIDIA_RTX_PRO_6000_BLACKWELL_WORKSTATION_EDITION = "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"
    NVIDIA_RTX_PRO_6000_BLACKWELL_MAX_Q_WORKSTATION_EDITION = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
    NVIDIA_B200 = "NVIDIA B200"


GPU_POOLS: Final[Mapping[GpuGroup, tuple[GpuType, ...]]] = {
    GpuGroup.ADA_24: (GpuType.NVIDIA_GEFORCE_RTX_4090,),
    GpuGroup.ADA_32_PRO: (GpuType.NVIDIA_GEFORCE_RTX_5090,),
    GpuGroup.ADA_48_PRO: (GpuType.NVIDIA_RTX_6000_ADA_GENERATION,),
    GpuGroup.ADA_80_PRO: (GpuType.NVIDIA_H100_80GB_HBM3,),
    GpuGroup.AMPERE_16: (
        GpuType.NVIDIA_RTX_A4000,
        GpuType.NVIDIA_RTX_A4500,
        GpuType.NVIDIA_RTX_4000_ADA_GENERATION,
        GpuType.NVIDIA_RTX_2000_ADA_GENERATION,
    ),
    GpuGroup.AMPERE_24: (GpuType.NVIDIA_RTX_A5000, GpuType.NVIDIA_L4, GpuType.NVIDIA_GEFORCE_RTX_3090),
    GpuGroup.AMPERE_48: (GpuType.NVIDIA_A40, GpuType.NVIDIA_RTX_A6000),
    GpuGroup.AMPERE_80: (GpuType.NVIDIA_A100_80GB_PCIe, GpuType.NVIDIA_A100_SXM4_80GB),
    GpuGroup.HOPPER_141: (GpuType.NVIDIA_H200,),
    GpuGroup.BLACKWELL_96: (
        GpuType.NVIDIA_RTX_PRO_6000_BLACKWELL_SERVER_EDITION,
        GpuType.NVIDIA_RTX_PRO_6000_BLACKWELL_WORKSTATION_EDITION,
        GpuType.NVIDIA_RTX_PRO_6000_BLACKWELL_MAX_Q_WORKSTATION_EDITION,
    ),
    GpuGroup.BLACKWELL_180: (GpuType.NVIDIA_B200,),
}
"""The types that a client can name, by pool. Source: the client table of ``runpod-flash`` 1.21.0, read 2026-08."""

_ONLY_BY_POOL: Final[Mapping[str, GpuGroup]] = {
    "NVIDIA L40": GpuGroup.ADA_48_PRO,
    "NVIDIA L40S": GpuGroup.ADA_48_PRO,
    "NVIDIA H100 PCIe": GpuGroup.ADA_80_PRO,
    "NVIDIA H100 NVL": GpuGroup.ADA_80_PRO,
}
"""Models in a pool that clients have no type for, so that they cannot be excluded either. Same source."""

GPU_MEMORY_GB: Final[Mapping[str, int]] = {
    "AMD Instinct MI300X OAM": 192,
    "NVIDIA A100 80GB PCIe": 80,
    "NVIDIA A100-SXM4-40GB": 40,
    "NVIDIA A100-SXM4-80GB": 80,
    "NVIDIA A30": 24,
    "NVIDIA A40": 48,
    "NVIDIA B200": 180,
    "NVIDIA B300 SXM6 AC": 288,
    "NVIDIA GeForce RTX 3070": 8,
    "NVIDIA GeForce RTX 3080": 10,
    "NVIDIA GeForce RTX 3080 Ti": 12,
    "NVIDIA GeForce RTX 3090": 24,
    "NVIDIA GeForce RTX 3090 Ti": 24,
    "NVIDIA GeForce RTX 4070 Ti": 12,
    "NVIDIA GeForce RTX 4080": 16,
    "NVIDIA GeForce RTX 4080 SUPER": 16,
    "NVIDIA GeForce RTX 4090": 24,
    "NVIDIA GeForce RTX 5080": 16,
    "NVIDIA GeForce RTX 5090": 32,
    "NVIDIA H100 80GB HBM3": 80,
    "NVIDIA H100 NVL": 94,
    "NVIDIA H100 PCIe": 80,
    "NVIDIA H200": 141,
    "NVIDIA H200 NVL": 143,
    "NVIDIA L4": 24,
    "NVIDIA L40": 48,
    "NVIDIA L40S": 48,
    "NVIDIA RTX 2000 Ada Generation": 16,
    "NVIDIA RTX 4000 Ada Generation": 20,
    "NVIDIA RTX 4000 SFF Ada Generation": 20,
    "NVIDIA RTX 5000 Ada Generation": 32,
    "NVIDIA RTX 6000 Ada Generation": 48,
    "NVIDIA RTX A2000": 6,
    "NVIDIA RTX A4000": 16,
    "NVIDIA RTX A4500": 20,
    "NVIDIA RTX A5000": 24,
    "NVIDIA RTX A6000": 48,
    "NVIDIA RTX PRO 4500 Blackwell": 32,
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": 96,
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": 96,
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb": 24,
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb": 48,
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": 96,
    "Tesla V100-FHHL-16GB": 16,
    "Tesla V100-PCIE-16GB": 16,
    "Tesla V100-SXM2-16GB": 16,
    "Tesla V100-SXM2-32GB": 32,
}
"""Every GPU id of the platform, with its memory. Source: Runpod docs, "GPU types", 2026-02, and the REST API's schema
for the V100-FHHL and the 40 GB A100. Endpoints can name only those in :data:`GPU_POOLS`."""

GPU_DISK_GB: Final = 64
"""Container disk of a GPU worker, unless its template says otherwise. Source: ``runpod-flash`` 1.21.0."""


def gpu_ids(choice: GpuGroup | GpuType | str | Sequence[GpuGroup | GpuType | str]) -> str:
    """The platform's ``gpuIds`` for a choice of pools and models.

    Pools come first. Of a pool that was chosen only by some of its models, the others follow, each after a ``-``.
    Models that clients have no type for stay allowed.

    Raises:
        DeclarationError: The choice is empty, or names a GPU that is not known.

    Example:
        >>> gpu_ids([GpuType.NVIDIA_GEFORCE_RTX_4090, GpuType.NVIDIA_RTX_A5000])
        'ADA_24,AMPERE_24,-NVIDIA GeForce RTX 3090,-NVIDIA L4'
    """
    given = choice if isinstance(choice, (list, tuple)) else [choice]
    if not given:
        raise DeclarationError("gpu is an empty list", hint="leave gpu out for any GPU, or name one")
    groups: set[GpuGroup] = set()
    types: set[GpuType] = set()
    for item in map(_gpu, given):
        if item in (GpuGroup.ANY, GpuType.ANY):
            groups.update(GPU_POOLS)
        elif isinstance(item, GpuGroup):
            groups.add(item)
        else:
            types.add(item)
    partial = {group: pool for group, pool in GPU_POOLS.items() if group not in groups and types.intersection(pool)}
    chosen = sorted(group.value for group in {*groups, *partial})
    others = sorted((gpu.value for pool in partial.values() for gpu in pool if gpu not in types), key=str.casefold)
    return ",".join([*chosen, *(f"-{name}" for name in others)])


def _gpu(given: object) -> GpuGroup | GpuType:
    if isinstance(given, (GpuGroup, GpuType)):
        return given
    if not isinstance(given, str) or isinstance(given, Enum):
        raise DeclarationError(f"gpu {given!r} is no GPU", hint="write GpuGroup.NAME or GpuType.NAME")
    members: tuple[GpuGroup | GpuType, ...] = (*GpuGroup, *GpuType)
    for member in members:
        if given in (member.value, member.name):
            return member
    if given in _ONLY_BY_POOL:
        raise DeclarationError(
            f"GPU {given!r} cannot be chosen alone", hint=f"its pool is GpuGroup.{_ONLY_BY_POOL[given].name}"
        )
    known = [member.value for member in members]
    noun = "GPU that endpoints cannot choose:" if given in GPU_MEMORY_GB else "unknown GPU"
    raise DeclarationError(f"{noun} {given!r}", hint=did_you_mean(given, known, cutoff=0))


class CudaVersion(str, Enum):
    """The least CUDA version of a GPU worker's host."""

    V11_8 = "11.8"
    V12_0 = "12.0"
    V12_1 = "12.1"
    V12_2 = "12.2"
    V12_3 = "12.3"
    V12_4 = "12.4"
    V12_5 = "12.5"
    V12_6 = "12.6"
    V12_7 = "12.7"
    V12_8 = "12.8"
    V12_9 = "12.9"
    V13_0 = "13.0"


def cuda_version(given: CudaVersion | str) -> CudaVersion:
    """The CUDA version that a user wrote.

    Raises:
        DeclarationError: It is not known.
    """
    return _member(CudaVersion, given, "CUDA version")


# ---------------------------------------------------------------------------------------------------------------- CPUs


class CpuInstanceType(str, Enum):
    """A CPU instance. Its id is flavor, vCPUs and memory in GB."""

    CPU3G_1_4 = "cpu3g-1-4"
    CPU3G_2_8 = "cpu3g-2-8"
    CPU3G_4_16 = "cpu3g-4-16"
    CPU3G_8_32 = "cpu3g-8-32"
    CPU3C_1_2 = "cpu3c-1-2"
    CPU3C_2_4 = "cpu3c-2-4"
    CPU3C_4_8 = "cpu3c-4-8"
    CPU3C_8_16 = "cpu3c-8-16"
    CPU5C_1_2 = "cpu5c-1-2"
    CPU5C_2_4 = "cpu5c-2-4"
    CPU5C_4_8 = "cpu5c-4-8"
    CPU5C_8_16 = "cpu5c-8-16"

    @property
    def vcpus(self) -> int:
        """How many virtual CPUs it has."""
        return int(self.value.split("-")[1])

    @property
    def memory_gb(self) -> int:
        """How much memory it has."""
        return int(self.value.split("-")[2])

    @property
    def max_disk_gb(self) -> int:
        """How large its container disk may be: 10 GB a vCPU in the third generation, 15 in the fifth."""
        return self.vcpus * (15 if self.value.startswith("cpu5") else 10)


def cpu_instance(given: CpuInstanceType | str) -> CpuInstanceType:
    """The CPU instance that a user wrote.

    Raises:
        DeclarationError: It is not known.
    """
    return _member(CpuInstanceType, given, "CPU")


def container_disk_gb(instance_ids: Sequence[str] | None) -> int:
    """The container disk of a worker without a template: of a GPU worker for None, else what all instances allow."""
    if instance_ids is None:
        return GPU_DISK_GB
    return min(cpu_instance(instance_id).max_disk_gb for instance_id in instance_ids)


# -------------------------------------------------------------------------------------------------------- Data centers


class DataCenter(str, Enum):
    """A data center, in the order in which an endpoint without a choice lists them."""

    US_CA_2 = "US-CA-2"
    US_IL_1 = "US-IL-1"
    US_KS_2 = "US-KS-2"
    US_MO_1 = "US-MO-1"
    US_MO_2 = "US-MO-2"
    US_NC_2 = "US-NC-2"
    US_NE_1 = "US-NE-1"
    US_WA_1 = "US-WA-1"
    EU_CZ_1 = "EU-CZ-1"
    EU_RO_1 = "EU-RO-1"
    EUR_NO_1 = "EUR-NO-1"


CPU_DATACENTERS: Final = frozenset({DataCenter.EU_RO_1})
"""Where CPU endpoints run. Source: ``runpod-flash`` 1.21.0."""

OTHER_DATA_CENTERS: Final = frozenset(
    {
        *("AP-JP-1", "CA-MTL-1", "CA-MTL-2", "CA-MTL-3", "EU-FR-1", "EU-NL-1", "EU-SE-1", "EUR-IS-1", "EUR-IS-2"),
        *("EUR-IS-3", "OC-AU-1", "US-DE-1", "US-GA-1", "US-GA-2", "US-KS-3", "US-MD-1", "US-NC-1", "US-TX-1"),
        *("US-TX-3", "US-TX-4"),
    }
)
"""Data centers of the platform where Flash endpoints do not run. Source: the REST API's enumeration and Runpod docs,
"Flash, data centers", read 2026-08."""


def data_center(given: DataCenter | str) -> DataCenter:
    """The data center that a user wrote; case, blanks around it and ``_`` for ``-`` do not matter.

    Raises:
        DeclarationError: It is not known, or not for Flash endpoints.
    """
    if isinstance(given, DataCenter) or not isinstance(given, str):
        return _member(DataCenter, given, "data center")
    name = given.strip().upper().replace("_", "-")
    if name in OTHER_DATA_CENTERS:
        known = ", ".join(center.value for center in DataCenter)
        raise DeclarationError(f"Flash endpoints do not run in data center {name!r}", hint=f"they run in {known}")
    return _member(DataCenter, name, "data center")


# -------------------------------------------------------------------------------------------------- Endpoints, workers


class ServerlessScalerType(str, Enum):
    """What makes the platform start another worker: the wait in the queue, or the number of requests."""

    QUEUE_DELAY = "QUEUE_DELAY"
    REQUEST_COUNT = "REQUEST_COUNT"


def scaler_type(given: ServerlessScalerType | str) -> ServerlessScalerType:
    """The scaler that a user wrote.

    Raises:
        DeclarationError: It is not known.
    """
    return _member(ServerlessScalerType, given, "scaler type")


class ServerlessType(str, Enum):
    """What an endpoint serves: a queue of jobs, or HTTP routes behind a load balancer."""

    QB = "QB"
    LB = "LB"


WORKER_STATES: Final = ("ready", "idle", "running", "initializing", "throttled", "unhealthy")
"""What ``/health`` counts workers by. Source: Runpod docs, Serverless, "Endpoint operations", read 2026-08."""


def _refuse_unknown(owner: str, unknown: Mapping[str, object], known: Iterable[str]) -> None:
    for keyword in unknown:
        raise DeclarationError(f"{owner} has no parameter {keyword!r}", hint=did_you_mean(keyword, known))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True, init=False)
class NetworkVolume:
    """A network volume that an endpoint's workers mount at ``/runpod-volume``.

    Attributes:
        name: Found by name in its data center, or made there. Either this or ``id`` is needed.
        id: Of a volume that exists.
        size: In GB, 10 to 4096; counts when it is made.
        datacenter: Where it is, and so where the workers run.
    """

    name: str | None
    id: str | None
    size: int
    datacenter: DataCenter

    def __init__(
        self,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  the platform's word
        size: int = 100,
        datacenter: DataCenter | str | None = None,
        *,
        dataCenterId: DataCenter | str | None = None,  # noqa: N803  older apps' spelling
        **unknown: NoReturn,
    ) -> None:
        _refuse_unknown("NetworkVolume", unknown, ("name", "id", "size", "datacenter", "dataCenterId"))
        for label, value in (("name", name), ("id", id)):
            if value is not None and not _is_filled(value):
                raise DeclarationError(f"NetworkVolume {label} {value!r} is no name", hint=f"give a {label}, or none")
        if name is None and id is None:
            raise DeclarationError("NetworkVolume needs a name or an id")
        if not _is_whole(size) or not 10 <= size <= 4096:
            raise DeclarationError(f"NetworkVolume size {size!r} is not a number of GB from 10 to 4096")
        if datacenter is not None and dataCenterId is not None:
            raise DeclarationError("NetworkVolume has both datacenter and dataCenterId", hint="they are one thing")
        where = datacenter if datacenter is not None else dataCenterId
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "datacenter", DataCenter.EU_RO_1 if where is None else data_center(where))


_TEMPLATE_KEYS: Final = (
    *("advancedStart", "config", "containerDiskInGb", "containerRegistryAuthId", "dockerArgs", "env", "imageName"),
    *("name", "ports", "startScript"),
)


@dataclass(frozen=True, init=False)
class PodTemplate:
    """What an endpoint's containers start with, in the platform's own spelling.

    Attributes:
        containerDiskInGb: None: 64 for a GPU endpoint, the largest that all instances allow for a CPU endpoint.
        env: Further environment variables, written as ``[{"key": str, "value": str}]``, kept as pairs.
    """

    advancedStart: bool  # noqa: N815
    config: Mapping[str, object]
    containerDiskInGb: int | None  # noqa: N815
    containerRegistryAuthId: str  # noqa: N815
    dockerArgs: str  # noqa: N815
    env: tuple[tuple[str, str], ...]
    imageName: str  # noqa: N815
    name: str
    ports: str
    startScript: str  # noqa: N815

    def __init__(
        self,
        *,
        advancedStart: bool = False,  # noqa: N803
        config: Mapping[str, object] | None = None,
        containerDiskInGb: int | None = None,  # noqa: N803
        containerRegistryAuthId: str = "",  # noqa: N803
        dockerArgs: str = "",  # noqa: N803
        env: Sequence[Mapping[str, str]] = (),
        imageName: str = "",  # noqa: N803
        name: str = "",
        ports: str = "",
        startScript: str = "",  # noqa: N803
        **unknown: NoReturn,
    ) -> None:
        _refuse_unknown("PodTemplate", unknown, _TEMPLATE_KEYS)
        texts = {
            "containerRegistryAuthId": containerRegistryAuthId,
            "dockerArgs": dockerArgs,
            "imageName": imageName,
            "name": name,
            "ports": ports,
            "startScript": startScript,
        }
        for label, text in texts.items():
            if not isinstance(text, str):
                raise DeclarationError(f"PodTemplate {label} {text!r} is no string")
            object.__setattr__(self, label, text)
        if not isinstance(advancedStart, bool):
            raise DeclarationError(f"PodTemplate advancedStart {advancedStart!r} is not True or False")
        if config is not None and not isinstance(config, Mapping):
            raise DeclarationError(f"PodTemplate config {config!r} is no dict")
        object.__setattr__(self, "advancedStart", advancedStart)
        object.__setattr__(self, "config", dict(config or {}))
        object.__setattr__(self, "containerDiskInGb", _disk_gb(containerDiskInGb))
        object.__setattr__(self, "env", _pairs(env))


def _disk_gb(given: int | None) -> int | None:
    if given is None:
        return None
    if not _is_whole(given) or given < 1:
        raise DeclarationError(f"PodTemplate containerDiskInGb {given!r} is not a number of GB from 1")
    return given


def _pairs(env: object) -> tuple[tuple[str, str], ...]:
    # a value may be a secret: no message shows one
    if not isinstance(env, (list, tuple)):
        raise DeclarationError(f"PodTemplate env is a {type(env).__name__}", hint='write [{"key": …, "value": …}]')
    pairs: list[tuple[str, str]] = []
    for number, item in enumerate(env):
        if not isinstance(item, Mapping) or set(item) != {"key", "value"}:
            raise DeclarationError(f"PodTemplate env[{number}] is no variable", hint='write {"key": …, "value": …}')
        key, value = item["key"], item["value"]
        if not isinstance(key, str) or not key or not isinstance(value, str):
            raise DeclarationError(f"PodTemplate env[{number}]: key and value are strings, and the key is not empty")
        pairs.append((key, value))
    return tuple(pairs)


# ------------------------------------------------------------------------------------------------------------- Images

PYTHON_VERSIONS: Final = ("3.10", "3.11", "3.12", "3.13")
"""The interpreters of the worker images. Source: ``runpod-flash`` 1.21.0."""

DEFAULT_PYTHON: Final = "3.12"
"""The workers' interpreter where a project does not choose. Same source."""

AUTO_EXCLUDED: Final[Mapping[str, str]] = {
    "torch": "the GPU image ships it",
    "torchaudio": "the GPU image ships it",
    "torchvision": "the GPU image ships it",
    "triton": "the GPU image ships it",
}
"""Distributions that are left out of every artifact, with the reason. Source: Runpod docs, Deploy apps, "Managing
deployment size", 2026-08; numpy, which that page lists too, is left out only where the image ships it."""

IMAGE_DISTRIBUTIONS: Final = (
    "aiohttp", "cloudpickle", "hf-transfer", "huggingface-hub", "requests", "runpod", "runpod-flash"
)  # fmt: skip
"""What every worker image ships beside FastAPI, uvicorn and pydantic, and what our own workers do without. Source: the
dependency list of worker image 1.4.2."""


def provided_by_image(is_gpu: bool) -> frozenset[str]:
    """Normalised names of the large distributions that an endpoint's image ships.

    The CPU images are plain Python and have none of them. Source: Runpod docs, Deploy apps, "Base image packages",
    2026-08, and the dependency list of worker image 1.4.2.
    """
    return frozenset({*AUTO_EXCLUDED, "numpy"}) if is_gpu else frozenset()


def image_name(*, is_gpu: bool, is_load_balanced: bool, python_version: str) -> str:
    """The worker image of an endpoint.

    Raises:
        DeclarationError: There is no image with that Python.

    Example:
        >>> image_name(is_gpu=False, is_load_balanced=True, python_version="3.12")
        'runpod/flash-lb-cpu:py3.12-latest'
    """
    if python_version not in PYTHON_VERSIONS:
        raise DeclarationError(
            f"no worker image has Python {python_version!r}", hint=f"they have {', '.join(PYTHON_VERSIONS)}"
        )
    kind = ("-lb" if is_load_balanced else "") + ("" if is_gpu else "-cpu")
    return f"runpod/flash{kind}:py{python_version}-latest"
