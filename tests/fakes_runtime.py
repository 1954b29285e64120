"""Fakes for the runtime's tests: an artifact on disk, a platform on a socket."""

from __future__ import annotations

import asyncio
import json
import queue
import shutil
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx

import flash
from flash.errors import PlatformUnreachable
from flash.model.manifest import MANIFEST_NAME, FunctionEntry, Manifest, Resource
from flash.runtime.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(flash.__file__).parent
SHIPPED = ("__init__.py", "errors.py", "alias.py", "model", "runtime")

QUEUE_HANDLER = """\
import flash.alias; flash.alias.take_over()
from flash.runtime.handler import queue_handlers
handler, stream = queue_handlers({name!r}, {module!r}, {function!r}, is_class={is_class!r})
if __name__ == "__main__":
    from flash.runtime.worker import main
    main()
"""

LB_HANDLER = """\
import flash.alias; flash.alias.take_over()
from flash.runtime.routes import application
app = application({name!r})
if __name__ == "__main__":
    from flash.runtime.worker import main
    main()
"""


def queue_resource(module: str, function: str, *, is_class: bool = False, **settings: Any) -> Resource:
    """A queue endpoint's entry in a manifest."""
    return Resource(functions=[FunctionEntry(name=function, module=module, is_class=is_class)], **settings)


def lb_resource(module: str, *functions: str) -> Resource:
    """A load-balanced endpoint's entry in a manifest; its routes stand beside it."""
    return Resource(is_load_balanced=True, functions=[FunctionEntry(name=name, module=module) for name in functions])


def make_artifact(
    root: Path,
    sources: dict[str, str],
    resources: dict[str, Resource],
    *,
    routes: dict[str, dict[str, str]] | None = None,
    with_flash: bool = False,
) -> Manifest:
    """Write an unpacked artifact, as a build leaves it."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        (root / name).write_text(text, encoding="utf-8")
    registry = {}
    for name, resource in resources.items():
        for entry in resource.functions:
            registry[entry.name] = name
        first = resource.functions[0]
        text = LB_HANDLER if resource.is_load_balanced else QUEUE_HANDLER
        handler = text.format(name=name, module=first.module, function=first.name, is_class=first.is_class)
        (root / f"handler_{name}.py").write_text(handler, encoding="utf-8")
    manifest = Manifest(resources=resources, function_registry=registry, routes=routes or {})
    (root / MANIFEST_NAME).write_text(manifest.text(), encoding="utf-8")
    if with_flash:
        for name in SHIPPED:
            source = PACKAGE / name
            if source.is_dir():
                shutil.copytree(source, root / "flash" / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (root / "flash").mkdir(exist_ok=True)
                shutil.copy(source, root / "flash" / name)
    return manifest


@contextmanager
def importable(root: Path) -> Iterator[None]:
    """Put an artifact first on the path; forget its modules afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(root):
                del sys.modules[name]


@dataclass
class Seen:
    """A request that a fake server was sent."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class FakePlatform:
    """Answers the job protocol. Jobs are put in; what workers hand in comes out of queues."""

    jobs: queue.Queue[Any] = field(default_factory=queue.Queue)
    stops: queue.Queue[list[str]] = field(default_factory=queue.Queue)
    done: queue.Queue[tuple[str, dict[str, Any], bool]] = field(default_factory=queue.Queue)
    chunks: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    pings: queue.Queue[Seen] = field(default_factory=queue.Queue)
    taking: queue.Queue[Seen] = field(default_factory=queue.Queue)
    stopping: queue.Queue[Seen] = field(default_factory=queue.Queue)
    others: dict[tuple[str, str], Callable[[Seen], tuple[int, Any]]] = field(default_factory=dict)
    token: str = "worker-token"
    url: str = ""
    is_over: threading.Event = field(default_factory=threading.Event)

    def environment(self, endpoint: str, **more: str) -> dict[str, str]:
        """What a worker of *endpoint* is started with."""
        base = f"{self.url}/v2/abc"
        return {
            "FLASH_RESOURCE_NAME": endpoint,
            "FLASH_ENDPOINT_TYPE": "qb",
            "RUNPOD_POD_ID": "w1",
            "RUNPOD_ENDPOINT_ID": "abc",
            "RUNPOD_AI_API_KEY": self.token,
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
            "RUNPOD_PING_INTERVAL": "50",
            **more,
        }

    def answer(self, seen: Seen) -> tuple[int, Any]:
        """Status and JSON for a request."""
        other = self.others.get((seen.method, seen.path))
        if other is not None:
            return other(seen)
        if seen.headers.get("authorization") != self.token:
            return 401, {"error": "unauthorized"}
        operation, *rest = seen.path.removeprefix("/v2/abc/").split("/")
        if operation in {"job-take", "job-take-batch"}:
            self.taking.put(seen)
            return self._poll(self.jobs)
        if operation == "job-stop":
            self.stopping.put(seen)
            status, stopped = self._poll(self.stops)
            return status, stopped and {"jobsToStop": stopped}
        if operation == "job-done":
            self.done.put((rest[1], seen.body, seen.query["isStream"] == ["true"]))
            return 200, {}
        if operation == "job-stream":
            self.chunks.put((rest[1], seen.body["output"]))
            return 200, {}
        if operation == "ping":
            self.pings.put(seen)
            return 200, {}
        return 404, {"error": "not found"}

    def _poll(self, source: queue.Queue[Any]) -> tuple[int, Any]:
        while not self.is_over.is_set():
            try:
                return 200, source.get(timeout=0.05)
            except queue.Empty:  # noqa: PERF203  until the server ends
                continue
        return 204, None


@contextmanager
def serving(platform: FakePlatform) -> Iterator[FakePlatform]:
    """Serve *platform* on a port that the system chose."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(text) if text else None
            seen = Seen(self.command, parts.path, parse_qs(parts.query), headers, body)
            status, data = platform.answer(seen)
            payload = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the worker hung up

        def log_message(self, *_: object) -> None:
            return

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        platform.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class AsgiClient:
    """Sends requests to an application in this process, each on an event loop of its own."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Send a request and read the whole answer."""

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://app.test") as client:
                return await client.request(method, url, **more)

        return asyncio.run(send())

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    put = partialmethod(request, "PUT")
    patch = partialmethod(request, "PATCH")
    delete = partialmethod(request, "DELETE")


class FakeExchange:
    """Answers HTTP exchanges from a table, and remembers them. ``(method, url)`` → replies, the last one repeated."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], list[Reply | Exception]] = {}
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []

    def on(self, method: str, url: str, *answers: tuple[int, Any] | Exception, content_type: str | None = None) -> None:
        """Answer *method url* with statuses and JSON, in turn."""
        self.replies[method, url] = [
            answer
            if isinstance(answer, Exception)
            else Reply(
                url,
                answer[0],
                content_type or "application/json",
                answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode(),
            )
            for answer in answers
        ]

    def __call__(
        self, method: str, url: str, *, headers: Any = None, body: bytes | None = None, timeout_s: float = 0
    ) -> Reply:
        self.seen.append((method, url, dict(headers or {}), json.loads(body) if body else None))
        answers = self.replies.get((method, url))
        if not answers:
            raise PlatformUnreachable(f"{url} did not answer: nobody listens")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
