"""Too many requests are refused with 429, where endpoints scale."""

from __future__ import annotations

import pytest
from fakes_emulator import Bench, ManualClock

from flash.emulator.rates import Rates
from flash.errors import PlatformError


def test_requests_are_counted_by_endpoint_and_operation_over_ten_seconds() -> None:
    """Each has an allowance of its own, and it comes back."""
    clock = ManualClock()
    rates = Rates(clock, {"run": 2})
    rates.count("e", "run")
    clock.advance(6)
    rates.count("e", "run")
    with pytest.raises(PlatformError) as refused:
        rates.count("e", "run")

    assert refused.value.status == 429
    rates.count("other", "run")
    rates.count("e", "health")
    clock.advance(4)
    rates.count("e", "run")


def test_a_refused_request_does_not_count() -> None:
    """Otherwise one who asks again and again would never be heard."""
    clock = ManualClock()
    rates = Rates(clock, {"run": 1})
    rates.count("e", "run")
    clock.advance(9)
    with pytest.raises(PlatformError):
        rates.count("e", "run")
    clock.advance(1)
    rates.count("e", "run")


@pytest.mark.anyio
async def test_a_queue_can_be_purged_twice_in_ten_seconds(scaling_bench: Bench) -> None:
    """Runpod's lowest limit."""
    url = f"/v2/{await scaling_bench.deployed()}/purge-queue"

    statuses = [(await scaling_bench.client.post(url)).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
