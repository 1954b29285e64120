"""What a platform tells beside GraphQL: ``/ping``, ``/metrics``, logs of workers, and network volumes.

The shapes of ``/metrics`` and of the logs are those that the platform's own client reads; that Runpod answers so is not
verified. An answer of another shape is an error that says so, never an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.cloud.records import HealthRecord
from flash.cloud.transport import authorization, status_error, translating
from flash.errors import NotFound, PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from flash.cloud.address import PlatformAddress

__all__ = ["VolumeRecord", "WorkerView"]

_PING_TIMEOUT_S: Final = 30.0
"""A gateway holds a request while a worker starts: shorter than it does, so that several endpoints have their turn."""
_HEALTH_TIMEOUT_S: Final = 10.0
_LOGS_TIMEOUT_S: Final = 4.0
"""Source: ``runpod-flash`` 1.21.0, read 2026-08."""


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A network volume.

    Attributes:
        data_center: Where it is.
    """

    id: str
    name: str
    data_center: str


class WorkerView:
    """A platform's data plane, seen from outside.

    Args:
        http: Belongs to the caller, who closes it.
        address: Where it is, and the key.
    """

    def __init__(self, http: httpx.Client, address: PlatformAddress) -> None:
        self._http = http
        self._address = address

    def ping(self, endpoint_id: str) -> int:
        """The status of a load-balanced endpoint's ``/ping``: 200 once a worker is ready.

        Raises:
            PlatformUnreachable: Nobody answers, or not in time.
        """
        url = f"{self._address.endpoint_url(endpoint_id, is_load_balanced=True)}/ping"
        return self._send("GET", url, operation="GET /ping", timeout_s=_PING_TIMEOUT_S).status_code

    def health(self, endpoint_id: str) -> HealthRecord:
        """What a queue endpoint has to do, and who does it.

        Shape: ``{"jobs": {"inQueue": int, "inProgress": int, …}, "workers": {"idle": int, "ready": int, …}}``; a
        number that is missing is none.

        Raises:
            PlatformError: The platform does not say.
        """
        operation = "GET /health"
        url = f"{self._address.endpoint_url(endpoint_id, is_load_balanced=False)}/health"
        data = self._json("GET", url, operation=operation, timeout_s=_HEALTH_TIMEOUT_S)
        jobs, workers = (data.get(key) if isinstance(data, dict) else None for key in ("jobs", "workers"))
        if not isinstance(jobs, dict) or not isinstance(workers, dict):
            raise _unknown_shape(operation, "jobs and workers")
        kinds = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
        return HealthRecord(
            in_queue=_count(jobs, "inQueue"),
            in_progress=_count(jobs, "inProgress"),
            **{kind: _count(workers, kind) for kind in kinds},
        )

    def ready(self, endpoint_id: str) -> tuple[str, ...]:
        """The ids of the workers that are ready.

        Shape: ``{"readyWorkers": [str]}``.

        Raises:
            PlatformError: The platform does not say.
        """
        operation = "GET /metrics"
        url = f"{self._address.endpoint_url(endpoint_id, is_load_balanced=False)}/metrics"
        data = self._json("GET", url, operation=operation)
        found = data.get("readyWorkers") if isinstance(data, dict) else None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise _unknown_shape(operation, "readyWorkers")
        return tuple(found)

    def logs(self, worker_id: str) -> tuple[str, ...]:
        """The last lines that a running worker wrote; none of one that is gone.

        Shape: ``{"container": [str], "system"?: [str]}``.

        Raises:
            PlatformError: The platform does not say.
        """
        operation = "GET /v1/pod/logs"
        if not self._address.hapi_url:
            raise PlatformError(
                f"{operation}: this platform gives no logs of workers",
                operation=operation,
                hint="set RUNPOD_HAPI_URL too, as RUNPOD_API_BASE_URL is",
            )
        url = f"{self._address.hapi_url.rstrip('/')}/v1/pod/{worker_id}/logs"
        try:
            data = self._json("GET", url, operation=operation, timeout_s=_LOGS_TIMEOUT_S)
        except NotFound:
            return ()
        found = data.get("container") if isinstance(data, dict) else None
        if not isinstance(found, list):
            raise _unknown_shape(operation, "container")
        return tuple(str(line) for line in found)

    def volumes(self) -> tuple[VolumeRecord, ...]:
        """All network volumes of the account.

        Shape: ``[{"id": str, "name": str, "dataCenterId": str}]``, or that under ``networkVolumes``.
        """
        operation = "GET /networkvolumes"
        data = self._json("GET", self._volumes_url(operation), operation=operation)
        listed = data.get("networkVolumes") if isinstance(data, dict) else data
        if not isinstance(listed, list):
            raise _unknown_shape(operation, "networkVolumes")
        return tuple(_volume(one, operation) for one in listed)

    def create_volume(self, name: str, *, size_gb: int, data_center: str) -> VolumeRecord:
        """Make a network volume. Look first: names need not be unique."""
        operation = "POST /networkvolumes"
        body = {"name": name, "size": size_gb, "dataCenterId": data_center}
        return _volume(self._json("POST", self._volumes_url(operation), operation=operation, json=body), operation)

    def _volumes_url(self, operation: str) -> str:
        if not self._address.rest_url:
            raise PlatformError(
                f"{operation}: this platform has no network volumes",
                operation=operation,
                hint="set RUNPOD_REST_API_URL too, as RUNPOD_API_BASE_URL is; or name volumes by their ids",
            )
        return f"{self._address.rest_url.rstrip('/')}/networkvolumes"

    def _json(
        self,
        method: str,
        url: str,
        *,
        operation: str,
        timeout_s: float | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Any:
        response = self._send(method, url, operation=operation, timeout_s=timeout_s, json=json)
        if response.status_code >= 300:
            raise status_error(response, operation=operation, api_key=self._address.api_key)
        try:
            return response.json()
        except ValueError as error:
            kind = response.headers.get("content-type", "something without a content type")
            raise PlatformError(f"{operation}: the answer is {kind}, not JSON", operation=operation) from error

    def _send(
        self,
        method: str,
        url: str,
        *,
        operation: str,
        timeout_s: float | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        options: dict[str, Any] = {"headers": authorization(self._address.api_key)}
        if timeout_s is not None:
            options["timeout"] = timeout_s
        if json is not None:
            options["json"] = json
        with translating(operation, url=url, api_key=self._address.api_key):
            return self._http.request(method, url, **options)


def _count(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key, 0)
    return value if isinstance(value, int) else 0


def _volume(data: object, operation: str) -> VolumeRecord:
    if not isinstance(data, dict) or not all(isinstance(data.get(key), str) for key in ("id", "name", "dataCenterId")):
        raise _unknown_shape(operation, "id, name and dataCenterId")
    return VolumeRecord(data["id"], data["name"], data["dataCenterId"])


def _unknown_shape(operation: str, what: str) -> PlatformError:
    return PlatformError(
        f"{operation}: the platform's answer is not as expected: no {what}",
        operation=operation,
        hint="what Runpod answers here was never verified (docs/runpod.md): please report what it was",
    )
