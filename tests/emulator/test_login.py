"""Requests to log in on the local platform."""

from __future__ import annotations

import pytest
from fakes_emulator import KEY, Bench

pytestmark = pytest.mark.anyio

ASK = "mutation createFlashAuthRequest { createFlashAuthRequest { id status expiresAt } }"
LOOK = "query s($id: String!) { flashAuthRequestStatus(flashAuthRequestId: $id) { status apiKey } }"


async def asked(bench: Bench) -> str:
    reply = await bench.graphql(ASK, bench.client_with(None))
    return reply["data"]["createFlashAuthRequest"]["id"]


async def looked(bench: Bench, request: str) -> dict[str, object]:
    reply = await bench.graphql(LOOK, bench.client_with(None), id=request)
    return reply["data"]["flashAuthRequestStatus"]


async def test_a_login_that_is_approved_gives_the_key_once(bench: Bench):
    """Whoever asks again gets none."""
    request = await asked(bench)
    assert await looked(bench, request) == {"status": "PENDING", "apiKey": None}

    answer = await bench.client_with(KEY).post(f"/flash/login?request={request}")

    assert answer.status_code == 204
    assert await looked(bench, request) == {"status": "APPROVED", "apiKey": KEY}
    assert await looked(bench, request) == {"status": "CONSUMED", "apiKey": None}


async def test_a_login_can_be_denied(bench: Bench):
    """Then it cannot be approved any more."""
    request = await asked(bench)

    assert (await bench.client_with(KEY).post(f"/flash/login?request={request}&deny=1")).status_code == 204

    assert await looked(bench, request) == {"status": "DENIED", "apiKey": None}
    assert (await bench.client_with(KEY).post(f"/flash/login?request={request}")).status_code == 404


async def test_only_who_has_the_key_may_approve(bench: Bench):
    """Otherwise everybody on this machine would have it."""
    request = await asked(bench)

    assert (await bench.client_with(None).post(f"/flash/login?request={request}")).status_code == 401
    assert await looked(bench, request) == {"status": "PENDING", "apiKey": None}


async def test_a_login_that_nobody_asked_for_cannot_be_approved(bench: Bench):
    """There is nobody to give the key to."""
    assert (await bench.client_with(KEY).post("/flash/login?request=unknown")).status_code == 404
