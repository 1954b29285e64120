"""Previews in containers: they do what processes do, and leave nothing behind however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from containers.conftest import Engine, docker, until
from journeys.conftest import Shell, interrupt


def test_the_quickstart_passes_in_containers(quickstart: Shell, machine: Engine) -> None:
    """The header says what workers are and why, the stage is named for it, and nothing is left."""
    before = machine.all()
    done = quickstart.pytest("--flash-preview", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flash: workers: docker (Docker " in done.stdout
    assert "flash::preview[docker] PASSED" in done.stdout
    assert machine.all() == before


def test_a_failing_test_leaves_nothing(shell: Shell, machine: Engine) -> None:
    """Its report has the end of the worker's log."""
    before = machine.all()
    shell.write({"greeter.py": (shell.root / "greeter.py").read_text().replace("Hello", "Goodbye")})
    done = shell.pytest("--flash-preview", "--flash-backend=docker")
    assert done.returncode == 1
    assert "waiting for jobs" in done.stdout
    assert machine.all() == before


def test_a_worker_that_dies_at_start_shows_its_log_and_leaves_nothing(shell: Shell, machine: Engine) -> None:
    """The end of what it wrote is in the report of the stage."""
    before = machine.all()
    # at import it is described without a worker's environment, and works
    broken = 'import os\nif os.environ.get("RUNPOD_POD_ID"):\n    raise RuntimeError("no weights here")\n'
    shell.write({"greeter.py": broken + (shell.root / "greeter.py").read_text()})
    done = shell.pytest("--flash-preview", "--flash-backend=docker")
    assert done.returncode == 1
    assert "flash::preview[docker]" in done.stdout
    assert "the worker exited with status 1 before it was ready" in done.stdout
    assert "RuntimeError: no weights here" in done.stdout
    assert machine.all() == before


SLOW_TEST = {
    "tests/test_greeter.py": """
        import pathlib, time

        def test_it_takes_long(flash_endpoint):
            flash_endpoint("greeter").runsync({})
            pathlib.Path("running").touch()
            time.sleep(600)
    """
}


def running(shell: Shell) -> subprocess.Popen[str]:
    """A pytest whose test has begun."""
    shell.write(SLOW_TEST)
    process = shell.start("pytest", "-p", "no:cacheprovider", "--flash-preview", "--flash-backend=docker")
    until((shell.root / "running").exists, "the test does not begin")
    return process


def test_a_killed_pytest_leaves_nothing(shell: Shell, machine: Engine) -> None:
    """Its platform ends with it, and takes containers and network along."""
    before = machine.all()
    process = running(shell)
    assert machine.all() != before
    process.kill()
    process.communicate()
    until(lambda: machine.all() == before, "something is left")


def test_ctrl_c_leaves_nothing(shell: Shell, machine: Engine) -> None:
    """When pytest has ended, everything is gone."""
    before = machine.all()
    process = running(shell)
    interrupt(process)
    process.communicate()
    assert process.returncode == 2
    assert machine.all() == before


def platform_of(process: subprocess.Popen[str]) -> int:
    """The process id of the platform that a pytest has started."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_containers_end_with_a_killed_platform_and_its_owner_removes_the_rest(shell: Shell, machine: Engine) -> None:
    """The workers notice by themselves; the network goes when the run ends."""
    before = machine.all()
    process = running(shell)
    os.kill(platform_of(process), signal.SIGKILL)
    until(lambda: machine.containers() == before[0], "containers do not end with their platform")
    interrupt(process)
    process.communicate()
    assert machine.all() == before


def test_what_a_killed_run_left_goes_with_the_next(shell: Shell, machine: Engine) -> None:
    """Platform and pytest killed at once leave a network, which the next preview removes; another's stays."""
    before = machine.all()
    process = running(shell)
    os.kill(platform_of(process), signal.SIGKILL)
    process.kill()
    process.communicate()
    until(lambda: machine.containers() == before[0], "containers do not end with their platform")
    assert machine.networks() != before[1]
    labels = ("--label", "flash.home=/somebody/elses", "--label", "flash.folder=/gone")
    foreign = docker("network", "create", *labels, f"somebody-elses-{os.getpid()}")
    try:
        shell.write({"tests/test_greeter.py": "def test_nothing(flash_preview):\n    pass\n"})
        assert shell.pytest("--flash-preview", "--flash-backend=docker").returncode == 0
        assert machine.all() == before
        assert foreign in docker("network", "ls", "-q", "--no-trunc").split()
    finally:
        docker("network", "rm", foreign)


