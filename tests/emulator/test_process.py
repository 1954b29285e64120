"""Workers as processes: how they end, and what ends with them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from flash.emulator.launchers import Code, WorkerSpec
from flash.emulator.launchers.process import ProcessLauncher, ProcessWorker
from flash.errors import PreviewError

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="workers are POSIX processes")]

PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
# says through a named pipe that it is up, with the id of a child of its own
STUBBORN = """
import os, signal, subprocess, sys
{action}
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
with open(os.environ["UP"], "w") as up:
    up.write(str(child.pid))
while True:
    signal.pause()
"""


@pytest.fixture
def launcher() -> Iterator[ProcessLauncher]:
    """A launcher on the interpreter beneath the tests' own environment."""
    launcher = ProcessLauncher(lambda version, provided: PYTHON)
    yield launcher
    launcher.close()


def _spec(tmp_path: Path, worker: str, *, has_handler: bool = True, is_load_balanced: bool = False) -> WorkerSpec:
    artifact = tmp_path / "artifact"
    package = artifact / "flash" / "runtime"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "worker.py").write_text(worker, encoding="utf-8")
    if has_handler:
        (artifact / "handler_e.py").touch()
    os.mkfifo(tmp_path / "up")
    return WorkerSpec(
        worker_id="w",
        endpoint_id="e",
        endpoint_name="e",
        is_load_balanced=is_load_balanced,
        python_version="3.11",
        provided=(),
        image="runpod/flash-cpu:py3.11-latest",
        artifact_dir=artifact,
        environment={"UP": str(tmp_path / "up"), "PYTHONPATH": "/nowhere", "PYTHONSAFEPATH": "1"},
        log_path=tmp_path / "w.log",
    )


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until_gone(worker: ProcessWorker) -> int:
    while (code := worker.exit_code()) is None:
        os.sched_yield()
    return code


async def test_a_worker_that_ignores_the_signal_is_killed_with_its_children(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    """After the grace nothing of it is left, and its home is gone."""
    stubborn = STUBBORN.format(action="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    worker = await launcher.launch(_spec(tmp_path, stubborn))
    child = int((tmp_path / "up").read_text(encoding="utf-8"))
    assert (tmp_path / "w.home").is_dir()
    await worker.stop(0.05)
    assert worker.exit_code() == -signal.SIGKILL
    while _is_alive(child):
        os.sched_yield()
    assert not (tmp_path / "w.home").exists()
    await worker.stop(0.05)


async def test_what_a_dead_worker_started_ends_with_it(tmp_path: Path, launcher: ProcessLauncher) -> None:
    """Also when it died by itself."""
    worker = await launcher.launch(_spec(tmp_path, STUBBORN.format(action="")))
    child = int((tmp_path / "up").read_text(encoding="utf-8"))
    os.kill(worker.pid, signal.SIGKILL)
    assert _until_gone(worker) == -signal.SIGKILL
    while _is_alive(child):
        os.sched_yield()


async def test_the_output_is_in_the_log_and_the_exit_status_is_told(tmp_path: Path, launcher: ProcessLauncher) -> None:
    """What changes imports never reaches it, even from a user's own variables."""
    script = 'import os; print(sorted(n for n in os.environ if n.startswith("PYTHON"))); raise SystemExit(4)'
    worker = await launcher.launch(_spec(tmp_path, script))
    assert _until_gone(worker) == 4
    assert (tmp_path / "w.log").read_text(encoding="utf-8") == (
        "['PYTHONDONTWRITEBYTECODE', 'PYTHONNOUSERSITE', 'PYTHONUNBUFFERED']\n"
    )


async def test_a_load_balanced_worker_inherits_its_socket(tmp_path: Path, launcher: ProcessLauncher) -> None:
    """A connection made before it serves waits, rather than being refused."""
    script = (
        "import os, socket\n"
        'listener = socket.socket(fileno=int(os.environ["FLASH_LISTEN_FD"]))\n'
        "connection, _ = listener.accept()\n"
        "connection.recv(65536)\n"
        'connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nhi")\n'
    )
    worker = await launcher.launch(_spec(tmp_path, script, is_load_balanced=True))
    assert worker.url is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(worker.url)).text == "hi"
    assert _until_gone(worker) == 0


async def test_an_endpoint_without_a_handler_is_for_containers(tmp_path: Path, launcher: ProcessLauncher) -> None:
    """An external image is no process."""
    with pytest.raises(PreviewError, match="no handler") as caught:
        await launcher.launch(_spec(tmp_path, "", has_handler=False))
    assert "containers" in caught.value.hint


async def test_an_interpreter_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It is named, and nothing is left behind."""
    launcher = ProcessLauncher(lambda version, provided: tmp_path / "no-python")
    with pytest.raises(PreviewError, match="no-python"):
        await launcher.launch(_spec(tmp_path, ""))
    assert not (tmp_path / "w.home").exists()
    launcher.close()


# stands for the SDK: says what it was started with, and runs the handler once
SDK = """
import asyncio, os, pathlib, sys

class serverless:
    @staticmethod
    def start(config):
        job = {"id": "j", "input": {"a": 1}}
        result = config["handler"](job)
        if asyncio.iscoroutine(result):
            result = asyncio.run(result)
        print(sorted(config), result, pathlib.Path(sys.path[0]).name, len(sys.argv))
        if "UP" in os.environ.get("WAIT", ""):
            with open(os.environ["UP"], "w") as up:
                up.write("up")
            while True:
                __import__("signal").pause()
"""
HANDLER = """
def handler(job):
    return job["input"]

if __name__ == "__main__":
    import runpod
    runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda current: 2})
"""


def _foreign(tmp_path: Path, code: Code, **environment: str) -> WorkerSpec:
    spec = _spec(tmp_path, "")
    shutil.rmtree(spec.artifact_dir / "flash")
    (spec.artifact_dir / "runpod.py").write_text(SDK, encoding="utf-8")
    (spec.artifact_dir / "handler_e.py").write_text(HANDLER, encoding="utf-8")
    return replace(spec, code=code, environment={**spec.environment, **environment})


@pytest.mark.parametrize(
    ("code", "keys"), [(Code.HANDLER, "['handler']"), (Code.PROGRAM, "['concurrency_modifier', 'handler']")]
)
async def test_what_flash_has_not_built_is_started_as_its_image_would(
    tmp_path: Path, launcher: ProcessLauncher, code: Code, keys: str
) -> None:
    """The stock image starts the loop with the handler alone; a program starts it itself. Neither sees arguments."""
    worker = await launcher.launch(_foreign(tmp_path, code))
    assert _until_gone(worker) == 0
    assert (tmp_path / "w.log").read_text(encoding="utf-8") == f"{keys} {{'a': 1}} artifact 1\n"


async def test_a_stood_in_worker_ends_with_its_owner(tmp_path: Path) -> None:
    """As ours do: the pipe closes when the platform does."""
    launcher = ProcessLauncher(lambda version, provided: PYTHON)
    worker = await launcher.launch(_foreign(tmp_path, Code.HANDLER, WAIT="UP"))
    assert (tmp_path / "up").read_text(encoding="utf-8") == "up"
    launcher.close()
    assert _until_gone(worker) == -signal.SIGTERM
