"""Programs that call ``runpod.serverless.start`` themselves, launched by our platform: processes and containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from containers.conftest import REQUIRED, docker, obstacle
from fakes_emulator import CREATE_APP, CREATE_ENVIRONMENT, DEPLOY, FINALIZE, PREPARE, SAVE, archive
from interop.conftest import Local, Peers, Terminal, home_with_bases, platform, terminal_at

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop-workers")]

PROGRAMS = {
    "plain": """
import os, runpod

def work(job):
    given = job["input"]
    if "raise" in given:
        raise ValueError(given["raise"])
    if "error" in given:
        return {"error": given["error"], "detail": 1}
    if "unwritable" in given:
        return object()
    return {"echo": given, "worker": os.environ["RUNPOD_POD_ID"], "id": job["id"]}

runpod.serverless.start({"handler": work})
""",
    "concurrent": """
import asyncio, runpod

met = asyncio.Event()

async def work(job):
    if job["input"]["wait"]:
        await met.wait()
    met.set()
    return job["input"]["wait"]

if __name__ == "__main__":
    runpod.serverless.start({"handler": work, "concurrency_modifier": lambda current: 2})
""",
    "aggregating": """
import runpod

def work(job):
    for number in range(job["input"]["to"]):
        if number == job["input"].get("fail_at"):
            raise ValueError("midway")
        yield {"number": number}

runpod.serverless.start({"handler": work, "return_aggregate_stream": True})
""",
    "streaming": """
import runpod

async def work(job):
    for number in range(job["input"]["to"]):
        yield number

runpod.serverless.start({"handler": work})
""",
    "progressing": """
import asyncio, runpod

async def work(job):
    runpod.serverless.progress_update(job, "halfway")
    await asyncio.sleep(2)
    return "whole"

runpod.serverless.start({"handler": work})
""",
    "refreshing": """
import os, runpod

def work(job):
    return {"refresh_worker": True, "worker": os.environ["RUNPOD_POD_ID"]}

runpod.serverless.start({"handler": work})
""",
    "sleeping": """
import asyncio, os, runpod

async def work(job):
    runpod.serverless.progress_update(job, "begun")
    await asyncio.sleep(job["input"]["seconds"])
    return os.getpid()

runpod.serverless.start({"handler": work})
""",
    "dying": """
import os, pathlib, runpod

def work(job):
    tally = pathlib.Path(job["input"]["tally"])
    with tally.open("a") as file:
        file.write("x")
    if len(tally.read_text()) <= job["input"]["deaths"]:
        os._exit(3)
    return len(tally.read_text())

runpod.serverless.start({"handler": work})
""",
}


@dataclass(frozen=True)
class Deployed:
    """The programs, deployed.

    Attributes:
        ids: Endpoint ids by program.
        backend: What their workers are.
    """

    local: Local
    terminal: Terminal
    ids: dict[str, str]
    backend: str

    def post(self, name: str, operation: str, body: object = None) -> dict[str, Any]:
        """Plain HTTP to an endpoint."""
        with self.local.client as client:
            return client.post(f"/v2/{self.ids[name]}/{operation}", json=body).json()

    def runsync(self, name: str, **given: Any) -> dict[str, Any]:
        """A job and its result."""
        return self.post(name, "runsync", {"input": given})

    def get(self, name: str, operation: str) -> dict[str, Any]:
        """Plain HTTP to an endpoint."""
        with self.local.client as client:
            return client.get(f"/v2/{self.ids[name]}/{operation}").json()


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def programs(
    request: pytest.FixtureRequest, cache: Path, peers: Peers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Every program, deployed to a platform of each kind."""
    if request.param == "docker" and (reason := obstacle()):
        (pytest.fail if REQUIRED else pytest.skip)(reason)
    home = home_with_bases(cache, tmp_path_factory)
    with platform(home, request.param) as local:
        app_id = local.mutation(CREATE_APP, input={"name": "programs"})["id"]
        ids = _deploy(local, app_id)
        yield Deployed(local, terminal_at(peers, local, tmp_path_factory), ids, request.param)
    if request.param == "docker":
        # what is deployed would be served again when the platform is started, and its image waits for that
        for image in docker("images", "--quiet", "--filter", f"label=flash.home={home}").split():
            docker("rmi", "--force", image)


def _deploy(local: Local, app_id: str) -> dict[str, str]:
    """As an endpoint with an image of somebody's own would have them; returns ids by program."""
    environment_id = local.mutation(CREATE_ENVIRONMENT, input={"flashAppId": app_id, "name": "production"})["id"]
    content = archive({f"handler_{name}.py": text for name, text in PROGRAMS.items()})
    upload = local.mutation(PREPARE, input={"flashAppId": app_id, "tarballSize": len(content)})
    with local.client as client:
        assert client.put(upload["uploadUrl"], content=content).is_success
    resource = {"client_mode": True, "functions": [], "imageName": "somebody/worker:1", "makes_remote_calls": False}
    manifest = {"version": "1.0", "python_version": "3.11", "resources": dict.fromkeys(PROGRAMS, resource)}
    build = {"flashAppId": app_id, "objectKey": upload["objectKey"], "manifest": manifest}
    build_id = local.mutation(FINALIZE, input=build)["id"]
    local.mutation(DEPLOY, input={"flashEnvironmentId": environment_id, "flashBuildId": build_id})
    return {
        name: local.mutation(SAVE, input={"flashEnvironmentId": environment_id, "name": name, "type": "QB"})["id"]
        for name in PROGRAMS
    }


