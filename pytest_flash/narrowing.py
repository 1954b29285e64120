"""What makes a run cover less than the project's tests, without deselecting any.

What the project itself says of its tests counts as the project: ``testpaths``, ``python_files``, ``addopts`` of its own
settings, ``collect_ignore`` of its conftest files. What one run says beside that narrows the run: arguments, variables,
other settings. An option that cannot leave tests out is known by name here; any other is taken for one that can.
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_flash.subject import is_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest

__all__ = ["narrowing"]

# Settings that say where pytest writes and what it shows
_HARMLESS_SETTINGS: Final = frozenset({"cache_dir", "console_output_style", "junit_suite_name"})
_HARMLESS_PREFIXES: Final = ("log_", "junit_", "faulthandler_", "tmp_path_retention_", "truncation_", "verbosity_")
# Plugins that neither collect nor select
_HARMLESS_PLUGINS: Final = frozenset(
    {
        *("terminal", "cacheprovider", "junitxml", "faulthandler", "logging", "capture", "pastebin", "debugging"),
        *("stepwise", "warnings", "recwarn", "nose", "setuponly", "setupplan", "terminalprogress", "logfinish"),
        *("xdist", "xdist.looponfail", "cov", "pytest_cov", "randomly", "random_order", "sugar", "html", "metadata"),
        *("timeout", "rerunfailures", "benchmark", "instafail", "rich", "pretty", "clarity", "profiling"),
    }
)
# In the order in which pytest looks for its settings. Source: pytest's documentation, "Configuration", read 2026-11
_SETTINGS_FILES: Final = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"),
)


def narrowing(config: pytest.Config, root: Path) -> tuple[str, ...]:
    """What narrows the run of *config* to less than all tests of the project in *root*: a line each.

    Path arguments must cover either every folder of the project's ``testpaths`` or its root.
    """
    root, own = root.resolve(), _OwnOptions(config.getini("addopts"))
    return (*_by_paths(config, root), *_by_options(config.option, own), *_by_failures(config))


def _by_paths(config: pytest.Config, root: Path) -> Iterator[str]:
    """What is about where tests are looked for."""
    option = config.option
    settings = config.inipath.resolve() if config.inipath is not None else None
    is_of_project = settings is None or root.is_relative_to(settings.parent)
    if option.inifilename and not (settings is not None and _would_be_found(settings, root)):
        yield f"option -c {option.inifilename}: these are not the project's own settings"
    elif not is_of_project:
        yield f"the settings in {config.inipath}, which are not those of the whole project"
    if not _covers(config, root, settings if is_of_project else None):
        yield f"path arguments: {' '.join(config.args)}"
    elif option.pyargs and option.file_or_dir:
        yield "option --pyargs: a name may be a module that is installed elsewhere"


def _by_options(option: Any, own: _OwnOptions) -> Iterator[str]:
    """Options that are not the project's own, but those that cannot leave tests out."""
    for name, key in (("--ignore", "ignore"), ("--ignore-glob", "ignore_glob"), ("--deselect", "deselect")):
        yield from (f"option {name}={value}" for value in _given(option, key) if not own.has(name, value))
    for value in _given(option, "plugins"):
        blocked = value.removeprefix("no:")
        is_ours = blocked.startswith("flash-")
        if blocked != value and (is_ours or (blocked not in _HARMLESS_PLUGINS and not own.has("-p", value))):
            yield f"option -p {value}: what that plugin collects is missing"
    for value in _given(option, "override_ini"):
        is_own = own.has("-o", value) or own.has("--override-ini", value)
        if not is_own and not _is_harmless(value.partition("=")[0].strip()):
            yield f"option -o {value}"
    if option.noconftest and not own.has("--noconftest"):
        yield "option --noconftest"
    if option.confcutdir and not own.has("--confcutdir", str(option.confcutdir)):
        yield f"option --confcutdir={option.confcutdir}"


def _given(option: Any, key: str) -> list[str]:
    return [str(value) for value in getattr(option, key, None) or ()]


def _by_failures(config: pytest.Config) -> Iterator[str]:
    if config.getoption("lf", default=False) and _failed_before(config):
        yield "option --lf: only what failed before was collected"


def _covers(config: pytest.Config, root: Path, settings: Path | None) -> bool:
    """Whether the path arguments cover the root, or all of ``testpaths`` where these are the project's."""
    here = config.invocation_params.dir
    arguments = [(here / argument).resolve() for argument in config.args if "::" not in argument]
    if _cover(arguments, [root]):
        return True
    if settings is None:
        return False
    patterns = [str(settings.parent / pattern) for pattern in config.getini("testpaths")]
    testpaths = [Path(path).resolve() for pattern in patterns for path in _glob(pattern)]
    # those of a folder above may be about other projects only
    is_ours = any(path.is_relative_to(root) or root.is_relative_to(path) for path in testpaths)
    return is_ours and _cover(arguments, testpaths)


def _glob(pattern: str) -> list[str]:
    # as pytest does it: Path.glob takes no pattern that is absolute, or a dot
    return glob.glob(pattern, recursive=True)  # noqa: PTH207


def _cover(arguments: Sequence[Path], wanted: Sequence[Path]) -> bool:
    return all(any(path.is_relative_to(argument) for argument in arguments) for path in wanted)


def _would_be_found(settings: Path, root: Path) -> bool:
    """Whether *settings*, which an option names, are what pytest takes for *root* without it."""
    if settings.parent != root or settings.name not in _SETTINGS_FILES:
        return False
    before = _SETTINGS_FILES[: _SETTINGS_FILES.index(settings.name)]
    return not any((root / name).exists() for name in before)


def _is_harmless(name: str) -> bool:
    return name in _HARMLESS_SETTINGS or name.startswith(_HARMLESS_PREFIXES)


class _OwnOptions:
    """``addopts`` of the project's settings."""

    def __init__(self, words: Iterable[Any]) -> None:
        self._words = [str(word) for word in words]

    def has(self, name: str, value: str | None = None) -> bool:
        """Whether the option *name*, with that *value*, is there."""
        if value is None:
            return name in self._words
        joined = f"{name}={value}" if name.startswith("--") else f"{name}{value}"
        pairs = zip(self._words, self._words[1:], strict=False)
        return joined in self._words or (name, value) in pairs


def _failed_before(config: pytest.Config) -> bool:
    # with -p no:cacheprovider there is none
    cache: pytest.Cache | None = getattr(config, "cache", None)
    failed = {} if cache is None else cache.get("cache/lastfailed", {})
    return any(not nodeid.startswith("flash::") or is_contract(nodeid) for nodeid in failed)
