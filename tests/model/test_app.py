"""The rules that span endpoints."""

from __future__ import annotations

import pytest

from flash.errors import DeclarationError
from flash.model.app import App, DeclaredEndpoint, Function, Location
from flash.model.endpoint import EndpointSpec


def _function(name: str, line: int = 1, *, path: str | None = None, calls: tuple[str, ...] = ()) -> Function:
    return Function(
        name=name,
        module="worker",
        location=Location("worker.py", line),
        http_method=None if path is None else "POST",
        http_path=path,
        calls=calls,
    )


def _endpoint(name: str, *functions: Function, line: int = 1) -> DeclaredEndpoint:
    return DeclaredEndpoint(spec=EndpointSpec(name=name), functions=functions, location=Location("worker.py", line))


def test_an_app_is_found_by_its_endpoints_names() -> None:
    """In the order of declaration."""
    first, second = _endpoint("a", _function("f")), _endpoint("b", _function("g"))
    app = App("demo", (first, second))
    assert list(app) == [first, second]
    assert app["b"] is second
    with pytest.raises(KeyError):
        app["c"]


def test_two_endpoints_may_not_share_a_name() -> None:
    """The error names both places."""
    with pytest.raises(DeclarationError, match=r"worker\.py:7: endpoint 'a' is declared twice, first at worker\.py:3"):
        App("demo", (_endpoint("a", _function("f"), line=3), _endpoint("a", _function("g"), line=7)))


def test_two_functions_may_not_share_a_name() -> None:
    """Not of different endpoints either: calls find them by name."""
    with pytest.raises(DeclarationError, match=r"worker\.py:9: function 'f' is declared twice, first at worker\.py:2"):
        App("demo", (_endpoint("a", _function("f", 2)), _endpoint("b", _function("f", 9))))


def test_two_routes_of_an_endpoint_may_not_be_alike() -> None:
    """Those of two endpoints may."""
    one, two = _function("f", 2, path="/x"), _function("g", 9, path="/x")
    App("demo", (_endpoint("a", one), _endpoint("b", two)))
    with pytest.raises(DeclarationError, match=r"worker\.py:9: route 'POST /x' is declared twice"):
        App("demo", (_endpoint("a", one, two),))


def test_routes_make_an_endpoint_load_balanced() -> None:
    """By method and path, in the order of definition."""
    endpoint = _endpoint("a", _function("f", path="/x"), _function("g", path="/a"))
    assert endpoint.is_load_balanced
    assert list(endpoint.routes.items()) == [("POST /x", "f"), ("POST /a", "g")]
    assert not _endpoint("b", _function("h")).is_load_balanced
    assert _endpoint("b", _function("h")).routes == {}


def test_only_calls_of_other_endpoints_are_remote() -> None:
    """Neither those of its own functions nor those of what is no endpoint."""
    caller = _endpoint("a", _function("f", calls=("g", "print")))
    callee = _endpoint("b", _function("g", calls=("g",)))
    app = App("demo", (caller, callee))
    assert [app.makes_remote_calls(endpoint) for endpoint in app] == [True, False]
