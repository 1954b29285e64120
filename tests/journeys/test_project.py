"""The command line around a project, as typed: made, served, looked into, swept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
from journeys.conftest import Platform, Shell, gone, interrupt, workers_of

pytestmark = pytest.mark.journey


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """What *process* writes, up to a line with *text*."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError("".join(seen))


def test_a_new_project_passes_its_tests_at_once(tmp_path: Path, home: Path, platform: Platform) -> None:
    """Without a preview, with one, and deployed; ``flash init`` twice changes nothing."""
    shell = Shell(tmp_path, home)
    assert shell.flash("init", "demo").returncode == 0
    demo = Shell(tmp_path / "demo", home)

    plain = demo.pytest()
    assert (plain.returncode, "3 passed, 3 skipped" in plain.stdout) == (0, True), plain.stdout
    preview = demo.pytest("--flash-preview")
    assert preview.returncode == 0, preview.stdout
    assert "skipped" not in preview.stdout
    deployed = demo.pytest("--flash-deploy=staging")
    assert deployed.returncode == 0, deployed.stdout

    inspected = json.loads(demo.flash("inspect", "--json").stdout)
    assert [endpoint["name"] for endpoint in inspected["endpoints"]] == ["gpu_worker", "lb_worker"]
    assert "gpu_worker.py" in [part["name"] for part in inspected["project"]]
    apps = json.loads(demo.flash("app", "get", "demo", "--target", "local", "--json").stdout)["platforms"]
    assert [(app["name"], app["builds"], len(app["environments"])) for app in apps] == [("demo", 1, 1)]
    logs = demo.flash("logs", "gpu_worker", "--env", "staging")
    assert "waiting for jobs" in logs.stdout
    again = shell.flash("init", "demo")
    assert (again.returncode, "nothing was written" in again.stderr) == (1, True)

    assert demo.flash("app", "delete", "demo", "--target", "local").returncode == 0
    assert json.loads(demo.flash("app", "list", "--target", "local", "--json").stdout) == {"apps": []}


SLOW = """
    import time
    from flash import Endpoint

    @Endpoint(name="greeter", cpu="cpu3c-1-2")
    def greet() -> str:
        print("begun", flush=True)
        time.sleep(3600)
"""


def serving(project: Shell) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """``flash preview`` with one job that takes an hour; the preview's answer to ``--json``."""
    process = project.start("flash", "preview", "--backend", "process", "--json")
    told = "".join(lines_until(process, "}\n"))
    while told.count("{") != told.count("}"):
        told += "".join(lines_until(process, "}\n"))
    data = json.loads(told[told.index("{") :])
    job = httpx.post(
        f"{data['endpoints'][0]['url']}/run",
        json={"input": {}},
        headers={"Authorization": f"Bearer {data['api_key']}"},
        timeout=60,
        trust_env=False,
    )
    assert job.status_code == 200
    lines_until(process, "greeter | begun")
    return process, data


def test_a_preview_shows_its_workers_logs_and_ends_with_ctrl_c(project: Shell, home: Path) -> None:
    """In order, even where a job does not end: its worker is given a few seconds."""
    project.write({"greeter.py": SLOW})
    process, _ = serving(project)

    interrupt(process)

    rest = "".join(lines_until(process, "✓ Preview stopped"))
    assert process.wait() == 0, rest
    assert workers_of(home) == []
    assert list((home / "previews").iterdir()) == []
    assert process.stdout is not None
    process.stdout.close()


def test_ctrl_c_twice_ends_a_preview_at_once(project: Shell, home: Path) -> None:
    """Nothing of it stays."""
    project.write({"greeter.py": SLOW})
    process, _ = serving(project)
    others = workers_of(home)

    interrupt(process)
    lines_until(process, "Ctrl+C again stops at once")
    interrupt(process)

    assert process.wait() == 130
    gone(others)
    assert list((home / "previews").iterdir()) == []
    assert process.stdout is not None
    process.stdout.close()


