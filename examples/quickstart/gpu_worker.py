"""A queue endpoint on GPUs."""

from typing import TypedDict

from runpod_flash import Endpoint, GpuGroup


class GpuHello(TypedDict):
    message: str
    gpus: int


@Endpoint(name="gpu_worker", gpu=GpuGroup.AMPERE_16, workers=3)
def gpu_hello(name: str = "world") -> GpuHello:
    """Greet *name*, and count the GPUs of the worker: none, where it runs on your machine."""
    from pathlib import Path

    return {"message": f"Hello, {name}!", "gpus": len(list(Path("/dev").glob("nvidia[0-9]*")))}
