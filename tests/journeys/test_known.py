"""Endpoints that are known by their ids, called where they are deployed: from scripts, and from other endpoints."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from journeys.conftest import Platform, Shell, urls

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.journey

CALLED = {
    "pyproject.toml": """
        [tool.flash]
        app = "called"
        python = "{python}"

        [tool.flash.environments.production]
        target = "local"
    """,
    "served.py": """
        from flash import Endpoint

        api = Endpoint(name="web", cpu="cpu3c-1-2")

        @Endpoint(name="adder", cpu="cpu3c-1-2")
        def add(a: int, b: int) -> int:
            return a + b

        @api.get("/items/{key}")
        def item(key: str, many: int = 1) -> dict[str, object]:
            return {"key": key, "many": many}
    """,
}

CALLING = {
    "pyproject.toml": """
        [tool.flash]
        app = "calling"
        python = "{python}"

        [tool.flash.environments.production]
        target = "local"
    """,
    "known.py": """
        from flash import Endpoint

        adder = Endpoint(id="{adder}")
        web = Endpoint(id="{web}")
    """,
    "calling.py": """
        import known
        import runpod_flash
        from flash import Endpoint

        @Endpoint(name="plain", cpu="cpu3c-1-2")
        def plain(n: int = 1) -> dict:
            item = known.web.get("/items/pen", {"many": n})
            return {"sum": known.adder.runsync({"a": n, "b": 1}).output, "item": item}

        @Endpoint(name="awaiting", cpu="cpu3c-1-2")
        async def awaiting(n: int = 1) -> dict:
            job = await known.adder.run({"a": n, "b": 2})
            await job.wait(timeout=60)
            return {"sum": job.output, "item": await known.web.get("/items/pen")}

        @runpod_flash.Endpoint(name="older", cpu="cpu3c-1-2")
        async def older(n: int = 1) -> int:
            return (await runpod_flash.Endpoint(id="{adder}").runsync({"a": n, "b": 3})).output

        @Endpoint(name="alone", cpu="cpu3c-1-2")
        def alone() -> str:
            import os

            return os.environ.get("RUNPOD_API_KEY", "no key")
    """,
}

SCRIPT = """
import asyncio

import flash
import runpod_flash

adder = flash.Endpoint(id="{adder}")
job = adder.run({"a": 1, "b": 2})
print(job.wait(60).output, job.done, job.status())
print(flash.Endpoint(id="{web}").get("/items/pen", {"many": 2}))
print(adder.runsync({"a": 1, "b": "x"}).error)
print(sorted(adder.health()))

async def main():
    older = runpod_flash.Endpoint(id="{adder}")
    first, second = await asyncio.gather(older.runsync({"a": 1, "b": 1}), adder.runsync({"a": 2, "b": 2}))
    print(first.output, second.output)

asyncio.run(main())
print(asyncio.run(runpod_flash.Endpoint(id="{adder}").runsync({"a": 5, "b": 5})).output)
"""


def write(shell: Shell, files: dict[str, str], **marks: str) -> None:
    for mark, value in marks.items():
        files = {name: text.replace(f"{{{mark}}}", value) for name, text in files.items()}
    shell.write(files)


def deployed(shell: Shell) -> dict[str, str]:
    done = shell.flash("deploy", "--no-gate", "--env", "production")
    assert done.returncode == 0, done.stdout + done.stderr
    return urls(done.stdout)


def test_known_endpoints_are_called_from_scripts_and_from_endpoints_of_other_apps(
    tmp_path: Path, home: Path, platform: Platform
) -> None:
    """With the user's key, and in workers with their own; in both spellings. Who calls nobody has no key."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    called, calling = Shell(tmp_path / "called", home), Shell(tmp_path / "calling", home)
    write(called, CALLED, python=version)
    ids = {name: url.rpartition("/")[2] for name, url in deployed(called).items()}

    variables = json.loads(called.flash("platform", "env", "--json").stdout)
    script = SCRIPT.replace("{adder}", ids["adder"]).replace("{web}", ids["web"])
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env={**called.variables, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "3 True COMPLETED",
        "{'key': 'pen', 'many': 2}",
        "invalid input: b: Input should be a valid integer, unable to parse string as an integer",
        "['jobs', 'workers']",
        "2 4",
        "10",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=called.variables, capture_output=True, text=True, check=False)
    assert "there is no API key" in done.stderr

    write(calling, CALLING, python=version, adder=ids["adder"], web=ids["web"])
    found = deployed(calling)
    answers = {name: platform.post(f"{url}/runsync", {"input": {}}).json() for name, url in found.items()}
    assert {name: answer.get("output", answer) for name, answer in answers.items()} == {
        "plain": {"sum": 2, "item": {"key": "pen", "many": 1}},
        "awaiting": {"sum": 3, "item": {"key": "pen", "many": 1}},
        "older": 4,
        "alone": "no key",
    }
