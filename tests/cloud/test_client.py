from __future__ import annotations

from typing import Any

import httpx
import pytest
from fakes_cloud import platform

from flash.errors import ManifestError, NotAuthorized, NotFound, PlatformError, PlatformUnreachable


def data(**values: Any) -> dict[str, Any]:
    return {"data": values}


def errors(*messages: str) -> dict[str, Any]:
    return {"errors": [{"message": message} for message in messages]}


APP = {
    "id": "a1",
    "name": "demo",
    "flashEnvironments": [{"id": "e1", "name": "production", "activeBuildId": "b1"}],
    "flashBuilds": [],
}
ENVIRONMENT = {"id": "e1", "name": "production", "activeBuildId": "b1", "endpoints": [{"id": "x1", "name": "gpu"}]}


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(503, text="down"),
        errors("Try again later"),
        httpx.Response(200, text="<html>"),
    ],
)
def test_a_query_is_tried_again_while_the_platform_passes_through_a_bad_moment(failure: Any):
    """Up to four times, after 1, 2 and 4 seconds."""
    client, script, clock = platform(failure, failure, failure, data(myself={"id": "u"}))
    client.check_key()
    assert len(script.requests) == 4
    assert clock.slept == [1.0, 2.0, 4.0]


def test_a_query_gives_up_after_four_attempts():
    """Then the last failure is raised."""
    client, script, _ = platform(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(PlatformUnreachable):
        client.check_key()
    assert len(script.requests) == 4


@pytest.mark.parametrize("failure", [httpx.Response(400, json=errors("no")), errors("quota exceeded")])
def test_a_query_that_is_refused_is_not_tried_again(failure: Any):
    """The same question gets the same answer."""
    client, script, clock = platform(failure)
    with pytest.raises(PlatformError):
        client.check_key()
    assert (len(script.requests), clock.slept) == (1, [])


def test_a_mutation_is_never_sent_twice():
    """Nobody knows whether the first one arrived."""
    client, script, clock = platform(httpx.ReadTimeout("slow"))
    with pytest.raises(PlatformUnreachable):
        client.create_app("demo")
    assert (len(script.requests), clock.slept) == (1, [])


def test_a_key_that_nobody_owns_is_not_accepted():
    """Platforms answer null instead of an error."""
    client, _, _ = platform(data(myself=None))
    with pytest.raises(NotAuthorized):
        client.check_key()


@pytest.mark.parametrize("answer", [errors("App not found"), data(flashAppByName=None)])
def test_an_app_that_is_not_there_is_none(answer: Any):
    """The platform says so with an error, others with null."""
    client, _, _ = platform(answer)
    assert client.find_app("demo") is None


def test_an_app_knows_its_environments():
    """They decide what a bare deployment goes to."""
    client, script, _ = platform(data(flashAppByName=APP))
    app = client.find_app("demo")
    assert app is not None
    assert [(one.name, one.active_build_id) for one in app.environments] == [("production", "b1")]
    assert script.sent()["variables"] == {"flashAppName": "demo"}


def test_all_apps_are_listed():
    """In the platform's order."""
    client, _, _ = platform(data(myself={"flashApps": [APP]}))
    assert [app.name for app in client.apps()] == ["demo"]


@pytest.mark.parametrize("answer", [errors("environment not found"), data(flashEnvironmentByName=None)])
def test_an_environment_that_is_not_there_is_none(answer: Any):
    """Error or null, as with apps."""
    client, _, _ = platform(data(flashAppByName=APP), answer)
    assert client.environment("demo", "staging") is None


def test_an_environment_of_an_app_that_is_not_there_is_none():
    """There is nothing more to ask."""
    client, script, _ = platform(errors("App not found"))
    assert client.environment("demo", "staging") is None
    assert len(script.requests) == 1


def test_an_environment_comes_with_what_is_live():
    """Endpoints by name, and the manifest of the active build."""
    manifest = {"resources": {"gpu": {}}, "digest": "d1"}
    client, _, _ = platform(
        data(flashAppByName=APP),
        data(flashEnvironmentByName=ENVIRONMENT),
        data(flashBuild={"id": "b1", "manifest": manifest}),
    )
    live = client.environment("demo", "production")
    assert live is not None
    assert (live.id, live.app_id, live.active_build_id, live.endpoints) == ("e1", "a1", "b1", {"gpu": "x1"})
    assert live.manifest is not None
    assert live.manifest.digest == "d1"


def test_an_environment_without_a_build_has_no_manifest():
    """Before the first deployment."""
    client, _, _ = platform(
        data(flashAppByName=APP), data(flashEnvironmentByName={**ENVIRONMENT, "activeBuildId": None, "endpoints": None})
    )
    live = client.environment("demo", "production")
    assert live is not None
    assert (live.manifest, live.active_build_id, live.endpoints) == (None, None, {})


def test_a_manifest_that_cannot_be_read_names_its_build():
    """It is an error, not an empty one."""
    client, _, _ = platform(data(flashBuild={"id": "b1", "manifest": {"resources": 3}}))
    with pytest.raises(ManifestError, match="build b1"):
        client.build_manifest("b1")


@pytest.mark.parametrize("answer", [errors("build not found"), data(flashBuild=None)])
def test_a_build_that_is_not_there_has_no_manifest(answer: Any):
    """Error or null."""
    client, _, _ = platform(answer)
    assert client.build_manifest("b1") is None


def test_creating_returns_what_was_made():
    """Ids come from the platform."""
    client, script, _ = platform(
        data(createFlashApp={"id": "a1", "name": "demo"}),
        data(createFlashEnvironment={"id": "e1", "name": "production"}),
        data(finalizeFlashArtifactUpload={"id": "b1", "manifest": {}}),
        data(saveEndpoint={"id": "x1", "name": "gpu"}),
    )
    assert client.create_app("demo").id == "a1"
    assert client.create_environment("a1", "production").id == "e1"
    assert script.sent()["variables"] == {"input": {"flashAppId": "a1", "name": "production"}}
    assert client.finalize("a1", "key", {"digest": "d"}) == "b1"
    assert script.sent()["variables"]["input"]["manifest"] == {"digest": "d"}
    assert client.save_endpoint({"name": "gpu"}).id == "x1"


def test_activation_names_environment_and_build():
    """One operation switches everything."""
    client, script, _ = platform(
        data(deployBuildToEnvironment={"id": "e1", "name": "production"}),
        data(updateFlashBuildManifest={"id": "b1", "manifest": {}}),
        data(retireFlashVersions=2),
    )
    client.activate("e1", "b1")
    assert script.sent()["variables"] == {"input": {"flashEnvironmentId": "e1", "flashBuildId": "b1"}}
    client.update_build_manifest("b1", {"digest": "d"})
    assert client.retire("e1") == 2


def test_deleting_what_is_gone_is_fine():
    """The first answer may have been lost."""
    client, _, _ = platform(errors("boom"), data(myself={"endpoint": None}))
    client.delete_endpoint("x1")


def test_deleting_what_stays_is_an_error():
    """The platform's reason is raised, not the second look's."""
    client, _, _ = platform(errors("scale to zero first"), data(myself={"endpoint": {"id": "x1"}}))
    with pytest.raises(PlatformError, match="scale to zero first"):
        client.delete_endpoint("x1")


def test_deleting_with_a_wrong_key_does_not_look_again():
    """The second question would be refused too."""
    client, script, _ = platform(httpx.Response(401))
    with pytest.raises(NotAuthorized):
        client.delete_endpoint("x1")
    assert len(script.requests) == 1


def test_a_deletion_has_no_value():
    """Null is success."""
    client, _, _ = platform(data(deleteEndpoint=None), data(deleteFlashEnvironment=None), errors("not found"))
    client.delete_endpoint("x1")
    client.delete_environment("e1")
    client.delete_environment("e1")


def test_an_endpoint_exists_or_not():
    """Null, or an error that says so."""
    client, _, _ = platform(
        data(myself={"endpoint": {"id": "x"}}), data(myself={"endpoint": None}), errors("not found")
    )
    assert [client.has_endpoint("x") for _ in range(3)] == [True, False, False]


def test_versions_come_with_health_and_log():
    """Wire spelling ends here."""
    version = {"buildId": "b", "state": "STAGED", "isHealthy": False, "workers": 1, "failure": "died", "logTail": ["x"]}
    client, _, _ = platform(data(myself={"endpoint": {"id": "x1", "flashVersions": [version]}}))
    (found,) = client.versions("x1")
    assert (found.build_id, found.state, found.is_healthy, found.failure) == ("b", "STAGED", False, "died")
    assert found.log_tail == ("x",)


def test_versions_of_an_endpoint_that_is_not_there():
    """It is not an endpoint without versions."""
    client, _, _ = platform(data(myself={"endpoint": None}))
    with pytest.raises(NotFound):
        client.versions("x1")


def test_a_key_that_nobody_owns_has_no_endpoints():
    """It is not an account without any."""
    client, _, _ = platform(data(myself=None))
    with pytest.raises(NotAuthorized):
        client.versions("x1")


def test_logs_are_the_last_lines():
    """As many as asked for."""
    client, script, _ = platform(data(myself={"endpoint": {"id": "x1", "flashLogs": ["a", "b"]}}))
    assert client.logs("x1", 2) == ("a", "b")
    assert script.sent()["variables"] == {"id": "x1", "tail": 2}
    client.close()


def test_a_client_closes_with_its_block():
    """Also where the block fails."""
    client, _, _ = platform()
    with client as same:
        assert same is client
    with pytest.raises(RuntimeError):
        client.check_key()
