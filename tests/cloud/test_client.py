from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fakes_cloud import Script, platform

from flash.errors import ManifestError, NotAuthorized, NotFound, PlatformError, PlatformUnreachable


def data(**values: Any) -> dict[str, Any]:
    return {"data": values}


def build(manifest: Any) -> dict[str, Any]:
    return data(flashBuild={"id": "b1", "objectKey": "key", "createdAt": "", "manifest": manifest})


def operations(script: Script) -> list[str]:
    """What was asked for, in order."""
    texts = [script.sent(number)["query"] for number in range(len(script.requests))]
    return [name for text in texts for name in re.findall(r"^(?:query|mutation) (\w+)", text)]


def errors(*messages: str) -> dict[str, Any]:
    return {"errors": [{"message": message} for message in messages]}


APP = {
    "id": "a1",
    "name": "demo",
    "flashEnvironments": [
        {"id": "e1", "name": "production", "activeBuildId": "b1", "endpoints": [{"id": "x1", "name": "gpu"}]}
    ],
    "flashBuilds": [],
}
UNCLEAR = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.Response(502, text="bad gateway"),
    httpx.Response(429, text="too many"),
    errors("Internal server error"),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, content=b'{"data": {"createFl', headers={"content-type": "application/json"}),
    {"data": {"createFlashApp": None}},
    {"data": None},
]
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


def test_a_mutation_whose_answer_got_lost_is_looked_for_before_it_is_sent_again():
    """What it made is there: it is not made twice."""
    client, script, clock = platform(httpx.ReadTimeout("slow"), data(flashAppByName=APP))
    assert client.create_app("demo").id == "a1"
    assert (operations(script), clock.slept) == (["createFlashApp", "getFlashAppByName"], [])


@pytest.mark.parametrize("failure", UNCLEAR)
def test_a_mutation_that_has_not_happened_is_sent_again(failure: Any):
    """After a look, and a pause."""
    made = data(createFlashApp={"id": "a1", "name": "demo"})
    client, script, clock = platform(failure, errors("App not found"), failure, data(flashAppByName=None), made)
    assert client.create_app("demo").id == "a1"
    asked = ["createFlashApp", "getFlashAppByName", "createFlashApp", "getFlashAppByName", "createFlashApp"]
    assert (operations(script), clock.slept) == (asked, [1.0, 2.0])


def test_a_mutation_is_sent_three_times_at_most():
    """Then its own failure is raised, after a last look."""
    client, script, _ = platform(*[httpx.ReadTimeout("slow"), data(flashAppByName=None)] * 3)
    with pytest.raises(PlatformUnreachable, match="createFlashApp"):
        client.create_app("demo")
    assert operations(script) == ["createFlashApp", "getFlashAppByName"] * 3


def test_a_mutation_is_not_sent_again_where_nobody_can_look():
    """Nobody knows whether it arrived; what is raised is why."""
    client, script, _ = platform(httpx.ReadTimeout("slow"), *[httpx.ConnectError("refused")] * 4)
    with pytest.raises(PlatformUnreachable, match="createFlashApp"):
        client.create_app("demo")
    assert operations(script).count("createFlashApp") == 1


@pytest.mark.parametrize("failure", [httpx.Response(400, json=errors("no")), errors("quota exceeded")])
def test_a_mutation_that_is_refused_is_not_sent_again(failure: Any):
    """A refusal is an answer."""
    client, script, clock = platform(failure)
    with pytest.raises(PlatformError):
        client.create_app("demo")
    assert (len(script.requests), clock.slept) == (1, [])


def test_a_name_that_is_taken_is_the_one_that_was_meant():
    """A proxy had sent the request twice, or somebody else was faster."""
    client, _, _ = platform(errors("an app named 'demo' exists already"), data(flashAppByName=APP))
    assert client.create_app("demo").id == "a1"
    found = {**ENVIRONMENT, "name": "production"}
    client, _, _ = platform(errors("name is not unique"), data(flashEnvironmentByName=found))
    assert client.create_environment("a1", "production").id == "e1"


def test_a_build_whose_answer_got_lost_is_known_by_its_run():
    """Each run makes one of each kind."""
    entry = {"run": "r1", "environment": "production", "action": "deploy"}

    def build(name: str, **other: Any) -> dict[str, Any]:
        manifest = {"resources": {}, "deployment": {**entry, **other}}
        return {"id": name, "objectKey": "key", "createdAt": "", "manifest": manifest}

    builds = [build("b3", run="r2"), build("b2", action="candidate"), build("b1")]
    client, _, _ = platform(httpx.ReadTimeout("slow"), data(flashApp={"id": "a1", "flashBuilds": builds}))
    assert client.finalize("a1", "key", {"resources": {}, "deployment": entry}) == "b1"


