"""What a GPU of each pool costs by the second: one dated table. What is not in it is not known.

Source: Runpod docs, "Endpoint settings", table "GPU configuration", as changed on 2026-06-08 and read in the revision
of 2026-08-20. It has no price for the pool ADA_32_PRO, and none for CPU workers; discounts, container disks and network
volumes are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from flash.model.hardware import GpuGroup

__all__ = ["GPU_SECOND_USD", "PRICES_AS_OF", "PRICES_SOURCE"]

PRICES_AS_OF: Final = "2026-06-08"
PRICES_SOURCE: Final = 'Runpod docs, "Endpoint settings", table "GPU configuration"'

GPU_SECOND_USD: Final[Mapping[GpuGroup, Decimal]] = {
    GpuGroup.AMPERE_16: Decimal("0.00016"),  # "A4000, A4500, RTX 4000", 16 GB
    GpuGroup.AMPERE_24: Decimal("0.00019"),  # "L4, A5000, 3090", 24 GB
    GpuGroup.ADA_24: Decimal("0.00031"),  # "4090 PRO", 24 GB
    GpuGroup.AMPERE_48: Decimal("0.00034"),  # "A6000, A40", 48 GB
    GpuGroup.ADA_48_PRO: Decimal("0.00053"),  # "L40, L40S, 6000 Ada PRO", 48 GB
    GpuGroup.AMPERE_80: Decimal("0.00076"),  # "A100", 80 GB
    GpuGroup.ADA_80_PRO: Decimal("0.00116"),  # "H100 PRO", 80 GB
    GpuGroup.BLACKWELL_96: Decimal("0.00111"),  # "6000s PRO", 96 GB
    GpuGroup.HOPPER_141: Decimal("0.00155"),  # "H200 PRO", 141 GB
    GpuGroup.BLACKWELL_180: Decimal("0.00240"),  # "B200", 180 GB
}
"""US dollars a second that one GPU of the pool is held."""
