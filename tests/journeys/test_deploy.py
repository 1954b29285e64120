"""``pytest --flash-deploy`` as a user meets it: promoted and called, refused, rolled back."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest
from journeys.conftest import EXAMPLES, Platform, Shell, block, gone, interrupt, urls, workers_of

pytestmark = pytest.mark.journey

# the page's, line by line, with the line before a call that a local platform's key needs
THE_PAGES_BLOCK = """\
✓ Deployment Complete

Load-balanced endpoints:
  URL/lb  (lb_worker)
    POST   /process
    GET    /health

  Try it:
    eval "$(flash platform env)"
    curl -X POST URL/lb/process \\
        -H "Content-Type: application/json" \\
        -H "Authorization: Bearer $RUNPOD_API_KEY" \\
        -d '{"input": {}}'

Queue-based endpoints:
  URL/v2  (cpu_worker)
  URL/v2  (gpu_worker)

  Try it:
    eval "$(flash platform env)"
    curl -X POST URL/v2/runsync \\
        -H "Content-Type: application/json" \\
        -H "Authorization: Bearer $RUNPOD_API_KEY" \\
        -d '{"input": {}}'
"""


def live(platform: Platform, project: Shell) -> str | None:
    """The digest that is live in production."""
    answer = project.flash("env", "get", "production", "--json")
    return json.loads(answer.stdout)["digest"] if answer.returncode == 0 else None


def test_the_quickstart_is_promoted_and_answers_until_it_is_undeployed(
    tmp_path: Path, home: Path, platform: Platform
) -> None:
    """The endpoints outlive pytest, ask for the key, call each other, and go with ``flash undeploy``."""
    root = tmp_path / "quickstart"
    shutil.copytree(EXAMPLES / "quickstart", root, ignore=shutil.ignore_patterns(".flash", "__pycache__", ".*_cache"))
    shell = Shell(root, home)

    done = shell.pytest("--flash-deploy=production")

    assert done.returncode == 0, done.stdout + done.stderr
    found = urls(done.stdout)
    assert set(found) == {"lb_worker", "cpu_worker", "gpu_worker"}
    assert block(done.stdout) == THE_PAGES_BLOCK.splitlines()
    hello = platform.post(f"{found['gpu_worker']}/runsync", {"input": {"name": "you"}}).json()
    assert (hello["status"], hello["output"]["message"]) == ("COMPLETED", "Hello, you!")
    # cpu_worker's answer, through lb_worker
    processed = platform.post(f"{found['lb_worker']}/process", {"input": {}})
    assert processed.json() == {"message": "Hello, world!", "link": "/greetings/hello-world"}
    for url in (f"{found['gpu_worker']}/runsync", f"{found['lb_worker']}/process"):
        assert platform.post(url, {"input": {}}, key=None).status_code == 401
        assert platform.post(url, {"input": {}}, key="wrong").status_code == 401

    gone = shell.flash("undeploy")

    assert gone.returncode == 0, gone.stderr
    assert platform.post(f"{found['gpu_worker']}/runsync", {"input": {}}).status_code == 404


def test_what_is_deployed_comes_back_with_its_platform(project: Shell, platform: Platform) -> None:
    """Ids and URLs survive a stop and a start."""
    url = urls(project.pytest("--flash-deploy=production").stdout)["greeter"]
    assert project.flash("platform", "stop").returncode == 0
    assert project.flash("platform", "start").returncode == 0

    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world!"


def test_a_second_deployment_keeps_the_url_and_serves_the_new_version(project: Shell, platform: Platform) -> None:
    """Endpoint ids survive redeployment."""
    first = urls(project.pytest("--flash-deploy=production").stdout)
    project.write({"greeter.py": (project.root / "greeter.py").read_text().replace("!", "!!")})
    project.write({"tests/test_greeter.py": "def test_nothing():\n    pass\n"})

    second = urls(project.pytest("--flash-deploy=production").stdout)

    assert second == first
    assert platform.post(f"{first['greeter']}/runsync", {"input": {}}).json()["output"] == "Hello, world!!"


def test_an_unchanged_project_deploys_nothing(project: Shell, platform: Platform) -> None:
    """The same build stays live; its smoke tests run all the same."""
    project.pytest("--flash-deploy=production")
    before = project.flash("env", "get", "production").stdout
    assert "  build " in before

    again = project.pytest("--flash-deploy=production", "-v")

    assert again.returncode == 0
    assert "flash::smoke[production] PASSED" in again.stdout
    assert project.flash("env", "get", "production").stdout == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tests/test_more.py": "def test_it_fails():\n    assert False\n"}, "FLASH-G002"),
        ({"greeter.py": "BROKEN"}, "flash::contract[greeter]"),
    ],
    ids=["a failing test", "a failing contract check"],
)
def test_what_did_not_pass_is_not_promoted(
    change: dict[str, str], said: str, project: Shell, platform: Platform
) -> None:
    """Exit status 1, the gate and the reason named, and what was live before is live still."""
    url = urls(project.pytest("--flash-deploy=production").stdout)["greeter"]
    before = live(platform, project)
    source = (project.root / "greeter.py").read_text()
    broken = source.replace('return f"Hello, {name}!"', 'return 7 if name == "world" else f"Hello, {name}!"')
    project.write({name: text.replace("BROKEN", broken) for name, text in change.items()})

    done = project.pytest("--flash-deploy=production")

    assert done.returncode == 1
    assert said in done.stdout
    assert "FLASH-G002" in done.stdout
    assert live(platform, project) == before
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world!"


def test_a_first_deployment_that_did_not_pass_leaves_nothing(project: Shell, platform: Platform) -> None:
    """There is no environment afterwards."""
    project.write({"tests/test_more.py": "def test_it_fails():\n    assert False\n"})

    assert project.pytest("--flash-deploy=production").returncode == 1

    assert live(platform, project) is None


@pytest.mark.parametrize("command", ["pytest", "flash"])
def test_a_refused_first_deployment_starts_no_platform(command: str, project: Shell, home: Path) -> None:
    """Only what is promoted needs one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (home / "platform").mkdir()
        (home / "platform" / "port").write_text(str(probe.getsockname()[1]), encoding="ascii")
    project.write({"tests/test_more.py": "def test_it_fails():\n    assert False\n"})

    refused = project.pytest("--flash-deploy=production") if command == "pytest" else project.flash("deploy")

    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "FLASH-G002" in refused.stdout + refused.stderr
    assert "started the local platform" not in refused.stdout + refused.stderr
    assert workers_of(home) == []


