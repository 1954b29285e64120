from __future__ import annotations

import inspect
import ssl
from typing import Any

import httpx
import pytest
from fakes_cloud import ADDRESS, KEY, platform
from hypothesis import given
from hypothesis import strategies as st

from flash.cloud.address import PlatformAddress
from flash.cloud.transport import HTTPX_ERRORS, authorization, http_options, status_error, translated
from flash.errors import NotAuthorized, NotFound, PlatformError, PlatformUnreachable, SettingsError

EXCEPTIONS = sorted(
    (kind for name in httpx.__all__ if inspect.isclass(kind := getattr(httpx, name)) and issubclass(kind, Exception)),
    key=lambda kind: kind.__name__,
)


def raised(kind: type[Exception], text: str = "boom") -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("GET", "http://127.0.0.1:1/x")
        return kind(text, request=request, response=httpx.Response(500, request=request, text=text))
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_every_exception_of_httpx_has_a_translation(kind: type[Exception]):
    """Nothing of the HTTP library reaches the user, and no text of it carries the key."""
    assert issubclass(kind, HTTPX_ERRORS)
    error = translated(raised(kind, f"boom {KEY}"), operation="getMyself", url="http://127.0.0.1:1", api_key=KEY)
    assert isinstance(error, PlatformError)
    assert error.operation == "getMyself"
    assert KEY not in str(error)


@pytest.mark.parametrize(
    "kind", [httpx.ConnectError, httpx.ReadTimeout, httpx.ConnectTimeout, httpx.RemoteProtocolError, httpx.ProxyError]
)
def test_a_network_that_fails_is_a_platform_that_cannot_be_reached(kind: type[Exception]):
    """The hint names the URL."""
    error = translated(raised(kind), operation="getMyself", url="http://127.0.0.1:1/graphql", api_key=KEY)
    assert isinstance(error, PlatformUnreachable)
    assert "http://127.0.0.1:1/graphql" in error.hint


def test_a_signature_in_a_url_is_not_shown():
    """The query of an upload URL is a permission."""
    error = translated(raised(httpx.ConnectError), operation="upload", url="http://s/k?sig=SIGNED", api_key="")
    assert "http://s/k" in str(error)
    assert "SIGNED" not in str(error)


@pytest.mark.parametrize(("status", "kind"), [(401, NotAuthorized), (403, NotAuthorized), (404, NotFound)])
def test_a_status_has_its_error(status: int, kind: type[PlatformError]):
    """Callers act on the class, not on the number."""
    error = status_error(httpx.Response(status, json={"error": f"no {KEY}"}), operation="GET /x", api_key=KEY)
    assert type(error) is kind
    assert error.status == status
    assert KEY not in str(error)


def test_a_wrong_key_says_how_to_set_the_right_one():
    """As on the page."""
    error = status_error(httpx.Response(401), operation="getMyself", api_key=KEY)
    assert "export RUNPOD_API_KEY=your_api_key_here" in error.hint
    assert ".env" in error.hint


def test_a_missing_key_is_told_from_a_wrong_one():
    """The message says which it is."""
    error = status_error(httpx.Response(401), operation="getMyself", api_key="")
    assert "asks for an API key" in error.message


def test_a_refusal_with_graphql_errors_quotes_them():
    """Servers answer 400 to a document that they do not understand."""
    reply = httpx.Response(400, json={"errors": [{"message": "no such field"}, {"message": "nor this"}]})
    assert "no such field; nor this" in status_error(reply, operation="x", api_key="").message


@given(st.text(min_size=1).filter(lambda key: not key.isascii() or not key.isprintable() or " " in key))
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str):
    """The HTTP library would quote it in its exception."""
    with pytest.raises(SettingsError) as caught:
        authorization(key)
    assert caught.value.message in {
        "the API key has characters that no key has, such as spaces",
        "the API key has a line break in it, which no key has",
    }


@pytest.mark.parametrize("key", ["rpa_one\nrpa_two", "rpa_one\r\nrpa_two"])
def test_a_line_break_in_a_key_is_called_one(key: str):
    """Nobody finds it who looks for a space."""
    with pytest.raises(SettingsError, match="a line break in it"):
        authorization(key)


def test_no_key_sends_no_header():
    """An empty bearer token is not a key."""
    assert authorization("") == {}


@pytest.mark.parametrize(
    ("url", "trusts"), [("http://127.0.0.1:1", False), ("http://localhost:1", False), ("https://api.test", True)]
)
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(url: str, *, trusts: bool):
    """HTTP_PROXY is for the world outside."""
    assert http_options(url)["trust_env"] is trusts


def test_the_body_is_what_the_platform_expects():
    """``variables`` is always there, ``operationName`` never, and the key is a bearer token."""
    client, script, _ = platform({"data": {"myself": {"id": "u"}}})
    client.check_key()
    (request,) = script.requests
    assert sorted(script.sent()) == ["query", "variables"]
    assert script.sent()["variables"] == {}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("pytest-flash/")
    assert str(request.url) == ADDRESS.graphql_url


@pytest.mark.parametrize(
    ("message", "kind"),
    [("App not found", NotFound), ("Unauthorized", NotAuthorized), ("quota exceeded", PlatformError)],
)
def test_graphql_errors_become_ours(message: str, kind: type[PlatformError]):
    """Their text is all that the platform gives."""
    client, _, _ = platform({"errors": [{"message": f"{message} {KEY}"}], "data": None})
    with pytest.raises(PlatformError) as caught:
        client.create_app("demo")
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[1])])
def test_an_answer_that_is_no_graphql_says_whose_address_to_check(answer: Any):
    """A captive portal answers 200 to everything."""
    client, _, _ = platform(*[answer] * 4)
    with pytest.raises(PlatformUnreachable, match="is no GraphQL") as caught:
        client.check_key()
    assert ADDRESS.graphql_url in caught.value.hint


def test_certificates_are_read_once():
    """Reading them takes longer than a request to a local platform."""
    context = http_options("https://a.test")["verify"]
    assert isinstance(context, ssl.SSLContext)
    assert http_options("https://b.test")["verify"] is context


def test_an_address_without_a_key_does_not_ask():
    """No request can help."""
    client, script, _ = platform(address=PlatformAddress("http://127.0.0.1:1", "http://127.0.0.1:1/v2", None, ""))
    with pytest.raises(NotAuthorized, match="there is no API key"):
        client.check_key()
    assert script.requests == []
