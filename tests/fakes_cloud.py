"""Answers instead of a network: a transport that follows a script, and a clock that only sleeping moves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.cloud.jobs import EndpointClient, EndpointKind

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "rpa_SECRETSECRETSECRET"
ADDRESS = PlatformAddress("http://127.0.0.1:1", "http://127.0.0.1:1/v2", "http://127.0.0.1:1/lb", KEY, stages=True)


class Script(httpx.MockTransport):
    """Gives one answer after the other and keeps the requests.

    An answer is a ``Response``, an exception to raise, a callable of the request, or data that is sent as JSON.
    """

    def __init__(self, *answers: object) -> None:
        super().__init__(self._answer)
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # a response can be read once, and a test may give the same one twice
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        if callable(answer):
            return answer(request)
        return httpx.Response(200, json=answer)

    def sent(self, index: int = -1) -> Any:
        """The JSON body of a request."""
        return json.loads(self.requests[index].content)

    @property
    def paths(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def platform(*answers: object, address: PlatformAddress = ADDRESS) -> tuple[PlatformClient, Script, Clock]:
    """A control-plane client that follows a script."""
    script, clock = Script(*answers), Clock()
    return PlatformClient(address, transport=script, sleep=clock.sleep, jitter=lambda: 0.5), script, clock


def endpoint(
    *answers: object, kind: EndpointKind = "queue", logs: Callable[[], tuple[str, ...]] | None = None
) -> tuple[EndpointClient, Script, Clock]:
    """An endpoint's client that follows a script."""
    script, clock = Script(*answers), Clock()
    client = EndpointClient(
        "gpu_worker" if kind == "queue" else "lb_worker",
        kind=kind,
        url="http://127.0.0.1:1/v2/abc" if kind == "queue" else "http://127.0.0.1:1/lb/abc",
        api_key=KEY,
        logs=logs,
        transport=script,
        clock=clock,
        sleep=clock.sleep,
        asleep=clock.asleep,
    )
    return client, script, clock
