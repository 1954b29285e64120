from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.deploy.deployment import DeployedEndpoint
from flash.deploy.summary import deployed_block


@dataclass(frozen=True)
class Shown:
    endpoints: tuple[DeployedEndpoint, ...]


LB = DeployedEndpoint(
    name="lb_worker",
    kind="load-balanced",
    id="abc123xyz",
    url="https://abc123xyz.api.runpod.ai",
    routes=("POST /process", "GET /health"),
    example={"input": {}},
)
GPU = DeployedEndpoint(
    name="gpu_worker",
    kind="queue",
    id="def456xyz",
    url="https://api.runpod.ai/v2/def456xyz",
    example={"input": {}},
)
CPU = DeployedEndpoint(
    name="cpu_worker", kind="queue", id="ghi789xyz", url="https://api.runpod.ai/v2/ghi789xyz", example=None
)

PAGE = """\
✓ Deployment Complete

Load-balanced endpoints:
  https://abc123xyz.api.runpod.ai  (lb_worker)
    POST   /process
    GET    /health

  Try it:
    curl -X POST https://abc123xyz.api.runpod.ai/process \\
        -H "Content-Type: application/json" \\
        -H "Authorization: Bearer $RUNPOD_API_KEY" \\
        -d '{"input": {}}'

Queue-based endpoints:
  https://api.runpod.ai/v2/def456xyz  (gpu_worker)
  https://api.runpod.ai/v2/ghi789xyz  (cpu_worker)

  Try it:
    curl -X POST https://api.runpod.ai/v2/def456xyz/runsync \\
        -H "Content-Type: application/json" \\
        -H "Authorization: Bearer $RUNPOD_API_KEY" \\
        -d '{"input": {}}'"""


def with_routes(*routes: str, example: Any) -> Shown:
    return Shown(
        (DeployedEndpoint(name="x", kind="load-balanced", id="i", url="http://h/i", routes=routes, example=example),)
    )


def call(shown: Shown) -> list[str]:
    """The words of the call to try, as a shell reads them."""
    return shlex.split(deployed_block(shown, is_local=False).partition("Try it:\n")[2])


def test_the_block_is_the_pages():
    """To the letter, whatever the order of the endpoints."""
    assert deployed_block(Shown((GPU, LB, CPU)), is_local=False) == PAGE


def test_a_local_call_takes_the_key_from_the_local_platform_first():
    """In both places."""
    key = '  Try it:\n    eval "$(flash platform env)"\n    curl'
    assert deployed_block(Shown((LB, GPU)), is_local=True).count(key) == 2
    own = deployed_block(Shown((GPU,)), is_local=True, program="/venv/bin/flash")
    assert 'eval "$(/venv/bin/flash platform env)"' in own


def test_only_the_kinds_that_there_are_have_a_heading():
    """No empty lists."""
    assert "Load-balanced" not in deployed_block(Shown((GPU,)), is_local=False)
    assert "Queue-based" not in deployed_block(Shown((LB,)), is_local=False)
    assert deployed_block(Shown(()), is_local=False) == "✓ Deployment Complete"


def test_a_route_without_a_body_has_none_in_its_call():
    """As the page calls /health."""
    assert deployed_block(with_routes("GET /health", example={}), is_local=False).endswith(
        '    curl -X GET http://h/i/health \\\n        -H "Authorization: Bearer $RUNPOD_API_KEY"'
    )


@pytest.mark.parametrize(
    ("routes", "tried"),
    [
        (("GET /a", "PUT /b", "POST /c"), "POST http://h/i/c"),
        (("GET /a", "PATCH /b"), "PATCH http://h/i/b"),
        (("DELETE /a", "GET /b"), "DELETE http://h/i/a"),
    ],
)
def test_the_route_with_the_most_to_show_is_tried(routes: tuple[str, ...], tried: str):
    """A POST, else one with a body, else the first."""
    assert " ".join(call(with_routes(*routes, example={}))[2:4]) == tried


def test_path_parameters_are_filled_in_and_the_rest_goes_where_the_route_takes_it():
    """A body for POST, the query for GET."""
    example = {"item_id": "a/b", "q": "x y", "none": None}
    assert call(with_routes("GET /items/{item_id}", example=example))[3] == "http://h/i/items/a/b?q=x+y"
    posted = call(with_routes("POST /items/{item_id}", example={"item_id": 7, "n": 1}))
    assert posted[3] == "http://h/i/items/7"
    assert json.loads(posted[-1]) == {"n": 1}


def test_a_path_parameter_without_an_example_stays_a_placeholder():
    """The user sees what to fill in."""
    assert call(with_routes("GET /items/{item_id}", example=None))[3] == "http://h/i/items/{item_id}"


def test_without_an_example_the_pages_is_shown():
    """For both kinds."""
    assert call(with_routes("POST /process", example=None))[-1] == '{"input": {}}'
    assert call(Shown((CPU,)))[-1] == '{"input": {}}'


def test_an_endpoint_without_routes_has_nothing_to_try():
    """Another one of its kind may."""
    bare = DeployedEndpoint(name="bare", kind="load-balanced", id="i", url="http://h/i")
    assert "Try it" not in deployed_block(Shown((bare,)), is_local=False)
    assert "abc123xyz.api.runpod.ai/process" in deployed_block(Shown((bare, LB)), is_local=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), inner),
    max_leaves=5,
)


@given(JSON)
def test_a_shell_gives_curl_the_example_unchanged(value: object):
    """Quotes and all."""
    job = {"input": {"x": value}}
    shown = DeployedEndpoint(name="q", kind="queue", id="i", url="http://h/v2/i", example=job)
    assert json.loads(call(Shown((shown,)))[-1]) == job
