"""An engine that stops while containers run: told in bounded time, and what it kept goes with the next run.

The engine itself cannot be stopped here, because others use it. Every connection to it goes through a socket of the
test's own, which can be cut: then nobody answers, and what was open breaks, as when an engine dies.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from containers.conftest import HOST, PATIENCE_S, Engine, until
from journeys.conftest import Shell, workers_of

UNIX = "unix://"
# a bound for what must end, far beyond what it takes
END_S = 2 * PATIENCE_S


class Proxy:
    """A socket before the engine's, as ``DOCKER_HOST`` has it."""

    def __init__(self, path: Path) -> None:
        self.host = f"{UNIX}{path}"
        self._path = path
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        listener.listen(128)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        return listener

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                engine.connect(HOST.removeprefix(UNIX))
                with self._lock:
                    self._open |= {client, engine}
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        # one direction may end before the other
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Refuse connections, and break those that are open."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    def mend(self) -> None:
        """Answer again."""
        self._listener = self._listen()


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Between the commands and the engine."""
    made = Proxy(tmp_path_factory.mktemp("e") / "s")
    yield made
    made.cut()


@pytest.fixture
def behind(shell: Shell, proxy: Proxy) -> Shell:
    """A terminal whose engine is behind the proxy; its one endpoint works on a job until it is ended."""
    shell.environment["DOCKER_HOST"] = proxy.host
    shell.write(
        {
            "greeter.py": """
                import time
                from flash import Endpoint

                @Endpoint(name="greeter", cpu="cpu3c-1-2")
                def greet(seconds: float = 0.0) -> str:
                    print("greeting", flush=True)
                    time.sleep(seconds if seconds == 600 else 0)
                    return "Hello"
            """,
            "tests/test_greeter.py": """
                import pathlib

                def test_it_takes_long(flash_endpoint):
                    pathlib.Path("running").touch()
                    assert flash_endpoint("greeter").runsync({"seconds": 600}).output
            """,
        }
    )
    return shell


def ended(process: subprocess.Popen[str]) -> str:
    """What a command has said when it has ended, within the bound."""
    try:
        said, _ = process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        pytest.fail(f"it does not end:\n{said}")
    return said


def test_a_test_run_whose_engine_stops_fails_and_the_next_removes_what_it_left(
    behind: Shell, proxy: Proxy, home: Path, machine: Engine
) -> None:
    """The report says what happened; nothing that is not the run's own is touched."""
    before = machine.all()
    process = behind.start("pytest", "-p", "no:cacheprovider", "--flash-preview", "--flash-backend=docker")
    until((behind.root / "running").exists, "the test does not begin")
    assert machine.all() != before

    proxy.cut()
    said = ended(process)

    assert process.returncode == 1, said
    assert f"the preview did not stop as it should: the Docker engine at {proxy.host} stopped" in said
    assert "hint: start it, and then run this again; what is left over goes then" in said
    assert "most recent call last" not in said
    until(lambda: workers_of(home) == [], "a process is left")
    until(lambda: machine.containers() == before[0], "the workers do not end with their platform")
    assert machine.networks() != before[1]

    proxy.mend()
    behind.write({"tests/test_greeter.py": "def test_nothing(flash_preview):\n    pass\n"})
    done = behind.pytest("--flash-preview", "--flash-backend=docker")
    assert done.returncode == 0, done.stdout
    assert machine.all() == before


def test_a_served_preview_whose_engine_stops_ends_with_an_error(
    behind: Shell, proxy: Proxy, home: Path, machine: Engine
) -> None:
    """One line and a hint; ``flash sweep`` removes what was left once the engine is back."""
    before = machine.all()
    process = behind.start("flash", "preview", "--backend", "docker")
    assert process.stdout is not None
    for line in process.stdout:
        if "Press Ctrl+C" in line:
            break
    assert machine.all() != before

    proxy.cut()
    said = ended(process)

    assert process.returncode == 1, said
    last = said[said.index("✗ ") :].splitlines()
    assert last == [
        f"✗ the Docker engine at {proxy.host} stopped",
        "hint: start it, and then run this again; what is left over goes then",
    ]
    until(lambda: workers_of(home) == [], "a process is left")
    until(lambda: machine.containers() == before[0], "the workers do not end with their platform")

    proxy.mend()
    assert behind.flash("sweep").returncode == 0
    assert machine.all() == before
