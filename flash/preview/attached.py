"""How a pytest is called whose tests meet a deployment that is there already: after a promotion, whoever promotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NO_TESTS", "SMOKE_MARKS", "attached_arguments"]

SMOKE_MARKS: Final = "flash_smoke or flash_deployed_only"
"""Which tests run against what has just become live."""
NO_TESTS: Final = 5
"""The status that pytest ends with where no test was chosen."""


def attached_arguments(attachment: Path, *, marks: str = SMOKE_MARKS) -> list[str]:
    """Arguments that let the tests with *marks* meet a deployment.

    Options that the project adds by itself are left out, because they may name stages, reports or workers.

    Args:
        attachment: The file that tells of the deployment.
        marks: An expression, as for pytest's ``-m``.
    """
    return ["-m", marks, f"--flash-attach={attachment}", "-o", "addopts="]
