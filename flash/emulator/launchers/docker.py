"""Workers in containers, on a network of the platform's own.

One image for each artifact and base, built once; containers only start. They reach the platform at their network's
gateway address, and end with it: each holds a connection to the platform that breaks when the platform does. What a
killed platform leaves is removed by the next one of the same user, by its labels; nothing else is touched.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from filelock import Timeout

from flash.emulator.launchers import Code, WorkerNetwork
from flash.emulator.launchers.base_images import BaseImages
from flash.emulator.launchers.containers import ContainerRequest, Event, Thing
from flash.emulator.launchers.images import APP_FOLDER, LIBRARY_FOLDER, context, worker_version
from flash.emulator.launchers.leftovers import Labels, lock_of, remove, sweep
from flash.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flash.emulator.launchers import WorkerSpec
    from flash.emulator.launchers.containers import Containers, Kind, Network

__all__ = ["DockerLauncher", "DockerWorker"]

_LOG: Final = logging.getLogger(__name__)
_COMMAND: Final = ("python", "-m", "flash.runtime.worker")
_PORT: Final = "80"
_POLL_S: Final = 0.02
_REMOVAL_S: Final = 30.0
_STARTS_AT_ONCE: Final = 32
_REFUSALS: Final = 100
# would change what a worker imports: the image has its own
_NEVER: Final = ("PYTHONSAFEPATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")

_DIGEST: Final = "flash.digest"
_ENDPOINT: Final = "flash.endpoint"

_T = TypeVar("_T")


class DockerWorker:
    """A worker in a container.

    Args:
        log_path: Takes what it writes.
    """

    def __init__(self, containers: Containers, *, log_path: Path) -> None:
        self.url: str | None = None
        self._containers = containers
        self._log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._id = ""
        self._code: int | None = None
        self._is_log_complete = threading.Event()
        self._is_gone = threading.Event()

    def exit_code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs, or its log is not complete."""
        return self._code if self._is_log_complete.is_set() or self._is_gone.is_set() else None

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to the worker, which drains; after *grace_s*, SIGKILL. Returns when the container is gone."""
        if self._is_gone.is_set():
            return
        loop = asyncio.get_running_loop()
        deadline, is_killed = loop.time() + grace_s, False
        await self._signal("SIGTERM")
        while not self._is_gone.is_set():
            if loop.time() >= deadline:
                if is_killed:
                    _LOG.warning("container %s does not go away", self._id[:12])
                    return
                await self._signal("SIGKILL")
                deadline, is_killed = loop.time() + _REMOVAL_S, True
            await asyncio.sleep(_POLL_S)

    async def _signal(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._containers.send_signal, self._id, name)
        except PreviewError as error:
            _LOG.warning("%s", error.message)

    def created(self, container_id: str) -> None:
        """It has a container."""
        self._id = container_id

    def wrote(self, output: bytes | None) -> None:
        """It has written something, or, with None, its last."""
        if output is not None:
            os.write(self._log, output)
        elif not self._is_log_complete.is_set():
            os.close(self._log)
            self._is_log_complete.set()

    def ended(self, code: int) -> None:
        """Its process has ended with that status, which is over 128 for a signal."""
        number = code - 128
        self._code = -number if number in signal.valid_signals() else code

    def gone(self) -> None:
        """Its container is not there any more."""
        if self._code is None:
            self._code = -signal.SIGKILL
        self._is_gone.set()


class DockerLauncher:
    """Starts workers as containers.

    Args:
        labels: Whose they are.
        folder: The platform's.
        library_for: The folder with the distributions that the images ship, for a Python version and what an endpoint
            uses of a GPU image. May take long: it is called in a thread, like the next.
        compile_for: Compiles the modules in a folder for a Python version, where that can be done here.
        is_preview: Images of previews are all previews', and the last one's stay: it may be repeated.
    """

    name = "docker"

    def __init__(
        self,
        containers: Containers,
        *,
        labels: Labels,
        folder: Path,
        library_for: Callable[[str, tuple[str, ...]], Path],
        compile_for: Callable[[str, Path], None],
        is_preview: bool,
    ) -> None:
        self._containers = containers
        self._labels = labels
        self._folder = folder
        self._bases = BaseImages(containers, library_for)
        self._compile_for = compile_for
        self._is_preview = is_preview
        key = f"preview-{labels.home_key}" if is_preview else f"worker-{labels.folder_key}"
        self._repository = f"flash-{key}"
        self._network_name = f"flash-{labels.folder_key}-{labels.platform}"
        self._network: Network | None = None
        self._lock = lock_of(folder)
        self._workers: dict[str, DockerWorker] = {}
        # our tags, with the digests of their artifacts; and how often each could not be removed
        self._images: dict[str, str] = {}
        self._refusals: Counter[str] = Counter()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._loss: asyncio.Future[str] | None = None
        self._is_lost = False
        self._executor = ThreadPoolExecutor(_STARTS_AT_ONCE, thread_name_prefix="flash-docker")

    async def open(self) -> WorkerNetwork:
        """Remove what killed platforms left, and make the network.

        Raises:
            PreviewError: The engine does not answer or says no, or another platform runs in that folder.
        """
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise PreviewError(f"another platform runs in {self._folder}", hint="flash platform status") from error
        loop = asyncio.get_running_loop()
        self._loss = loop.create_future()

        def on_lost(reason: str) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody asks any more
                loop.call_soon_threadsafe(self._lose, reason)

        await self._in_thread(sweep, self._containers, self._labels)
        # from before the first container on: no end of one is missed
        self._containers.watch(self._labels.run, on_event=self._on_event, on_lost=on_lost)
        network = await self._in_thread(self._containers.create_network, self._network_name, self._labels.run)
        self._network = network
        if not self._is_preview:
            self._images = await self._in_thread(self._tags)
        return WorkerNetwork(gateway=network.gateway, subnet=network.subnet)

    async def lost(self) -> str:
        """Until the engine stops; says so."""
        if self._loss is None:
            raise PreviewError("the launcher is not open")
        return await asyncio.shield(self._loss)

    async def launch(self, spec: WorkerSpec) -> DockerWorker:
        """Start a worker's container, after making its image where that is not there.

        Raises:
            PreviewError: The engine does not answer or says no, or the image is not there and cannot be pulled.
        """
        return await self._in_thread(self._launch, spec)

    async def keep(self, digests: Collection[str]) -> bool:
        """Remove the images of all other artifacts; False where a container that is going still has one."""
        if self._is_lost or self._is_preview:
            return True
        unused = [tag for tag, digest in self._images.items() if digest not in digests]
        return all([await self._forget(tag) for tag in unused])

    async def aclose(self) -> None:
        """Remove the network and what is left on it."""
        if self._network is not None and not self._is_lost:
            await self._in_thread(self._remove_all, ("container", "network"), self._labels.run)
            if self._is_preview:
                for tag in (await self._in_thread(self._tags)).keys() - self._images.keys():
                    # one that another preview runs cannot be removed, and should not be
                    await self._forget(tag)
        self._lock.release()
        self._executor.shutdown(wait=False)

    def _tags(self) -> dict[str, str]:
        """Our tags on this engine, with the digests of their artifacts."""
        things = self._containers.things("image", self._labels.shared)
        return {
            thing.name: thing.labels.get(_DIGEST, "")
            for thing in things
            if thing.name.startswith(f"{self._repository}:")
        }

    async def _forget(self, tag: str) -> bool:
        try:
            await self._in_thread(self._containers.remove, Thing("image", tag))
        except PreviewError as error:
            # a container that is going away still has it
            self._refusals[tag] += 1
            if self._refusals[tag] < _REFUSALS:
                return False
            _LOG.warning("%s", error.message)
        self._images.pop(tag, None)
        del self._refusals[tag]
        return True

    def _remove_all(self, kinds: tuple[Kind, ...], labels: Mapping[str, str]) -> None:
        for kind in kinds:
            for thing in self._containers.things(kind, labels):
                remove(self._containers, thing)

    async def _in_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def _lose(self, reason: str) -> None:
        self._is_lost = True
        if self._loss is not None and not self._loss.done():
            self._loss.set_result(reason)
        for worker in self._workers.values():
            worker.gone()

    def _on_event(self, event: Event) -> None:
        worker = self._workers.get(event.container_id)
        if worker is None:
            return
        if event.action == "die":
            worker.ended(event.exit_code)
        elif event.action == "destroy":
            worker.gone()
            del self._workers[event.container_id]

    # -- in threads ---------------------------------------------------------------------------------------------------

    def _launch(self, spec: WorkerSpec) -> DockerWorker:
        network = self._network
        if network is None or self._is_lost:
            raise PreviewError("the Docker engine is gone")
        has_handler = (spec.artifact_dir / f"handler_{spec.endpoint_name}.py").is_file()
        if has_handler:
            image = self._worker_image(spec)
        else:
            image = spec.image
            self._bases.pulled(image)
        worker = DockerWorker(self._containers, log_path=spec.log_path)

        def on_created(container_id: str) -> None:
            worker.created(container_id)
            self._workers[container_id] = worker

        request = ContainerRequest(
            name=f"flash-{spec.endpoint_name}-{spec.worker_id}",
            image=image,
            command=_command(spec) if has_handler else None,
            environment=_environment(spec, is_ours=has_handler),
            labels={**self._labels.run, _ENDPOINT: spec.endpoint_name},
            alias=spec.endpoint_name,
            hostname=spec.worker_id,
            working_dir=APP_FOLDER if has_handler else None,
        )
        address = self._containers.start(request, network, on_created=on_created, on_output=worker.wrote)
        if spec.is_load_balanced:
            worker.url = f"http://{address}:{request.environment['PORT']}"
        return worker

    def _worker_image(self, spec: WorkerSpec) -> str:
        base = self._bases.tag(spec.python_version, spec.provided)
        digest = spec.artifact_dir.name
        version = worker_version(digest, base)
        tag = f"{self._repository}:{version}"
        with self._locks[tag]:
            if self._containers.image_id(tag) is not None:
                self._images[tag] = digest
                return tag
            labels = {**self._labels.shared, _DIGEST: digest}
            twin = next(
                (each for each in self._containers.things("image", labels) if each.name.endswith(f":{version}")), None
            )
            if twin is not None:
                # what a preview has built is promoted as it is
                self._containers.tag(twin.name, tag)
            else:
                self._compile_for(spec.python_version, spec.artifact_dir)
                with context(base, spec.artifact_dir, APP_FOLDER) as archive:
                    self._containers.build(tag, archive, labels)
            self._images[tag] = digest
        return tag


def _command(spec: WorkerSpec) -> tuple[str, ...]:
    if spec.code is Code.FLASH:
        return _COMMAND
    kind = "application" if spec.is_load_balanced else spec.code.value
    program = Path(__file__).with_name("stand_in.py").read_text(encoding="utf-8")
    return ("python", "-c", program, kind, f"{APP_FOLDER}/handler_{spec.endpoint_name}.py", "", f":{_PORT}")


def _environment(spec: WorkerSpec, *, is_ours: bool) -> dict[str, str]:
    environment = {
        "PORT": _PORT,
        "PORT_HEALTH": _PORT,
        **{key: value for key, value in spec.environment.items() if key not in _NEVER or not is_ours},
    }
    if is_ours:
        environment |= {
            "PYTHONPATH": LIBRARY_FOLDER,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "FLASH_OWNER_URL": f"{spec.environment['RUNPOD_API_BASE_URL']}/flash/owner",
        }
    return environment
