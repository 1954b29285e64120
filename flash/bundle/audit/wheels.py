"""Whether distributions are for the workers: by the tags of their wheels and the names of their extension modules."""

from __future__ import annotations

from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol

from packaging.tags import parse_tag

from flash.bundle.audit.findings import Finding, counted
from flash.bundle.audit.targets import extension_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from packaging.tags import Tag

    from flash.bundle.audit.targets import Extension, Target

__all__ = [
    "EXTENSION_TAG",
    "OTHER_PYTHON",
    "WHEEL_TAG",
    "Required",
    "Shipped",
    "about_extensions",
    "about_wheel",
    "unloadable",
]

WHEEL_TAG: Final = "wheel-tag"
EXTENSION_TAG: Final = "extension-tag"
GLIBC_NEWER: Final = "glibc-newer"
OTHER_PYTHON: Final = "another Python"


class Shipped(Protocol):
    """A distribution, as far as an audit looks at it."""

    @property
    def name(self) -> str:
        """Normalised."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """What ships of it: relative paths with forward slashes."""
        ...


class Required(Shipped, Protocol):
    """The same, with what it asks for."""

    @property
    def requires(self) -> tuple[str, ...]:
        """Its ``Requires-Dist`` lines."""
        ...


def about_wheel(folder: Path, distribution: Shipped, target: Target) -> Finding | None:
    """What is wrong with the tags of the wheel that a distribution came from; None where nobody knows them."""
    path = next((file for file in distribution.files if PurePosixPath(file).match("*.dist-info/WHEEL")), None)
    tags = _tags(folder / path) if path is not None else frozenset()
    if path is None or not tags or not target.tags.isdisjoint(tags):
        return None
    named = f"{distribution.name} {distribution.version}"
    shown = ", ".join(sorted(str(tag) for tag in tags)[:3])
    if not target.tags_of_images.isdisjoint(tags):
        glibc = ".".join(map(str, target.glibc))
        return Finding(
            GLIBC_NEWER,
            f"{named} is a wheel for a newer glibc than {glibc} ({shown}); today's images would take it",
            path,
            is_error=False,
        )
    return Finding(
        WHEEL_TAG,
        f"{named} is a wheel for {_whose(tags, target)} ({shown}); the workers have {target}",
        path,
        hint=f"choose a version of {distribution.name} that has a wheel for the workers, or set python in"
        " [tool.flash] to the one that it is for",
    )


def _tags(file: Path) -> frozenset[Tag]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # named in RECORD and not there: nobody knows its tags
        return frozenset()
    found: set[Tag] = set()
    for line in HeaderParser().parsestr(text).get_all("Tag", []):
        tag = str(line).strip()
        if tag.count("-") == 2:
            found |= parse_tag(tag)
    return frozenset(found)


def _whose(tags: Iterable[Tag], target: Target) -> str:
    """What the wheel is for, as far as it differs."""
    platforms = sorted({tag.platform for tag in tags})
    systems = {"musllinux": "Linux with musl", "macosx": "macOS", "win": "Windows", "ios": "iOS", "android": "Android"}
    for start, system in systems.items():
        if all(platform.startswith(start) for platform in platforms):
            return system
    if all(platform != "any" and not platform.endswith(f"_{target.machine}") for platform in platforms):
        return "another machine"
    suitable = {(tag.interpreter, tag.abi) for tag in target.tags}
    if any((tag.interpreter, tag.abi) in suitable for tag in tags):
        return "another Linux"
    return f"{OTHER_PYTHON}: " + ", ".join(sorted({tag.interpreter for tag in tags}))


def unloadable(files: Collection[str], target: Target) -> tuple[list[Extension], int]:
    """Extension modules that the workers' interpreter does not find, and how many it does find.

    One that is there for several interpreters, or as Python source too, is found.
    """
    found: dict[str, list[Extension]] = {}
    for path in files:
        extension = extension_of(path)
        if extension is not None:
            found.setdefault(extension.module, []).append(extension)
    everything = set(files)
    lost: list[Extension] = []
    loadable = 0
    for module, extensions in found.items():
        if any(extension.suffix in target.suffixes for extension in extensions):
            loadable += any(extension.is_tagged for extension in extensions)
        elif not {f"{module}.py", f"{module}/__init__.py"} & everything:
            lost.append(extensions[0])
    return sorted(lost, key=lambda extension: extension.path), loadable


def about_extensions(distribution: Shipped, target: Target) -> list[Finding]:
    """Extension modules for other interpreters: an error where a distribution has none for the workers'."""
    lost, loadable = unloadable(distribution.files, target)
    if not lost:
        return []
    first, *others = lost
    # helpers for Windows lie in wheels for every system; nobody on Linux looks for them
    is_foreign = all(extension.suffix.endswith(".pyd") for extension in lost)
    if is_foreign:
        return []
    more = f" and {counted(len(others), 'other')}" if others else ""
    return [
        Finding(
            EXTENSION_TAG,
            f"{distribution.name} {distribution.version}: {PurePosixPath(first.path).name}{more} cannot be imported by"
            f" CPython {target.python_version}, which looks for {first.stem}{sorted(target.suffixes)[1]}",
            first.path,
            hint=f"choose a version of {distribution.name} with a wheel for CPython {target.python_version}",
            is_error=loadable == 0,
        )
    ]
