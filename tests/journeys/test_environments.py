"""Several environments of one app, from one checkout and from several; and plans, which touch none of them."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from journeys.conftest import Platform, Shell

pytestmark = pytest.mark.journey


def deploy(shell: Shell, environment: str, *arguments: str) -> dict[str, Any]:
    """What ``flash deploy --no-gate`` made live."""
    done = shell.flash("deploy", "--env", environment, "--target", "local", "--no-gate", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def shout(shell: Shell, how: str) -> None:
    """Change what the endpoint answers."""
    source = (shell.root / "greeter.py").read_text(encoding="utf-8")
    shell.write({"greeter.py": source.replace("!", how)})


def ids(deployed: dict[str, Any]) -> dict[str, str]:
    return {endpoint["name"]: endpoint["id"] for endpoint in deployed["endpoints"]}


def hello(platform: Platform, deployed: dict[str, Any]) -> object:
    return platform.post(f"{deployed['endpoints'][0]['url']}/runsync", {"input": {}}).json()["output"]


def test_two_environments_never_share_an_endpoint(project: Shell, platform: Platform) -> None:
    """Staging is deployed beside production, from this checkout and from another; production stays as it is."""
    production = deploy(project, "production")
    shout(project, "!!")
    staging = deploy(project, "staging")
    assert ids(production).keys() == ids(staging).keys()
    assert set(ids(production).values()).isdisjoint(ids(staging).values())

    elsewhere = Shell(project.root.with_name("elsewhere"), project.home)
    shutil.copytree(project.root, elsewhere.root, ignore=shutil.ignore_patterns(".flash", "__pycache__"))
    shout(elsewhere, "!!!")
    again = deploy(elsewhere, "staging")

    assert ids(again) == ids(staging)
    assert hello(platform, staging) == "Hello, world!!!!!!"
    assert hello(platform, production) == "Hello, world!"
    live = json.loads(project.flash("env", "get", "production", "--json").stdout)
    assert (live["digest"], ids(live)) == (production["digest"], ids(production))


def test_what_is_live_plans_nothing_also_from_another_checkout(project: Shell, platform: Platform) -> None:
    """The digest of the same sources is the same, and nothing that a platform does to a manifest counts."""
    deploy(project, "production")
    elsewhere = Shell(project.root.with_name("elsewhere"), project.home)
    shutil.copytree(project.root, elsewhere.root, ignore=shutil.ignore_patterns(".flash", "__pycache__"))

    plans = [shell.flash("plan", "--expect-no-changes", "--json") for shell in (project, elsewhere)]

    assert [plan.returncode for plan in plans] == [0, 0], plans[1].stdout + plans[1].stderr
    first, second = (json.loads(plan.stdout) for plan in plans)
    assert first == second
    assert (first["is_empty"], first["summary"]["keep"]) == (True, 1)


def test_what_was_planned_is_deployed_and_nothing_else(project: Shell, platform: Platform) -> None:
    """A plan is made, somebody else deploys, and the plan is refused with what changed; a new one is carried out."""
    first = project.flash("plan", "--out", "first.json")
    assert first.returncode == 0, first.stderr
    assert "+ create   greeter  not there yet" in first.stdout
    # a plan makes nothing
    assert project.flash("env", "get", "production").returncode == 1

    production = deploy(project, "production", "--plan", "first.json")
    shout(project, "!!")
    stale = project.flash("deploy", "--no-gate", "--plan", "first.json")

    assert stale.returncode == 1
    assert "the plan no longer fits: environment 'production' was made" in stale.stderr
    assert hello(platform, production) == "Hello, world!"

    assert project.flash("plan", "--out", "second.json").returncode == 0
    shout(project, "??")
    other = project.flash("deploy", "--no-gate", "--plan", "second.json")
    assert other.returncode == 1
    assert "the plan's is" in other.stderr
    assert hello(platform, production) == "Hello, world!"


def test_a_planned_run_of_the_tests_starts_no_platform(project: Shell) -> None:
    """Nobody asked for one; the preview's ends with the run."""
    done = project.pytest("--flash-deploy=production", "--flash-plan")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ create   greeter  not there yet" in done.stdout
    assert "! no local platform runs" in done.stdout
    assert project.flash("platform", "status").returncode == 1
