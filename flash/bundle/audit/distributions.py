"""The audit of what was installed: once for a set of distributions, whatever project uses it."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from flash.bundle.audit.findings import Finding, ordered
from flash.bundle.audit.shared import (
    LIBRARY,
    Objects,
    about_objects,
    is_module,
    is_shared_object,
    problems,
    read_object,
    read_objects,
)
from flash.bundle.audit.targets import Target, extension_of
from flash.bundle.audit.wheels import EXTENSION_TAG, OTHER_PYTHON, about_extensions, about_wheel, unloadable
from flash.bundle.needs import target_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flash.bundle.audit.shared import Problem
    from flash.bundle.audit.wheels import Required, Shipped

__all__ = ["audit_distributions", "audit_files", "audit_requirements"]

_IMAGES: Final = ("cpu", "gpu")
REQUIREMENT: Final = "requirement-missing"
# What an installer may know of a worker's system and the build does not.
_UNKNOWABLE: Final = ("python_full_version", "implementation_version", "platform_release", "platform_version", "extra")


def audit_distributions(
    folder: Path,
    distributions: Sequence[Shipped],
    *,
    python_version: str,
    platform: str,
    images: Collection[str] = _IMAGES,
    provided: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Check every wheel and shared object in *folder* against the workers.

    Args:
        folder: Where the distributions lie, flat.
        distributions: What was installed there.
        python_version: The workers': ``"3.12"``.
        platform: As uv spells it. Of one that is no Linux with glibc, for previews only, nothing is found.
        images: The kinds of images that there are endpoints for: ``"cpu"`` and ``"gpu"``.
        provided: Libraries that all images have besides what the tables say: ``"libmpi.so.12"``.
    """
    target = Target(python_version, platform)
    if not target.is_known:
        return ()
    has_objects = any(is_shared_object(path) for distribution in distributions for path in distribution.files)
    objects = read_objects(folder) if has_objects else Objects({})
    findings: list[Finding] = []
    for distribution in distributions:
        about = about_wheel(folder, distribution, target)
        if about is not None and about.is_error:
            # a wheel for others has nothing for this one: one finding says it all
            findings.append(_weighed(about, distribution, objects))
            continue
        if about is not None:
            findings.append(about)
        findings += about_extensions(distribution, target)
        named = f"{distribution.name} {distribution.version}"
        # what the interpreter does not look for, no linker is asked to load
        lost = {extension.path for extension in unloadable(distribution.files, target)[0]}
        files = [path for path in distribution.files if path not in lost]
        findings += about_objects(named, files, objects, target, images, provided)
    return ordered(findings)


def _weighed(about: Finding, distribution: Shipped, objects: Objects) -> Finding:
    """A wheel for another Python that has no extension module runs all the same: some are labelled wrongly."""
    binaries = (objects.by_path.get(path) for path in distribution.files)
    if OTHER_PYTHON not in about.message or any(binary is not None and is_module(binary) for binary in binaries):
        return about
    return replace(about, is_error=False, hint="it has no extension module, and may work; the label may be wrong")


def audit_files(
    root: Path,
    files: Sequence[str],
    *,
    distributions: Sequence[Shipped],
    imported: Container[str],
    python_version: str,
    platform: str,
    images: Collection[str] = _IMAGES,
    provided: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Check the shared objects among the project's own files.

    One that a worker cannot load is an error where a module imports it, else a warning: nothing says who uses it.

    Args:
        root: The project.
        files: What ships of it.
        distributions: What ships beside it, whose libraries its objects may be linked with.
        imported: Dotted names of modules that some module of the project imports, whatever happens then.
        python_version: The workers'.
        platform: As uv spells it.
        images: The kinds of images that there are endpoints for.
        provided: Libraries that all images have besides what the tables say.
    """
    target = Target(python_version, platform)
    own = [path for path in files if is_shared_object(path)]
    if not own or not target.is_known:
        return ()
    lost = {extension.path for extension in unloadable(files, target)[0]}
    findings = [
        Finding(
            EXTENSION_TAG,
            f"CPython {python_version} does not look for a file of this name",
            path,
            hint=f"build it with Python {python_version}, or list it in .flashignore",
            is_error=False,
        )
        for path in sorted(lost)
    ]
    beside = (path for distribution in distributions for path in distribution.files if is_shared_object(path))
    objects = _objects_of(root, own, files, beside)
    for path, binary in objects.by_path.items():
        if path in lost:
            continue
        # what some image can load is for those who have that image
        somewhere = [
            list(problems(binary, objects, target, is_gpu=image == "gpu", provided=provided))
            for image in sorted(images)
        ]
        if somewhere and all(somewhere):
            is_error = _is_imported(path, imported)
            findings += [_about_file(problem, is_error=is_error) for problem in min(somewhere, key=len)]
    return ordered(findings)


def _objects_of(root: Path, own: Iterable[str], files: Iterable[str], beside: Iterable[str]) -> Objects:
    by_path = {path: read_object(root, path) for path in own}
    names: dict[str, tuple[str, ...]] = {}
    for path in (*by_path, *beside):
        name = posixpath.basename(path)
        names[name] = (*names.get(name, ()), path)
    return Objects(by_path, names, frozenset({".", *(posixpath.dirname(path) or "." for path in files)}))


def _is_imported(path: str, imported: Container[str]) -> bool:
    extension = extension_of(path)
    if extension is None:
        return False
    name = extension.module.replace("/", ".")
    return name in imported or name.removeprefix("src.") in imported


def _about_file(problem: Problem, *, is_error: bool) -> Finding:
    is_missing = problem.code == LIBRARY and problem.text.startswith("needs")
    text = f"{problem.text}, which neither the artifact nor the images have" if is_missing else problem.text
    return Finding(
        problem.code,
        text,
        problem.path,
        hint="build it for the workers, or list it in .flashignore",
        is_error=is_error,
    )


def audit_requirements(
    distributions: Sequence[Required], *, present: Collection[str], python_version: str
) -> tuple[Finding, ...]:
    """What the metadata of *distributions* asks for and is not *present*: a warning, as overrides may mean it.

    Args:
        distributions: What ships.
        present: Names of what is provided or was left out on purpose.
        python_version: The workers'.
    """
    known = {
        *(str(canonicalize_name(name)) for name in present),
        *(distribution.name for distribution in distributions),
    }
    environment = target_environment(python_version)
    findings = []
    for distribution in distributions:
        lacking = sorted(set(_required(distribution.requires, environment)) - known)
        if lacking:
            path = next((file for file in distribution.files if file.endswith(".dist-info/METADATA")), "METADATA")
            findings.append(
                Finding(
                    REQUIREMENT,
                    f"{distribution.name} {distribution.version} needs {', '.join(lacking)}, which nothing provides",
                    path,
                    hint=f"add {', '.join(map(repr, lacking))} to dependencies=[…]",
                    is_error=False,
                )
            )
    return ordered(findings)


def _required(lines: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            # metadata of long ago, which the installer could read
            continue
        marker = requirement.marker
        if marker is not None and (
            any(name in str(marker) for name in _UNKNOWABLE) or not marker.evaluate(dict(environment))
        ):
            continue
        yield str(canonicalize_name(requirement.name))
