"""Network volumes over REST, as ``runpod-flash`` reads them: exactly four keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes_emulator import Bench, CountingIds, ManualClock

from flash.emulator.state import State

pytestmark = pytest.mark.anyio

URL = "/v1/networkvolumes"


async def test_a_volume_is_made_and_listed_with_exactly_four_keys(bench: Bench) -> None:
    """The peer's model refuses any other key."""
    made = await bench.client.post(URL, json={"name": "data", "size": 10, "dataCenterId": "EU-RO-1"})

    assert made.status_code == 200
    assert made.json() == {"id": made.json()["id"], "name": "data", "size": 10, "dataCenterId": "EU-RO-1"}
    assert (await bench.client.get(URL)).json() == [made.json()]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "data", "size": 10},
        {"name": "", "size": 10, "dataCenterId": "EU-RO-1"},
        {"name": "data", "size": True, "dataCenterId": "EU-RO-1"},
        {"name": "data", "size": 4001, "dataCenterId": "EU-RO-1"},
        [],
    ],
)
async def test_what_is_no_volume_is_refused(bench: Bench, body: Any) -> None:
    """All three fields are needed, and a size that Runpod has."""
    assert (await bench.client.post(URL, json=body)).status_code == 400
    assert (await bench.client.get(URL)).json() == []


async def test_volumes_need_the_key(bench: Bench) -> None:
    """Nothing is told without it."""
    assert (await bench.client_with(None).get(URL)).status_code == 401


def test_a_state_file_from_before_volumes_is_brought_up_to_date(tmp_path: Path) -> None:
    """What is deployed locally is kept."""
    path = tmp_path / "state.db"
    state = State(path, clock=ManualClock(), new_id=CountingIds())
    state.create_app("demo")
    state.close()
    with sqlite3.connect(path) as old:
        old.executescript("DROP TABLE volumes; PRAGMA user_version = 1;")
    old.close()

    state = State(path, clock=ManualClock(), new_id=CountingIds())

    assert [app.name for app in state.apps()] == ["demo"]
    assert state.volumes() == []
    state.close()
