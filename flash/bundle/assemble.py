"""A project becomes an artifact: every step, in order, and nothing under a final name before all have succeeded."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from flash.bundle import archive, memo
from flash.bundle.archive import mebibytes
from flash.bundle.checks import audit
from flash.bundle.clashes import refuse_clashes, refuse_contradictions, refuse_old_pydantic, refuse_taken_names
from flash.bundle.describe import Describer, about_undescribed, describe
from flash.bundle.discover import app_of
from flash.bundle.evaluation import evaluate_modules
from flash.bundle.files import write_text
from flash.bundle.fingerprints import endpoint_fingerprints, source_fingerprint
from flash.bundle.handlers import handler_name
from flash.bundle.layers import Compressing, Damaged, Member
from flash.bundle.manifests import manifest_of
from flash.bundle.modules import Modules, read_modules
from flash.bundle.parsing import uncollected
from flash.bundle.request import BuildRequest
from flash.bundle.requirements import Requirements, plan_requirements
from flash.bundle.secrets import Secrets
from flash.bundle.sizes import size_table
from flash.bundle.snapshot import Snapshot
from flash.bundle.sources import project_files
from flash.bundle.staging import ARTIFACT_NAME, flash_folder, own_members, stage, staged
from flash.errors import DependencyError
from flash.model.manifest import MANIFEST_NAME, Artifact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from flash.bundle.cache import Cache
    from flash.bundle.evaluation import Evaluation
    from flash.bundle.install import Distribution, Installer, Report
    from flash.bundle.layers import Layer
    from flash.bundle.modules import Module
    from flash.bundle.sources import Sources
    from flash.bundle.staging import Members
    from flash.bundle.trees import DistributionSet
    from flash.bundle.wanted import Wanted
    from flash.model.app import App
    from flash.model.manifest import Manifest

__all__ = ["ARTIFACT_NAME", "BuildRequest", "Describer", "build"]


_MOST_NAMED: Final = 5
_LARGE: Final = archive.MEBIBYTE


def build(
    request: BuildRequest, *, installer: Installer, describer: Describer, cache: Cache, report: Report
) -> Artifact:
    """Build the artifact into ``.flash/`` of the project.

    Args:
        request: What to build.
        installer: Where distributions come from.
        describer: What reads signatures.
        cache: What earlier builds have left.
        report: Takes lines for the user.

    Raises:
        BuildError: The project cannot become an artifact. One that was built before stays.
        DeclarationError: An endpoint's definition is wrong.
    """
    # syntax trees stay as long as the build does: looking for garbage among them finds none
    with uncollected():
        try:
            return _Build(request, installer, describer, cache, report).run()
        except Damaged as error:
            report(f"! {error}, and made again")
            cache.forget(error.place)
        return _Build(request, installer, describer, cache, report).run()


class _Build:
    """One build. What it tells the user is kept, to be told again where the same is not built again."""

    def __init__(
        self, request: BuildRequest, installer: Installer, describer: Describer, cache: Cache, report: Report
    ) -> None:
        self._request = request
        self._installer = installer
        self._describer = describer
        self._cache = cache
        self._progress = report
        self._notes: list[str] = []
        self._has_evaluated = False

    def run(self) -> Artifact:
        """Build it."""
        request = self._request
        sources = project_files(request.root)
        snapshot = Snapshot.of(request.root, sources.files)
        key = memo.key(request, sources, snapshot, describer=self._describer.identity)
        secrets = Secrets(request.allowed_secrets)
        secrets.look_into(request.root, sources.files)
        # an error of what follows may quote the line that has one
        with secrets.told_first():
            modules = read_modules(request.root, sources.files)
            app = app_of(
                modules, request.root, app_name=request.app_name, ignored=sources.ignored, evaluate=self._evaluate
            )
        secrets.look_at(app)
        self._tell(f"found {_count(len(app.endpoints), 'endpoint')}: {', '.join(endpoint.name for endpoint in app)}")
        for line in (*secrets.refuse(), *app.notes, *_about_sources(sources)):
            self._tell(line)
        refuse_taken_names(sources.files, app, for_runpod=request.for_runpod)
        folder = flash_folder(request.root)
        staging = folder / ".build"
        with staged(folder, staging, keep=request.keep_build_dir), _aside() as aside, Compressing() as compressing:
            requirements, wanted, found = self._install(app, modules)
            refuse_clashes(sources.files, found.distributions, source_folder=modules.source_folder)
            own = own_members(app, snapshot, found.distributions, source_folder=modules.source_folder)
            # while everything else happens, which needs none of it
            packed = aside.submit(self._cache.layers, found, {*own, MANIFEST_NAME}, compressing, self._tell)
            # first: what cannot be imported has its reason there
            for line in audit(request, app, modules, sources, requirements, found, self._cache, self._progress):
                self._tell(line)
            manifest = self._manifest(app, modules, snapshot, own, requirements, found, staging)
            own[MANIFEST_NAME] = Member.of_text(MANIFEST_NAME, manifest.text())
            layers = [*packed.result(), *_own_layers(own.values(), self._cache, compressing)]
            # what was read, described and packed was one and the same
            snapshot.check()
            digest, size = archive.write(
                folder / ARTIFACT_NAME,
                layers,
                limit_bytes=request.size_limit_bytes,
                largest=_largest(own.values(), found.distributions),
                table=lambda: size_table(found.distributions, {one.name: one.size for one in own.values()}),
            )
            write_text(folder / MANIFEST_NAME, manifest.text())
            if request.keep_build_dir:
                self._keep(staging, own, found)
        files = tuple(sorted({*found.files, *own}))
        self._progress(f"packed {_count(len(files), 'file')} ({mebibytes(size)}), sha256 {digest[:12]}")
        artifact = Artifact(folder / ARTIFACT_NAME, digest, size, manifest, files)
        if not self._has_evaluated:
            memo.remember(
                artifact,
                key=key,
                wanted=wanted,
                installs=found.key,
                beside=requirements.files,
                fresh_until=found.fresh_until,
                notes=self._notes,
            )
        return artifact

    def _tell(self, line: str) -> None:
        self._notes.append(line)
        self._progress(line)

    def _evaluate(self, root: Path, wanted: Sequence[Module], modules: Modules) -> Mapping[str, Evaluation]:
        # what it finds may depend on the day
        self._has_evaluated = True
        return evaluate_modules(root, wanted, modules)

    def _install(self, app: App, modules: Modules) -> tuple[Requirements, Wanted, DistributionSet]:
        request = self._request
        imports = _imports(app, modules)

        def plan(*besides: str) -> Requirements:
            return plan_requirements(
                app,
                request.root,
                exclude=request.exclude,
                bundle=(*request.bundle, *besides),
                python_version=request.python_version,
                imports=imports,
                dependency_group=request.dependency_group,
            )

        def install(requirements: Requirements) -> tuple[Wanted, DistributionSet]:
            wanted = requirements.wanted()
            try:
                return wanted, self._cache.distributions(wanted, self._installer, self._progress, renew=request.upgrade)
            except DependencyError as error:
                raise requirements.blame(error) from error

        requirements = plan()
        refuse_contradictions(requirements)
        wanted, found = install(requirements)
        lacking = requirements.lacking(found.distributions)
        if lacking:
            # known only now, from what was installed: the CPU image of one endpoint lacks what GPU images ship
            requirements = plan(*lacking)
            wanted, found = install(requirements)
        if found.is_reused:
            self._progress(f"{_count(len(found.distributions), 'distribution')} as in the build before")
        requirements = requirements.settled(found.distributions)
        refuse_old_pydantic(found.distributions)
        for name, reason in sorted(requirements.excluded.items()):
            self._tell(f"left out {name}: {reason}")
        for note in (*requirements.notes, *_about_images(app)):
            self._tell(note)
        return requirements, wanted, found

    def _manifest(
        self,
        app: App,
        modules: Modules,
        snapshot: Snapshot,
        own: Members,
        requirements: Requirements,
        found: DistributionSet,
        staging: Path,
    ) -> Manifest:
        python_version = self._request.python_version
        files = {path: file.sha256 for path, file in snapshot.files.items()}
        loaded = requirements.endpoint_distributions(found.distributions)
        manifest = manifest_of(
            app,
            requirements,
            python_version=python_version,
            source_fingerprint=source_fingerprint(files.items()),
            fingerprints=endpoint_fingerprints(
                app,
                modules,
                own=own,
                files=files,
                distributions={name: [file for one in loaded[name] for file in one.files] for name in loaded},
                contents=found.files,
                python_version=python_version,
            ),
        )

        def staged_tree(manifest: Manifest) -> Path:
            # handlers are what a worker starts; here the modules themselves are imported
            handlers = {handler_name(endpoint.name) for endpoint in app}
            members = (member for member in own.values() if member.name not in handlers)
            stage(staging, (*members, Member.of_text(MANIFEST_NAME, manifest.text())), snapshot)
            return staging

        manifest = describe(manifest, staged_tree, found.tree, self._describer, self._cache, self._tell)
        for line in about_undescribed(manifest):
            self._tell(line)
        return manifest

    def _keep(self, staging: Path, own: Members, found: DistributionSet) -> None:
        """The tree as a worker has it, for whoever wants to look at it: a copy, whatever is done to it."""
        shutil.rmtree(staging)
        hidden = (name for name in found.files if name not in own)
        for member in (*own.values(), *found.members(tuple(hidden))):
            content = member.content if isinstance(member.content, bytes) else member.content.read_bytes()
            place = staging / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if member.is_executable else 0o644)


def _about_sources(sources: Sources) -> Iterator[str]:
    if sources.secrets:
        yield f"left out, as it may hold a secret: {', '.join(sources.secrets)}"
    if sources.special:
        yield f"left out, as it is neither a file nor a folder: {', '.join(sources.special)}"


@contextmanager
def _aside() -> Iterator[ThreadPoolExecutor]:
    """One thread, which is waited for; what it does not get is an error of its own, and nobody asks for that then."""
    with ThreadPoolExecutor(1, thread_name_prefix="layers") as pool:
        yield pool


def _own_layers(members: Collection[Member], cache: Cache, compressing: Compressing) -> Iterator[Layer]:
    """Large files each by itself and kept, as they seldom change; all others together."""
    for member in members:
        if member.size >= _LARGE:
            yield cache.layer_of(member, compressing)
    yield compressing.layer(member for member in members if member.size < _LARGE)


def _imports(app: App, modules: Modules) -> dict[str, frozenset[str]]:
    """By endpoint, what its functions' modules import from elsewhere; distributions of the images are named like it."""
    return {
        endpoint.name: modules.third_party_imports(function.module for function in endpoint.functions)
        for endpoint in app
    }


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


def _largest(own: Iterable[Member], distributions: Iterable[Distribution]) -> list[str]:
    sizes = [(distribution.size_bytes, distribution.name) for distribution in distributions]
    sizes += [(member.size, member.name) for member in own if member.size >= archive.MEBIBYTE]
    return [f"{name} {mebibytes(size)}" for size, name in sorted(sizes, reverse=True)[:_MOST_NAMED]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
