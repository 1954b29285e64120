"""What endpoints cost an hour on Runpod, idle and at worst. Pure.

Idle is what ``workersMin`` workers cost, which run whether or not anybody calls; at worst, all of ``workersMax`` run
all the time, on the dearest GPU that the endpoint may get. A price that is not published is *unknown*, and so is every
sum that it belongs to: a plan never guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from flash.deploy.prices import GPU_SECOND_USD
from flash.model.hardware import GpuGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.model.manifest import Resource

__all__ = ["NOTHING", "Cost", "cost_of", "total"]

_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars an hour; None where it is not known.

    Attributes:
        idle: With nobody calling.
        worst_case: With every worker busy.
        unknown: What has no published price, such as ``CPU workers``.
    """

    idle: Decimal | None
    worst_case: Decimal | None
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As JSON: ``{"idle_per_hour": float | null, "worst_case_per_hour": float | null, "unknown": [str]}``."""
        return {
            "idle_per_hour": _number(self.idle),
            "worst_case_per_hour": _number(self.worst_case),
            "unknown": list(self.unknown),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        """What :meth:`as_json` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        return cls(
            _amount(data["idle_per_hour"]), _amount(data["worst_case_per_hour"]), tuple(map(str, data["unknown"]))
        )


NOTHING: Final = Cost(Decimal(0), Decimal(0))
"""Of an endpoint that is not there."""


def cost_of(resource: Resource) -> Cost:
    """What an endpoint costs."""
    worker, unknown = _worker_hour(resource)
    idle, worst_case = _times(resource.workers_min, worker), _times(resource.workers_max, worker)
    return Cost(idle, worst_case, () if worst_case is not None and idle is not None else unknown)


def total(costs: Iterable[Cost]) -> Cost:
    """What they cost together; unknown where one of them is."""
    known = list(costs)
    return Cost(
        _sum(cost.idle for cost in known),
        _sum(cost.worst_case for cost in known),
        tuple(dict.fromkeys(name for cost in known for name in cost.unknown)),
    )


def _worker_hour(resource: Resource) -> tuple[Decimal | None, tuple[str, ...]]:
    """One worker's price, and what has none."""
    if resource.gpu_ids is None:
        return None, ("CPU workers",)
    # an exclusion, "-NVIDIA L4", leaves its pool and so its price as they are
    named = [part.strip() for part in resource.gpu_ids.split(",")]
    pools = [part for part in named if part and not part.startswith("-")]
    prices = {pool: GPU_SECOND_USD.get(GpuGroup(pool)) if _is_pool(pool) else None for pool in pools}
    unknown = tuple(pool for pool, price in prices.items() if price is None)
    known = [price for price in prices.values() if price is not None]
    if unknown or not known:
        return None, unknown or ("GPU workers",)
    return max(known) * max(resource.gpu_count, 1) * _HOUR_S, ()


def _is_pool(name: str) -> bool:
    return any(name == group.value for group in GpuGroup)


def _times(workers: int, worker: Decimal | None) -> Decimal | None:
    # no worker costs nothing, whatever one would
    return Decimal(0) if workers <= 0 else None if worker is None else workers * worker


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    result = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        result += amount
    return result


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _amount(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))
