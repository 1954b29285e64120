"""``runpod-flash`` 1.21 deploys to our platform, and ``runpod`` 1.12 gets right results from it, both unchanged."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from interop.conftest import Local, Peers, Terminal

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop-cli")]

# the CI's Python; the peer's own default need not be on the machine
VERSION = ("--python-version", "3.11")
ID = re.compile(r"[a-z0-9]{14}")

# in the peer's spelling; every shape of endpoint that it has
APP = {
    "functions.py": """
        from runpod_flash import Endpoint, NetworkVolume

        CPU = "cpu3c-1-2"


        @Endpoint(name="echo", cpu=CPU)
        async def echo(text: str = "nothing", times: int = 1) -> dict:
            return {"said": text * times}


        @Endpoint(name="fails", cpu=CPU)
        async def fails(why: str) -> dict:
            raise ValueError(why)


        @Endpoint(name="slow", cpu=CPU, volume=NetworkVolume(name="interop", size=10), env={"MODE": "quick"})
        async def slow(seconds: float) -> str:
            import asyncio, os

            await asyncio.sleep(seconds)
            return os.environ["MODE"]


        @Endpoint(name="counter", cpu=CPU)
        class Counter:
            def __init__(self):
                self.value = 0

            def add(self, amount: int) -> int:
                self.value += amount
                return self.value

            async def show(self) -> int:
                return self.value
    """,
    "caller.py": """
        from runpod_flash import Endpoint


        @Endpoint(name="caller", cpu="cpu3c-1-2")
        async def relay(text: str) -> dict:
            from functions import echo

            return {"relayed": await echo(text=text, times=2)}
    """,
    "web.py": """
        from runpod_flash import Endpoint

        api = Endpoint(name="web", cpu="cpu3c-1-2", workers=(1, 2))


        @api.post("/sum")
        async def add(numbers: list, plus: int = 0) -> dict:
            return {"sum": sum(numbers) + plus}


        @api.get("/items/{number}")
        async def item(number: int, loud: bool = False) -> dict:
            return {"number": number, "loud": loud}
    """,
}


@pytest.fixture(scope="module")
def skeleton(terminal: Terminal) -> Terminal:
    """What ``flash init`` of the peer wrote."""
    terminal.flash("init", "demo")
    return replace(terminal, root=terminal.root / "demo")


@pytest.fixture(scope="module")
def app(terminal: Terminal) -> Terminal:
    """An app with every shape of endpoint, deployed by the peer."""
    app = replace(terminal, root=terminal.root / "shapes")
    app.write(APP)
    app.flash("deploy", *VERSION)
    return app


def test_the_peers_are_those_that_were_read(peers: Peers) -> None:
    """What these tests say of a peer, they say of that version."""
    assert peers.versions["runpod"].startswith("1.12.")
    assert peers.versions["runpod-flash"].startswith("1.21.")


def test_the_skeleton_is_deployed_and_deployed_again_after_an_edit_under_the_same_ids(
    skeleton: Terminal, local: Local
) -> None:
    """``flash init``, ``flash deploy``, an edit, ``flash deploy``; what the images ship is not packed."""
    said = skeleton.flash("deploy", *VERSION, "--exclude", "torch,runpod-flash")

    first = skeleton.ids
    assert "deployed to production" in said
    assert set(first) == {"cpu_worker", "gpu_worker", "lb_worker"}
    assert all(ID.fullmatch(each) for each in first.values())
    assert f"{local.url}/v2/{first['cpu_worker']}/runsync" in said
    assert "POST  /process" in said
    code = """
        result = [runpod.Endpoint(each).run_sync({"input": {"input_data": {"message": "hi"}}}, timeout=90)
                  for each in sys.argv[1:]]
    """
    outputs = skeleton.client(code, first["cpu_worker"], first["gpu_worker"])
    assert [output["message"] for output in outputs] == ["hi", "hi"]
    assert outputs[0]["python_version"].startswith("3.11.")

    source = skeleton.root / "cpu_worker.py"
    source.write_text(source.read_text().replace("Hello from CPU worker!", "Hello again!"))
    skeleton.flash("deploy", *VERSION, "--exclude", "torch,runpod-flash")

    assert skeleton.ids == first
    code = "result = runpod.Endpoint(sys.argv[1]).run_sync({'input': {'input_data': {'a': 1}}}, timeout=90)"
    assert skeleton.client(code, first["cpu_worker"])["message"] == "Hello again!"


def test_the_log_says_that_a_base_with_all_that_the_images_ship_is_used(skeleton: Terminal, local: Local) -> None:
    """What others have built does not say what it needs of its image."""
    assert skeleton.ids
    assert "its base environment has all that the images ship: aiohttp, cloudpickle" in local.log


def test_the_load_balanced_endpoint_answers_over_plain_http(skeleton: Terminal, local: Local) -> None:
    """At ``/lb/ID/...``, because the peer's own form needs TLS and a name for each endpoint."""
    base = f"/lb/{skeleton.ids['lb_worker']}"
    with local.client as client:
        processed = client.post(f"{base}/process", json={"input_data": {"a": [1, 2]}})
        refused = client.post(f"{base}/process", json={"other": 1})
        health = client.get(f"{base}/health")

    assert processed.json()["echo"] == {"a": [1, 2]}
    assert refused.status_code == 422
    assert health.json() == {"status": "healthy"}