def test_a_plain_handler_answers(programs: Deployed) -> None:
    """With the job's id and input as they were given."""
    reply = programs.runsync("plain", text="å", number=1.5)

    assert reply["status"] == "COMPLETED"
    assert reply["output"] == {
        "echo": {"text": "å", "number": 1.5}, "worker": reply["workerId"], "id": reply["id"]
    }  # fmt: skip
    assert all(isinstance(reply[key], int) for key in ("delayTime", "executionTime"))


def test_an_exception_fails_the_job_with_the_sdks_report(programs: Deployed) -> None:
    """A text that is JSON, with the traceback and where it was."""
    reply = programs.runsync("plain", **{"raise": "on purpose"})

    assert reply["status"] == "FAILED"
    assert '"error_message": "on purpose"' in reply["error"]
    assert reply["workerId"] in reply["error"]
    assert "output" not in reply


@pytest.mark.parametrize(("error", "told"), [("no", "no"), ({"code": 7}, '{"code": 7}')])
def test_an_error_in_the_result_fails_the_job_and_the_rest_is_its_output(
    programs: Deployed, error: object, told: str
) -> None:
    """Callers are always told a text: the peer's model of a job takes nothing else."""
    reply = programs.runsync("plain", error=error)

    assert (reply["status"], reply["error"], reply["output"]) == ("FAILED", told, {"detail": 1})


def test_a_result_that_json_cannot_write_is_never_reported(programs: Deployed) -> None:
    """The SDK logs it and goes on: the job is in progress until its execution timeout, here the shortest."""
    body = {"input": {"unwritable": 1}, "policy": {"executionTimeout": 5000}}
    reply = programs.post("plain", "runsync", body)

    assert reply["status"] == "TIMED_OUT"
    assert programs.runsync("plain", after=1)["status"] == "COMPLETED"


def test_a_concurrency_modifier_gets_jobs_in_batches(programs: Deployed) -> None:
    """The first job ends only because the second runs beside it."""
    first = programs.post("concurrent", "run", {"input": {"wait": True}})["id"]

    assert programs.runsync("concurrent", wait=False)["output"] is False
    assert _ended(lambda: programs.get("concurrent", f"status/{first}"))["output"] is True


def test_a_generator_is_streamed_and_aggregated(programs: Deployed) -> None:
    """``stream()`` of the SDK yields the chunks; with ``return_aggregate_stream`` they are the output too."""
    code = """
        job = runpod.Endpoint(sys.argv[1]).run({"input": {"to": 3}})
        result = [list(job.stream()), job.status(), job.output()]
    """
    chunks = [{"number": 0}, {"number": 1}, {"number": 2}]
    assert programs.terminal.client(code, programs.ids["aggregating"]) == [chunks, "COMPLETED", chunks]
    assert programs.terminal.client(code, programs.ids["streaming"]) == [[0, 1, 2], "COMPLETED", []]


def test_a_generator_that_fails_midway_fails_the_job_and_its_chunks_stay(programs: Deployed) -> None:
    """What was yielded before can still be read."""
    reply = programs.runsync("aggregating", to=3, fail_at=2)

    assert reply["status"] == "FAILED"
    assert reply["error"].startswith("handler: midway")
    stream = programs.get("aggregating", f"stream/{reply['id']}")
    assert stream == {"status": "FAILED", "stream": [{"output": {"number": 0}}, {"output": {"number": 1}}]}


def test_progress_is_shown_until_the_result_is_there(programs: Deployed) -> None:
    """As the output of a job in progress."""
    job_id = programs.post("progressing", "run", {"input": {"x": 1}})["id"]
    seen: list[dict[str, Any]] = []

    def look() -> dict[str, Any]:
        seen.append(programs.get("progressing", f"status/{job_id}"))
        return seen[-1]

    assert _ended(look)["output"] == "whole"
    assert {"IN_PROGRESS": "halfway"} in [{each["status"]: each.get("output")} for each in seen]


def test_a_worker_that_asks_to_be_replaced_is(programs: Deployed) -> None:
    """``refresh_worker``: the next job has another."""
    workers = [programs.runsync("refreshing", x=1)["output"]["worker"] for _ in range(3)]

    assert len(set(workers)) == 3


def test_a_cancelled_job_ends_in_the_worker_and_the_same_worker_goes_on(programs: Deployed) -> None:
    """The stop request reaches it: a job of ten minutes would keep it busy.

    Once it has begun: the SDK loses a request for a job that it has taken and not started, and is replaced then.
    """
    before = programs.runsync("sleeping", seconds=0)["output"]
    job_id = programs.post("sleeping", "run", {"input": {"seconds": 600}})["id"]
    while programs.get("sleeping", f"status/{job_id}").get("output") != "begun":
        pass

    assert programs.post("sleeping", f"cancel/{job_id}")["status"] == "CANCELLED"

    assert programs.runsync("sleeping", seconds=0)["output"] == before
    assert programs.get("sleeping", f"status/{job_id}")["status"] == "CANCELLED"


def test_the_job_of_a_worker_that_exits_goes_to_the_next_once(programs: Deployed, tmp_path: Path) -> None:
    """The second time it fails, and says how the worker ended."""
    if programs.backend == "process":
        # a container cannot tell that there was one before it
        once = programs.runsync("dying", tally=str(tmp_path / "once"), deaths=1)
        assert (once["status"], once["output"]) == ("COMPLETED", 2)
        tally = tmp_path / "twice"
    else:
        tally = Path("/tmp/tally")
    twice = programs.runsync("dying", tally=str(tally), deaths=9)

    assert twice["status"] == "FAILED"
    assert "exited with status 3" in twice["error"]


def _ended(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    while (reply := ask())["status"] in ("IN_QUEUE", "IN_PROGRESS"):
        pass
    return reply
