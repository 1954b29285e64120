"""Calls between endpoints: manifest, state manager, one request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes_runtime import FakeExchange, lb_resource, queue_resource

from flash.errors import CallError, InvalidInput, PlatformUnreachable, RemoteError
from flash.model.dispatch import Target, override_caller
from flash.model.endpoint import Endpoint
from flash.model.manifest import Manifest
from flash.runtime.peers import PeerCaller

API = "http://api.test"
DATA = "http://data.test/v2"
GRAPHQL = f"{API}/graphql"
QUEUE = f"{DATA}/q00000000000"
ROUTES = "http://data.test/lb/l00000000000"

HELLO = Target("worker", "hello")
PROCESS = Target("web", "process", route=("POST", "/process"))
ITEM = Target("web", "item", route=("GET", "/items/{id}"))


class Platform(FakeExchange):
    """A state manager that knows two endpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: dict[str, str] | None = {"worker": QUEUE, "web": ROUTES}
        self.asked: list[str] = []
        self.environment: dict[str, Any] | None = {
            "id": "env1",
            "name": "production",
            "activeBuildId": "build1",
            "endpoints": [],
        }

    def __call__(self, method: str, url: str, **more: Any) -> Any:
        if url == GRAPHQL and (method, url) not in self.replies:
            build = {"id": "build1", "manifest": {"resources_endpoints": self.addresses}}
            body = more["body"].decode()
            is_build = "getFlashBuild" in body
            self.asked.append("build" if is_build else "environment")
            assert ("build1" if is_build else "env1") in body
            data = {"flashBuild": build} if is_build else {"flashEnvironment": self.environment}
            self.on("POST", GRAPHQL, (200, {"data": data}))
            try:
                return super().__call__(method, url, **more)
            finally:
                del self.replies[method, url]
        return super().__call__(method, url, **more)


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def caller(platform: Platform, clock: Clock) -> PeerCaller:
    manifest = Manifest(
        resources={"worker": queue_resource("w", "hello"), "web": lb_resource("l", "process")},
        function_registry={"hello": "worker", "process": "web", "item": "web"},
    )
    return PeerCaller(
        endpoint="me",
        environment_id="env1",
        api_key="secret",
        api_url=API,
        data_url=DATA,
        lb_base_url="http://data.test/lb",
        manifest=manifest,
        clock=clock,
        pause=clock.pause,
        exchange=platform,
    )


def test_own_functions_are_here(caller: PeerCaller) -> None:
    """Others are not."""
    assert caller.is_here(Target("me", "anything"))
    assert not caller.is_here(HELLO)


def test_a_queue_function_is_called_by_runsync(caller: PeerCaller, platform: Platform) -> None:
    """With the key, and the arguments as the input."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": {"hi": 1}}))
    assert caller.call(HELLO, {"name": "Bob"}) == {"hi": 1}
    _, _, headers, body = platform.seen[-1]
    assert headers["Authorization"] == "Bearer secret"
    assert body == {"input": {"name": "Bob"}}


def test_calling_does_not_block_the_event_loop(caller: PeerCaller, platform: Platform) -> None:
    """The twin for coroutines gives the same."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": 5}))
    assert asyncio.run(caller.acall(HELLO, {})) == 5


def test_an_empty_input_is_never_sent(caller: PeerCaller, platform: Platform) -> None:
    """Runpod's workers do not take it."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED"}))
    assert caller.call(HELLO, {}) is None
    assert platform.seen[-1][3] == {"input": {"__empty": True}}


def test_a_method_is_named_in_the_input(caller: PeerCaller, platform: Platform) -> None:
    """As a class endpoint asks for it."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": 1}))
    caller.call(Target("worker", "hello", method="add"), {"a": 1})
    assert platform.seen[-1][3] == {"input": {"method": "add", "a": 1}}


def test_addresses_are_asked_for_once_in_300_seconds(caller: PeerCaller, platform: Platform, clock: Clock) -> None:
    """Then again."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": 1}))
    for now in (0.0, 299.0):
        clock.now = now
        caller.call(HELLO, {})
    assert platform.asked == ["environment", "build"]
    clock.now = 300.0
    caller.call(HELLO, {})
    assert platform.asked == ["environment", "build"] * 2


def test_an_endpoint_that_has_moved_is_looked_up_again(caller: PeerCaller, platform: Platform) -> None:
    """A 404 within the 300 seconds is one more question, not a failure."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": 1}))
    caller.call(HELLO, {})
    platform.on("POST", f"{QUEUE}/runsync", (404, {"error": "gone"}))
    platform.addresses = {"worker": f"{DATA}/new"}
    platform.on("POST", f"{DATA}/new/runsync", (200, {"id": "2", "status": "COMPLETED", "output": 2}))
    assert caller.call(HELLO, {}) == 2


