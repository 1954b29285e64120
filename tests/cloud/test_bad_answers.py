"""Answers that nobody wants, to every operation: each is an error of ours with operation and hint, without the key."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes_cloud import Clock
from fakes_runpod import KEY, RUNPOD, STORAGE, extensions_in
from graphql import NonNullTypeNode, OperationDefinitionNode, parse

from flash.cloud.client import PlatformClient
from flash.cloud.jobs import EndpointClient
from flash.cloud.operations import OPERATIONS
from flash.errors import FlashError, NotAuthorized, NotFound, PlatformError, SettingsError

MANIFEST: dict[str, Any] = {"resources": {}}
TEMPLATE = {"id": "t1", "name": "n", "imageName": "i", "containerDiskInGb": 5, "env": [], "volumeInGb": 0}

CALLS: dict[str, Callable[[PlatformClient], Any]] = {
    "getMyself": lambda client: client.check_key(),
    "getFlashApps": lambda client: client.apps(),
    "getFlashAppByName": lambda client: client.find_app("demo"),
    "getFlashBuilds": lambda client: client.builds("a1"),
    "getFlashBuild": lambda client: client.build_manifest("b1"),
    "getEndpoint": lambda client: client.has_endpoint("e1"),
    "getEndpointSettings": lambda client: client.endpoint_settings("e1"),
    "getTemplate": lambda client: client.template("t1"),
    "createFlashApp": lambda client: client.create_app("demo"),
    "deleteFlashApp": lambda client: client.delete_app("a1"),
    "createFlashEnvironment": lambda client: client.create_environment("a1", "production", must_be_new=True),
    "deleteFlashEnvironment": lambda client: client.delete_environment("e1"),
    "FinalizeArtifactUpload": lambda client: client.finalize("a1", "object1", MANIFEST),
    "deployBuildToEnvironment": lambda client: client.activate("e1", "b1"),
    "updateFlashBuildManifest": lambda client: client.update_build_manifest("b1", MANIFEST),
    "saveEndpoint": lambda client: client.save_endpoint({"name": "gpu"}),
    "saveTemplate": lambda client: client.save_template(TEMPLATE),
    "createFlashAuthRequest": lambda client: client.create_login(),
    "flashAuthRequestStatus": lambda client: client.login("l1"),
}
"""A call whose first request is that operation."""


class Scripted:
    """A platform that gives one answer to everything."""

    def __init__(self, answer: Callable[[str], httpx.Response]) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self.clock = Clock()

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        query = json.loads(request.content)["query"] if request.content else ""
        return self._answer(query)

    def client(self, key: str = KEY) -> PlatformClient:
        transport = httpx.MockTransport(self.respond)
        address = replace(RUNPOD, api_key=key)
        return PlatformClient(address, transport=transport, sleep=self.clock.sleep, jitter=lambda: 0.5)


def graphql(**body: Any) -> Callable[[str], httpx.Response]:
    return lambda _query: httpx.Response(200, json=body)


def nulled(query: str) -> httpx.Response:
    """Half an answer: everything that was asked for is there, and null."""
    (definition,) = parse(query).definitions
    assert isinstance(definition, OperationDefinitionNode)
    fields = [selection.name.value for selection in definition.selection_set.selections]  # type: ignore[attr-defined]
    data = dict.fromkeys(fields)
    return httpx.Response(200, json={"data": data, "errors": [{"message": "internal error", "path": fields}]})


ANSWERS: dict[str, Callable[[str], httpx.Response]] = {
    "401": lambda _: httpx.Response(401, text=f"bad key {KEY}"),
    "401 as JSON": lambda _: httpx.Response(401, json={"errors": [{"message": f"API key {KEY} has expired"}]}),
    "403": lambda _: httpx.Response(403, json={"error": f"{KEY} is read-only"}),
    "404": lambda _: httpx.Response(400, text="404 page"),
    "409": lambda _: httpx.Response(409, json={"errors": [{"message": "conflict"}]}),
    "429": lambda _: httpx.Response(429, text="slow down"),
    "500": lambda _: httpx.Response(500, text=f"Traceback … {KEY}"),
    "502 in HTML": lambda _: httpx.Response(502, html="<html><h1>Bad Gateway</h1></html>"),
    "302 to a portal": lambda _: httpx.Response(302, headers={"location": "https://portal.example/"}),
    "HTML": lambda _: httpx.Response(200, html=f"<html>Sign in, {KEY}</html>"),
    "nothing": lambda _: httpx.Response(200),
    "cut off": lambda _: httpx.Response(
        200, content=b'{"data": {"myself": {"id": "u', headers={"content-type": "application/json"}
    ),
    "a list": lambda _: httpx.Response(200, json=[{"data": {}}]),
    "a number": lambda _: httpx.Response(200, json=7),
    "null": lambda _: httpx.Response(200, json=None),
    "no data": graphql(),
    "data: null": graphql(data=None),
    "data: a list": graphql(data=[]),
    "errors: null": graphql(errors=None),
    "errors: [] and no data": graphql(errors=[], data=None),
    "errors: a text": graphql(errors=f"boom {KEY}", data=None),
    "errors: an object": graphql(errors={"message": f"boom {KEY}"}),
    "errors: texts": graphql(errors=["boom", KEY]),
    "errors without messages": graphql(errors=[{"extensions": {"code": 7}}]),
    "errors: nulls": graphql(errors=[None]),
    "an error that echoes the key": graphql(errors=[{"message": f"bad header: Bearer {KEY}"}]),
    "an error that shows another key": graphql(errors=[{"message": "aiKey rpa_OTHEROTHEROTHEROTHER"}]),
    "half an answer": nulled,
    "expired": graphql(errors=[{"message": "API key expired"}]),
    "revoked": graphql(errors=[{"message": "API key has been revoked"}]),
    "read-only": graphql(errors=[{"message": "Permission denied: read-only key"}]),
    "a very long error": graphql(errors=[{"message": "x" * 100_000}]),
    "an error of several lines": graphql(errors=[{"message": "one\ntwo"}]),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_bad_answer_is_a_clear_error(answer: str, operation: str):
    """Named operation, no traceback, no key; and queries end, mutations are not sent for ever."""
    platform = Scripted(ANSWERS[answer])

    with pytest.raises(FlashError) as caught, platform.client() as client:
        CALLS[operation](client)

    shown = f"{caught.value}"
    assert isinstance(caught.value, PlatformError)
    assert operation in caught.value.message or operation in caught.value.operation
    assert "rpa_" not in shown
    assert len(caught.value.message) < 1000
    assert len(platform.requests) < 12


def test_every_operation_that_runpod_knows_is_in_the_table():
    """The local platform's extensions have tests of their own, and so have those that follow another operation."""
    extensions = {name for name, one in OPERATIONS.items() if extensions_in(one.text)}
    helpers = {"getFlashEnvironment", "getFlashEnvironmentByName", "PrepareArtifactUpload", "deleteEndpoint"}
    assert set(OPERATIONS) - extensions - helpers <= set(CALLS)


