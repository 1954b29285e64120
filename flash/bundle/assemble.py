"""A project becomes an artifact: every step, in order, and nothing under a final name before all have succeeded."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import flash
from flash.bundle import archive
from flash.bundle.archive import mebibytes
from flash.bundle.clashes import refuse_clashes, refuse_contradictions, refuse_old_pydantic, refuse_taken_names
from flash.bundle.discover import app_of
from flash.bundle.fingerprints import endpoint_fingerprints, source_fingerprint
from flash.bundle.handlers import handler_name, handler_text
from flash.bundle.manifests import manifest_of
from flash.bundle.modules import Modules, read_modules
from flash.bundle.requirements import REQUIREMENTS_NAME, Requirements, plan_requirements
from flash.bundle.sources import project_files
from flash.errors import BuildError, DependencyError
from flash.model.manifest import MANIFEST_NAME, Artifact, CallSchema, Manifest

if TYPE_CHECKING:
    from flash.bundle.install import Distribution, Installer, Report
    from flash.model.app import App

__all__ = ["ARTIFACT_NAME", "BuildRequest", "Describer", "build", "manifest_of"]

ARTIFACT_NAME: Final = "artifact.tar.gz"

Describer = Callable[[Path, Manifest], Mapping[str, Mapping[str, Mapping[str, CallSchema]]]]
"""Runs in the staged tree and says what its functions accept: endpoint, function, method or ``""``, schema."""

_SHIPPED: Final = ("__init__.py", "errors.py", "alias.py", "model", "runtime")
"""What of our own package goes into an artifact."""

_MOST_NAMED = 5
# packing less than this is over before a line about it could be read
_LONG = 50 * archive.MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build.

    Attributes:
        root: The project.
        python_version: The workers': ``"3.12"``.
        exclude: Distributions to leave out besides the automatic ones.
        bundle: Distributions to ship although they would be left out.
        size_limit_bytes: What the artifact may come to.
        keep_build_dir: Whether ``.flash/.build`` stays.
        for_runpod: Whether it will run on Runpod's own images, whose modules it must not replace.
    """

    root: Path
    app_name: str
    python_version: str
    exclude: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()
    size_limit_bytes: int = 500 * archive.MEBIBYTE
    keep_build_dir: bool = False
    for_runpod: bool = False


def build(request: BuildRequest, *, installer: Installer, describer: Describer, report: Report) -> Artifact:
    """Build the artifact into ``.flash/`` of the project.

    Args:
        request: What to build.
        installer: Where distributions come from.
        describer: What reads signatures.
        report: Takes lines for the user.

    Raises:
        BuildError: The project cannot become an artifact. One that was built before stays.
        DeclarationError: An endpoint's definition is wrong.
    """
    sources = project_files(request.root)
    modules = read_modules(request.root, sources.files)
    app = app_of(modules, request.root, app_name=request.app_name, ignored=sources.ignored)
    report(f"found {_count(len(app.endpoints), 'endpoint')}: {', '.join(endpoint.name for endpoint in app)}")
    for note in app.notes:
        report(note)
    if sources.secrets:
        report(f"left out, as it may hold a secret: {', '.join(sources.secrets)}")
    if sources.special:
        report(f"left out, as it is neither a file nor a folder: {', '.join(sources.special)}")
    refuse_taken_names(sources.files, app, for_runpod=request.for_runpod)
    imports = _imports(app, modules)
    folder = _flash_folder(request.root)
    staging, packages = folder / ".build", folder / ".packages"
    with _writing(folder, staging, packages, keep=request.keep_build_dir):
        requirements, distributions = _install(request, app, imports, packages, installer, report)
        refuse_clashes(sources.files, distributions, source_folder=modules.source_folder)
        _copy(request.root, sources.files, staging)
        _merge(packages, staging)
        _copy_runtime(staging)
        _generate(staging, app, distributions, source_folder=modules.source_folder)
        manifest = manifest_of(
            app,
            requirements,
            python_version=request.python_version,
            source_fingerprint=source_fingerprint(request.root, sources.files),
            fingerprints=endpoint_fingerprints(
                app,
                modules,
                root=request.root,
                files=sources.files,
                staging=staging,
                python_version=request.python_version,
            ),
        )
        manifest = _describe(staging, manifest, describer)
        for line in _about_undescribed(manifest):
            report(line)
        unpacked = sum(distribution.size_bytes for distribution in distributions)
        if unpacked >= _LONG:
            report(f"packing {mebibytes(unpacked)} of distributions")
        digest, size, files = archive.write(
            staging,
            folder / ARTIFACT_NAME,
            limit_bytes=request.size_limit_bytes,
            largest=_largest(request.root, sources.files, distributions),
        )
        archive.write_text(folder / MANIFEST_NAME, manifest.text())
    report(f"packed {_count(len(files), 'file')} ({mebibytes(size)}), sha256 {digest[:12]}")
    return Artifact(path=folder / ARTIFACT_NAME, sha256=digest, size_bytes=size, manifest=manifest, files=files)


