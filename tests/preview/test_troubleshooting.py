"""The failures in the page's section "Troubleshooting": each is told with what mends it, as the page says or better.

Source: the page "Deploy Flash apps", sections "No @Endpoint functions found" to "Import errors in endpoint functions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_bundle import pack

from flash.cloud.transport import status_error
from flash.deploy.stage import worker_failed
from flash.errors import ArtifactTooLarge, DeclarationError, DiscoveryError, NotAuthorized, SettingsError
from flash.preview import building, promote
from flash.project import load_project
from flash.runtime.excuses import failure

if TYPE_CHECKING:
    from pathlib import Path

    from flash.project import Project

ENDPOINT = (
    "from flash import Endpoint\n\n\n@Endpoint(name='x', cpu='cpu3c-1-2')\ndef work(n: int) -> int:\n    return n\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's, of somebody who has no key."""
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.flash]\napp = "demo"\n', encoding="utf-8")
    return project


def project_of(folder: Path, **files: str) -> Project:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return load_project(folder)


# ---------------------------------------------------------------------------------------------------------------------
# No @Endpoint functions found


def test_no_function_is_decorated(folder: Path) -> None:
    """The page: "Ensure functions are decorated with @Endpoint(...)"."""
    with pytest.raises(DiscoveryError, match=r"no function is decorated with @Endpoint\(\.\.\.\)") as caught:
        building.discover(project_of(folder, worker="def work(n): return n\n"))
    assert caught.value.hint.startswith("decorate a function at the top level of a module")


@pytest.mark.parametrize("ignore", [".gitignore", ".flashignore"])
def test_the_file_is_ignored(folder: Path, ignore: str) -> None:
    """The page: "Check that Python files aren't excluded by .gitignore or .flashignore": file and rule are named."""
    (folder / ignore).write_text("worker.py\n", encoding="utf-8")
    with pytest.raises(DiscoveryError, match=rf"except in worker\.py, which is hidden: .*{ignore}") as caught:
        building.discover(project_of(folder, worker=ENDPOINT))
    assert caught.value.hint == "if it should ship, write !/worker.py into .flashignore, or change the rule"
    (folder / ".flashignore").write_text("!/worker.py\n", encoding="utf-8")
    assert [endpoint.name for endpoint in building.discover(project_of(folder))] == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "from flash import Endpoint\n\n@Endpoint\ndef work(): ...\n",
        "from flash import Endpoint\n\n@Endpoint(name='x' cpu='any')\ndef work(): ...\n",
        "from flash import Endpoint\n\n@Endpoint(nmae='x')\ndef work(): ...\n",
    ],
    ids=["no-call", "syntax", "spelling"],
)
def test_the_decorators_syntax_is_wrong(folder: Path, text: str) -> None:
    """The page: "Verify decorator syntax is correct": file and line are named."""
    with pytest.raises((DeclarationError, DiscoveryError)) as caught:
        building.discover(project_of(folder, worker=text))
    assert caught.value.headline.startswith("worker.py:3: ")
    assert caught.value.hint


# ---------------------------------------------------------------------------------------------------------------------
# Deployment size limit exceeded


def test_the_artifact_is_too_large(tmp_path: Path) -> None:
    """The page: "Use --exclude to skip additional packages": the largest are named, for they are what to exclude."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.bin").write_text("x" * 1000, encoding="utf-8")
    with pytest.raises(ArtifactTooLarge) as caught:
        pack(tmp_path / "in", tmp_path / "out.tar.gz", limit_bytes=10, largest=["scipy 99 MiB"])
    assert caught.value.hint.startswith("leave packages out with --exclude")
    assert caught.value.hint.endswith("largest: scipy 99 MiB")


# ---------------------------------------------------------------------------------------------------------------------
# Authentication errors


def test_there_is_no_key(folder: Path) -> None:
    """The page: "If not set, add it to your .env file or export it": both spelled as on the page; either mends it."""
    with pytest.raises(SettingsError, match="needs an API key") as caught:
        promote.address(project_of(folder), "runpod", start=False, report=print)
    assert caught.value.hint == "export RUNPOD_API_KEY=your_api_key_here, or add it to your .env file"
    (folder / ".env").write_text("RUNPOD_API_KEY=rpa_0123\n", encoding="utf-8")
    assert promote.address(project_of(folder), "runpod", start=False, report=print).api_key == "rpa_0123"


@pytest.mark.parametrize("status", [401, 403])
def test_the_key_is_not_accepted(status: int) -> None:
    """The page: "Verify your API key is set correctly": how to set it, and never the key."""
    import httpx

    error = status_error(httpx.Response(status, text="bad key rpa_0123456"), operation="myself", api_key="rpa_0123456")
    assert isinstance(error, NotAuthorized)
    assert "export RUNPOD_API_KEY=your_api_key_here" in error.hint
    assert "rpa_0123456" not in str(error)


# ---------------------------------------------------------------------------------------------------------------------
# Import errors in endpoint functions


def test_a_module_is_not_there_when_the_build_imports_an_endpoint(tmp_path: Path) -> None:
    """The page: "Import packages inside the endpoint function, not at the top of the file"."""
    error = ModuleNotFoundError("No module named 'requests'", name="requests")
    assert "import it inside the endpoint function" in failure("fetch-data", error, tmp_path).hint


@pytest.mark.parametrize("kind", ["ImportError", "ModuleNotFoundError"])
def test_a_module_is_not_there_when_a_worker_starts(kind: str) -> None:
    """The same, with the end of the worker's log."""
    tail = ("Traceback (most recent call last):", "    import requests", f"{kind}: No module named 'requests'")
    error = worker_failed("fetch-data", "exited with status 1", tail)
    assert error.hint == "import packages inside the endpoint function, and name them in dependencies=[...]"
    assert error.message.endswith(f"{kind}: No module named 'requests'")
    assert error.detail.splitlines() == list(tail)