SMOKE_THAT_FAILS_WHEN_DEPLOYED = """
    import pytest

    @pytest.mark.flash_deployed_only
    def test_it_greets_differently(flash_deployment, flash_endpoint):
        assert flash_endpoint("greeter").runsync({}).output == "Good day"
"""


def test_a_failing_smoke_test_puts_the_old_version_back(project: Shell, platform: Platform) -> None:
    """What was live before answers again, under the same URL, and the report says so."""
    url = urls(project.pytest("--flash-deploy=production").stdout)["greeter"]
    before = live(platform, project)
    project.write({"greeter.py": (project.root / "greeter.py").read_text().replace("Hello", "Howdy")})
    project.write({"tests/test_greeter.py": SMOKE_THAT_FAILS_WHEN_DEPLOYED})

    done = project.pytest("--flash-deploy=production", "-v")

    assert done.returncode == 1
    assert "flash::smoke[production] FAILED" in done.stdout
    assert "flash::rollback[production] PASSED" in done.stdout
    assert "test_it_greets_differently" in done.stdout
    assert live(platform, project) == before
    assert platform.post(f"{url}/runsync", {"input": {}}).json()["output"] == "Hello, world!"


def test_a_failing_smoke_test_removes_a_first_deployment(project: Shell, platform: Platform) -> None:
    """Nothing was live before, and nothing is afterwards."""
    project.write({"tests/test_greeter.py": SMOKE_THAT_FAILS_WHEN_DEPLOYED})

    done = project.pytest("--flash-deploy=production", "-v")

    assert done.returncode == 1
    assert "flash::rollback[production] PASSED" in done.stdout
    assert live(platform, project) is None


def test_a_worker_that_dies_at_start_is_shown_with_its_log(project: Shell, platform: Platform) -> None:
    """The stage fails with the end of the log, and nothing is promoted."""
    project.write(
        {"greeter.py": 'import os\nif "RUNPOD_POD_ID" in os.environ:\n    raise SystemExit("no model file")\n'}
    )
    project.write({"greeter.py": (project.root / "greeter.py").read_text() + APP_SOURCE})

    done = project.pytest("--flash-deploy=production")

    assert done.returncode == 1
    assert "flash::preview[process]" in done.stdout
    assert "'greeter'" in done.stdout
    assert "no model file" in done.stdout
    assert live(platform, project) is None


APP_SOURCE = """
from flash import Endpoint

@Endpoint(name="greeter", cpu="cpu3c-1-2")
def greet(name: str = "world") -> str:
    return f"Hello, {name}!"
"""


def test_two_xdist_workers_share_one_build_and_one_preview(project: Shell, platform: Platform) -> None:
    """The controller owns the stages."""
    done = project.pytest("--flash-deploy=production", "-n", "2", "-v")

    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("flash::build", "flash::preview[process]", "flash::deploy[production]", "flash::smoke[production]"):
        assert done.stdout.count(f"{stage} PASSED") + done.stdout.count(f"PASSED {stage}") == 1, done.stdout


