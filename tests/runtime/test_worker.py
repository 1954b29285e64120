"""A worker as a process: what it reads, what it serves, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from fakes_runtime import FakePlatform, importable, lb_resource, make_artifact, queue_resource, serving

from flash.errors import CallError, ManifestError, SettingsError
from flash.model.dispatch import Target, current_caller, set_default_caller
from flash.model.request import ClientRequest
from flash.runtime import loading
from flash.runtime.peers import PeerCaller
from flash.runtime.unreachable import UnreachablePeers
from flash.runtime.worker import Settings, install_caller

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 30.0

SOURCE = """
import asyncio
from runpod_flash import Endpoint

CPU = "cpu3c-1-2"

@Endpoint(name="hello", cpu=CPU)
def hello(name: str) -> dict:
    print("greeting", name)
    return {"hello": name}

@Endpoint(name="wait", cpu=CPU)
def wait(pipe: str):
    yield "started"
    with open(pipe) as file:
        yield file.read()

@Endpoint(name="asks", cpu=CPU)
def asks(name: str) -> dict:
    return hello(name=name)

@Endpoint(name="aasks", cpu=CPU)
async def aasks(name: str) -> dict:
    return await hello(name=name)

api = Endpoint(name="api", cpu=CPU)

@api.post("/process")
def process(input: dict) -> dict:
    return input
"""

RESOURCES = {
    "hello": queue_resource("served_worker", "hello"),
    "wait": queue_resource("served_worker", "wait"),
    "asks": queue_resource("served_worker", "asks"),
    "aasks": queue_resource("served_worker", "aasks"),
    "broken": queue_resource("served_broken", "f"),
    "api": lb_resource("served_worker", "process"),
}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked artifact with Flash inside."""
    root = tmp_path_factory.mktemp("artifact")
    sources = {"served_worker.py": SOURCE, "served_broken.py": "import library_that_is_not_there"}
    make_artifact(root, sources, RESOURCES, routes={"api": {"POST /process": "process"}}, with_flash=True)
    return root


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with serving(FakePlatform()) as platform:
        yield platform


@pytest.fixture
def start(artifact: Path) -> Iterator[Start]:
    """Start a worker in the artifact; none outlives the test."""
    with ExitStack() as stack:

        def run(env: dict[str, str], *, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "flash.runtime.worker"],
                cwd=artifact,
                env=env,
                pass_fds=pass_fds,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate, timeout=WAIT_S)
            stack.callback(process.kill)
            return process

        yield run


def test_a_queue_worker_serves_until_it_is_told_to_stop(platform: FakePlatform, start: Start) -> None:
    """Status 0 after SIGTERM; what functions print is its log."""
    worker = start(platform.environment("hello"))
    platform.jobs.put({"id": "a", "input": {"name": "Bob"}})
    assert platform.done.get(timeout=WAIT_S) == ("a", {"output": {"hello": "Bob"}}, False)
    platform.jobs.put({"id": "b", "input": {"nam": "Bob"}})
    error = platform.done.get(timeout=WAIT_S)[1]["error"]
    assert "name: Field required" in error
    worker.send_signal(signal.SIGTERM)
    out, log = worker.communicate(timeout=WAIT_S)
    assert worker.returncode == 0, log
    assert out == "greeting Bob\n"
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_job_is_finished_before_the_worker_ends(
    platform: FakePlatform, start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Its result is handed in, and no other job taken."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    worker = start(platform.environment("wait"))
    platform.jobs.put({"id": "a", "input": {"pipe": str(pipe)}})
    assert platform.chunks.get(timeout=WAIT_S) == ("a", "started")
    worker.send_signal(number)
    platform.jobs.put({"id": "b", "input": {"pipe": str(pipe)}})
    pipe.write_text("go on")
    assert platform.done.get(timeout=WAIT_S) == ("a", {"output": ["started", "go on"]}, True)
    assert worker.wait(WAIT_S) == 0
    assert platform.jobs.qsize() == 1


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("broken", "ModuleNotFoundError: No module named 'library_that_is_not_there'"),
        ("nope", "no handler for endpoint 'nope'"),
    ],
)
def test_a_worker_that_cannot_start_ends_with_the_traceback(
    platform: FakePlatform, start: Start, endpoint: str, message: str
) -> None:
    """Status 1: the platform shows the end of its log."""
    worker = start(platform.environment(endpoint))
    _, log = worker.communicate(timeout=WAIT_S)
    assert worker.returncode == 1
    assert "Traceback" in log
    assert message in log