@contextmanager
def _writing(folder: Path, staging: Path, packages: Path, *, keep: bool) -> Iterator[None]:
    """An empty *staging* for the block; afterwards, however it ends, nothing of it but what *keep* says."""
    try:
        try:
            # a build that was killed left them
            halves = (f".{ARTIFACT_NAME}.*", f".{MANIFEST_NAME}.*", f"{staging.name}-*")
            for stale in (staging, packages, *(path for half in halves for path in folder.glob(half))):
                _remove(stale)
            staging.mkdir()
            yield
        finally:
            _remove(packages)
            if not keep:
                _remove(staging)
    except OSError as error:
        where = Path(os.fsdecode(error.filename or folder))
        raise BuildError(
            f"cannot build there: {error.strerror or error}",
            # removing a tree names what is relative to a folder that it does not name
            path=_shown(where if where.is_absolute() else folder, folder.parent),
            hint="the project's .flash folder has to be writable, and its disk not full",
        ) from error


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _imports(app: App, modules: Modules) -> dict[str, frozenset[str]]:
    """By endpoint, what its functions' modules import from elsewhere; distributions of the images are named like it."""
    return {
        endpoint.name: modules.third_party_imports(function.module for function in endpoint.functions)
        for endpoint in app
    }


def _install(
    request: BuildRequest,
    app: App,
    imports: Mapping[str, frozenset[str]],
    packages: Path,
    installer: Installer,
    report: Report,
) -> tuple[Requirements, tuple[Distribution, ...]]:
    def plan(*besides: str) -> Requirements:
        return plan_requirements(
            app,
            request.root,
            exclude=request.exclude,
            bundle=(*request.bundle, *besides),
            python_version=request.python_version,
            imports=imports,
        )

    def install(requirements: Requirements) -> tuple[Distribution, ...]:
        packages.mkdir()
        try:
            return installer.install(
                requirements.install,
                target=packages,
                python_version=request.python_version,
                excluded=tuple(sorted(requirements.excluded)),
                report=report,
            )
        except DependencyError as error:
            raise requirements.blame(error) from error

    requirements = plan()
    refuse_contradictions(requirements)
    distributions = install(requirements) if requirements.install else ()
    lacking = requirements.lacking(distributions)
    if lacking:
        # known only now, from what was installed: the CPU image of one endpoint lacks what GPU images ship
        _remove(packages)
        requirements = plan(*lacking)
        distributions = install(requirements)
    requirements = requirements.settled(distributions)
    refuse_old_pydantic(distributions)
    for name, reason in sorted(requirements.excluded.items()):
        report(f"left out {name}: {reason}")
    for note in (*requirements.notes, *_about_images(app)):
        report(note)
    return requirements, distributions