ONE_CALL = """
    def test_it(flash_endpoint):
        assert flash_endpoint("greeter").runsync({}).output
"""


def test_two_previews_at_once_do_not_meet(shell: Shell, machine: Engine) -> None:
    """A second one starts, passes and ends while the first goes on."""
    process = running(shell)
    workers = machine.workers()
    shell.write({"tests/test_greeter.py": ONE_CALL})
    done = shell.pytest("--flash-preview", "--flash-backend=docker")
    assert done.returncode == 0, done.stdout
    assert machine.workers().keys() == workers.keys()
    interrupt(process)
    process.communicate()


LOOK = """
    import os, socket
    from pathlib import Path
    from flash import Endpoint

    @Endpoint(name="greeter", cpu="cpu3c-1-2", env={"MINE": "yes"})
    def look() -> dict:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        names = sorted(name for name in os.environ)
        peer = socket.gethostbyname("web")
        return {"cwd": os.getcwd(), "mounts": mounts, "names": names, "peer": peer, "mine": os.environ["MINE"]}

    api = Endpoint(name="web", cpu="cpu3c-1-2")

    @api.get("/hello")
    def hello() -> str:
        return "hello"
"""
LOOKED = """
    import json, os, pathlib, subprocess
    import httpx

    def test_it(flash_endpoint, flash_preview):
        job = flash_endpoint("greeter").runsync({})
        assert job.status == "COMPLETED", job.error

        def docker(*arguments):
            return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout

        home = pathlib.Path(os.environ["FLASH_HOME"]).resolve()
        labels = ["label=flash.endpoint=web", f"label=flash.home={home}"]
        ids = docker("ps", "-q", *(f"--filter={label}" for label in labels)).split()
        facts = json.loads(docker("inspect", *ids))
        (network,) = facts[0]["NetworkSettings"]["Networks"].values()
        direct = httpx.get(f"http://{network['IPAddress']}/hello", trust_env=False)
        seen = {"output": job.output, "facts": facts, "direct": direct.json()}
        pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


def test_a_container_has_its_artifact_and_nothing_of_the_checkout(shell: Shell, machine: Engine) -> None:
    """Endpoints find each other by name, nothing is mounted or published, and everything is labelled."""
    shell.write({"greeter.py": LOOK, "tests/test_greeter.py": LOOKED})
    done = shell.pytest("--flash-preview", "--flash-backend=docker")
    assert done.returncode == 0, done.stdout
    seen = json.loads((shell.root / "seen.json").read_text())
    (facts,) = seen["facts"]
    assert seen["output"]["cwd"] == "/app"
    assert seen["output"]["mine"] == "yes"
    assert seen["direct"] == "hello"
    (network,) = facts["NetworkSettings"]["Networks"].values()
    assert seen["output"]["peer"] == network["IPAddress"]
    assert (facts["Mounts"], facts["HostConfig"]["Binds"], facts["NetworkSettings"]["Ports"]) == ([], None, {})
    assert not [mount for mount in seen["output"]["mounts"] if str(shell.root) in mount]
    assert "RUNPOD_API_KEY" not in seen["output"]["names"]
    labels = facts["Config"]["Labels"]
    assert labels["flash.home"] == machine.home
    assert labels["flash.endpoint"] == "web"
    assert labels["flash.platform"]
