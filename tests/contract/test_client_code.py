"""The client that is written from a contract."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypedDict

import httpx
import pytest
from pydantic import BaseModel, Field

from flash.contract.client_code import client_code
from flash.model.manifest import FunctionEntry, Manifest, Resource
from flash.model.schema import call_schema

RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent)) or "ruff"
URLS = {"worker": "http://p.test/v2/1", "counter": "http://p.test/v2/2", "api": "http://p.test/lb/3"}


class Node(BaseModel):
    value: int = Field(alias="the-value")
    children: list[Node] = []


class Order(TypedDict, total=False):
    name: str


def greet(name: str, times: int = 1, mode: Literal["a", "b"] = "a") -> dict[str, list[int]]: ...


def order(order: Order) -> Node | None: ...


def find(item: int, tags: list[str] | None = None, deep: bool = False) -> list[Node]: ...


def lines(to: int) -> Iterator[int]:
    yield to


def lost(anything, class_=None, **more: int): ...  # type: ignore[no-untyped-def]


class Counter:
    def add(self, amount: int) -> int: ...

    def show(self) -> str: ...


def entry(function: Callable[..., Any], route: str = "", **fields: Any) -> FunctionEntry:
    method, _, path = route.partition(" ")
    where = {"http_method": method, "http_path": path} if route else {}
    return FunctionEntry(name=function.__name__, module="m", contract={"": call_schema(function)}, **where, **fields)


MANIFEST = Manifest(
    project_name="demo",
    resources={
        "worker": Resource(functions=[entry(greet)]),
        "untyped-one": Resource(functions=[entry(lost)]),
        "counter": Resource(
            functions=[
                FunctionEntry(
                    name="Counter",
                    module="m",
                    is_class=True,
                    contract={"add": call_schema(Counter().add), "show": call_schema(Counter().show)},
                )
            ]
        ),
        "api": Resource(
            is_load_balanced=True,
            functions=[
                entry(order, "POST /orders"),
                entry(find, "GET /items/{item}"),
                entry(lines, "GET /lines", is_generator=True),
            ],
        ),
    },
)


@pytest.fixture
def generated(tmp_path: Path) -> ModuleType:
    """The client, imported."""
    path = tmp_path / "client_of_demo.py"
    path.write_text(client_code(MANIFEST), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("client_of_demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Platform:
    """Answers with *answers*, one after the other, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content and request.content != b"null" else None
        self.asked.append((request.method, str(request.url).removeprefix("http://p.test"), body))
        status, answer = self._answers.pop(0)
        if isinstance(answer, str):
            return httpx.Response(status, text=answer, headers={"content-type": "application/x-ndjson"})
        return httpx.Response(status, text=json.dumps(answer), headers={"content-type": "application/json"})


def test_the_same_contract_gives_the_same_client() -> None:
    """Also after the manifest was written and read."""
    assert client_code(MANIFEST) == client_code(Manifest.parse(json.loads(MANIFEST.text())))


def test_type_checkers_and_linters_accept_it(tmp_path: Path) -> None:
    """``mypy --strict``, and ruff's rules."""
    (tmp_path / "client.py").write_text(client_code(MANIFEST), encoding="utf-8")
    for command in (
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")],
        [RUFF, "check", "--isolated", "--no-cache", "--target-version", "py310", "--line-length", "120"],
    ):
        done = subprocess.run([*command, "client.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_job_is_called_like_its_function(generated: ModuleType) -> None:
    """What is left out is left out."""
    platform = Platform((200, {"id": "j", "status": "COMPLETED", "output": {"a": [1]}}))
    with generated.Client(URLS, api_key="k", transport=httpx.MockTransport(platform)) as client:
        assert client.worker.greet(name="Ada") == {"a": [1]}
    assert platform.asked == [("POST", "/v2/1/runsync", {"input": {"name": "Ada"}})]


def test_methods_are_named_to_the_platform(generated: ModuleType) -> None:
    """By the key that a class endpoint wants."""
    platform = Platform((200, {"id": "j", "status": "COMPLETED", "output": 3}))
    client = generated.Client(URLS, api_key="k", transport=httpx.MockTransport(platform))
    assert client.counter.add(amount=3) == 3
    assert platform.asked[0][2] == {"input": {"method": "add", "amount": 3}}


def test_a_job_that_failed_raises_what_it_said(generated: ModuleType) -> None:
    """With all that the platform tells of it."""
    platform = Platform((200, {"id": "j", "status": "FAILED", "error": "name: Field required"}))
    client = generated.Client(URLS, api_key="k", transport=httpx.MockTransport(platform))
    with pytest.raises(generated.JobFailed, match="name: Field required") as caught:
        client.worker.greet(name="")
    assert caught.value.job["id"] == "j"


def test_routes_are_called_with_path_query_and_body(generated: ModuleType) -> None:
    """As the endpoint reads them."""
    platform = Platform((200, []), (200, None), (200, "1\n2\n"))
    client = generated.Client(URLS, api_key="k", transport=httpx.MockTransport(platform))
    assert client.api.find(item=7, tags=["a", "b"], deep=True) == []
    assert client.api.order({"name": "Ada"}) is None
    assert client.api.lines(to=2) == [1, 2]
    assert platform.asked == [
        ("GET", "/lb/3/items/7?tags=a&tags=b&deep=true", None),
        ("POST", "/lb/3/orders", {"name": "Ada"}),
        ("GET", "/lb/3/lines?to=2", None),
    ]


def test_a_refusal_names_the_fields(generated: ModuleType) -> None:
    """Those of a 422."""
    problem = {"loc": ["body", "name"], "msg": "should be text", "type": "string_type"}
    platform = Platform((422, {"detail": [problem]}))
    client = generated.Client(URLS, api_key="k", transport=httpx.MockTransport(platform))
    with pytest.raises(generated.Refused) as caught:
        client.api.order({})
    assert (caught.value.status, caught.value.problems) == (422, [problem])


def test_the_asynchronous_client_does_the_same(generated: ModuleType) -> None:
    """It is awaited."""
    platform = Platform((200, {"id": "j", "status": "COMPLETED", "output": {"a": [1]}}))

    async def call() -> Any:
        async with generated.AsyncClient(URLS, api_key="k", transport=httpx.MockTransport(platform)) as client:
            return await client.worker.greet(name="Ada", times=2)

    assert asyncio.run(call()) == {"a": [1]}
    assert platform.asked[0][2] == {"input": {"name": "Ada", "times": 2}}
