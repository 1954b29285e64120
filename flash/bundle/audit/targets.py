"""What a worker can load: wheel tags, names of extension modules, C libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.tags import Tag, compatible_tags, cpython_tags

from flash.bundle.audit.images import GLIBC

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Extension", "Target", "extension_of"]

_PLATFORM: Final = re.compile(r"(?P<machine>x86_64|aarch64)-(?:manylinux_(?P<major>\d+)_(?P<minor>\d+)|(?P<other>.+))")
_OLDER_SPELLINGS: Final = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC: Final = 5
# uv's word for a Linux without a version; it takes manylinux_2_28 then
_UNVERSIONED: Final = {"unknown-linux-gnu": (2, 28), "manylinux2014": (2, 17)}
_EXTENSION: Final = re.compile(
    r"(?P<stem>[^./]+)(?P<tag>\.(?:abi3|cpython-\w+(?:-[\w]+)*|cp\d+-\w+|pypy\d+-[\w-]+))?\.(?P<end>so|pyd)"
)


@dataclass(frozen=True, slots=True)
class Extension:
    """A file that may be an extension module.

    Attributes:
        module: Path without suffixes: what it is imported by.
        suffix: The rest of the path: ``.cpython-312-x86_64-linux-gnu.so``.
    """

    path: str
    module: str
    suffix: str

    @property
    def stem(self) -> str:
        """The last part of the module's name."""
        return self.module.rpartition("/")[2]

    @property
    def is_tagged(self) -> bool:
        """Whether its name says that it is an extension module, and for what."""
        return self.suffix not in {".so", ".pyd"}


def extension_of(path: str) -> Extension | None:
    """What the name of a file says, if it is that of an extension module or a library with nothing after ``.so``.

    >>> extension_of("numpy/_core/_simd.cpython-312-x86_64-linux-gnu.so").suffix
    '.cpython-312-x86_64-linux-gnu.so'
    """
    folder, slash, name = path.rpartition("/")
    match = _EXTENSION.fullmatch(name)
    if match is None:
        return None
    return Extension(path, f"{folder}{slash}{match['stem']}", name[len(match["stem"]) :])


@dataclass(frozen=True)
class Target:
    """Whose workers an artifact is for.

    Attributes:
        python_version: ``"3.12"``.
        platform: As uv spells it: ``"x86_64-manylinux_2_28"``.
    """

    python_version: str
    platform: str

    @property
    def is_known(self) -> bool:
        """Whether it is a Linux with glibc; of other systems, on which only previews run, nothing is known here."""
        return self._parsed is not None

    @cached_property
    def _parsed(self) -> tuple[str, tuple[int, int]] | None:
        match = _PLATFORM.fullmatch(self.platform)
        if match is None:
            return None
        if match["other"] is not None:
            glibc = _UNVERSIONED.get(match["other"])
            return None if glibc is None else (match["machine"], glibc)
        return match["machine"], (int(match["major"]), int(match["minor"]))

    @property
    def machine(self) -> str:
        """``"x86_64"``."""
        return self._parsed[0] if self._parsed is not None else ""

    @property
    def glibc(self) -> tuple[int, int]:
        """What wheels are asked to make do with."""
        return self._parsed[1] if self._parsed is not None else GLIBC

    @cached_property
    def suffixes(self) -> frozenset[str]:
        """How the files of extension modules end that its interpreter looks for."""
        digits = self.python_version.replace(".", "")
        return frozenset({f".cpython-{digits}-{self.machine}-linux-gnu.so", ".abi3.so", ".so"})

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """The tags of wheels that it installs."""
        return frozenset(self._tags(self.glibc))

    @cached_property
    def tags_of_images(self) -> frozenset[Tag]:
        """The tags of wheels that would run on what the images have today."""
        return frozenset(self._tags(max(self.glibc, GLIBC)))

    def _tags(self, glibc: tuple[int, int]) -> Iterator[Tag]:
        version = tuple(int(part) for part in self.python_version.split("."))
        interpreter = f"cp{self.python_version.replace('.', '')}"
        platforms = [f"linux_{self.machine}"]
        for minor in range(_OLDEST_GLIBC, glibc[1] + 1):
            platforms.append(f"manylinux_{glibc[0]}_{minor}_{self.machine}")
            if (glibc[0], minor) in _OLDER_SPELLINGS:
                platforms.append(f"{_OLDER_SPELLINGS[glibc[0], minor]}_{self.machine}")
        yield from cpython_tags(python_version=version, abis=[interpreter], platforms=platforms)
        yield from compatible_tags(python_version=version, interpreter=interpreter, platforms=platforms)

    def __str__(self) -> str:
        machine = self.machine.replace("_", "-")
        return f"CPython {self.python_version} on Linux {machine} with glibc"
