"""How the local platform starts a worker: one protocol, with processes or containers behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["Code", "Launcher", "RunningWorker", "WorkerNetwork", "WorkerSpec"]


class Code(str, Enum):
    """What an endpoint's code is: it decides what is started."""

    FLASH = "flash"
    """An artifact that Flash built: it brings its own worker."""
    HANDLER = "handler"
    """An artifact of ``runpod-flash``: a handler file, which the worker image's own program loads."""
    PROGRAM = "program"
    """A program that starts Runpod's worker itself, as the command of somebody's own image does."""


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """What a worker is.

    Attributes:
        python_version: ``"3.11"``.
        provided: Distributions of its image that the endpoint declares or imports.
        image: The image that it would run in on Runpod.
        artifact_dir: The unpacked artifact, shared: its working directory.
        environment: All that the platform and the user tell it.
        log_path: Where its output goes.
        max_concurrency: Jobs at a time.
        code: What is started.
    """

    worker_id: str
    endpoint_id: str
    endpoint_name: str
    is_load_balanced: bool
    python_version: str
    provided: tuple[str, ...]
    image: str
    artifact_dir: Path
    environment: Mapping[str, str] = field(repr=False)
    log_path: Path
    max_concurrency: int = 1
    code: Code = Code.FLASH


@dataclass(frozen=True, kw_only=True)
class WorkerNetwork:
    """Where workers are, if not on this machine's loopback.

    Attributes:
        gateway: This machine's address there, at which they reach the platform.
        subnet: Where their requests come from: ``172.18.0.0/16``.
    """

    gateway: str
    subnet: str


class RunningWorker(Protocol):
    """A worker that has been started.

    Attributes:
        url: Where a load-balanced worker listens; None for a queue worker.
    """

    url: str | None

    def exit_code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Ask it to end; after *grace_s* end it. Returns when it is gone, with everything it started."""
        ...


class Launcher(Protocol):
    """Starts workers.

    Attributes:
        name: ``"process"`` or ``"docker"``, as people choose it.
    """

    name: str

    async def open(self) -> WorkerNetwork | None:
        """Make ready; None where workers reach the platform where everybody does.

        Raises:
            FlashError: No worker can be started.
        """
        ...

    async def launch(self, spec: WorkerSpec) -> RunningWorker:
        """Start a worker; it is not ready yet.

        Raises:
            FlashError: It cannot be started.
        """
        ...

    async def keep(self, digests: Collection[str]) -> bool:
        """Forget what was made for all other artifacts; False where that must be tried again."""
        ...

    async def lost(self) -> str:
        """Until no worker can run any more; says why."""
        ...

    async def aclose(self) -> None:
        """Remove what was made; no worker runs any more."""
        ...
