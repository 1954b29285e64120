"""The boundary to the Docker SDK, through testcontainers: networks, images, containers, and what becomes of them.

The only module that imports either. Their exceptions end here. Ryuk, testcontainers' reaper, is off: it would also take
containers that must outlive this process.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final

from flash.emulator.launchers.containers import Ended, Event, Network, Thing
from flash.emulator.launchers.engine import EXTRA_HINT, has_extra
from flash.errors import PreviewError

if TYPE_CHECKING:
    from flash.emulator.launchers.containers import ContainerRequest, Kind

__all__ = ["DockerContainers"]

_REQUEST_S: Final = 60
_BUILD_S: Final = 1800
_CONNECTIONS: Final = 128
_LOG_SIZE: Final = {"max-size": "10m", "max-file": "1"}


class DockerContainers:
    """The Docker engine at *host*.

    Raises:
        PreviewError: The extra is missing, or nobody answers.
    """

    def __init__(self, host: str) -> None:
        if not has_extra():
            raise PreviewError("workers in containers need the extra 'docker', which is not installed", hint=EXTRA_HINT)
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.docker_client import DockerClient

        testcontainers_config.ryuk_disabled = True
        self._host = host
        # said outright: contexts and property files may name another engine than the one that was looked at
        self._settings: dict[str, Any] = {
            "environment": {"DOCKER_HOST": host},
            "timeout": _REQUEST_S,
            "max_pool_size": _CONNECTIONS,
        }
        with self._told("connect"):
            _knock(host)
            self._docker = DockerClient(**self._settings)
            # so that the clients of single containers need not ask
            self._settings["version"] = self._docker.client.api.api_version
        self._networks: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._docker.client.close()

    def create_network(self, name: str, labels: Mapping[str, str]) -> Network:
        """Make a bridge network."""
        from testcontainers.core.network import Network as DockerNetwork

        with self._told(f"create network {name}"):
            made = DockerNetwork(self._settings, {"driver": "bridge", "labels": dict(labels)})
            made.name = name
            made.create()
            facts = self._docker.client.networks.get(name).attrs["IPAM"]["Config"]
        self._networks[name] = made
        for config in facts:
            if config.get("Gateway") and ":" not in config["Gateway"]:
                return Network(name=name, gateway=config["Gateway"], subnet=config["Subnet"])
        raise PreviewError(f"network {name} has no IPv4 gateway", hint="look at the engine's default address pools")

    def image_id(self, name: str) -> str | None:
        """The id of an image that is there."""
        from docker.errors import ImageNotFound

        with self._told(f"inspect image {name}"):
            try:
                return str(self._docker.client.images.get(name).id)
            except ImageNotFound:
                return None

    def pull(self, name: str) -> None:
        """Fetch an image from its registry."""
        with self._told(f"pull image {name}"):
            self._docker.client.images.pull(name)

    def build(self, tag: str, context: IO[bytes], labels: Mapping[str, str]) -> None:
        """Build an image from a context; nothing is pulled."""
        with self._told(f"build image {tag}"):
            self._docker.client.images.build(
                fileobj=context, custom_context=True, tag=tag, labels=dict(labels), rm=True, timeout=_BUILD_S
            )

    def tag(self, image: str, tag: str) -> None:
        """Give an image one more tag."""
        repository, _, version = tag.rpartition(":")
        with self._told(f"tag image {image}"):
            self._docker.client.api.tag(image, repository, version)

    def start(
        self,
        request: ContainerRequest,
        network: Network,
        *,
        on_created: Callable[[str], None],
        on_output: Callable[[bytes | None], None],
    ) -> str:
        """Start a container; what it writes is listened to before it starts."""
        started: list[Any] = []

        def before_start(container: Any) -> None:
            started.append(container)
            on_created(container.id)
            stream = container.attach(stdout=True, stderr=True, stream=True, logs=False)
            threading.Thread(
                target=_pump, args=(stream, on_output), name=f"flash-log-{request.alias}", daemon=True
            ).start()

        try:
            with self._told(f"start a container of image {request.image}"):
                _worker_container(request, self._settings, self._networks[network.name], before_start).start()
                return str(
                    self._docker.client.api.inspect_container(started[0].id)["NetworkSettings"]["Networks"][
                        network.name
                    ]["IPAddress"]
                )
        except PreviewError:
            for container in started:
                self.remove(Thing("container", container.id))
            raise

    def run(self, request: ContainerRequest, archive: IO[bytes], *, timeout_s: float) -> Ended | None:
        """Run a container to its end, after unpacking an archive in it."""
        import requests

        made = _worker_container(
            request, self._settings, None, lambda container: container.put_archive("/", archive), auto_remove=False
        )
        with self._told(f"run a container of image {request.image}"):
            try:
                made.start()
                container = made.get_wrapped_container()
                try:
                    status = container.wait(timeout=timeout_s)["StatusCode"]
                except (requests.ConnectionError, requests.Timeout):
                    # asked again, an engine that is gone says so
                    container.reload()
                    return None
                output = container.logs(stdout=True, stderr=False)
                return Ended(status, output, container.logs(stdout=False, stderr=True))
            finally:
                made.stop()

    def send_signal(self, container_id: str, name: str) -> None:
        """Send a signal to a container."""
        from docker.errors import APIError

        with self._told(f"signal container {container_id[:12]}"):
            try:
                self._docker.client.api.kill(container_id, name)
            except APIError as error:
                # it is gone, or has ended and is going
                if error.status_code not in (404, 409):
                    raise

    def things(self, kind: Kind, labels: Mapping[str, str]) -> list[Thing]:
        """What there is with those labels."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        api = self._docker.client.api
        with self._told(f"list {kind}s"):
            if kind == "container":
                rows = [(row["Id"], row["Labels"]) for row in api.containers(all=True, filters=filters)]
            elif kind == "network":
                rows = [(row["Name"], row["Labels"]) for row in api.networks(filters=filters)]
            else:
                images = api.images(filters=filters)
                rows = [(tag, row["Labels"]) for row in images for tag in row["RepoTags"] or ()]
        return [Thing(kind, name, found or {}) for name, found in rows]

    def remove(self, thing: Thing) -> None:
        """Remove it, by force."""
        from docker.errors import APIError

        api = self._docker.client.api
        with self._told(f"remove {thing.kind} {thing.name[:40]}"):
            try:
                if thing.kind == "container":
                    api.remove_container(thing.name, v=True, force=True)
                elif thing.kind == "network":
                    api.remove_network(thing.name)
                else:
                    api.remove_image(thing.name)
            except APIError as error:
                is_going = error.status_code == 409 and "already in progress" in str(error.explanation)
                if error.status_code != 404 and not is_going:
                    raise

    def watch(
        self, labels: Mapping[str, str], *, on_event: Callable[[Event], None], on_lost: Callable[[str], None]
    ) -> None:
        """Tell what happens to containers with those labels."""
        filters = {
            "type": ["container"],
            "event": ["die", "destroy"],
            "label": [f"{key}={value}" for key, value in labels.items()],
        }
        with self._told("listen to"):
            stream = self._docker.client.api.events(filters=filters, decode=True)

        def follow() -> None:
            try:
                with self._told("listen to"):
                    for event in stream:
                        actor = event.get("Actor", {})
                        code = actor.get("Attributes", {}).get("exitCode") or 0
                        on_event(Event(actor.get("ID", ""), event.get("Action", ""), int(code)))
                on_lost(f"the Docker engine at {self._host} stopped")
            except PreviewError as error:
                on_lost(error.message)

        threading.Thread(target=follow, name="flash-docker-events", daemon=True).start()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        import docker.errors
        import requests
        import urllib3

        try:
            yield
        except docker.errors.BuildError as error:
            lines = [str(line.get("stream") or line.get("error") or "").rstrip() for line in error.build_log]
            raise PreviewError(
                f"Docker could not {what}: {error.msg}", detail="\n".join(filter(None, lines))
            ) from error
        except docker.errors.APIError as error:
            raise PreviewError(f"Docker could not {what}: {error.explanation or error}") from error
        except (
            docker.errors.DockerException,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise PreviewError(
                f"the Docker engine at {self._host} does not answer (to {what}): {_innermost(error)}",
                hint="is it running? `docker info` tells",
            ) from error


def _knock(host: str) -> None:
    """Raise where nobody listens on a socket of this machine: the SDK would leave one of its own open then."""
    path = host.removeprefix("unix://")
    if path != host:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as attempt:
            attempt.settimeout(_REQUEST_S)
            attempt.connect(path)


def _worker_container(
    request: ContainerRequest,
    settings: Mapping[str, Any],
    network: Any,
    before_start: Callable[[Any], None],
    *,
    auto_remove: bool = True,
) -> Any:
    from docker.types import LogConfig
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    class Client(DockerClient):
        """Looks at a container between its creation and its start: nothing that it does then is missed."""

        def start(self, container: Any) -> None:
            before_start(container)
            super().start(container)

    class WorkerContainer(DockerContainer):
        def get_docker_client(self) -> DockerClient:
            return client

    client = Client(**settings)
    options: dict[str, Any] = {
        "labels": dict(request.labels),
        "hostname": request.hostname,
        "auto_remove": auto_remove,
        # as process 1 a worker could not be stopped before it has its handlers, and would have to bury orphans
        "init": True,
        "log_config": LogConfig(type=LogConfig.types.JSON, config=_LOG_SIZE),
    }
    if request.working_dir is not None:
        options["working_dir"] = request.working_dir
    container = WorkerContainer(
        request.image,
        docker_client_kw=dict(settings),
        env=dict(request.environment),
        name=request.name or None,
        network=network,
        network_aliases=[request.alias],
        **options,
    )
    # ours is local, whatever prefix is configured for testcontainers' own
    container.image = request.image
    if request.command is not None:
        container.with_command(list(request.command))
    return container


def _pump(stream: Any, on_output: Callable[[bytes | None], None]) -> None:
    # the stream breaks with the engine, and where the container ends before it was opened
    with suppress(OSError, ValueError):
        for chunk in stream:
            on_output(chunk)
    on_output(None)


def _innermost(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