def test_an_activation_whose_answer_got_lost_is_read_back():
    """From the environment."""
    client, script, _ = platform(httpx.ReadTimeout("slow"), data(flashEnvironment=ENVIRONMENT))
    client.activate("e1", "b1")
    assert operations(script) == ["deployBuildToEnvironment", "getFlashEnvironment"]


def test_a_manifest_whose_answer_got_lost_is_read_back():
    """It was written if it says the same."""
    manifest = {"resources": {"gpu": {}}, "digest": "d"}
    found = {"id": "b1", "objectKey": "key", "createdAt": "", "manifest": manifest}
    client, script, _ = platform(httpx.ReadTimeout("slow"), data(flashBuild=found))
    client.update_build_manifest("b1", manifest)
    assert len(script.requests) == 2


def test_an_endpoint_whose_answer_got_lost_is_found_by_its_name():
    """A second one would be one too many."""
    keys = ("type", "gpuIds", "gpuCount", "minCudaVersion", "allowedCudaVersions", "instanceIds", "locations",
            "networkVolumeId", "networkVolumeIds", "flashBootType", "idleTimeout", "executionTimeoutMs", "scalerType",
            "scalerValue", "workersMin", "workersMax", "workersPFBTarget")  # fmt: skip
    named = {"id": "x1", "name": "gpu", "templateId": "t1", "flashEnvironmentId": "e1"}
    settings = {**dict.fromkeys(keys), **named}
    client, _, _ = platform(
        httpx.ReadTimeout("slow"), data(flashEnvironment=ENVIRONMENT), data(myself={"endpoint": settings})
    )
    saved = client.save_endpoint({"name": "gpu", "flashEnvironmentId": "e1"})
    assert (saved.id, saved.template_id) == ("x1", "t1")


def test_an_update_whose_answer_got_lost_is_sent_again():
    """The same once more changes nothing."""
    saved = {"id": "x1", "name": "gpu", "templateId": "t1"}
    client, script, _ = platform(httpx.ReadTimeout("slow"), data(saveEndpoint=saved))
    client.save_endpoint({"id": "x1", "name": "gpu"})
    assert operations(script) == ["saveEndpoint", "saveEndpoint"]


def test_an_environment_whose_deletion_was_not_answered_is_looked_for():
    """Gone is gone."""
    client, _, _ = platform(httpx.ReadTimeout("slow"), errors("Environment not found"))
    client.delete_environment("e1")


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


def test_an_environment_that_is_not_there_is_none():
    """The app's list tells; there is nothing more to ask."""
    client, script, _ = platform(data(flashAppByName=APP))
    assert client.environment("demo", "staging") is None
    assert len(script.requests) == 1


def test_an_environment_of_an_app_that_is_not_there_is_none():
    """There is nothing more to ask."""
    client, script, _ = platform(errors("App not found"))
    assert client.environment("demo", "staging") is None
    assert len(script.requests) == 1


def test_an_environment_comes_with_what_is_live():
    """Endpoints by name, and the manifest of the active build, in two questions."""
    manifest = {"resources": {"gpu": {}}, "digest": "d1"}
    client, script, _ = platform(data(flashAppByName=APP), build(manifest))
    live = client.environment("demo", "production")
    assert live is not None
    assert (live.id, live.app_id, live.active_build_id, live.endpoints) == ("e1", "a1", "b1", {"gpu": "x1"})
    assert live.manifest is not None
    assert live.manifest.digest == "d1"
    assert len(script.requests) == 2


def test_an_environment_without_a_build_has_no_manifest():
    """Before the first deployment."""
    empty = {**APP, "flashEnvironments": [{**ENVIRONMENT, "activeBuildId": None, "endpoints": None}]}
    client, _, _ = platform(data(flashAppByName=empty))
    live = client.environment("demo", "production")
    assert live is not None
    assert (live.manifest, live.active_build_id, live.endpoints) == (None, None, {})


def test_the_other_environments_of_the_app_come_along():
    """Nothing more is asked for them."""
    staging = {"id": "e2", "name": "staging", "activeBuildId": None, "endpoints": []}
    both = {**APP, "flashEnvironments": [*APP["flashEnvironments"], staging]}
    client, _, _ = platform(data(flashAppByName=both), build({}))
    live = client.environment("demo", "production")
    assert live is not None
    assert [one.name for one in live.siblings] == ["staging"]


def test_a_manifest_that_cannot_be_read_names_its_build():
    """It is an error, not an empty one."""
    client, _, _ = platform(build({"resources": 3}))
    with pytest.raises(ManifestError, match="build b1"):
        client.build_manifest("b1")


