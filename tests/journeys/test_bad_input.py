"""What is wrong, as a user meets it: one line that says it, a hint, the designed exit status, and nothing half-made."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from journeys.conftest import Platform, Shell, interrupt, workers_of

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.journey

GREETER = """
    from flash import Endpoint

    @Endpoint(name="greeter", cpu="cpu3c-1-2")
    def greet(name: str = "world") -> str:
        return f"Hello, {name}!"
"""
ROUTES = """
    from flash import Endpoint

    api = Endpoint(name="api", cpu="cpu3c-1-2")

    @api.get("/items/{key}")
    def item(key: str) -> str:
        return key
"""

REFUSED = {
    "no endpoint": (
        {"greeter.py": "def greet(): ...\n"},
        "no endpoint found: no function is decorated with @Endpoint(...)",
        "decorate a function at the top level of a module",
    ),
    "an endpoint that .flashignore hides": (
        {".flashignore": "greet*.py\n"},
        "no function is decorated with @Endpoint(...), except in greeter.py, which is hidden: .flashignore",
        "write !/greeter.py into .flashignore",
    ),
    "an endpoint that .gitignore hides": (
        {".gitignore": "*.py\n"},
        "except in greeter.py, which is hidden: .gitignore",
        "write !/greeter.py into .flashignore",
    ),
    "two functions with one name": (
        {"other.py": GREETER.replace("greet(", "other(")},
        "other.py:3: endpoint 'greeter' is declared twice, first at greeter.py:3",
        "each queue function needs an endpoint name of its own",
    ),
    "two routes alike": (
        {"greeter.py": ROUTES + '\n    @api.get("/items/{name}")\n    def named(name: str) -> str: ...\n'},
        "greeter.py:10: route 'GET /items/{name}' of endpoint 'api' is declared twice, first at greeter.py:6",
        "give one of them another method or path",
    ),
    "a reserved path": (
        {"greeter.py": ROUTES.replace("/items/{key}", "/ping")},
        "greeter.py:6: path '/ping' is reserved",
        "/ping is the platform's",
    ),
    "a path that ran anybody's code": (
        {"greeter.py": ROUTES.replace("/items/{key}", "/execute")},
        "greeter.py:6: path '/execute' is reserved",
        "/execute is not served",
    ),
    "a syntax error": (
        {"other.py": "def broken(:\n"},
        "other.py:1: syntax error: ",
        "list the file in .flashignore if it is no module",
    ),
    "an unknown GPU": (
        {"greeter.py": GREETER.replace('cpu="cpu3c-1-2"', 'gpu="AMPERE_61"')},
        "greeter.py:3: endpoint 'greeter': unknown GPU 'AMPERE_61'",
        "did you mean 'AMPERE_16'?",
    ),
    "an unknown GPU group": (
        {
            "greeter.py": GREETER.replace("import Endpoint", "import Endpoint, GpuGroup").replace(
                'cpu="cpu3c-1-2"', "gpu=GpuGroup.ADA_42"
            )
        },
        "greeter.py:3: GpuGroup has no member 'ADA_42'",
        "did you mean GpuGroup.ADA_24?",
    ),
    "an unknown CPU": (
        {"greeter.py": GREETER.replace("cpu3c-1-2", "cpu3c-1-3")},
        "greeter.py:3: endpoint 'greeter': unknown CPU 'cpu3c-1-3'",
        "did you mean 'cpu3c-1-2'?",
    ),
}


def assert_told(done: subprocess.CompletedProcess[str], message: str, hint: str, *, status: int = 1) -> None:
    """The command line's way: one line, marked, the hint below it."""
    assert done.returncode == status, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("✗ ")]
    assert message in lines[at]
    assert lines[at + 1].startswith("hint: ")
    assert hint in lines[at + 1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def left_in(project: Shell) -> set[str]:
    """What lies in ``.flash/`` beside the lock and the file that keeps git away."""
    folder = project.root / ".flash"
    return {path.name for path in folder.iterdir()} - {".gitignore", "build.lock"} if folder.exists() else set()


@pytest.mark.parametrize(("files", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_sources_that_are_wrong_are_told_by_the_place(
    files: dict[str, str], message: str, hint: str, project: Shell
) -> None:
    """Nothing is installed for them, and nothing is left."""
    project.write(files)

    done = project.flash("build")

    assert_told(done, message, hint)
    assert "resolving" not in done.stderr
    assert left_in(project) == set()


def test_a_module_that_raises_is_told_with_the_users_own_part_of_the_traceback(project: Shell) -> None:
    """It could never serve: nothing is packed."""
    project.write({"lib.py": "x = 1\nTABLE = {}['a']\n", "greeter.py": "import lib\n" + dedent(GREETER)})

    done = project.flash("build")

    assert done.returncode == 1
    told, hint, *detail = done.stderr[done.stderr.index("✗") :].splitlines()
    assert told == "✗ lib.py:2: endpoint 'greeter' cannot be imported: KeyError: 'a'"
    assert hint.startswith("hint: a worker would raise it too: correct it")
    assert [line for line in detail if "File" in line] == [
        '  File "greeter.py", line 1, in <module>',
        '  File "lib.py", line 2, in <module>',
    ]
    assert detail[-1] == "KeyError: 'a'"
    assert left_in(project) == set()


@pytest.mark.parametrize("case", ["an unknown CPU", "two functions with one name"])
def test_in_a_test_run_the_build_stage_tells_it(case: str, project: Shell, home: Path) -> None:
    """No test runs, and no preview starts."""
    files, message, hint = REFUSED[case]
    project.write(files)

    done = project.pytest("--flash-preview", "-v")

    assert done.returncode == 1
    assert "flash::build FAILED" in done.stdout
    assert message in done.stdout
    assert hint in done.stdout
    assert "test_it_greets" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert left_in(project) == set()
    assert not (home / "previews").exists()


# ---------------------------------------------------------------------------------------------------------------------
# Dependencies


def offer(project: Shell, **sizes: int) -> None:
    """Let the project's index be a folder with a distribution for each name, of so many bytes of noise."""
    folder = project.root.with_name("index")
    folder.mkdir()
    for name, size in sizes.items():
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.bin", os.urandom(size))
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", f"{name}.bin,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write({"pyproject.toml": f'{settings}\n[tool.uv]\nno-index = true\nfind-links = ["{folder}"]\n'})


def depend(project: Shell, *names: str) -> None:
    """Declare dependencies of the endpoint."""
    project.write({"greeter.py": GREETER.replace('cpu="cpu3c-1-2"', f'cpu="cpu3c-1-2", dependencies={list(names)}')})


def test_a_dependency_that_does_not_exist_is_named_with_the_endpoint_that_wants_it(project: Shell) -> None:
    """Even where another one could be installed."""
    offer(project, present=1)
    depend(project, "present", "absent-from-every-index")

    done = project.flash("build")

    assert_told(
        done,
        "greeter.py:3: cannot install 'absent-from-every-index' (endpoint 'greeter')",
        "put it there: pip download",
    )
    assert left_in(project) == set()


def test_a_dependency_for_another_python_is_left_out_and_told(project: Shell) -> None:
    """The workers' Python decides, and the build goes on."""
    offer(project, present=1)
    depend(project, "present", "absent; python_version < '3.9'")

    done = project.flash("build")

    assert done.returncode == 0, done.stderr
    here = f"Python {sys.version_info.major}.{sys.version_info.minor} on Linux x86-64"
    told = f"left out, as its marker does not hold for the workers, {here}: 'absent; python_version < \"3.9\"'"
    assert f"{told} (endpoint 'greeter')" in done.stderr.splitlines()


def test_what_is_too_large_names_the_largest_distributions(project: Shell) -> None:
    """Largest first; there is no artifact."""
    offer(project, small=200_000, large=2_000_000, tiny=1)
    depend(project, "small", "large", "tiny")
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write({"pyproject.toml": settings.replace('app = "demo"', 'app = "demo"\nsize-limit-mib = 1')})

    done = project.flash("build")

    assert_told(done, "the limit is 1.0 MiB", "--exclude")
    assert re.search(r"largest: large 1\.9 MiB, small 0\.2 MiB", done.stderr)
    assert left_in(project) == set()


# ---------------------------------------------------------------------------------------------------------------------
# Targets


def test_no_key_and_no_target_is_told_before_anything_is_built(project: Shell, home: Path) -> None:
    """Never a silent local deployment."""
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write(
        {"pyproject.toml": settings.replace("[tool.flash.environments.production]\n", "").replace("target =", "#")}
    )
    message = "environment 'production' has no target, and there is no API key"

    assert_told(project.flash("deploy"), message, "set RUNPOD_API_KEY", status=2)
    done = project.pytest("--flash-deploy=production")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}\nhint: set RUNPOD_API_KEY" in done.stderr
    assert not (project.root / ".flash").exists()
    assert not (home / "platform").exists()


def test_a_wrong_key_is_told_before_anything_is_built_and_never_shown(project: Shell, platform: Platform) -> None:
    """On the platform that ``RUNPOD_*`` points at, which keeps nothing of the attempt."""
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write({"pyproject.toml": settings.replace('target = "local"', 'target = "runpod"')})
    wrong = {
        "RUNPOD_API_KEY": "rpa_NOBODYKNOWSTHISONE",
        "RUNPOD_API_BASE_URL": platform.state.url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{platform.state.url}/v2",
    }

    command = project.flash("deploy", **wrong)
    run = project.pytest("--flash-deploy=production", "--flash-report=report.json", **wrong)

    assert_told(command, "the platform does not accept the API key", "RUNPOD_API_KEY")
    assert run.returncode == 1
    assert "the platform does not accept the API key" in run.stdout
    report = json.loads((project.root / "report.json").read_text(encoding="utf-8"))
    assert report["outcome"] == "failed"
    assert "RUNPOD_API_KEY" in report["error"]["hint"]
    for text in (command.stderr, run.stdout, run.stderr, json.dumps(report)):
        assert wrong["RUNPOD_API_KEY"] not in text
        assert platform.state.api_key not in text
    assert not (project.root / ".flash").exists()
    right = {**wrong, "RUNPOD_API_KEY": platform.state.api_key}
    assert json.loads(project.flash("env", "list", "--json", **right).stdout)["environments"][0]["build"] is None


# ---------------------------------------------------------------------------------------------------------------------
# The machine


def test_a_python_that_is_not_here_is_told_with_what_to_set(project: Shell, tmp_path: Path) -> None:
    """When the one download fails, the build does; never another version silently."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.12" if here != "3.12" else "3.13"
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write({"pyproject.toml": settings.replace(f'python = "{here}"', f'python = "{other}"')})
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    bare = Shell(project.root, nowhere / "home")
    machine = {
        "PATH": str(nowhere),
        "PYENV_ROOT": str(nowhere),
        "UV_PYTHON_INSTALL_DIR": str(nowhere / "pythons"),
        "UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9",
        "UV_HTTP_RETRIES": "0",
    }
    message = f"Python {other} is not on this machine and cannot be downloaded"

    build = bare.flash("build", **machine)
    run = bare.pytest("--flash-preview", "--flash-backend=process", **machine)

    assert f"downloading Python {other}: none is on this machine" in build.stderr
    assert_told(build, message, "set python in [tool.flash]")
    assert here in build.stderr.partition("hint: ")[2].splitlines()[0]
    assert run.returncode == 1
    assert "flash::build" in run.stdout
    assert message in run.stdout
    assert "set python in [tool.flash]" in run.stdout
    assert left_in(project) == set()


def test_a_ban_on_downloads_of_python_is_kept(project: Shell, tmp_path: Path) -> None:
    """``UV_PYTHON_DOWNLOADS=never`` is the user's word."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.12" if here != "3.12" else "3.13"
    settings = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    project.write({"pyproject.toml": settings.replace(f'python = "{here}"', f'python = "{other}"')})
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()

    done = Shell(project.root, nowhere / "home").flash(
        "build",
        PATH=str(nowhere),
        PYENV_ROOT=str(nowhere),
        UV_PYTHON_INSTALL_DIR=str(nowhere / "pythons"),
        UV_PYTHON_INSTALL_MIRROR="http://127.0.0.1:9",
        UV_HTTP_RETRIES="0",
        UV_PYTHON_DOWNLOADS="never",
    )

    assert_told(done, f"Python {other} is not on this machine", "set python in [tool.flash]")
    assert "127.0.0.1:9" not in done.stderr


DIES = """
    import os

    if "RUNPOD_POD_ID" in os.environ:
        print("looking for the model")
        raise RuntimeError("no model at /models/large")
"""


def test_a_worker_that_dies_at_start_ends_a_served_preview_with_its_log(project: Shell, home: Path) -> None:
    """Exit status 1, and nothing keeps running."""
    project.write({"greeter.py": DIES + GREETER})

    done = project.flash("deploy", "--preview", "--backend", "process")

    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    error = done.stderr.partition("✗ ")[2]
    first, hint, *log = error.splitlines()
    assert first.startswith("endpoint 'greeter': ")
    assert first.endswith(": RuntimeError: no model at /models/large")
    assert hint.startswith("hint: ")
    assert "looking for the model" in log
    assert log[-1] == "RuntimeError: no model at /models/large"
    # of the traceback, the user's own part
    assert "flash/runtime" not in error
    assert workers_of(home) == []
    assert not list((home / "previews").glob("*"))


def test_a_port_that_is_taken_is_told_by_its_number(project: Shell, home: Path) -> None:
    """And with the command that takes another; no platform runs then, and nothing is deployed."""
    with socket.socket() as theirs:
        theirs.bind(("127.0.0.1", 0))
        port = str(theirs.getsockname()[1])
    # the one that the platform had last is the one that it takes again
    assert project.flash("platform", "start", "--port", port, "--backend", "process").returncode == 0
    assert project.flash("platform", "stop").returncode == 0
    with socket.create_server(("127.0.0.1", int(port))):
        started = project.flash("platform", "start")
        run = project.pytest("--flash-deploy=production")

    assert_told(started, f"port {port} on 127.0.0.1 is taken", "flash platform start --port")
    assert run.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in run.stdout
    assert "flash platform start --port" in run.stdout
    assert project.flash("platform", "status").returncode == 1
    assert workers_of(home) == []
    assert not (project.root / ".flash").exists()


# ---------------------------------------------------------------------------------------------------------------------
# Ctrl+C


def read_until(run: subprocess.Popen[str], text: str) -> str:
    """What a command says until *text* is among it."""
    assert run.stdout is not None
    seen = ""
    for line in run.stdout:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"{text!r} was never said:\n{seen}")


def rest_of(run: subprocess.Popen[str]) -> str:
    """What it says until its end."""
    assert run.stdout is not None
    with run.stdout:
        return run.stdout.read()


def test_ctrl_c_is_the_end_of_a_served_preview_and_no_failure(project: Shell, home: Path) -> None:
    """Workers, platform and folder are gone when the command is."""
    run = project.start("flash", "deploy", "--preview", "--backend", "process")
    said = read_until(run, "Press Ctrl+C to stop.")
    assert "(greeter)" in said
    assert workers_of(home)

    interrupt(run)
    rest = rest_of(run)

    assert run.wait() == 0, rest
    assert "Traceback" not in rest
    assert workers_of(home) == []
    assert not list((home / "previews").glob("*"))


NEVER_READY = """
    import os, threading

    if "RUNPOD_POD_ID" in os.environ:
        with open({begun!r}, "w") as begun:
            begun.write("here")
        threading.Event().wait()
"""


def test_ctrl_c_while_the_preview_starts_ends_the_run(project: Shell, home: Path) -> None:
    """A worker that is not ready yet goes too; pytest's exit status of an interruption."""
    begun = project.root.with_name("begun")
    os.mkfifo(begun)
    project.write({"greeter.py": NEVER_READY.format(begun=str(begun)) + GREETER})
    seen = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
    run = project.start("pytest", "-p", "no:cacheprovider", "--flash-preview", "--flash-backend=process", "-v")
    assert select.select([seen], [], [], 60)[0], "no worker began"
    os.close(seen)

    interrupt(run)
    rest = rest_of(run)

    assert run.wait() == pytest.ExitCode.INTERRUPTED, rest
    assert "Traceback" not in rest
    assert "test_it_greets PASSED" not in rest
    assert workers_of(home) == []
    assert not list((home / "previews").glob("*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_installing_leaves_no_build(number: signal.Signals, project: Shell) -> None:
    """Exit status 130, as of any interrupted command. SIGTERM, which a supervisor sends, is one too."""
    offer(project, present=1)
    depend(project, "present")
    run = project.start("flash", "build")
    read_until(run, "resolving")

    # Ctrl+C goes to all in the terminal, SIGTERM to one
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    rest = rest_of(run)

    assert run.wait() in (130, -signal.SIGINT), rest
    assert "Traceback" not in rest
    assert left_in(project) == set()