def test_run_and_run_sync_give_what_the_function_returns(app: Terminal) -> None:
    """Also through ``status`` and ``output``, and with what ``{"input": {}}`` becomes in the SDK."""
    code = """
        endpoint = runpod.Endpoint(sys.argv[1])
        job = endpoint.run({"input": {"text": "ab", "times": 2}})
        result = {
            "output": job.output(timeout=90), "status": job.status(),
            "sync": endpoint.run_sync({"input": {"text": "c"}}, timeout=90),
            "empty": endpoint.run_sync({"input": {"__empty": True}}, timeout=90),
        }
    """
    assert app.client(code, app.ids["echo"]) == {
        "output": {"said": "abab"},
        "status": "COMPLETED",
        "sync": {"said": "c"},
        "empty": {"said": "nothing"},
    }


def test_a_failure_is_a_failed_job_with_the_message(app: Terminal, local: Local) -> None:
    """The SDK takes the ``error`` out of the peer's ``{"success": False, "error": ..., "traceback": ...}``."""
    with local.client as client:
        reply = client.post(f"/v2/{app.ids['fails']}/runsync", json={"input": {"why": "as asked"}}).json()

    assert (reply["status"], reply["error"]) == ("FAILED", "as asked")
    assert reply["output"]["success"] is False
    assert "ValueError: as asked" in reply["output"]["traceback"]
    code = "result = runpod.Endpoint(sys.argv[1]).run_sync({'input': {'why': 'x'}}, timeout=90)"
    assert set(app.client(code, app.ids["fails"])) == {"success", "traceback"}


def test_a_classes_methods_share_one_instance(app: Terminal, local: Local) -> None:
    """``method`` chooses; an unknown one fails the job."""
    with local.client as client:

        def call(**given: object) -> object:
            reply = client.post(f"/v2/{app.ids['counter']}/runsync", json={"input": given}).json()
            return reply.get("error") or reply["output"]

        assert [call(method="add", amount=2), call(method="add", amount=3), call(method="show")] == [2, 5, 5]
        assert "nope" in str(call(method="nope"))


def test_a_worker_finds_another_endpoint_through_the_platform(app: Terminal, local: Local) -> None:
    """The peer's own routing: ``/v2/flash/runsync`` with three headers, with a key that opens nothing else."""
    with local.client as client:
        reply = client.post(f"/v2/{app.ids['caller']}/runsync", json={"input": {"text": "x"}}).json()

    assert reply["status"] == "COMPLETED", reply
    assert reply["output"] == {"relayed": {"said": "xx"}}


def test_routes_convert_their_arguments(app: Terminal, local: Local) -> None:
    """FastAPI does, in the peer's handler."""
    base = f"/lb/{app.ids['web']}"
    with local.client as client:
        assert client.post(f"{base}/sum", json={"numbers": [1, 2], "plus": 3}).json() == {"sum": 6}
        assert client.get(f"{base}/items/7", params={"loud": "true"}).json() == {"number": 7, "loud": True}
        assert client.get(f"{base}/items/seven").status_code == 422
        assert client.get(f"{base}/ping").json() == {"status": "healthy"}


