"""What an import finds, or misses, among the project's own files."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from flash.bundle.audit.targets import Target, extension_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from flash.bundle.modules import Module, Modules

__all__ = ["Local"]


class Local:
    """The project's modules and folders, as a worker imports them.

    Args:
        modules: The project's.
        files: All its files that ship.
        ignored: What does not, by path, with the rule.
        target: Whose workers.
    """

    def __init__(self, modules: Modules, files: Collection[str], ignored: Mapping[str, str], target: Target) -> None:
        self._modules = {module.name: module for module in modules}
        self._source = f"{modules.source_folder}/" if modules.source_folder else ""
        self._ignored = ignored
        self._extensions: set[str] = set()
        self._unloadable: dict[str, str] = {}
        self._folders: set[str] = set()
        for path in (*files, *(module.path for module in self._modules.values())):
            within = path.removeprefix(self._source)
            folder = posixpath.dirname(within)
            while folder and folder not in self._folders:
                self._folders.add(folder)
                folder = posixpath.dirname(folder)
            extension = extension_of(within)
            if extension is not None:
                name = extension.module.replace("/", ".")
                if extension.suffix in target.suffixes:
                    self._extensions.add(name)
                else:
                    self._unloadable[name] = path

    def module(self, name: str) -> Module | None:
        """The module *name*, if its source ships."""
        return self._modules.get(name)

    def has(self, name: str) -> bool:
        """Whether *name* is a module, a package, or a folder that ships."""
        return name in self._modules or name in self._extensions or name.replace(".", "/") in self._folders

    def is_namespace(self, name: str) -> bool:
        """Whether *name* is a folder without ``__init__``."""
        return name.replace(".", "/") in self._folders and name not in self._modules and name not in self._extensions

    def believes(self, name: str) -> bool:
        """Whether *name* has no file and may come to be all the same when a package of the project runs."""
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            above = ".".join(parts[:count])
            module = self._modules.get(above)
            if module is not None:
                return _makes_modules(module)
            if above in self._extensions:
                return True
        return False

    def binds(self, package: str, name: str) -> bool:
        """Whether *package* may have *name* without a module of that name."""
        module = self._modules.get(package)
        if module is None:
            return False
        return (
            name in module.bindings or bool(module.stars) or "__getattr__" in module.bindings or _makes_modules(module)
        )

    def unloadable(self, name: str) -> str | None:
        """The file that would be *name* for another interpreter, or None."""
        return self._unloadable.get(name)

    def dropped(self, name: str) -> tuple[str, str, str] | None:
        """What would be *name* and does not ship, the file or folder that is hidden there, and the rule; else None."""
        path = name.replace(".", "/")
        for candidate in self._candidates(path):
            if candidate in self._ignored:
                return candidate, candidate, self._ignored[candidate]
        for top in self._tops():
            above = posixpath.dirname(f"{top}{path}")
            while above:
                if f"{above}/" in self._ignored:
                    return f"{top}{path}", f"{above}/", self._ignored[f"{above}/"]
                above = posixpath.dirname(above)
        return None

    def _candidates(self, path: str) -> Iterator[str]:
        for top in self._tops():
            yield f"{top}{path}.py"
            yield f"{top}{path}/"
            yield f"{top}{path}/__init__.py"
            yield from (
                hidden
                for hidden in self._ignored
                if hidden.startswith(f"{top}{path}.")
                and (extension := extension_of(hidden)) is not None
                and extension.module == f"{top}{path}"
            )

    def _tops(self) -> list[str]:
        return [self._source, ""] if self._source else [""]


def _makes_modules(module: Module) -> bool:
    """Whether a package reaches its modules by other means than files below it."""
    return "__path__" in module.source or "sys.modules" in module.source
