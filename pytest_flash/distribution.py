"""Under xdist: the owner of the run builds while the workers wait, and learns from them what only they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from flash.errors import FlashError
from pytest_flash.watch import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flash.controller import Controller
    from pytest_flash.watch import Watch

__all__ = ["WORKERINPUT", "Distribution", "Worker"]

WORKERINPUT: Final = "flash"
"""The key under which workers find what they need, and leave what they saw."""


class Distribution:
    """In the process that owns the run. xdist's hooks are optional: without it, nothing calls them."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._nodes: list[Any] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker what it needs."""
        self._nodes.append(node)
        node.workerinput[WORKERINPUT] = self._controller.for_workers()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Build and preview while the workers wait for tests: all of them have the same collection."""
        session = self._controller.session
        self._controller.collected = tuple(ids)
        session.testscollected = max(len(ids), session.testscollected)
        try:
            self._controller.prepare(None)
            broken = self._controller.broken_collection
            if broken:
                raise session.Interrupted(f"{len(broken)} error{'s' if len(broken) != 1 else ''} during collection")
        except (FlashError, KeyboardInterrupt):
            # or xdist waits until they give up
            for node in self._nodes:
                node.shutdown()
            raise

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Count our stages again: xdist sets the number of tests whenever a worker has collected."""
        session = self._controller.session
        if self._nodes and session.testscollected == len(self._controller.collected):
            session.testscollected += self._controller.stage_count

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker saw."""
        told = getattr(node, "workeroutput", {}).get(WORKERINPUT)
        seen = self._controller.observer.seen
        if told is None:
            seen.silent.append(f"worker {node.gateway.id}")
        else:
            seen.selection.add(Selection(told))


class Worker:
    """In a worker: tells the owner of the run what only a worker sees."""

    def __init__(self, config: pytest.Config, watch: Watch) -> None:
        self._config = config
        self._watch = watch

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """See what is left of what was collected, when all hooks have had their say."""
        self._watch.select(session.items)

    def pytest_sessionfinish(self) -> None:
        """Tell it."""
        self._config.workeroutput[WORKERINPUT] = self._watch.selection.as_data()  # type: ignore[attr-defined]
