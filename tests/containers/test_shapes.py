"""An app with every shape at once, in containers: with an endpoint of somebody's own image besides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import PYTHON, Engine, docker
from journeys.conftest import Shell
from journeys.shapes import write_app

from flash.emulator.launchers import engine

# A worker of nobody's making: it knows the variables that any image is given, and the standard library.
PROGRAM = """
import json, os, urllib.request

me = os.environ["RUNPOD_POD_ID"]

def ask(name, job, body=None):
    url = os.environ[name].replace("$RUNPOD_POD_ID", me).replace("$ID", job)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": os.environ["RUNPOD_AI_API_KEY"]})
    with urllib.request.urlopen(request, timeout=120) as reply:
        return reply.read()

while True:
    taken = ask("RUNPOD_WEBHOOK_GET_JOB", me)
    if taken:
        job = json.loads(taken)
        ask("RUNPOD_WEBHOOK_POST_OUTPUT", job["id"], {"output": {"upper": job["input"]["text"].upper()}})
"""


@pytest.fixture
def image(machine: Engine) -> Iterator[str]:
    """The image, made here: nothing is pulled."""
    tag = "flash-tests-somebodys:1"
    text = f"FROM {engine.base_image(PYTHON)}\nCMD {json.dumps(['python', '-c', PROGRAM])}\n"
    subprocess.run(["docker", "build", "-q", "-t", tag, "-"], input=text, text=True, check=True, capture_output=True)
    yield tag
    docker("rmi", "--force", tag)


def test_an_app_with_every_shape_answers_in_containers_and_so_does_its_image(
    tmp_path: Path, home: Path, machine: Engine, image: str
) -> None:
    """Every endpoint is called; nothing is left."""
    before = machine.all()
    shell = Shell(tmp_path / "shapes", home)
    write_app(shell, PYTHON, image)

    done = shell.pytest("--flash-preview", "--flash-backend=docker", "-v")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert "tests/test_engine.py::test_the_image_answers PASSED" in done.stdout
    assert machine.all() == before


def test_an_image_is_no_process(tmp_path: Path, home: Path, image: str) -> None:
    """It is told, with what can run it."""
    shell = Shell(tmp_path / "shapes", home)
    write_app(shell, PYTHON, image)

    done = shell.pytest("--flash-preview", "--flash-backend=process")

    assert done.returncode == 1
    assert f"endpoint 'shop-engine' has no handler in its artifact, it runs the image '{image}'" in done.stdout
    assert "only containers can run images" in done.stdout
