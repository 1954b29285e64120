"""A local platform with containers: they outlive pytest, rest with the platform, and go with ``flash undeploy``."""

from __future__ import annotations

import json
import re

import httpx
from containers.conftest import Engine, docker, until
from journeys.conftest import Shell, block, urls


def exported(shell: Shell) -> dict[str, str]:
    """What ``flash platform env`` would set."""
    return dict(re.findall(r"^export (\w+)='(.*)'$", shell.flash("platform", "env").stdout, re.MULTILINE))


def greet(shell: Shell, url: str) -> object:
    """What the deployed endpoint answers."""
    headers = {"Authorization": f"Bearer {exported(shell)['RUNPOD_API_KEY']}"}
    reply = httpx.post(f"{url}/runsync", json={"input": {}}, headers=headers, timeout=60, trust_env=False)
    return reply.json().get("output")


def test_containers_outlive_pytest_rest_with_the_platform_and_go_with_undeploy(
    shell: Shell, own_platform: int, machine: Engine
) -> None:
    """The image, too, goes with the version."""
    before = machine.all()
    started = shell.flash("platform", "start", "--backend=docker", f"--port={own_platform}")
    assert started.returncode == 0, started.stderr
    assert "its workers are containers" in started.stderr
    assert len(machine.networks() - before[1]) == 1

    done = shell.pytest("--flash-deploy=production")
    assert done.returncode == 0, done.stdout + done.stderr
    url = urls(done.stdout)["greeter"]
    # as it is where workers are processes
    assert block(done.stdout)[:6] == [
        *("✓ Deployment Complete", "", "Queue-based endpoints:", "  URL/v2  (greeter)", "", "  Try it:"),
    ]
    assert block(done.stdout)[7] == "    curl -X POST URL/v2/runsync \\"
    assert greet(shell, url) == "Hello, world!"
    (worker,) = machine.workers().values()
    assert worker["Config"]["Image"].startswith("flash-worker-")
    assert worker["Config"]["Image"] in machine.images()

    assert shell.flash("platform", "stop").returncode == 0
    assert machine.all() == before
    assert shell.flash("platform", "start").returncode == 0
    assert json.loads(shell.flash("platform", "status", "--json").stdout)["backend"] == "docker"
    assert greet(shell, url) == "Hello, world!"

    assert shell.flash("undeploy").returncode == 0
    assert machine.containers() == before[0]
    until(lambda: not [tag for tag in machine.images() if tag.startswith("flash-worker-")], "an image is left")


def test_a_second_deployment_replaces_container_and_image(shell: Shell, own_platform: int, machine: Engine) -> None:
    """The URL stays."""
    shell.flash("platform", "start", "--backend=docker", f"--port={own_platform}")
    done = shell.pytest("--flash-deploy=production")
    assert done.returncode == 0, done.stdout + done.stderr
    first = urls(done.stdout)["greeter"]
    (before,) = machine.workers().values()
    shell.write({"greeter.py": (shell.root / "greeter.py").read_text().replace("!", "!!")})
    shell.write({"tests/test_greeter.py": "def test_nothing():\n    pass\n"})

    second = urls(shell.pytest("--flash-deploy=production").stdout)["greeter"]

    assert second == first
    assert greet(shell, second) == "Hello, world!!"
    until(lambda: before["Config"]["Image"] not in machine.images(), "the old image is left")
    assert before["Id"] not in machine.containers()


def test_another_backend_than_the_one_that_runs_is_refused(shell: Shell, own_platform: int) -> None:
    """Before anything is built."""
    shell.flash("platform", "start", "--backend=docker", f"--port={own_platform}")
    done = shell.pytest("--flash-deploy=production", "--flash-backend=process")
    assert done.returncode == 1
    assert "the local platform runs already, and its workers are containers" in done.stdout + done.stderr
    assert "flash platform stop" in done.stdout + done.stderr
    assert not (shell.root / ".flash" / "artifact.tar.gz").exists()


def test_no_engine_is_an_error_where_containers_were_asked_for_and_a_reason_elsewhere(shell: Shell) -> None:
    """One line and a hint; nothing is built."""
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = shell.pytest("--flash-preview", "--flash-backend=docker", **nowhere)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "no containers: no Docker engine answers at unix:///nowhere/docker.sock" in said
    assert "hint: correct or unset DOCKER_HOST" in said
    assert "Traceback" not in said
    assert "flash::build" not in said
    fallen_back = shell.pytest("--flash-preview", **nowhere)
    assert fallen_back.returncode == 0, fallen_back.stdout
    assert "flash: workers: process (no Docker engine answers at unix:///nowhere/docker.sock" in fallen_back.stdout


def test_an_image_that_cannot_be_had_is_an_error(shell: Shell) -> None:
    """A registry that does not exist has no images."""
    name = "registry.invalid/nothing:1"
    shell.write({"greeter.py": f'from flash import Endpoint\n\nserver = Endpoint(name="greeter", image="{name}")\n'})
    done = shell.flash("deploy", "--preview", "--backend=docker")
    assert done.returncode == 1
    assert f"image {name} is not here and cannot be pulled" in done.stderr
    assert docker("images", "-q", name) == ""
