"""Whether containers can run here: a short look at the Docker engine, with the standard library alone.

The plugin looks at every start, and importing the Docker SDK takes longer than the rest of its start. Only engines
whose networks are this machine's own will do, because workers reach the platform through their network's gateway
address: not remote ones, not those in a virtual machine, not rootless ones.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import quote

__all__ = ["DEFAULT_HOST", "EXTRA_HINT", "Ask", "Engine", "base_image", "docker_host", "has_extra", "look"]

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
EXTRA_HINT: Final = "pip install 'pytest-flash[docker]'"
_UNIX: Final = "unix://"
_ANSWER_S: Final = 5.0

Ask = Callable[[str], tuple[int, Any]]
"""GET a path of the engine's API: status and decoded body. Raises OSError where nobody answers."""


def base_image(python_version: str) -> str:
    """The image that workers of a Python version are built from."""
    return f"python:{python_version}-slim"


def docker_host(environment: Mapping[str, str]) -> str:
    """The engine's address, as ``DOCKER_HOST`` has it; contexts of the Docker command line are not read."""
    return environment.get("DOCKER_HOST", "").strip() or DEFAULT_HOST


def has_extra() -> bool:
    """Whether the packages of the extra ``docker`` are installed."""
    return find_spec("testcontainers") is not None


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        refusal: Why it will not do, or the empty string.
    """

    host: str
    version: str
    refusal: str
    ask: Ask

    def has_image(self, name: str) -> bool:
        """Whether an image is there."""
        return self._status(f"/images/{quote(name, safe='')}/json") == 200

    def can_pull(self, name: str) -> bool:
        """Whether the image's registry knows it, as far as the engine can see."""
        return self._status(f"/distribution/{quote(name, safe='')}/json") == 200

    def _status(self, path: str) -> int:
        try:
            return self.ask(path)[0]
        except OSError:
            return 0


def look(host: str, ask: Ask | None = None) -> Engine | str:
    """The engine at *host*, or in a few words why there is none.

    Args:
        host: As ``DOCKER_HOST`` has it.
        ask: Asks it; by default over its Unix socket.
    """
    if not host.startswith(_UNIX):
        return f"the Docker engine at {host} is remote, which is not supported"
    ask = ask or _asks(host.removeprefix(_UNIX))
    try:
        status, facts = ask("/info")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"no Docker engine answers at {host}: {reason}"
    if status != 200 or not isinstance(facts, dict):
        return f"the Docker engine at {host} answers {status}"
    return Engine(host, str(facts.get("ServerVersion", "")), _refusal(facts), ask)


def _refusal(facts: Mapping[str, Any]) -> str:
    if facts.get("OSType") != "linux":
        return "the Docker engine runs no Linux containers"
    if "Docker Desktop" in str(facts.get("OperatingSystem", "")):
        return "Docker Desktop runs containers in a virtual machine, which cannot reach the platform"
    if any("rootless" in str(option) for option in facts.get("SecurityOptions") or ()):
        return "a rootless Docker engine's containers cannot reach the platform"
    return ""


def _asks(path: str) -> Ask:
    def ask(url: str) -> tuple[int, Any]:
        connection = _UnixConnection(path)
        try:
            connection.request("GET", url)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None
        finally:
            connection.close()

    return ask


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
