"""A load-balanced endpoint's application, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fakes_runtime import AsgiClient, importable, lb_resource

from flash.errors import ManifestError
from flash.model.manifest import Manifest
from flash.runtime.routes import application

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import asyncio, threading
from typing import TypedDict
from fastapi import Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from flash import Endpoint

api = Endpoint(name="api", cpu="cpu3c-1-2")

class Item(BaseModel):
    name: str
    price: float = 1.0

class Filter(TypedDict):
    limit: int

@api.post("/process")
def process(input: dict) -> dict:
    return {"got": input, "main": threading.current_thread() is threading.main_thread()}

@api.post("/generate")
async def generate_text(prompt: str): return {"text": prompt + "!"}

@api.get("/items/{id}")
def item(id: int, tag: list[str] = [], deep: bool = False, where: dict = {}): return [id, tag, deep, where]

@api.get("/items/new")
def new(): return "new"

@api.put("/items/{id}")
def put(id: int, item: Item): return {"id": id, "item": item}

@api.delete("/items/{id}")
def delete(id: int, force: bool = False): return {"id": id, "force": force}

@api.patch("/items/{id}")
def patch(id: int, name: str, price: float): return [id, name, price]

@api.get("/search")
def search(query: Filter): return query

@api.get("/files/{path:path}")
def files(path: str): return path

@api.post("/fail")
def fail(how: str):
    if how == "object":
        return object()
    raise ValueError("secret path:\\n" + how)

@api.get("/text")
def text(): return PlainTextResponse("plain", status_code=418)

@api.get("/count")
def count(n: int, bad: int = -1):
    for i in range(n):
        if i == bad:
            raise RuntimeError("enough")
        yield {"i": i}

@api.get("/acount")
async def acount(n: int):
    for i in range(n):
        yield i

@api.get("/native")
def native(request: Request, n: int = 1): return {"host": request.headers["x-test"], "n": n}

@api.get("/native-fails")
def native_fails(n: int = Query(ge=1)): raise KeyError(n)
"""

ROUTES = {
    "GET /items/{id}": "item",
    "GET /items/new": "new",
    "PUT /items/{id}": "put",
    "DELETE /items/{id}": "delete",
    "PATCH /items/{id}": "patch",
    "POST /process": "process",
    "POST /generate": "generate_text",
    "GET /search": "search",
    "GET /files/{path:path}": "files",
    "POST /fail": "fail",
    "GET /text": "text",
    "GET /count": "count",
    "GET /acount": "acount",
    "GET /native": "native",
    "GET /native-fails": "native_fails",
}


def manifest(routes: dict[str, str]) -> Manifest:
    return Manifest(resources={"api": lb_resource("served_api", *routes.values())}, routes={"api": routes})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[AsgiClient]:
    """A client of the application."""
    (tmp_path / "served_api.py").write_text(SOURCE)
    with importable(tmp_path):
        yield AsgiClient(application("api", manifest=manifest(ROUTES)))


def test_ping_says_that_it_is_healthy(client: AsgiClient) -> None:
    """The platform asks before it sends requests."""
    response = client.get("/ping")
    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize("path", ["/execute", "/docs", "/openapi.json", "/redoc"])
def test_nothing_is_served_that_the_user_did_not_write(client: AsgiClient, path: str) -> None:
    """Above all no ``/execute``."""
    assert client.post(path, json={}).status_code == 404
    assert client.get(path).status_code == 404


def test_a_body_is_bound_by_name(client: AsgiClient) -> None:
    """The page's own request."""
    assert client.post("/generate", json={"prompt": "hello"}).json() == {"text": "hello!"}


@pytest.mark.parametrize(
    ("body", "got"), [({"input": {}}, {}), ({"input": {"a": 1}}, {"a": 1}), ({"a": 1}, {"a": 1}), ({}, {})]
)
def test_the_one_dict_takes_the_whole_body(client: AsgiClient, body: object, got: object) -> None:
    """The page posts ``{"input": {}}`` to ``/process``."""
    assert client.post("/process", json=body).json()["got"] == got


def test_no_body_is_an_empty_one(client: AsgiClient) -> None:
    """A parameter that may be left out, may."""
    assert client.post("/process").json()["got"] == {}


def test_a_plain_function_runs_beside_the_event_loop(client: AsgiClient) -> None:
    """It may block: others are answered."""
    assert client.post("/process", json={}).json()["main"] is False


@pytest.mark.parametrize(
    ("body", "loc"),
    [({}, ["body", "prompt"]), ({"prompt": 1}, ["body", "prompt"]), ({"prompt": "", "x": 1}, ["body", "x"])],
)
def test_a_wrong_body_is_a_422_that_names_the_field(client: AsgiClient, body: object, loc: list[str]) -> None:
    """In FastAPI's form."""
    response = client.post("/generate", json=body)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem["loc"] == loc
    assert set(problem) == {"loc", "msg", "type"}


@pytest.mark.parametrize("text", ["{", "[1]", '"a"'])
def test_a_body_that_is_no_object_is_a_422(client: AsgiClient, text: str) -> None:
    """JSON or not."""
    response = client.post("/generate", content=text)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body"]


def test_path_and_query_are_converted(client: AsgiClient) -> None:
    """To the types of the signature; lists by repeating, objects as JSON."""
    query = {"tag": ["a", "b"], "deep": "true", "where": json.dumps({"x": 1})}
    response = client.get("/items/7", params=query)
    assert response.json() == [7, ["a", "b"], True, {"x": 1}]
    assert client.get("/items/7?tag=a").json() == [7, ["a"], False, {}]