def test_what_a_killed_preview_left_is_swept(project: Shell, home: Path) -> None:
    """And what one that runs has is not."""
    killed = project.start("flash", "preview", "--backend", "process")
    lines_until(killed, "Press Ctrl+C")
    others = workers_of(home)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    gone([pid for pid in others if pid != killed.pid])
    (left,) = (path for path in (home / "previews").iterdir() if path.is_dir())

    running = project.start("flash", "preview", "--backend", "process")
    lines_until(running, "Press Ctrl+C")
    # the new one has removed it already; what makes bases leaves the same
    assert not left.exists()
    (home / "bases" / ".making-0").mkdir()
    swept = json.loads(project.flash("sweep", "--json").stdout)

    assert swept == {"removed": [f"folder {home / 'bases' / '.making-0'}"], "left": []}
    assert len([path for path in (home / "previews").iterdir() if path.is_dir()]) == 1
    interrupt(running)
    lines_until(running, "✓ Preview stopped")
    assert running.wait() == 0
    for process in (killed, running):
        assert process.stdout is not None
        process.stdout.close()


def test_apps_and_environments_are_made_and_removed_one_at_a_time(project: Shell, platform: Platform) -> None:
    """A second one of the same name is refused, and what is not named stays."""

    def flash(*arguments: str) -> int:
        return project.flash(*arguments, "--target", "local").returncode

    assert flash("app", "create", "other") == 0
    assert flash("app", "create", "other") == 1
    assert flash("env", "create", "production") == 0
    assert flash("env", "create", "production") == 1
    assert flash("env", "create", "try") == 0
    assert flash("env", "delete", "try") == 0
    assert flash("env", "delete", "try") == 1
    assert flash("app", "delete", "other") == 0
    listed = json.loads(project.flash("app", "list", "--target", "local", "--json").stdout)["apps"]
    assert [(app["name"], [one["name"] for one in app["environments"]]) for app in listed] == [("demo", ["production"])]


KILLED = """
    import os, signal, sys
    from flash.cloud.client import PlatformClient
    from flash.__main__ import main

    def activate(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    PlatformClient.activate = activate
    sys.argv = ["flash", "deploy", "--no-gate", "--env", "production"]
    main()
"""


def test_what_a_killed_deployment_left_is_swept(project: Shell, home: Path, platform: Platform) -> None:
    """The endpoint and the environment that it made; the journal is settled."""
    project.write({"killed.py": KILLED})
    killed = subprocess.run([sys.executable, "killed.py"], cwd=project.root, env=project.variables, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (project.root / "killed.py").unlink()

    swept = json.loads(project.flash("sweep", "--json").stdout)

    assert swept == {"removed": ["endpoint greeter of demo/production", "environment demo/production"], "left": []}
    assert project.flash("env", "get", "production").returncode == 1
    assert json.loads(project.flash("sweep", "--json").stdout) == {"removed": [], "left": []}


def test_ignore_files_decide_what_ships(project: Shell, home: Path) -> None:
    """Nested ones too; ``.flashignore`` has the last word, but for secrets."""
    project.write(
        {
            ".gitignore": "*.log\n/generated/\n",
            ".flashignore": "notebooks/\n!models/kept.log\n!.env\n",
            "a.log": "",
            "generated/code.py": "",
            "notebooks/try.py": "",
            "data/.gitignore": "*.csv\n!small.csv\n",
            "data/big.csv": "",
            "data/small.csv": "",
            "data/deep/.gitignore": "small.csv\n",
            "data/deep/small.csv": "",
            "data/deep/other.txt": "",
            "models/kept.log": "",
            ".env": "RUNPOD_API_KEY=secret\n",
        }
    )

    built = project.flash("build")

    assert built.returncode == 0, built.stderr
    with tarfile.open(project.root / ".flash/artifact.tar.gz") as archive:
        names = {name for name in archive.getnames() if not name.startswith("flash/")}
    assert names == {
        "data/deep/other.txt",
        "data/small.csv",
        "flash_manifest.json",
        "greeter.py",
        "handler_greeter.py",
        "models/kept.log",
        "pyproject.toml",
        "requirements.txt",
    }
