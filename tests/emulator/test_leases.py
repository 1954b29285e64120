"""Leases: one run at a time deploys to an environment."""

from __future__ import annotations

from typing import Any

import pytest
from fakes_emulator import DEPLOY, RETIRE, SAVE, Bench, manifest

pytestmark = pytest.mark.anyio

ACQUIRE = (
    "mutation acquireFlashLease($input: AcquireFlashLeaseInput!) { acquireFlashLease(input: $input)"
    " { isGranted lease { secret holder who since expiresInS } environment { id activeBuildId } } }"
)
RENEW = (
    "mutation renewFlashLease($flashEnvironmentId: String!, $leaseId: String!)"
    " { renewFlashLease(flashEnvironmentId: $flashEnvironmentId, leaseId: $leaseId) }"
)
RELEASE = (
    "mutation releaseFlashLease($flashEnvironmentId: String!, $leaseId: String!)"
    " { releaseFlashLease(flashEnvironmentId: $flashEnvironmentId, leaseId: $leaseId) }"
)
DELETE_ENDPOINT = "mutation deleteEndpoint($id: String!) { deleteEndpoint(id: $id) }"
DELETE_ENVIRONMENT = "mutation d($id: String!) { deleteFlashEnvironment(flashEnvironmentId: $id) }"
DELETE_APP = "mutation d($id: String!) { deleteFlashApp(flashAppId: $id) }"
TEMPLATE = "mutation saveTemplate($input: SaveTemplateInput) { saveTemplate(input: $input) { id } }"
LOOK = "query q($id: String!) { flashEnvironment(flashEnvironmentId: $id) { flashLease { secret holder who } } }"


async def ask(bench: Bench, holder: str = "r1", **given: Any) -> dict[str, Any]:
    """Ask for the lease of the environment."""
    asked = {"flashEnvironmentId": bench.environment_id, "holder": holder, "who": f"{holder} of ada", **given}
    return await bench.data(ACQUIRE, input=asked)


async def test_one_run_at_a_time_has_the_lease(bench: Bench) -> None:
    """Who asks second learns who has it, and for how long; not its secret."""
    await bench.setup()
    mine = await ask(bench)
    assert mine["isGranted"]
    assert mine["environment"] == {"id": bench.environment_id, "activeBuildId": None}
    bench.clock.advance(10)
    theirs = await ask(bench, "r2")
    assert not theirs["isGranted"]
    assert theirs["lease"] == {**mine["lease"], "secret": None, "expiresInS": 20.0}
    assert await bench.data(LOOK, id=bench.environment_id) == {
        "flashLease": {"secret": None, "holder": "r1", "who": "r1 of ada"}
    }


async def test_asking_again_as_the_same_run_renews_it(bench: Bench) -> None:
    """An answer may have got lost."""
    await bench.setup()
    mine = await ask(bench)
    bench.clock.advance(20)
    again = await ask(bench)
    assert (again["lease"]["secret"], again["lease"]["expiresInS"]) == (mine["lease"]["secret"], 30.0)


async def test_a_lease_ends_unless_it_is_renewed(bench: Bench) -> None:
    """By the platform's clock."""
    await bench.setup()
    secret = (await ask(bench))["lease"]["secret"]
    bench.clock.advance(29)
    assert await bench.data(RENEW, flashEnvironmentId=bench.environment_id, leaseId=secret) is True
    bench.clock.advance(29)
    assert not (await ask(bench, "r2"))["isGranted"]
    bench.clock.advance(2)
    assert (await ask(bench, "r2"))["isGranted"]
    assert await bench.data(RENEW, flashEnvironmentId=bench.environment_id, leaseId=secret) is False


async def test_one_that_was_given_back_is_free(bench: Bench) -> None:
    """At once; giving it back twice is fine."""
    await bench.setup()
    secret = (await ask(bench))["lease"]["secret"]
    given = {"flashEnvironmentId": bench.environment_id, "leaseId": secret}
    assert [await bench.data(RELEASE, **given) for _ in range(2)] == [True, False]
    assert (await ask(bench, "r2"))["isGranted"]


async def test_that_of_a_dead_run_can_be_taken_over_by_its_name(bench: Bench) -> None:
    """Only if it has it still: somebody else may have been faster."""
    await bench.setup()
    await ask(bench)
    assert (await ask(bench, "r2", takeOver="r1"))["isGranted"]
    assert not (await ask(bench, "r3", takeOver="r1"))["isGranted"]


async def test_whatever_changes_an_environment_needs_its_lease_while_somebody_has_it(bench: Bench) -> None:
    """Also from clients that know nothing of leases, in words that they show."""
    endpoint_id = await bench.deployed()
    build_id = await bench.build(manifest(e={}))
    template_id = bench.platform.state.versions.endpoint(endpoint_id).template_id
    environment_id = bench.environment_id
    secret = (await ask(bench))["lease"]["secret"]
    template = {"id": template_id, "name": "t", "imageName": "x", "containerDiskInGb": 1, "env": [], "volumeInGb": 0}
    changes: list[tuple[str, dict[str, Any]]] = [
        (SAVE, {"input": {"id": endpoint_id, "workersMax": 2}}),
        (SAVE, {"input": {"name": "new", "flashEnvironmentId": environment_id}}),
        (TEMPLATE, {"input": template}),
        (DEPLOY, {"input": {"flashEnvironmentId": environment_id, "flashBuildId": build_id}}),
        (RETIRE, {"id": environment_id}),
        (DELETE_ENDPOINT, {"id": endpoint_id}),
        (DELETE_ENVIRONMENT, {"id": environment_id}),
        (DELETE_APP, {"id": bench.app_id}),
    ]
    for document, variables in changes:
        for shown in ("", "wrong"):
            bench.client.headers["Flash-Lease"] = shown
            reply = await bench.graphql(document, **variables)
            (error,) = reply["errors"]
            assert error["message"] == (
                "environment 'production' is being deployed to by r1 of ada: its lease ends in 30 s"
            ), document
    bench.client.headers["Flash-Lease"] = secret
    for document, variables in changes:
        assert "errors" not in await bench.graphql(document, **variables), document


async def test_a_lease_that_has_ended_opens_nothing(bench: Bench) -> None:
    """Somebody may have deployed in between; what is not shown at all is the client of somebody without leases."""
    endpoint_id = await bench.deployed()
    bench.client.headers["Flash-Lease"] = (await ask(bench))["lease"]["secret"]
    bench.clock.advance(31)
    assert (await ask(bench, "r2"))["isGranted"]
    bench.clock.advance(31)
    reply = await bench.graphql(SAVE, input={"id": endpoint_id, "workersMax": 2})
    assert reply["errors"][0]["message"] == "the lease of environment 'production' has ended"
    del bench.client.headers["Flash-Lease"]
    assert "errors" not in await bench.graphql(SAVE, input={"id": endpoint_id, "workersMax": 2})


async def test_other_environments_are_not_concerned(bench: Bench) -> None:
    """Each has its own."""
    endpoint_id = await bench.deployed()
    staging = await bench.data(
        "mutation c($input: CreateFlashEnvironmentInput!) { createFlashEnvironment(input: $input) { id } }",
        input={"flashAppId": bench.app_id, "name": "staging"},
    )
    await ask(bench, flashEnvironmentId=staging["id"])
    assert "errors" not in await bench.graphql(SAVE, input={"id": endpoint_id, "workersMax": 2})
