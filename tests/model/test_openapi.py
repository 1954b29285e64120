"""One OpenAPI document for a whole app."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from flash.errors import ManifestError
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource
from flash.model.openapi import openapi, openapi_text
from flash.model.schema import call_schema


class Point(BaseModel):
    x: int = 0
    nearest: list[Point] = []


class Order(TypedDict, total=False):
    name: str


def shift(by: int, point: Point | None = None) -> Point: ...


def whole(order: Order) -> str: ...


def count(to: int) -> Iterator[int]:
    yield from range(to)


def untyped(anything, how="x"): ...  # type: ignore[no-untyped-def]


def find(item: int, limit: int = 10, tags: list[str] | None = None, near: Point | None = None) -> list[Point]: ...


class Counter:
    def add(self, amount: int) -> int: ...

    def each(self, to: Point) -> Iterator[Point]:
        yield to


def queue(*functions: Callable[..., Any] | type, **fields: Any) -> Resource:
    return Resource(functions=[entry(each, **fields) for each in functions])


def entry(function: Callable[..., Any] | type, **fields: Any) -> FunctionEntry:
    if isinstance(function, type):
        contract = {name: call_schema(getattr(function(), name)) for name in ("add", "each")}
        return FunctionEntry(name=function.__name__, module="m", is_class=True, contract=contract, **fields)
    return FunctionEntry(name=function.__name__, module="m", contract={"": call_schema(function)}, **fields)


def routed(*routes: tuple[str, Callable[..., Any]], **fields: Any) -> Resource:
    functions = [
        entry(function, http_method=route.split()[0], http_path=route.split()[1], **fields)
        for route, function in routes
    ]
    return Resource(is_load_balanced=True, functions=functions)


def document(urls: dict[str, str] | None = None, **resources: Resource) -> dict[str, Any]:
    """A valid document of those endpoints."""
    found = openapi(Manifest(project_name="zoo", resources=resources), urls=urls)
    validate(found)
    return found


def schema_of(found: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Where a reference leads."""
    while "$ref" in schema:
        schema = found["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def request(found: dict[str, Any], path: str, verb: str = "post") -> dict[str, Any]:
    """The schema of a request's body."""
    return schema_of(found, found["paths"][path][verb]["requestBody"]["content"]["application/json"]["schema"])


def test_a_queue_takes_its_functions_input() -> None:
    """In a body that the platform wants, for /runsync and /run alike."""
    found = document(worker=queue(shift))
    assert list(found["paths"]) == [
        "/worker/runsync",
        "/worker/run",
        "/worker/status/{job_id}",
        "/worker/cancel/{job_id}",
        "/worker/health",
    ]
    body = request(found, "/worker/runsync")
    assert body == request(found, "/worker/run")
    assert body["required"] == ["input"]
    assert schema_of(found, body["properties"]["input"])["required"] == ["by"]


def test_a_job_that_ended_well_has_the_functions_output() -> None:
    """One that did not, or has not ended, has another shape."""
    found = document(worker=queue(shift))
    answer = found["paths"]["/worker/status/{job_id}"]["get"]["responses"]["200"]
    job = schema_of(found, answer["content"]["application/json"]["schema"])
    completed, *others = job["oneOf"]
    assert schema_of(found, completed)["allOf"][1]["properties"]["output"] == {"$ref": "#/components/schemas/Point"}
    assert [one["$ref"].rpartition("/")[2] for one in others] == ["FailedJob", "PendingJob"]


def test_a_job_can_be_followed_by_links() -> None:
    """For testers that know states."""
    links = document(worker=queue(shift))["paths"]["/worker/run"]["post"]["responses"]["200"]["links"]
    assert links["status"] == {"operationId": "worker_status", "parameters": {"job_id": "$response.body#/id"}}


def test_methods_are_told_apart_by_the_input() -> None:
    """With a discriminator; the only method needs none."""
    found = document(counter=queue(Counter))
    chosen = request(found, "/counter/runsync")["properties"]["input"]
    assert chosen["discriminator"]["propertyName"] == "method"
    assert set(chosen["discriminator"]["mapping"]) == {"add", "each"}
    add = schema_of(found, {"$ref": chosen["discriminator"]["mapping"]["add"]})
    assert (add["properties"]["method"]["const"], add["required"]) == ("add", ["method", "amount"])
    each = schema_of(found, {"$ref": chosen["discriminator"]["mapping"]["each"]})
    assert set(each["properties"]) == {"method", "x", "nearest"}


def test_the_only_method_need_not_be_named() -> None:
    """It may be."""
    only = FunctionEntry(
        name="Adder", module="m", is_class=True, contract={"add": call_schema(Counter().add)}, is_generator=False
    )
    found = document(adder=Resource(functions=[only]))
    schema = schema_of(found, request(found, "/adder/runsync")["properties"]["input"])
    assert schema["properties"]["method"] == {"type": "string", "const": "add", "default": "add"}
    assert schema["required"] == ["amount"]


def test_what_yields_can_be_streamed() -> None:
    """Chunks are what the items of its output are."""
    found = document(counting=queue(count, is_generator=True), worker=queue(shift))
    answer = found["paths"]["/counting/stream/{job_id}"]["get"]["responses"]["200"]
    stream = schema_of(found, answer["content"]["application/json"]["schema"])
    assert stream["properties"]["stream"]["items"]["properties"]["output"] == {"type": "integer"}
    assert "/worker/stream/{job_id}" not in found["paths"]


def test_what_has_no_schema_is_told() -> None:
    """By name, or with the reason."""
    lost = FunctionEntry(name="lost", module="m", contract={"": CallSchema(error="untyped: no torch here")})
    found = document(
        a=queue(untyped), b=Resource(functions=[lost]), c=Resource(functions=[FunctionEntry(name="x", module="m")])
    )
    told = [found["paths"][f"/{name}/run"]["post"]["description"] for name in "abc"]
    assert told == ["untyped: anything, how, return", "untyped: no torch here", "its schema is not known"]


def test_routes_take_arguments_from_where_they_travel() -> None:
    """Path, query, body; objects in a query are JSON."""
    found = document(
        api=routed(("GET /items/{item:int}", find), ("POST /orders", whole), ("PUT /items/{item}/near", find))
    )
    get, put = found["paths"]["/api/items/{item}"]["get"], found["paths"]["/api/items/{item}/near"]["put"]
    places = {(one["in"], one["name"], one["required"], "content" in one) for one in get["parameters"]}
    assert places == {
        ("path", "item", True, False),
        ("query", "limit", False, False),
        ("query", "tags", False, False),
        ("query", "near", False, True),
    }
    assert next(one for one in get["parameters"] if one["name"] == "tags")["schema"]["type"] == "array"
    assert [one["name"] for one in put["parameters"]] == ["item"]
    assert set(request(found, "/api/items/{item}/near", "put")["properties"]) == {"limit", "tags", "near"}
    assert request(found, "/api/orders")["title"] == "Order"
    assert get["responses"]["422"] == {"$ref": "#/components/responses/Invalid"}


def test_paths_that_differ_in_names_only_are_one() -> None:
    """OpenAPI calls them identical."""

    def replace(other: int, limit: int = 1) -> int: ...

    found = document(api=routed(("GET /items/{item}", find), ("PUT /items/{other}", replace)))
    assert set(found["paths"]["/api/items/{item}"]) == {"get", "put"}
    assert found["paths"]["/api/items/{item}"]["put"]["parameters"][0]["name"] == "item"


def test_a_routes_stream_is_lines_of_json() -> None:
    """What a line is, 3.1 cannot say."""
    found = document(api=routed(("GET /count", count), is_generator=True))
    content = found["paths"]["/api/count"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["application/x-ndjson"]


def test_a_users_own_ping_is_the_users() -> None:
    """Else there is the worker's."""
    found = document(api=routed(("GET /x", whole)))
    assert found["paths"]["/api/ping"]["get"]["operationId"] == "api_ping"


def test_with_urls_all_is_below_one_server() -> None:
    """Endpoints without one are left out."""
    found = document(
        {"worker": "http://127.0.0.1:1/v2/abc", "api": "http://127.0.0.1:1/lb/xyz/"},
        worker=queue(shift),
        api=routed(("POST /orders", whole)),
        absent=queue(whole),
    )
    assert found["servers"] == [{"url": "http://127.0.0.1:1"}]
    assert "/v2/abc/runsync" in found["paths"]
    assert "/lb/xyz/orders" in found["paths"]
    assert not any("absent" in tag["name"] for tag in found["tags"])


def test_hosts_of_their_own_are_servers_of_paths() -> None:
    """As load-balanced endpoints have on Runpod."""
    found = document(
        {"a": "https://p.ai/v2/1", "b": "https://p.ai/v2/2", "api": "https://3.p.ai"},
        a=queue(shift),
        b=queue(whole),
        api=routed(("POST /orders", whole)),
    )
    assert found["servers"] == [{"url": "https://p.ai"}]
    assert found["paths"]["/orders"]["servers"] == [{"url": "https://3.p.ai"}]
    assert "servers" not in found["paths"]["/v2/1/run"]


def test_no_document_has_a_path_twice() -> None:
    """Two hosts with the same path; one of them can be asked for."""
    resources = {"one": routed(("POST /orders", whole)), "two": routed(("POST /orders", whole))}
    manifest = Manifest(resources=resources)
    urls = {"one": "https://1.p.ai", "two": "https://2.p.ai"}
    with pytest.raises(ManifestError, match=r"'one' and 'two' both have the path '/orders'"):
        openapi(manifest, urls=urls)
    assert list(openapi(manifest, urls=urls, endpoints=["two"])["paths"]) == ["/orders", "/ping"]


def test_the_same_manifest_gives_the_same_text() -> None:
    """One line, and what it says is what the manifest says after it was read again."""
    manifest = Manifest(resources={"worker": queue(shift), "counter": queue(Counter)})
    text = openapi_text(openapi(manifest))
    assert text == openapi_text(openapi(Manifest.parse(json.loads(manifest.text()))))
    assert text.count("\n") == 1


def test_ids_of_operations_are_unique() -> None:
    """Whatever endpoints are called."""
    found = document(**{"a": routed(("POST /b_run", whole)), "a_whole": queue(whole), "a-whole": queue(shift)})
    ids = [one["operationId"] for item in found["paths"].values() for one in item.values()]
    assert len(ids) == len(set(ids))


def test_an_app_without_endpoints_has_a_document() -> None:
    """With nothing in it."""
    assert document()["paths"] == {}
