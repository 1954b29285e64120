"""Which modules distributions bring, by the files that ship of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.audit.targets import extension_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Importable"]

_SOURCES: Final = (".py", ".pyc")


class Importable:
    """What can be imported of a tree of files.

    Args:
        files: Relative paths with forward slashes.
        tops: Names of top-level files and folders of which no more is known.
    """

    def __init__(self, files: Iterable[str], tops: Iterable[str] = ()) -> None:
        self._modules: set[str] = set()
        self._packages: set[str] = set()
        self._folders: set[str] = set()
        for path in files:
            self._add(path)
        for top in tops:
            name = top.partition(".")[0]
            # of a folder that nobody has looked into, anything may be imported
            (self._modules if top != name else self._packages).add(name)

    def _add(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        above = folder
        while above and above not in self._folders:
            self._folders.add(above)
            above = above.rpartition("/")[0]
        if name.endswith(_SOURCES):
            stem = name.partition(".")[0]
        else:
            extension = extension_of(path)
            if extension is None:
                return
            stem = extension.stem
        if stem == "__init__":
            self._packages.add(folder)
        else:
            self._modules.add(f"{folder}/{stem}" if folder else stem)

    def has(self, name: str) -> bool:
        """Whether *name*, dotted, can be imported; below a package with an ``__init__`` everything is believed."""
        path = ""
        for part in name.split("."):
            path = f"{path}/{part}" if path else part
            if path in self._packages:
                return True
            if path in self._modules:
                # a module that is none of a package's may still stand in for one, as six.moves does
                return True
            if path not in self._folders:
                return False
        return True

    def is_namespace(self, name: str) -> bool:
        """Whether *name* is a folder that is no package: what is taken from it can only be a module."""
        parts = name.split(".")
        paths = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        known = (self._packages, self._modules)
        return all(path in self._folders and not any(path in each for each in known) for path in paths)
