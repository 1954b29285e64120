"""Whole journeys with real processes: a user's project, the commands as typed, a platform of the test's own."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from flash.preview import local

EXAMPLES = Path(__file__).parents[2] / "examples"

APP = {
    "pyproject.toml": """
        [tool.flash]
        app = "demo"
        python = "{python}"

        [tool.flash.environments.production]
        target = "local"

        [tool.pytest.ini_options]
        testpaths = ["tests"]
        strict = true
        filterwarnings = ["error"]
    """,
    "greeter.py": """
        from flash import Endpoint

        @Endpoint(name="greeter", cpu="cpu3c-1-2")
        def greet(name: str = "world") -> str:
            return f"Hello, {name}!"
    """,
    "tests/test_greeter.py": """
        import pytest

        @pytest.mark.flash_smoke
        def test_it_greets(flash_endpoint):
            assert flash_endpoint("greeter").runsync({"name": "you"}).output == "Hello, you!"
    """,
}


@dataclass(frozen=True)
class Shell:
    """A user's terminal in a project's folder."""

    root: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        dropped = ("RUNPOD_", "FLASH_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return {**kept, "FLASH_HOME": str(self.home), **self.environment}

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**self.variables, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def pytest(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("pytest", "-p", "no:cacheprovider", *arguments, **environment)

    def flash(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("flash", *arguments, **environment)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )


@dataclass(frozen=True)
class Platform:
    """The local platform of the test's own."""

    state: local.PlatformState

    def post(self, url: str, body: object, *, key: str | None = "") -> httpx.Response:
        token = self.state.api_key if key == "" else key
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def shared_bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base environments are made once a run, in a folder that every home links to."""
    return tmp_path_factory.mktemp("bases")


@pytest.fixture
def home(tmp_path: Path, shared_bases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``FLASH_HOME`` of the test's own."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "bases").symlink_to(shared_bases)
    monkeypatch.setenv("FLASH_HOME", str(folder))
    return folder


@pytest.fixture
def platform(home: Path) -> Iterator[Platform]:
    """A running local platform on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield Platform(local.start_platform(port, report=lambda _: None))
    local.stop_platform()


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Shell:
    """A small project with one endpoint and one smoke test, and its terminal."""
    shell = Shell(tmp_path / "demo", home)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shell.write({name: text.replace("{python}", version) for name, text in APP.items()})
    return shell


def block(stdout: str) -> list[str]:
    """What is printed after a deployment, line by line, with short URLs: nobody can foresee them."""
    shown = stdout[stdout.index("✓ Deployment Complete") :].partition("\n=====")[0].rstrip()
    shown = re.sub(r"http://127\.0\.0\.1:\d+/(v2|lb)/[a-z0-9]{14}", r"URL/\1", shown)
    return re.sub(r"\$\(\S*flash platform env\)", "$(flash platform env)", shown).splitlines()


def urls(output: str) -> dict[str, str]:
    """The printed URLs by endpoint name."""
    return {name: url for url, name in re.findall(r"^  (http\S+)  \((\S+)\)$", output, re.MULTILINE)}


def workers_of(home: Path) -> list[int]:
    """The processes, workers and platforms, that were started for *home*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                # gone meanwhile, or not ours
                continue
            if b"flash." in command and str(home).encode() in environment + command and state != "Z":
                found.append(int(entry.name))
    return found


def gone(pids: list[int]) -> None:
    """Wait until these processes have ended."""
    for pid in pids:
        try:
            ended = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([ended], [], [], 60)[0], pid
        os.close(ended)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl+C in the terminal of *process*."""
    os.killpg(process.pid, signal.SIGINT)
