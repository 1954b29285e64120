"""A queue endpoint: one function, called as a job. What it needs from PyPI stands in ``dependencies=[...]``."""

from typing import TypedDict

from flash import Endpoint, GpuGroup


class Greeting(TypedDict):
    message: str
    gpus: int


@Endpoint(name="gpu_worker", gpu=GpuGroup.ANY, workers=3)
def greet(name: str = "world") -> Greeting:
    """Greet *name*, and count the GPUs of the worker: none, where it runs on your machine."""
    # Import what only the worker has here, not at the top of the file.
    from pathlib import Path

    return {"message": f"Hello, {name}!", "gpus": len(list(Path("/dev").glob("nvidia[0-9]*")))}
