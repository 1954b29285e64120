"""What is the same in every generated client: how jobs and routes are called, and what goes wrong then."""

from __future__ import annotations

from typing import Final

__all__ = ["HEAD", "TAIL"]

HEAD: Final = '''"""A client of the app {app}, made by `flash client` from what its endpoints accept and return.

    client = Client({{"NAME": "URL of that endpoint", ...}}, api_key="...")

URLs are what `flash preview --json` and `flash env get NAME --json` show. Values are plain JSON with types; what does
not fit is refused by the endpoint. `AsyncClient` has the same methods, to be awaited. Make it anew, do not edit it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import {typing}
from urllib.parse import quote

import httpx

if sys.version_info >= (3, 11):
    from typing import {newer}
else:
    from typing_extensions import {newer}

__all__ = [
{names}]


class CallFailed(Exception):
    """A call gave no result."""


class Refused(CallFailed):
    """The endpoint, or its platform, did not take the request, or failed. `problems` name the fields of a 422."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        try:
            said: Any = response.json()
        except ValueError:
            said = response.text
        detail = said.get("detail", said.get("error", said)) if isinstance(said, dict) else said
        self.problems: list[dict[str, Any]] = detail if isinstance(detail, list) else []
        super().__init__(f"{{response.request.method}} {{response.request.url}}: {{self.status}}: {{detail}}")


class JobFailed(CallFailed):
    """A job ended without a result, or did not end in time. `job` is what the platform tells of it."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        super().__init__(f"job {{job.get('id')}} is {{job.get('status')}}: {{job.get('error', 'no result')}}")


class _Unset:
    """Stands for an argument that is left out: the function has its own default."""

    def __bool__(self) -> bool:
        return False


UNSET: Final = _Unset()
'''

TAIL: Final = """
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_POLL_S: Final = 0.5


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if not isinstance(value, _Unset)}


def _path(template: str, arguments: Mapping[str, Any]) -> str:
    for name, value in arguments.items():
        template = template.replace("{" + name + "}", quote(_text(value), safe=""))
    return template


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _query(arguments: Mapping[str, Any]) -> list[tuple[str, str | int | float | bool | None]]:
    given = [(name, value) for name, value in arguments.items() if value is not None]
    return [(name, _text(item)) for name, value in given for item in (value if isinstance(value, list) else [value])]


def _answer(response: httpx.Response) -> Any:
    if not response.is_success:
        raise Refused(response)
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind == "application/x-ndjson":
        return [json.loads(line) for line in response.text.splitlines() if line]
    return response.json() if kind == "application/json" else response.text


def _output(job: dict[str, Any]) -> Any:
    if job.get("status") != "COMPLETED":
        raise JobFailed(job)
    return job.get("output")


class _Endpoint:
    def __init__(self, url: str, http: httpx.Client, timeout_s: float) -> None:
        self._url, self._http, self._timeout_s = url.rstrip("/"), http, timeout_s

    def _request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        url = f"{self._url}{path}"
        return _answer(self._http.request(method, url, params=_query(query or {}), json=body))

    def _run(self, given: Mapping[str, Any]) -> Any:
        deadline = time.monotonic() + self._timeout_s
        job = self._request("POST", "/runsync", body={"input": given})
        while job.get("status") not in _ENDED and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            job = self._request("GET", f"/status/{job['id']}")
        return _output(job)


class _AsyncEndpoint:
    def __init__(self, url: str, http: httpx.AsyncClient, timeout_s: float) -> None:
        self._url, self._http, self._timeout_s = url.rstrip("/"), http, timeout_s

    async def _request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        url = f"{self._url}{path}"
        return _answer(await self._http.request(method, url, params=_query(query or {}), json=body))

    async def _run(self, given: Mapping[str, Any]) -> Any:
        deadline = time.monotonic() + self._timeout_s
        job = await self._request("POST", "/runsync", body={"input": given})
        while job.get("status") not in _ENDED and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
            job = await self._request("GET", f"/status/{job['id']}")
        return _output(job)
"""
