"""For Flash's own tests only: pytester, and an environment that no developer's key or folder leaks into."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

_OURS = ("FLASH_", "RUNPOD_")
# pytest, or our plugin, prints more where one of the others is set, and goldens would differ
_PYTESTS = ("PYTEST_ADDOPTS", "BUILD_NUMBER", "CI", "GITHUB_ACTIONS", "GITLAB_CI")


def pytest_configure() -> None:
    """What tests start can be interrupted: a shell's background job ignores that, and so would its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def home_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``FLASH_HOME``, one for the whole run: base environments are made once."""
    return tmp_path_factory.mktemp("flash-home")


@pytest.fixture(autouse=True)
def _own_surroundings(home_of_tests: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test starts without our variables and those of a pytest around it, and leaves nothing changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_OURS) or name in _PYTESTS]:
            patch.delenv(name)
        patch.setenv("FLASH_HOME", str(home_of_tests))
        if request.node.get_closest_marker("docker") is None:
            # what workers are does not depend on what is installed here
            patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        before = _surroundings()
        yield
        if _surroundings() != before:
            pytest.fail("the test changed the environment, the current folder or the finders of modules")


def _surroundings() -> tuple[object, ...]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return environment, Path.cwd(), list(sys.meta_path)