def test_ctrl_c_during_the_preview_promotes_nothing_and_leaves_nothing(
    project: Shell, home: Path, platform: Platform
) -> None:
    """The preview's platform and workers are gone when pytest is."""
    project.write(
        {
            "tests/test_greeter.py": """
                import signal, sys

                def test_it_waits(flash_preview, capsys):
                    with capsys.disabled():
                        print("waiting", flush=True)
                    signal.pause()
            """
        }
    )
    others = set(workers_of(home))
    run = project.start("pytest", "-p", "no:cacheprovider", "--flash-deploy=production")
    assert run.stdout is not None
    for line in run.stdout:
        if "waiting" in line:
            break

    interrupt(run)
    rest = run.stdout.read()
    run.stdout.close()

    assert run.wait() == 2, rest
    assert set(workers_of(home)) == others
    assert live(platform, project) is None
    assert not list((home / "previews").glob("preview-*"))


def test_a_killed_run_leaves_no_process(project: Shell, home: Path) -> None:
    """SIGKILL takes no leave; the next run removes the folder that it left."""
    project.write(
        {
            "tests/test_greeter.py": """
                import os, signal

                def test_it_dies(flash_preview):
                    os.kill(os.getpid(), signal.SIGKILL)
            """
        }
    )
    killed = project.start("pytest", "-p", "no:cacheprovider", "--flash-preview")
    assert killed.stdout is not None
    # the platform has inherited nothing of the pipe's, so its end is pytest's
    killed.stdout.read()
    killed.stdout.close()
    assert killed.wait() == -signal.SIGKILL
    gone(workers_of(home))

    project.write({"tests/test_greeter.py": "def test_nothing(flash_preview):\n    pass\n"})
    assert project.pytest("--flash-preview").returncode == 0
    assert not list((home / "previews").glob("preview-*"))
    assert not list((home / "runs").iterdir())


def test_a_killed_deployment_promotes_nothing_and_leaves_no_process(
    project: Shell, home: Path, platform: Platform
) -> None:
    """Its test run ends as if it had been interrupted."""
    project.write(
        {
            "tests/test_greeter.py": """
                import signal, sys

                def test_it_waits(flash_preview, capsys):
                    with capsys.disabled():
                        print("waiting", flush=True)
                    signal.pause()
            """
        }
    )
    others = set(workers_of(home))
    killed = project.start("flash", "deploy")
    assert killed.stdout is not None
    for line in killed.stdout:
        if "waiting" in line:
            break

    killed.kill()
    # its test run writes there too: the end of the pipe is the end of both
    rest = killed.stdout.read()
    killed.stdout.close()

    assert killed.wait() == -signal.SIGKILL
    assert "KeyboardInterrupt" in rest
    gone([pid for pid in workers_of(home) if pid not in others])
    assert live(platform, project) is None
    assert not list((home / "previews").glob("preview-*"))


WHERE_AM_I = """
    import os, sys
    from flash import Endpoint

    @Endpoint(name="greeter", cpu="cpu3c-1-2", env={"MINE": "yes"})
    def where() -> dict[str, object]:
        import flash
        return {"path": sys.path, "prefix": sys.prefix, "cwd": os.getcwd(), "flash": flash.__file__,
                "environment": dict(os.environ)}
"""


def test_workers_see_nothing_of_the_checkout_and_nothing_of_flashs_own_environment(
    project: Shell, platform: Platform
) -> None:
    """They run the unpacked artifact in the base environment."""
    project.write({"greeter.py": WHERE_AM_I, "tests/test_greeter.py": "def test_nothing():\n    pass\n"})
    done = project.pytest("--flash-deploy=production", HOST_ONLY="secret")
    assert done.returncode == 0, done.stdout

    seen = platform.post(f"{urls(done.stdout)['greeter']}/runsync", {"input": {}}).json()["output"]

    checkout = str(Path(__file__).parents[2])
    for path in (*seen["path"], seen["prefix"], seen["cwd"], seen["flash"]):
        assert not path.startswith((checkout, str(project.root), sys.prefix)), path
    assert seen["flash"] == f"{seen['cwd']}/flash/__init__.py"
    assert Path(seen["prefix"]).parent.name == "bases" or "bases" in seen["prefix"]
    assert seen["environment"]["MINE"] == "yes"
    assert "HOST_ONLY" not in seen["environment"]
    assert platform.state.api_key not in json.dumps(seen["environment"])


def test_plain_pytest_builds_and_starts_nothing(project: Shell, home: Path) -> None:
    """Tests that need a preview are skipped, and say so."""
    done = project.pytest("-rs")

    assert done.returncode == 0
    assert "needs --flash-preview" in done.stdout
    assert not (project.root / ".flash").exists()
    assert not (home / "previews").exists()
