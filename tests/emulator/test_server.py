"""A platform as a process, with workers as processes, over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_emulator import (
    CREATE_APP,
    CREATE_ENVIRONMENT,
    DEPLOY,
    FINALIZE,
    KEY,
    PREPARE,
    SAVE,
    VERSIONS,
    archive,
    manifest,
)

from flash.emulator.launchers.process import ProcessLauncher
from flash.emulator.server import PlatformConfig, serve
from flash.errors import PortTaken

PLATFORM = """
import os, sys
from pathlib import Path
from flash.emulator.launchers.process import ProcessLauncher
from flash.emulator.server import PlatformConfig, serve

# the interpreter beneath the tests' own environment: it has none of our packages
python = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
launcher = ProcessLauncher(lambda version, provided: python)
home, owner, key = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
serve(PlatformConfig(home=home, api_key=key, owner_fd=owner, started_by="a test"), launcher=launcher)
"""

# what flash.runtime.worker does, as small as can be
WORKER = """
import http.server, json, os, socket, sys, threading, urllib.error, urllib.request

def end_with_owner():
    os.read(int(os.environ["FLASH_OWNER_FD"]), 1)
    os._exit(3)

threading.Thread(target=end_with_owner, daemon=True).start()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

def call(url, body=None):
    headers = {"Authorization": os.environ["RUNPOD_AI_API_KEY"]}
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with opener.open(request, timeout=90) as reply:
        return json.loads(reply.read() or b"null")

def queue():
    pod = os.environ["RUNPOD_POD_ID"]
    print("ready to take jobs", flush=True)
    while True:
        job = call(os.environ["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", pod) + "&job_in_progress=0")
        if job is None:
            continue
        if job["input"].get("die"):
            os._exit(7)
        names = sorted(os.environ)
        output = {"input": job["input"], "pid": os.getpid(), "path": sys.path, "names": names, "cwd": os.getcwd(),
                  "api_key": os.environ.get("RUNPOD_API_KEY"), "user": os.environ.get("USER_SAYS"),
                  "home": os.environ["HOME"]}
        done = os.environ["RUNPOD_WEBHOOK_POST_OUTPUT"].replace("$RUNPOD_POD_ID", pod).replace("$ID", job["id"])
        call(done + "&isStream=false", {"output": output})

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"path": self.path, "authorization": self.headers.get("authorization")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(os.environ["FLASH_LISTEN_FD"]))
    server.serve_forever()

if os.environ.get("BROKEN"):
    sys.exit("ModuleNotFoundError: no module named 'pandas'")
serve() if os.environ["FLASH_ENDPOINT_TYPE"] == "lb" else queue()
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers are POSIX processes")


class Running:
    """A platform process and a client of it."""

    def __init__(self, home: Path, tmp_path: Path) -> None:
        self.home = home
        reading, self.owner = os.pipe()
        script = tmp_path / "platform_script.py"
        script.write_text(PLATFORM, encoding="utf-8")
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(home), str(reading), KEY],
            pass_fds=[reading],
            env={**os.environ, "PYTHONPATH": str(root), "RUNPOD_API_KEY": "the-users-own-key"},
        )
        os.close(reading)
        self.state = self._wait_for_state()
        self.client = httpx.Client(
            base_url=self.state["url"], headers={"Authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False
        )

    def _wait_for_state(self) -> dict[str, Any]:
        # the file is there once the platform answers, and whole from the start
        path = self.home / "platform.json"
        while not path.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
                pytest.fail("the platform did not start")
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def data(self, query: str, **variables: Any) -> Any:
        reply = self.client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply
        (value,) = reply["data"].values()
        return value

    def deploy(self, files: dict[str, str], described: dict[str, Any], **saved: str) -> dict[str, str]:
        """Deploy an app; returns the endpoints' ids by name. ``saved`` are names with their kinds."""
        app_id = self.data(CREATE_APP, input={"name": "demo"})["id"]
        environment_id = self.data(CREATE_ENVIRONMENT, input={"flashAppId": app_id, "name": "production"})["id"]
        content = archive(files)
        upload = self.data(PREPARE, input={"flashAppId": app_id, "tarballSize": len(content)})
        headers = {"Content-Type": "application/gzip"}
        assert httpx.put(upload["uploadUrl"], content=content, headers=headers, trust_env=False).status_code == 200
        body = {"flashAppId": app_id, "objectKey": upload["objectKey"], "manifest": described}
        build_id = self.data(FINALIZE, input=body)["id"]
        self.data(DEPLOY, input={"flashEnvironmentId": environment_id, "flashBuildId": build_id})
        return {
            name: self.data(SAVE, input={"flashEnvironmentId": environment_id, "name": name, "type": kind})["id"]
            for name, kind in saved.items()
        }

    def close(self) -> None:
        self.client.close()
        os.close(self.owner)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A platform process."""
    running = Running(tmp_path / "home", tmp_path)
    yield running
    running.close()


def files(*names: str) -> dict[str, str]:
    """An artifact whose worker is the one above."""
    handlers = {f"handler_{name}.py": "" for name in names}
    return {"flash/__init__.py": "", "flash/runtime/__init__.py": "", "flash/runtime/worker.py": WORKER, **handlers}


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_runsync_reaches_a_worker_that_sees_nothing_of_ours(running: Running) -> None:
    """From upload to result; the worker runs in the artifact with a scrubbed environment and a token of its own."""
    described = manifest(e={"env": {"USER_SAYS": "hello"}})
    ids = running.deploy(files("e"), described, e="QB")
    reply = running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {"n": 1}}).json()
    assert reply["status"] == "COMPLETED", reply
    output = reply["output"]
    assert output["input"] == {"n": 1}
    assert output["user"] == "hello"
    assert Path(output["cwd"]).parent == running.home / "artifacts"
    assert output["path"][0] == output["cwd"]
    assert str(Path(__file__).parents[2]) not in output["path"]
    assert output["api_key"] is None
    assert not {"PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV"} & set(output["names"])
    assert output["home"] != os.environ.get("HOME")


def test_a_load_balanced_worker_answers_behind_the_gateway(running: Running) -> None:
    """The path and query arrive as they were sent, the caller's key does not."""
    ids = running.deploy(files("web"), manifest(web={"is_load_balanced": True}), web="LB")
    reply = running.client.get(f"/lb/{ids['web']}/a%20b/c?x=1&y=%2F")
    assert reply.status_code == 200, reply.text
    assert reply.json() == {"path": "/a%20b/c?x=1&y=%2F", "authorization": None}


def test_a_worker_that_makes_remote_calls_gets_its_own_token_as_key(running: Running) -> None:
    """The platform's key and the user's own never reach a worker."""
    ids = running.deploy(files("e"), manifest(e={"makes_remote_calls": True}), e="QB")
    output = running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {}}).json()["output"]
    assert output["api_key"]
    assert output["api_key"] not in (KEY, "the-users-own-key")