def test_what_is_live_although_its_manifest_cannot_be_read_can_be_looked_at():
    """Somebody has edited it; it says why it cannot be read."""
    client, _, _ = platform(data(flashAppByName=APP), build({"resources": 3}))
    live = client.environment("demo", "production")
    assert live is not None
    assert live.manifest is None
    assert "build b1" in live.problem


def test_an_entry_of_the_ledger_that_somebody_edited_does_not_hide_the_rest():
    """The manifest is what workers need."""
    client, _, _ = platform(build({"resources": {"gpu": {}}, "deployment": {"run": 7, "state": "great"}}))
    manifest = client.build_manifest("b1")
    assert manifest is not None
    assert (set(manifest.resources), manifest.deployment) == ({"gpu"}, None)


def test_all_builds_are_listed_with_what_can_be_read_of_them():
    """The newest first, as the platform has them."""
    listed = [
        {"id": "b2", "objectKey": "k2", "createdAt": "2026-01-02T00:00:00Z", "manifest": {"resources": 3}},
        {"id": "b1", "objectKey": "k1", "createdAt": "2026-01-01T00:00:00Z", "manifest": {"digest": "d1"}},
    ]
    client, _, _ = platform(data(flashApp={"id": "a1", "flashBuilds": listed}))
    newer, older = client.builds("a1")
    assert (newer.id, newer.object_key, newer.manifest) == ("b2", "k2", None)
    assert older.manifest is not None
    assert older.manifest.digest == "d1"


@pytest.mark.parametrize("answer", [errors("build not found"), data(flashBuild=None)])
def test_a_build_that_is_not_there_has_no_manifest(answer: Any):
    """Error or null."""
    client, _, _ = platform(answer, answer)
    assert client.build_manifest("b1") is None
    assert client.build("b1") is None


LEASE = {"secret": "l1", "holder": "r1", "who": "ada@host", "since": "2026-01-01T00:00:00Z", "expiresInS": 30.0}


def test_what_changes_something_shows_the_lease_while_it_is_held():
    """And nothing else does: an upload goes to a storage."""
    granted = {"isGranted": True, "lease": LEASE, "environment": {"id": "e1", "activeBuildId": "b1"}}
    client, script, _ = platform(
        data(acquireFlashLease=granted),
        data(deployBuildToEnvironment={"id": "e1", "name": "production"}),
        data(renewFlashLease=True),
        data(releaseFlashLease=True),
        data(retireFlashVersions=0),
    )
    grant = client.acquire_lease("e1", holder="r1", who="ada@host")
    assert (grant.is_granted, grant.active_build_id, grant.lease.expires_in_s) == (True, "b1", 30.0)
    client.activate("e1", "b1")
    assert client.renew_lease("e1")
    client.release_lease("e1")
    client.retire("e1")
    assert [request.headers.get("flash-lease") for request in script.requests] == [None, "l1", "l1", "l1", None]


def test_a_share_is_set_and_told_by_version():
    """What is set once more is set: an answer that got lost is asked for again."""
    version = {"buildId": "b2", "state": "STAGED", "share": 5, "answered": 10, "failed": 1}
    client, script, _ = platform(
        httpx.Response(502),
        data(setFlashTraffic=1),
        data(flashEnvironment={"id": "e1", "endpoints": [{"id": "p1", "flashVersions": [version]}]}),
        data(flashEnvironment=None),
    )
    assert client.set_traffic("e1", "b2", 5) == 1
    (found,) = client.traffic("e1")["p1"]
    assert (found.build_id, found.state, found.share, found.answered, found.failed) == ("b2", "STAGED", 5, 10, 1)
    assert client.traffic("e2") == {}
    assert len(script.requests) == 4


def test_a_lease_of_somebody_else_is_not_shown():
    """It is not ours to show."""
    nothing = {"id": "e1", "activeBuildId": None}
    refused = {"isGranted": False, "lease": {**LEASE, "secret": None}, "environment": nothing}
    client, script, _ = platform(data(acquireFlashLease=refused), data(retireFlashVersions=0))
    assert client.acquire_lease("e1", holder="r2", who="bob@host").lease.who == "ada@host"
    client.retire("e1")
    assert "flash-lease" not in script.requests[1].headers


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


def test_a_gateway_that_knows_no_such_page_says_nothing_of_apps():
    """Else everything would seem to be gone, and would be made anew."""
    client, _, _ = platform(httpx.Response(404, text="no route"))
    with pytest.raises(PlatformError, match="404") as caught:
        client.find_app("demo")
    assert type(caught.value) is PlatformError
    assert "address" in caught.value.hint
