"""The plugin's entry point: what every pytest run of this environment pays for.

At module level it imports the standard library, pytest and its own two light modules; whatever needs ``flash`` is a
class of another module, registered only in a run that uses the plugin.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_flash import fixtures
from pytest_flash.fixtures import connection_key, root_key
from pytest_flash.options import (
    MARKERS,
    Options,
    add_options,
    find_root,
    is_flash_project,
    looks_like_contract,
    options_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType


class RunpodFlash:
    """Finds ``runpod_flash``: our names in the spelling of existing apps, loaded only when somebody imports it."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find that one module, before an installed one."""
        if name != "runpod_flash":
            return None
        from flash import alias

        return alias.find_spec()


_finder_key = pytest.StashKey[RunpodFlash]()
_paths_key = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini values."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Make the project's modules importable: conftest files may import them."""
    given = early_config.known_args_namespace
    _open_project(early_config, paths=given.file_or_dir or [], explicit=given.flash_root)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register markers and fixtures, and the rest where it is used."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(fixtures, "flash-fixtures")
    # with --help, options are read up to that one
    paths = getattr(config.option, "file_or_dir", None) or []
    if any(looks_like_contract(argument) for argument in paths):
        raise pytest.UsageError(
            "a contract check cannot be an argument, because no file holds it: "
            "select it with -k 'contract and NAME', all of them with -m flash_contract, or rerun what failed with --lf"
        )
    options = config.stash[options_key] = Options.of(config)
    _open_project(config, paths=paths, explicit=config.option.flash_root)
    if options.is_active:
        from pytest_flash.activation import activate

        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        activate(config, options, environment)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep xdist from running the tests over and over, and a deployment with them."""
    if config.option.flash_deploy is not None and getattr(config.option, "looponfail", False):
        raise pytest.UsageError("--flash-deploy is for one run of all tests: leave out --looponfail")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the interpreter as it was: pytest may run within another one."""
    for path in config.stash.get(_paths_key, []):
        with suppress(ValueError):
            sys.path.remove(path)
    with suppress(KeyError, ValueError):
        sys.meta_path.remove(config.stash[_finder_key])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check what the marker ``flash_canary`` says, wherever it is used."""
    if any(item.get_closest_marker("flash_canary") for item in items):
        from pytest_flash.marks import check_canaries

        check_canaries(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what belongs to another run of the tests."""
    connection = item.config.stash.get(connection_key, None)
    is_deployment = connection is not None and connection.is_deployment
    if not is_deployment and item.get_closest_marker("flash_deployed_only"):
        raise _skipped("runs after promotion")
    if is_deployment and item.get_closest_marker("flash_preview_only"):
        raise _skipped("runs against the preview only")
    if connection is not None:
        connection.begin_test()


def _skipped(reason: str) -> BaseException:
    """A skip that is told with the test's place instead of ours."""
    return pytest.skip.Exception(reason, _use_item_location=True)


def _open_project(config: pytest.Config, *, paths: Sequence[str], explicit: str | None) -> None:
    """Find the project's root, and make what lies there importable. A second call does nothing."""
    if root_key in config.stash:
        return
    here = config.invocation_params.dir
    root = find_root(paths, here=here, fallback=config.rootpath) if explicit is None else (here / explicit).resolve()
    config.stash[root_key] = root
    finder = config.stash[_finder_key] = RunpodFlash()
    sys.meta_path.insert(0, finder)
    if explicit is not None or is_flash_project(root):
        config.stash[_paths_key] = _put_first(root, root / "src")


def _put_first(*folders: Path) -> list[str]:
    added = [str(folder) for folder in folders if folder.is_dir() and str(folder) not in sys.path]
    sys.path[:0] = added
    return added
