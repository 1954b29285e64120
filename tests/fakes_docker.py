"""A Docker engine in memory: images, networks and containers that do what a test tells them to."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from flash.emulator.launchers.containers import ContainerRequest, Ended, Event, Kind, Network, Thing
from flash.errors import PreviewError


@dataclass(eq=False)
class FakeContainer:
    """A container that runs until it is told not to."""

    id: str
    request: ContainerRequest
    network: Network
    on_output: Callable[[bytes | None], None]
    signals: list[str] = field(default_factory=list)


class FakeContainers:
    """The engine.

    Attributes:
        images: Ids by tag. ``labels`` has those of all things, by name.
        in_registry: What can be pulled.
        built: Tag, Dockerfile and member names of each build, in order.
        ran: Requests of ``run``, with the names of what was unpacked; ``answer`` is what becomes of them.
        obeys: The signals that end a container.
        says_no: Messages by method: what is refused.
    """

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.networks: dict[str, Network] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.in_registry: set[str] = set()
        self.built: list[tuple[str, str, list[str]]] = []
        self.pulled: list[str] = []
        self.ran: list[tuple[ContainerRequest, list[str]]] = []
        self.answer: Ended | None = None
        self.closed = 0
        self.obeys = {"SIGTERM", "SIGKILL"}
        self.says_no: dict[str, str] = {}
        self.on_event: Callable[[Event], None] = lambda event: None
        self.on_lost: Callable[[str], None] = lambda reason: None
        self._lock = threading.Lock()
        self._count = 0

    def _ask(self, method: str) -> None:
        if method in self.says_no:
            raise PreviewError(self.says_no[method])

    def create_network(self, name: str, labels: Mapping[str, str]) -> Network:
        self._ask("create_network")
        self.networks[name] = Network(name=name, gateway="127.0.0.1", subnet="10.9.0.0/16")
        self.labels[name] = dict(labels)
        return self.networks[name]

    def image_id(self, name: str) -> str | None:
        self._ask("image_id")
        return self.images.get(name)

    def pull(self, name: str) -> None:
        self.pulled.append(name)
        if name not in self.in_registry:
            raise PreviewError(f"Docker could not pull image {name}: no such host")
        self.images[name] = f"sha256:{name}"

    def build(self, tag: str, context: IO[bytes], labels: Mapping[str, str]) -> None:
        self._ask("build")
        with tarfile.open(fileobj=context) as archive:
            dockerfile = archive.extractfile("Dockerfile")
            text = "" if dockerfile is None else dockerfile.read().decode()
            self.built.append((tag, text, [name for name in archive.getnames() if name != "Dockerfile"]))
        self.images[tag] = hashlib.sha256(tag.encode()).hexdigest()
        self.labels[tag] = dict(labels)

    def tag(self, image: str, tag: str) -> None:
        self.images[tag] = self.images[image]
        self.labels[tag] = self.labels[image]

    def start(
        self,
        request: ContainerRequest,
        network: Network,
        *,
        on_created: Callable[[str], None],
        on_output: Callable[[bytes | None], None],
    ) -> str:
        self._ask("start")
        with self._lock:
            self._count += 1
            container = FakeContainer(f"c{self._count}", request, network, on_output)
            self.containers[container.id] = container
            self.labels[container.id] = dict(request.labels)
        on_created(container.id)
        return f"10.9.0.{self._count + 1}"

    def run(self, request: ContainerRequest, archive: IO[bytes], *, timeout_s: float) -> Ended | None:
        self._ask("run")
        with tarfile.open(fileobj=archive) as unpacked:
            self.ran.append((request, unpacked.getnames()))
        return self.answer

    def close(self) -> None:
        self.closed += 1

    def send_signal(self, container_id: str, name: str) -> None:
        self._ask("send_signal")
        container = self.containers.get(container_id)
        if container is not None:
            container.signals.append(name)
            if name in self.obeys:
                self.end(container, 143 if name == "SIGTERM" else 137)

    def things(self, kind: Kind, labels: Mapping[str, str]) -> list[Thing]:
        self._ask("things")
        names = {"container": list(self.containers), "network": list(self.networks), "image": list(self.images)}[kind]
        found = [Thing(kind, name, self.labels.get(name, {})) for name in names]
        return [thing for thing in found if labels.items() <= thing.labels.items()]

    def remove(self, thing: Thing) -> None:
        if thing.kind == "image":
            if any(each.request.image == thing.name for each in self.containers.values()):
                raise PreviewError(f"conflict: a container is using {thing.name}")
            self.images.pop(thing.name, None)
        elif thing.kind == "network":
            self.networks.pop(thing.name, None)
        elif (container := self.containers.get(thing.name)) is not None:
            self.end(container, 137)

    def watch(
        self, labels: Mapping[str, str], *, on_event: Callable[[Event], None], on_lost: Callable[[str], None]
    ) -> None:
        self.on_event, self.on_lost = on_event, on_lost

    def end(self, container: FakeContainer, code: int, last_words: bytes = b"") -> None:
        """A container ends, and is gone."""
        if last_words:
            container.on_output(last_words)
        container.on_output(None)
        self.on_event(Event(container.id, "die", code))
        del self.containers[container.id]
        self.on_event(Event(container.id, "destroy"))

    @property
    def only(self) -> FakeContainer:
        """The one container that there is."""
        (container,) = self.containers.values()
        return container