@pytest.mark.parametrize(
    ("url", "loc"),
    [
        ("/items/x", ["path", "id"]),
        ("/items/1?deep=perhaps", ["query", "deep"]),
        ("/items/1?unknown=1", ["query", "unknown"]),
        ("/items/1?where=x", ["query", "where"]),
        ("/search?limit=x", ["query", "limit"]),
    ],
)
def test_a_wrong_path_or_query_is_a_422(client: AsgiClient, url: str, loc: list[str]) -> None:
    """It says which of the two."""
    response = client.get(url)
    assert response.status_code == 422
    assert [problem["loc"] for problem in response.json()["detail"]] == [loc]


def test_path_and_body_are_reported_together(client: AsgiClient) -> None:
    """A caller mends all at once."""
    response = client.put("/items/x", json={"price": 1})
    assert [problem["loc"] for problem in response.json()["detail"]] == [["path", "id"], ["body", "name"]]


def test_a_model_beside_path_parameters_takes_the_body(client: AsgiClient) -> None:
    """In both spellings."""
    expected = {"id": 1, "item": {"name": "a", "price": 1.0}}
    assert client.put("/items/1", json={"name": "a"}).json() == expected
    assert client.put("/items/1", json={"item": {"name": "a"}}).json() == expected
    assert client.patch("/items/1", json={"name": "a", "price": 2}).json() == [1, "a", 2.0]


def test_the_whole_query_is_the_one_typed_dict(client: AsgiClient) -> None:
    """The same rule as for a body."""
    assert client.get("/search?limit=3").json() == {"limit": 3}
    assert client.get("/search", params={"query": '{"limit": 3}'}).json() == {"limit": 3}


def test_delete_takes_its_query(client: AsgiClient) -> None:
    """As GET does."""
    assert client.delete("/items/1?force=1").json() == {"id": 1, "force": True}


def test_specific_paths_come_before_parameterised_ones(client: AsgiClient) -> None:
    """In whatever order they were written."""
    assert client.get("/items/new").json() == "new"
    assert client.get("/files/a/b.txt").json() == "a/b.txt"


@pytest.mark.parametrize("how", ["raise", "object"])
def test_a_failure_is_a_500_without_a_traceback(client: AsgiClient, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """That is in the log."""
    response = client.post("/fail", json={"how": how})
    assert response.status_code == 500
    detail = response.json()["detail"]
    assert detail == "ValueError: secret path: raise" if how == "raise" else "value of type object" in detail
    assert "Traceback" not in response.text
    assert "Traceback" in caplog.text


def test_a_response_passes_through(client: AsgiClient) -> None:
    """Status, type and all."""
    response = client.get("/text")
    assert (response.status_code, response.text) == (418, "plain")


def test_a_generator_is_streamed_line_by_line(client: AsgiClient) -> None:
    """Newline-delimited JSON."""
    response = client.get("/count?n=2")
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in response.text.splitlines()] == [{"i": 0}, {"i": 1}]
    assert client.get("/acount?n=3").text == "0\n1\n2\n"
    assert client.get("/count?n=0").text == ""


def test_a_stream_that_fails_midway_says_so_in_its_last_line(client: AsgiClient) -> None:
    """The status has been sent."""
    response = client.get("/count?n=3&bad=1")
    assert response.status_code == 200
    assert [json.loads(line) for line in response.text.splitlines()] == [{"i": 0}, {"error": "RuntimeError: enough"}]


def test_a_stream_that_fails_at_once_is_a_500(client: AsgiClient) -> None:
    """Nothing has been sent."""
    response = client.get("/count?n=3&bad=0")
    assert (response.status_code, response.json()) == (500, {"detail": "RuntimeError: enough"})


def test_what_fastapi_injects_works(client: AsgiClient) -> None:
    """Such a route is FastAPI's own."""
    assert client.get("/native?n=2", headers={"x-test": "a"}).json() == {"host": "a", "n": 2}
    assert client.get("/native-fails?n=0").status_code == 422
    response = client.get("/native-fails?n=1")
    assert (response.status_code, response.json()) == (500, {"detail": "KeyError: 1"})


@pytest.mark.parametrize(
    ("endpoint", "routes", "message"),
    [
        ("nope", ROUTES, "no routes for endpoint 'nope'"),
        ("api", {}, "no routes"),
        ("api", {"GET /ping": "new"}, "reserved"),
        ("api", {"POST /execute": "process"}, "reserved"),
        ("api", {"GET /x": "missing"}, "no 'missing'"),
    ],
)
def test_a_manifest_that_cannot_be_served_is_an_error(
    tmp_path: Path, endpoint: str, routes: dict[str, str], message: str
) -> None:
    """At start."""
    (tmp_path / "served_api.py").write_text(SOURCE)
    with importable(tmp_path), pytest.raises(ManifestError, match=message):
        application(endpoint, manifest=manifest(routes))


def test_a_route_without_a_function_is_an_error(tmp_path: Path) -> None:
    """The manifest contradicts itself."""
    broken: Any = Manifest(resources={"api": lb_resource("served_api")}, routes={"api": {"GET /x": "x"}})
    with pytest.raises(ManifestError, match="does not have"):
        application("api", manifest=broken)
