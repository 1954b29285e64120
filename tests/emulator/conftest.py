"""A platform for each test, on a clock of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes_emulator import Bench

from flash.emulator.scaler import Policy


@pytest.fixture
def anyio_backend() -> str:
    """The platform runs on asyncio only."""
    return "asyncio"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A platform with one worker per version."""
    bench = Bench(tmp_path / "home")
    yield bench
    await bench.close()


@pytest.fixture
async def scaling_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A platform that scales."""
    bench = Bench(tmp_path / "home", policy=Policy.SCALE)
    yield bench
    await bench.close()
