"""Whether there is something in a worker for an import to find, and why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from flash.bundle.audit.images import is_left_to_images
from flash.bundle.audit.names import distribution_of, imported_as, is_standard, removed_in
from flash.bundle.modules import FLASH_NAMES
from flash.bundle.sources import FLASHIGNORE, NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.bundle.audit.installed import Importable
    from flash.bundle.audit.local import Local
    from flash.bundle.audit.statements import Site

__all__ = ["Cause", "Missing", "Resolver"]

_DISTUTILS: Final = "distutils"


class Cause(Enum):
    """Why there is nothing."""

    UNKNOWN = "import-missing"
    IGNORED = "import-ignored"
    EXCLUDED = "import-excluded"
    OTHER_PYTHON = "import-python"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something to import that does not ship.

    Attributes:
        name: Dotted, as far as it matters.
        why: The rest of the sentence "imports NAME, …".
        hint: How to mend it.
        is_ours: Whether it would be a module of the project, so that no image can have it.
        may_be_there: Whether the user has left it out and may know that the image has it.
    """

    name: str
    cause: Cause
    why: str
    hint: str
    is_ours: bool = False
    may_be_there: bool = False


class Resolver:
    """Looks imports up in what ships, whatever the image.

    Args:
        local: The project's own.
        installed: What distributions bring.
        excluded: What was left out, by normalised name, with the reason.
        python_version: The workers'.
    """

    def __init__(self, local: Local, installed: Importable, excluded: Mapping[str, str], python_version: str) -> None:
        self._local = local
        self._installed = installed
        self._excluded = excluded
        self._python_version = python_version
        self._known: dict[str, Missing | None] = {}

    def missing(self, site: Site) -> Missing | None:
        """What an import does not find in what ships; None where it does, or where nobody can tell."""
        found = self._missing(site.module)
        if found is not None or not site.name or site.name == "*":
            return found
        full = f"{site.module}.{site.name}"
        if self._local.has(site.module):
            return self._taken_from_ours(site.module, site.name)
        # of a folder that is no package only modules can be taken
        return self._missing(full) if self._installed.is_namespace(site.module) else None

    def _taken_from_ours(self, package: str, name: str) -> Missing | None:
        full = f"{package}.{name}"
        if self._local.has(full):
            return None
        if self._local.is_namespace(package):
            return None if self._installed.has(full) else self._of_project(full)
        if self._local.binds(package, name):
            return None
        # a name that a package has may be bound in ways that cannot be read: only a file that was dropped is certain
        return self._of_project(full) if self._local.dropped(full) is not None else None

    def _missing(self, name: str) -> Missing | None:
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> Missing | None:
        top = name.partition(".")[0]
        if not top or top in FLASH_NAMES or self._local.has(name) or self._installed.has(name):
            return None
        is_folder = self._local.is_namespace(top)
        if self._local.has(top) and not is_folder:
            # the project's package hides all others of its name
            return None if self._local.believes(name) else self._of_project(name)
        if is_standard(top, self._python_version) and not (top.startswith("_") and self._local.dropped(name)):
            return None
        found = self._elsewhere(name, top)
        if is_folder and found is not None and found.cause is Cause.UNKNOWN:
            # a folder is a package too, unless another one of its name is found
            return replace(self._of_project(name), is_ours=False)
        return found

    def _elsewhere(self, name: str, top: str) -> Missing | None:
        other = self._local.unloadable(name)
        if other is not None:
            return Missing(
                name,
                Cause.OTHER_PYTHON,
                f"which is there as {other}, and CPython {self._python_version} does not look for a file of that name",
                f"build it with Python {self._python_version}, on Linux",
                is_ours=True,
            )
        if self._local.dropped(name) is not None:
            # a folder of results may have the name of what wrote them, which the image may have
            return replace(self._of_project(name), is_ours=False)
        removed = removed_in(top, self._python_version)
        if removed is not None:
            if top == _DISTUTILS and self._installed.has("setuptools"):
                # setuptools puts its own in place, once somebody has imported it
                return None
            return Missing(top, Cause.OTHER_PYTHON, removed, f"do without it: the workers have {self._python_version}")
        left_out = self._left_out(name)
        if left_out is not None:
            return left_out
        # in a namespace the whole name says whose it is
        shown = name if self._installed.is_namespace(top) else top
        return Missing(
            shown,
            Cause.UNKNOWN,
            "which nothing provides",
            f"add {distribution_of(name)!r} to dependencies=[…]; if the image has it, write"
            f' provided = ["{shown}"] in [tool.flash]',
        )

    def _left_out(self, name: str) -> Missing | None:
        for distribution, reason in self._excluded.items():
            if not _may_bring(distribution, name):
                continue
            if is_left_to_images(distribution):
                return Missing(
                    name.partition(".")[0],
                    Cause.EXCLUDED,
                    f"which was left out ({reason}), and its image has none",
                    f'bundle = ["{distribution}"] in [tool.flash] ships it; or give the endpoint a GPU',
                )
            return Missing(
                name.partition(".")[0],
                Cause.EXCLUDED,
                f"which was left out ({reason})",
                f'if the image has it, write provided = ["{distribution}"] in [tool.flash]',
                may_be_there=True,
            )
        return None

    def _of_project(self, name: str) -> Missing:
        dropped = self._local.dropped(name)
        if dropped is None:
            return Missing(
                name,
                Cause.UNKNOWN,
                "and the project has no such module",
                "write the module, or correct the name",
                is_ours=True,
            )
        path, hidden, rule = dropped
        return Missing(
            name,
            Cause.IGNORED,
            f"the project's own {path}, which does not ship: {rule}",
            "move it to where it ships"
            if rule.startswith(NEVER)
            else f"if it should ship, write !/{hidden} into {FLASHIGNORE}, or change the rule",
            is_ours=True,
        )


def _may_bring(distribution: str, module: str) -> bool:
    """Whether a distribution that is not at hand may have *module*, by the names of both."""
    parts = module.split(".")
    prefixes = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    if any(prefix in imported_as(distribution) for prefix in prefixes):
        return True
    names = [str(canonicalize_name(prefix.replace(".", "-"))) for prefix in prefixes]
    bare, top = distribution.replace("-", ""), names[0].replace("-", "")
    return distribution in names or str(canonicalize_name(distribution_of(module))) == distribution or bare == top