def test_an_endpoint_of_the_environment_is_found_before_the_manifest_knows_it(
    caller: PeerCaller, platform: Platform
) -> None:
    """Its address follows from its id and kind."""
    platform.addresses = None
    assert platform.environment is not None
    platform.environment["endpoints"] = [
        {"id": "q00000000000", "name": "worker"},
        {"id": "l00000000000", "name": "web"},
    ]
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", "status": "COMPLETED", "output": 1}))
    platform.on("POST", f"{ROUTES}/process", (200, {"ok": True}))
    assert caller.call(HELLO, {}) == 1
    assert caller.call(PROCESS, {"input": {}}) == {"ok": True}


def test_a_job_that_runs_on_is_waited_for(caller: PeerCaller, platform: Platform, clock: Clock) -> None:
    """Its state is never taken for its result."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "j", "status": "IN_QUEUE"}))
    platform.on(
        "GET",
        f"{QUEUE}/status/j",
        (200, {"id": "j", "status": "IN_PROGRESS"}),
        (200, {"id": "j", "status": "RUNNING"}),
        (200, {"id": "j", "status": "COMPLETED", "output": "late"}),
    )
    assert caller.call(HELLO, {}) == "late"
    assert clock.pauses == [0.25, 0.375, 0.5625]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"status": "FAILED", "error": "ValueError: no"}, "ValueError: no"),
        ({"status": "CANCELLED"}, "CANCELLED"),
        ({"status": "TIMED_OUT"}, "TIMED_OUT"),
    ],
)
def test_a_job_that_failed_raises(caller: PeerCaller, platform: Platform, reply: dict[str, Any], message: str) -> None:
    """With what the endpoint reported."""
    platform.on("POST", f"{QUEUE}/runsync", (200, {"id": "1", **reply}))
    with pytest.raises(RemoteError, match=message) as caught:
        caller.call(HELLO, {})
    assert "'worker'" in caught.value.message


def test_a_route_gets_a_json_body(caller: PeerCaller, platform: Platform) -> None:
    """Under the address of the load-balanced endpoint."""
    platform.on("POST", f"{ROUTES}/process", (200, {"ok": True}))
    assert caller.call(PROCESS, {"input": {"a": 1}}) == {"ok": True}
    assert platform.seen[-1][3] == {"input": {"a": 1}}


def test_a_get_route_gets_path_and_query(caller: PeerCaller, platform: Platform) -> None:
    """Quoted; lists repeated; None left out."""
    platform.on("GET", f"{ROUTES}/items/a%2Fb?n=3&all=true&tag=x&tag=y", (200, [1]))
    arguments = {"id": "a/b", "n": 3, "all": True, "tag": ["x", "y"], "none": None}
    assert caller.call(ITEM, arguments) == [1]


def test_a_streamed_route_gives_the_list(caller: PeerCaller, platform: Platform) -> None:
    """One chunk a line."""
    platform.on("POST", f"{ROUTES}/process", (200, b'{"i":0}\n{"i":1}\n'), content_type="application/x-ndjson")
    assert caller.call(PROCESS, {}) == [{"i": 0}, {"i": 1}]


def test_a_route_that_refuses_the_arguments_names_them(caller: PeerCaller, platform: Platform) -> None:
    """422 is the caller's mistake."""
    problem = {"loc": ["body", "x"], "msg": "no", "type": "missing"}
    platform.on("POST", f"{ROUTES}/process", (422, {"detail": [problem]}))
    with pytest.raises(InvalidInput, match=r"body\.x") as caught:
        caller.call(PROCESS, {})
    assert caught.value.problems == (problem,)


def test_a_route_that_fails_raises(caller: PeerCaller, platform: Platform) -> None:
    """With the detail."""
    platform.on("POST", f"{ROUTES}/process", (500, {"detail": "KeyError: 'x'"}))
    with pytest.raises(RemoteError, match="500: KeyError: 'x'"):
        caller.call(PROCESS, {})


def test_an_endpoint_that_is_not_deployed_is_an_error_with_a_hint(caller: PeerCaller, platform: Platform) -> None:
    """It says what is."""
    platform.addresses = {"web": ROUTES}
    with pytest.raises(CallError, match=r"'worker' is not deployed .*web") as caught:
        caller.call(HELLO, {})
    assert caught.value.hint


def test_an_unknown_environment_is_an_error(caller: PeerCaller, platform: Platform) -> None:
    """Null is an answer, too."""
    platform.environment = None
    with pytest.raises(CallError, match="no environment 'env1'"):
        caller.call(HELLO, {})


