"""What cannot be together in one artifact: names that hide one another.

Each function raises `BuildError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.handlers import handler_name
from flash.bundle.modules import FLASH_NAMES
from flash.errors import BuildError
from flash.model.manifest import MANIFEST_NAME, SETS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flash.bundle.installed import Distribution
    from flash.bundle.trees import DistributionSet
    from flash.model.app import App

__all__ = [
    "hidden_in_sets",
    "refuse_clashes",
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
        if path in generated or path.startswith(SETS_FOLDER):
            raise BuildError("the build generates a file of this name", path=path, hint="rename it")
        stem = path.removesuffix(".py")
        if for_runpod and (stem in _OF_IMAGES or path.split("/")[0] in _OF_IMAGES):
            raise BuildError(
                "Runpod's worker images have a module of this name in the same folder",
                path=path,
                hint="rename it, or move it into a package",
            )


def hidden_in_sets(files: Iterable[str], sets: Iterable[DistributionSet]) -> frozenset[str]:
    """What of sets of their own, which come before the project, would hide a module of the project: paths in them.

    That is what distributions leave behind; other names that both have are refused.
    """
    own = {path.split("/")[0].removesuffix(".py") for path in files if path.endswith(".py")} & _LITTER
    return frozenset(
        f"{found.folder}{path}"
        for found in sets
        if found.folder and own
        for path in found.files
        if path.split("/")[0].removesuffix(".py") in own
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
