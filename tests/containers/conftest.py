"""Real containers. Skipped where no engine answers, unless FLASH_REQUIRE_DOCKER says that one must."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from journeys.conftest import APP, EXAMPLES, Shell

from flash.emulator.launchers import engine

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
REQUIRED = os.environ.get("FLASH_REQUIRE_DOCKER", "") == "1"
HOST = engine.docker_host(os.environ)
# a bound for what must happen, far beyond what it takes
PATIENCE_S = 60.0


def obstacle() -> str:
    """Why there can be no containers here, or nothing."""
    found = engine.look(HOST)
    if isinstance(found, str):
        return found
    if found.refusal:
        return found.refusal
    image = engine.base_image(PYTHON)
    return "" if found.has_image(image) or found.can_pull(image) else f"there is no image {image}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here is one with Docker, and they run one after the other."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.xdist_group("docker"))


@pytest.fixture(scope="session", autouse=True)
def _docker() -> None:
    reason = obstacle()
    if reason and REQUIRED:
        pytest.fail(f"FLASH_REQUIRE_DOCKER is set, and {reason}")
    if reason:
        pytest.skip(reason)


def docker(*arguments: str) -> str:
    """What the command line of Docker says."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def labels_of(kind: str, name: str) -> dict[str, str]:
    """The labels of a thing, none where it is gone meanwhile."""
    done = subprocess.run(["docker", kind, "inspect", name], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        return {}
    (facts,) = json.loads(done.stdout)
    return dict((facts["Config"]["Labels"] if kind == "container" else facts["Labels"]) or {})


class Engine:
    """What there is on the engine, apart from what other homes' platforms have there."""

    def __init__(self, home: Path) -> None:
        self.home = str(home.resolve())

    def _names(self, kind: str, *listing: str) -> set[str]:
        found = {name: labels_of(kind, name) for name in docker(*listing).splitlines()}
        return {name for name, labels in found.items() if labels.get("flash.home", self.home) == self.home}

    def containers(self) -> set[str]:
        """The ids of ``docker ps -a``."""
        return self._names("container", "ps", "-aq", "--no-trunc")

    def networks(self) -> set[str]:
        """The ids of ``docker network ls``."""
        return self._names("network", "network", "ls", "-q", "--no-trunc")

    def all(self) -> tuple[set[str], set[str]]:
        """Both."""
        return self.containers(), self.networks()

    def images(self) -> set[str]:
        """The tags of the images of our home."""
        ours = f"label=flash.home={self.home}"
        return set(docker("images", "-f", ours, "--format", "{{.Repository}}:{{.Tag}}").split())

    def workers(self) -> dict[str, dict[str, Any]]:
        """Our running workers, as ``docker inspect`` shows them, by endpoint."""
        ids = docker("ps", "-q", "-f", f"label=flash.home={self.home}").split()
        facts = json.loads(docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"]["flash.endpoint"]: each for each in facts}


def until(what: Callable[[], object], why: str) -> None:
    """Ask until *what* is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(why)
        time.sleep(0.05)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One ``FLASH_HOME`` for all: base environments are made once; its images are removed at the end."""
    folder = tmp_path_factory.mktemp("docker-home")
    yield folder
    for tag in Engine(folder).images():
        docker("rmi", tag)


@pytest.fixture
def machine(home: Path) -> Iterator[Engine]:
    """The engine, which is at the end as it was at the beginning, whatever the test did."""
    found = Engine(home)
    before = found.all()
    yield found
    until(lambda: found.all() == before, f"left over: {found.all()}, before: {before}")


@pytest.fixture
def shell(tmp_path: Path, home: Path, machine: Engine) -> Shell:
    """A project with one endpoint and one smoke test, and its terminal."""
    made = Shell(tmp_path / "demo", home)
    made.write({name: text.replace("{python}", PYTHON) for name, text in APP.items()})
    return made


@pytest.fixture
def quickstart(tmp_path: Path, home: Path, machine: Engine) -> Shell:
    """A copy of the quickstart, and its terminal."""
    root = tmp_path / "quickstart"
    shutil.copytree(EXAMPLES / "quickstart", root, ignore=shutil.ignore_patterns(".flash", "__pycache__", ".*_cache"))
    made = Shell(root, home)
    settings = (root / "pyproject.toml").read_text(encoding="utf-8")
    made.write({"pyproject.toml": settings.replace('python = "3.11"', f'python = "{PYTHON}"')})
    return made


@pytest.fixture
def free_port() -> int:
    """A port for the local platform."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def own_platform(shell: Shell, free_port: int) -> Iterator[int]:
    """The port that a local platform may take; it is stopped at the end."""
    yield free_port
    shell.flash("platform", "stop")
