"""Deploy Python functions as the last stage of a test run.

    from flash import Endpoint, GpuGroup

    @Endpoint(name="gpu_worker", gpu=GpuGroup.AMPERE_16)
    def gpu_hello(name: str) -> str: ...

Names are loaded on first use, so that ``import flash`` costs next to nothing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # type checkers take it as true; importing it would cost more than all the rest here

__version__ = "0.1.0"

_HOME_OF = {
    "CpuInstanceType": "flash.model.hardware",
    "CudaVersion": "flash.model.hardware",
    "DataCenter": "flash.model.hardware",
    "Endpoint": "flash.model.endpoint",
    "EndpointJob": "flash.model.client",
    "FlashError": "flash.errors",
    "GpuGroup": "flash.model.hardware",
    "GpuType": "flash.model.hardware",
    "NetworkVolume": "flash.model.hardware",
    "PodTemplate": "flash.model.hardware",
    "Secret": "flash.model.secret",
    "ServerlessScalerType": "flash.model.hardware",
}

__all__ = [  # noqa: PLE0604  the table is the list
    *sorted(_HOME_OF),
]

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from flash.errors import FlashError as FlashError
    from flash.model.client import EndpointJob as EndpointJob
    from flash.model.dispatch import Caller
    from flash.model.endpoint import Endpoint as Endpoint
    from flash.model.hardware import CpuInstanceType as CpuInstanceType
    from flash.model.hardware import CudaVersion as CudaVersion
    from flash.model.hardware import DataCenter as DataCenter
    from flash.model.hardware import GpuGroup as GpuGroup
    from flash.model.hardware import GpuType as GpuType
    from flash.model.hardware import NetworkVolume as NetworkVolume
    from flash.model.hardware import PodTemplate as PodTemplate
    from flash.model.hardware import ServerlessScalerType as ServerlessScalerType
    from flash.model.secret import Secret as Secret


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'flash' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return [*sorted(_HOME_OF), "__version__"]


def caller_of_scripts() -> Caller:
    """Who sends what a script asks of endpoints; artifacts, whose workers have callers of their own, have none."""
    from flash.clients import script_caller

    return script_caller()


class _RunpodFlash:
    """Finds the module ``runpod_flash``, of which :mod:`flash.alias` has one, where nobody else has."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name != "runpod_flash":
            return None
        from flash.alias import find_spec

        return find_spec()


sys.meta_path.append(_RunpodFlash)