def test_a_worker_that_dies_at_start_shows_its_log(running: Running) -> None:
    """The failure names the exit status, and the log's tail is there."""
    ids = running.deploy(files("e"), manifest(e={"env": {"BROKEN": "1"}}), e="QB")
    while not (version := running.data(VERSIONS, id=ids["e"])["endpoint"]["flashVersions"][0])["failure"]:
        pass
    assert "exited with status 1 before it was ready" in version["failure"]
    assert version["logTail"] == ["ModuleNotFoundError: no module named 'pandas'"]


def test_a_worker_that_dies_with_a_job_is_replaced_and_the_second_death_fails_the_job(running: Running) -> None:
    """The job goes back to the queue once; then it has failed, and the endpoint goes on."""
    ids = running.deploy(files("e"), manifest(e={}), e="QB")
    reply = running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {"die": True}}).json()
    assert (reply["status"], reply["error"]) == ("FAILED", "the worker exited with status 7")
    assert running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {}}).json()["status"] == "COMPLETED"


def test_the_state_file_is_private_and_goes_with_the_platform(running: Running) -> None:
    """SIGTERM ends workers and platform, and takes the file away."""
    path = running.home / "platform.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running.state == {
        "url": running.state["url"],
        "api_key": KEY,
        "pid": running.process.pid,
        "backend": "process",
        "started_by": "a test",
    }
    ids = running.deploy(files("e"), manifest(e={}), e="QB")
    pid = running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {}}).json()["output"]["pid"]
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
    assert not path.exists()
    assert not is_alive(pid)
    assert KEY not in (running.home / "platform.log").read_text(encoding="utf-8")


def test_the_platform_ends_with_its_owner(tmp_path: Path) -> None:
    """At the end of the owner's pipe it stops as it does for SIGTERM."""
    running = Running(tmp_path / "home", tmp_path)
    os.close(running.owner)
    assert running.process.wait(30) == 0
    running.owner = os.open(os.devnull, os.O_RDONLY)
    running.close()


def test_workers_end_with_a_killed_platform(running: Running) -> None:
    """Even SIGKILL leaves no worker behind."""
    ids = running.deploy(files("e"), manifest(e={}), e="QB")
    pid = running.client.post(f"/v2/{ids['e']}/runsync", json={"input": {}}).json()["output"]["pid"]
    running.process.kill()
    running.process.wait()
    while is_alive(pid):
        pass


def test_what_was_active_is_revived(tmp_path: Path) -> None:
    """A platform that starts again in the same home serves the same endpoints under the same ids."""
    first = Running(tmp_path / "home", tmp_path)
    try:
        ids = first.deploy(files("e"), manifest(e={}), e="QB")
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(30) == 0
    finally:
        first.close()
    second = Running(tmp_path / "home", tmp_path)
    try:
        assert second.client.post(f"/v2/{ids['e']}/runsync", json={"input": {}}).json()["status"] == "COMPLETED"
    finally:
        second.close()


def test_a_taken_port_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Nothing is written then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = PlatformConfig(home=tmp_path / "home", port=port, api_key=KEY)
        launcher = ProcessLauncher(lambda version, provided: Path(sys.executable))
        with pytest.raises(PortTaken, match=str(port)):
            serve(config, launcher=launcher)
        launcher.close()
    assert not (tmp_path / "home").exists()
    assert KEY not in repr(config)