def _about_images(app: App) -> list[str]:
    """What an image has to have already: of an endpoint's own all that it asks for, as no artifact gets there."""
    notes = []
    for endpoint in app:
        spec = endpoint.spec
        if spec.system_dependencies and not spec.is_client:
            names = ", ".join(spec.system_dependencies)
            notes.append(
                f"endpoint {endpoint.name!r}: system_dependencies are no part of an artifact,"
                f" its image has to have {names}"
            )
        asked = (*spec.dependencies, *spec.system_dependencies)
        if asked and spec.is_client:
            notes.append(
                f"! endpoint {endpoint.name!r}: {', '.join(asked)}: nothing is installed into an image of one's own, "
                f"{spec.image!r} has to have it"
            )
    return notes


def _flash_folder(root: Path) -> Path:
    folder = root / ".flash"
    try:
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            archive.write_text(ignore, "*\n")
    except OSError as error:
        raise BuildError(
            f"cannot write there: {error.strerror}", path=".flash", hint="the project's folder has to be writable"
        ) from error
    return folder


def _copy(root: Path, files: Iterable[str], staging: Path) -> None:
    for path in files:
        source, target = root / path, staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, target)
            target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
        except OSError as error:
            raise BuildError(
                f"cannot copy it: {error.strerror}", path=path, hint="make it readable, or list it in .flashignore"
            ) from error


def _merge(source: Path, target: Path) -> None:
    """Move what is in *source* into *target*; a file that is there already stays."""
    if not source.is_dir():
        return
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if not place.exists():
            entry.rename(place)
        elif entry.is_dir() and place.is_dir():
            _merge(entry, place)


def _copy_runtime(staging: Path) -> None:
    package = Path(flash.__file__).parent
    for name in _SHIPPED:
        found = package / name
        for file in [found] if found.is_file() else sorted(found.rglob("*.py")):
            place = staging / "flash" / file.relative_to(package)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def _generate(staging: Path, app: App, distributions: Sequence[Distribution], *, source_folder: str) -> None:
    for endpoint in app:
        if not endpoint.spec.is_client:
            _write(staging / handler_name(endpoint.name), handler_text(endpoint, source_folder=source_folder))
    pins = sorted(f"{distribution.name}=={distribution.version}\n" for distribution in distributions)
    _write(staging / REQUIREMENTS_NAME, "# What this artifact holds.\n" + "".join(pins))


def _about_undescribed(manifest: Manifest) -> list[str]:
    """What could not be imported here has no schema: its contract is not checked, and it may not start either."""
    return [
        f"! {endpoint}: {entry.name} is {schema.error}"
        for endpoint, resource in manifest.resources.items()
        for entry in resource.functions
        for schema in list(entry.contract.values())[:1]
        if schema.error is not None
    ]


def _describe(staging: Path, manifest: Manifest, describer: Describer) -> Manifest:
    """Write the manifest into the staged tree, with the schemas that *describer* finds there."""
    _write(staging / MANIFEST_NAME, manifest.text())
    staged = set(archive.members(staging))
    contracts = describer(staging, manifest)
    for path in set(archive.members(staging)) - staged:
        # importing the user's modules may write files, which are no part of the project
        (staging / path).unlink()
    described = manifest.model_copy(deep=True)
    for endpoint, resource in described.resources.items():
        for entry in resource.functions:
            entry.contract = dict(contracts.get(endpoint, {}).get(entry.name, {}))
    _write(staging / MANIFEST_NAME, described.text())
    return described


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
    path.chmod(0o644)


def _largest(root: Path, files: Iterable[str], distributions: Iterable[Distribution]) -> list[str]:
    sizes = [(distribution.size_bytes, distribution.name) for distribution in distributions]
    sizes += [(size, path) for path in files if (size := (root / path).stat().st_size) >= archive.MEBIBYTE]
    return [f"{name} {mebibytes(size)}" for size, name in sorted(sizes, reverse=True)[:_MOST_NAMED]]


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