@pytest.mark.parametrize("answer", ["401", "401 as JSON", "403", "expired", "revoked", "read-only"])
def test_a_key_that_is_refused_says_what_to_do(answer: str):
    """One kind of error, with a hint."""
    with pytest.raises(NotAuthorized) as caught, Scripted(ANSWERS[answer]).client() as client:
        client.create_app("demo")
    assert caught.value.hint


def test_a_key_without_rights_is_told_from_one_that_is_not_known():
    """Another key of the same kind would not help."""
    for answer in ("403", "read-only"):
        with (
            pytest.raises(NotAuthorized, match="may not do this") as caught,
            Scripted(ANSWERS[answer]).client() as client,
        ):
            client.create_app("demo")
        assert "may write" in caught.value.hint
    with pytest.raises(NotAuthorized, match="does not accept the API key"), Scripted(ANSWERS["401"]).client() as client:
        client.create_app("demo")


@pytest.mark.parametrize("key", [f"{KEY}\nX-Evil: 1", f"{KEY}\r\n", "schlüssel", "two words", "\x00", "tab\tkey"])
@pytest.mark.parametrize("operation", sorted(set(CALLS) - {"createFlashAuthRequest"}))
def test_a_key_that_no_header_can_carry_is_told_before_any_request(operation: str, key: str):
    """And not shown: the HTTP library would have quoted it."""
    platform = Scripted(graphql(data={}))

    with pytest.raises(SettingsError) as caught, platform.client(key) as client:
        CALLS[operation](client)

    assert platform.requests == []
    assert key not in str(caught.value)
    assert key.split(maxsplit=1)[0] not in str(caught.value) or not key.split(maxsplit=1)[0]
    assert caught.value.hint


def test_such_a_key_reaches_neither_jobs_nor_workers():
    """The same holds on the data plane."""
    transport = httpx.MockTransport(lambda _: pytest.fail("sent"))
    endpoint = EndpointClient(
        "gpu", kind="queue", url="https://api.runpod.ai/v2/x", api_key="a\nb", transport=transport
    )
    with pytest.raises(SettingsError):
        endpoint.runsync({"x": 1})
    platform = Scripted(graphql())
    with pytest.raises(SettingsError), platform.client("a\nb") as client:
        client.health("e1")
    assert platform.requests == []


