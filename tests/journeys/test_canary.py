"""A canary as a team meets it: real workers, users who call meanwhile; good and bad versions, and hardly called."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from journeys.conftest import Platform, Shell, gone, urls

from flash.cloud.client import PlatformClient
from flash.preview.session import local_address

pytestmark = pytest.mark.journey

CANARY = """
import pytest

@pytest.mark.flash_canary(weights=[10, 50, 100], min_samples=40, max_samples=320, max_failure_rate=0.1{more})
def test_it_greets(flash_endpoint):
    assert flash_endpoint("greeter").runsync({{"name": "canary"}}).status.value == "COMPLETED"
"""
GOOD = """
from flash import Endpoint

@Endpoint(name="greeter", cpu="cpu3c-1-2")
def greet(name: str = "world") -> str:
    return f"Howdy, {name}!"
"""
BAD = """
from flash import Endpoint

CALLS = []

@Endpoint(name="greeter", cpu="cpu3c-1-2")
def greet(name: str = "world") -> str:
    if name == "canary":
        CALLS.append(name)
        if len(CALLS) % 10 in (3, 6, 9):
            raise RuntimeError("three of ten")
    return f"Howdy, {name}!"
"""


@contextmanager
def users(platform: Platform, url: str) -> Iterator[Counter[str]]:
    """Somebody calls all the time; what they were answered."""
    answers: Counter[str] = Counter()
    is_over = threading.Event()

    def call() -> None:
        # most calls are the tests': what users are answered well is no failure
        while not is_over.wait(0.1):
            reply = platform.post(f"{url}/runsync", {"input": {"name": "you"}})
            answers[str(reply.json().get("output", reply.text))] += 1

    threads = [threading.Thread(target=call, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join(60)


def deployed(project: Shell) -> str:
    """The first version is live; its URL."""
    project.write({"tests/test_greeter.py": CANARY.format(more="")})
    done = project.pytest("--flash-deploy=production", "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "there are no calls to split" in done.stdout
    return urls(done.stdout)["greeter"]


def report_of(project: Shell) -> dict[str, object]:
    """What ``--flash-report=report.json`` wrote."""
    found: dict[str, object] = json.loads((project.root / "report.json").read_text(encoding="utf-8"))
    return found


def steps_of(project: Shell) -> list[tuple[int, str]]:
    """What came of each step."""
    steps = report_of(project)["canary"]
    assert isinstance(steps, list)
    return [(step["weight"], step["outcome"]) for step in steps]


def test_a_good_version_goes_through_all_steps(project: Shell, platform: Platform) -> None:
    """Users meet more and more of it, and none of them a failure."""
    url = deployed(project)
    project.write({"greeter.py": GOOD})

    with users(platform, url) as answers:
        done = project.pytest("--flash-deploy=production", "-v", "--flash-report=report.json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "flash::canary[production] PASSED" in done.stdout
    assert steps_of(project) == [(10, "pass"), (50, "pass"), (100, "pass")]
    assert set(answers) == {"Hello, you!", "Howdy, you!"}, answers
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Howdy, world!"


def test_a_version_that_fails_is_stopped_at_the_first_step(project: Shell, platform: Platform) -> None:
    """The one before it serves throughout; nothing of it is left."""
    url = deployed(project)
    project.write({"greeter.py": BAD})

    with users(platform, url) as answers:
        done = project.pytest("--flash-deploy=production", "-v", "--flash-report=report.json")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "flash::canary[production] FAILED" in done.stdout
    assert "rolled back production: the canary failed at 10 %: greeter: " in done.stdout
    assert steps_of(project) == [(10, "fail")]
    assert report_of(project)["outcome"] == "rolled-back"
    assert set(answers) == {"Hello, you!", "Howdy, you!"}, answers
    assert answers["Hello, you!"] > answers["Howdy, you!"]
    for _ in range(20):
        assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world!"
    with PlatformClient(local_address(platform.state)) as client:
        live = client.environment("demo", "production")
        assert live is not None
        ((version,),) = client.environment_versions(live.id).values()
        assert version.state == "ACTIVE"


def test_too_little_traffic_is_not_enough_data(project: Shell, platform: Platform) -> None:
    """Which is not a pass."""
    url = deployed(project)
    slow = CANARY.replace("def test_it", "def test_slowly_it").replace("    assert", "    time.sleep(0.2)\n    assert")
    more = {"tests/test_greeter.py": "import time\n" + slow.format(more=", timeout_s=3"), "greeter.py": GOOD}
    project.write(more)

    done = project.pytest("--flash-deploy=production", "-v", "--flash-report=report.json")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "the canary has not enough data at 10 %: greeter: " in done.stdout
    assert steps_of(project) == [(10, "not-enough-data")]
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world!"


def test_a_run_that_is_killed_during_a_step_leaves_nobody_on_the_new_version(
    project: Shell, platform: Platform
) -> None:
    """Its tests end with it; whoever comes next has the environment at once, and deploys."""
    url = deployed(project)
    slow = CANARY.replace("    assert", "    time.sleep(0.1)\n    assert").format(more="")
    project.write({"tests/test_greeter.py": "import time\n" + slow, "greeter.py": GOOD})
    run = project.start("pytest", "-p", "no:cacheprovider", "--flash-deploy=production")
    with PlatformClient(local_address(platform.state)) as client:
        live = client.environment("demo", "production")
        assert live is not None

        def share() -> int:
            found = client.traffic(live.id).values()
            return max((one.share for versions in found for one in versions if one.state == "STAGED"), default=0)

        deadline = time.monotonic() + 120
        while share() != 10:
            assert time.monotonic() < deadline
            assert run.poll() is None, run.communicate()[0]
        children = [int(one) for one in _children(run.pid)]
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        assert children
        gone(children)
        project.write({"tests/test_greeter.py": "def test_nothing():\n    pass\n"})

        done = project.pytest("--flash-deploy=production")

        assert done.returncode == 0, done.stdout + done.stderr
        assert share() == 0
        assert all(len(versions) == 1 for versions in client.traffic(live.id).values())
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Howdy, world!"


def _children(pid: int) -> list[str]:
    found = []
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
        found += file.read().split()
    return found
