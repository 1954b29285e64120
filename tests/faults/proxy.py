"""A proxy between a deployer and a platform that breaks one request of a deployment, or all from there on.

Requests are told apart by what they ask for, and counted: ``saveEndpoint[2]`` is the second ``saveEndpoint`` of a run.
What the deployer does is seen from outside, as HTTP, so that this holds whatever the deployer is made of.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

HEALTH = "/flash/healthz"
"""How the deployer finds its platform on this machine: not a request of a deployment, and never broken."""
ARM = "/faults/arm"
"""What a deployer asks for when the part of its work begins that is to be broken."""
_OPERATION: Final = re.compile(r"(?:query|mutation)\s+(\w+)")
_HOLD_S: Final = 60.0
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


def operation_of(method: str, path: str, body: bytes) -> str:
    """What a request is called: its GraphQL operation, or the first part of its path."""
    if path.startswith("/graphql"):
        try:
            found = _OPERATION.search(json.loads(body)["query"])
        except (ValueError, KeyError, TypeError):
            found = None
        return "graphql" if found is None else found[1]
    return path.strip("/").partition("/")[0].partition("?")[0] or method.lower()


@dataclass(frozen=True)
class Answer:
    """What comes back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def _json(status: int, body: object) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(body).encode())


_HTML: Final = Answer(200, [("Content-Type", "text/html")], b"<!doctype html><title>Sign in</title>")


@dataclass
class Exchange:
    """One request, and how it can go."""

    forward: Callable[[], Answer]
    answer: Callable[[Answer], None]
    cut: Callable[[Answer], None]
    close: Callable[[], None]
    wait_for_caller_to_go: Callable[[], None]
    after_the_run: Callable[[Callable[[], object]], None]
    kill: Callable[[], None]


Fault = Callable[[Exchange], None]


def _closed(exchange: Exchange) -> None:
    exchange.close()


def _lost(exchange: Exchange) -> None:
    exchange.forward()
    exchange.close()


def _truncated(exchange: Exchange) -> None:
    exchange.cut(exchange.forward())


def _late(exchange: Exchange) -> None:
    answer = exchange.forward()
    exchange.wait_for_caller_to_go()
    exchange.answer(answer)


def _silent(exchange: Exchange) -> None:
    exchange.wait_for_caller_to_go()
    exchange.close()


def _overtaken(exchange: Exchange) -> None:
    exchange.after_the_run(exchange.forward)
    exchange.close()


def _duplicated(exchange: Exchange) -> None:
    answer = exchange.forward()
    exchange.forward()
    exchange.answer(answer)


def _repeated(exchange: Exchange) -> None:
    exchange.forward()
    exchange.answer(exchange.forward())


def _done_but_504(exchange: Exchange) -> None:
    exchange.forward()
    exchange.answer(_json(504, {"error": "gateway timeout"}))


def _killed_before(exchange: Exchange) -> None:
    exchange.kill()
    exchange.close()


def _killed_after(exchange: Exchange) -> None:
    exchange.forward()
    exchange.kill()
    exchange.close()


def _says(answer: Answer) -> Fault:
    return lambda exchange: exchange.answer(answer)


FAULTS: Final[dict[str, Fault]] = {
    "closed": _closed,
    "answer-lost": _lost,
    "answer-truncated": _truncated,
    "answer-late": _late,
    "silent": _silent,
    "overtaken": _overtaken,
    "duplicated": _duplicated,
    "repeated": _repeated,
    "done-but-504": _done_but_504,
    **{
        str(status): _says(_json(status, {"error": reason}))
        for status, reason in (
            (401, "unauthorized"),
            (403, "forbidden"),
            (404, "not found"),
            (409, "conflict"),
            (429, "too many requests"),
            (500, "internal server error"),
            (502, "bad gateway"),
        )
    },
    "html": _says(_HTML),
    "error": _says(_json(200, {"errors": [{"message": "Something went wrong"}], "data": None})),
    "null": _says(_json(200, {"data": None})),
    "empty": _says(Answer(200)),
    "killed-before": _killed_before,
    "killed-after": _killed_after,
}
"""By name: what can become of a request. ``refused`` is the deployer's own: no connection is made at all."""


@dataclass
class Plan:
    """What is to be broken.

    Attributes:
        at: The request, as in ``saveEndpoint[2]``.
        persists: Whether all after it are broken too.
        is_armed: False until the deployer asks for ``ARM``.
    """

    at: str = ""
    fault: Fault | None = None
    persists: bool = False
    is_armed: bool = True
    has_struck: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)
    pid: int | None = None
    pid_known: threading.Event = field(default_factory=threading.Event)
    overtaken: list[Callable[[], object]] = field(default_factory=list)

    def fault_for(self, operation: str) -> Fault | None:
        """Count a request; what becomes of it, or None where nothing does."""
        if not self.is_armed:
            return None
        self.counts[operation] += 1
        name = f"{operation}[{self.counts[operation]}]"
        self.seen.append(name)
        if self.fault is not None and (name == self.at or (self.persists and self.has_struck)):
            self.has_struck = True
            return self.fault
        return None


class Proxy:
    """Listens on a free port of loopback; ``plan`` says what it breaks."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.plan = Plan()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def begin(self, plan: Plan) -> None:
        """From now on, requests are a new run's."""
        with self.lock:
            self.plan = plan

    def end(self) -> Plan:
        """The run is over: what it was overtaken by arrives now."""
        with self.lock:
            plan, self.plan = self.plan, Plan()
        plan.pid_known.set()
        for arrive in plan.overtaken:
            arrive()
        return plan

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that go away are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class's
        """Say nothing."""

    def _handle(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with proxy.lock:
            plan = proxy.plan
            if self.path == ARM:
                plan.is_armed = True
            is_broken = self.path not in (ARM, HEALTH)
            fault = plan.fault_for(operation_of(self.command, self.path, body)) if is_broken else None
        if self.path == ARM:
            self._answer(Answer(200))
            return
        exchange = Exchange(
            forward=lambda: self._forward(body),
            answer=self._answer,
            cut=self._cut,
            close=self._close,
            wait_for_caller_to_go=self._wait,
            after_the_run=plan.overtaken.append,
            kill=lambda: _kill(plan),
        )
        if fault is None:
            exchange.answer(exchange.forward())
        else:
            fault(exchange)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815  the base class's

    def _forward(self, body: bytes) -> Answer:
        upstream = urlsplit(self.server.proxy.upstream)
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=_HOLD_S)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        # what the platform says of itself leads back here: uploads are requests of a deployment too
        said = said.replace(self.server.proxy.upstream.encode(), self.server.proxy.url.encode())
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        return Answer(response.status, kept, said)

    def _answer(self, answer: Answer) -> None:
        self._begin(answer)
        self.wfile.write(answer.body)

    def _cut(self, answer: Answer) -> None:
        self._begin(answer)
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self._close()

    def _begin(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _close(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _wait(self) -> None:
        self.connection.settimeout(_HOLD_S)
        with suppress(OSError):
            self.connection.recv(1)
        # whatever is written now meets nobody
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _kill(plan: Plan) -> None:
    plan.pid_known.wait(_HOLD_S)
    if plan.pid is not None:
        os.kill(plan.pid, signal.SIGKILL)