@pytest.mark.parametrize(
    ("data", "lacks"),
    [
        ({"saveEndpoint": {"id": None, "name": "gpu", "templateId": "t"}}, "saveEndpoint.id is null"),
        ({"saveEndpoint": {"id": 7, "name": "gpu", "templateId": "t"}}, "saveEndpoint.id is int"),
        ({"saveEndpoint": {"name": "gpu", "templateId": "t"}}, "saveEndpoint.id is missing"),
        ({"saveEndpoint": {"id": "e", "name": "gpu", "templateId": 1}}, "saveEndpoint.templateId is int"),
        ({"saveEndpoint": "e1"}, "saveEndpoint is str"),
        ({"saveEndpoint": None}, "saveEndpoint is missing"),
        ({}, "saveEndpoint is missing"),
    ],
)
def test_an_answer_that_lacks_something_says_what(data: dict[str, Any], lacks: str):
    """Its place, and not what was there instead."""
    with pytest.raises(PlatformError, match=lacks) as caught, Scripted(graphql(data=data)).client() as client:
        client.save_endpoint({"name": "gpu"})
    assert "newer" in caught.value.hint


def test_what_is_new_or_null_and_not_needed_is_fine():
    """States that nobody knew, keys that nobody asked for, lists that are null."""
    environment = {"id": "e1", "name": "p", "state": "HIBERNATING", "activeBuildId": None, "createdAt": None, "x": 1}
    app = {"id": "a1", "name": "demo", "flashEnvironments": [{**environment, "endpoints": None}], "flashBuilds": None}
    with Scripted(graphql(data={"flashAppByName": app}, errors=None, extensions={})).client() as client:
        found = client.find_app("demo")
    assert found is not None
    assert [one.name for one in found.environments] == ["p"]
    assert found.environments[0].created_at == ""


@pytest.mark.parametrize("manifest", [3, "text", [], {"resources": 3}, {"resources": {"gpu": None}}])
def test_a_manifest_that_is_none_names_its_build(manifest: object):
    """Whoever wrote it."""
    build = {"id": "b1", "objectKey": "o", "createdAt": "", "manifest": manifest}
    answer = graphql(data={"flashBuild": build})
    with pytest.raises(FlashError, match="build b1"), Scripted(answer).client() as client:
        client.build_manifest("b1")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("an app named 'demo' already exists", "choose another"),
        ("Name is taken", "choose another"),
        ("Max workers across all endpoints exceeded your quota", "counts against the account's quota"),
        ("There are no longer any instances available with the requested specifications", "name more GPUs"),
        ("Insufficient funds: your balance is too low", "top up"),
    ],
)
def test_a_refusal_that_is_known_says_what_would_mend_it(said: str, hint: str):
    """The words are assumed: the real ones are shown in any case."""
    answer = graphql(errors=[{"message": said}])
    with pytest.raises(PlatformError, match=said) as caught, Scripted(answer).client() as client:
        client.save_endpoint({"name": "gpu"})
    assert hint in caught.value.hint


class Storage(Scripted):
    """A platform that sends artifacts to *url*, where *status* is answered."""

    def __init__(self, url: str, status: int) -> None:
        place = {"uploadUrl": url, "objectKey": "o", "expiresAt": ""}
        super().__init__(graphql(data={"prepareFlashArtifactUpload": place}))
        self._status = status

    def respond(self, request: httpx.Request) -> httpx.Response:
        if request.method != "PUT":
            return super().respond(request)
        assert "authorization" not in request.headers
        request.read()
        return httpx.Response(self._status, text=f"<Code>No</Code><Given>{request.url.params.get('signature')}</Given>")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Something to upload."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(b"x"))
    return path


@pytest.mark.parametrize("url", ["not a url", "", "ftp://storage/x", "http://[broken", f"{STORAGE}:99999/x"])
def test_an_upload_url_that_cannot_be_used_is_told(url: str, artifact: Path):
    """It came from the platform: whatever it is, no traceback."""
    platform = Storage(url, 400)
    with pytest.raises(PlatformError, match="upload"), platform.client() as client:
        client.upload("a1", artifact, lambda _: None)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 408, 411, 413, 500, 503])
def test_an_upload_that_is_refused_is_told_without_its_signature(status: int, artifact: Path):
    """With the number."""
    platform = Storage(f"{STORAGE}/o?signature=SIGNED", status)
    with pytest.raises(PlatformError, match=str(status)) as caught, platform.client() as client:
        client.upload("a1", artifact, lambda _: None)
    assert "SIGNED" not in str(caught.value)


def test_the_documents_variables_are_declared_as_required():
    """So that a null is refused by the platform, and not understood as something else."""
    optional = {"SaveTemplateInput", "Int"}
    for operation in OPERATIONS.values():
        (definition,) = parse(operation.text).definitions
        assert isinstance(definition, OperationDefinitionNode)
        for variable in definition.variable_definitions or ():
            name = getattr(getattr(variable.type, "name", None), "value", "")
            assert isinstance(variable.type, NonNullTypeNode) or name in optional, operation.name


def test_not_found_is_an_error_where_something_was_to_be_changed():
    """Only look-ups take it for an answer."""
    answer = graphql(errors=[{"message": "Environment not found"}])
    with pytest.raises(NotFound), Scripted(answer).client() as client:
        client.activate("e1", "b1")
