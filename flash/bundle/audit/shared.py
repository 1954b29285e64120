"""Whether the dynamic linker of a worker loads what an artifact holds: machine, symbol versions, libraries.

A distribution none of whose modules can be loaded is an error. One that lacks a library for some of them, as many do on
purpose, is a warning; but a piece of its own that is gone, as when a folder ``NAME.libs`` was left out, is an error.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from flash.bundle.audit.elf import Binary, inspect
from flash.bundle.audit.findings import Finding, counted
from flash.bundle.audit.images import CXXABI, GLIBC, GLIBCXX, has_library
from flash.bundle.audit.targets import extension_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from flash.bundle.audit.targets import Target

__all__ = ["LIBRARY", "Objects", "Problem", "about_objects", "is_shared_object", "read_objects"]

BROKEN: Final = "binary-unreadable"
FOREIGN: Final = "binary-machine"
SYMBOLS: Final = "glibc"
LIBRARY: Final = "library-missing"

_SHARED: Final = re.compile(r".+\.so(?:\.\w+)*")
# auditwheel's way of naming what it copied into a wheel
_VENDORED: Final = re.compile(r".+-[0-9a-f]{8}(?:\.so|[.-]\d).*")
_LIMITS: Final = {"GLIBC": GLIBC, "GLIBCXX": GLIBCXX, "CXXABI": CXXABI}
_OPTIONAL: Final = frozenset(
    {
        ("numba", "libgomp"),
        ("numba", "libtbb"),
    }
)
"""What a distribution is linked with and does without: numba tries its threading layers, one after the other. Read
2026-11."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one file cannot be loaded.

    Attributes:
        only_on: ``"CPU"`` where it can be loaded on other images.
        is_gone: Whether what is missing was a piece of the same wheel.
    """

    code: str
    path: str
    text: str
    library: str = ""
    only_on: str = ""
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Objects:
    """The shared objects of a tree.

    Attributes:
        by_path: Each by where it lies.
        by_name: Paths by file name.
        folders: Every folder of the tree.
    """

    by_path: Mapping[str, Binary]
    by_name: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()


def is_shared_object(path: str) -> bool:
    """Whether a file's name is that of one."""
    return _SHARED.fullmatch(posixpath.basename(path)) is not None


def read_objects(folder: Path) -> Objects:
    """Read every shared object in *folder*."""
    by_path: dict[str, Binary] = {}
    by_name: dict[str, list[str]] = {}
    folders: set[str] = set()
    for where, below, names in os.walk(folder):
        below.sort()
        base = PurePosixPath(os.path.relpath(where, folder)).as_posix()
        folders.add(base)
        prefix = "" if base == "." else f"{base}/"
        for name in sorted(names):
            if _SHARED.fullmatch(name) is not None:
                path = f"{prefix}{name}"
                by_path[path] = read_object(folder, path)
                by_name.setdefault(name, []).append(path)
    return Objects(by_path, {name: tuple(paths) for name, paths in by_name.items()}, frozenset(folders))


def read_object(folder: Path, path: str) -> Binary:
    """Read one shared object; one that cannot be opened is broken."""
    extension = extension_of(path)
    try:
        return inspect(folder, path, stem=extension.stem if extension is not None else "")
    except OSError:
        return Binary(path, is_broken=True)


def problems(
    binary: Binary,
    objects: Objects,
    target: Target,
    *,
    is_gpu: bool,
    named: str = "",
    provided: Collection[str] = (),
) -> Iterator[Problem]:
    """Why images of a kind cannot load *binary*, itself; what it is linked with may have problems of its own.

    Args:
        binary: What to load.
        objects: What else there is.
        target: Whose workers.
        is_gpu: Whether the images are those for GPUs.
        named: The distribution that it belongs to.
        provided: Libraries that the images have besides what the tables say.
    """
    extension = extension_of(binary.path)
    if binary.is_broken:
        yield Problem(BROKEN, binary.path, "is cut off or damaged")
        return
    if not binary.system:
        # a text, as a linker's script or a template, is nobody's program unless its name says so
        if extension is not None and extension.is_tagged:
            yield Problem(BROKEN, binary.path, "is no shared object, though its name says so")
        return
    if binary.system != "Linux" or binary.machine != target.machine:
        whose = binary.system if binary.system != "Linux" else f"Linux {binary.machine}"
        yield Problem(FOREIGN, binary.path, f"is for {whose}")
        return
    yield from _too_new(binary, objects)
    for library in binary.needed:
        if not library or library.startswith("libc.musl-"):
            yield Problem(LIBRARY, binary.path, "is linked with musl, and the images have glibc", library)
        elif (
            posixpath.basename(library) not in objects.by_name
            and (named, library.partition(".")[0]) not in _OPTIONAL
            and library not in provided
            and not has_library(library, is_gpu=is_gpu, python_version=target.python_version)
        ):
            is_gone = _VENDORED.fullmatch(library) is not None or any(
                folder not in objects.folders for folder in binary.search
            )
            yield Problem(LIBRARY, binary.path, f"needs {library}", library, is_gone=is_gone)


