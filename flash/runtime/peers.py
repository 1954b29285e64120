"""Calls between endpoints: which endpoint has the function, where it is, and one HTTP request to it.

The manifest says which resource a function belongs to. The state manager, Runpod's GraphQL API, says where the
environment's active build has put that resource; its answer is kept for 300 seconds. The request then goes straight to
the endpoint. Source: the page, "Cross-endpoint communication"; platform-contract §5.6.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from flash.errors import CallError, PlatformUnreachable, RemoteError
from flash.model.job import JobState
from flash.model.schema import to_json
from flash.runtime import answers
from flash.runtime.wire import Exchange, Reply, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flash.model.dispatch import Target
    from flash.model.manifest import Manifest
    from flash.model.request import ClientRequest

__all__ = ["PeerCaller"]

_log = logging.getLogger("flash.peers")

_CACHE_S: Final = 300.0
"""How long a discovered address is believed. Source: the page, "Cross-endpoint communication"."""

_RUNSYNC_S: Final = 300.0
"""The longest that ``/runsync`` may wait before it answers. Source: platform-contract §6.1."""

_REQUEST_S: Final = 330.0
"""The longest that a load-balanced endpoint may take. Source: platform-contract §5.3, "Gateway limits"."""

_ATTEMPTS: Final = 3
"""Tries to reach the state manager, 1 s and 2 s apart. Source: platform-contract §5.6."""

_ENVIRONMENT: Final = """\
query getFlashEnvironment($flashEnvironmentId: String!) {
  flashEnvironment(flashEnvironmentId: $flashEnvironmentId) { id name activeBuildId endpoints { id name } }
}"""

_BUILD: Final = """\
query getFlashBuild($input: String!) {
  flashBuild(flashBuildId: $input) { id manifest }
}"""

_PATH_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}")


class PeerCaller:
    """Calls functions of other endpoints of the same environment.

    Args:
        endpoint: The endpoint that this worker serves: its functions run here.
        environment_id: Where the others are.
        api_key: The user's key.
        api_url: The control plane, without ``/graphql``.
        data_url: The base of queue endpoints.
        lb_base_url: The base of load-balanced endpoints; None where each has a host of its own.
        manifest: Which resource a function belongs to.
        clock: Seconds that only grow; how old an address is.
        pause: Waits between attempts, and between looks at a running job.
        exchange: Sends requests.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        environment_id: str,
        api_key: str,
        api_url: str,
        data_url: str,
        manifest: Manifest,
        lb_base_url: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        exchange: Exchange = exchange,
    ) -> None:
        self._endpoint = endpoint
        self._environment_id = environment_id
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._graphql_url = f"{api_url}/graphql"
        self._data_url = data_url
        self._lb_base_url = lb_base_url
        self._manifest = manifest
        self._clock = clock
        self._pause = pause
        self._exchange = exchange
        self._addresses: dict[str, str] = {}
        self._known_at: float | None = None
        self._lock = threading.Lock()

    def is_here(self, target: Target) -> bool:
        """Whether *target* is a function of this worker's endpoint."""
        return target.endpoint == self._endpoint

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        """Call *target* and wait for its result, however long it runs.

        Raises:
            InvalidInput: The arguments do not fit its signature.
            RemoteError: It ran and failed.
            CallError: It cannot be found or reached.
        """
        name = self._manifest.function_registry.get(target.function, target.endpoint)
        sent = _arguments(target, arguments)
        url = self._address(name)
        reply = self._request(target, url, sent)
        if reply.status == 404 and (moved := self._address(name, is_fresh=True)) != url:
            reply = self._request(target, moved, sent)  # it was deployed anew within the 300 seconds
        if target.route is None:
            return self._job_output(target, url, reply)
        return answers.route_result(f"{target.function} of endpoint {target.endpoint!r}", reply)

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        """The same in a thread, so that the event loop goes on.

        Raises:
            CallError: As ``call`` does.
        """
        return await asyncio.to_thread(self.call, target, arguments)

    def send(self, request: ClientRequest) -> object:
        """Send a request to an endpoint with an id, or to an image of this environment; gives the decoded answer.

        Raises:
            InvalidInput: It does not accept the arguments.
            RemoteError: Its own code answered a status of 400 or more.
            CallError: It cannot be found or reached, or the platform said no.
        """
        body = None if request.body is None else json.dumps(_marked(request.body)).encode()
        timeout_s = _REQUEST_S if request.timeout_s is None else request.timeout_s

        def ask(url: str) -> Reply:
            return self._send(request.method, f"{url}{request.path}", body, timeout_s=timeout_s)

        if request.id is not None:
            reply = ask(self._url_by_id(request.id, is_load_balanced=request.is_route))
        else:
            url = self._url_for(request)
            reply = ask(url)
            if reply.status == 404 and (moved := self._url_for(request, is_fresh=True)) != url:
                reply = ask(moved)
        if reply.is_ok or request.is_route:
            return answers.route_result(request.shown, reply)
        hint = "is the id right, and of this platform? a preview has no endpoints but its own"
        said = reply.body[:200].decode(errors="replace")
        raise CallError(f"{request.shown}: {reply.status}: {said}", hint=hint if reply.status == 404 else "")

    async def asend(self, request: ClientRequest) -> object:
        """The same in a thread, so that the event loop goes on.

        Raises:
            CallError: As ``send`` does.
        """
        return await asyncio.to_thread(self.send, request)

    # ---------------------------------------------------------------------------------------------------- Discovery

    def _url_for(self, request: ClientRequest, *, is_fresh: bool = False) -> str:
        """Where an image of this environment is: what is discovered is its queue, whose last part is its id."""
        url = self._address(request.endpoint, is_fresh=is_fresh)
        if request.is_route and url.startswith(f"{self._data_url}/"):
            return self._url_by_id(url.rpartition("/")[2], is_load_balanced=True)
        return url

    def _address(self, name: str, *, is_fresh: bool = False) -> str:
        with self._lock:
            is_known = self._known_at is not None and self._clock() - self._known_at < _CACHE_S
            if is_fresh or not is_known or name not in self._addresses:
                self._addresses = self._discover()
                self._known_at = self._clock()
            url = self._addresses.get(name)
        if url is None:
            known = ", ".join(sorted(self._addresses)) or "none"
            raise CallError(
                f"endpoint {name!r} is not deployed in this environment (deployed: {known})",
                hint="deploy the app again, with the file that declares it",
            )
        return url

    def _discover(self) -> dict[str, str]:
        environment = self._ask("getFlashEnvironment", _ENVIRONMENT, {"flashEnvironmentId": self._environment_id})
        found = environment.get("flashEnvironment")
        if not isinstance(found, dict):
            raise CallError(
                f"the platform knows no environment {self._environment_id!r}",
                hint="FLASH_ENVIRONMENT_ID is set by deployment: deploy again",
            )
        addresses = {
            endpoint["name"]: self._url_of(endpoint["name"], endpoint["id"])
            for endpoint in found.get("endpoints") or ()
        }
        build_id = found.get("activeBuildId")
        if build_id:
            build = self._ask("getFlashBuild", _BUILD, {"input": build_id}).get("flashBuild") or {}
            manifest = build.get("manifest") or {}
            addresses.update(manifest.get("resources_endpoints") or {})
        return {name: url.rstrip("/") for name, url in addresses.items()}

    def _url_of(self, name: str, endpoint_id: str) -> str:
        resource = self._manifest.resources.get(name)
        return self._url_by_id(endpoint_id, is_load_balanced=resource is not None and resource.is_load_balanced)

    def _url_by_id(self, endpoint_id: str, *, is_load_balanced: bool) -> str:
        if not is_load_balanced:
            return f"{self._data_url}/{endpoint_id}"
        if self._lb_base_url is not None:
            return f"{self._lb_base_url}/{endpoint_id}"
        return f"https://{endpoint_id}.{urlsplit(self._data_url).netloc}"

    def _ask(self, operation: str, query: str, variables: Mapping[str, str]) -> dict[str, Any]:
        body = json.dumps({"operationName": operation, "query": query, "variables": variables}).encode()
        for attempt in range(_ATTEMPTS):
            try:
                reply = self._exchange("POST", self._graphql_url, headers=self._headers, body=body, timeout_s=30.0)
                if reply.status < 500:
                    return answers.graphql_data(operation, reply)
                problem = f"{operation} answered {reply.status}"
            except PlatformUnreachable as error:
                problem = error.message
            if attempt + 1 < _ATTEMPTS:
                _log.warning("%s; trying again", problem)
                self._pause(2.0**attempt)
        raise CallError(f"the state manager cannot be asked where endpoints are: {problem}")

    # ------------------------------------------------------------------------------------------------------ Calling

    def _request(self, target: Target, url: str, arguments: dict[str, Any]) -> Reply:
        if target.route is None:
            job_input = {"method": target.method, **arguments} if target.method else arguments
            # Runpod's workers take no empty input; handlers drop the key. Source: platform-contract §5.2
            body = json.dumps({"input": job_input or {"__empty": True}}).encode()
            return self._send("POST", f"{url}/runsync", body, timeout_s=_RUNSYNC_S)
        method, path = target.route
        in_path = {name for name, _ in _PATH_PARAMETER.findall(path)}
        filled = _PATH_PARAMETER.sub(lambda match: _path_value(target, arguments, match), path)
        rest = {name: value for name, value in arguments.items() if name not in in_path}
        if method in {"GET", "DELETE"}:
            query = urlencode([pair for name, value in rest.items() for pair in _query_pairs(name, value)])
            return self._send(method, f"{url}{filled}{'?' if query else ''}{query}", None, timeout_s=_REQUEST_S)
        return self._send(method, f"{url}{filled}", json.dumps(rest).encode(), timeout_s=_REQUEST_S)

    def _send(self, method: str, url: str, body: bytes | None, *, timeout_s: float) -> Reply:
        try:
            reply = self._exchange(method, url, headers=self._headers, body=body, timeout_s=timeout_s)
        except PlatformUnreachable as error:
            raise CallError(error.message) from error
        if reply.status in {401, 403}:
            raise CallError(
                f"{reply.url} does not accept this worker's key: {reply.status}",
                hint="the key that the app was deployed with may have been revoked: deploy again with another",
            )
        return reply

    def _job_output(self, target: Target, url: str, reply: Reply) -> object:
        wait_s = 0.25
        while True:
            job = answers.job(target, reply)
            status = job["status"]
            if status == JobState.COMPLETED:
                return job.get("output")
            if status not in {JobState.IN_QUEUE, JobState.IN_PROGRESS, "RUNNING"}:
                error = job.get("error") or f"the job ended as {status}"
                raise RemoteError(f"{target.function} of endpoint {target.endpoint!r}: {error}")
            # runsync answers without a result when its own waiting time is over
            self._pause(wait_s)
            wait_s = min(wait_s * 1.5, 5.0)
            reply = self._send("GET", f"{url}/status/{job['id']}", None, timeout_s=30.0)


def _marked(body: object) -> object:
    """Runpod's workers take no empty input; handlers drop the key. Source: platform-contract §5.2."""
    return {**body, "input": {"__empty": True}} if isinstance(body, dict) and body.get("input") == {} else body


def _arguments(target: Target, arguments: Mapping[str, object]) -> dict[str, Any]:
    try:
        return {name: to_json(value) for name, value in arguments.items()}
    except RemoteError as error:
        message = error.message.replace("the output", "an argument", 1)
        raise CallError(f"{target.function} of endpoint {target.endpoint!r} cannot be called: {message}") from error


def _path_value(target: Target, arguments: Mapping[str, Any], match: re.Match[str]) -> str:
    name = match[1]
    if name not in arguments:
        raise CallError(f"{target.function} of endpoint {target.endpoint!r} cannot be called without {name!r}")
    return quote(_text(arguments[name]), safe="/" if match[2] else "")


def _query_pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []  # a query string has no word for it: the parameter's default applies
    if isinstance(value, list):
        return [(name, _text(item)) for item in value]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