@pytest.mark.parametrize("kind", ["qb", "lb"])
def test_a_module_that_cannot_be_imported_is_shown_from_the_users_first_frame_on(
    platform: FakePlatform, start: Start, kind: str
) -> None:
    """Ours, and those of the import system, are the same for everybody."""
    worker = start(platform.environment("broken", FLASH_ENDPOINT_TYPE=kind, PORT="0"))
    _, log = worker.communicate(timeout=WAIT_S)
    assert re.findall(r'File ".*?([^/"]+)", line (\d+)', log) == [("served_broken.py", "1")]


def test_a_load_balanced_worker_that_cannot_start_ends_with_the_traceback(platform: FakePlatform, start: Start) -> None:
    """In uvicorn's process, too."""
    worker = start(platform.environment("broken", FLASH_ENDPOINT_TYPE="lb", PORT="0"))
    _, log = worker.communicate(timeout=WAIT_S)
    assert worker.returncode == 1
    assert "library_that_is_not_there" in log


def test_a_worker_with_a_token_that_is_not_known_ends(platform: FakePlatform, start: Start) -> None:
    """Nobody would take its results."""
    worker = start(platform.environment("hello", RUNPOD_AI_API_KEY="old"))
    _, log = worker.communicate(timeout=WAIT_S)
    assert worker.returncode == 1
    assert "does not accept this worker's token" in log


def test_a_worker_ends_with_its_owner(platform: FakePlatform, start: Start) -> None:
    """The end of the pipe is the end of the worker."""
    read, write = os.pipe()
    worker = start(platform.environment("hello", FLASH_OWNER_FD=str(read)), pass_fds=(read,))
    os.close(read)
    platform.taking.get(timeout=WAIT_S)
    os.close(write)
    assert worker.wait(WAIT_S) == 0


def test_a_load_balanced_worker_serves_on_the_socket_it_was_given(platform: FakePlatform, start: Start) -> None:
    """Routes and ``/ping``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        env = platform.environment("api", FLASH_ENDPOINT_TYPE="lb", FLASH_LISTEN_FD=str(number))
        worker = start(env, pass_fds=(number,))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with urllib.request.urlopen(f"{url}/ping", timeout=WAIT_S) as response:
            assert json.load(response) == {"status": "healthy"}
        request = urllib.request.Request(f"{url}/process", data=b'{"input": {"a": 1}}')
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            assert json.load(response) == {"a": 1}
    worker.send_signal(signal.SIGTERM)
    worker.wait(WAIT_S)


@pytest.mark.parametrize("endpoint", ["asks", "aasks"])
def test_a_call_of_another_endpoint_goes_there(platform: FakePlatform, start: Start, endpoint: str) -> None:
    """By the state manager, with the key; plain and awaited."""
    address = {"hello": f"{platform.url}/v2/other"}

    def graphql(seen: Any) -> tuple[int, Any]:
        if seen.headers["authorization"] != "Bearer key":
            return 401, {}
        if seen.body["operationName"] == "getFlashBuild":
            return 200, {"data": {"flashBuild": {"id": "b", "manifest": {"resources_endpoints": address}}}}
        return 200, {"data": {"flashEnvironment": {"id": "env", "activeBuildId": "b", "endpoints": []}}}

    def runsync(seen: Any) -> tuple[int, Any]:
        return 200, {"id": "1", "status": "COMPLETED", "output": {"there": seen.body["input"]}}

    platform.others["POST", "/graphql"] = graphql
    platform.others["POST", "/v2/other/runsync"] = runsync
    more = {
        "RUNPOD_API_KEY": "key",
        "FLASH_ENVIRONMENT_ID": "env",
        "RUNPOD_API_BASE_URL": platform.url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{platform.url}/v2",
    }
    start(platform.environment(endpoint, **more))
    platform.jobs.put({"id": "a", "input": {"name": "Bob"}})
    assert platform.done.get(timeout=WAIT_S)[1] == {"output": {"there": {"name": "Bob"}}}


def test_a_worker_without_a_key_refuses_to_run_another_endpoints_function(platform: FakePlatform, start: Start) -> None:
    """It would be the wrong machine."""
    start(platform.environment("asks"))
    platform.jobs.put({"id": "a", "input": {"name": "Bob"}})
    error = platform.done.get(timeout=WAIT_S)[1]["error"]
    assert error.startswith("CallError: 'asks' cannot call 'hello': it runs on endpoint 'hello'")


def test_settings_are_read_from_the_environment() -> None:
    """Blank is unset; addresses lose their last slash."""
    settings = Settings.of(
        {
            "FLASH_RESOURCE_NAME": " e ",
            "FLASH_ENDPOINT_TYPE": "LB",
            "RUNPOD_API_BASE_URL": "http://api.test/",
            "RUNPOD_ENDPOINT_BASE_URL": " ",
            "RUNPOD_PING_INTERVAL": "2500",
            "FLASH_MAX_CONCURRENCY": "4",
            "FLASH_LISTEN_FD": "",
        }
    )
    assert (settings.endpoint, settings.is_load_balanced) == ("e", True)
    assert (settings.api_url, settings.data_url) == ("http://api.test", "https://api.runpod.ai/v2")
    assert (settings.ping_interval_s, settings.max_concurrency, settings.listen_fd) == (2.5, 4, None)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "FLASH_RESOURCE_NAME is not set"),
        ({"FLASH_RESOURCE_NAME": "e", "FLASH_MAX_CONCURRENCY": "many"}, "'many', not a number"),
    ],
)
def test_an_environment_that_makes_no_worker_is_an_error(environ: dict[str, str], message: str) -> None:
    """It names the variable."""
    with pytest.raises(SettingsError, match=message):
        Settings.of(environ)


@pytest.fixture
def no_caller() -> Iterator[None]:
    """The process-wide caller is put back afterwards."""
    previous = set_default_caller(None)
    yield
    set_default_caller(previous)


@pytest.mark.usefixtures("no_caller")
def test_outside_a_worker_no_caller_is_installed() -> None:
    """Handler files are loaded at build time, too."""
    install_caller({})
    assert current_caller() is None


@pytest.mark.usefixtures("no_caller")
def test_a_worker_with_key_and_environment_calls_its_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first caller that is installed stays."""
    make_artifact(tmp_path, {}, {})
    monkeypatch.chdir(tmp_path)
    install_caller({"FLASH_RESOURCE_NAME": "e", "FLASH_ENVIRONMENT_ID": "env", "RUNPOD_API_KEY": "key"})
    caller = current_caller()
    assert isinstance(caller, PeerCaller)
    install_caller({"FLASH_RESOURCE_NAME": "e"})
    assert current_caller() is caller


