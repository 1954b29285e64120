"""What endpoints cost an hour."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakes_deploy import lb_resource, queue_resource
from hypothesis import given
from hypothesis import strategies as st

from flash.deploy.cost import NOTHING, Cost, cost_of, total
from flash.deploy.prices import GPU_SECOND_USD
from flash.model.hardware import GpuGroup, gpu_ids

COSTS = st.builds(Cost, *[st.none() | st.decimals(0, 1000, places=4)] * 2)


def test_at_worst_all_workers_are_busy_and_idle_only_the_least_number_runs() -> None:
    """An hour has 3600 seconds, and a worker as many GPUs as it asks for."""
    cost = cost_of(queue_resource("a", gpu_ids="ADA_80_PRO", gpu_count=2, workers_min=1, workers_max=3))
    assert cost == Cost(Decimal("8.352"), Decimal("25.056"))


def test_of_several_pools_the_dearest_counts() -> None:
    """Which one a worker gets is the platform's choice; an excluded model changes nothing."""
    assert cost_of(queue_resource("a", gpu_ids="ADA_24,AMPERE_24,-NVIDIA L4")).worst_case == Decimal("1.116")


@pytest.mark.parametrize(
    ("given", "unknown"),
    [("ADA_32_PRO", "ADA_32_PRO"), ("AMPERE_16,FUTURE_512", "FUTURE_512"), (gpu_ids("any"), "ADA_32_PRO")],
)
def test_a_pool_without_a_published_price_makes_it_unknown(given: str, unknown: str) -> None:
    """It might be the dearest."""
    assert cost_of(queue_resource("a", gpu_ids=given, workers_min=1)) == Cost(None, None, (unknown,))


def test_no_worker_costs_nothing_whatever_one_would() -> None:
    """A CPU has no published price, and with nobody calling none runs."""
    assert cost_of(lb_resource()) == Cost(Decimal(0), None, ("CPU workers",))
    asleep = lb_resource().model_copy(update={"workers_max": 0})
    assert cost_of(asleep) == NOTHING


@given(st.lists(COSTS))
def test_a_sum_is_known_where_every_part_is(costs: list[Cost]) -> None:
    """And only there."""
    together = total(costs)
    assert (together.idle is None) == any(cost.idle is None for cost in costs)
    if together.worst_case is not None:
        assert together.worst_case == sum(cost.worst_case or 0 for cost in costs)


@given(COSTS)
def test_a_cost_survives_json(cost: Cost) -> None:
    """Unknown is null there."""
    assert Cost.from_json(cost.as_json()) == cost


def test_every_price_is_of_a_pool_and_plausible() -> None:
    """A slip of the decimal point would show."""
    assert set(GPU_SECOND_USD) <= set(GpuGroup)
    assert all(Decimal("0.5") < price * 3600 < Decimal(10) for price in GPU_SECOND_USD.values())
