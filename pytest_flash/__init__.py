"""The pytest plugin of Flash: build, preview, contract checks, promotion and smoke tests as stages of a test run.

The types of what the fixtures give, for annotations::

    from pytest_flash import FlashPreview

    def test_it(flash_preview: FlashPreview) -> None: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_flash.connection import FlashDeployment as FlashDeployment
    from pytest_flash.connection import FlashPreview as FlashPreview
    from pytest_flash.fixtures import EndpointFactory as EndpointFactory
    from pytest_flash.mock import FlashMock as FlashMock
    from pytest_flash.planning import FlashPlan as FlashPlan

_HOME_OF = {
    "EndpointFactory": "pytest_flash.fixtures",
    "FlashDeployment": "pytest_flash.connection",
    "FlashMock": "pytest_flash.mock",
    "FlashPlan": "pytest_flash.planning",
    "FlashPreview": "pytest_flash.connection",
}

__all__ = [  # noqa: PLE0604  the table is the list
    *sorted(_HOME_OF),
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'pytest_flash' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
