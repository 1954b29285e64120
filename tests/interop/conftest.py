"""Peers that we did not write, unchanged, from PyPI: ``runpod-flash`` and ``runpod``, in their own environment."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from uv import find_uv_bin

PEERS = ("runpod-flash==1.21.*", "runpod==1.12.*")
PYTHON = "3.11"
# kept between runs where there is a folder for it: FLASH_INTEROP_FOLDER, or tox's own
CACHE = os.environ.get("FLASH_INTEROP_FOLDER") or os.environ.get("TOX_ENV_DIR")
COMMAND_S = 180.0
_BEFORE = "import json, os, sys, time, runpod\nrunpod.api_key = os.environ['RUNPOD_API_KEY']\n"


@dataclass(frozen=True)
class Peers:
    """The environment with the peers.

    Attributes:
        versions: What is installed, ``{"runpod": "1.12.0", ...}``.
    """

    folder: Path
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


@dataclass(frozen=True)
class Local:
    """A local platform of the module's own, in a ``FLASH_HOME`` of its own."""

    home: Path
    url: str
    api_key: str = field(repr=False)

    @property
    def client(self) -> httpx.Client:
        """Plain HTTP, with the key."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.api_key}"}, timeout=60, trust_env=False
        )

    @property
    def log(self) -> str:
        """What the platform has written."""
        return (self.home / "platform" / "platform.log").read_text(encoding="utf-8")

    def mutation(self, query: str, **variables: Any) -> Any:
        """The one field that an operation answers."""
        with self.client as client:
            reply = client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply
        (value,) = reply["data"].values()
        return value


@dataclass(frozen=True)
class Terminal:
    """A folder and the environment of somebody who uses the peers with our platform."""

    root: Path
    peers: Peers
    variables: dict[str, str]

    def write(self, files: dict[str, str]) -> None:
        """Files of a project."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def flash(self, *arguments: str, status: int = 0) -> str:
        """The peer's command; returns what it printed."""
        done = self._run([str(self.peers.folder / "bin" / "flash"), *arguments])
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        return said

    def flash_at_terminal(self, *arguments: str, keys: bytes) -> str:
        """The peer's command at a terminal, where it asks; *keys* are pressed when it does."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [str(self.peers.folder / "bin" / "flash"), *arguments],
            cwd=self.root,
            env={**self.variables, "TERM": "xterm", "COLUMNS": "120"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        said, deadline = b"", time.monotonic() + COMMAND_S
        try:
            while time.monotonic() < deadline:
                if not select.select([controller], [], [], deadline - time.monotonic())[0]:
                    break
                try:
                    piece = os.read(controller, 65536)
                except OSError:  # the other end is closed
                    break
                if b"\x1b[6n" in piece:  # "where is the cursor?"
                    os.write(controller, b"\x1b[1;1R")
                said += piece
                if keys and b"(Y/n)" in said:
                    os.write(controller, keys)
                    keys = b""
            assert process.wait(max(1.0, deadline - time.monotonic())) == 0, said.decode(errors="replace")
        finally:
            os.close(controller)
            process.kill()
            process.wait()
        return said.decode(errors="replace")

    def client(self, code: str, *arguments: str) -> Any:
        """Run *code* with ``runpod`` imported; returns what it assigned to ``result``."""
        script = f"{_BEFORE}{textwrap.dedent(code)}\nprint('=>' + json.dumps(result))"
        done = self._run([str(self.peers.python), "-c", script, *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.rpartition("=>")[2])

    @property
    def manifest(self) -> dict[str, Any]:
        """What the peer's last deployment wrote down."""
        return json.loads((self.root / ".flash" / "flash_manifest.json").read_text(encoding="utf-8"))

    @property
    def ids(self) -> dict[str, str]:
        """Endpoint ids by name."""
        return {name: resource["endpoint_id"] for name, resource in self.manifest["resources"].items()}

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the peers' environment and our base environments are kept."""
    folder = Path(CACHE) / "interop" if CACHE else tmp_path_factory.getbasetemp() / "interop"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def peers(cache: Path) -> Peers:
    """The peers, installed once."""
    folder, done = cache / "peers", cache / "peers.json"
    with FileLock(cache / "peers.lock"):
        if not done.exists():
            uv = find_uv_bin()
            base = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
            for command in (
                [uv, "venv", "--quiet", "--clear", "--python", PYTHON, str(folder)],
                [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin/python"), *PEERS],
            ):
                made = subprocess.run(command, env=base, capture_output=True, text=True, timeout=300, check=False)
                assert made.returncode == 0, made.stderr
            code = (
                "import json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in "
                "('runpod', 'runpod-flash')}))"
            )
            done.write_text(subprocess.check_output([str(folder / "bin/python"), "-c", code], text=True))
    return Peers(folder, json.loads(done.read_text()))


def home_with_bases(cache: Path, factory: pytest.TempPathFactory) -> Path:
    """A new ``FLASH_HOME`` whose base environments are kept."""
    home = factory.mktemp("home")
    (cache / "bases").mkdir(exist_ok=True)
    (home / "bases").symlink_to(cache / "bases")
    return home


@pytest.fixture(scope="session")
def flash_home(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``FLASH_HOME`` whose base environments are kept."""
    return home_with_bases(cache, tmp_path_factory)


def ours(home: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Our own command, with that ``FLASH_HOME``; returns what it printed."""
    dropped = ("RUNPOD_", "FLASH_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, "-m", "flash", *arguments],
        cwd=cwd,
        env={**kept, "FLASH_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def platform(home: Path, backend: str) -> Iterator[Local]:
    """A running local platform on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours(home, "platform", "start", "--port", str(port), "--backend", backend)
    try:
        state = json.loads((home / "platform" / "platform.json").read_text(encoding="utf-8"))
        yield Local(home, state["url"], state["api_key"])
    finally:
        ours(home, "platform", "stop")


@pytest.fixture(scope="module")
def local(flash_home: Path) -> Iterator[Local]:
    """A running local platform with process workers."""
    with platform(flash_home, "process") as running:
        yield running


def terminal_at(peers: Peers, local: Local, factory: pytest.TempPathFactory) -> Terminal:
    """An empty folder, and the peers told where a platform is."""
    return Terminal(
        factory.mktemp("work"),
        peers,
        {
            "PATH": os.pathsep.join((str(peers.folder / "bin"), "/usr/bin", "/bin")),
            "HOME": str(factory.mktemp("peer-home")),
            "LANG": "C.UTF-8",
            "RUNPOD_API_BASE_URL": local.url,
            "RUNPOD_ENDPOINT_BASE_URL": f"{local.url}/v2",
            "RUNPOD_REST_API_URL": f"{local.url}/v1",
            "RUNPOD_HAPI_URL": local.url,
            "RUNPOD_CONSOLE_URL": local.url,
            "RUNPOD_API_KEY": local.api_key,
            "RUNPOD_URL_MIXED_OK": "1",
            "RUNPOD_FLASH_SILENCE_DEPRECATION": "1",
            "FLASH_NO_UPDATE_CHECK": "1",
        },
    )


@pytest.fixture(scope="module")
def terminal(peers: Peers, local: Local, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """An empty folder, and the peers told where our platform is."""
    return terminal_at(peers, local, tmp_path_factory)
