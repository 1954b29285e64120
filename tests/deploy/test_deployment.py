from __future__ import annotations

from typing import Any

import pytest
from fakes_cloud import ADDRESS
from fakes_deploy import lb_resource, manifest, queue_resource

from flash.deploy.deployment import DeployedEndpoint, deployed_endpoints
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource

OBJECT = {"type": "object"}


def example_of(resource: Resource, routes: dict[str, str] | None = None) -> Any:
    what = Manifest(resources={"x": resource}, routes={} if routes is None else {"x": routes})
    (endpoint,) = deployed_endpoints(what, {"x": "id1"}, ADDRESS)
    return endpoint.example


def queue(*, schemas: dict[str, CallSchema] | None = None, **entry: Any) -> Resource:
    function = FunctionEntry(name="f", module="m", contract=schemas or {}, **entry)
    return queue_resource("x").model_copy(update={"functions": [function]})


def route(schema: CallSchema | None, method: str = "POST") -> Any:
    entry = FunctionEntry(
        name="f", module="m", http_method=method, http_path="/f", contract={} if schema is None else {"": schema}
    )
    return example_of(lb_resource().model_copy(update={"functions": [entry]}), {f"{method} /f": "f"})


def test_endpoints_come_in_the_manifests_order_with_kind_url_and_routes():
    """Those without an id are not live, and left out."""
    found = deployed_endpoints(manifest("lb_worker", "gpu", "gone"), {"gpu": "id2", "lb_worker": "id1"}, ADDRESS)
    assert [one.as_json() for one in found] == [
        {
            "name": "lb_worker",
            "kind": "load-balanced",
            "id": "id1",
            "url": "http://127.0.0.1:1/lb/id1",
            "routes": ["POST /process", "GET /health"],
            "example": {"input": {}},
        },
        {
            "name": "gpu",
            "kind": "queue",
            "id": "id2",
            "url": "http://127.0.0.1:1/v2/id2",
            "routes": [],
            "example": {"input": {}},
        },
    ]


@pytest.mark.parametrize(
    ("resource", "example"),
    [
        (queue(schemas={"": CallSchema(input=OBJECT, example={"name": ""})}), {"input": {"name": ""}}),
        (queue(schemas={"": CallSchema(error="untyped")}), {"input": {}}),
        (queue(), {"input": {}}),
        (queue_resource("x").model_copy(update={"functions": []}), {"input": {}}),
        (
            queue(is_class=True, class_methods=["run"], schemas={"run": CallSchema(example={"n": 0})}),
            {"input": {"n": 0}},
        ),
        (
            queue(is_class=True, class_methods=["run", "stop"], schemas={"run": CallSchema(example={"n": 0})}),
            {"input": {"method": "run", "n": 0}},
        ),
    ],
    ids=["typed", "untyped", "undescribed", "image", "class with one method", "class with several"],
)
def test_a_queue_is_tried_with_the_smallest_valid_job(resource: Resource, example: Any):
    """A class with several methods is told which."""
    assert example_of(resource) == example


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        (CallSchema(input={"type": "object", "additionalProperties": True}, example={}), {"input": {}}),
        (CallSchema(input={"type": "object", "additionalProperties": False}, example={}), {}),
        (CallSchema(input={"type": "object", "properties": {"n": {}}}, example={}), {}),
        (CallSchema(input={"type": "object", "properties": {"n": {}}}, example={}, parameter="input"), {"input": {}}),
        (CallSchema(input={"type": "object", "properties": {"n": {}}}, example={}, parameter="order"), {}),
        (CallSchema(input=OBJECT, example={"prompt": ""}, parameter="input"), {"prompt": ""}),
        (CallSchema(error="untyped"), None),
        (None, None),
    ],
)
def test_a_route_is_tried_with_the_pages_body_where_that_is_valid(schema: CallSchema | None, example: Any):
    """Otherwise with the smallest valid arguments."""
    assert route(schema) == example


def test_an_endpoint_without_a_route_has_no_example():
    """There is nothing to try."""
    assert example_of(lb_resource()) is None


def test_an_endpoint_can_be_written_and_read_again():
    """The attachment file keeps its fields."""
    endpoint = DeployedEndpoint(name="a", kind="queue", id="i", url="u", routes=(), example={"input": {}})
    data = endpoint.as_json()
    assert DeployedEndpoint(**{**data, "routes": tuple(data["routes"])}) == endpoint
