"""What cannot be together in one artifact: names that hide one another, requirements that contradict one another.

Each function raises `BuildError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.handlers import handler_name
from flash.bundle.locks import PYLOCK_NAME
from flash.bundle.modules import FLASH_NAMES
from flash.errors import BuildError, DependencyError
from flash.model.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flash.bundle.asked import Asked
    from flash.bundle.installed import Distribution
    from flash.bundle.requirements import Requirements
    from flash.model.app import App

__all__ = [
    "refuse_clashes",
    "refuse_contradictions",
    "refuse_old_pydantic",
    "refuse_taken_names",
]

# A distribution may leave such a folder beside its own; it is no module that anyone means.
_LITTER: Final = frozenset({"benchmarks", "docs", "examples", "samples", "scripts", "test", "tests"})

_OF_IMAGES: Final = frozenset(
    {
        *("api_key_context", "cache_sync_manager", "class_executor", "constants", "dependency_installer"),
        *("function_executor", "handler", "lb_handler", "log_streamer", "logger", "manifest_reconciliation"),
        *("remote_executor", "rp_logger_adapter", "serialization_utils", "sitecustomize", "subprocess_utils"),
        *("unpack_volume", "version"),
    }
)
"""Modules of the worker images in the folder that the artifact is unpacked into. Source: platform contract §13.8."""


def refuse_contradictions(requirements: Requirements) -> None:
    """A version that one asks for must suit all who ask for the same; what is needed indirectly the installer tells."""
    _refuse_unlocked(requirements)
    by_name: dict[str, list[Asked]] = {}
    for asked in (*requirements.asked, *requirements.constraints):
        if asked.name not in requirements.excluded:
            by_name.setdefault(asked.name, []).append(asked)
    for pinned in (each for same in by_name.values() for each in _first_of_each_pin(same)):
        version = pinned.pin
        for other in by_name[pinned.name]:
            if version is not None and not other.requirement.specifier.contains(version, prereleases=True):
                raise DependencyError(
                    f"{str(other.requirement)!r} ({other.by}) contradicts {str(pinned.requirement)!r} ({pinned.by}"
                    f"{f', at {pinned.path}:{pinned.line}' if pinned.endpoint is not None else ''})",
                    hint="all endpoints of an app share one set of distributions: choose versions that agree",
                    path=other.path,
                    line=other.line,
                )


def _first_of_each_pin(asked: Iterable[Asked]) -> list[Asked]:
    found: dict[str, Asked] = {}
    for each in asked:
        if each.pin is not None:
            found.setdefault(each.pin, each)
    return list(found.values())


def _refuse_unlocked(requirements: Requirements) -> None:
    """What the lock holds must suit all who ask for it, and it must hold what the project's files ask for."""
    lock = requirements.lock
    if lock is None:
        return
    names = {pin.name for pin in lock.pins}
    for asked in requirements.asked:
        version = lock.version_of(asked.name)
        if version is not None and not asked.requirement.specifier.contains(version, prereleases=True):
            problem = f"contradicts {lock.path}, which has {asked.name} {version}"
        elif asked.endpoint is None and asked.name not in names | requirements.excluded.keys():
            problem = f"is not in {lock.path}"
        else:
            continue
        if asked.endpoint is not None:
            hint = (
                f"all endpoints share one set of distributions: ask for what {lock.path} has, or lock another version"
            )
        elif lock.path == PYLOCK_NAME:
            hint = f"lock again, or, if {PYLOCK_NAME} is for something else, give it another name: pylock.NAME.toml"
        else:
            hint = "run uv lock"
        raise DependencyError(
            f"{str(asked.requirement)!r} ({asked.by}) {problem}", hint=hint, path=asked.path, line=asked.line
        )


def refuse_old_pydantic(distributions: Iterable[Distribution]) -> None:
    """What the dependencies brought must suit the runtime that ships beside them."""
    for distribution in distributions:
        if distribution.name == "pydantic" and distribution.version.split(".")[0] in ("0", "1"):
            raise BuildError(
                f"the dependencies bring pydantic {distribution.version}, and Flash in the worker needs pydantic 2",
                hint="one of them asks for pydantic below 2: choose a newer version of it",
            )


def refuse_taken_names(files: Iterable[str], app: App, *, for_runpod: bool) -> None:
    """No file of the project may have the name of a generated one, or, on Runpod, of a module of the images."""
    generated = {MANIFEST_NAME, *(handler_name(endpoint.name) for endpoint in app if not endpoint.spec.is_client)}
    for path in files:
        if path in generated:
            raise BuildError("the build generates a file of this name", path=path, hint="rename it")
        stem = path.removesuffix(".py")
        if for_runpod and (stem in _OF_IMAGES or path.split("/")[0] in _OF_IMAGES):
            raise BuildError(
                "Runpod's worker images have a module of this name in the same folder",
                path=path,
                hint="rename it, or move it into a package",
            )


def refuse_clashes(files: Iterable[str], distributions: Iterable[Distribution], *, source_folder: str = "") -> None:
    """No distribution may bring a module of the name of the project's, or of Flash's."""
    own: dict[str, str] = {}
    for path in files:
        if path.endswith(".py"):
            top = (path.removeprefix(f"{source_folder}/") if source_folder else path).split("/")[0]
            own.setdefault(top.removesuffix(".py"), path)
    for distribution in distributions:
        for top in distribution.top_level:
            stem = top.split(".")[0]
            if stem in FLASH_NAMES and not top.endswith(".dist-info"):
                raise BuildError(
                    f"distribution {distribution.name!r} has a top-level {top!r}, the name of Flash itself",
                    hint=f"leave it out with --exclude {distribution.name}",
                )
            if stem in own and stem not in _LITTER and not top.endswith(".dist-info"):
                raise BuildError(
                    f"distribution {distribution.name!r} has a module {stem!r} too: one would hide the other",
                    path=own[stem],
                    hint="rename the project's, or leave the distribution out with --exclude",
                )
