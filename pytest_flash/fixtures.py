"""The fixtures; their docstrings are what ``pytest --fixtures`` prints. They load ``flash`` when they are used."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_flash.options import options_key

if TYPE_CHECKING:
    from flash.cloud.jobs import EndpointClient
    from flash.model.manifest import Artifact, Manifest
    from flash.project import Project
    from pytest_flash.connection import Connection, FlashDeployment, FlashPreview
    from pytest_flash.mock import FlashMock
    from pytest_flash.planning import FlashPlan

    EndpointFactory = Callable[[str], EndpointClient]
else:
    EndpointFactory = Callable

root_key = pytest.StashKey[Path]()
connection_key = pytest.StashKey["Connection"]()


@pytest.fixture(scope="session")
def flash_project(request: pytest.FixtureRequest) -> Project:
    """The Flash project: ``root``, ``settings`` of ``[tool.flash]``, ``flash_dir``. Builds and starts nothing."""
    from flash.project import load_project

    options = request.config.stash[options_key]
    with _telling():
        return load_project(request.config.stash[root_key], app=options.app, exclude=options.exclude)


@pytest.fixture(scope="session")
def flash_artifact(request: pytest.FixtureRequest) -> Artifact:
    """The artifact that this run built: ``path``, ``sha256``, ``size_bytes``, ``manifest``, ``files``.

    ``files`` are relative POSIX paths. Needs ``--flash-preview``.
    """
    connection = _connection(request)
    with _telling():
        return connection.artifact


@pytest.fixture(scope="session")
def flash_manifest(flash_artifact: Artifact) -> Manifest:
    """The artifact's manifest: ``resources`` and ``routes`` by endpoint name. Needs ``--flash-preview``."""
    return flash_artifact.manifest


@pytest.fixture(scope="session")
def flash_preview(request: pytest.FixtureRequest) -> FlashPreview:
    """The running preview: ``url``, ``endpoints`` (a client for each, by name), ``logs(name)``.

    In the smoke run after a promotion, the same of what was deployed. Needs ``--flash-preview``.
    """
    connection = _connection(request)
    with _telling():
        return connection.preview()


@pytest.fixture(scope="session")
def flash_endpoint(request: pytest.FixtureRequest) -> EndpointFactory:
    """Give the client of an endpoint: ``flash_endpoint("gpu_worker").runsync({"name": "Ada"})``.

    A queue endpoint's has ``runsync``, ``run`` and ``health``, a load-balanced one's ``get``, ``post``, ``put``,
    ``patch`` and ``delete``; each has an async twin with the prefix ``a``. Needs ``--flash-preview``.
    """
    connection = _connection(request)
    with _telling():
        connection.preview()

    def endpoint(name: str) -> EndpointClient:
        with _telling():
            return connection.endpoint(name)

    return endpoint


@pytest.fixture(scope="session")
def flash_deployment(request: pytest.FixtureRequest) -> FlashDeployment:
    """What was promoted: ``environment``, ``digest``, ``endpoints``, ``previous`` (the digest before, or None).

    Only in the smoke run, which ``--flash-deploy=ENV`` starts after the promotion: before it, tests that ask for it
    are skipped.
    """
    connection = _connection(request)
    if not connection.is_deployment:
        pytest.skip("runs after promotion")
    with _telling():
        return connection.deployment()


@pytest.fixture(scope="session")
def flash_plan(request: pytest.FixtureRequest) -> FlashPlan:
    """What the promotion would change: ``steps``, ``is_empty``, ``deleted``, … Needs ``--flash-deploy``.

    Each step has ``action``, ``name``, ``id`` and ``reasons``. ``created``, ``updated``, ``replaced``, ``deleted`` and
    ``kept`` are names; ``worst_case_per_hour`` and ``idle_per_hour`` are dollars, or None where a price is not known.
    """
    options = request.config.stash[options_key]
    connection = request.config.stash.get(connection_key, None)
    if connection is not None and connection.is_deployment:
        pytest.skip("runs before promotion")
    if connection is None or options.deploy is None:
        pytest.skip("needs --flash-deploy")
    with _telling():
        return connection.plan()


@pytest.fixture
def flash_mock(request: pytest.FixtureRequest) -> Generator[FlashMock]:
    """Answer for endpoints in a unit test: ``flash_mock("gpu_worker").runsync.respond(output={"message": "hi"})``.

    Calls of that endpoint's functions go to the mock, and so does ``flash_mock("gpu_worker").client``; nothing is
    built or started. Routes are respx's: ``flash_mock("lb_worker").post("/process").respond(json={})``. A call that
    nothing answers fails the test, and so does an answer that nobody asked for. Needs the extra ``mock``.
    """
    from importlib.util import find_spec

    if find_spec("respx") is None:
        pytest.fail(
            "flash_mock needs the extra 'mock', which is not installed\nhint: pip install 'pytest-flash[mock]'",
            pytrace=False,
        )
    from pytest_flash.mocking import mocking

    with mocking(request.node) as mock:
        yield mock


def _connection(request: pytest.FixtureRequest) -> Connection:
    connection = request.config.stash.get(connection_key, None)
    if connection is None:
        pytest.skip("needs --flash-preview")
    return connection


@contextmanager
def _telling() -> Generator[None]:
    """An error of ours is told in its own words: message, hint and evidence, without our frames."""
    from flash.errors import FlashError

    try:
        yield
    except FlashError as error:
        # from None: or pytest tells both, which say the same
        raise pytest.fail.Exception(str(error), pytrace=False) from None
