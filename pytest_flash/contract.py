"""Contract checks as test items: one per function and route, inserted before the user's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from flash.errors import FlashError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_flash.connection import Connection
    from pytest_flash.subject import Subject

__all__ = ["UNTYPED", "ContractItem", "ContractItems"]

UNTYPED: Final = "flash_untyped"
"""The user property of a report that says what a check left out."""


class ContractItems:
    """Inserts the checks, wherever tests are collected."""

    def __init__(self, connection: Connection, checked: Callable[[], Sequence[Subject]]) -> None:
        self._connection = connection
        self._checked = checked

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put them first: they are quick, and say more of an endpoint that is broken than the tests that use it."""
        parent = Contract.from_parent(session, name="flash", nodeid="flash")
        checks: list[pytest.Item | pytest.Collector] = [
            ContractItem.from_parent(
                parent,
                name=f"contract[{subject.label}]",
                nodeid=subject.nodeid,
                subject=subject,
                connection=self._connection,
            )
            for subject in self._checked()
        ]
        items[:0] = [check for check in checks if isinstance(check, pytest.Item)]
        # "collected N items" counts reports
        report = pytest.CollectReport("flash", "passed", None, checks)
        session.config.hook.pytest_collectreport(report=report)


class Contract(pytest.Collector):
    """The parent of the checks, which no file holds."""

    def collect(self) -> Iterable[pytest.Item]:
        return ()


class ContractItem(pytest.Item):
    """The check of one function: valid inputs do not crash it, and what it returns is what it says it returns."""

    def __init__(self, *, subject: Subject, connection: Connection, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self._connection = connection
        self.add_marker("flash_contract")

    def runtest(self) -> None:
        """Check it."""
        from pytest_flash.checking import check

        left_out = check(self.subject, self._connection)
        if left_out:
            self.user_properties.append((UNTYPED, left_out))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """An error of ours is told in its own words."""
        if isinstance(excinfo.value, FlashError):
            from pytest_flash.report import Failure, Representation

            return Representation(Failure.of(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """Where it stands: nowhere. Pytest needs a line to report a skip by a mark that a hook sets on all items."""
        return "flash", 0, self.name
