"""A Docker engine, as far as workers need one: a protocol, so that launching can be tested without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal, Protocol

__all__ = ["ContainerRequest", "Containers", "Ended", "Event", "Kind", "Network", "Thing"]

Kind = Literal["container", "network", "image"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network of ours.

    Attributes:
        gateway: This machine's address on it.
        subnet: ``172.18.0.0/16``.
    """

    name: str
    gateway: str
    subnet: str


@dataclass(frozen=True, kw_only=True)
class ContainerRequest:
    """A container that is to run.

    Attributes:
        name: Empty for one that the engine chooses.
        command: None for the image's own.
        alias: Its name for the other containers of the network.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    alias: str
    hostname: str
    working_dir: str | None = None


@dataclass(frozen=True)
class Thing:
    """A container, network or image with labels; an image's name is its tag."""

    kind: Kind
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """What happened to a container: it ended (``die``), or is gone (``destroy``)."""

    container_id: str
    action: str
    exit_code: int = 0


@dataclass(frozen=True)
class Ended:
    """A container that ran to its end.

    Attributes:
        output: What it wrote to standard output.
        said: What it wrote to standard error.
    """

    status: int
    output: bytes
    said: bytes


class Containers(Protocol):
    """A Docker engine, as far as workers need one. Every method blocks, and is safe in threads.

    Every method raises PreviewError where the engine does not answer or says no.
    """

    def create_network(self, name: str, labels: Mapping[str, str]) -> Network:
        """Make a network."""
        ...

    def image_id(self, name: str) -> str | None:
        """The id of an image that is there."""
        ...

    def pull(self, name: str) -> None:
        """Fetch an image."""
        ...

    def build(self, tag: str, context: IO[bytes], labels: Mapping[str, str]) -> None:
        """Build an image."""
        ...

    def tag(self, image: str, tag: str) -> None:
        """Give an image one more tag."""
        ...

    def start(
        self,
        request: ContainerRequest,
        network: Network,
        *,
        on_created: Callable[[str], None],
        on_output: Callable[[bytes | None], None],
    ) -> str:
        """Start a container that goes when it ends; returns its address on the network.

        Args:
            request: What to start.
            network: Of ours.
            on_created: Told its id before it starts.
            on_output: Given what it writes, from another thread; None at the end.
        """
        ...

    def run(self, request: ContainerRequest, archive: IO[bytes], *, timeout_s: float) -> Ended | None:
        """Run a container to its end, on no network of ours, after unpacking a tar archive at its ``/``.

        It is removed in any case; None where it took longer than *timeout_s*.
        """
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...

    def send_signal(self, container_id: str, name: str) -> None:
        """Send a signal to a container; none where it has ended."""
        ...

    def things(self, kind: Kind, labels: Mapping[str, str]) -> list[Thing]:
        """What there is with those labels."""
        ...

    def remove(self, thing: Thing) -> None:
        """Remove it, by force; nothing where it is gone."""
        ...

    def watch(
        self, labels: Mapping[str, str], *, on_event: Callable[[Event], None], on_lost: Callable[[str], None]
    ) -> None:
        """Tell, from another thread, what happens to containers with those labels; and once, if that ends, why."""
        ...