@pytest.mark.usefixtures("no_caller")
def test_a_worker_without_them_refuses() -> None:
    """Its own functions are here all the same."""
    install_caller({"FLASH_RESOURCE_NAME": "e", "RUNPOD_API_KEY": "key"})
    caller = current_caller()
    assert isinstance(caller, UnreachablePeers)
    assert caller.is_here(Target("e", "f"))
    with pytest.raises(CallError, match="endpoint 'other'"):
        caller.call(Target("other", "f"), {})
    with pytest.raises(CallError, match=r"POST /run of endpoint 'abc'.*no key\nhint: write Endpoint\(id"):
        caller.send(ClientRequest(endpoint="", id="abc", method="POST", path="/run"))


def test_a_handler_is_loaded_once_and_not_from_elsewhere(tmp_path: Path) -> None:
    """Its module's name is nobody's business."""
    path = tmp_path / "handler_a-b.py"
    path.write_text("marks = []\nmarks.append(__name__)")
    module = loading.load_file(path)
    assert loading.load_file(path) is module
    assert module.marks == [loading.HANDLER_MODULE]
    del sys.modules[loading.HANDLER_MODULE]
    with pytest.raises(ManifestError, match="no handler"):
        loading.handler_path(tmp_path, "../../etc/passwd")


def test_a_module_may_run_a_loop_where_an_application_is_imported_in_one(tmp_path: Path) -> None:
    """As uvicorn does; whoever imports goes on in its own loop."""
    source = "import asyncio\nasync def warm(): return 3\nWARM = asyncio.run(warm())\ndef f(): return WARM\n"
    (tmp_path / "seen_warm.py").write_text(source, encoding="utf-8")

    async def serve() -> object:
        before = asyncio.get_running_loop()
        found = loading.original("seen_warm", "f")()
        await asyncio.sleep(0)
        return found if asyncio.get_running_loop() is before else None

    with importable(tmp_path):
        assert asyncio.run(serve()) == 3
