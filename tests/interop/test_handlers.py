"""Our artifact as Runpod's images see it: under ``runpod`` 1.12's loop its handlers post what they post under ours."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import tarfile
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_runtime import FakePlatform, Seen, serving
from interop.conftest import Peers, ours

from flash.emulator.launchers import stand_in

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop-handlers")]

WAIT_S = 60.0
STAND_IN = stand_in.__file__

PROJECT = {
    "pyproject.toml": """
        [project]
        name = "variants"
        version = "1.0"

        [tool.flash]
        python = "3.11"
    """,
    "variants.py": """
        import datetime

        from pydantic import BaseModel

        from flash import Endpoint

        CPU = "cpu3c-1-2"


        class Point(BaseModel):
            x: int
            y: int = 0


        @Endpoint(name="plain", cpu=CPU)
        def plain(text: str = "a", times: int = 1) -> dict:
            return {"said": text * times}


        @Endpoint(name="coroutine", cpu=CPU)
        async def coroutine(text: str, times: int = 1) -> str:
            return text * times


        @Endpoint(name="generator", cpu=CPU)
        def generator(to: int, fail_at: int = -1):
            for number in range(to):
                if number == fail_at:
                    raise ValueError("midway")
                yield {"number": number}


        @Endpoint(name="async-generator", cpu=CPU)
        async def async_generator(to: int, fail_at: int = -1):
            for number in range(to):
                if number == fail_at:
                    raise ValueError("midway")
                yield number


        @Endpoint(name="one-method", cpu=CPU)
        class OneMethod:
            def __init__(self):
                self.calls = 0

            def count(self, by: int = 1) -> int:
                self.calls += by
                return self.calls


        @Endpoint(name="methods", cpu=CPU)
        class Methods:
            def add(self, amount: int) -> int:
                return amount + 1

            async def show(self) -> str:
                return "shown"

            def each(self, to: int):
                yield from range(to)


        @Endpoint(name="model", cpu=CPU)
        def model(point: Point) -> Point:
            return Point(x=point.y, y=point.x)


        @Endpoint(name="whole", cpu=CPU)
        async def whole(input: dict) -> dict:
            return {"whole": input}


        @Endpoint(name="raises", cpu=CPU)
        def raises(kind: str) -> None:
            if kind == "exit":
                raise SystemExit(3)
            if kind == "silent":
                raise KeyError
            raise ValueError(f"two\\nlines of {kind}")


        @Endpoint(name="araises", cpu=CPU)
        async def araises(kind: str) -> None:
            raise RuntimeError(kind)


        @Endpoint(name="returns", cpu=CPU)
        def returns(what: str):
            return {
                "none": None, "empty": {}, "text": "å", "list": [], "false": False, "zero": 0,
                "error": {"error": "told", "detail": 1}, "only-error": {"error": "told"},
                "no-error": {"error": "", "detail": 1}, "nothing": {"error": None}, "object-error": {"error": {"a": 1}},
                "refresh": {"refresh_worker": True, "detail": 1}, "set": {1}, "bytes": b"a",
                "time": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
                "unserialisable": object(), "nested": [{"deep": object()}], "not-a-number": float("nan"),
                "keys": {1: "one"},
            }[what]


        @Endpoint(name="concurrent", cpu=CPU, max_concurrency=2)
        async def concurrent(text: str) -> str:
            return text


        @Endpoint(name="pooled", cpu=CPU, max_concurrency=2)
        def pooled(text: str) -> str:
            return text


        api = Endpoint(name="web", cpu=CPU)


        @api.post("/sum")
        def add(numbers: list[int], plus: int = 0) -> dict:
            return {"sum": sum(numbers) + plus}


        @api.get("/items/{number}")
        async def item(number: int, loud: bool = False) -> dict:
            return {"number": number, "loud": loud}
    """,
}

# every input of the list is a job; each endpoint is one variant of the handlers that we generate
JOBS: dict[str, list[Any]] = {
    "plain": [
        {"text": "b", "times": 2}, {}, {"__empty": True}, {"times": "2"}, {"times": "two"}, {"nope": 1}, [1], "text",
        None, {"input": {"text": "c"}},
    ],
    "coroutine": [{"text": "b", "times": 2}, {}, {"text": 1}, [1]],
    "generator": [{"to": 3}, {"to": 0}, {"to": 3, "fail_at": 1}, {"to": 1, "fail_at": 0}, {"to": "x"}, {}],
    "async-generator": [{"to": 3}, {"to": 0}, {"to": 3, "fail_at": 1}, {"to": "x"}],
    "one-method": [{}, {"by": 2}, {"method": "count"}, {"method": "nope"}, {"by": "x"}],
    "methods": [
        {"method": "add", "amount": 1}, {"method": "show"}, {"method": "each", "to": 2}, {"amount": 1},
        {"method": "nope"}, {"method": "add", "amount": "x"}, {"method": 3},
    ],
    "model": [{"point": {"x": 1}}, {"x": 1, "y": 2}, {"point": {"y": 1}}, {}],
    "whole": [{"a": 1}, {"input": {"a": 1}}, {}],
    "raises": [{"kind": "value"}, {"kind": "silent"}, {"kind": "exit"}],
    "araises": [{"kind": "value"}],
    "returns": [
        {"what": what}
        for what in (
            "none", "empty", "text", "list", "false", "zero", "error", "only-error", "no-error", "nothing",
            "object-error", "refresh", "set", "bytes", "time", "unserialisable", "nested", "not-a-number", "keys",
        )
    ],
    "concurrent": [{"text": "a"}, {}],
    "pooled": [{"text": "a"}, {}],
}  # fmt: skip

# (endpoint, method or ""): what our worker does otherwise, and why that is right
DIFFERENCES = {
    ("generator", ""): "the images call the handler through a function of their own, so that the SDK sees no generator",
    ("async-generator", ""): "the same",
    ("methods", "each"): "the same",
}

# sources of the images that lie in the same folder as the artifact; contract §13.8
WORKER_SOURCES = {
    "handler", "lb_handler", "constants", "logger", "version", "unpack_volume", "remote_executor", "function_executor",
    "class_executor", "dependency_installer", "manifest_reconciliation", "serialization_utils", "subprocess_utils",
    "log_streamer", "cache_sync_manager", "api_key_context", "rp_logger_adapter", "sitecustomize", "runpod_flash",
}  # fmt: skip


@dataclass(frozen=True)
class Post:
    """What a worker has posted for a job."""

    operation: str
    is_stream: bool
    body: Any
    headers: tuple[str | None, ...]


@dataclass
class Recorder(FakePlatform):
    """A platform that remembers the posts of each job, in their order."""

    posts: dict[str, list[Post]] = field(default_factory=dict)

    def answer(self, seen: Seen) -> tuple[int, Any]:
        operation, *rest = seen.path.removeprefix("/v2/abc/").split("/")
        if operation in ("job-done", "job-stream"):
            headers = tuple(
                seen.headers.get(name) for name in ("content-type", "charset", "x-request-id", "authorization")
            )
            is_stream = seen.query["isStream"] == ["true"]
            self.posts.setdefault(rest[1], []).append(Post(operation, is_stream, seen.body, headers))
            if operation == "job-stream":
                return 200, {}
        return super().answer(seen)


@pytest.fixture(scope="session")
def artifact(flash_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a project with every variant, built by us and unpacked."""
    root = tmp_path_factory.mktemp("variants")
    for name, text in PROJECT.items():
        (root / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    ours(flash_home, "build", cwd=root)
    app = tmp_path_factory.mktemp("app")
    with tarfile.open(root / ".flash" / "artifact.tar.gz") as archive:
        archive.extractall(app, filter="data")
    return app


@contextmanager
def worker(command: list[str], cwd: Path, environment: dict[str, str], log: Path, *descriptors: int) -> Iterator[None]:
    """A worker process, gone at the end with what it started."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "HOME": str(log.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=descriptors,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def posts(platform: Recorder, jobs: list[Any], log: Path) -> list[list[Post]]:
    """Give the worker of *platform* one job after the other; returns what it posted for each."""
    for number, given in enumerate(jobs):
        platform.jobs.put({"id": f"job{number}", "input": given})
        try:
            platform.done.get(timeout=WAIT_S)
        except queue.Empty:
            pytest.fail(f"nothing came of {given!r}:\n{log.read_text()}")
    return [platform.posts[f"job{number}"] for number in range(len(jobs))]


@contextmanager
def owner() -> Iterator[int]:
    """The read end of a pipe that is open while its owner lives."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("endpoint", JOBS)
def test_both_loops_post_the_same(endpoint: str, artifact: Path, peers: Peers, tmp_path: Path) -> None:
    """Path, body, ``isStream`` and headers, job by job, but for what the table says."""
    jobs = JOBS[endpoint]
    handler = str(artifact / f"handler_{endpoint}.py")
    with ExitStack() as stack:
        read = stack.enter_context(owner())
        theirs, mine = (stack.enter_context(serving(Recorder())) for _ in range(2))
        skip = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
        stack.enter_context(
            worker(
                [str(peers.python), STAND_IN, "handler", handler, str(read)],
                artifact,
                theirs.environment(endpoint, **skip),
                tmp_path / "theirs.log",
                read,
            )
        )
        stack.enter_context(
            worker(
                [str(peers.python), "-m", "flash.runtime.worker"],
                artifact,
                mine.environment(endpoint),
                tmp_path / "ours.log",
            )
        )
        by_ours = posts(mine, jobs, tmp_path / "ours.log")
        by_theirs = posts(theirs, jobs, tmp_path / "theirs.log")

    for given, here, there in zip(jobs, by_ours, by_theirs, strict=True):
        method = given.get("method", "") if isinstance(given, dict) else ""
        if (endpoint, method) not in DIFFERENCES:
            assert here == there, given
            continue
        *chunks, last = here
        (only,) = there
        assert (only.is_stream, only.operation) == (False, "job-done")
        assert (last.body, last.headers) == (only.body, only.headers), given
        assert all((chunk.operation, chunk.is_stream) == ("job-stream", False) for chunk in chunks)
        if "output" in only.body:
            assert last.is_stream
            assert [chunk.body for chunk in chunks] == [{"output": each} for each in only.body["output"]]


def test_every_variant_is_compared(artifact: Path) -> None:
    """No handler is without jobs."""
    handlers = {path.stem.removeprefix("handler_") for path in artifact.glob("handler_*.py")}
    assert handlers == {*JOBS, "web"}


LOAD = """
import importlib, importlib.util, sys
root, name, kind, order = sys.argv[1:]
sys.path.insert(0, root)
IMAGE = ("runpod_flash.protos.remote_execution", "runpod_flash.runtime.module_loader",
         "runpod_flash.core.utils.user_agent", "runpod_flash.runtime.service_registry")
if order == "before":
    for each in IMAGE:
        importlib.import_module(each)
spec = importlib.util.spec_from_file_location("loaded", f"{root}/handler_{name}.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
if order == "after":
    for each in IMAGE:
        importlib.import_module(each)
    from runpod_flash.protos.remote_execution import FunctionRequest, FunctionResponse, RemoteExecutorStub
    from runpod_flash.runtime.module_loader import materialized_modules
if kind == "lb":
    from fastapi import FastAPI
    assert isinstance(module.app, FastAPI)
else:
    assert callable(module.handler)
"""


def load(python: Path, artifact: Path, endpoint: str, order: str) -> None:
    """Import a handler in a fresh interpreter, as an image does."""
    kind = "lb" if endpoint == "web" else "qb"
    done = subprocess.run(
        [str(python), "-I", "-c", LOAD, str(artifact), endpoint, kind, order],
        cwd="/",
        env={"RUNPOD_ENDPOINT_ID": "e", "FLASH_RESOURCE_NAME": endpoint, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("endpoint", [*JOBS, "web"])
def test_a_handler_needs_nothing_but_fastapi_uvicorn_and_pydantic(
    endpoint: str, artifact: Path, flash_home: Path
) -> None:
    """The smallest part of what every image ships."""
    pythons = (flash_home / "bases").glob("python3.11-*/bin/python")
    (base,) = (each for each in pythons if not list(each.parents[1].glob("lib/*/site-packages/runpod")))

    load(base, artifact, endpoint, "alone")


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("endpoint", ["plain", "methods", "web"])
def test_a_handler_does_not_disturb_the_images_own_use_of_runpod_flash(
    endpoint: str, order: str, artifact: Path, peers: Peers
) -> None:
    """The load-balanced images import parts of it: before they load the handler, or after."""
    load(peers.python, artifact, endpoint, order)


def test_the_artifact_takes_no_name_of_the_images_own_sources(artifact: Path) -> None:
    """They lie in the same folder: one would replace the other."""
    names = {path.name.removesuffix(".py") for path in artifact.iterdir()}
    assert names & WORKER_SOURCES == set()


def test_a_load_balanced_endpoint_is_served_as_its_image_serves_it(
    artifact: Path, peers: Peers, tmp_path: Path
) -> None:
    """By uvicorn, on ``app``; ``/ping`` answers, ``/execute`` is nobody's."""
    with ExitStack() as stack:
        read = stack.enter_context(owner())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        stack.enter_context(
            worker(
                [str(peers.python), STAND_IN, "application", str(artifact / "handler_web.py"), str(read),
                 str(listener.fileno())],
                artifact,
                {"FLASH_RESOURCE_NAME": "web", "FLASH_ENDPOINT_TYPE": "lb", "RUNPOD_ENDPOINT_ID": "e"},
                tmp_path / "web.log",
                read,
                listener.fileno(),
            )
        )  # fmt: skip
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False))

        assert client.get("/ping").json() == {"status": "healthy"}
        assert client.post("/sum", json={"numbers": [1, 2], "plus": 3}).json() == {"sum": 6}
        assert client.get("/items/7", params={"loud": "true"}).json() == {"number": 7, "loud": True}
        assert client.post("/sum", json={"numbers": ["x"]}).status_code == 422
        assert client.post("/execute", json={"function_code": "1"}).status_code == 404
