"""Endpoints with an id, or an image, called from scripts and tests: through ``flash.cloud``, with the user's key.

Workers have a caller of their own, ``flash.runtime.peers``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash import project as settings
from flash.cloud.address import PlatformAddress
from flash.cloud.calls import RemoteCaller
from flash.cloud.client import PlatformClient
from flash.cloud.jobs import EndpointClient
from flash.errors import CallError

if TYPE_CHECKING:
    import httpx

    from flash.model.dispatch import Caller
    from flash.model.request import ClientRequest
    from flash.project import Project

__all__ = ["Clients", "script_caller", "script_clients"]


class Clients:
    """Clients of endpoints, by id; made when they are first needed, and kept.

    Args:
        start: A folder of the project, whose settings say where the key is and what the app is called.
        transport: Answers instead of the network.
    """

    def __init__(self, start: Path, *, transport: httpx.BaseTransport | None = None) -> None:
        self._start = start
        self._transport = transport
        self._made: dict[tuple[PlatformAddress, str, bool], EndpointClient] = {}
        self._ids: dict[tuple[PlatformAddress, str], str] = {}
        self._lock = threading.Lock()

    def __call__(self, request: ClientRequest) -> EndpointClient:
        """The client that takes *request*.

        Raises:
            CallError: There is no key, or no such endpoint.
            SettingsError: The settings cannot be read.
            PlatformError: The platform cannot be asked where the endpoint is.
        """
        project = settings.load_project(settings.find_root(self._start))
        address = _address(project, request)
        with self._lock:
            endpoint_id = request.id or self._id_of(request.endpoint, project, address)
            key = address, endpoint_id, request.is_route
            if key not in self._made:
                self._made[key] = EndpointClient(
                    request.endpoint or endpoint_id,
                    kind="load-balanced" if request.is_route else "queue",
                    url=address.endpoint_url(endpoint_id, is_load_balanced=request.is_route),
                    api_key=address.api_key,
                    marks_empty=True,
                    transport=self._transport,
                )
            return self._made[key]

    def close(self) -> None:
        """Close their connections."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _id_of(self, name: str, project: Project, address: PlatformAddress) -> str:
        if (address, name) not in self._ids:
            self._ids[address, name] = self._find(name, project, address)
        return self._ids[address, name]

    def _find(self, name: str, project: Project, address: PlatformAddress) -> str:
        app, environment = settings.called_environment(project)
        with PlatformClient(address, transport=self._transport) as platform:
            live = platform.environment(app, environment)
        found = None if live is None else live.endpoints.get(name)
        if found is None:
            there = "which is not there" if live is None else f"which has {', '.join(sorted(live.endpoints)) or 'none'}"
            raise CallError(
                f"endpoint {name!r} is not deployed in environment {environment!r} of app {app!r}, {there}",
                hint="deploy it first: flash deploy; FLASH_APP and FLASH_ENV say which app and environment are meant",
            )
        return found


def script_caller() -> Caller:
    """Who sends what a script asks of endpoints."""
    return _CALLER


def script_clients() -> Clients:
    """The clients that it asks through, of the project that the current folder is in."""
    return _CLIENTS


def _address(project: Project, request: ClientRequest) -> PlatformAddress:
    key = settings.api_key(project)
    if key is None:
        raise CallError(
            f"{request.shown} cannot be called: there is no API key",
            hint='set RUNPOD_API_KEY, or run flash login; for the local platform: eval "$(flash platform env)"; '
            "in a unit test, let flash_mock answer",
        )
    api_url, data_url, lb_base_url = settings.runpod_urls()
    return PlatformAddress(api_url, data_url, lb_base_url, key)


_CLIENTS: Final = Clients(Path())
_CALLER: Final = RemoteCaller({}, client_for=_CLIENTS)
