"""Target runpod over real HTTP: the plain protocol, without a single extension, against a platform of the test's own.

The platform is Flash's local one; it is told from Runpod by its address only, as ``flash platform env`` gives it.
"""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from journeys.conftest import Platform, Shell, urls

from flash.cli.render import platform_variables

pytestmark = pytest.mark.journey

FAILS_WHEN_DEPLOYED = """
    import pytest

    @pytest.mark.flash_deployed_only
    def test_it_greets_differently(flash_endpoint):
        assert flash_endpoint("greeter").runsync({}).output == "Good day"
"""


@pytest.fixture
def runpod(project: Shell, platform: Platform) -> Shell:
    """A terminal for which the platform is Runpod."""
    settings = (project.root / "pyproject.toml").read_text()
    runpod = 'target = "runpod"\naccept-host-wheels = true'
    project.write({"pyproject.toml": settings.replace('target = "local"', runpod)})
    return replace(project, environment=platform_variables(platform.state))


def answer(platform: Platform, url: str) -> object:
    """What the greeter says."""
    return platform.post(f"{url}/runsync", {"input": {}}).json().get("output")


def environments(runpod: Shell) -> list[str]:
    """The names of the app's environments there."""
    listed = json.loads(runpod.flash("env", "list", "--json").stdout)
    return [one["name"] for one in listed["environments"] if one["build"] is not None]


def test_a_version_goes_live_is_replaced_put_back_and_removed(runpod: Shell, platform: Platform) -> None:
    """One journey, because each step needs the one before: deploy, edit, fail, undeploy."""
    done = runpod.pytest("--flash-deploy=production", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    url = urls(done.stdout)["greeter"]
    assert answer(platform, url) == "Hello, world!"
    assert environments(runpod) == ["production"]
    logs = runpod.flash("logs", "greeter", "--env", "production")
    assert logs.returncode == 0, logs.stderr

    # nothing has changed, and nothing is made
    before = runpod.flash("env", "get", "production").stdout
    again = runpod.pytest("--flash-deploy=production")
    assert again.returncode == 0, again.stdout + again.stderr
    assert runpod.flash("env", "get", "production").stdout == before

    source = (runpod.root / "greeter.py").read_text()
    smoke = (runpod.root / "tests/test_greeter.py").read_text()
    runpod.write({"greeter.py": source.replace("!", "!!"), "tests/test_greeter.py": smoke.replace("you!", "you!!")})
    edited = runpod.pytest("--flash-deploy=production")
    assert edited.returncode == 0, edited.stdout + edited.stderr
    assert urls(edited.stdout)["greeter"] == url
    assert answer(platform, url) == "Hello, world!!"
    assert environments(runpod) == ["production"]

    runpod.write({"greeter.py": source.replace("Hello", "Howdy"), "tests/test_greeter.py": FAILS_WHEN_DEPLOYED})
    failed = runpod.pytest("--flash-deploy=production", "-v")
    assert failed.returncode == 1
    assert "flash::smoke[production] FAILED" in failed.stdout
    assert "flash::rollback[production] PASSED" in failed.stdout, failed.stdout + failed.stderr
    assert answer(platform, url) == "Hello, world!!"
    assert environments(runpod) == ["production"]

    gone = runpod.flash("undeploy", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert platform.post(f"{url}/runsync", {"input": {}}).status_code == 404
    assert environments(runpod) == []


def test_a_version_that_dies_at_start_never_reaches_production(runpod: Shell, platform: Platform) -> None:
    """The candidate shows it, and goes."""
    url = urls(runpod.pytest("--flash-deploy=production").stdout)["greeter"]
    source = (runpod.root / "greeter.py").read_text()
    dies = 'import os\nif os.environ.get("FLASH_ENV") == "production-candidate":\n    raise SystemExit("no model")\n'
    runpod.write({"greeter.py": dies + source})

    done = runpod.pytest("--flash-deploy=production")

    assert done.returncode == 1
    assert "its workers fail" in done.stdout + done.stderr, done.stdout + done.stderr
    assert answer(platform, url) == "Hello, world!"
    assert environments(runpod) == ["production"]


def test_a_login_is_approved_and_its_key_is_used(project: Shell, platform: Platform) -> None:
    """Without a key in the environment; the platform's owner approves it, as a user does in the console."""
    variables = {name: value for name, value in platform_variables(platform.state).items() if name != "RUNPOD_API_KEY"}
    shell = replace(project, environment=variables)
    login = shell.start("flash", "login", "--no-open", "--timeout", "60")
    assert login.stderr is not None or login.stdout is not None
    stream = login.stdout
    assert stream is not None
    address = next(line.strip() for line in stream if "/flash/login?request=" in line)

    key = platform.state.api_key
    assert httpx.post(address, headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code == 204
    rest = stream.read()
    stream.close()

    assert login.wait() == 0, rest
    assert "Logged in" in rest
    assert key not in rest
    listed = shell.flash("app", "list", "--target", "runpod")
    assert listed.returncode == 0, listed.stderr


CANARY = """
    import pytest

    @pytest.mark.flash_canary(min_samples=150, max_samples=300, max_failure_rate=0.1)
    def test_it_is_polite(flash_endpoint):
        assert flash_endpoint("greeter").runsync({"name": "you"}).output.endswith("!")
"""


def test_a_canary_there_is_the_candidate_called_by_its_tests_alone(runpod: Shell, platform: Platform) -> None:
    """Nothing there splits calls, and the report says so; a candidate that fails is removed, and nothing promoted."""
    source = (runpod.root / "greeter.py").read_text()
    runpod.write({"tests/test_greeter.py": CANARY})
    done = runpod.pytest("--flash-deploy=production", "-v", "--flash-report=report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((runpod.root / "report.json").read_text())
    message = next(stage["message"] for stage in report["stages"] if stage["id"] == "flash::canary[production]")
    assert message.startswith("100 % passed as a candidate: users' calls were not split")
    url = urls(done.stdout)["greeter"]

    # it is polite in the preview, where it is asked once, and not for long
    rude = source.replace('return f"Hello', 'CALLS.append(name)\n    return name if len(CALLS) > 60 else f"Hello')
    runpod.write({"greeter.py": rude.replace("@Endpoint", "CALLS = []\n\n@Endpoint")})
    failed = runpod.pytest("--flash-deploy=production", "-v", "--flash-report=report.json")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "the canary failed as a candidate: greeter: " in failed.stdout
    assert answer(platform, url) == "Hello, world!"
    assert environments(runpod) == ["production"]
