"""The document of a preview, read by others' programs: a tester that believes it, and a generator of clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from interop.conftest import PYTHON, home_with_bases
from uv import find_uv_bin

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop-openapi")]

TOOLS = ("schemathesis==4.32.*", "openapi-python-client==0.29.*", "ruff")
QUICKSTART = Path(__file__).parents[2] / "examples/quickstart"
COMMAND_S = 500.0


@dataclass(frozen=True)
class Served:
    """A preview of the quickstart."""

    root: Path
    url: str
    api_key: str

    def document(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        answer = httpx.get(f"{self.url}/flash/openapi.json", headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="session")
def tools(cache: Path) -> Path:
    """The programs' folder, installed once."""
    folder, done = cache / "openapi-tools", cache / "openapi-tools.json"
    with FileLock(cache / "openapi-tools.lock"):
        if not done.exists() or json.loads(done.read_text()) != list(TOOLS):
            base = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
            for command in (
                ["venv", "--quiet", "--clear", "--python", PYTHON, str(folder)],
                ["pip", "install", "--quiet", "--python", str(folder / "bin/python"), *TOOLS],
            ):
                made = subprocess.run(
                    [find_uv_bin(), *command], env=base, capture_output=True, text=True, timeout=300, check=False
                )
                assert made.returncode == 0, made.stderr
            done.write_text(json.dumps(TOOLS))
    return folder / "bin"


@pytest.fixture(scope="module")
def served(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The quickstart's process preview, as `flash preview` serves it."""
    root = tmp_path_factory.mktemp("quickstart") / "quickstart"
    shutil.copytree(QUICKSTART, root, ignore=shutil.ignore_patterns(".flash", "__pycache__"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "FLASH_", "PYTEST_"))}
    with (root.parent / "preview.log").open("w", encoding="utf-8") as log:
        preview = subprocess.Popen(
            [sys.executable, "-m", "flash", "preview", "--backend", "process", "--json"],
            cwd=root,
            env={**kept, "FLASH_HOME": str(home_with_bases(cache, tmp_path_factory))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert preview.stdout is not None
        said = ""
        for line in preview.stdout:
            said += line
            if line == "}\n":
                break
        try:
            assert said, (root.parent / "preview.log").read_text(encoding="utf-8")
            told = json.loads(said)
            yield Served(root, told["url"], told["api_key"])
        finally:
            preview.send_signal(signal.SIGINT)
            preview.wait(60)
            preview.stdout.close()


def run(tools: Path, name: str, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """One of the programs."""
    return subprocess.run(
        [str(tools / name), *arguments],
        cwd=cwd,
        env={
            "PATH": os.pathsep.join((str(tools), "/usr/bin", "/bin")),
            "HOME": str(cwd),
            "LANG": "C.UTF-8",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def test_schemathesis_finds_nothing(tools: Path, served: Served) -> None:
    """All its checks, with the settings that the quickstart has."""
    done = run(
        tools,
        "schemathesis",
        *("run", f"{served.url}/flash/openapi.json", "--max-examples", "25", "--generation-deterministic"),
        cwd=served.root,
        RUNPOD_API_KEY=served.api_key,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
    assert "13 passed" in done.stdout


def test_a_generator_of_clients_reads_all_of_it(tools: Path, served: Served, tmp_path: Path) -> None:
    """Without a warning, and its client calls the preview."""
    (tmp_path / "openapi.json").write_text(json.dumps(served.document()), encoding="utf-8")
    done = run(
        tools,
        "openapi-python-client",
        *("generate", "--path", "openapi.json", "--output-path", "generated", "--meta", "none"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    code = (
        "import sys; from generated import AuthenticatedClient;"
        " from generated.api.gpu_worker import gpu_worker_runsync as call;"
        " from generated.models import GpuHelloInput, GpuHelloRequest;"
        " client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2]);"
        " body = GpuHelloRequest(input_=GpuHelloInput(name='Ada'));"
        " print(call.sync(client=client, body=body).output.message)"
    )
    called = run(tools, "python", "-c", code, served.url, served.api_key, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert called.stdout.strip() == "Hello, Ada!", called.stderr


def test_our_own_client_calls_the_preview(served: Served, tmp_path: Path) -> None:
    """As `flash client` has written it, from what the preview runs."""
    done = subprocess.run(
        [sys.executable, "-m", "flash", "client", "--out", str(tmp_path / "client.py")],
        cwd=served.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    by_name = {path.split("/")[2]: item for path, item in served.document()["paths"].items()}
    urls = {next(iter(item.values()))["tags"][0]: endpoint for endpoint, item in by_name.items()}
    code = (
        "import json, sys; from client import Client, JobFailed; base, key, ids = sys.argv[1:]; ids = json.loads(ids);"
        " urls = {name: f\"{base}/{'lb' if name == 'lb_worker' else 'v2'}/{one}\" for name, one in ids.items()};"
        " app = Client(urls, api_key=key);"
        " print(app.gpu_worker.gpu_hello(name='Ada')['message'], app.lb_worker.process({'name': 'Ada'})['link'])"
    )
    called = subprocess.run(
        [sys.executable, "-c", code, served.url, served.api_key, json.dumps(urls)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.stdout.strip() == "Hello, Ada! /greetings/hello-ada", called.stderr
