"""Puts a mock in force for a test, and holds the test to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from flash.cloud.jobs import RemoteCaller
from flash.model.dispatch import set_default_caller
from pytest_flash.mock import FlashMock

if TYPE_CHECKING:
    import httpx

    from flash.cloud.jobs import EndpointClient
    from flash.model.dispatch import Target
    from flash.model.request import ClientRequest
    from pytest_flash.mock import MockedEndpoint

__all__ = ["mocking"]


class _Callee:
    """An endpoint as ``function.remote(...)`` sees it: of whatever kind the function makes it."""

    def __init__(self, endpoint: MockedEndpoint) -> None:
        self.runsync = endpoint.queue_client.runsync
        self.arunsync = endpoint.queue_client.arunsync
        self.request = endpoint.routes_client.request
        self.arequest = endpoint.routes_client.arequest
        self._endpoint = endpoint

    def send(self, request: ClientRequest) -> httpx.Response:
        return self._client(request).send(request)

    async def asend(self, request: ClientRequest) -> httpx.Response:
        return await self._client(request).asend(request)

    def _client(self, request: ClientRequest) -> EndpointClient:
        return self._endpoint.routes_client if request.is_route else self._endpoint.queue_client


class _Everyone(Mapping[str, _Callee]):
    """Every endpoint there could be: one that is not answered for is refused by the router, in its words."""

    def __init__(self, mock: FlashMock) -> None:
        self._mock = mock

    def __getitem__(self, name: str) -> _Callee:
        return _Callee(self._mock.endpoint(name))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _MockCaller:
    """``function.remote(...)`` goes to the mock; a plain call too, as in a worker, where the test answers for it."""

    def __init__(self, mock: FlashMock) -> None:
        self._mock = mock
        self._remote = RemoteCaller(_Everyone(mock), client_for=self._callee)

    def is_here(self, target: Target) -> bool:
        return target.endpoint not in self._mock

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        return self._remote.call(target, arguments)

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        return await self._remote.acall(target, arguments)

    def send(self, request: ClientRequest) -> object:
        return self._remote.send(request)

    async def asend(self, request: ClientRequest) -> object:
        return await self._remote.asend(request)

    def _callee(self, request: ClientRequest) -> _Callee:
        names = [name for name in (request.endpoint, request.id) if name]
        declared = [name for name in names if name in self._mock]
        return _Callee(self._mock.endpoint((declared or names)[0]))


class _Outcome:
    """Whether a test's body passed: what it did not get to is no second failure."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self.passed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Look; another implementation reports."""
        if item is self._item and call.when == "call":
            self.passed = call.excinfo is None


@contextmanager
def mocking(item: pytest.Item) -> Iterator[FlashMock]:
    """A mock that is in force for the block, the set-up, body and tear-down of *item*; strict if the body passed."""
    mock = FlashMock()
    outcome = _Outcome(item)
    item.config.pluginmanager.register(outcome)
    before = set_default_caller(_MockCaller(mock))
    try:
        yield mock
    finally:
        set_default_caller(before)
        item.config.pluginmanager.unregister(outcome)
        mock.close()
    if outcome.passed:
        mock.verify()