def test_the_state_manager_is_asked_three_times(caller: PeerCaller, platform: Platform, clock: Clock) -> None:
    """It may be restarting."""
    platform.on("POST", GRAPHQL, PlatformUnreachable("nobody there"), (502, {}), (500, {}))
    with pytest.raises(CallError, match="state manager"):
        caller.call(HELLO, {})
    assert clock.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}), "does not accept this worker's key"),
        ((200, {"errors": [{"message": "no such field"}]}), "no such field"),
        ((200, b"<html>"), "not JSON"),
    ],
)
def test_a_state_manager_that_says_no_is_an_error(
    caller: PeerCaller, platform: Platform, answer: tuple[int, Any], message: str
) -> None:
    """Asked once: it has answered."""
    platform.on("POST", GRAPHQL, answer)
    with pytest.raises(CallError, match=message):
        caller.call(HELLO, {})
    assert len(platform.seen) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}), "key"),
        ((404, {}), "404"),
        ((429, {"error": "slow down"}), "slow down"),
        ((200, b"hello"), "not JSON"),
        (PlatformUnreachable("nobody there"), "nobody there"),
    ],
)
def test_an_endpoint_that_cannot_be_called_is_an_error(
    caller: PeerCaller, platform: Platform, answer: Any, message: str
) -> None:
    """Of the call, with what happened."""
    platform.on("POST", f"{QUEUE}/runsync", answer)
    with pytest.raises(CallError, match=message):
        caller.call(HELLO, {})


def test_an_argument_that_is_not_json_is_refused_before_anything_is_sent(
    caller: PeerCaller, platform: Platform
) -> None:
    """It names the type."""
    with pytest.raises(CallError, match="value of type object"):
        caller.call(HELLO, {"name": object()})
    assert platform.seen == []


def test_a_path_needs_its_parameters(caller: PeerCaller) -> None:
    """They cannot be left to defaults."""
    with pytest.raises(CallError, match="without 'id'"):
        caller.call(ITEM, {})


# -------------------------------------------------------------------------------------------- With an id, and an image


def test_an_endpoint_with_an_id_is_called_without_looking_for_it(caller: PeerCaller, platform: Platform) -> None:
    """With the key: its job API, and its routes, in a thread where the call is awaited."""
    platform.on("POST", f"{DATA}/abc/runsync?wait=60000", (200, {"id": "1", "status": "COMPLETED", "output": 5}))
    platform.on("GET", "http://data.test/lb/abc/up?n=1", (200, {"up": True}))
    known = Endpoint(id="abc")

    async def awaited() -> Any:
        return (await known.runsync({})).output, await known.get("/up", {"n": 1})

    with override_caller(caller):
        assert known.runsync({"n": 1}).output == 5
        assert asyncio.run(awaited()) == (5, {"up": True})
    assert platform.asked == []
    assert [(headers["Authorization"], body) for _, _, headers, body in platform.seen] == [
        ("Bearer secret", {"input": {"n": 1}}),
        ("Bearer secret", {"input": {"__empty": True}}),
        ("Bearer secret", None),
    ]


def test_an_image_is_found_by_its_name(caller: PeerCaller, platform: Platform) -> None:
    """In the environment, and again where it has moved; a verb goes to where its routes would be."""
    platform.addresses = {"engine": f"{DATA}/old"}
    gone, done = (404, {"error": "not found"}), (200, {"id": "1", "status": "COMPLETED", "output": 5})
    engine = Endpoint(name="engine", image="me/mine:1")
    platform.on("POST", f"{DATA}/old/runsync?wait=60000", done, gone)
    platform.on("POST", f"{DATA}/new/runsync?wait=60000", done)
    platform.on("POST", "http://data.test/lb/new/x", (200, b"text"), content_type="text/plain")
    with override_caller(caller):
        assert engine.runsync({"n": 1}).output == 5
        platform.addresses = {"engine": f"{DATA}/new"}
        assert engine.runsync({"n": 1}).output == 5
        assert engine.post("/x", {"n": 1}) == "text"


def test_a_refused_request_is_told(caller: PeerCaller, platform: Platform) -> None:
    """An id that nobody knows has a hint; a route's own error is its own."""
    platform.on("POST", f"{DATA}/abc/run", (404, {"error": "endpoint not found"}))
    platform.on("GET", "http://data.test/lb/abc/up", (500, {"detail": "oops"}))
    with override_caller(caller):
        with pytest.raises(CallError, match=r"POST /run of endpoint 'abc': 404: .*not found.*\nhint: is the id right"):
            Endpoint(id="abc").run({"n": 1})
        with pytest.raises(RemoteError, match="GET /up of endpoint 'abc': 500: oops"):
            Endpoint(id="abc").get("/up")
        with pytest.raises(CallError, match="did not answer"):
            Endpoint(id="other").run({"n": 1})
