"""A secret on its way from whoever deploys to a worker, and nowhere else."""

from __future__ import annotations

import json

import pytest
from fakes_secrets import Maker
from journeys.conftest import Platform, Shell

pytestmark = pytest.mark.journey

OLD, NEW = Maker(31).mixed(30), Maker(32).mixed(31)
GREETER = """
    import os

    from flash import Endpoint, Secret

    TOKEN = os.environ["GREETER_TOKEN"]

    @Endpoint(name="greeter", cpu="cpu3c-1-2", env={"GREETER_TOKEN": Secret("GREETER_TOKEN")})
    def greet(name: str = "world") -> str:
        print("the token is", TOKEN, flush=True)
        return f"Hello, {name}! {len(TOKEN)}"
"""
TEST = """
    import pytest

    @pytest.mark.flash_smoke
    def test_it_greets(flash_endpoint):
        assert flash_endpoint("greeter").runsync({"name": "you"}).output.startswith("Hello, you! 3")
"""


@pytest.fixture
def shell(project: Shell) -> Shell:
    """A project whose module needs its secret to be imported."""
    project.write({"greeter.py": GREETER, "tests/test_greeter.py": TEST})
    return project


def test_a_preview_without_the_secret_says_which_it_is(shell: Shell) -> None:
    """The build needs none of it."""
    done = shell.pytest("--flash-preview", "--flash-backend=process")
    assert done.returncode == 1
    assert "KeyError: 'GREETER_TOKEN'" in done.stdout
    assert "hint: it has no GREETER_TOKEN, which is set neither in the environment nor in .env" in done.stdout


def test_it_reaches_the_workers_and_nothing_that_is_written(shell: Shell, platform: Platform) -> None:
    """From .env; a new value is planned, and deployed; what a worker prints of it is hidden."""
    (shell.root / ".env").write_text(f"GREETER_TOKEN={OLD}\n")
    reports = [f"--flash-report=told.{kind}" for kind in ("json", "html", "md")]
    first = shell.pytest(
        "-vv", "--flash-deploy=production", "--flash-backend=process", "--flash-receipt=r.json", *reports
    )
    assert first.returncode == 0, first.stdout
    # nothing of the deployment is to do, but for the value
    plan = shell.flash("plan", "--json", GREETER_TOKEN=NEW)
    (step,) = json.loads(plan.stdout)["steps"]
    assert (step["action"], step["reasons"]) == ("update", ["env: the secret of GREETER_TOKEN has another value"])
    then = shell.flash("deploy", "--no-gate", "--json", "--backend", "process", GREETER_TOKEN=NEW)
    assert then.returncode == 0, then.stderr
    url = json.loads(then.stdout)["endpoints"][0]["url"]
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world! 31"
    logs = shell.flash("logs", "--env", "production")
    assert "the token is ***" in logs.stdout
    said = "".join([one.stdout + one.stderr for one in (first, plan, then, logs)])
    written = [path for path in shell.root.rglob("*") if path.is_file() and path.name != ".env"]
    assert {path.name for path in written} >= {"told.json", "told.html", "told.md", "r.json", "artifact.tar.gz"}
    for secret in (OLD, NEW):
        assert secret not in said
        assert [path for path in written if secret.encode() in path.read_bytes()] == []


def test_a_deployment_without_the_secret_changes_nothing(shell: Shell, platform: Platform) -> None:
    """And says what to set."""
    done = shell.flash("deploy", "--no-gate", "--backend", "process")
    assert done.returncode == 2
    assert "a secret is not set here: 'GREETER_TOKEN' of greeter" in done.stderr
    assert shell.flash("env", "get", "production").returncode == 1
