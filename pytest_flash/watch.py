"""What only the process that has the tests sees: the owner of a run, or each worker of xdist."""

from __future__ import annotations

import unittest
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_flash.marks import canaries_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

__all__ = ["RAISED", "Selection", "Watch"]

RAISED: Final = "flash_raised"
"""The attribute of a report that names the exception which its phase raised, whatever is made of the report later."""

_raised_key = pytest.StashKey[str]()
_NO_SELECTION: Final = frozenset({"parametrize", "usefixtures", "filterwarnings"})
_NO_FAILURES: Final = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)


class Selection:
    """What of a collection was to run, and what was left out. Plain data, because xdist sends it.

    Attributes:
        deselected: Ids of tests.
        dropped: Ids of tests that a hook took out without telling anybody.
        skipped_files: Reasons of files that skipped themselves as a whole.
        left_out: Files and folders that look like tests and were not collected.
        marked: Ids of tests by marker.
        canaries: What the marker ``flash_canary`` says, by the ids of the tests that are to run.
    """

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        given = data or {}
        self.deselected: set[str] = set(given.get("deselected", ()))
        self.dropped: set[str] = set(given.get("dropped", ()))
        self.skipped_files: dict[str, str] = dict(given.get("skipped_files", {}))
        self.left_out: set[str] = set(given.get("left_out", ()))
        self.marked: dict[str, set[str]] = {name: set(ids) for name, ids in given.get("marked", {}).items()}
        self.canaries: dict[str, dict[str, Any]] = dict(given.get("canaries", {}))

    def add(self, other: Selection) -> None:
        """Add what another process saw."""
        self.deselected |= other.deselected
        self.dropped |= other.dropped
        self.skipped_files.update(other.skipped_files)
        self.left_out |= other.left_out
        for name, ids in other.marked.items():
            self.marked.setdefault(name, set()).update(ids)
        self.canaries.update(other.canaries)

    def as_data(self) -> dict[str, Any]:
        """As the constructor takes it."""
        return {
            "deselected": sorted(self.deselected),
            "dropped": sorted(self.dropped),
            "skipped_files": self.skipped_files,
            "left_out": sorted(self.left_out),
            "marked": {name: sorted(ids) for name, ids in self.marked.items()},
            "canaries": self.canaries,
        }


class Watch:
    """Watches collection, and what tests raise.

    Attributes:
        selection: What was seen.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.selection = Selection()
        self._config = config
        self._items: list[pytest.Item] = []
        self._deselected: list[pytest.Item] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Keep what was found."""
        self._items.append(item)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Keep what was left out."""
        self._deselected += items

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what skipped itself as a whole: xdist does not tell."""
        if report.skipped:
            self.selection.skipped_files[report.nodeid] = skip_reason(report.longrepr)

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(self, collection_path: Path) -> Generator[None, bool | None, bool | None]:
        """Keep what the project's settings and hooks leave out, where that looks like tests."""
        is_ignored = yield
        if is_ignored and _looks_like_tests(collection_path, self._config):
            root = self._config.rootpath
            inside = collection_path.is_relative_to(root)
            self.selection.left_out.add((collection_path.relative_to(root) if inside else collection_path).as_posix())
        return is_ignored

    def select(self, items: Iterable[pytest.Item]) -> None:
        """Compare *items*, which are to run, with what was found."""
        chosen = list(items)
        # a hook may have put another item in the place of one; loadgroup renames them
        there = {id(item) for item in (*chosen, *self._deselected)} | {item.nodeid for item in chosen}
        lost = [item for item in self._items if id(item) not in there and item.nodeid not in there]
        self.selection.deselected.update(item.nodeid for item in self._deselected)
        self.selection.dropped.update(item.nodeid for item in lost)
        self.selection.canaries.update(canaries_of(chosen))
        for item in (*chosen, *self._deselected, *lost):
            for mark in item.iter_markers():
                if mark.name not in _NO_SELECTION:
                    self.selection.marked.setdefault(mark.name, set()).add(item.nodeid)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what the test raised; innermost, before other wrappers can swallow it."""
        item.stash[_raised_key] = ""
        try:
            return (yield)
        except _NO_FAILURES:
            raise
        except BaseException as error:
            item.stash[_raised_key] = type(error).__name__
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what was raised, on the report: it travels to the owner of the run, whoever changes its outcome."""
        report = yield
        raised = item.stash.get(_raised_key, "") if call.when == "call" else ""
        if call.excinfo is not None and not isinstance(call.excinfo.value, _NO_FAILURES):
            raised = call.excinfo.typename
        if raised:
            setattr(report, RAISED, raised)
        return report


def skip_reason(longrepr: Any) -> str:
    """Why something was skipped, from its report."""
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr or "")
    return text.removeprefix("Skipped: ")


def _looks_like_tests(path: Path, config: pytest.Config) -> bool:
    if path.is_dir():
        skipped = (*config.getini("norecursedirs"), "__pycache__")
        is_environment = (path / "pyvenv.cfg").exists() or (path / "conda-meta").exists()
        return not is_environment and not any(fnmatch(path.name, pattern) for pattern in skipped)
    return any(fnmatch(path.name, pattern) for pattern in config.getini("python_files"))
