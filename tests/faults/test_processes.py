"""Real commands, real workers: a smoke run that fails, dies or is broken off, and commands that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.proxy import FAULTS, Plan, Proxy
from journeys.conftest import Platform, Shell, home, interrupt, platform, project, shared_bases, urls

pytestmark = pytest.mark.faults

__all__ = ["home", "platform", "project", "shared_bases"]

_PATIENCE_S = 120.0

FAILS = """
import pytest

@pytest.mark.flash_deployed_only
def test_it_greets_differently(flash_endpoint):
    assert flash_endpoint("greeter").runsync({}).output == "Good day"
"""
DIES = """
import os, signal
import pytest

@pytest.mark.flash_deployed_only
def test_it_dies(flash_deployment):
    os.kill(os.getpid(), signal.SIGKILL)
"""
HANGS = """
import os, signal
import pytest

@pytest.mark.flash_deployed_only
def test_it_hangs(flash_deployment):
    with open(os.environ["HANGS"], "w", encoding="utf-8") as told:
        told.write("hangs")
    while True:
        signal.pause()
"""
ENDS_THE_PLATFORM = """
import json, os, signal
from pathlib import Path
import pytest

@pytest.mark.flash_deployed_only
def test_the_platform_is_killed(flash_deployment):
    state = json.loads(Path(os.environ["FLASH_HOME"], "platform", "platform.json").read_text(encoding="utf-8"))
    os.kill(state["pid"], signal.SIGKILL)
    assert False
"""
PASSES = "def test_nothing():\n    pass\n"


@pytest.fixture
def live(project: Shell, platform: Platform) -> str:
    """The URL of the old version, which is live; the project's sources are the new one's."""
    done = project.flash("deploy", "--no-gate", "--env", "production")
    assert done.returncode == 0, done.stderr
    url = urls(done.stdout)["greeter"]
    assert greeting(platform, url) == "Hello, world!"
    project.write({"greeter.py": (project.root / "greeter.py").read_text(encoding="utf-8").replace("Hello", "Howdy")})
    return url


def greeting(platform: Platform, url: str) -> str:
    """What the endpoint answers."""
    return str(platform.post(f"{url}/runsync", {"input": {}}).json()["output"])


def report(project: Shell) -> dict[str, Any]:
    """The last run's report."""
    return dict(json.loads((project.root / "report.json").read_text(encoding="utf-8")))


def deploy(project: Shell, smoke: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Deploy with that smoke test."""
    project.write({"tests/test_greeter.py": smoke})
    return project.pytest("--flash-deploy=production", "-v", "--flash-report=report.json", **environment)


def test_a_failing_smoke_test_puts_the_old_version_back_and_everything_says_so(
    project: Shell, platform: Platform, live: str
) -> None:
    """Exit status, terminal and report; and that the rollback was read back from the platform."""
    done = deploy(project, FAILS)

    assert done.returncode == 1
    assert "flash::smoke[production] FAILED" in done.stdout
    assert "flash::rollback[production] PASSED" in done.stdout
    assert greeting(platform, live) == "Hello, world!"
    told = report(project)
    assert told["outcome"] == "rolled-back"
    assert told["rollback"]["outcome"] == "restored"
    assert "read back, and healthy" in told["live"]
    assert told["live"] in done.stdout
    assert "test_it_greets_differently" in told["error"]["message"]


def test_a_smoke_run_that_is_killed_is_no_pass(project: Shell, platform: Platform, live: str) -> None:
    """The old version is put back."""
    done = deploy(project, DIES)

    assert done.returncode == 1
    assert "flash::smoke[production] FAILED" in done.stdout
    assert report(project)["rollback"]["outcome"] == "restored"
    assert greeting(platform, live) == "Hello, world!"


def test_ctrl_c_in_a_smoke_run_that_hangs_puts_the_old_version_back(
    project: Shell, platform: Platform, live: str
) -> None:
    """What was not verified does not stay."""
    told = project.root / "hangs"
    os.mkfifo(told)
    project.write({"tests/test_greeter.py": HANGS})
    shell = Shell(project.root, project.home, {"HANGS": str(told)})
    run = shell.start("pytest", "-p", "no:cacheprovider", "--flash-deploy=production", "-v")
    assert told.read_text(encoding="utf-8") == "hangs"

    interrupt(run)
    output, _ = run.communicate(timeout=_PATIENCE_S)

    assert run.returncode == 2, output
    assert "flash::rollback[production]" in output
    assert greeting(platform, live) == "Hello, world!"


def test_a_rollback_that_fails_is_told_plainly(project: Shell, platform: Platform, live: str) -> None:
    """Nobody is to believe that the old version is back; and the next run converges."""
    done = deploy(project, ENDS_THE_PLATFORM)

    assert done.returncode == 1
    assert "flash::rollback[production] FAILED" in done.stdout
    told = report(project)
    assert told["outcome"] == "failed"
    assert told["rollback"]["outcome"] == "failed"
    assert "could not be put back" in told["error"]["message"]
    started = project.flash("platform", "start")
    assert started.returncode == 0, started.stderr
    assert project.flash("deploy", "--no-gate", "--env", "production").returncode == 0
    assert greeting(platform, live) == "Howdy, world!"


@pytest.fixture
def proxy(platform: Platform, home: Path) -> Iterator[Proxy]:
    """Between whoever deploys and the platform, which is found there."""
    proxy = Proxy(platform.state.url)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("fault", ["killed-before", "killed-after"])
@pytest.mark.parametrize("at", ["saveEndpoint[1]", "deployBuildToEnvironment[1]"])
def test_a_killed_command_leaves_one_version_and_the_next_run_converges(
    project: Shell, home: Path, platform: Platform, live: str, proxy: Proxy, at: str, fault: str
) -> None:
    """``pytest --flash-deploy``, killed when the platform is asked, or before it can answer."""
    project.write({"tests/test_greeter.py": PASSES})
    found = home / "platform" / "platform.json"
    state = found.read_text(encoding="utf-8")
    found.write_text(json.dumps({**json.loads(state), "url": proxy.url}), encoding="utf-8")
    plan = Plan(at=at, fault=FAULTS[fault])
    proxy.begin(plan)
    run = project.start("pytest", "-p", "no:cacheprovider", "--flash-deploy=production")
    plan.pid = run.pid
    plan.pid_known.set()
    run.communicate(timeout=_PATIENCE_S)
    proxy.end()
    assert run.returncode == -signal.SIGKILL
    # workers are started on demand: the question waits for them
    is_new = (at, fault) == ("deployBuildToEnvironment[1]", "killed-after")
    assert greeting(platform, live) == ("Howdy, world!" if is_new else "Hello, world!")

    done = project.pytest("--flash-deploy=production")
    found.write_text(state, encoding="utf-8")

    assert done.returncode == 0, done.stdout
    assert greeting(platform, live) == "Howdy, world!"