def test_cancel_health_and_purge_queue(app: Terminal) -> None:
    """A running job and a queued one are cancelled, two are purged, and the worker serves on."""
    code = """
        endpoint = runpod.Endpoint(sys.argv[1])
        warm = endpoint.run_sync({"input": {"seconds": 0}}, timeout=90)
        running = endpoint.run({"input": {"seconds": 3}})
        while running.status() == "IN_QUEUE":
            time.sleep(0.1)
        queued, *purged = [endpoint.run({"input": {"seconds": 0}}) for _ in range(3)]
        before = endpoint.health()
        cancelled = [queued.cancel()["status"], running.cancel()["status"]]
        removed = endpoint.purge_queue()
        result = {
            "warm": warm, "jobs": before["jobs"], "workers": before["workers"], "cancelled": cancelled,
            "removed": removed, "states": [job.status() for job in (running, queued, *purged)],
            "after": endpoint.run_sync({"input": {"seconds": 0}}, timeout=90),
        }
    """
    result = app.client(code, app.ids["slow"])

    assert (result["warm"], result["after"]) == ("quick", "quick")
    assert (result["jobs"]["inProgress"], result["jobs"]["inQueue"]) == (1, 3)
    assert result["workers"] == {
        "idle": 0, "initializing": 0, "ready": 1, "running": 1, "throttled": 0, "unhealthy": 0
    }  # fmt: skip
    assert result["cancelled"] == ["CANCELLED", "CANCELLED"]
    assert result["removed"] == {"removed": 2, "status": "completed"}
    assert set(result["states"]) == {"CANCELLED"}


def test_a_wrong_key_is_refused_in_the_words_that_the_sdk_expects(app: Terminal) -> None:
    """401, which it turns into a hint."""
    code = """
        try:
            runpod.Endpoint(sys.argv[1], api_key="wrong").health()
        except RuntimeError as error:
            result = str(error)
    """
    assert "401 Unauthorized" in app.client(code, app.ids["echo"])


def test_volumes_are_made_once_and_found_again(app: Terminal, local: Local) -> None:
    """The peer's model of a volume refuses a fifth key."""
    with local.client as client:
        (volume,) = client.get("/v1/networkvolumes").json()

    assert volume == {"id": volume["id"], "name": "interop", "size": 10, "dataCenterId": "EU-RO-1"}
    assert "interop" in app.flash("env", "get", "production")


def test_environments_are_listed_made_shown_and_deleted(app: Terminal) -> None:
    """``flash env list|create|get|delete``."""
    assert "production" in app.flash("env", "list")
    assert "created environment staging" in app.flash("env", "create", "staging")
    assert "staging" in app.flash("env", "list")
    shown = app.flash("env", "get", "production")
    assert all(each in shown for each in app.ids.values())

    app.flash_at_terminal("env", "delete", "staging", keys=b"y")

    assert "staging" not in app.flash("env", "list")


def test_apps_are_made_listed_shown_and_deleted(terminal: Terminal) -> None:
    """``flash app create|list|get|delete``."""
    assert "created app spare" in terminal.flash("app", "create", "spare")
    assert re.search(r"spare\s+0 envs\s+0 builds", terminal.flash("app", "list"))
    assert "spare" in terminal.flash("app", "get", "spare")
    terminal.flash("app", "delete", "spare")
    assert "spare" not in terminal.flash("app", "list")


def test_undeploy_removes_one_endpoint_and_app_delete_the_rest(skeleton: Terminal, local: Local) -> None:
    """After it the id is nobody's."""
    gone = skeleton.ids["cpu_worker"]
    assert "cpu_worker" in skeleton.flash("undeploy", "list")

    skeleton.flash("undeploy", "cpu_worker", "--force")

    with local.client as client:
        assert client.post(f"/v2/{gone}/runsync", json={"input": {"a": 1}}).status_code == 404
        skeleton.flash("app", "delete", "demo")
        assert client.get(f"/lb/{skeleton.ids['lb_worker']}/health").status_code == 404
    assert "demo" not in skeleton.flash("app", "list")