def _too_new(binary: Binary, objects: Objects) -> Iterator[Problem]:
    for library, family, version in binary.versions:
        if library in objects.by_name:
            # one of its own
            continue
        limit = _LIMITS[family]
        shown = f"{family}_{'.'.join(map(str, version))}"
        if version > limit:
            has = ".".join(map(str, limit))
            yield Problem(SYMBOLS, binary.path, f"needs {shown}, and the images have {has}", library)


def about_objects(
    name: str,
    files: Iterable[str],
    objects: Objects,
    target: Target,
    images: Collection[str],
    provided: Collection[str] = (),
) -> list[Finding]:
    """What is wrong with the shared objects of one distribution.

    Args:
        name: With its version, for the message.
        files: What ships of it.
        objects: Those of the whole tree.
        target: Whose workers.
        images: The kinds of images that there are endpoints for: ``"cpu"``, ``"gpu"``.
        provided: Libraries that the images have besides what the tables say.
    """
    own = [objects.by_path[path] for path in files if path in objects.by_path]
    modules = [binary for binary in own if is_module(binary)]
    roots = modules or own
    findings: list[Finding] = []
    by_image: dict[str, list[Problem]] = {}
    fatal: dict[str, bool] = {}
    for image in sorted(images):
        found = _Reach(objects, target, is_gpu=image == "gpu", named=name.partition(" ")[0], provided=provided)
        broken = [found.of(binary.path) for binary in roots]
        fatal[image] = bool(broken) and all(broken)
        by_image[image] = list(dict.fromkeys(problem for each in broken for problem in each))
    for code in (BROKEN, FOREIGN, SYMBOLS, LIBRARY):
        here = {image: [each for each in some if each.code == code] for image, some in by_image.items()}
        # a library for another machine is nobody's module: it may be data
        is_fatal = all(fatal.values()) and (bool(modules) or code != FOREIGN)
        finding = _about_code(name, code, here, len(own), is_fatal=is_fatal)
        if finding is not None:
            findings.append(finding)
    return findings


def is_module(binary: Binary) -> bool:
    """Whether it is an extension module, by its name or by what is in it."""
    extension = extension_of(binary.path)
    return binary.is_extension or (extension is not None and extension.is_tagged)


def _about_code(
    name: str, code: str, by_image: Mapping[str, list[Problem]], files: int, *, is_fatal: bool
) -> Finding | None:
    images = [image for image, some in by_image.items() if some]
    if not images:
        return None
    # what is wrong on one kind of image only is told of that one
    everywhere = len(images) == len(by_image)
    some = sorted(by_image[images[-1] if everywhere else images[0]], key=lambda problem: problem.path)
    is_error = everywhere and is_fatal
    is_gone = any(problem.is_gone for problem in some)
    if code == FOREIGN and not is_error:
        # helpers for other machines lie in wheels for every system; nobody here loads them
        return None
    first, *_ = [problem for problem in some if problem.is_gone] or some
    others = len({problem.path for problem in some}) - 1
    more = f" (and {counted(others, 'file')} more of {files})" if others else ""
    text = f"{name}: {posixpath.basename(first.path)} {first.text}{more}"
    if code == LIBRARY and first.text.startswith("needs"):
        whose = "the images" if everywhere else f"the {images[0].upper()} images"
        text = (
            f"{name}: {posixpath.basename(first.path)} {first.text}, which neither the artifact nor {whose} have{more}"
        )
    return Finding(code, text, first.path, hint=_hint(first, name.partition(" ")[0]), is_error=is_error or is_gone)


def _hint(problem: Problem, name: str) -> str:
    if problem.code == LIBRARY:
        if problem.is_gone:
            return f"build again: a piece of {name} is missing; see what leaves it out (flash inspect)"
        if problem.library.startswith(("libGL.", "libgthread", "libglib", "libX")) and name.startswith("opencv"):
            return f"{name}-headless needs no display"
        return (
            f"use a version of {name} that brings it along, or another distribution; if the image has it, write"
            f' provided = ["{problem.library}"] in [tool.flash]'
        )
    if problem.code in (SYMBOLS, FOREIGN):
        return f"choose a version of {name} with a wheel for the workers"
    return ""


class _Reach:
    """The problems of an object and of all that it is linked with in the tree."""

    def __init__(
        self, objects: Objects, target: Target, *, is_gpu: bool, named: str, provided: Collection[str]
    ) -> None:
        self._objects = objects
        self._target = target
        self._is_gpu = is_gpu
        self._named = named
        self._provided = provided
        self._own: dict[str, tuple[Problem, ...]] = {}

    def of(self, path: str) -> tuple[Problem, ...]:
        pending, seen, found = [path], {path}, list[Problem]()
        while pending:
            current = pending.pop()
            found += self._problems(current)
            for library in self._objects.by_path[current].needed:
                for place in self._objects.by_name.get(posixpath.basename(library), ())[:1]:
                    if place not in seen:
                        seen.add(place)
                        pending.append(place)
        return tuple(found)

    def _problems(self, path: str) -> tuple[Problem, ...]:
        if path not in self._own:
            binary = self._objects.by_path[path]
            found = problems(
                binary,
                self._objects,
                self._target,
                is_gpu=self._is_gpu,
                named=self._named,
                provided=self._provided,
            )
            self._own[path] = tuple(found)
        return self._own[path]
